"""Rows of files: quotas, shared blobs, who may read."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import QuotaExceeded
from domain.model import ConversationStatus, MemberStatus, MessageState
from domain.ports import FileAccess
from domain.records import StoredFile
from storage.sql.database import Database
from storage.sql.dialects import Lock, Query, given, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.messages import is_hidden_from
from storage.sql.record_tables import file_shares, files
from storage.sql.rows import Row
from storage.sql.tables import conversations, members, messages, meta, users

FILE_COLUMNS: Final = (
    files.c.id,
    files.c.file_id,
    files.c.uploader_id,
    files.c.name,
    files.c.size,
    files.c.mime,
    files.c.path,
    files.c.sha256,
    files.c.etag,
    files.c.blob,
    files.c.thumbnail_blob,
    files.c.description,
    files.c.is_public,
    files.c.download_count,
    files.c.expires_at_ms,
    files.c.created_at_ms,
)
_FIELDS: Final = tuple(column.name for column in FILE_COLUMNS)


def stored_file(row: Row) -> StoredFile:
    values = dict(zip(_FIELDS, row[: len(_FIELDS)], strict=True))
    return StoredFile(**values | {"is_public": bool(values["is_public"])})


_carries: Final = and_(
    file_shares.c.file_id == files.c.id,
    messages.c.state != MessageState.RECALLED.value,
    messages.c.state != MessageState.DELETED.value,
)
is_held: Final = exists(
    select(file_shares.c.file_id)
    .join_from(file_shares, messages, messages.c.id == file_shares.c.message_id)
    .where(_carries)
    .correlate(files)
)
"""Of a file. A scheduled message (with a negative seq) holds it too."""


def _is_seen_by(user_id: ColumnElement[int], *correlated: Any) -> ColumnElement[bool]:
    return exists(
        select(file_shares.c.file_id)
        .join_from(file_shares, messages, messages.c.id == file_shares.c.message_id)
        .join(members, and_(members.c.conversation_id == messages.c.conversation_id, members.c.user_id == user_id))
        .join(conversations, conversations.c.id == messages.c.conversation_id)
        .where(
            _carries,
            messages.c.seq > 0,
            messages.c.seq > members.c.visible_after_seq,
            members.c.status == MemberStatus.ACTIVE.value,
            conversations.c.status == ConversationStatus.ACTIVE.value,
            not_(is_hidden_from(members.c.user_id)),
        )
        .correlate(files, *correlated)
    )


_wanted: Final = given("wanted", file_id=String(), user_id=BigInteger())
ACCESS: Final = Query(
    select(*FILE_COLUMNS, is_held, _is_seen_by(_wanted.c.user_id, _wanted), _wanted.c.user_id).join_from(
        _wanted, files, files.c.file_id == _wanted.c.file_id
    )
)
"""What the files of (`file_id`, `user_id`) pairs are to these users, for `accesses`."""

LOCK: Final = Lock(files, one_of(files.c.file_id, "file_ids"), "uq_files_file_id")

_USED: Final = Query(
    select(func.coalesce(func.sum(files.c.size), 0)).where(files.c.uploader_id == bindparam("uploader_id"))
)
_alive: Final = and_(
    files.c.uploader_id == bindparam("uploader_id"),
    or_(files.c.expires_at_ms.is_(None), files.c.expires_at_ms > bindparam("now_ms"), is_held),
)
_LIST: Final = Query(
    select(*FILE_COLUMNS)
    .where(_alive)
    .order_by(files.c.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_COUNT: Final = Query(select(func.count()).select_from(files).where(_alive))
_NAMED: Final = Query(select(files.c.blob).where(one_of(files.c.blob, "keys")))
_NAMED_AS_THUMBNAIL: Final = Query(select(files.c.thumbnail_blob).where(one_of(files.c.thumbnail_blob, "keys")))

CLEANING: Final = "files.cleaned_until_ms"
"""The row of `meta` that says whose turn it is."""


def accesses(found: Collection[Row]) -> dict[tuple[str, int], FileAccess]:
    """From rows of `ACCESS`, by `file_id` and user."""
    return {(row[1], row[-1]): FileAccess(stored_file(row), bool(row[-3]), bool(row[-2])) for row in found}


class SqlFileStore:
    """Implements `domain.ports.FileStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, file: StoredFile, quota_bytes: int) -> StoredFile | None:
        values = {name: getattr(file, name) for name in _FIELDS if name != "id"}
        async with self._database.writing() as connection:
            # One at a time for each user, or two uploads would both fit into the same room.
            await connection.execute(select(users.c.id).where(users.c.id == file.uploader_id).with_for_update())
            if quota_bytes:
                used = await connection.scalar(
                    select(func.coalesce(func.sum(files.c.size), 0)).where(files.c.uploader_id == file.uploader_id)
                )
                if int(used or 0) + file.size > quota_bytes:
                    raise QuotaExceeded
            if not file.blob:
                equal = await _lock_equal(connection, file.sha256)
                if equal is None:
                    return None
                values |= {"blob": equal[0], "thumbnail_blob": equal[1]}
            await connection.execute(insert(files).values(**values))
            created = await connection.execute(select(*FILE_COLUMNS).where(files.c.file_id == file.file_id))
            return stored_file(created.one())

    async def access(self, file_id: str, user_id: int) -> FileAccess | None:
        found = await self._database.query(ACCESS, wanted=[[file_id, user_id]])
        return accesses(found).get((file_id, user_id))

    async def used_bytes(self, uploader_id: int) -> int:
        return int((await self._database.query(_USED, uploader_id=uploader_id))[0][0])

    async def list_for(self, uploader_id: int, now_ms: int, *, offset: int, limit: int) -> tuple[list[StoredFile], int]:
        page = await self._database.query(_LIST, uploader_id=uploader_id, now_ms=now_ms, offset=offset, limit=limit)
        count = await self._database.query(_COUNT, uploader_id=uploader_id, now_ms=now_ms)
        return [stored_file(row) for row in page], count[0][0]

    async def count_download(self, file: StoredFile) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                update(files).where(files.c.id == file.id).values(download_count=files.c.download_count + 1)
            )

    async def delete(self, file: StoredFile) -> list[str] | None:
        async with self._database.writing() as connection:
            # By the key that a message locks it by: two ways to the same row could wait for each other.
            await connection.execute(select(files.c.id).where(files.c.file_id == file.file_id).with_for_update())
            deleted, blobs = await _delete(connection, [file.id])
            return blobs if deleted else None

    async def delete_expired(self, now_ms: int, limit: int) -> tuple[int, list[str]]:
        async with self._database.writing() as connection:
            # Locked before it is asked who holds them: a message that takes one locks it too.
            candidates = await connection.scalars(
                select(files.c.id)
                .where(files.c.expires_at_ms <= now_ms, ~is_held)
                .order_by(files.c.id)
                .limit(limit)
                .with_for_update()
            )
            locked = list(candidates)
            free = list(await connection.scalars(select(files.c.id).where(files.c.id.in_(locked), ~is_held)))
            return await _delete(connection, free)

    async def unreferenced(self, blobs: Collection[str]) -> list[str]:
        keys = [[key] for key in blobs]
        named = {
            row[0] for query in (_NAMED, _NAMED_AS_THUMBNAIL) for row in await self._database.query(query, keys=keys)
        }
        return [key for key in blobs if key not in named]

    async def claim_cleaning(self, now_ms: int, until_ms: int) -> bool:
        try:
            async with self._database.writing() as connection:
                until = await connection.scalar(select(meta.c.value).where(meta.c.name == CLEANING))
                if until is None:
                    await connection.execute(insert(meta).values(name=CLEANING, value=str(until_ms)))
                    return True
                if int(until) > now_ms:
                    return False
                claimed = await connection.execute(
                    update(meta).where(meta.c.name == CLEANING, meta.c.value == until).values(value=str(until_ms))
                )
                return claimed.rowcount == 1
        except UniqueViolation:
            return False


async def _lock_equal(connection: AsyncConnection, sha256: str) -> Row | None:
    """The blobs of a file with the same bytes, locked, so that it cannot be the last one that is just being deleted.
    Locked by its primary key as a deletion locks it: by the digest the two would wait for each other."""
    while (same := await connection.scalar(select(func.min(files.c.id)).where(files.c.sha256 == sha256))) is not None:
        locked = await connection.execute(
            select(files.c.blob, files.c.thumbnail_blob).where(files.c.id == same).with_for_update()
        )
        row = locked.one_or_none()
        if row is not None:
            return row
    return None


async def _delete(connection: AsyncConnection, ids: Collection[int]) -> tuple[int, list[str]]:
    """Deletes rows; how many there were, and the blobs that none names any more."""
    found = await connection.execute(
        select(files.c.blob, files.c.thumbnail_blob).where(files.c.id.in_(ids)).with_for_update()
    )
    rows = found.all()
    keys = {key for row in rows for key in row if key is not None}
    await connection.execute(delete(file_shares).where(file_shares.c.file_id.in_(ids)))
    await connection.execute(delete(files).where(files.c.id.in_(ids)))
    still = {
        key
        for column in (files.c.blob, files.c.thumbnail_blob)
        for key in await connection.scalars(select(column).where(column.in_(keys)))
    }
    return len(rows), sorted(keys - still)
