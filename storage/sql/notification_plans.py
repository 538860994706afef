"""Bringing notifications into the lists of their recipients, as plans for the raw drivers: many rows in few statements,
because chat waits while a transaction of these is open."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import bindparam, select

from domain.events import Event
from domain.records import Channel, DeliveryState, FanOut, Notification, NotificationRecord, PlannedDelivery
from storage.sql import changes as changes_log
from storage.sql import notification_rows as rows
from storage.sql.dialects import BulkInsert, BulkUpdate, Query, one_of
from storage.sql.plan import Plan
from storage.sql.record_tables import (
    notification_deliveries,
    notification_fan_outs,
    notification_records,
    notifications,
)
from storage.sql.rows import Row
from storage.sql.tables import changes

EventOf = Callable[[Notification, NotificationRecord], Event]
Planned = Mapping[int, Sequence[PlannedDelivery]]

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

_PLACE: Final = Query(
    select(_fan_outs.sent)
    .where(
        _fan_outs.id == bindparam("id"), _fan_outs.reached_user_id == bindparam("reached"), _fan_outs.is_done.is_(False)
    )
    .with_for_update(skip_locked=True)
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
    notification: Notification,
    planned: Planned,
    now_ms: int,
    event: EventOf,
    step: tuple[FanOut, int] | None = None,
) -> Plan[list[NotificationRecord] | None]:
    """See `domain.ports.NotificationContents.send`. The caller runs it in a transaction."""
    sent = 0
    if step is not None:
        # Skipped, not waited for: another process is just making this step.
        place = yield _PLACE, {"id": step[0].id, "reached": step[0].reached_user_id}
        if not place:
            return None
        sent = place[0][0]
    if not notification.id:
        (notification,) = yield from add_plan([notification])
    elif not (yield _LOCK, {"id": notification.id}):
        return None
    else:
        of_it = {"notification_id": notification.id, "user_ids": [[user_id] for user_id in planned]}
        served = {row[0] for row in (yield _HAVE_IT, of_it)}
        planned = {user_id: planned[user_id] for user_id in planned if user_id not in served}
    records = yield from records_plan([record_row(notification, user_id, now_ms) for user_id in sorted(planned)])
    if step is not None:
        fan_out, reached = step
        yield _MOVE, [(fan_out.id, reached, sent + len(records), int(reached >= fan_out.up_to_user_id))]
    made = [(notification, record) for record in records]
    yield from deliveries_plan(made, lambda _, record: planned[record.user_id], now_ms, event)
    return records


def record_row(notification: Notification, user_id: int, now_ms: int, conversation_id: int | None = None) -> Row:
    """For `records_plan`."""
    visible_at_ms = max(now_ms, notification.scheduled_at_ms or 0)
    hidden_at_ms = rows.hidden_at_ms(notification.expires_at_ms)
    made_by = str(uuid.uuid4()), notification.id, user_id
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
