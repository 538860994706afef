"""Resume: what was committed since a position, at a cost that grows with the news."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

import msgspec
from sqlalchemy import BindParameter, and_, bindparam, delete, func, insert, literal, or_, select, union_all, update

from domain.events import (
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageRecalled,
    MessageSent,
    ReceiptMarked,
)
from domain.messages import RECEIPTS_PUSHED_UP_TO_MEMBERS
from domain.model import ConversationStatus, MemberStatus, Message
from domain.ports import EVERYBODY, Missed, News, Recorded
from storage.sql import rows
from storage.sql.changes import read_event
from storage.sql.database import Database
from storage.sql.dialects import Query
from storage.sql.errors import UniqueViolation
from storage.sql.plan import Plan
from storage.sql.tables import changes, conversations, members, messages, meta, receipts

SCANNED_ROWS: Final = 300
"""Up to this many new rows of the whole server are read one after another, in whatever conversation they are. With
more, and more than the user has conversations, each of the conversations is asked for its news: the cheaper way of the
two."""

FIRST_LOOK: Final = 16
"""Messages of a conversation that are read at first, newest first; then twice as many, until one is old."""


class Position(msgspec.Struct, frozen=True):
    """The newest ids of the three things that grow."""

    message_id: int
    change_id: int
    receipt_id: int

    def __str__(self) -> str:
        return f"{self.message_id:x}-{self.change_id:x}-{self.receipt_id:x}"

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        parts = text.split("-")
        if len(parts) != 3 or not all(part.isascii() and part.isalnum() and len(part) <= 14 for part in parts):
            return None
        try:
            return cls(*(int(part, 16) for part in parts))
        except ValueError:
            return None


def _newest(column: Any) -> Any:
    return select(func.coalesce(func.max(column), 0)).scalar_subquery()


PRUNED: Final = "changes.pruned"
"""The newest change that was forgotten."""

_position: Final = (_newest(messages.c.id), _newest(changes.c.id), _newest(receipts.c.id))
_POSITION: Final = Query(select(*_position))
_POSITION_AND_PRUNED: Final = Query(
    select(*_position, select(meta.c.value).where(meta.c.name == PRUNED).scalar_subquery())
)
_EPOCH: Final = Query(select(meta.c.value).where(meta.c.name == "epoch"))

_is_mine: Final = and_(members.c.user_id == bindparam("user_id"), members.c.status == MemberStatus.ACTIVE.value)
_MEMBERSHIPS: Final = Query(select(func.count()).select_from(members).where(members.c.user_id == bindparam("user_id")))
_is_active: Final = conversations.c.status == ConversationStatus.ACTIVE.value
_since: Final[BindParameter[int]] = bindparam("since")

# In the queries that follow, an outer join with a test for its match afterwards says in which order the tables are
# read: a database may turn an inner join around.

_MESSAGES_BY_SCAN: Final = Query(
    select(*rows.MESSAGE_COLUMNS)
    .select_from(messages)
    .outerjoin(members, and_(members.c.conversation_id == messages.c.conversation_id, _is_mine))
    .outerjoin(conversations, conversations.c.id == messages.c.conversation_id)
    .where(
        messages.c.id > _since,
        messages.c.seq > func.coalesce(members.c.visible_after_seq, messages.c.seq),
        messages.c.seq > 0,
        func.coalesce(conversations.c.status, "") == ConversationStatus.ACTIVE.value,
    )
)
_CONVERSATIONS_WITH_NEWS: Final = Query(
    select(conversations.c.id, conversations.c.last_seq, members.c.visible_after_seq)
    .select_from(members)
    .join(conversations, conversations.c.id == members.c.conversation_id)
    .where(_is_mine, _is_active, conversations.c.newest_message_id > _since)
)
_MESSAGES_BACKWARDS: Final = Query(
    select(*rows.MESSAGE_COLUMNS)
    .where(
        messages.c.conversation_id == bindparam("conversation_id"),
        messages.c.seq > bindparam("after_seq"),
        messages.c.seq < bindparam("before_seq"),
    )
    .order_by(messages.c.seq.desc())
    .limit(bindparam("limit"))
)

_change_columns: Final = (changes.c.id, changes.c.event, func.coalesce(members.c.visible_after_seq, 0).label("after"))
_CHANGES_BY_SCAN: Final = Query(
    select(*_change_columns)
    .select_from(changes)
    .outerjoin(members, and_(members.c.conversation_id == changes.c.conversation_id, _is_mine))
    .where(
        changes.c.id > _since,
        or_(
            changes.c.user_id == bindparam("user_id"),
            changes.c.conversation_id == EVERYBODY,
            and_(changes.c.user_id.is_(None), changes.c.id > func.coalesce(members.c.since_change_id, changes.c.id)),
        ),
    )
    .order_by(changes.c.id)
    .limit(bindparam("limit"))
)
_found: Final = union_all(
    select(*_change_columns)
    .select_from(members)
    .outerjoin(
        changes,
        and_(
            changes.c.conversation_id == members.c.conversation_id,
            changes.c.id > _since,
            changes.c.id > members.c.since_change_id,
            changes.c.user_id.is_(None),
        ),
    )
    .where(_is_mine, func.coalesce(changes.c.id, 0) > 0),
    select(*_change_columns)
    .select_from(changes)
    .outerjoin(members, and_(members.c.conversation_id == changes.c.conversation_id, _is_mine))
    .where(changes.c.user_id == bindparam("user_id"), changes.c.id > _since),
    select(changes.c.id, changes.c.event, literal(0)).where(
        changes.c.conversation_id == EVERYBODY, changes.c.id > _since
    ),
).subquery()
_CHANGES_BY_MEMBER: Final = Query(select(_found).order_by(_found.c.id).limit(bindparam("limit")))

_is_shown: Final = or_(
    conversations.c.member_count <= RECEIPTS_PUSHED_UP_TO_MEMBERS, receipts.c.user_id == bindparam("user_id")
)
_RECEIPTS_BY_SCAN: Final = Query(
    select(receipts.c.conversation_id, receipts.c.user_id, receipts.c.to_seq, receipts.c.read_at_ms)
    .select_from(receipts)
    .outerjoin(members, and_(members.c.conversation_id == receipts.c.conversation_id, _is_mine))
    .outerjoin(conversations, and_(conversations.c.id == receipts.c.conversation_id, _is_active))
    .where(
        receipts.c.id > _since,
        func.coalesce(members.c.id, 0) > 0,
        func.coalesce(conversations.c.id, 0) > 0,
        _is_shown,
    )
)
"""Not grouped: for that the whole table would be read in the order of the groups."""

_RECEIPTS_BY_MEMBER: Final = Query(
    select(
        receipts.c.conversation_id,
        receipts.c.user_id,
        func.max(receipts.c.to_seq),
        func.max(receipts.c.read_at_ms),
    )
    .select_from(members)
    .join(conversations, and_(conversations.c.id == members.c.conversation_id, _is_active))
    .outerjoin(receipts, and_(receipts.c.conversation_id == members.c.conversation_id, receipts.c.id > _since))
    .where(_is_mine, func.coalesce(receipts.c.id, 0) > 0, _is_shown)
    .group_by(receipts.c.conversation_id, receipts.c.user_id)
    .limit(bindparam("limit"))
)


_NEW_MESSAGES: Final = Query(
    select(*rows.MESSAGE_COLUMNS)
    .where(messages.c.id > _since, messages.c.seq > 0)
    .order_by(messages.c.id)
    .limit(bindparam("limit"))
)
_NEW_CHANGES: Final = Query(
    select(changes.c.event, changes.c.conversation_id, changes.c.user_id)
    .where(changes.c.id > _since)
    .order_by(changes.c.id)
    .limit(bindparam("limit"))
)
_OLDEST_CHANGES: Final = Query(
    select(changes.c.id, changes.c.at_ms).where(changes.c.id > 0).order_by(changes.c.id).limit(bindparam("limit"))
)
_NEW_RECEIPTS: Final = Query(
    select(receipts.c.conversation_id, receipts.c.user_id, receipts.c.to_seq, receipts.c.read_at_ms)
    .where(receipts.c.id > _since)
    .order_by(receipts.c.id)
    .limit(bindparam("limit"))
)


def _now(since: Position) -> Plan[Position | None]:
    """None: from `since` to now is not to be told."""
    *newest, pruned = (yield _POSITION_AND_PRUNED, {})[0]
    now = Position(*newest)
    if now.message_id < since.message_id or now.change_id < since.change_id or now.receipt_id < since.receipt_id:
        return None
    return None if since.change_id < int(pruned or 0) else now


def news_plan(since: Position, limit: int) -> Plan[News | None]:
    now = yield from _now(since)
    if now is None:
        return None
    found = yield _NEW_MESSAGES, {"since": since.message_id, "limit": limit + 1}
    changed = yield _NEW_CHANGES, {"since": since.change_id, "limit": limit + 1}
    read = yield _NEW_RECEIPTS, {"since": since.receipt_id, "limit": limit + 1}
    if max(len(found), len(changed), len(read)) > limit:
        return None
    events = [Recorded(read_event(text), conversation_id, user_id) for text, conversation_id, user_id in changed]
    events += [Recorded(event, event.conversation_id, None) for event in _receipts(read)]
    return News([rows.message(row) for row in found], events, str(now))


def missed_plan(
    user_id: int, since: Position, cursors: Mapping[int, int], limit: int, scanned_rows: int
) -> Plan[Missed | None]:
    """`scanned_rows`: how many new rows are scanned in any case."""
    now = yield from _now(since)
    if now is None:
        return None
    new_messages = now.message_id - since.message_id
    new_changes = now.change_id - since.change_id
    new_receipts = now.receipt_id - since.receipt_id
    if max(new_messages, new_changes, new_receipts) > scanned_rows:
        memberships: int = (yield _MEMBERSHIPS, {"user_id": user_id})[0][0]
        scanned_rows = max(scanned_rows, memberships)

    found: list[Message] | None = []
    if new_messages > scanned_rows:
        found = yield from _look_up_messages(user_id, since.message_id, cursors, limit)
    elif new_messages:
        news = yield _MESSAGES_BY_SCAN, {"user_id": user_id, "since": since.message_id}
        found = [
            message for row in news if (message := rows.message(row)).seq > cursors.get(message.conversation_id, 0)
        ]
    if found is None or len(found) > limit:
        return None
    found.sort(key=lambda message: (message.conversation_id, message.seq))

    events: list[Event] = []
    if new_changes:
        query = _CHANGES_BY_MEMBER if new_changes > scanned_rows else _CHANGES_BY_SCAN
        news = yield query, {"user_id": user_id, "since": since.change_id, "limit": limit + 1}
        if len(news) > limit:
            return None
        events = _events(news)
    if new_receipts:
        query = _RECEIPTS_BY_MEMBER if new_receipts > scanned_rows else _RECEIPTS_BY_SCAN
        news = yield query, {"user_id": user_id, "since": since.receipt_id, "limit": limit + 1}
        events += _receipts(news)
    if len(events) > limit:
        return None
    return Missed(found, events, str(now))


def _look_up_messages(
    user_id: int, since_id: int, cursors: Mapping[int, int], limit: int
) -> Plan[list[Message] | None]:
    found: list[Message] = []
    for conversation_id, last_seq, visible_after_seq in (
        yield _CONVERSATIONS_WITH_NEWS, {"user_id": user_id, "since": since_id}
    ):
        after_seq = max(visible_after_seq, cursors.get(conversation_id, 0))
        before_seq, look = last_seq + 1, FIRST_LOOK
        while before_seq > after_seq + 1:
            page = yield (
                _MESSAGES_BACKWARDS,
                {
                    "conversation_id": conversation_id,
                    "after_seq": after_seq,
                    "before_seq": before_seq,
                    "limit": look,
                },
            )
            news = [message for row in page if (message := rows.message(row)).id > since_id]
            found += news
            if len(found) > limit:
                return None
            # Ids grow with seq, but for those of messages that were delivered later than they were written.
            if len(page) < look or any(row[0] <= since_id and row[16] is None for row in page):
                break
            before_seq, look = page[-1][2], look * 2
    return found


def _events(news: Sequence[Sequence[Any]]) -> list[Event]:
    """Without those of messages that the member may not see, and without the former texts of messages that are gone."""
    events: list[Event] = []
    gone: set[int] = set()
    for _, text, visible_after_seq in reversed(news):
        event = read_event(text)
        if isinstance(event, (MessageSent, MessageEdited, MessageRecalled, MessageDeleted, MessagePinned)):
            if event.message.seq <= visible_after_seq or event.message.id in gone:
                continue
            if event.message.is_gone:
                gone.add(event.message.id)
        events.append(event)
    events.reverse()
    return events


def _receipts(news: Sequence[Sequence[int]]) -> list[ReceiptMarked]:
    """One for each reader of a conversation."""
    read: dict[tuple[int, int], tuple[int, int]] = {}
    for conversation_id, user_id, to_seq, at_ms in news:
        read[conversation_id, user_id] = max(read.get((conversation_id, user_id), (0, 0)), (to_seq, at_ms))
    return [ReceiptMarked(*key, to_seq, 0, at_ms) for key, (to_seq, at_ms) in read.items()]


class SqlSyncStore:
    """Implements `domain.ports.SyncStore`."""

    def __init__(self, database: Database, scanned_rows: int = SCANNED_ROWS) -> None:
        self._database = database
        self._scanned_rows = scanned_rows

    async def epoch(self) -> str:
        epoch: str = (await self._database.query(_EPOCH))[0][0]
        return epoch

    async def position(self) -> str:
        return str(Position(*(await self._database.query(_POSITION))[0]))

    async def missed(self, user_id: int, position: str, cursors: Mapping[int, int], limit: int) -> Missed | None:
        since = Position.parse(position)
        if since is None:
            return None
        return await self._database.read(missed_plan(user_id, since, cursors, limit, self._scanned_rows))

    async def news(self, position: str, limit: int) -> News | None:
        since = Position.parse(position)
        return None if since is None else await self._database.read(news_plan(since, limit))

    async def prune(self, before_ms: int, limit: int) -> int:
        # Ids grow with time, but for clocks that step; so what goes is the beginning of the log. Its newest row stays:
        # a position is made of its id.
        oldest = await self._database.query(_OLDEST_CHANGES, limit=limit + 1)
        old = list(takewhile(lambda row: row[1] < before_ms, oldest[:-1]))
        if old:
            try:
                await self._forget(old[-1][0])
            except UniqueViolation:
                return 0  # another process has just begun with it
        return len(old)

    async def _forget(self, last_id: int) -> None:
        async with self._database.writing() as connection:
            known = await connection.scalar(select(meta.c.value).where(meta.c.name == PRUNED).with_for_update())
            if known is None:
                await connection.execute(insert(meta).values(name=PRUNED, value=str(last_id)))
            elif int(known) < last_id:
                await connection.execute(update(meta).where(meta.c.name == PRUNED).values(value=str(last_id)))
            await connection.execute(delete(changes).where(changes.c.id <= last_id))
