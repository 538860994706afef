"""What only an object store has: signatures, lists of several pages, a server that is not there."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from domain.errors import Unavailable
from storage import CannotOpen
from storage.blobs import s3
from storage.blobs.s3 import S3BlobStore, S3Location
from storage.blobs.sigv4 import EMPTY_SHA256, canonical_query, signed_headers
from tests.storage.blobs.s3_server import S3Server


def test_the_published_example() -> None:
    """Amazon S3 API Reference, "Authenticating requests: using the Authorization header", GET object."""
    headers = signed_headers(
        method="GET",
        host="examplebucket.s3.amazonaws.com",
        path="/test.txt",
        query={},
        headers={"Range": "bytes=0-9"},
        payload_sha256=EMPTY_SHA256,
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        at=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", "/bucket", {"list-type": "2", "continuation-token": "a+b/c== ~飞"}),
        ("PUT", "/bucket/abc-1", {}),
        ("DELETE", "/bu%20cket/abc-1", {}),
    ],
)
def test_as_botocore_signs(method: str, path: str, query: dict[str, str]) -> None:
    host = "127.0.0.1:9000"
    at = datetime(2025, 1, 8, 12, 30, 15, tzinfo=UTC)
    ours = signed_headers(
        method=method,
        host=host,
        path=path,
        query=query,
        headers={},
        payload_sha256="UNSIGNED-PAYLOAD",
        access_key="key",
        secret_key="secret",
        region="eu-central-1",
        at=at,
    )
    url = f"http://{host}{path}" + (f"?{canonical_query(query)}" if query else "")
    request = AWSRequest(method=method, url=url, headers={"X-Amz-Date": ours["x-amz-date"]})
    request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    request.context["timestamp"] = ours["x-amz-date"]
    request.context["payload_signing_enabled"] = False
    signer = S3SigV4Auth(Credentials("key", "secret"), "s3", "eu-central-1")
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert ours["authorization"].endswith(f"Signature={signature}")


async def test_a_list_of_several_pages(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3_server.make_bucket("pages")
    blobs = S3BlobStore(S3Location(s3_server.url, "pages", "key", "secret"), tmp_path / "spool")
    await blobs.start()
    keys = [f"{number:064x}-00000000" for number in range(7)]
    for key in keys:
        await blobs.put(key, b"x")
    listed = S3BlobStore._list

    async def short(self: S3BlobStore, query: dict[str, str]) -> object:
        return await listed(self, {**query, "max-keys": "3"})

    monkeypatch.setattr(S3BlobStore, "_list", short)
    assert [key async for key in blobs.stored_before(2**50)] == keys
    await blobs.close()


async def test_a_bucket_that_is_missing(s3_server: S3Server, tmp_path: Path) -> None:
    blobs = S3BlobStore(S3Location(s3_server.url, "nowhere", "key", "secret"), tmp_path / "spool")
    with pytest.raises(CannotOpen, match="the bucket nowhere"):
        await blobs.start()


async def test_a_server_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PAUSE_S", 0.001)
    with S3Server() as server:
        server.make_bucket("bucket")
        blobs = S3BlobStore(S3Location(server.url, "bucket", "key", "secret"), tmp_path / "spool")
        await blobs.start()
        await blobs.put("a", b"x")
    for request in (blobs.size("a"), blobs.put("b", b"x"), blobs.delete(["a"])):
        with pytest.raises(Unavailable):
            await request
    with pytest.raises(Unavailable):
        async with blobs.incoming() as incoming:
            await incoming.write(b"x")
            await incoming.store("c")
    assert list((tmp_path / "spool").iterdir()) == []
    await blobs.close()
