"""What clients report: check-ins, alarms and the like."""

from typing import Any, Final

import msgspec
from sqlalchemy import String, bindparam, func, insert, or_, select

from domain.records import ClientEvent
from storage.sql.database import Database, inserted_id
from storage.sql.dialects import Query
from storage.sql.plan import Plan
from storage.sql.record_tables import client_events

_COLUMNS: Final = tuple(client_events.c[name] for name in ClientEvent.__struct_fields__)
_ANY_TYPE: Final = ""
_event_type: Final = bindparam("event_type", type_=String)
_in_time: Final = (
    client_events.c.occurred_at_ms.between(bindparam("start_ms"), bindparam("end_ms")),
    or_(_event_type == _ANY_TYPE, client_events.c.event_type == _event_type),
)
_of_user: Final = (client_events.c.user_id == bindparam("user_id"), *_in_time)


def _count(conditions: tuple[Any, ...]) -> Query:
    return Query(select(func.count()).select_from(client_events).where(*conditions))


def _page(conditions: tuple[Any, ...]) -> Query:
    return Query(
        select(*_COLUMNS)
        .where(*conditions)
        .order_by(client_events.c.occurred_at_ms.desc(), client_events.c.id.desc())
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )


_COUNT: Final = _count(_in_time)
_PAGE: Final = _page(_in_time)
_COUNT_OF_USER: Final = _count(_of_user)
_PAGE_OF_USER: Final = _page(_of_user)


def _find_plan(count: Query, page: Query, parameters: dict[str, Any]) -> Plan[tuple[list[ClientEvent], int]]:
    total: int = (yield count, parameters)[0][0]
    found = yield page, parameters
    return [ClientEvent(**dict(zip(ClientEvent.__struct_fields__, row, strict=True))) for row in found], total


class SqlClientEventStore:
    """Implements `domain.ports.ClientEventStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, event: ClientEvent) -> ClientEvent:
        values = {name: getattr(event, name) for name in event.__struct_fields__ if name != "id"}
        async with self._database.writing() as connection:
            result = await connection.execute(insert(client_events).values(**values))
        return msgspec.structs.replace(event, id=inserted_id(result))

    async def find(
        self, *, user_id: int | None, event_type: str | None, start_ms: int, end_ms: int, offset: int, limit: int
    ) -> tuple[list[ClientEvent], int]:
        parameters: dict[str, Any] = {
            "event_type": event_type or _ANY_TYPE,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "offset": offset,
            "limit": limit,
        }
        if user_id is None:
            return await self._database.read(_find_plan(_COUNT, _PAGE, parameters))
        parameters["user_id"] = user_id
        return await self._database.read(_find_plan(_COUNT_OF_USER, _PAGE_OF_USER, parameters))
