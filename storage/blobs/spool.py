"""Bytes on their way into a blob store: a temporary file, hashed while it is written, off the event loop."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple

from domain.errors import Unavailable
from domain.file_types import HEAD_BYTES
from domain.ports import Digest

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CHUNK_BYTES: Final = 256 * 1024
"""Of one read: large enough that the change of threads does not count."""

Store = Callable[["SpooledFile", str], Awaitable[None]]


class DiskThreads:
    """A few threads for what waits for a disk. OSError becomes Unavailable."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="blobs")

    async def run(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """What has begun is waited for even if the caller is cancelled: a file is not closed while it is written."""
        job = asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            await asyncio.gather(job, return_exceptions=True)
            raise
        except OSError as error:
            raise Unavailable(f"the files cannot be read or written: {error.strerror}") from error

    def close(self) -> None:
        self._pool.shutdown(wait=True)


class SpooledFile:
    """Implements `domain.ports.Incoming`."""

    def __init__(self, path: Path, threads: DiskThreads, store: Store) -> None:
        self._path = path
        self._threads = threads
        self._store = store
        self._file: Any = None
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._head = b""
        self.size = 0

    @property
    def path(self) -> str:
        return str(self._path)

    async def open(self) -> None:
        await self._threads.run(self._open)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        # Unbuffered: what is written is hashed and counted, and comes in large pieces.
        self._file = os.fdopen(os.open(self._path, flags, 0o600), "wb", buffering=0)

    async def write(self, chunk: bytes) -> None:
        await self._threads.run(self._write, chunk)

    def _write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._sha256.update(chunk)
        self._md5.update(chunk)
        if self.size < HEAD_BYTES:
            self._head += chunk[: HEAD_BYTES - self.size]
        self.size += len(chunk)

    async def digest(self) -> Digest:
        return Digest(self._sha256.hexdigest(), self._md5.hexdigest(), self.size, self._head)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    async def store(self, key: str) -> None:
        await self._store(self, key)

    def flush(self) -> None:
        """To the disk, power cut or not. In a thread."""
        os.fsync(self._file.fileno())

    async def discard(self) -> None:
        if self._file is not None:
            await self._threads.run(self._discard)

    def _discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class Spool:
    """The folder of the temporary files."""

    def __init__(self, folder: Path, threads: DiskThreads) -> None:
        self.folder = folder
        self._threads = threads

    @asynccontextmanager
    async def incoming(self, store: Store) -> AsyncIterator[SpooledFile]:
        file = SpooledFile(self.folder / secrets.token_hex(16), self._threads, store)
        try:
            await file.open()
            yield file
        finally:
            await file.discard()

    async def discard_older(self, time_ms: int) -> int:
        return await self._threads.run(self._discard_older, time_ms)

    def _discard_older(self, time_ms: int) -> int:
        count = 0
        for entry in os.scandir(self.folder):
            if is_older(entry, time_ms):
                Path(entry.path).unlink(missing_ok=True)
                count += 1
        return count


def is_older(entry: "os.DirEntry[str]", time_ms: int) -> bool:
    """False for one that vanished meanwhile."""
    try:
        return entry.stat().st_mtime_ns < time_ms * 1_000_000
    except FileNotFoundError:
        return False
