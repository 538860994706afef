"""Blobs as files of a local folder: written aside, synced, then renamed into place."""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final

from domain.errors import FileNotFound
from domain.ports import Incoming
from storage.blobs.spool import CHUNK_BYTES, DiskThreads, Spool, SpooledFile, is_older

THREADS: Final = 4
"""More would only queue at the disk."""


class DiskBlobStore:
    """Implements `domain.ports.BlobStore`. Processes may share the folder. `folder` is made if it is
    missing; the one around it is there.

    A blob lies in a folder named by the first two digits of its key, so that none grows large."""

    def __init__(self, folder: Path) -> None:
        """OSError."""
        self._folder = folder
        self._threads = DiskThreads(THREADS)
        self._spool = Spool(folder / "incoming", self._threads)
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(folder.parent)
        self._spool.folder.mkdir(mode=0o700, exist_ok=True)

    async def start(self) -> None:
        """Nothing to wait for."""

    async def close(self) -> None:
        self._threads.close()

    def incoming(self) -> AbstractAsyncContextManager[Incoming]:
        return self._spool.incoming(self._store)

    async def _store(self, file: SpooledFile, key: str) -> None:
        await self._threads.run(self._move, file, key)

    def _move(self, file: SpooledFile, key: str) -> None:
        file.flush()
        path = self._place(key)
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _sync_folder(self._folder)
        os.rename(file.path, path)
        # The name too: the row that will name this blob must find it after a power cut.
        _sync_folder(path.parent)

    async def put(self, key: str, data: bytes) -> None:
        async with self._spool.incoming(self._store) as file:
            await file.write(data)
            await file.store(key)

    async def size(self, key: str) -> int | None:
        return await self._threads.run(_size, self._place(key))

    async def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        file = await self._threads.run(_open, self._place(key), start)
        if file is None:
            raise FileNotFound
        try:
            while start < stop:
                chunk: bytes = await self._threads.run(file.read, min(CHUNK_BYTES, stop - start))
                if not chunk:
                    return
                start += len(chunk)
                yield chunk
        finally:
            file.close()

    async def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            await self._threads.run(_unlink, self._place(key))

    async def stored_before(self, time_ms: int) -> AsyncIterator[str]:
        for number in range(256):
            for key in await self._threads.run(_older, self._folder / f"{number:02x}", time_ms):
                yield key

    async def discard_unfinished(self, time_ms: int) -> int:
        return await self._spool.discard_older(time_ms)

    def _place(self, key: str) -> Path:
        return self._folder / key[:2] / key


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _open(path: Path, start: int) -> Any:
    try:
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        return None
    file.seek(start)
    return file


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _older(folder: Path, time_ms: int) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder) if is_older(entry, time_ms)]
    except FileNotFoundError:
        return []


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
