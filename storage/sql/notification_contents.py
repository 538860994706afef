"""The contents of notifications, and how they come into the lists of their recipients."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, update

from domain.records import (
    DeliveryState,
    FanOut,
    Notification,
    NotificationRecord,
    NotificationView,
    PlannedDelivery,
)
from storage.sql import notification_plans as plans
from storage.sql import notification_rows as rows
from storage.sql.database import Database, inserted_id
from storage.sql.dialects import Query, one_of
from storage.sql.gate import WriteGate
from storage.sql.notification_plans import EventOf, PlanOf
from storage.sql.plan import Plan, Writer
from storage.sql.record_tables import (
    notification_deliveries,
    notification_fan_outs,
    notification_records,
    notifications,
)
from storage.sql.tables import users

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

_fan_outs: Final = select(*plans.FAN_OUT_COLUMNS)
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


def _list_plan(offset: int, limit: int) -> Plan[tuple[list[NotificationView], int]]:
    total: int = (yield _COUNT, {})[0][0]
    found = yield _LIST, {"offset": offset, "limit": limit}
    return [rows.view(row) for row in found], total


class SqlNotificationContents:
    """Implements `domain.ports.NotificationContents`."""

    def __init__(self, database: Database, writer: Writer, gate: WriteGate) -> None:
        self._database = database
        self._writer = writer
        self._gate = gate

    async def add(self, draft: Notification) -> NotificationView:
        async with self._gate:
            await self._writer.write(partial(plans.add_plan, [draft]))
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
                    .values(hidden_at_ms=rows.hidden_at_ms(fields["expires_at_ms"]))
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
    ) -> list[NotificationRecord] | None:
        plan = partial(plans.send_plan, notification, planned, now_ms, event)
        async with self._gate:
            return await self._writer.write(plan)

    async def start_fan_out(self, notification_id: int, now_ms: int) -> FanOut:
        async with self._database.writing() as connection:
            active = select(func.coalesce(func.max(users.c.id), 0), func.count()).where(users.c.is_active)
            up_to, total = (await connection.execute(active)).one()
            fan_out = FanOut(
                id=0,
                notification_id=notification_id,
                reached_user_id=0,
                up_to_user_id=up_to,
                total=total,
                sent=0,
                created_at_ms=now_ms,
            )
            values = {name: getattr(fan_out, name) for name in fan_out.__struct_fields__ if name != "id"}
            result = await connection.execute(insert(notification_fan_outs).values(**values, is_done=fan_out.is_done))
        return msgspec.structs.replace(fan_out, id=inserted_id(result))

    async def advance(
        self, fan_out_id: int, limit: int, now_ms: int, plan: PlanOf, event: EventOf
    ) -> tuple[FanOut, Notification, list[NotificationRecord]] | None:
        async with self._gate:
            return await self._writer.write(partial(plans.advance_plan, fan_out_id, limit, now_ms, plan, event))

    async def fan_out(self, fan_out_id: int) -> FanOut | None:
        found = await self._database.query(_FAN_OUT, id=fan_out_id)
        return plans.fan_out(found[0]) if found else None

    async def unfinished_fan_out(self) -> FanOut | None:
        found = await self._database.query(_UNFINISHED, is_done=0)
        return plans.fan_out(found[0]) if found else None

    async def fan_outs(self, notification_id: int) -> list[FanOut]:
        return [plans.fan_out(row) for row in await self._database.query(_FAN_OUTS, notification_id=notification_id)]

    async def delivery_counts(self, notification_id: int) -> dict[tuple[str, str], int]:
        found = await self._database.query(_DELIVERIES, notification_id=notification_id)
        return {(row[0], row[1]): row[2] for row in found}
