"""Calls, under way and past."""

from typing import Final

from sqlalchemy import ColumnElement, and_, bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvalidValue
from domain.records import Call, CallEnd, CallType
from storage.sql import rows
from storage.sql.database import Database
from storage.sql.dialects import Query
from storage.sql.errors import UniqueViolation
from storage.sql.tables import calls, users

_COLUMNS: Final = tuple(calls.c[name] for name in Call.__struct_fields__)
_calls: Final = select(*_COLUMNS)
_BY_ID: Final = Query(_calls.where(calls.c.id == bindparam("id")))
_is_under_way: Final = calls.c.ended_at_ms.is_(None)
_UNDER_WAY: Final = Query(_calls.where(_is_under_way).order_by(calls.c.started_at_ms))


def _call(row: rows.Row) -> Call:
    values = dict(zip(Call.__struct_fields__, row, strict=True))
    reason = values["reason"]
    return Call(
        **values | {"call_type": CallType(values["call_type"]), "reason": None if reason is None else CallEnd(reason)}
    )


class SqlCallStore:
    """Implements `domain.ports.CallStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start(self, call: Call, ringing_since_ms: int) -> bool:
        values = {name: getattr(call, name) for name in Call.__struct_fields__} | {"call_type": call.call_type.value}
        try:
            async with self._database.writing() as connection:
                # Both parties, in the order of their ids: two calls with a party in common start one after the other.
                await connection.execute(
                    select(users.c.id).where(users.c.id.in_(call.parties)).order_by(users.c.id).with_for_update()
                )
                if await self._is_busy(connection, call, ringing_since_ms):
                    return False
                await connection.execute(insert(calls).values(**values))
                return True
        except UniqueViolation as violation:
            raise InvalidValue("call_id", "was used before") from violation

    async def _is_busy(self, connection: AsyncConnection, call: Call, ringing_since_ms: int) -> bool:
        found = await connection.execute(
            select(calls.c.id)
            .where(
                _is_under_way,
                or_(calls.c.caller_id.in_(call.parties), calls.c.callee_id.in_(call.parties)),
                or_(calls.c.answered_at_ms.is_not(None), calls.c.started_at_ms >= ringing_since_ms),
            )
            .limit(1)
        )
        return found.first() is not None

    async def get(self, call_id: str) -> Call | None:
        found = await self._database.query(_BY_ID, id=call_id)
        return _call(found[0]) if found else None

    async def answer(self, call_id: str, now_ms: int) -> Call | None:
        return await self._change(call_id, calls.c.answered_at_ms.is_(None), answered_at_ms=now_ms)

    async def end(self, call_id: str, reason: CallEnd, now_ms: int) -> Call | None:
        return await self._change(call_id, None, reason=reason.value, ended_at_ms=now_ms)

    async def _change(self, call_id: str, condition: ColumnElement[bool] | None, **values: object) -> Call | None:
        is_wanted = and_(calls.c.id == call_id, _is_under_way)
        if condition is not None:
            is_wanted = and_(is_wanted, condition)
        async with self._database.writing() as connection:
            result = await connection.execute(update(calls).where(is_wanted).values(**values))
            if result.rowcount != 1:
                return None
            return _call((await connection.execute(_calls.where(calls.c.id == call_id))).one())

    async def under_way(self) -> list[Call]:
        return [_call(row) for row in await self._database.query(_UNDER_WAY)]
