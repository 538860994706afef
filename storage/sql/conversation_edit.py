"""Changes of one conversation and its members, inside one transaction."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import MemberNotFound
from domain.events import Event
from domain.model import Conversation, Member, MemberStatus, Role
from domain.records import GroupApplication, GroupNotice, NoticeKind, RequestStatus
from storage.sql import changes, rows
from storage.sql.database import inserted_id
from storage.sql.record_tables import group_applications, group_notice_recipients, group_notices
from storage.sql.tables import changes as changes_table
from storage.sql.tables import conversations, members

_is_active_member: Final = members.c.status == MemberStatus.ACTIVE.value
_APPLICATION_COLUMNS: Final = tuple(group_applications.c[name] for name in GroupApplication.__struct_fields__)
_REJOIN: Final = (
    update(members)
    .where(members.c.conversation_id == bindparam("key_conversation"), members.c.user_id == bindparam("key_user"))
    .values({name: bindparam(name) for name in ("role", "joined_at_ms", "updated_at_ms", "since_change_id")})
    .values(
        status=MemberStatus.ACTIVE.value,
        read_seq=bindparam("seq"),
        visible_after_seq=bindparam("seq"),
        delivered_seq=0,
        nickname=None,
        muted_until_ms=None,
        hidden_at_seq=None,
        is_pinned=False,
        is_muted=False,
    )
)


class SqlConversationEdit:
    """Implements `domain.ports.ConversationEdit`."""

    def __init__(self, connection: AsyncConnection, conversation: Conversation, now_ms: Callable[[], int]) -> None:
        self.conversation = conversation
        self._changes: list[dict[str, Any]] = []
        self._connection = connection
        self._now_ms = now_ms

    async def member(self, user_id: int) -> Member | None:
        found = await self._connection.execute(
            select(*rows.MEMBER_COLUMNS)
            .join(conversations, conversations.c.id == members.c.conversation_id)
            .where(members.c.conversation_id == self.conversation.id, members.c.user_id == user_id, _is_active_member)
        )
        row = found.one_or_none()
        return None if row is None else rows.member(row)

    async def member_ids(self) -> tuple[int, ...]:
        found = await self._connection.scalars(
            select(members.c.user_id)
            .where(members.c.conversation_id == self.conversation.id, _is_active_member)
            .order_by(members.c.joined_at_ms, members.c.id)
        )
        return tuple(found)

    async def owner_id(self) -> int:
        """MemberNotFound: a single conversation has no owner."""
        found = await self._connection.scalars(
            select(members.c.user_id).where(
                members.c.conversation_id == self.conversation.id,
                members.c.role == Role.OWNER.value,
                _is_active_member,
            )
        )
        owner_id = found.first()
        if owner_id is None:
            raise MemberNotFound
        return int(owner_id)

    async def add(self, user_ids: Sequence[int], role: Role, now_ms: int, visible_after_seq: int) -> None:
        wanted = list(dict.fromkeys(user_ids))
        found = await self._connection.execute(
            select(members.c.user_id, members.c.status).where(members.c.conversation_id == self.conversation.id)
        )
        known = {row[0]: row[1] for row in found}
        new = [user_id for user_id in wanted if user_id not in known]
        back = [user_id for user_id in wanted if known.get(user_id, "active") != MemberStatus.ACTIVE.value]
        if back:
            since = await self._newest_change_id()
            await self._connection.execute(
                _REJOIN,
                [
                    {
                        "key_conversation": self.conversation.id,
                        "key_user": user_id,
                        "role": role.value,
                        "joined_at_ms": now_ms,
                        "updated_at_ms": now_ms,
                        "since_change_id": since,
                        "seq": visible_after_seq,
                    }
                    for user_id in back
                ],
            )
        await self.insert_members(new, role, now_ms, visible_after_seq)
        if new or back:
            await self.set(member_count=self.conversation.member_count + len(new) + len(back))

    async def insert_members(
        self, user_ids: Sequence[int], role: Role, now_ms: int, visible_after_seq: int = 0
    ) -> None:
        """Adds members that the conversation never had; the caller counts them."""
        if not user_ids:
            return
        since = await self._newest_change_id()
        await self._connection.execute(
            insert(members),
            [
                {
                    "conversation_id": self.conversation.id,
                    "user_id": user_id,
                    "role": role.value,
                    "status": MemberStatus.ACTIVE.value,
                    "joined_at_ms": now_ms,
                    "updated_at_ms": now_ms,
                    "read_seq": visible_after_seq,
                    "visible_after_seq": visible_after_seq,
                    "since_change_id": since,
                }
                for user_id in user_ids
            ],
        )

    async def _newest_change_id(self) -> int:
        return int(await self._connection.scalar(select(func.max(changes_table.c.id))) or 0)

    async def set_member(self, user_id: int, **fields: Any) -> Member:
        """MemberNotFound."""
        before = await self.member(user_id)
        if before is None:
            raise MemberNotFound
        after = msgspec.structs.replace(before, **fields)
        values = {name: value.value if hasattr(value, "value") else value for name, value in fields.items()}
        if "is_hidden" in values:
            values["hidden_at_seq"] = self.conversation.last_seq if values.pop("is_hidden") else None
        if values:
            await self._connection.execute(update(members).where(members.c.id == before.id).values(**values))
        if after.status is not MemberStatus.ACTIVE:
            await self.set(member_count=self.conversation.member_count - 1)
        return after

    async def set(self, **fields: Any) -> Conversation:
        if fields:
            values = {name: value.value if hasattr(value, "value") else value for name, value in fields.items()}
            await self._connection.execute(
                update(conversations).where(conversations.c.id == self.conversation.id).values(**values)
            )
            self.conversation = msgspec.structs.replace(self.conversation, **fields)
        return self.conversation

    async def record(self, event: Event, only_for: int | None = None) -> None:
        self._changes += changes.change_rows(event, self.conversation.id, self._now_ms(), only_for)

    async def keep_changes(self) -> None:
        """Stores what was recorded: the end of the transaction."""
        await changes.keep(self._connection, self._changes)

    async def note(
        self, kind: NoticeKind, operator_id: int, target_id: int, recipient_ids: Sequence[int], now_ms: int
    ) -> GroupNotice:
        values: dict[str, Any] = {
            "conversation_id": self.conversation.id,
            "operator_id": operator_id,
            "target_id": target_id,
            "created_at_ms": now_ms,
        }
        result = await self._connection.execute(insert(group_notices).values(kind=kind.value, **values))
        notice = GroupNotice(id=inserted_id(result), kind=kind, **values)
        recipients = [{"user_id": user_id, "notice_id": notice.id} for user_id in recipient_ids]
        if recipients:
            await self._connection.execute(insert(group_notice_recipients), recipients)
        return notice

    async def administrator_ids(self) -> tuple[int, ...]:
        found = await self._connection.scalars(
            select(members.c.user_id)
            .where(
                members.c.conversation_id == self.conversation.id,
                members.c.role.in_((Role.OWNER.value, Role.ADMIN.value)),
                _is_active_member,
            )
            .order_by(members.c.joined_at_ms, members.c.id)
        )
        return tuple(found)

    async def pending_applications(self, user_ids: Sequence[int]) -> list[GroupApplication]:
        found = await self._connection.execute(
            select(*_APPLICATION_COLUMNS).where(
                group_applications.c.conversation_id == self.conversation.id,
                group_applications.c.user_id.in_(list(user_ids)),
                group_applications.c.status == RequestStatus.PENDING.value,
            )
        )
        return [rows.application(row) for row in found]

    async def add_application(self, user_id: int, reason: str, now_ms: int) -> GroupApplication:
        values: dict[str, Any] = {
            "conversation_id": self.conversation.id,
            "user_id": user_id,
            "reason": reason,
            "created_at_ms": now_ms,
            "updated_at_ms": now_ms,
        }
        result = await self._connection.execute(
            insert(group_applications).values(status=RequestStatus.PENDING.value, **values)
        )
        return GroupApplication(id=inserted_id(result), **values)

    async def close_application(
        self, application: GroupApplication, status: RequestStatus, handled_by_id: int, now_ms: int
    ) -> GroupApplication:
        await self._connection.execute(
            update(group_applications)
            .where(group_applications.c.id == application.id)
            .values(status=status.value, handled_by_id=handled_by_id, updated_at_ms=now_ms)
        )
        return msgspec.structs.replace(application, status=status, handled_by_id=handled_by_id, updated_at_ms=now_ms)
