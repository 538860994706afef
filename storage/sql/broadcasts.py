"""Administrators' announcements and whom they are for."""

from collections.abc import Callable
from typing import Final

import msgspec
from sqlalchemy import and_, bindparam, func, insert, or_, select

from domain.events import Event
from domain.ports import EVERYBODY
from domain.records import Broadcast, Priority
from storage.sql import changes
from storage.sql.database import Database, inserted_id
from storage.sql.dialects import Query
from storage.sql.plan import Plan
from storage.sql.record_tables import broadcast_targets, broadcasts
from storage.sql.rows import Row
from storage.sql.tables import users

_COLUMNS: Final = (
    broadcasts.c.id,
    broadcasts.c.sender_id,
    broadcasts.c.title,
    broadcasts.c.content,
    broadcasts.c.priority,
    broadcasts.c.is_for_all,
    broadcasts.c.created_at_ms,
)
_SINCE: Final = Query(select(users.c.created_at_ms).where(users.c.id == bindparam("user_id")))
_is_meant: Final = or_(
    and_(broadcasts.c.is_for_all, broadcasts.c.created_at_ms >= bindparam("since_ms")),
    broadcasts.c.id.in_(
        select(broadcast_targets.c.broadcast_id).where(broadcast_targets.c.user_id == bindparam("user_id"))
    ),
)
_COUNT: Final = Query(select(func.count()).select_from(broadcasts).where(_is_meant))
_LIST: Final = Query(
    select(*_COLUMNS)
    .where(_is_meant)
    .order_by(broadcasts.c.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def _broadcast(row: Row, user_id: int) -> Broadcast:
    return Broadcast(
        id=row[0],
        sender_id=row[1],
        title=row[2],
        content=row[3],
        priority=Priority(row[4]),
        target_user_ids=None if row[5] else (user_id,),
        created_at_ms=row[6],
    )


def list_plan(user_id: int, offset: int, limit: int) -> Plan[tuple[list[Broadcast], int]]:
    since = yield _SINCE, {"user_id": user_id}
    meant = {"user_id": user_id, "since_ms": since[0][0] if since else 0}
    total: int = (yield _COUNT, meant)[0][0]
    found = yield _LIST, {**meant, "offset": offset, "limit": limit}
    return [_broadcast(row, user_id) for row in found], total


class SqlBroadcastStore:
    """Implements `domain.ports.BroadcastStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, broadcast: Broadcast, event: Callable[[Broadcast], Event]) -> Broadcast:
        targets = broadcast.target_user_ids
        async with self._database.writing() as connection:
            result = await connection.execute(
                insert(broadcasts).values(
                    sender_id=broadcast.sender_id,
                    title=broadcast.title,
                    content=broadcast.content,
                    priority=broadcast.priority.value,
                    is_for_all=targets is None,
                    created_at_ms=broadcast.created_at_ms,
                )
            )
            kept = msgspec.structs.replace(broadcast, id=inserted_id(result))
            told, now_ms = event(kept), self._database.now_ms()
            if targets is None:
                kept_events = changes.change_rows(told, EVERYBODY, now_ms)
            else:
                kept_events = [row for user_id in targets for row in changes.change_rows(told, None, now_ms, user_id)]
                await connection.execute(
                    insert(broadcast_targets),
                    [{"broadcast_id": kept.id, "user_id": user_id} for user_id in targets],
                )
            await changes.keep(connection, kept_events)
        return kept

    async def list_for(self, user_id: int, *, offset: int, limit: int) -> tuple[list[Broadcast], int]:
        return await self._database.read(list_plan(user_id, offset, limit))
