"""Messages at rest: history, unread counts, receipts, changes of one message."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, case, exists, false, func, insert, not_, select, update

from domain.errors import MessageNotFound
from domain.events import Event
from domain.model import ConversationStatus, MemberStatus, Message, MessageKind, MessageState, Receipt
from domain.ports import MessageEdit
from storage.sql import changes, rows
from storage.sql.database import Database
from storage.sql.dialects import Query, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.plan import Plan, Row
from storage.sql.tables import conversations, hidden_messages, members, messages, receipts, search_marks

UNREAD_COUNTED: Final = 10_000
"""Of each conversation's messages the newest are counted: 0.35 to 2.5 µs each."""

_messages: Final = select(*rows.MESSAGE_COLUMNS)
_BY_ID: Final = Query(_messages.where(messages.c.id == bindparam("id"), messages.c.seq > 0))
_BY_IDS: Final = Query(
    _messages.where(
        one_of(messages.c.id, "ids"), messages.c.conversation_id == bindparam("conversation_id"), messages.c.seq > 0
    ).order_by(messages.c.seq)
)


def is_hidden_from(user_id: Any) -> ColumnElement[bool]:
    """The message is one that this user deleted for themselves."""
    return (
        exists()
        .where(
            hidden_messages.c.user_id == user_id,
            hidden_messages.c.conversation_id == messages.c.conversation_id,
            hidden_messages.c.seq == messages.c.seq,
        )
        .correlate(messages, members)
    )


_between: Final = _messages.where(
    messages.c.conversation_id == bindparam("conversation_id"),
    messages.c.seq > bindparam("after_seq"),
    messages.c.seq < bindparam("before_seq"),
    not_(is_hidden_from(bindparam("user_id"))),
).limit(bindparam("limit"))
_SCHEDULED: Final = Query(
    _messages.where(
        messages.c.conversation_id == bindparam("conversation_id"),
        messages.c.seq < 0,
        messages.c.sender_id == bindparam("sender_id"),
        messages.c.state != MessageState.DELETED.value,
    ).order_by(messages.c.send_at_ms, messages.c.id)
)


@cache
def _filtered(by_text: bool, by_kind: bool, newest: bool) -> tuple[Query, Query]:
    """A page, newest or oldest first, and the count."""
    conditions = [
        messages.c.conversation_id == bindparam("conversation_id"),
        messages.c.seq > bindparam("after_seq"),
        messages.c.seq < bindparam("before_seq"),
        not_(is_hidden_from(bindparam("user_id"))),
    ]
    if by_text:
        conditions.append(func.instr(func.lower(messages.c.content), bindparam("text")) > 0)
    if by_kind:
        conditions.append(messages.c.kind == bindparam("kind"))
    page = _messages.where(*conditions).order_by(messages.c.seq.desc() if newest else messages.c.seq)
    return (
        Query(page.limit(bindparam("limit")).offset(bindparam("offset"))),
        Query(select(func.count()).select_from(messages).where(*conditions)),
    )


_OLDEST: Final = Query(_between.order_by(messages.c.seq))
_NEWEST: Final = Query(_between.order_by(messages.c.seq.desc()))

_oldest_counted: Final = conversations.c.last_seq - UNREAD_COUNTED
counts_as_unread: Final = and_(
    messages.c.conversation_id == members.c.conversation_id,
    # One bound, not two: a database looks up the first by its index, and the other row by row.
    messages.c.seq > case((members.c.read_seq > _oldest_counted, members.c.read_seq), else_=_oldest_counted),
    messages.c.seq > members.c.visible_after_seq,
    messages.c.sender_id != members.c.user_id,
    messages.c.state != MessageState.RECALLED.value,
    messages.c.state != MessageState.DELETED.value,
    messages.c.is_silent == false(),
    not_(is_hidden_from(members.c.user_id)),
)
"""Of messages beside a member and the conversation. Scheduled messages have negative seqs."""

_unread: Final = (
    select(func.count())
    .select_from(members)
    .join(conversations, conversations.c.id == members.c.conversation_id)
    .join(messages, counts_as_unread)
    .where(
        members.c.user_id == bindparam("user_id"),
        members.c.status == MemberStatus.ACTIVE.value,
        conversations.c.status == ConversationStatus.ACTIVE.value,
        conversations.c.last_seq > members.c.read_seq,
    )
)
_UNREAD: Final = Query(_unread)
_UNREAD_IN_ONE: Final = Query(_unread.where(members.c.conversation_id == bindparam("conversation_id")))

