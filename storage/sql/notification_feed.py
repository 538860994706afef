"""What happened that users may be notified of, read from what is durable anyway: messages, recorded events, receipts
and notices of groups."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, and_, bindparam, delete, func, insert, select, update

from domain.events import Event, GroupNoted, MessageSent
from domain.model import ConversationKind, ConversationStatus, MemberStatus, MessageState
from domain.ports import Dispatch, Happened, Spoken
from domain.records import FanOut, GroupNotice, NoticeKind, Notification, NotificationRecord
from storage.sql import notification_plans as plans
from storage.sql import rows
from storage.sql.changes import read_event
from storage.sql.database import Database
from storage.sql.dialects import BulkInsert, BulkUpdate, Query, given, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.gate import WriteGate
from storage.sql.plan import Plan, Row, Writer
from storage.sql.record_tables import (
    group_notice_recipients,
    group_notices,
    notification_causes,
    notification_fan_outs,
    notification_records,
)
from storage.sql.tables import conversations, members, messages, meta, receipts, users

POSITION: Final = "notifications.position"
"""The ids of the last message and the last receipt that were looked at."""

WINDOW: Final = 2000
"""Messages, and receipts, of one look."""

MAX_EVENTS: Final = 100
"""Events, and notices, of one look: their notifications are one transaction."""

_records: Final = notification_records.c
_is_untold: Final = notification_causes.c.is_told == bindparam("told")
_sources: Final = (messages.c.id, receipts.c.id)
_HEAD: Final = Query(
    select(
        *(select(func.coalesce(func.max(source), 0)).scalar_subquery() for source in _sources),
        select(meta.c.value).where(meta.c.name == POSITION).scalar_subquery(),
        select(group_notices.c.id).where(group_notices.c.is_told == bindparam("told")).limit(1).scalar_subquery(),
        select(notification_causes.c.id).where(_is_untold).limit(1).scalar_subquery(),
    )
)
_HELD: Final = Query(select(meta.c.value).where(meta.c.name == POSITION).with_for_update())
_SAVE: Final = BulkUpdate(meta, meta.c.name, meta.c.value)

_READ: Final = Query(
    select(_records.id)
    .select_from(
        receipts.join(
            notification_records,
            and_(_records.open_conversation_id == receipts.c.conversation_id, _records.user_id == receipts.c.user_id),
        )
    )
    .where(receipts.c.id > bindparam("since"), receipts.c.id <= bindparam("head"))
)
_SPOKEN: Final = Query(
    select(messages.c.conversation_id, messages.c.sender_id, func.max(messages.c.seq))
    .where(
        messages.c.id > bindparam("since"),
        messages.c.id <= bindparam("head"),
        messages.c.seq > 0,
        messages.c.is_silent.is_(False),
        messages.c.state != MessageState.RECALLED.value,
        messages.c.state != MessageState.DELETED.value,
    )
    .group_by(messages.c.conversation_id, messages.c.sender_id)
)
_spoken: Final = given("spoken", conversation_id=BigInteger(), seq=BigInteger())
_WAITING: Final = Query(
    select(conversations.c.id, conversations.c.kind, members.c.user_id, members.c.read_seq)
    .select_from(_spoken)
    .join(conversations, conversations.c.id == _spoken.c.conversation_id)
    .join(members, members.c.conversation_id == _spoken.c.conversation_id)
    .outerjoin(
        notification_records,
        and_(_records.open_conversation_id == members.c.conversation_id, _records.user_id == members.c.user_id),
    )
    .where(
        conversations.c.status == ConversationStatus.ACTIVE.value,
        members.c.status == MemberStatus.ACTIVE.value,
        members.c.is_muted.is_(False),
        members.c.read_seq < _spoken.c.seq,
        _records.id.is_(None),
    )
)
_CAUSES: Final = Query(
    select(notification_causes.c.id, notification_causes.c.event, notification_causes.c.user_id)
    .where(_is_untold)
    .order_by(notification_causes.c.id)
    .limit(MAX_EVENTS)
)
_UNTOLD_CAUSES: Final = Query(
    select(notification_causes.c.id)
    .where(one_of(notification_causes.c.id, "ids"), _is_untold)
    .order_by(notification_causes.c.id)
    .with_for_update()
)
_TELL_CAUSES: Final = BulkUpdate(notification_causes, notification_causes.c.id, notification_causes.c.is_told)
_operators: Final = users.alias()
_targets: Final = users.alias()
_NOTICE_COLUMNS: Final = tuple(group_notices.c[name] for name in GroupNotice.__struct_fields__)
_NOTICES: Final = Query(
    select(
        *_NOTICE_COLUMNS,
        *(_operators.c[column.name] for column in rows.PROFILE_COLUMNS),
        *(_targets.c[column.name] for column in rows.PROFILE_COLUMNS),
        conversations.c.name,
    )
    .select_from(group_notices)
    .join(_operators, _operators.c.id == group_notices.c.operator_id)
    .join(_targets, _targets.c.id == group_notices.c.target_id)
    .join(conversations, conversations.c.id == group_notices.c.conversation_id)
    .where(group_notices.c.is_told == bindparam("told"))
    .order_by(group_notices.c.id)
    .limit(MAX_EVENTS)
)
_NOTICE_RECIPIENTS: Final = Query(
    select(group_notice_recipients.c.notice_id, group_notice_recipients.c.user_id).where(
        one_of(group_notice_recipients.c.notice_id, "ids")
    )
)
_UNTOLD_NOTICES: Final = Query(
    select(group_notices.c.id)
    .where(one_of(group_notices.c.id, "ids"), group_notices.c.is_told == bindparam("told"))
    .order_by(group_notices.c.id)
    .with_for_update()
)
_TELL_NOTICES: Final = BulkUpdate(group_notices, group_notices.c.id, group_notices.c.is_told)
_pairs: Final = given("pairs", conversation_id=BigInteger(), user_id=BigInteger())
_HAVE_WORD: Final = Query(
    select(_records.open_conversation_id, _records.user_id).select_from(
        _pairs.join(
            notification_records,
            and_(_records.open_conversation_id == _pairs.c.conversation_id, _records.user_id == _pairs.c.user_id),
        )
    )
)
_NEWEST_USER: Final = Query(
    select(func.coalesce(func.max(users.c.id), 0)).where(users.c.created_at_ms <= bindparam("at_ms"))
)
_ACTIVE: Final = Query(select(func.count()).where(users.c.is_active, users.c.id <= bindparam("up_to")))
_FAN_OUT_NAMES: Final = tuple(name for name in FanOut.__struct_fields__ if name != "id")
_START: Final = BulkInsert(
    notification_fan_outs, *(notification_fan_outs.c[name] for name in (*_FAN_OUT_NAMES, "is_done"))
)


def _parse(position: str) -> tuple[int, ...]:
    return tuple(int(part, 16) for part in position.split("-"))


def _text(ids: Sequence[int]) -> str:
    return "-".join(f"{each:x}" for each in ids)


def happened_plan(saved: str, since: Sequence[int], until: Sequence[int], is_head: bool) -> Plan[Happened]:
    """What was committed between the two. `is_head`: there was nothing more."""
    causes = yield _CAUSES, {"told": 0}
    spoken: dict[int, dict[int, int]] = {}
    events: list[tuple[Event, int | None]] = []
    for _, text, user_id in causes:
        event = read_event(text)
        if not isinstance(event, MessageSent):
            events.append((event, user_id))
        elif not event.message.is_silent:
            # A scheduled message, whose id is from the time when it was written.
            spoken.setdefault(event.message.conversation_id, {})[event.message.sender_id] = event.message.seq
    for conversation_id, sender_id, seq in (yield _SPOKEN, {"since": since[0], "head": until[0]}):
        senders = spoken.setdefault(conversation_id, {})
        senders[sender_id] = max(senders.get(sender_id, 0), seq)
    waiting: dict[int, list[tuple[int, int]]] = {}
    groups: set[int] = set()
    if spoken:
        newest = [[conversation_id, max(senders.values())] for conversation_id, senders in spoken.items()]
        for conversation_id, kind, user_id, read_seq in (yield _WAITING, {"spoken": newest}):
            waiting.setdefault(conversation_id, []).append((user_id, read_seq))
            if kind == ConversationKind.GROUP.value:
                groups.add(conversation_id)
    notices = yield from _notices_plan()
    return Happened(
        since=saved,
        position=_text(until),
        cause_ids=[row[0] for row in causes],
        spoken=[Spoken(key, key in groups, spoken[key], waiting[key]) for key in sorted(waiting)],
        events=events,
        notices=notices,
        is_all=is_head and len(causes) < MAX_EVENTS and len(notices) < MAX_EVENTS,
    )


def _notices_plan() -> Plan[list[tuple[GroupNoted, Sequence[int]]]]:
    found = yield _NOTICES, {"told": 0}
    if not found:
        return []
    recipients: dict[int, list[int]] = {}
    for notice_id, user_id in (yield _NOTICE_RECIPIENTS, {"ids": [[row[0]] for row in found]}):
        recipients.setdefault(notice_id, []).append(user_id)
    start, width = len(_NOTICE_COLUMNS), len(rows.PROFILE_COLUMNS)
    notices: list[tuple[GroupNoted, Sequence[int]]] = []
    for row in found:
        values = dict(zip(GroupNotice.__struct_fields__, row, strict=False))
        notice = GroupNotice(**values | {"kind": NoticeKind(values["kind"])})
        operator, target = rows.profile(row[start : start + width]), rows.profile(row[start + width : -1])
        notices.append((GroupNoted(notice, operator, target, row[-1] or ""), recipients.get(notice.id, ())))
    return notices


def tell_plan(
    happened: Happened, dispatches: Sequence[Dispatch], now_ms: int, event: plans.EventOf, is_settled: bool
) -> Plan[list[tuple[Notification, NotificationRecord]] | None]:
    """See `NotificationFeed.tell`. The caller runs it in a transaction."""
    if [row[0] for row in (yield _HELD, {})] != [happened.since]:
        return None
    if is_settled:
        # The position says nothing of these: another process may have told of them alone.
        notice_ids = [noted.notice.id for noted, _ in happened.notices]
        for ids, untold, tell in (
            (happened.cause_ids, _UNTOLD_CAUSES, _TELL_CAUSES),
            (notice_ids, _UNTOLD_NOTICES, _TELL_NOTICES),
        ):
            if ids:
                if len((yield untold, {"ids": [[each] for each in ids], "told": 0})) < len(ids):
                    return None
                yield tell, [(each, 1) for each in ids]
    if is_settled and happened.position != happened.since:
        yield _SAVE, [(POSITION, happened.position)]
    pairs = [
        [dispatch.conversation_id, user_id]
        for dispatch in dispatches
        if dispatch.conversation_id is not None
        for user_id in dispatch.planned
    ]
    told = {(row[0], row[1]) for row in (yield _HAVE_WORD, {"pairs": pairs})} if pairs else set()
    notifications = yield from plans.add_plan([dispatch.notification for dispatch in dispatches])
    planned: dict[tuple[int, int], Sequence[Any]] = {}
    new: list[Row] = []
    for dispatch, notification in zip(dispatches, notifications, strict=True):
        for user_id, deliveries in dispatch.planned.items():
            if (dispatch.conversation_id, user_id) not in told:
                planned[notification.id, user_id] = deliveries
                new.append(plans.record_row(notification, user_id, now_ms, dispatch.conversation_id))
        if dispatch.up_to_user_id:
            yield from start_plan(notification.id, dispatch.up_to_user_id, now_ms)
    by_id = {notification.id: notification for notification in notifications}
    made = [(by_id[record.notification_id], record) for record in (yield from plans.records_plan(new))]
    yield from plans.deliveries_plan(
        made, lambda _, record: planned[record.notification_id, record.user_id], now_ms, event
    )
    return made


def start_plan(notification_id: int, up_to_user_id: int, now_ms: int) -> Plan[None]:
    """Begins sending to everybody up to a user."""
    total: int = (yield _ACTIVE, {"up_to": up_to_user_id})[0][0]
    fan_out = FanOut(
        id=0,
        notification_id=notification_id,
        reached_user_id=0,
        up_to_user_id=up_to_user_id,
        total=total,
        sent=0,
        created_at_ms=now_ms,
    )
    yield _START, [[*(getattr(fan_out, name) for name in _FAN_OUT_NAMES), 0]]


class SqlNotificationFeed:
    """Implements `domain.ports.NotificationFeed`."""

    def __init__(self, database: Database, writer: Writer, gate: WriteGate) -> None:
        self._database = database
        self._writer = writer
        self._gate = gate

    async def next(self, now_ms: int) -> Happened | None:
        ((*head, saved, notice, cause),) = await self._database.query(_HEAD, told=0)
        if saved is None:
            await self._begin(_text(head))
            return None
        if saved == _text(head) and notice is None and cause is None:
            return None
        # A database that was restored from a backup is behind what was saved.
        since = [min(pair) for pair in zip(_parse(saved), head, strict=True)]
        until = [min(first + WINDOW, last) for first, last in zip(since, head, strict=True)]
        read = await self._database.query(_READ, since=since[1], head=until[1]) if until[1] > since[1] else []
        if read:
            async with self._database.writing() as connection:
                await connection.execute(
                    update(notification_records)
                    .where(_records.id.in_([row[0] for row in read]), _records.read_at_ms.is_(None))
                    .values(read_at_ms=now_ms, open_conversation_id=None)
                )
        return await self._database.read(happened_plan(saved, since, until, until == head))

    async def _begin(self, position: str) -> None:
        try:
            async with self._database.writing() as connection:
                await connection.execute(insert(meta).values(name=POSITION, value=position))
        except UniqueViolation:
            return  # another process has just begun

    async def tell(
        self,
        happened: Happened,
        dispatches: Sequence[Dispatch],
        now_ms: int,
        event: plans.EventOf,
        *,
        is_settled: bool,
    ) -> list[tuple[Notification, NotificationRecord]] | None:
        try:
            async with self._gate:
                made = await self._writer.write(lambda: tell_plan(happened, dispatches, now_ms, event, is_settled))
        except UniqueViolation:
            return None  # another process has just told one of them of the conversation
        if made is not None and is_settled and happened.cause_ids:
            async with self._database.writing() as connection:
                await connection.execute(delete(notification_causes).where(notification_causes.c.is_told.is_(True)))
        return made

    async def newest_user_id(self, at_ms: int) -> int:
        return int((await self._database.query(_NEWEST_USER, at_ms=at_ms))[0][0])
