"""Accounts."""

import uuid
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, or_, select, update

from domain.errors import Conflict, EmailTaken, PhoneTaken, UsernameTaken, UserNotFound
from domain.events import Event
from domain.model import Profile, User
from storage.sql import changes, rows
from storage.sql.database import Database
from storage.sql.dialects import Query, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.tables import users

_users: Final = select(*rows.USER_COLUMNS)
_BY_ID: Final = Query(_users.where(users.c.id == bindparam("id")))
_BY_USERNAME: Final = Query(_users.where(users.c.username_key == bindparam("value")))
_BY_EMAIL: Final = Query(_users.where(users.c.email_key == bindparam("value")))
_BY_PHONE: Final = Query(_users.where(users.c.phone == bindparam("value")))
_PROFILES: Final = Query(select(*rows.PROFILE_COLUMNS).where(one_of(users.c.id, "ids")))
_PASSWORD: Final = Query(select(users.c.password_hash).where(users.c.id == bindparam("id")))
_ADMINISTRATORS: Final = Query(_users.where(users.c.is_admin).order_by(users.c.id))
_SEARCH: Final = Query(
    _users.where(
        users.c.is_active,
        or_(
            func.instr(users.c.username_key, bindparam("keyword")) > 0,
            func.instr(users.c.nickname_key, bindparam("keyword")) > 0,
        ),
    )
    .order_by(users.c.id)
    .limit(bindparam("limit"))
)
_SEEN: Final = update(users).where(users.c.id == bindparam("key")).values(last_seen_at_ms=bindparam("at_ms"))

_KEYED: Final = ("username", "nickname", "email")


def _with_keys(fields: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(fields)
    for name in _KEYED:
        if name in fields:
            values[f"{name}_key"] = None if fields[name] is None else rows.search_key(fields[name])
    return values


def _taken(violation: UniqueViolation) -> Conflict:
    text = str(violation)
    if "username_key" in text:
        return UsernameTaken()
    return EmailTaken() if "email_key" in text else PhoneTaken()


class SqlUserStore:
    """Implements `domain.ports.UserStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        *,
        username: str,
        nickname: str,
        password_hash: str,
        now_ms: int,
        email: str | None = None,
        phone: str | None = None,
        avatar: str = "",
        is_admin: bool = False,
    ) -> User:
        account = User(
            id=0,
            uuid=str(uuid.uuid4()),
            username=username,
            nickname=nickname,
            email=email,
            phone=phone,
            avatar=avatar,
            is_admin=is_admin,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )
        values = {name: getattr(account, name) for name in account.__struct_fields__ if name != "id"}
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(users).values(**_with_keys(values), password_hash=password_hash))
                row = await connection.execute(_users.where(users.c.uuid == account.uuid))
                return rows.user(row.one())
        except UniqueViolation as violation:
            raise _taken(violation) from None

    async def get(self, user_id: int) -> User | None:
        return await self._one(_BY_ID, id=user_id)

    async def _one(self, query: Query, **parameters: Any) -> User | None:
        found = await self._database.query(query, **parameters)
        return rows.user(found[0]) if found else None

    async def profiles(self, user_ids: Collection[int]) -> dict[int, Profile]:
        found = await self._database.query(_PROFILES, ids=[[user_id] for user_id in user_ids])
        return {row[0]: rows.profile(row) for row in found}

    async def find(
        self, *, username: str | None = None, email: str | None = None, phone: str | None = None
    ) -> User | None:
        if username is not None:
            return await self._one(_BY_USERNAME, value=rows.search_key(username))
        if email is not None:
            return await self._one(_BY_EMAIL, value=rows.search_key(email))
        if phone is not None:
            return await self._one(_BY_PHONE, value=phone)
        raise TypeError("one of username, email and phone is needed")

    async def password_hash(self, user_id: int) -> str | None:
        found = await self._database.query(_PASSWORD, id=user_id)
        return found[0][0] if found else None

    async def search(self, keyword: str, limit: int) -> list[User]:
        found = await self._database.query(_SEARCH, keyword=rows.search_key(keyword), limit=limit)
        return [rows.user(row) for row in found]

    async def update(self, user_id: int, *, cause: Event | None = None, **fields: Any) -> User:
        try:
            async with self._database.writing() as connection:
                if fields:
                    await connection.execute(update(users).where(users.c.id == user_id).values(**_with_keys(fields)))
                row = (await connection.execute(_users.where(users.c.id == user_id))).one_or_none()
                if row is not None and cause is not None:
                    await changes.keep_cause(connection, user_id, cause)
        except UniqueViolation as violation:
            raise _taken(violation) from None
        if row is None:
            raise UserNotFound
        return rows.user(row)

    async def administrators(self) -> list[User]:
        return [rows.user(row) for row in await self._database.query(_ADMINISTRATORS)]

    async def seen(self, times_ms: Mapping[int, int]) -> None:
        if times_ms:
            async with self._database.writing() as connection:
                await connection.execute(
                    _SEEN, [{"key": user_id, "at_ms": at_ms} for user_id, at_ms in sorted(times_ms.items())]
                )