_other: Final = receipts.alias()
_first_to_seq: Final = (
    select(func.min(_other.c.to_seq))
    .where(
        _other.c.conversation_id == members.c.conversation_id,
        _other.c.user_id == members.c.user_id,
        _other.c.to_seq >= bindparam("seq"),
    )
    .scalar_subquery()
)
_RECEIPTS: Final = Query(
    select(receipts.c.id, receipts.c.user_id, receipts.c.read_at_ms)
    .select_from(members)
    .join(
        receipts,
        and_(
            receipts.c.conversation_id == members.c.conversation_id,
            receipts.c.user_id == members.c.user_id,
            receipts.c.to_seq == _first_to_seq,
            receipts.c.from_seq <= bindparam("seq"),
        ),
    )
    .where(members.c.conversation_id == bindparam("conversation_id"), members.c.user_id != bindparam("sender_id"))
    .order_by(receipts.c.read_at_ms, receipts.c.id)
)
"""One look for each member, former ones too; not one for each receipt that is newer than the message."""

_LAST_SEQ: Final = Query(select(conversations.c.last_seq).where(conversations.c.id == bindparam("conversation_id")))
_HIDDEN_BETWEEN: Final = Query(
    select(hidden_messages.c.seq)
    .where(
        hidden_messages.c.user_id == bindparam("user_id"),
        hidden_messages.c.conversation_id == bindparam("conversation_id"),
        hidden_messages.c.seq > bindparam("after_seq"),
        hidden_messages.c.seq < bindparam("before_seq"),
    )
    .order_by(hidden_messages.c.seq)
)
_HIDDEN: Final = Query(
    select(hidden_messages.c.seq).where(
        hidden_messages.c.user_id == bindparam("user_id"),
        hidden_messages.c.conversation_id == bindparam("conversation_id"),
        hidden_messages.c.seq == bindparam("seq"),
    )
)

NO_SEQ: Final = 2**62


def oldest_plan(span: dict[str, int], offset: int, limit: int) -> Plan[list[Row]]:
    """Of what lies in the span the oldest `limit` but for the oldest `offset`. Seqs have no gaps, so what is passed
    over is counted, not read."""
    hidden = [row[0] for row in (yield _HIDDEN_BETWEEN, span)]
    after_seq = _passed(span["after_seq"] + offset, hidden)
    return (yield _OLDEST, span | {"after_seq": after_seq, "limit": limit})


def page_plan(span: dict[str, int], offset: int, limit: int, newest: bool) -> Plan[tuple[list[Row], int]]:
    """The same from the end that is asked for, and how many there are in the span."""
    found = yield _LAST_SEQ, span
    end = min(span["before_seq"], found[0][0] + 1) if found else 0
    hidden = [row[0] for row in (yield _HIDDEN_BETWEEN, span)]
    if newest:
        before_seq = -_passed(offset - end, [-seq for seq in reversed(hidden)])
        page = yield _NEWEST, span | {"before_seq": before_seq, "limit": limit}
    else:
        page = yield _OLDEST, span | {"after_seq": _passed(span["after_seq"] + offset, hidden), "limit": limit}
    return page, max(0, end - 1 - span["after_seq"] - len(hidden))


def _passed(seq: int, hidden: Sequence[int]) -> int:
    """The last seq that is passed over, if without the hidden ones it were `seq`."""
    for each in hidden:
        if each > seq:
            break
        seq += 1
    return seq


def filtered_plan(
    span: dict[str, int], offset: int, limit: int, newest: bool, text: str | None, kind: MessageKind | None
) -> Plan[tuple[list[Row], int]]:
    """The same of those that hold the text and are of the kind."""
    page, count = _filtered(text is not None, kind is not None, newest)
    filters = {"text": "" if text is None else text.lower(), "kind": "" if kind is None else kind.value}
    total: int = (yield count, span | filters)[0][0]
    return (yield page, span | filters | {"offset": offset, "limit": limit}), total


