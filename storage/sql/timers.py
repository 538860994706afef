"""Messages that wait for their time: delivered later, or deleted after a while."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.events import Event
from domain.model import ConversationStatus, Message, MessageState
from domain.ports import DueMessages
from storage.sql import changes, rows
from storage.sql.database import Database
from storage.sql.dialects import BulkUpdate, Query
from storage.sql.tables import conversations, message_timers, messages, search_marks

DELIVER: Final = "deliver"
EXPIRE: Final = "expire"

_NUMBER: Final = BulkUpdate(messages, messages.c.id, messages.c.seq, messages.c.created_at_ms, messages.c.updated_at_ms)
_ADVANCE: Final = BulkUpdate(
    conversations,
    conversations.c.id,
    conversations.c.last_seq,
    conversations.c.newest_message_id,
    conversations.c.last_message_at_ms,
)
_NEXT: Final = Query(select(func.min(message_timers.c.due_at_ms)))


class SqlDueMessages:
    """Implements `domain.ports.DueMessages`."""

    def __init__(self, connection: AsyncConnection, found: Sequence[tuple[str, Message]]) -> None:
        self.scheduled: Sequence[Message] = [message for action, message in found if action == DELIVER]
        self.expired: Sequence[Message] = [message for action, message in found if action == EXPIRE]
        self._connection = connection
        self._changes: list[dict[str, Any]] = []

    async def deliver(
        self, scheduled: Sequence[Message], now_ms: int, event: Callable[[Message], Event]
    ) -> list[Message]:
        if not scheduled:
            return []
        wanted = sorted({message.conversation_id for message in scheduled})
        locked = await self._connection.execute(
            select(conversations.c.id, conversations.c.last_seq, conversations.c.newest_message_id)
            .where(conversations.c.id.in_(wanted), conversations.c.status == ConversationStatus.ACTIVE.value)
            .order_by(conversations.c.id)
            .with_for_update()
        )
        last_seqs, newest_ids = {}, {}
        for conversation_id, last_seq, newest_id in locked:
            last_seqs[conversation_id], newest_ids[conversation_id] = last_seq, newest_id
        await self.remove([each for each in scheduled if each.conversation_id not in last_seqs], now_ms, None)
        delivered = []
        for message in scheduled:
            if message.conversation_id in last_seqs:
                last_seqs[message.conversation_id] += 1
                numbered = msgspec.structs.replace(
                    message, seq=last_seqs[message.conversation_id], created_at_ms=now_ms, updated_at_ms=now_ms
                )
                delivered.append(numbered)
        if not delivered:
            return []
        await _NUMBER.run(self._connection, [(each.id, each.seq, now_ms, now_ms) for each in delivered])
        for message in delivered:
            key = message.conversation_id
            newest_ids[key] = max(newest_ids[key], message.id)
        await _ADVANCE.run(
            self._connection,
            [(key, last_seqs[key], newest_ids[key], now_ms) for key in {each.conversation_id for each in delivered}],
        )
        await self._forget(delivered)
        expiring = [
            {"message_id": message.id, "action": EXPIRE, "due_at_ms": now_ms + message.ttl_s * 1000}
            for message in delivered
            if message.ttl_s
        ]
        if expiring:
            await self._connection.execute(insert(message_timers), expiring)
        self._record(delivered, now_ms, event)
        return delivered

    async def remove(
        self, unwanted: Sequence[Message], now_ms: int, event: Callable[[Message], Event] | None
    ) -> list[Message]:
        removed = [
            msgspec.structs.replace(
                message,
                content="",
                attachment=None,
                is_pinned=False,
                state=MessageState.DELETED,
                updated_at_ms=now_ms,
            )
            for message in unwanted
            if not message.is_gone
        ]
        if removed:
            await self._connection.execute(
                update(messages)
                .where(messages.c.id.in_([message.id for message in removed]))
                .values(
                    content="",
                    attachment=None,
                    is_pinned=False,
                    state=MessageState.DELETED.value,
                    updated_at_ms=now_ms,
                )
            )
            await self._connection.execute(insert(search_marks), [{"message_id": message.id} for message in removed])
        if unwanted:
            await self._forget(unwanted)
        if event is not None:
            self._record(removed, now_ms, event)
        return removed

    async def _forget(self, done: Sequence[Message]) -> None:
        ids = [message.id for message in done]
        await self._connection.execute(delete(message_timers).where(message_timers.c.message_id.in_(ids)))

    def _record(self, done: Sequence[Message], now_ms: int, event: Callable[[Message], Event]) -> None:
        for message in done:
            self._changes += changes.change_rows(event(message), message.conversation_id, now_ms)

    async def keep_changes(self) -> None:
        """Stores what was recorded: the end of the transaction."""
        await changes.keep(self._connection, self._changes)


class SqlTimerStore:
    """Implements `domain.ports.TimerStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next_due_ms(self) -> int | None:
        due_ms: int | None = (await self._database.query(_NEXT))[0][0]
        return due_ms

    def due(self, now_ms: int, limit: int) -> AbstractAsyncContextManager[DueMessages]:
        return self._due(now_ms, limit)

    @asynccontextmanager
    async def _due(self, now_ms: int, limit: int) -> AsyncIterator[DueMessages]:
        async with self._database.writing() as connection:
            timers = await connection.execute(
                select(message_timers.c.message_id, message_timers.c.action)
                .where(message_timers.c.due_at_ms <= now_ms)
                .order_by(message_timers.c.due_at_ms, message_timers.c.message_id)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            actions = {row[0]: row[1] for row in timers}
            stored = await connection.execute(
                select(*rows.MESSAGE_COLUMNS).where(messages.c.id.in_(list(actions))).with_for_update()
            )
            by_id = {row[0]: rows.message(row) for row in stored}
            due = SqlDueMessages(connection, [(actions[key], by_id[key]) for key in actions if key in by_id])
            yield due
            await due.keep_changes()
