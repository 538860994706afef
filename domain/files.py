"""Files: receiving, reading, deleting them, and cleaning up. The rules, for every dialect."""

import secrets
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from domain.errors import (
    FileNotFound,
    Forbidden,
    InvalidValue,
    QuotaExceeded,
    TooLarge,
    Unavailable,
    UnsupportedType,
)
from domain.file_names import clean_name
from domain.file_types import DECODABLE_IMAGES, FileCategory, category, extension, is_allowed, sniff
from domain.model import Draft, FileRef, MessageKind
from domain.ports import BlobStore, Clock, Digest, FileAccess, FileStore, Incoming, Thumbnails
from domain.records import THUMBNAIL_PREFIX, StoredFile

FORM_ROOM_BYTES: Final = 64 * 1024
"""What a request may hold beside the file: the other fields and the headers of the parts."""

MAX_DESCRIPTION_CHARS: Final = 2000
THUMBNAIL_MIME: Final = "image/webp"
_BATCH: Final = 500
"""Rows of one transaction, or keys of one query, of the clean-up."""

DEFAULT_TYPES: Final = (
    "image/*",
    "audio/*",
    "video/*",
    "text/*",
    "font/*",
    "application/octet-stream",
    "application/pdf",
    "application/postscript",
    "application/rtf",
    "application/x-ole-storage",
    "application/epub+zip",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.sqlite3",
    "application/zip",
    "application/gzip",
    "application/x-bzip2",
    "application/x-xz",
    "application/zstd",
    "application/x-7z-compressed",
    "application/vnd.rar",
    "application/x-tar",
)
"""Everything that people send but programs: those carry other people's computers away."""

_CATEGORY_OF_KIND: Final = {
    MessageKind.IMAGE: FileCategory.IMAGE,
    MessageKind.AUDIO: FileCategory.AUDIO,
    MessageKind.VIDEO: FileCategory.VIDEO,
}


class FileLimits(msgspec.Struct, frozen=True):
    max_file_bytes: int = 50 * 1024 * 1024
    quota_bytes: int = 5 * 1024**3
    """Of all files of one user; 0 is no limit."""
    allowed_types: tuple[str, ...] = DEFAULT_TYPES
    """Media types as the bytes tell them; `image/*` for a whole kind, `*/*` for all."""
    expire_after_s: int = 7 * 86_400
    """For uploads that expire (social's)."""
    max_image_pixels: int = 100_000_000
    """Images that announce more are refused."""
    max_thumbnail_pixels: int = 25_000_000
    """Larger images get no thumbnail: decoding takes 4 bytes a pixel."""
    cleaning_interval_s: int = 3600
    orphan_grace_s: int = 86_400
    """How old a blob without a row or an unfinished upload must be before it is removed."""


class Upload:
    """A file while it comes in: what is written beyond the limits is refused."""

    __slots__ = ("_incoming", "_max_bytes", "_room_bytes")

    def __init__(self, incoming: Incoming, max_bytes: int, room_bytes: int | None) -> None:
        self._incoming = incoming
        self._max_bytes = max_bytes
        self._room_bytes = room_bytes

    @property
    def path(self) -> str:
        return self._incoming.path

    async def write(self, chunk: bytes) -> None:
        """TooLarge, QuotaExceeded, Unavailable."""
        size = self._incoming.size + len(chunk)
        if size > self._max_bytes:
            raise _too_large(self._max_bytes)
        if self._room_bytes is not None and size > self._room_bytes:
            raise QuotaExceeded
        await self._incoming.write(chunk)

    async def digest(self) -> Digest:
        return await self._incoming.digest()

    async def store(self, key: str) -> None:
        await self._incoming.store(key)


class Download(msgspec.Struct, frozen=True):
    """What is sent to somebody who may have it: a file, or its thumbnail."""

    file: StoredFile
    blob: str
    name: str
    mime: str
    size: int
    etag: str
    is_thumbnail: bool = False


class Cleaned(msgspec.Struct, frozen=True):
    """How much a clean-up removed."""

    expired_files: int = 0
    orphaned_blobs: int = 0
    unfinished_uploads: int = 0


