"""What users find in their notification lists, and their preferences."""

from collections.abc import Collection, Sequence
from itertools import product
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, insert, select, update

from domain.records import (
    DeliveryState,
    NotificationKind,
    NotificationStats,
    Priority,
    Recipient,
    RecordFilter,
    RecordView,
)
from storage.sql import notification_rows as rows
from storage.sql.database import Database
from storage.sql.dialects import Query, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.plan import Plan
from storage.sql.record_tables import (
    notification_deliveries,
    notification_preferences,
    notification_records,
    notifications,
)
from storage.sql.tables import users

_CHANGED_AT_ONCE: Final = 1000

_records: Final = notification_records.c
_is_listed: Final = and_(
    _records.user_id == bindparam("user_id"),
    _records.deleted_at_ms.is_(None),
    _records.visible_at_ms <= bindparam("now_ms"),
    _records.hidden_at_ms > bindparam("now_ms"),
)
_with_content: Final = notification_records.join(notifications, notifications.c.id == _records.notification_id)
_views: Final = select(*rows.RECORD_COLUMNS, *rows.CONTENT_COLUMNS, users.c.uuid).select_from(
    _with_content.outerjoin(users, users.c.id == notifications.c.created_by_id)
)
_UNREAD: Final = Query(select(func.count()).where(_is_listed, _records.read_at_ms.is_(None)))
_STATS: Final = Query(
    select(
        notifications.c.kind,
        notifications.c.priority,
        func.count(),
        func.count(case((_records.read_at_ms.is_(None), 1))),
    )
    .select_from(_with_content)
    .where(_is_listed)
    .group_by(notifications.c.kind, notifications.c.priority)
)
_BY_ID: Final = Query(_views.where(_records.id == bindparam("value"), _records.deleted_at_ms.is_(None)))
_BY_UUID: Final = Query(_views.where(_records.uuid == bindparam("value"), _records.deleted_at_ms.is_(None)))
_RECIPIENTS: Final = Query(
    select(*rows.RECIPIENT_COLUMNS)
    .select_from(users.outerjoin(notification_preferences, notification_preferences.c.user_id == users.c.id))
    .where(one_of(users.c.id, "ids"))
)


def _narrowed(statement: Select[Any], is_read: bool | None, by_kind: bool) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = [_is_listed]
    if is_read is not None:
        conditions.append(_records.read_at_ms.is_not(None) if is_read else _records.read_at_ms.is_(None))
    if by_kind:
        conditions.append(notifications.c.kind == bindparam("kind"))
    return statement.where(*conditions)


def _page(is_read: bool | None, by_kind: bool) -> Query:
    return Query(
        _narrowed(_views, is_read, by_kind)
        .order_by(_records.visible_at_ms.desc(), _records.id.desc())
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )


def _count(is_read: bool | None, by_kind: bool) -> Query:
    counted = select(func.count()).select_from(_with_content if by_kind else notification_records)
    return Query(_narrowed(counted, is_read, by_kind))


_FILTERS: Final = list(product((None, True, False), (True, False)))
_PAGES: Final = {each: _page(*each) for each in _FILTERS}
_COUNTS: Final = {each: _count(*each) for each in _FILTERS}


def list_plan(
    user_id: int, wanted: RecordFilter, now_ms: int, offset: int, limit: int
) -> Plan[tuple[list[RecordView], int]]:
    key = wanted.is_read, wanted.kind is not None
    parameters: dict[str, Any] = {"user_id": user_id, "now_ms": now_ms}
    if wanted.kind is not None:
        parameters["kind"] = wanted.kind.value
    total: int = (yield _COUNTS[key], parameters)[0][0]
    found = yield _PAGES[key], {**parameters, "offset": offset, "limit": limit}
    return [rows.record_view(row) for row in found], total


