"""Contacts and friend requests."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import and_, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import UserNotFound
from domain.events import Event
from domain.ports import ContactEdit
from domain.records import Contact, ContactView, FriendRequest, FriendRequestView, RequestStatus
from storage.sql import changes, rows
from storage.sql.database import Database, inserted_id
from storage.sql.dialects import Query
from storage.sql.record_tables import friend_requests
from storage.sql.tables import contacts, conversations, users

_CONTACT_COLUMNS: Final = tuple(contacts.c[name] for name in Contact.__struct_fields__)
_REQUEST_COLUMNS: Final = tuple(friend_requests.c[name] for name in FriendRequest.__struct_fields__)
_recipients: Final = users.alias()

_CONTACT: Final = Query(
    select(*_CONTACT_COLUMNS).where(
        contacts.c.user_id == bindparam("user_id"), contacts.c.contact_id == bindparam("contact_id")
    )
)
_OF_USER: Final = Query(
    select(*_CONTACT_COLUMNS, *rows.PROFILE_COLUMNS)
    .join(users, users.c.id == contacts.c.contact_id)
    .where(contacts.c.user_id == bindparam("user_id"))
    .order_by(contacts.c.id)
)
_REQUEST: Final = Query(select(*_REQUEST_COLUMNS).where(friend_requests.c.id == bindparam("id")))
_REQUESTS_TO: Final = Query(
    select(*_REQUEST_COLUMNS, *rows.PROFILE_COLUMNS, *(_recipients.c[column.name] for column in rows.PROFILE_COLUMNS))
    .join(users, users.c.id == friend_requests.c.from_user_id)
    .join(_recipients, _recipients.c.id == friend_requests.c.to_user_id)
    .where(friend_requests.c.to_user_id == bindparam("user_id"))
    .order_by(friend_requests.c.id.desc())
)
_PENDING_TO: Final = Query(
    select(func.count())
    .select_from(friend_requests)
    .where(
        friend_requests.c.to_user_id == bindparam("user_id"),
        friend_requests.c.status == RequestStatus.PENDING.value,
    )
)


def _contact(row: rows.Row) -> Contact:
    values = dict(zip(Contact.__struct_fields__, row, strict=False))
    return Contact(**values | {name: bool(values[name]) for name in ("is_friend", "is_blocked", "is_muted")})


def _request(row: rows.Row) -> FriendRequest:
    values = dict(zip(FriendRequest.__struct_fields__, row, strict=False))
    return FriendRequest(**values | {"status": RequestStatus(values["status"])})


class SqlContactEdit:
    """Implements `domain.ports.ContactEdit`."""

    def __init__(self, database: Database, connection: AsyncConnection, ids: tuple[int, int], single_id: int | None):
        self.single_id = single_id
        self._database = database
        self._connection = connection
        self._ids = ids
        self._changes: list[dict[str, Any]] = []

    def _other(self, user_id: int) -> int:
        low, high = self._ids
        return high if user_id == low else low

    def _is_row_of(self, user_id: int) -> Any:
        return and_(contacts.c.user_id == user_id, contacts.c.contact_id == self._other(user_id))

    async def contact(self, user_id: int) -> Contact | None:
        found = await self._connection.execute(select(*_CONTACT_COLUMNS).where(self._is_row_of(user_id)))
        row = found.one_or_none()
        return None if row is None else _contact(row)

    async def put(self, user_id: int, now_ms: int, **fields: Any) -> Contact:
        before = await self.contact(user_id)
        if before is not None:
            await self._connection.execute(
                update(contacts).where(contacts.c.id == before.id).values(**fields, updated_at_ms=now_ms)
            )
            return msgspec.structs.replace(before, **fields, updated_at_ms=now_ms)
        fields |= {"user_id": user_id, "contact_id": self._other(user_id)}
        result = await self._connection.execute(
            insert(contacts).values(**fields, created_at_ms=now_ms, updated_at_ms=now_ms)
        )
        return Contact(**fields, id=inserted_id(result), created_at_ms=now_ms, updated_at_ms=now_ms)

    async def drop(self, user_id: int) -> None:
        await self._connection.execute(delete(contacts).where(self._is_row_of(user_id)))

    async def pending_from(self, user_id: int) -> FriendRequest | None:
        found = await self._connection.execute(
            select(*_REQUEST_COLUMNS).where(
                friend_requests.c.from_user_id == user_id,
                friend_requests.c.to_user_id == self._other(user_id),
                friend_requests.c.status == RequestStatus.PENDING.value,
            )
        )
        row = found.first()
        return None if row is None else _request(row)

    async def add_request(self, from_user_id: int, message: str, now_ms: int) -> FriendRequest:
        result = await self._connection.execute(
            insert(friend_requests).values(
                from_user_id=from_user_id,
                to_user_id=self._other(from_user_id),
                message=message,
                status=RequestStatus.PENDING.value,
                created_at_ms=now_ms,
                updated_at_ms=now_ms,
            )
        )
        return FriendRequest(
            id=inserted_id(result),
            from_user_id=from_user_id,
            to_user_id=self._other(from_user_id),
            message=message,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )

    async def close_request(
        self, request: FriendRequest, status: RequestStatus, answer: str, now_ms: int
    ) -> FriendRequest:
        await self._connection.execute(
            update(friend_requests)
            .where(friend_requests.c.id == request.id)
            .values(status=status.value, answer=answer, updated_at_ms=now_ms)
        )
        return msgspec.structs.replace(request, status=status, answer=answer, updated_at_ms=now_ms)

    async def record(self, event: Event, only_for: int) -> None:
        self._changes += changes.change_rows(event, self.single_id, self._database.now_ms(), only_for)

    async def keep_changes(self) -> None:
        """Stores what was recorded: the end of the transaction."""
        await changes.keep(self._connection, self._changes)


class SqlContactStore:
    """Implements `domain.ports.ContactStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: int, contact_id: int) -> Contact | None:
        found = await self._database.query(_CONTACT, user_id=user_id, contact_id=contact_id)
        return _contact(found[0]) if found else None

    async def list_for(self, user_id: int) -> list[ContactView]:
        width = len(_CONTACT_COLUMNS)
        found = await self._database.query(_OF_USER, user_id=user_id)
        return [ContactView(_contact(row[:width]), rows.profile(row[width:])) for row in found]

    async def request(self, request_id: int) -> FriendRequest | None:
        found = await self._database.query(_REQUEST, id=request_id)
        return _request(found[0]) if found else None

    async def requests_to(self, user_id: int) -> list[FriendRequestView]:
        start, width = len(_REQUEST_COLUMNS), len(rows.PROFILE_COLUMNS)
        return [
            FriendRequestView(
                _request(row[:start]),
                rows.profile(row[start : start + width]),
                rows.profile(row[start + width :]),
            )
            for row in await self._database.query(_REQUESTS_TO, user_id=user_id)
        ]

    async def pending_to(self, user_id: int) -> int:
        return int((await self._database.query(_PENDING_TO, user_id=user_id))[0][0])

    def edit(self, one_id: int, other_id: int) -> AbstractAsyncContextManager[ContactEdit]:
        return self._edit(one_id, other_id)

    @asynccontextmanager
    async def _edit(self, one_id: int, other_id: int) -> AsyncIterator[ContactEdit]:
        low, high = sorted((one_id, other_id))
        async with self._database.writing() as connection:
            # In the order of ids, so that two pairs with a user in common cannot wait for each other.
            locked = await connection.scalars(
                select(users.c.id).where(users.c.id.in_((low, high))).order_by(users.c.id).with_for_update()
            )
            if len(locked.all()) != 2:
                raise UserNotFound
            single_id = await connection.scalar(
                select(conversations.c.id).where(conversations.c.single_key == f"{low}:{high}")
            )
            edit = SqlContactEdit(self._database, connection, (low, high), single_id)
            yield edit
            await edit.keep_changes()