class Files:
    def __init__(
        self, *, store: FileStore, blobs: BlobStore, thumbnails: Thumbnails, clock: Clock, limits: FileLimits
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._thumbnails = thumbnails
        self._clock = clock
        self._limits = limits

    @asynccontextmanager
    async def receive(self, uploader_id: int, announced_bytes: int | None = None) -> AsyncIterator[Upload]:
        """Takes a file in; `keep` makes it one. What is not kept when the block ends leaves nothing behind.

        `announced_bytes` is the length of the whole request, if it is known: TooLarge or QuotaExceeded before a byte of
        it is read."""
        limits = self._limits
        at_least = 0 if announced_bytes is None else max(0, announced_bytes - FORM_ROOM_BYTES)
        if at_least > limits.max_file_bytes:
            raise _too_large(limits.max_file_bytes)
        room = None
        if limits.quota_bytes:
            room = limits.quota_bytes - await self._store.used_bytes(uploader_id)
            if room <= 0 or at_least > room:
                raise QuotaExceeded
        async with self._blobs.incoming() as incoming:
            yield Upload(incoming, limits.max_file_bytes, room)

    async def keep(
        self,
        uploader_id: int,
        upload: Upload,
        *,
        name: str,
        description: str | None = None,
        is_public: bool = False,
        wanted: FileCategory | None = None,
        expires: bool = False,
    ) -> StoredFile:
        """Stores what was received. `wanted` is the category it must be of. InvalidValue if it is empty,
        UnsupportedType, TooLarge for too many pixels, QuotaExceeded."""
        digest = await upload.digest()
        if not digest.size:
            raise InvalidValue("file", "is empty")
        mime = sniff(digest.head)
        if not is_allowed(mime, self._limits.allowed_types):
            raise UnsupportedType(f"files of type {mime} are not accepted")
        if wanted is not None and category(mime) is not wanted:
            raise UnsupportedType(f"the file is of type {mime}, not of kind {wanted.value}")
        now_ms = self._clock.now_ms()
        file_id = str(uuid.uuid4())
        ending = extension(mime)
        day = time.strftime("%Y/%m/%d", time.gmtime(now_ms // 1000))
        file = StoredFile(
            id=0,
            file_id=file_id,
            uploader_id=uploader_id,
            name=clean_name(name, ending),
            size=digest.size,
            mime=mime,
            path=f"{day}/user_{uploader_id}/{file_id}.{ending}",
            sha256=digest.sha256,
            etag=digest.md5,
            blob="",
            description=description,
            is_public=is_public,
            expires_at_ms=now_ms + self._limits.expire_after_s * 1000 if expires else None,
            created_at_ms=now_ms,
        )
        shared = await self._store.create(file, self._limits.quota_bytes)
        return shared or await self._keep_new(file, upload)

    async def _keep_new(self, file: StoredFile, upload: Upload) -> StoredFile:
        """Blobs first, then the row. A key is used once, so what is deleted under it is never another's."""
        thumbnail = await self._thumbnails.make(upload.path) if file.mime in DECODABLE_IMAGES else None
        blob = _new_key(file.sha256)
        await upload.store(blob)
        file = msgspec.structs.replace(file, blob=blob)
        if thumbnail is not None:
            file = msgspec.structs.replace(file, thumbnail_blob=_new_key(file.sha256))
            assert file.thumbnail_blob is not None
            await self._blobs.put(file.thumbnail_blob, thumbnail)
        try:
            created = await self._store.create(file, self._limits.quota_bytes)
        except QuotaExceeded:
            # After any other failure the row may be there: then the clean-up decides.
            await self._delete_blobs([blob] if file.thumbnail_blob is None else [blob, file.thumbnail_blob])
            raise
        assert created is not None
        return created

    async def get(self, user_id: int, file_id: str) -> StoredFile:
        """FileNotFound, Forbidden."""
        return readable(await self._store.access(file_id, user_id), user_id, self._clock.now_ms())

    async def open(self, user_id: int, file_id: str) -> Download:
        """The file, or its thumbnail under its name (`StoredFile.thumbnail_id`). FileNotFound, Forbidden."""
        file = await self.get(user_id, file_id.removeprefix(THUMBNAIL_PREFIX))
        if not file_id.startswith(THUMBNAIL_PREFIX):
            return Download(file, file.blob, file.name, file.mime, file.size, file.etag)
        key = file.thumbnail_blob
        size = None if key is None else await self._blobs.size(key)
        if key is None or size is None:
            raise FileNotFound
        name = f"{file.name.rpartition('.')[0] or file.name}.webp"
        return Download(file, key, name, THUMBNAIL_MIME, size, key, is_thumbnail=True)

    def content(self, download: Download, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """See `BlobStore.read`."""
        return self._blobs.read(download.blob, start, stop)

    async def count(self, download: Download) -> None:
        """Notes that somebody took the file."""
        if not download.is_thumbnail:
            await self._store.count_download(download.file)

    async def list_own(self, user_id: int, *, offset: int, limit: int) -> tuple[list[StoredFile], int]:
        """The user's files, newest first, and how many there are."""
        return await self._store.list_for(user_id, self._clock.now_ms(), offset=offset, limit=limit)

    async def delete(self, user_id: int, file_id: str) -> None:
        """The uploader deletes it, for everyone. FileNotFound, Forbidden."""
        file = existing(await self._store.access(file_id, user_id), self._clock.now_ms())
        if file.uploader_id != user_id:
            raise Forbidden("only its uploader may delete a file")
        blobs = await self._store.delete(file)
        if blobs is None:
            raise FileNotFound
        await self._delete_blobs(blobs)

    async def _delete_blobs(self, keys: list[str]) -> None:
        try:
            await self._blobs.delete(keys)
        except Unavailable:
            pass  # no row names them any more: the clean-up comes by

    async def clean(self) -> Cleaned:
        """Removes files that have expired, blobs that no row names and uploads that were not finished. May run at any
        time, and twice at once."""
        now_ms = self._clock.now_ms()
        old_ms = now_ms - self._limits.orphan_grace_s * 1000
        expired = orphaned = 0
        while True:
            count, blobs = await self._store.delete_expired(now_ms, _BATCH)
            expired += count
            await self._delete_blobs(blobs)
            if count < _BATCH:
                break
        batch: list[str] = []
        async for key in self._blobs.stored_before(old_ms):
            batch.append(key)
            if len(batch) == _BATCH:
                orphaned += await self._delete_orphans(batch)
                batch = []
        orphaned += await self._delete_orphans(batch)
        return Cleaned(expired, orphaned, await self._blobs.discard_unfinished(old_ms))

    async def _delete_orphans(self, keys: list[str]) -> int:
        orphans = await self._store.unreferenced(keys) if keys else []
        await self._delete_blobs(orphans)
        return len(orphans)

    async def clean_in_turn(self) -> Cleaned | None:
        """`clean`, once an interval among all processes; None if it is not this one's turn."""
        now_ms = self._clock.now_ms()
        if not await self._store.claim_cleaning(now_ms, now_ms + self._limits.cleaning_interval_s * 1000):
            return None
        return await self.clean()


def existing(access: FileAccess | None, now_ms: int) -> StoredFile:
    """FileNotFound if it is missing, or has expired and no message holds it."""
    if access is None:
        raise FileNotFound
    expires_at_ms = access.file.expires_at_ms
    if expires_at_ms is not None and expires_at_ms <= now_ms and not access.is_held:
        raise FileNotFound
    return access.file


def readable(access: FileAccess | None, user_id: int, now_ms: int) -> StoredFile:
    """The uploader reads it, who sees a message that carries it, and everyone if it is public. FileNotFound,
    Forbidden."""
    file = existing(access, now_ms)
    assert access is not None
    if not (file.is_public or access.is_seen or file.uploader_id == user_id):
        raise Forbidden("this file was not shared with you")
    return file


def attachment_for(draft: Draft, access: FileAccess | None, now_ms: int) -> FileRef:
    """What the message will say of its file. FileNotFound; Forbidden if the sender may not read it; InvalidValue if it
    is not what the message's kind says."""
    file = readable(access, draft.sender_id, now_ms)
    wanted = _CATEGORY_OF_KIND.get(draft.kind)
    if wanted is not None and file.category is not wanted:
        raise InvalidValue("file_id", f"the file is of type {file.mime}, which is no {wanted.value}")
    return file.ref


def _new_key(sha256: str) -> str:
    return f"{sha256}-{secrets.token_hex(4)}"


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"a file may have {max_bytes} bytes at most")
