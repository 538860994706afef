"""The contents of notifications, and how they come into the lists of their recipients."""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import and_, bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import Unavailable
from domain.events import Event
from domain.records import (
    Channel,
    DeliveryState,
    FanOut,
    Notification,
    NotificationRecord,
    NotificationView,
    PlannedDelivery,
    Recipient,
)
from storage.sql import changes
from storage.sql import notification_rows as rows
from storage.sql.database import Database, inserted_id
from storage.sql.dialects import Query, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.plan import Plan
from storage.sql.record_tables import (
    notification_deliveries,
    notification_fan_outs,
    notification_preferences,
    notification_records,
    notifications,
)
from storage.sql.rows import Row
from storage.sql.tables import users

_MAX_TRIES: Final = 3

_views: Final = select(*rows.CONTENT_COLUMNS, users.c.uuid).select_from(
    notifications.outerjoin(users, users.c.id == notifications.c.created_by_id)
)
_is_created: Final = notifications.c.created_by_id.is_not(None)
_BY_UUID: Final = Query(_views.where(notifications.c.uuid == bindparam("uuid")))
_BY_ID: Final = Query(select(*rows.CONTENT_COLUMNS).where(notifications.c.id == bindparam("id")))
_COUNT: Final = Query(select(func.count()).where(_is_created))
_LIST: Final = Query(
    _views.where(_is_created).order_by(notifications.c.id.desc()).limit(bindparam("limit")).offset(bindparam("offset"))
)
_USER_IDS: Final = Query(select(users.c.uuid, users.c.id).where(one_of(users.c.uuid, "uuids")))

_FAN_OUT_COLUMNS: Final = tuple(notification_fan_outs.c[name] for name in FanOut.__struct_fields__)
_fan_outs: Final = select(*_FAN_OUT_COLUMNS)
_FAN_OUT: Final = Query(_fan_outs.where(notification_fan_outs.c.id == bindparam("id")))
_FAN_OUTS: Final = Query(
    _fan_outs.where(notification_fan_outs.c.notification_id == bindparam("notification_id")).order_by(
        notification_fan_outs.c.id
    )
)
_UNFINISHED: Final = Query(
    _fan_outs.where(notification_fan_outs.c.is_done == bindparam("is_done"))
    .order_by(notification_fan_outs.c.id)
    .limit(1)
)
_PAGE: Final = Query(
    select(*rows.RECIPIENT_COLUMNS)
    .select_from(users.outerjoin(notification_preferences, notification_preferences.c.user_id == users.c.id))
    .where(users.c.id > bindparam("cursor"), users.c.id <= bindparam("up_to"), users.c.is_active)
    .order_by(users.c.id)
    .limit(bindparam("limit"))
)
_DELIVERIES: Final = Query(
    select(notification_deliveries.c.channel, notification_deliveries.c.state, func.count())
    .select_from(
        notification_records.join(
            notification_deliveries, notification_deliveries.c.record_id == notification_records.c.id
        )
    )
    .where(notification_records.c.notification_id == bindparam("notification_id"))
    .group_by(notification_deliveries.c.channel, notification_deliveries.c.state)
)

EventOf = Callable[[Notification, NotificationRecord], Event]


def _list_plan(offset: int, limit: int) -> Plan[tuple[list[NotificationView], int]]:
    total: int = (yield _COUNT, {})[0][0]
    found = yield _LIST, {"offset": offset, "limit": limit}
    return [rows.view(row) for row in found], total


def _fan_out(row: Row) -> FanOut:
    return FanOut(**dict(zip(FanOut.__struct_fields__, row, strict=True)))


