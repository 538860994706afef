"""Bringing notifications into the lists of their recipients, as plans for the raw drivers: many rows in few statements,
because chat waits while a transaction of these is open."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import bindparam, select

from domain.events import Event
from domain.records import Channel, DeliveryState, FanOut, Notification, NotificationRecord, PlannedDelivery, Recipient
from storage.sql import changes as changes_log
from storage.sql import notification_rows as rows
from storage.sql.dialects import BulkInsert, BulkUpdate, Query, one_of
from storage.sql.plan import Plan
from storage.sql.record_tables import (
    notification_deliveries,
    notification_fan_outs,
    notification_preferences,
    notification_records,
    notifications,
)
from storage.sql.rows import Row
from storage.sql.tables import changes, users

EventOf = Callable[[Notification, NotificationRecord], Event]
Planned = Mapping[int, Sequence[PlannedDelivery]]
PlanOf = Callable[[Notification, Sequence[Recipient]], Planned]

_records: Final = notification_records.c
_fan_outs: Final = notification_fan_outs.c

_LOCK: Final = Query(select(notifications.c.id).where(notifications.c.id == bindparam("id")).with_for_update())
_IDS: Final = Query(select(notifications.c.uuid, notifications.c.id).where(one_of(notifications.c.uuid, "uuids")))
_ADD: Final = BulkInsert(notifications, *(each for each in rows.CONTENT_COLUMNS if each.name != "id"))

_of_it: Final = _records.notification_id == bindparam("notification_id")
_HAVE_IT: Final = Query(select(_records.user_id).where(_of_it, one_of(_records.user_id, "user_ids")))
_STORED: Final = Query(select(*rows.RECORD_COLUMNS).where(one_of(_records.uuid, "uuids")).order_by(_records.id))
_INSERT_RECORDS: Final = BulkInsert(
    notification_records,
    _records.uuid,
    _records.notification_id,
    _records.user_id,
    _records.visible_at_ms,
    _records.hidden_at_ms,
    _records.open_conversation_id,
    _records.created_at_ms,
)
_INSERT_DELIVERIES: Final = BulkInsert(
    notification_deliveries,
    notification_deliveries.c.record_id,
    notification_deliveries.c.user_id,
    notification_deliveries.c.channel,
    notification_deliveries.c.state,
    notification_deliveries.c.due_at_ms,
    notification_deliveries.c.updated_at_ms,
)
_KEEP: Final = BulkInsert(changes, changes.c.conversation_id, changes.c.user_id, changes.c.event, changes.c.at_ms)

FAN_OUT_COLUMNS: Final = tuple(_fan_outs[name] for name in FanOut.__struct_fields__)
# Skipped, not waited for: another process is just making this step.
_TAKEN_ON: Final = Query(
    select(*FAN_OUT_COLUMNS)
    .where(_fan_outs.id == bindparam("id"), _fan_outs.is_done.is_(False))
    .with_for_update(skip_locked=True)
)
_CONTENT: Final = Query(select(*rows.CONTENT_COLUMNS).where(notifications.c.id == bindparam("id")).with_for_update())
_NEXT_USERS: Final = Query(
    select(*rows.RECIPIENT_COLUMNS)
    .select_from(users.outerjoin(notification_preferences, notification_preferences.c.user_id == users.c.id))
    .where(users.c.id > bindparam("reached"), users.c.id <= bindparam("up_to"), users.c.is_active)
    .order_by(users.c.id)
    .limit(bindparam("limit"))
)
_MOVE: Final = BulkUpdate(
    notification_fan_outs, _fan_outs.id, _fan_outs.reached_user_id, _fan_outs.sent, _fan_outs.is_done
)


def content_row(draft: Notification) -> Row:
    values = rows.content_values({name: getattr(draft, name) for name in draft.__struct_fields__})
    return [values[name] for name in _ADD.names]


def add_plan(drafts: Sequence[Notification]) -> Plan[list[Notification]]:
    """Adds contents; they with their ids."""
    if not drafts:
        return []
    yield _ADD, [content_row(draft) for draft in drafts]
    ids = {row[0]: row[1] for row in (yield _IDS, {"uuids": [[draft.uuid] for draft in drafts]})}
    return [msgspec.structs.replace(draft, id=ids[draft.uuid]) for draft in drafts]


def send_plan(
    notification: Notification, planned: Planned, now_ms: int, event: EventOf
) -> Plan[list[NotificationRecord] | None]:
    """See `domain.ports.NotificationContents.send`. The caller runs it in a transaction."""
    if not notification.id:
        (notification,) = yield from add_plan([notification])
    elif not (yield _LOCK, {"id": notification.id}):
        return None
    records = yield from _records_plan(notification, planned, now_ms)
    made = [(notification, record) for record in records]
    yield from deliveries_plan(made, lambda _, record: planned[record.user_id], now_ms, event)
    return records


def advance_plan(
    fan_out_id: int, limit: int, now_ms: int, plan: PlanOf, event: EventOf
) -> Plan[tuple[FanOut, Notification, list[NotificationRecord]] | None]:
    """See `domain.ports.NotificationContents.advance`. The caller runs it in a transaction."""
    taken_on = yield _TAKEN_ON, {"id": fan_out_id}
    if not taken_on:
        return None
    before = fan_out(taken_on[0])
    content = yield _CONTENT, {"id": before.notification_id}
    if not content:
        return None
    notification = rows.content(content[0])
    place = {"reached": before.reached_user_id, "up_to": before.up_to_user_id}
    page = [rows.recipient(row) for row in (yield _NEXT_USERS, {**place, "limit": limit})]
    planned = plan(notification, page)
    records = yield from _records_plan(notification, planned, now_ms)
    after = msgspec.structs.replace(
        before,
        reached_user_id=page[-1].user_id if len(page) == limit else before.up_to_user_id,
        sent=before.sent + len(records),
    )
    yield _MOVE, [(after.id, after.reached_user_id, after.sent, int(after.is_done))]
    made = [(notification, record) for record in records]
    yield from deliveries_plan(made, lambda _, record: planned[record.user_id], now_ms, event)
    return after, notification, records


def _records_plan(notification: Notification, planned: Planned, now_ms: int) -> Plan[list[NotificationRecord]]:
    """Records for those who have none."""
    if not planned:
        return []
    of_it = {"notification_id": notification.id, "user_ids": [[user_id] for user_id in planned]}
    served = {row[0] for row in (yield _HAVE_IT, of_it)}
    new_ids = sorted(planned.keys() - served)
    return (yield from records_plan([record_row(notification, user_id, now_ms) for user_id in new_ids]))


def fan_out(row: Row) -> FanOut:
    """Of FAN_OUT_COLUMNS."""
    return FanOut(**dict(zip(FanOut.__struct_fields__, row, strict=True)))


def ordered_uuid(now_ms: int) -> str:
    """RFC 9562, version 7: new ones come last in an index. With random ones every recipient of a notification to
    everybody costs a page of it of its own."""
    text = f"{now_ms:012x}7{secrets.token_hex(10)[:3]}{0x8000 | secrets.randbits(14):04x}{secrets.token_hex(6)}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def record_row(notification: Notification, user_id: int, now_ms: int, conversation_id: int | None = None) -> Row:
    """For `records_plan`."""
    visible_at_ms = max(now_ms, notification.scheduled_at_ms or 0)
    hidden_at_ms = rows.hidden_at_ms(notification.expires_at_ms)
    made_by = ordered_uuid(now_ms), notification.id, user_id
    return (*made_by, visible_at_ms, hidden_at_ms, conversation_id, now_ms)


def records_plan(new: Sequence[Row]) -> Plan[list[NotificationRecord]]:
    """Adds records; UniqueViolation if a user has one already."""
    if not new:
        return []
    yield _INSERT_RECORDS, new
    stored = yield _STORED, {"uuids": [[row[0]] for row in new]}
    return [rows.record(row) for row in stored]


def deliveries_plan(
    made: Sequence[tuple[Notification, NotificationRecord]],
    planned: Callable[[Notification, NotificationRecord], Sequence[PlannedDelivery]],
    now_ms: int,
    event: EventOf,
) -> Plan[None]:
    """The deliveries of new records. The last thing of a transaction: for what resuming clients are to hear it waits
    for its turn, and others wait until it has ended."""
    deliveries: list[Row] = []
    told: list[Row] = []
    for notification, record in made:
        for each in planned(notification, record):
            deliveries.append((record.id, record.user_id, each.channel.value, each.state.value, each.due_at_ms, now_ms))
            if each.channel is Channel.WEBSOCKET and each.state is DeliveryState.DELIVERED:
                kept = changes_log.change_rows(event(notification, record), None, now_ms, record.user_id)
                told += [[row[name] for name in _KEEP.names] for row in kept]
    if deliveries:
        yield _INSERT_DELIVERIES, deliveries
    if told:
        yield changes_log.TURN, ()
        yield _KEEP, told
