"""Applications to join groups, and the notices of what happened in groups."""

from typing import Final

from sqlalchemy import and_, bindparam, func, or_, select, update

from domain.model import ConversationStatus, MemberStatus, Role
from domain.records import (
    GroupApplication,
    GroupApplicationView,
    GroupNotice,
    GroupNoticeView,
    NoticeKind,
    RequestStatus,
)
from storage.sql import rows
from storage.sql.database import Database
from storage.sql.dialects import Query
from storage.sql.record_tables import group_applications, group_notice_recipients, group_notices
from storage.sql.tables import conversations, members, users

_APPLICATION_COLUMNS: Final = tuple(group_applications.c[name] for name in GroupApplication.__struct_fields__)
_NOTICE_COLUMNS: Final = tuple(group_notices.c[name] for name in GroupNotice.__struct_fields__)
_operators: Final = users.alias()

_APPLICATION: Final = Query(select(*_APPLICATION_COLUMNS).where(group_applications.c.id == bindparam("id")))
_administered: Final = and_(
    members.c.user_id == bindparam("user_id"),
    members.c.status == MemberStatus.ACTIVE.value,
    or_(members.c.role == Role.OWNER.value, members.c.role == Role.ADMIN.value),
)
_is_waiting: Final = and_(
    group_applications.c.conversation_id == members.c.conversation_id,
    group_applications.c.status == RequestStatus.PENDING.value,
)
_is_active: Final = and_(
    conversations.c.id == members.c.conversation_id, conversations.c.status == ConversationStatus.ACTIVE.value
)
_WAITING: Final = Query(
    select(*_APPLICATION_COLUMNS, *rows.PROFILE_COLUMNS, *rows.CONVERSATION_COLUMNS)
    .select_from(members)
    .join(group_applications, _is_waiting)
    .join(conversations, _is_active)
    .join(users, users.c.id == group_applications.c.user_id)
    .where(_administered)
    .order_by(group_applications.c.id.desc())
)
_COUNT_WAITING: Final = Query(
    select(func.count())
    .select_from(members)
    .join(group_applications, _is_waiting)
    .join(conversations, _is_active)
    .where(_administered)
)
_NOTICES: Final = Query(
    select(
        *_NOTICE_COLUMNS,
        *(_operators.c[column.name] for column in rows.PROFILE_COLUMNS),
        *rows.PROFILE_COLUMNS,
        conversations.c.name,
        group_notice_recipients.c.is_read,
    )
    .select_from(group_notice_recipients)
    .join(group_notices, group_notices.c.id == group_notice_recipients.c.notice_id)
    .join(conversations, conversations.c.id == group_notices.c.conversation_id)
    .join(_operators, _operators.c.id == group_notices.c.operator_id)
    .join(users, users.c.id == group_notices.c.target_id)
    .where(group_notice_recipients.c.user_id == bindparam("user_id"))
    .order_by(group_notice_recipients.c.notice_id.desc())
    .limit(bindparam("limit"))
)


class SqlApplicationStore:
    """Implements `domain.ports.ApplicationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def application(self, application_id: int) -> GroupApplication | None:
        found = await self._database.query(_APPLICATION, id=application_id)
        return rows.application(found[0]) if found else None

    async def waiting_for(self, user_id: int) -> list[GroupApplicationView]:
        start = len(_APPLICATION_COLUMNS)
        end = start + len(rows.PROFILE_COLUMNS)
        return [
            GroupApplicationView(rows.application(row), rows.profile(row[start:end]), rows.conversation(row[end:]))
            for row in await self._database.query(_WAITING, user_id=user_id)
        ]

    async def count_waiting_for(self, user_id: int) -> int:
        return int((await self._database.query(_COUNT_WAITING, user_id=user_id))[0][0])

    async def notices(self, user_id: int, limit: int) -> list[GroupNoticeView]:
        start, width = len(_NOTICE_COLUMNS), len(rows.PROFILE_COLUMNS)
        return [
            GroupNoticeView(
                _notice(row),
                rows.profile(row[start : start + width]),
                rows.profile(row[start + width : start + 2 * width]),
                row[-2] or "",
                bool(row[-1]),
            )
            for row in await self._database.query(_NOTICES, user_id=user_id, limit=limit)
        ]

    async def read_notices(self, user_id: int, up_to_id: int) -> None:
        async with self._database.writing() as connection:
            await connection.execute(
                update(group_notice_recipients)
                .where(
                    group_notice_recipients.c.user_id == user_id,
                    group_notice_recipients.c.notice_id <= up_to_id,
                    group_notice_recipients.c.is_read.is_(False),
                )
                .values(is_read=True)
            )


def _notice(row: rows.Row) -> GroupNotice:
    values = dict(zip(GroupNotice.__struct_fields__, row, strict=False))
    return GroupNotice(**values | {"kind": NoticeKind(values["kind"])})