class SqlNotificationContents:
    """Implements `domain.ports.NotificationContents`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, draft: Notification) -> NotificationView:
        async with self._database.writing() as connection:
            await _insert(connection, draft)
        found = await self.get(draft.uuid)
        assert found is not None
        return found

    async def get(self, uuid: str) -> NotificationView | None:
        found = await self._database.query(_BY_UUID, uuid=uuid)
        return rows.view(found[0]) if found else None

    async def content(self, notification_id: int) -> Notification | None:
        found = await self._database.query(_BY_ID, id=notification_id)
        return rows.content(found[0]) if found else None

    async def list_all(self, *, offset: int, limit: int) -> tuple[list[NotificationView], int]:
        return await self._database.read(_list_plan(offset, limit))

    async def update(self, notification_id: int, now_ms: int, **fields: Any) -> NotificationView | None:
        values = rows.content_values(fields) | {"updated_at_ms": now_ms}
        async with self._database.writing() as connection:
            is_it = notifications.c.id == notification_id
            await connection.execute(update(notifications).where(is_it).values(**values))
            row = (await connection.execute(_views.where(is_it))).one_or_none()
            if row is None:
                return None
            of_it = notification_records.c.notification_id == notification_id
            if "expires_at_ms" in fields:
                await connection.execute(
                    update(notification_records)
                    .where(of_it)
                    .values(hidden_at_ms=_hidden_at_ms(fields["expires_at_ms"]))
                )
            if "scheduled_at_ms" in fields:
                due_ms = fields["scheduled_at_ms"] or now_ms
                await connection.execute(update(notification_records).where(of_it).values(visible_at_ms=due_ms))
                await connection.execute(
                    update(notification_deliveries)
                    .where(
                        notification_deliveries.c.record_id.in_(select(notification_records.c.id).where(of_it)),
                        notification_deliveries.c.state == DeliveryState.PENDING.value,
                    )
                    .values(due_at_ms=due_ms)
                )
        return rows.view(row)

    async def delete(self, notification_id: int) -> bool:
        of_it = notification_records.c.notification_id == notification_id
        async with self._database.writing() as connection:
            # First, so that nothing is sent of it from here on.
            deleted = await connection.execute(delete(notifications).where(notifications.c.id == notification_id))
            await connection.execute(
                delete(notification_fan_outs).where(notification_fan_outs.c.notification_id == notification_id)
            )
            await connection.execute(
                delete(notification_deliveries).where(
                    notification_deliveries.c.record_id.in_(select(notification_records.c.id).where(of_it))
                )
            )
            await connection.execute(delete(notification_records).where(of_it))
        return deleted.rowcount > 0

    async def user_ids(self, uuids: Collection[str]) -> dict[str, int]:
        found = await self._database.query(_USER_IDS, uuids=[[each] for each in uuids])
        return {row[0]: row[1] for row in found}

    async def send(
        self,
        notification: Notification,
        planned: Mapping[int, Sequence[PlannedDelivery]],
        now_ms: int,
        event: EventOf,
        step: tuple[FanOut, int] | None = None,
        conversation_id: int | None = None,
    ) -> list[NotificationRecord] | None:
        for _ in range(_MAX_TRIES):
            try:
                async with self._database.writing() as connection:
                    return await _send(connection, notification, planned, now_ms, event, step, conversation_id)
            except UniqueViolation:
                # Another process has just sent it to one of them.
                continue
        raise Unavailable

    async def start_fan_out(self, notification_id: int, now_ms: int) -> FanOut:
        async with self._database.writing() as connection:
            active = select(func.coalesce(func.max(users.c.id), 0), func.count()).where(users.c.is_active)
            up_to, total = (await connection.execute(active)).one()
            fan_out = FanOut(
                id=0,
                notification_id=notification_id,
                cursor=0,
                up_to_user_id=up_to,
                total=total,
                sent=0,
                created_at_ms=now_ms,
            )
            values = {name: getattr(fan_out, name) for name in fan_out.__struct_fields__ if name != "id"}
            result = await connection.execute(insert(notification_fan_outs).values(**values, is_done=fan_out.is_done))
        return msgspec.structs.replace(fan_out, id=inserted_id(result))

    async def fan_out_page(self, fan_out: FanOut, limit: int) -> list[Recipient]:
        found = await self._database.query(_PAGE, cursor=fan_out.cursor, up_to=fan_out.up_to_user_id, limit=limit)
        return [rows.recipient(row) for row in found]

    async def fan_out(self, fan_out_id: int) -> FanOut | None:
        found = await self._database.query(_FAN_OUT, id=fan_out_id)
        return _fan_out(found[0]) if found else None

    async def unfinished_fan_out(self) -> FanOut | None:
        found = await self._database.query(_UNFINISHED, is_done=0)
        return _fan_out(found[0]) if found else None

    async def fan_outs(self, notification_id: int) -> list[FanOut]:
        return [_fan_out(row) for row in await self._database.query(_FAN_OUTS, notification_id=notification_id)]

    async def delivery_counts(self, notification_id: int) -> dict[tuple[str, str], int]:
        found = await self._database.query(_DELIVERIES, notification_id=notification_id)
        return {(row[0], row[1]): row[2] for row in found}


def _hidden_at_ms(expires_at_ms: int | None) -> int:
    return rows.NO_END_MS if expires_at_ms is None else expires_at_ms


async def _insert(connection: AsyncConnection, draft: Notification) -> int:
    fields = {name: getattr(draft, name) for name in draft.__struct_fields__ if name != "id"}
    return inserted_id(await connection.execute(insert(notifications).values(**rows.content_values(fields))))


async def _send(
    connection: AsyncConnection,
    notification: Notification,
    planned: Mapping[int, Sequence[PlannedDelivery]],
    now_ms: int,
    event: EventOf,
    step: tuple[FanOut, int] | None,
    conversation_id: int | None,
) -> list[NotificationRecord] | None:
    if notification.id:
        locked = select(notifications.c.id).where(notifications.c.id == notification.id).with_for_update()
        if (await connection.execute(locked)).first() is None:
            return None
    else:
        notification = msgspec.structs.replace(notification, id=await _insert(connection, notification))
    of_it = notification_records.c.notification_id == notification.id
    has_it = select(notification_records.c.user_id).where(of_it, notification_records.c.user_id.in_(list(planned)))
    served = {row[0] for row in await connection.execute(has_it)}
    if conversation_id is not None:
        about_it = notification_records.c.open_conversation_id == conversation_id
        told = select(notification_records.c.user_id).where(about_it, notification_records.c.user_id.in_(list(planned)))
        served |= {row[0] for row in await connection.execute(told)}
    new_ids = sorted(planned.keys() - served)
    if step is not None and not await _move(connection, *step, len(new_ids)):
        return None
    if not new_ids:
        return []
    await connection.execute(
        insert(notification_records),
        [
            {
                "uuid": str(uuid.uuid4()),
                "notification_id": notification.id,
                "user_id": user_id,
                "visible_at_ms": max(now_ms, notification.scheduled_at_ms or 0),
                "hidden_at_ms": _hidden_at_ms(notification.expires_at_ms),
                "open_conversation_id": conversation_id,
                "created_at_ms": now_ms,
            }
            for user_id in new_ids
        ],
    )
    stored = await connection.execute(
        select(*rows.RECORD_COLUMNS)
        .where(and_(of_it, notification_records.c.user_id.in_(new_ids)))
        .order_by(notification_records.c.id)
    )
    records = [rows.record(row) for row in stored]
    deliveries = [
        {
            "record_id": record.id,
            "user_id": record.user_id,
            "channel": each.channel.value,
            "state": each.state.value,
            "due_at_ms": each.due_at_ms,
            "updated_at_ms": now_ms,
        }
        for record in records
        for each in planned[record.user_id]
    ]
    if deliveries:
        await connection.execute(insert(notification_deliveries), deliveries)
    await changes.keep(
        connection,
        [
            row
            for record in records
            for each in planned[record.user_id]
            if each.channel is Channel.WEBSOCKET and each.state is DeliveryState.DELIVERED
            for row in changes.change_rows(event(notification, record), None, now_ms, record.user_id)
        ],
    )
    return records


async def _move(connection: AsyncConnection, fan_out: FanOut, cursor: int, count: int) -> bool:
    columns = notification_fan_outs.c
    moved = await connection.execute(
        update(notification_fan_outs)
        .where(columns.id == fan_out.id, columns.cursor == fan_out.cursor, columns.cursor < cursor)
        .values(cursor=cursor, sent=columns.sent + count, is_done=cursor >= fan_out.up_to_user_id)
    )
    return moved.rowcount > 0
