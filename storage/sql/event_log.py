"""Everything that was committed, in the order of its ids, for the stream of other systems."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Column, Select, bindparam, func, insert, select, update

from domain.events import MessageSent, ReceiptMarked
from domain.model import Message
from domain.records import ClientEvent, LogEntry
from storage.sql import changes as changes_log
from storage.sql import rows
from storage.sql.database import Database
from storage.sql.dialects import Query
from storage.sql.plan import Plan, Row
from storage.sql.record_tables import client_events
from storage.sql.tables import changes, messages, meta, receipts

FED: Final = "cascade.position"

_SOURCES: Final = (messages.c.id, changes.c.id, receipts.c.id, client_events.c.id)
_CLIENT_EVENT_COLUMNS: Final = tuple(client_events.c[name] for name in ClientEvent.__struct_fields__)
_encoder: Final = msgspec.json.Encoder()
_DELIVERED: Final = f'{{"type":"{MessageSent.__name__}"'


def _newest(column: Column[int]) -> Any:
    return select(func.coalesce(func.max(column), 0)).scalar_subquery()


def _between(statement: Select[Any], column: Column[int]) -> Query:
    window = (column > bindparam("since"), column <= bindparam("head"))
    return Query(statement.where(*window).order_by(column).limit(bindparam("limit")))


_HEAD: Final = Query(select(*map(_newest, _SOURCES)))
_FED: Final = Query(select(meta.c.value).where(meta.c.name == FED))
_MESSAGES: Final = _between(select(*rows.MESSAGE_COLUMNS), messages.c.id)
_CHANGES: Final = _between(select(changes.c.id, changes.c.event), changes.c.id)
_RECEIPTS: Final = _between(
    select(receipts.c.id, receipts.c.conversation_id, receipts.c.user_id, receipts.c.to_seq, receipts.c.read_at_ms),
    receipts.c.id,
)
_CLIENT_EVENTS: Final = _between(select(*_CLIENT_EVENT_COLUMNS), client_events.c.id)
_QUERIES: Final = (_MESSAGES, _CHANGES, _RECEIPTS, _CLIENT_EVENTS)


def _message(message: Message) -> LogEntry:
    return LogEntry(f"message:{message.id}", "message", _encoder.encode(message).decode())


def _messages(found: Sequence[Row]) -> list[LogEntry]:
    """Without the scheduled ones: nobody has seen them yet."""
    return [_message(rows.message(row)) for row in found if row[2] > 0]


def _events(found: Sequence[Row]) -> list[LogEntry]:
    """What is kept apart for several users stands in rows one after another, and comes once. A scheduled message is
    kept as an event when it is delivered."""
    entries: list[LogEntry] = []
    for before, (change_id, text) in zip((None, *found), found, strict=False):
        if before is not None and before[1] == text:
            continue
        event = changes_log.read_event(text) if text.startswith(_DELIVERED) else None
        entries.append(
            _message(event.message) if isinstance(event, MessageSent) else LogEntry(f"event:{change_id}", "event", text)
        )
    return entries


def _receipts(found: Sequence[Row]) -> list[LogEntry]:
    return [
        LogEntry(
            f"receipt:{row[0]}",
            "event",
            _encoder.encode(ReceiptMarked(row[1], row[2], row[3], 0, row[4])).decode(),
        )
        for row in found
    ]


def _client_events(found: Sequence[Row]) -> list[LogEntry]:
    events = (ClientEvent(**dict(zip(ClientEvent.__struct_fields__, row, strict=True))) for row in found)
    return [
        LogEntry(
            f"client_event:{event.id}",
            "client_event",
            _encoder.encode(msgspec.structs.asdict(event) | {"data": msgspec.Raw(event.data.encode())}).decode(),
        )
        for event in events
    ]


_ENTRIES: Final = (_messages, _events, _receipts, _client_events)


def _parse(position: str) -> tuple[int, ...]:
    return tuple(int(part, 16) for part in position.split("-"))


def _text(ids: Sequence[int]) -> str:
    return "-".join(f"{each:x}" for each in ids)


def after_plan(position: str, head: str, limit: int) -> Plan[tuple[list[LogEntry], str]]:
    entries: list[LogEntry] = []
    reached: list[int] = []
    for query, show, since, until in zip(_QUERIES, _ENTRIES, _parse(position), _parse(head), strict=True):
        if until <= since:
            reached.append(until)
            continue
        found = yield query, {"since": since, "head": until, "limit": limit}
        entries += show(found)
        reached.append(found[-1][0] if len(found) == limit else until)
    return entries, _text(reached)


class SqlEventLog:
    """Implements `domain.ports.EventLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self) -> str:
        return _text((await self._database.query(_HEAD))[0])

    async def after(self, position: str, head: str, limit: int) -> tuple[list[LogEntry], str]:
        return await self._database.read(after_plan(position, head, limit))

    async def fed(self) -> str | None:
        found = await self._database.query(_FED)
        return found[0][0] if found else None

    async def save(self, position: str) -> None:
        async with self._database.writing() as connection:
            known = await connection.scalar(select(meta.c.value).where(meta.c.name == FED).with_for_update())
            if known is None:
                await connection.execute(insert(meta).values(name=FED, value=position))
            elif known != position:
                await connection.execute(update(meta).where(meta.c.name == FED).values(value=position))