class SqlMessageEdit:
    """Implements `domain.ports.MessageEdit`; what was set is written when the block ends."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.fields: dict[str, Any] = {}
        self.events: list[Event] = []

    def set(self, event: Callable[[Message], Event] | None, /, **fields: Any) -> Message:
        self.message = msgspec.structs.replace(self.message, **fields)
        self.fields |= fields
        if event is not None:
            self.events.append(event(self.message))
        return self.message


class SqlMessageStore:
    """Implements `domain.ports.MessageStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, message_id: int) -> Message | None:
        found = await self._database.query(_BY_ID, id=message_id)
        return rows.message(found[0]) if found else None

    async def get_many(self, conversation_id: int, message_ids: Collection[int]) -> list[Message]:
        ids = [[message_id] for message_id in set(message_ids)]
        found = await self._database.query(_BY_IDS, conversation_id=conversation_id, ids=ids)
        return [rows.message(row) for row in found]

    async def hide(self, user_id: int, message: Message, event: Event) -> None:
        try:
            async with self._database.writing() as connection:
                await connection.execute(
                    insert(hidden_messages).values(
                        user_id=user_id, conversation_id=message.conversation_id, seq=message.seq
                    )
                )
                kept = changes.change_rows(event, message.conversation_id, self._database.now_ms(), user_id)
                await changes.keep(connection, kept)
        except UniqueViolation:
            pass  # hidden before

    async def is_hidden(self, user_id: int, message: Message) -> bool:
        found = await self._database.query(
            _HIDDEN, user_id=user_id, conversation_id=message.conversation_id, seq=message.seq
        )
        return bool(found)

    async def history(
        self,
        user_id: int,
        conversation_id: int,
        *,
        after_seq: int = 0,
        before_seq: int | None = None,
        limit: int,
        newest: bool,
    ) -> tuple[list[Message], bool]:
        found = await self._database.query(
            _NEWEST if newest else _OLDEST,
            user_id=user_id,
            conversation_id=conversation_id,
            after_seq=max(after_seq, 0),
            before_seq=NO_SEQ if before_seq is None else before_seq,
            limit=limit + 1,
        )
        page = [rows.message(row) for row in found[:limit]]
        if newest:
            page.reverse()
        return page, len(found) > limit

    async def history_page(
        self, user_id: int, conversation_id: int, *, after_seq: int, offset: int, limit: int
    ) -> list[Message]:
        span = {"user_id": user_id, "conversation_id": conversation_id}
        span |= {"after_seq": max(after_seq, 0), "before_seq": NO_SEQ}
        return [rows.message(row) for row in await self._database.read(oldest_plan(span, offset, limit))]

    async def page(
        self,
        user_id: int,
        conversation_id: int,
        *,
        after_seq: int,
        before_seq: int | None = None,
        offset: int,
        limit: int,
        text: str | None = None,
        kind: MessageKind | None = None,
        newest: bool = True,
    ) -> tuple[list[Message], int]:
        span = {"user_id": user_id, "conversation_id": conversation_id}
        span |= {"after_seq": max(after_seq, 0), "before_seq": NO_SEQ if before_seq is None else before_seq}
        if text is None and kind is None:
            plan = page_plan(span, offset, limit, newest)
        else:
            plan = filtered_plan(span, offset, limit, newest, text, kind)
        page, total = await self._database.read(plan)
        return [rows.message(row) for row in (reversed(page) if newest else page)], total

    async def scheduled(self, sender_id: int, conversation_id: int) -> list[Message]:
        found = await self._database.query(_SCHEDULED, sender_id=sender_id, conversation_id=conversation_id)
        return [rows.message(row) for row in found]

    def edit(self, message_id: int) -> AbstractAsyncContextManager[MessageEdit]:
        return self._edit(message_id)

    @asynccontextmanager
    async def _edit(self, message_id: int) -> AsyncIterator[MessageEdit]:
        async with self._database.writing() as connection:
            result = await connection.execute(_messages.where(messages.c.id == message_id).with_for_update())
            row = result.one_or_none()
            if row is None:
                raise MessageNotFound
            edit = SqlMessageEdit(rows.message(row))
            yield edit
            values = dict(edit.fields)
            if "attachment" in values:
                values["attachment"] = rows.attachment_text(values["attachment"])
            if values:
                await connection.execute(update(messages).where(messages.c.id == message_id).values(**values))
            if "content" in values or "attachment" in values:
                await connection.execute(insert(search_marks).values(message_id=message_id))
            if edit.events:
                now_ms = self._database.now_ms()
                await changes.keep(
                    connection,
                    [
                        row
                        for event in edit.events
                        for row in changes.change_rows(event, edit.message.conversation_id, now_ms)
                    ],
                )

    async def unread(self, user_id: int, conversation_id: int | None = None) -> int:
        if conversation_id is None:
            found = await self._database.query(_UNREAD, user_id=user_id)
        else:
            found = await self._database.query(_UNREAD_IN_ONE, user_id=user_id, conversation_id=conversation_id)
        count: int = found[0][0]
        return count

    async def receipts(self, message: Message) -> list[Receipt]:
        found = await self._database.query(
            _RECEIPTS, conversation_id=message.conversation_id, seq=message.seq, sender_id=message.sender_id
        )
        return [Receipt(row[0], message.id, row[1], row[2]) for row in found]
