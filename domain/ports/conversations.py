"""What the domain asks of the store of conversations, their members, and what people apply for in groups."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from domain.events import Event
from domain.model import Conversation, ConversationView, Member, MemberView, Role
from domain.records import (
    Call,
    CallEnd,
    GroupApplication,
    GroupApplicationView,
    GroupNotice,
    GroupNoticeView,
    GroupStats,
    InviteCode,
    NoticeKind,
    RequestStatus,
)


class ConversationEdit(Protocol):
    """One conversation, locked until the surrounding block ends. Reads see the changes made before."""

    conversation: Conversation

    async def member(self, user_id: int) -> Member | None:
        """The membership, if active."""
        ...

    async def member_ids(self) -> tuple[int, ...]:
        """Active members, in the order they joined."""
        ...

    async def owner_id(self) -> int: ...

    async def add(self, user_ids: Sequence[int], role: Role, now_ms: int, visible_after_seq: int) -> None:
        """Adds members that are not active; one who had left comes back with fresh state."""
        ...

    async def set_member(self, user_id: int, **fields: Any) -> Member: ...

    async def set(self, **fields: Any) -> Conversation: ...

    async def record(self, event: Event, only_for: int | None = None) -> None:
        """Keeps the event for resuming clients (all members', or one user's), in the same transaction."""
        ...

    async def note(
        self, kind: NoticeKind, operator_id: int, target_id: int, recipient_ids: Sequence[int], now_ms: int
    ) -> GroupNotice:
        """Keeps a notice of what happened in the group for these users, in the same transaction."""
        ...

    async def administrator_ids(self) -> tuple[int, ...]:
        """The owner and the admins."""
        ...

    async def pending_applications(self, user_ids: Sequence[int]) -> list[GroupApplication]:
        """Those of these users."""
        ...

    async def add_application(self, user_id: int, reason: str, now_ms: int) -> GroupApplication: ...

    async def close_application(
        self, application: GroupApplication, status: RequestStatus, handled_by_id: int, now_ms: int
    ) -> GroupApplication: ...


class RosterRow(msgspec.Struct, frozen=True, gc=False):
    user_id: int
    role: Role
    muted_until_ms: int | None
    visible_after_seq: int


class RosterData(msgspec.Struct, frozen=True):
    """What the send path must know of a conversation. Of a single one: the members who block the other, and whether
    the two are friends."""

    conversation: Conversation
    rows: Sequence[RosterRow]
    blockers: frozenset[int]
    are_friends: bool = False


class ReadCursor(msgspec.Struct, frozen=True, gc=False):
    user_id: int
    read_seq: int


class ConversationStore(Protocol):
    async def create_single(self, creator_id: int, other_id: int, now_ms: int) -> tuple[Conversation, bool]:
        """The single conversation of two users, and whether this call made it. Two concurrent calls get the same
        one. If the creator had hidden it, it is shown again (with `visible_after_seq` unchanged)."""
        ...

    def create_group(
        self, conversation: Conversation, member_ids: Sequence[int]
    ) -> AbstractAsyncContextManager[ConversationEdit]:
        """Stores a group (its `id` is given by the store); the creator becomes its owner, the others members. Commits
        when the block ends, rolls back when it raises."""
        ...

    async def get(self, conversation_id: int) -> Conversation | None:
        """Also a dissolved one: its status tells."""
        ...

    async def member(self, conversation_id: int, user_id: int) -> Member | None:
        """The membership, if active."""
        ...

    async def roster(self, conversation_id: int) -> RosterData | None:
        """None if it is missing or dissolved."""
        ...

    async def list_for(
        self, user_id: int, *, offset: int, limit: int, pinned_first: bool = False
    ) -> tuple[list[ConversationView], int]:
        """The member's conversations that are active and not hidden, newest message first, and how many there are. The
        last message is the newest that the member sees. The number of queries does not depend on the number of
        conversations."""
        ...

    async def groups_of(self, user_id: int) -> list[Conversation]:
        """Active groups of the member, hidden ones too, in the order in which they joined."""
        ...

    async def owners(self, conversation_ids: Collection[int]) -> dict[int, int]:
        """Who owns which of these groups now."""
        ...

    async def single_of(self, one_id: int, other_id: int) -> int | None:
        """The id of the single conversation of two users, if there is one."""
        ...

    async def furthest_readers(self, conversation_id: int) -> list[ReadCursor]:
        """The two members who have read furthest."""
        ...

    async def members(self, conversation_id: int) -> list[MemberView]:
        """Active members in the order they joined."""
        ...

    def edit(self, conversation_id: int) -> AbstractAsyncContextManager[ConversationEdit]:
        """Locks the conversation; commits when the block ends, rolls back when it raises. ConversationNotFound if it is
        missing or dissolved."""
        ...

    async def watchers(self, user_ids: Collection[int]) -> dict[int, set[int]]:
        """For each user those who hear of their presence: friends, contacts, and partners of single conversations."""
        ...


class CallStore(Protocol):
    """Calls, under way and past. Every change is atomic, so that of two processes one makes it."""

    async def start(self, call: Call, ringing_since_ms: int) -> bool:
        """Stores a call, unless one of its parties is in another that has been answered, or that has been ringing since
        `ringing_since_ms` or later: then False. InvalidValue: the id was used before."""
        ...

    async def get(self, call_id: str) -> Call | None: ...

    async def answer(self, call_id: str, now_ms: int) -> Call | None:
        """The answered call; None if it had been answered, or was over."""
        ...

    async def end(self, call_id: str, reason: CallEnd, now_ms: int, *, if_answered: CallEnd | None) -> Call | None:
        """The ended call; None if it was over. A call that has been answered ends for the reason `if_answered`; None:
        it goes on."""
        ...

    async def under_way(self) -> list[Call]:
        """All that are not over."""
        ...


class ApplicationStore(Protocol):
    """Applications to join groups, and the notices of what happened in groups. Both change with `ConversationEdit`."""

    async def application(self, application_id: int) -> GroupApplication | None: ...

    async def waiting_for(self, user_id: int) -> list[GroupApplicationView]:
        """Unanswered applications to the active groups that the user owns or administrates, newest first."""
        ...

    async def count_waiting_for(self, user_id: int) -> int: ...

    async def notices(self, user_id: int, limit: int) -> list[GroupNoticeView]:
        """Newest first."""
        ...

    async def read_notices(self, user_id: int, up_to_id: int) -> None: ...


class GroupStore(Protocol):
    """Invite codes, statistics, and the search for groups that anybody may find."""

    async def add_code(self, code: InviteCode, keep: int) -> None:
        """Keeps it, and of its creator's codes for the group the newest `keep`; those of anybody that have expired by
        then are dropped."""
        ...

    async def code(self, code: str) -> InviteCode | None:
        """As it was made, expired or not."""
        ...

    async def stats(self, conversation_id: int, since_ms: int) -> GroupStats | None:
        """None if there is no such active conversation. Active members are those who joined, read or wrote since
        then; of the messages only the newest 10,000 are looked at."""
        ...

    async def search(self, keyword: str, *, offset: int, limit: int) -> tuple[list[Conversation], int]:
        """Active public groups whose name contains the keyword, literally and without case, the largest first; and how
        many there are."""
        ...
