"""Templates of notifications."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy import String, bindparam, delete, func, insert, or_, select, update

from domain.errors import Conflict
from domain.records import NotificationKind, NotificationTemplate
from storage.sql.database import Database, inserted_id
from storage.sql.dialects import Query
from storage.sql.errors import UniqueViolation
from storage.sql.notification_rows import TEMPLATE_COLUMNS, template
from storage.sql.plan import Plan
from storage.sql.record_tables import notification_templates

_ANY: Final = ""
_columns: Final = notification_templates.c
_kind: Final = bindparam("kind", type_=String)
_is_wanted: Final = (
    or_(_kind == _ANY, _columns.kind == _kind),
    or_(bindparam("active_only") == 0, _columns.is_active),
)
_BY_ID: Final = Query(select(*TEMPLATE_COLUMNS).where(_columns.id == bindparam("id")))
_COUNT: Final = Query(select(func.count()).select_from(notification_templates).where(*_is_wanted))
_LIST: Final = Query(
    select(*TEMPLATE_COLUMNS)
    .where(*_is_wanted)
    .order_by(_columns.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def _list_plan(wanted: dict[str, Any], offset: int, limit: int) -> Plan[tuple[list[NotificationTemplate], int]]:
    total: int = (yield _COUNT, wanted)[0][0]
    found = yield _LIST, {**wanted, "offset": offset, "limit": limit}
    return [template(row) for row in found], total


def _values(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"kind": fields["kind"].value} if "kind" in fields else fields


class SqlNotificationTemplateStore:
    """Implements `domain.ports.NotificationTemplateStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, template: NotificationTemplate) -> NotificationTemplate:
        fields = {name: getattr(template, name) for name in template.__struct_fields__ if name != "id"}
        try:
            async with self._database.writing() as connection:
                result = await connection.execute(insert(notification_templates).values(**_values(fields)))
        except UniqueViolation as violation:
            raise Conflict("this name is taken") from violation
        return msgspec.structs.replace(template, id=inserted_id(result))

    async def get(self, template_id: int) -> NotificationTemplate | None:
        found = await self._database.query(_BY_ID, id=template_id)
        return template(found[0]) if found else None

    async def list_all(
        self, *, kind: NotificationKind | None, active_only: bool, offset: int, limit: int
    ) -> tuple[list[NotificationTemplate], int]:
        wanted = {"kind": kind.value if kind else _ANY, "active_only": int(active_only)}
        return await self._database.read(_list_plan(wanted, offset, limit))

    async def update(
        self, template_id: int, check: Callable[[NotificationTemplate], None], **fields: Any
    ) -> NotificationTemplate | None:
        is_it = _columns.id == template_id
        try:
            async with self._database.writing() as connection:
                await connection.execute(update(notification_templates).where(is_it).values(**_values(fields)))
                row = (await connection.execute(select(*TEMPLATE_COLUMNS).where(is_it))).one_or_none()
                if row is None:
                    return None
                changed = template(row)
                check(changed)
        except UniqueViolation as violation:
            raise Conflict("this name is taken") from violation
        return changed

    async def delete(self, template_id: int) -> bool:
        async with self._database.writing() as connection:
            deleted = await connection.execute(delete(notification_templates).where(_columns.id == template_id))
        return deleted.rowcount > 0
