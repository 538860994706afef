"""Token families."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import bindparam, insert, select, update

from domain.events import Event
from domain.model import Login
from storage.sql import changes, rows
from storage.sql.database import Database
from storage.sql.dialects import Query
from storage.sql.tables import logins

_BY_ID: Final = Query(select(*rows.LOGIN_COLUMNS).where(logins.c.id == bindparam("id")))
_ALIVE: Final = Query(
    select(logins.c.id)
    .where(logins.c.user_id == bindparam("user_id"), logins.c.revoked_at_ms.is_(None))
    .order_by(logins.c.created_at_ms, logins.c.id)
)
_REVOKED_SINCE: Final = Query(
    select(logins.c.id, logins.c.revoked_at_ms)
    .where(logins.c.revoked_at_ms >= bindparam("since_ms"))
    .order_by(logins.c.revoked_at_ms)
)


class SqlLoginStore:
    """Implements `domain.ports.LoginStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, login: Login) -> None:
        values = {name: getattr(login, name) for name in login.__struct_fields__}
        async with self._database.writing() as connection:
            await connection.execute(insert(logins).values(**values | {"dialect": login.dialect.value}))

    async def get(self, login_id: str) -> Login | None:
        found = await self._database.query(_BY_ID, id=login_id)
        return rows.login(found[0]) if found else None

    async def rotate(self, login_id: str, old_refresh_id: str, new_refresh_id: str, expires_at_ms: int) -> bool:
        async with self._database.writing() as connection:
            result = await connection.execute(
                update(logins)
                .where(
                    logins.c.id == login_id,
                    logins.c.refresh_id == old_refresh_id,
                    logins.c.revoked_at_ms.is_(None),
                )
                .values(refresh_id=new_refresh_id, expires_at_ms=expires_at_ms)
            )
            return result.rowcount == 1

    async def revoke(self, login_ids: Collection[str], now_ms: int, cause: Event | None = None) -> None:
        if not login_ids:
            return
        wanted = logins.c.id.in_(list(login_ids)), logins.c.revoked_at_ms.is_(None)
        async with self._database.writing() as connection:
            if cause is not None:
                found = await connection.scalars(select(logins.c.user_id).where(*wanted).with_for_update())
                for user_id in sorted(set(found)):
                    await changes.keep_cause(connection, user_id, cause)
            await connection.execute(update(logins).where(*wanted).values(revoked_at_ms=now_ms))

    async def alive(self, user_id: int) -> list[str]:
        return [row[0] for row in await self._database.query(_ALIVE, user_id=user_id)]

    async def revoked_since(self, since_ms: int) -> list[tuple[str, int]]:
        return [(row[0], row[1]) for row in await self._database.query(_REVOKED_SINCE, since_ms=since_ms)]
