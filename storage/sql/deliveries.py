"""The outbox of notifications: deliveries are leased, done without a transaction open, and settled."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, select, update

from domain.events import Event
from domain.records import Channel, DeadLetter, DeliveryState, DueDelivery, Outcome
from storage.sql import changes
from storage.sql import notification_rows as rows
from storage.sql.database import Database
from storage.sql.dialects import Query
from storage.sql.plan import Plan
from storage.sql.record_tables import (
    notification_deliveries,
    notification_preferences,
    notification_records,
    notifications,
)
from storage.sql.rows import Row
from storage.sql.tables import users

MAX_ERROR_CHARS: Final = 500

_deliveries: Final = notification_deliveries.c
_of_records: Final = notification_deliveries.join(
    notification_records, notification_records.c.id == _deliveries.record_id
).join(notifications, notifications.c.id == notification_records.c.notification_id)
_claimed: Final = select(
    _deliveries.id,
    _deliveries.channel,
    _deliveries.tries,
    *rows.RECORD_COLUMNS,
    *rows.CONTENT_COLUMNS,
    *rows.RECIPIENT_COLUMNS,
).select_from(
    _of_records.join(users, users.c.id == _deliveries.user_id).outerjoin(
        notification_preferences, notification_preferences.c.user_id == users.c.id
    )
)
_ANY_DUE: Final = Query(
    select(_deliveries.id)
    .where(
        _deliveries.state == DeliveryState.PENDING.value,
        _deliveries.channel == bindparam("channel"),
        _deliveries.due_at_ms <= bindparam("now_ms"),
    )
    .limit(1)
)
_SETTLE: Final = (
    update(notification_deliveries)
    .where(
        _deliveries.id == bindparam("delivery_id"),
        _deliveries.state == DeliveryState.PENDING.value,
        _deliveries.due_at_ms == bindparam("until_ms"),
    )
    .values(
        state=bindparam("to_state"),
        due_at_ms=bindparam("to_due_at_ms"),
        tries=bindparam("to_tries"),
        last_error=bindparam("to_error"),
        updated_at_ms=bindparam("now_ms"),
    )
)
_is_failed: Final = _deliveries.state == bindparam("state")
_COUNT_FAILED: Final = Query(select(func.count()).select_from(notification_deliveries).where(_is_failed))
_FAILED: Final = Query(
    select(
        _deliveries.id,
        _deliveries.channel,
        _deliveries.tries,
        _deliveries.last_error,
        _deliveries.updated_at_ms,
        notifications.c.uuid,
        users.c.uuid,
    )
    .select_from(_of_records.join(users, users.c.id == _deliveries.user_id))
    .where(_is_failed)
    .order_by(_deliveries.updated_at_ms.desc(), _deliveries.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def _due(row: Row) -> DueDelivery:
    record = row[3:]
    content = record[len(rows.RECORD_COLUMNS) :]
    recipient = content[len(rows.CONTENT_COLUMNS) :]
    return DueDelivery(
        row[0], Channel(row[1]), row[2], rows.record(record), rows.content(content), rows.recipient(recipient)
    )


def _dead_letters_plan(offset: int, limit: int) -> Plan[tuple[list[DeadLetter], int]]:
    failed = {"state": DeliveryState.FAILED.value}
    total: int = (yield _COUNT_FAILED, failed)[0][0]
    found = yield _FAILED, {**failed, "offset": offset, "limit": limit}
    return [DeadLetter(row[0], Channel(row[1]), *row[2:]) for row in found], total


class SqlDeliveryStore:
    """Implements `domain.ports.DeliveryStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, channel: Channel, now_ms: int, until_ms: int, limit: int) -> list[DueDelivery]:
        is_due = (
            _deliveries.state == DeliveryState.PENDING.value,
            _deliveries.channel == channel.value,
            _deliveries.due_at_ms <= now_ms,
        )
        # Most of the time there is nothing, and looking does not wait for other writers.
        if not await self._database.query(_ANY_DUE, channel=channel.value, now_ms=now_ms):
            return []
        async with self._database.writing() as connection:
            found = await connection.execute(
                select(_deliveries.id)
                .where(*is_due)
                .order_by(_deliveries.due_at_ms, _deliveries.user_id)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            ids = [row[0] for row in found]
            await connection.execute(
                update(notification_deliveries)
                .where(_deliveries.id.in_(ids))
                .values(due_at_ms=until_ms, tries=_deliveries.tries + 1, updated_at_ms=now_ms)
            )
            claimed = await connection.execute(_claimed.where(_deliveries.id.in_(ids)).order_by(_deliveries.id))
            return [_due(row) for row in claimed]

    async def settle(
        self, outcomes: Sequence[Outcome], until_ms: int, now_ms: int, told: Sequence[tuple[int, Event]] = ()
    ) -> None:
        if not outcomes:
            return
        async with self._database.writing() as connection:
            await connection.execute(
                _SETTLE,
                [
                    {
                        "delivery_id": outcome.delivery_id,
                        "until_ms": until_ms,
                        "to_state": outcome.state.value,
                        "to_due_at_ms": outcome.due_at_ms,
                        "to_tries": outcome.tries,
                        "to_error": None if outcome.error is None else outcome.error[:MAX_ERROR_CHARS],
                        "now_ms": now_ms,
                    }
                    for outcome in outcomes
                ],
            )
            await changes.keep(
                connection,
                [row for user_id, event in told for row in changes.change_rows(event, None, now_ms, user_id)],
            )

    async def dead_letters(self, *, offset: int, limit: int) -> tuple[list[DeadLetter], int]:
        return await self._database.read(_dead_letters_plan(offset, limit))
