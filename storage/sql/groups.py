"""Invite codes, statistics of groups, and the search for public ones."""

from typing import Final

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select

from domain.model import Conversation, ConversationKind, ConversationStatus, MemberStatus
from domain.records import GroupStats, InviteCode
from storage.sql import rows
from storage.sql.database import Database
from storage.sql.dialects import Query
from storage.sql.plan import Plan
from storage.sql.record_tables import invite_codes
from storage.sql.tables import conversations, members, messages, receipts

LOOKED_AT: Final = 10_000
"""The newest messages that say who is active: a large group's statistics stay cheap."""

_CODE_COLUMNS: Final = tuple(invite_codes.c[name] for name in InviteCode.__struct_fields__)
_CODE: Final = Query(select(*_CODE_COLUMNS).where(invite_codes.c.code == bindparam("code")))

_is_active: Final = conversations.c.status == ConversationStatus.ACTIVE.value
_GROUP: Final = Query(
    select(conversations.c.member_count, conversations.c.last_seq, conversations.c.created_at_ms).where(
        conversations.c.id == bindparam("conversation_id"), _is_active
    )
)
_wrote: Final = members.c.user_id.in_(
    select(messages.c.sender_id).where(
        messages.c.conversation_id == bindparam("conversation_id"),
        messages.c.seq > bindparam("after_seq"),
        messages.c.created_at_ms >= bindparam("since_ms"),
    )
)
_read: Final = exists().where(
    receipts.c.conversation_id == members.c.conversation_id,
    receipts.c.user_id == members.c.user_id,
    receipts.c.to_seq == members.c.read_seq,
    receipts.c.read_at_ms >= bindparam("since_ms"),
)
_ACTIVE_MEMBERS: Final = Query(
    select(func.count())
    .select_from(members)
    .where(
        members.c.conversation_id == bindparam("conversation_id"),
        members.c.status == MemberStatus.ACTIVE.value,
        or_(members.c.joined_at_ms >= bindparam("since_ms"), _wrote, _read),
    )
)

_found: Final = and_(
    conversations.c.kind == ConversationKind.GROUP.value,
    _is_active,
    conversations.c.is_public,
    func.instr(conversations.c.name_key, bindparam("keyword")) > 0,
)
_COUNT: Final = Query(select(func.count()).select_from(conversations).where(_found))
_SEARCH: Final = Query(
    select(*rows.CONVERSATION_COLUMNS)
    .where(_found)
    .order_by(conversations.c.member_count.desc(), conversations.c.id)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)


def stats_plan(conversation_id: int, since_ms: int) -> Plan[GroupStats | None]:
    found = yield _GROUP, {"conversation_id": conversation_id}
    if not found:
        return None
    member_count, last_seq, created_at_ms = found[0]
    parameters = {"conversation_id": conversation_id, "after_seq": last_seq - LOOKED_AT, "since_ms": since_ms}
    active = yield _ACTIVE_MEMBERS, parameters
    return GroupStats(
        member_count=member_count,
        message_count=last_seq,
        active_members=active[0][0],
        created_at_ms=created_at_ms,
    )


def search_plan(keyword: str, offset: int, limit: int) -> Plan[tuple[list[Conversation], int]]:
    total: int = (yield _COUNT, {"keyword": keyword})[0][0]
    found = yield _SEARCH, {"keyword": keyword, "offset": offset, "limit": limit}
    return [rows.conversation(row) for row in found], total


class SqlGroupStore:
    """Implements `domain.ports.GroupStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_code(self, code: InviteCode, keep: int) -> None:
        values = {name: getattr(code, name) for name in code.__struct_fields__}
        older = (
            select(invite_codes.c.code)
            .where(
                invite_codes.c.conversation_id == code.conversation_id,
                invite_codes.c.creator_id == code.creator_id,
                invite_codes.c.code != code.code,
            )
            .order_by(invite_codes.c.created_at_ms.desc(), invite_codes.c.code)
        )
        async with self._database.writing() as connection:
            await connection.execute(delete(invite_codes).where(invite_codes.c.expires_at_ms <= code.created_at_ms))
            await connection.execute(insert(invite_codes).values(**values))
            surplus = (await connection.scalars(older)).all()[keep - 1 :]
            if surplus:
                await connection.execute(delete(invite_codes).where(invite_codes.c.code.in_(surplus)))

    async def code(self, code: str) -> InviteCode | None:
        found = await self._database.query(_CODE, code=code)
        return InviteCode(**dict(zip(InviteCode.__struct_fields__, found[0], strict=True))) if found else None

    async def stats(self, conversation_id: int, since_ms: int) -> GroupStats | None:
        return await self._database.read(stats_plan(conversation_id, since_ms))

    async def search(self, keyword: str, *, offset: int, limit: int) -> tuple[list[Conversation], int]:
        return await self._database.read(search_plan(rows.search_key(keyword), offset, limit))
