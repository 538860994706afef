"""Contract of BlobStore, on a disk and on an S3-compatible server."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from domain.errors import FileNotFound
from domain.ports import BlobStore

KEY = "ab" * 32 + "-00000001"
OTHER = "cd" * 32 + "-00000002"


def unfinished(folder: Path) -> list[Path]:
    return [path for place in ("blobs/incoming", "spool") for path in (folder / place).glob("*")]


async def content(blobs: BlobStore, key: str, start: int = 0, stop: int = 2**40) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key, start, stop)])


async def test_what_is_stored_is_read(blobs: BlobStore, tmp_path: Path) -> None:
    data = os.urandom(700_001)
    async with blobs.incoming() as incoming:
        for start in range(0, len(data), 100_000):
            await incoming.write(data[start : start + 100_000])
        digest = await incoming.digest()
        assert await asyncio.to_thread(Path(incoming.path).read_bytes) == data
        assert await blobs.size(KEY) is None, "not before it is stored"
        await incoming.store(KEY)
    assert digest.sha256 == hashlib.sha256(data).hexdigest()
    assert digest.md5 == hashlib.md5(data).hexdigest()
    assert (digest.size, digest.head) == (len(data), data[:8192])
    assert await blobs.size(KEY) == len(data)
    assert await content(blobs, KEY, 0, len(data)) == data
    assert await content(blobs, KEY, 300_000, 300_007) == data[300_000:300_007]
    assert await content(blobs, KEY, len(data) - 1, len(data)) == data[-1:]
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize("ending", [ValueError, asyncio.CancelledError])
async def test_what_is_not_stored_leaves_nothing(blobs: BlobStore, tmp_path: Path, ending: type[BaseException]) -> None:
    with pytest.raises(ending):
        async with blobs.incoming() as incoming:
            await incoming.write(b"x" * 1000)
            assert len(unfinished(tmp_path)) == 1
            raise ending
    assert unfinished(tmp_path) == []
    assert [key async for key in blobs.stored_before(2**50)] == []


async def test_a_small_one(blobs: BlobStore) -> None:
    await blobs.put(KEY, b"small")
    assert await blobs.size(KEY) == 5
    assert await content(blobs, KEY, 1, 3) == b"ma"


async def test_what_is_missing(blobs: BlobStore) -> None:
    assert await blobs.size(KEY) is None
    with pytest.raises(FileNotFound):
        await content(blobs, KEY, 0, 5)
    await blobs.delete([KEY])


async def test_deleting(blobs: BlobStore) -> None:
    await blobs.put(KEY, b"one")
    await blobs.put(OTHER, b"two")
    await blobs.delete([KEY, "ef" * 32 + "-00000003"])
    assert [await blobs.size(key) for key in (KEY, OTHER)] == [None, 3]


async def test_reading_may_be_given_up(blobs: BlobStore) -> None:
    await blobs.put(KEY, b"x" * 1_000_000)
    chunks = blobs.read(KEY, 0, 1_000_000)
    assert await anext(chunks)
    await chunks.aclose()
    assert await blobs.size(KEY) == 1_000_000


async def test_what_was_stored_before(blobs: BlobStore) -> None:
    before_ms = int(time.time() * 1000) - 5000
    await blobs.put(KEY, b"one")
    await blobs.put(OTHER, b"two")
    assert [key async for key in blobs.stored_before(before_ms)] == []
    after_ms = int(time.time() * 1000) + 5000
    assert sorted([key async for key in blobs.stored_before(after_ms)]) == [KEY, OTHER]


async def test_unfinished_ones_are_discarded_when_they_are_old(blobs: BlobStore, tmp_path: Path) -> None:
    async with blobs.incoming() as incoming:
        await incoming.write(b"x")
        await blobs.put(KEY, b"finished")
        assert await blobs.discard_unfinished(int(time.time() * 1000) - 5000) == 0
        assert len(unfinished(tmp_path)) == 1
        assert await blobs.discard_unfinished(int(time.time() * 1000) + 5000) == 1
        assert unfinished(tmp_path) == []
    assert await blobs.size(KEY) == 8


async def test_many_at_once(blobs: BlobStore) -> None:
    async def store(number: int) -> None:
        async with blobs.incoming() as incoming:
            await incoming.write(b"%d" % number * 1000)
            await incoming.digest()
            await incoming.store(f"{number:064x}-00000000")

    await asyncio.gather(*map(store, range(20)))
    for number in range(20):
        assert (await content(blobs, f"{number:064x}-00000000", 0, 9999))[:2] == (b"%d" % number * 1000)[:2]
