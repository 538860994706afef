"""What the domain asks of the stores of files: their records, their bytes, their thumbnails."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from domain.records import StoredFile


class FileAccess(msgspec.Struct, frozen=True, gc=False):
    """A file and what it is to one user. `is_held`: a message that is not recalled or deleted carries it; `is_seen`:
    the user sees such a message."""

    file: StoredFile
    is_held: bool
    is_seen: bool


class FileStore(Protocol):
    """Rows of files. A row names a blob that is stored already, so a power cut leaves blobs without rows at worst."""

    async def create(self, file: StoredFile, quota_bytes: int) -> StoredFile | None:
        """Stores the row (its `id` is given by the store). With an empty `blob` it shares those of a row with equal
        bytes; None if there is none, and then nothing was stored. Atomic: rows of one user created in parallel, by
        whatever processes, never sum up to more than `quota_bytes` (0 is no limit): QuotaExceeded. A shared blob is
        not one that a concurrent `delete` hands out."""
        ...

    async def access(self, file_id: str, user_id: int) -> FileAccess | None:
        """Also one that has expired."""
        ...

    async def used_bytes(self, uploader_id: int) -> int: ...

    async def list_for(self, uploader_id: int, now_ms: int, *, offset: int, limit: int) -> tuple[list[StoredFile], int]:
        """The user's files that have not expired or are held, newest first, and how many there are."""
        ...

    async def count_download(self, file: StoredFile) -> None: ...

    async def delete(self, file: StoredFile) -> list[str] | None:
        """Deletes the row; answers the blobs that no row names any more, nor ever will. None if the row was not there:
        of those who delete it at once, one is answered a list."""
        ...

    async def delete_expired(self, now_ms: int, limit: int) -> tuple[int, list[str]]:
        """`delete` for at most `limit` files that have expired and are not held; how many they were, and blobs."""
        ...

    async def unreferenced(self, blobs: Collection[str]) -> list[str]:
        """Those of the blobs that no row names."""
        ...

    async def claim_cleaning(self, now_ms: int, until_ms: int) -> bool:
        """True for one of all processes that ask; the others get False until `until_ms`."""
        ...


class Digest(msgspec.Struct, frozen=True, gc=False):
    """Of bytes that were received. `head` is their beginning, at most `file_types.HEAD_BYTES`."""

    sha256: str
    md5: str
    size: int
    head: bytes


class Incoming(Protocol):
    """Bytes on their way into a blob store, in a local temporary file."""

    @property
    def path(self) -> str:
        """The temporary file, for those who must read it before it is stored."""
        ...

    @property
    def size(self) -> int: ...

    async def write(self, chunk: bytes) -> None: ...

    async def digest(self) -> Digest:
        """Nothing is written after it."""
        ...

    async def store(self, key: str) -> None:
        """Makes the bytes a blob; when this returns it survives a power cut. Once, after `digest`."""
        ...


class BlobStore(Protocol):
    """Immutable byte strings by key (hexadecimal digits, dashes). Memory does not grow with their size, and disks are
    not waited for on the event loop. A blob is there whole or not at all."""

    def incoming(self) -> AbstractAsyncContextManager[Incoming]:
        """What is not stored when the block ends leaves nothing behind."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """A small one; durable when this returns."""
        ...

    async def size(self, key: str) -> int | None:
        """In bytes; None if there is no such blob."""
        ...

    def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `stop`, in chunks. FileNotFound before the first one, if it is missing."""
        ...

    async def delete(self, keys: Collection[str]) -> None:
        """Those that are missing are no error."""
        ...

    def stored_before(self, time_ms: int) -> AsyncIterator[str]:
        """The keys of blobs that were stored before a time."""
        ...

    async def discard_unfinished(self, time_ms: int) -> int:
        """Removes temporary files that nobody has written to since then; how many they were."""
        ...


class Thumbnails(Protocol):
    async def make(self, path: str) -> bytes | None:
        """A small WebP of the image in a file; None if it cannot be decoded in reasonable time and memory. TooLarge if
        its header announces more pixels than are accepted; then nothing was decoded."""
        ...