class SqlNotificationStore:
    """Implements `domain.ports.NotificationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_for(
        self, user_id: int, wanted: RecordFilter, now_ms: int, *, offset: int, limit: int
    ) -> tuple[list[RecordView], int]:
        return await self._database.read(list_plan(user_id, wanted, now_ms, offset, limit))

    async def unread(self, user_id: int, now_ms: int) -> int:
        return int((await self._database.query(_UNREAD, user_id=user_id, now_ms=now_ms))[0][0])

    async def stats(self, user_id: int, now_ms: int) -> NotificationStats:
        by_kind: dict[NotificationKind, int] = {}
        by_priority: dict[Priority, int] = {}
        unread = 0
        for row in await self._database.query(_STATS, user_id=user_id, now_ms=now_ms):
            kind, priority = NotificationKind(row[0]), Priority(row[1])
            by_kind[kind] = by_kind.get(kind, 0) + row[2]
            by_priority[priority] = by_priority.get(priority, 0) + row[2]
            unread += row[3]
        return NotificationStats(total=sum(by_kind.values()), unread=unread, by_kind=by_kind, by_priority=by_priority)

    async def record(self, *, record_id: int | None = None, uuid: str | None = None) -> RecordView | None:
        query, value = (_BY_UUID, uuid) if record_id is None else (_BY_ID, record_id)
        found = await self._database.query(query, value=value)
        return rows.record_view(found[0]) if found else None

    async def mark_read(self, user_id: int, record_ids: Collection[int] | None, now_ms: int) -> int:
        unread = [_records.user_id == user_id, _records.deleted_at_ms.is_(None), _records.read_at_ms.is_(None)]
        if record_ids is None:
            unread += [_records.visible_at_ms <= now_ms, _records.hidden_at_ms > now_ms]
        else:
            unread.append(_records.id.in_(record_ids))
        still = and_(_records.deleted_at_ms.is_(None), _records.read_at_ms.is_(None))
        return await self._change(unread, still, read_at_ms=now_ms, open_conversation_id=None)

    async def mark_unread(self, user_id: int, record_ids: Collection[int]) -> None:
        still = _records.deleted_at_ms.is_(None)
        await self._change([_records.user_id == user_id, _records.id.in_(record_ids)], still, read_at_ms=None)

    async def delete(self, user_id: int, record_ids: Collection[int], now_ms: int) -> int:
        still = _records.deleted_at_ms.is_(None)
        own = [_records.user_id == user_id, _records.id.in_(record_ids), still]
        return await self._change(own, still, now_ms, deleted_at_ms=now_ms, open_conversation_id=None)

    async def _change(
        self,
        wanted: Sequence[ColumnElement[bool]],
        still: ColumnElement[bool],
        undelivered_at_ms: int | None = None,
        **values: int | None,
    ) -> int:
        """Changes the records that are `wanted` and are `still` so when their turn comes; how many.

        They are looked up first and locked by their ids alone: who locked some by an index would wait for who locked
        one by its id, who waits for the index."""
        changed = 0
        async with self._database.writing() as connection:
            ids = sorted(await connection.scalars(select(_records.id).where(*wanted)))
            for start in range(0, len(ids), _CHANGED_AT_ONCE):
                batch = ids[start : start + _CHANGED_AT_ONCE]
                is_it = _records.id.in_(batch)
                result = await connection.execute(update(notification_records).where(is_it, still).values(**values))
                changed += result.rowcount
                if undelivered_at_ms is not None:
                    pending = and_(
                        notification_deliveries.c.record_id.in_(batch),
                        notification_deliveries.c.state == DeliveryState.PENDING.value,
                    )
                    await connection.execute(
                        update(notification_deliveries)
                        .where(pending)
                        .values(state=DeliveryState.EXPIRED.value, updated_at_ms=undelivered_at_ms)
                    )
        return changed

    async def recipients(self, user_ids: Collection[int]) -> list[Recipient]:
        found = await self._database.query(_RECIPIENTS, ids=[[user_id] for user_id in user_ids])
        return [rows.recipient(row) for row in found]

    async def set_preferences(self, user_id: int, now_ms: int, **fields: Any) -> None:
        try:
            await self._set_preferences(user_id, now_ms, fields)
        except UniqueViolation:
            # Somebody else has just made the row.
            await self._set_preferences(user_id, now_ms, fields)

    async def _set_preferences(self, user_id: int, now_ms: int, fields: dict[str, Any]) -> None:
        is_own = notification_preferences.c.user_id == user_id
        async with self._database.writing() as connection:
            found = await connection.execute(select(notification_preferences.c.user_id).where(is_own).with_for_update())
            if found.first() is None:
                await connection.execute(insert(notification_preferences).values(user_id=user_id, **fields))
            elif fields:
                await connection.execute(update(notification_preferences).where(is_own).values(**fields))
            await connection.execute(
                update(notification_deliveries)
                .where(
                    notification_deliveries.c.user_id == user_id,
                    notification_deliveries.c.state == DeliveryState.PENDING.value,
                )
                .values(due_at_ms=now_ms)
            )
