"""Every implementation of the blob store port."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.blobs.disk import DiskBlobStore
from storage.blobs.s3 import S3BlobStore, S3Location
from tests.storage.blobs.s3_server import S3Server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(params=["disk", "s3"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DiskBlobStore | S3BlobStore]:
    """`spool` in the test's folder is where unfinished bytes lie."""
    store: DiskBlobStore | S3BlobStore
    if request.param == "disk":
        store = DiskBlobStore(tmp_path / "blobs")
    else:
        server: S3Server = request.getfixturevalue("s3_server")
        bucket = f"b-{uuid.uuid4()}"
        server.make_bucket(bucket)
        store = S3BlobStore(S3Location(server.url, bucket, "key", "secret"), tmp_path / "spool")
    await store.start()
    yield store
    await store.close()
