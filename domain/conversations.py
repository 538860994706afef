"""Single conversations and groups: who may make, change, join, leave and end them."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from domain.errors import (
    ConversationNotFound,
    Forbidden,
    GroupFull,
    InvalidState,
    InvalidValue,
    MemberNotFound,
    NotAMember,
    Oneself,
    UnknownUsers,
)
from domain.events import (
    ConversationCreated,
    ConversationDeleted,
    ConversationUpdated,
    Event,
    GroupNoted,
    MemberRemoved,
    MembersAdded,
    MemberUpdated,
    RoleChanged,
)
from domain.model import (
    Conversation,
    ConversationKind,
    ConversationStatus,
    ConversationView,
    Member,
    MemberStatus,
    MemberView,
    Profile,
    Role,
)
from domain.ports import Audience, Clock, ConversationEdit, ConversationStore, Publisher, ReadCursor
from domain.profiles import Profiles
from domain.records import NoticeKind, RequestStatus
from domain.rosters import Rosters

MAX_NAME_CHARS: Final = 100
MAX_DESCRIPTION_CHARS: Final = 2000
MIN_MEMBERS: Final = 2
MAX_MEMBERS: Final = 1000
DEFAULT_MAX_MEMBERS: Final = 500
MAX_CACHED_SINGLES: Final = 50_000
"""About 10 MB when full."""
WATERMARK: Final = "watermark_text"
"""Changing it is an event of its own (im API, event 10)."""

GROUP_FIELDS: Final = frozenset(
    {
        "name",
        "description",
        "avatar",
        "max_members",
        "allow_invite",
        "allow_member_modify",
        "is_public",
        "history_visible",
        WATERMARK,
    }
)

Note = tuple[GroupNoted, Sequence[int]]
"""A notice, and to whom it goes."""


class Conversations:
    def __init__(
        self, *, store: ConversationStore, profiles: Profiles, rosters: Rosters, bus: Publisher, clock: Clock
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._rosters = rosters
        self._bus = bus
        self._clock = clock
        self._singles: dict[tuple[int, int], int] = {}
        """Single conversations are never deleted, so what is here stays true."""

    async def open_single(self, creator: Profile, other_id: int) -> Conversation:
        """The single conversation of two users, made if there is none. Oneself, UserNotFound."""
        if other_id == creator.id:
            raise Oneself("target_user_id", "a conversation with oneself is not possible")
        await self._profiles.get(other_id)
        conversation, created = await self._store.create_single(creator.id, other_id, self._clock.now_ms())
        if created:
            participants = (creator.id, other_id)
            self._publish(conversation.id, ConversationCreated(conversation, creator, participants), participants)
        return conversation

    async def create_group(
        self,
        creator: Profile,
        member_ids: Sequence[int],
        *,
        name: str,
        description: str | None = None,
        avatar: str | None = None,
        max_members: int = DEFAULT_MAX_MEMBERS,
        allow_invite: bool = True,
        allow_member_modify: bool = False,
        is_public: bool = True,
        history_visible: bool = True,
    ) -> Conversation:
        """A group with its creator as owner. InvalidValue (a field), UnknownUsers, GroupFull."""
        check_group_fields(name=name, description=description, max_members=max_members)
        others = [user_id for user_id in dict.fromkeys(member_ids) if user_id != creator.id]
        if len(others) + 1 > max_members:
            raise GroupFull("member_ids", f"more than the {max_members} members that the group may have")
        await self._check_known(others)
        now_ms = self._clock.now_ms()
        participants = (creator.id, *others)
        draft = Conversation(
            id=0,
            kind=ConversationKind.GROUP,
            name=name,
            description=description,
            avatar=avatar,
            creator_id=creator.id,
            max_members=max_members,
            allow_invite=allow_invite,
            allow_member_modify=allow_member_modify,
            is_public=is_public,
            history_visible=history_visible,
            member_count=len(participants),
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )
        async with self._store.create_group(draft, others) as edit:
            conversation = edit.conversation
            created = ConversationCreated(conversation, creator, participants)
            await edit.record(created)
            notes = [await self._note(edit, NoticeKind.INVITED, creator, each, (each,), now_ms) for each in others]
        self._publish(conversation.id, created, participants)
        self._tell(notes)
        return conversation

    async def _note(
        self,
        edit: ConversationEdit,
        kind: NoticeKind,
        operator: Profile,
        target_id: int,
        recipient_ids: Sequence[int],
        now_ms: int,
    ) -> Note:
        """Keeps a notice in the block's transaction; `_tell` it after the commit."""
        notice = await edit.note(kind, operator.id, target_id, recipient_ids, now_ms)
        target = await self._profiles.get(target_id)
        return GroupNoted(notice, operator, target, edit.conversation.name or ""), recipient_ids

    def _tell(self, notes: Sequence[Note]) -> None:
        for event, recipient_ids in notes:
            self._bus.publish(event, Audience(recipient_ids))

    async def _check_known(self, user_ids: Sequence[int]) -> None:
        known = await self._profiles.get_many(user_ids)
        unknown = [user_id for user_id in user_ids if user_id not in known]
        if unknown:
            raise UnknownUsers("user_ids", f"unknown users: {', '.join(map(str, unknown[:10]))}")

    async def get(self, user_id: int, conversation_id: int) -> Conversation:
        """ConversationNotFound, NotAMember."""
        roster = await self._rosters.get(conversation_id)
        roster.seat(user_id)
        conversation = await self._store.get(conversation_id)
        return conversation or roster.conversation

    async def list_for(
        self, user_id: int, *, offset: int = 0, limit: int = 20, pinned_first: bool = False
    ) -> tuple[list[ConversationView], int]:
        """The user's conversations, newest message first, and how many there are."""
        return await self._store.list_for(user_id, offset=offset, limit=limit, pinned_first=pinned_first)

    async def groups_of(self, user_id: int) -> list[Conversation]:
        """In the order in which the user joined them."""
        return await self._store.groups_of(user_id)

    async def owners(self, conversation_ids: Collection[int]) -> dict[int, int]:
        """Who owns which of these groups now."""
        return await self._store.owners(conversation_ids)

    async def group(self, user_id: int, conversation_id: int) -> Conversation:
        """`get` for groups only: a single conversation is none. ConversationNotFound, NotAMember."""
        conversation = await self.get(user_id, conversation_id)
        if conversation.kind is not ConversationKind.GROUP:
            raise ConversationNotFound
        return conversation

    async def single_of(self, user_id: int, other_id: int) -> int | None:
        """The id of the single conversation with somebody, None if there is none. UserNotFound."""
        pair = (min(user_id, other_id), max(user_id, other_id))
        known = self._singles.get(pair)
        if known is None:
            await self._profiles.get(other_id)
            known = await self._store.single_of(user_id, other_id)
            if known is not None:
                self._singles[pair] = known
                if len(self._singles) > MAX_CACHED_SINGLES:
                    del self._singles[next(iter(self._singles))]
        return known

    def known_target(self, user_id: int, other_id: int | None, group_id: int | None) -> int | None:
        """`target`, if it is at hand."""
        if group_id is not None:
            roster = self._rosters.peek(group_id)
            return group_id if roster is not None and roster.is_group else None
        assert other_id is not None
        return self._singles.get((min(user_id, other_id), max(user_id, other_id)))

    async def target(self, user: Profile, other_id: int | None, group_id: int | None) -> int:
        """The conversation with somebody, opened if there is none, or a group. ConversationNotFound, UserNotFound,
        Oneself."""
        if group_id is None:
            assert other_id is not None
            return await self.single_with(user, other_id)
        if not (await self._rosters.get(group_id)).is_group:
            raise ConversationNotFound
        return group_id

    async def single_with(self, user: Profile, other_id: int) -> int:
        """`single_of`, but opens one if there is none. Oneself, UserNotFound."""
        known = await self.single_of(user.id, other_id)
        return (await self.open_single(user, other_id)).id if known is None else known

    async def arrange(
        self, user: Profile, conversation_id: int, *, is_pinned: bool | None = None, is_muted: bool | None = None
    ) -> None:
        """How the conversation stands in the user's own list: pinned, without notifications; None leaves it.
        ConversationNotFound, NotAMember."""
        wanted = {"is_pinned": is_pinned, "is_muted": is_muted}
        fields = {name: value for name, value in wanted.items() if value is not None}
        async with self._store.edit(conversation_id) as edit:
            await _actor(edit, user.id)
            if fields:
                await edit.set_member(user.id, **fields, updated_at_ms=self._clock.now_ms())

    async def hide(self, user: Profile, conversation_id: int) -> None:
        """Takes a conversation out of the user's own list until somebody writes; a single one also loses for the user
        what it held. ConversationNotFound, NotAMember."""
        if (await self.get(user.id, conversation_id)).kind is ConversationKind.SINGLE:
            await self.delete(user, conversation_id)
            return
        async with self._store.edit(conversation_id) as edit:
            await _actor(edit, user.id)
            await edit.set_member(user.id, is_hidden=True, updated_at_ms=self._clock.now_ms())

    async def furthest_readers(self, conversation_id: int) -> list[ReadCursor]:
        """Of the members the two who have read furthest."""
        return await self._store.furthest_readers(conversation_id)

    async def members(self, user_id: int, conversation_id: int) -> list[MemberView]:
        """ConversationNotFound, NotAMember."""
        (await self._rosters.get(conversation_id)).seat(user_id)
        return await self._store.members(conversation_id)

    async def update(self, operator: Profile, conversation_id: int, **fields: Any) -> Conversation:
        """Changes a group's information: owner and admins, members only while `allow_member_modify`.

        ConversationNotFound, NotAMember, Forbidden, InvalidState (not a group), InvalidValue."""
        unknown = fields.keys() - GROUP_FIELDS
        if unknown:
            raise InvalidValue(min(unknown), "cannot be changed")
        now_ms = self._clock.now_ms()
        async with self._store.edit(conversation_id) as edit:
            actor = await _actor(edit, operator.id)
            require_group(edit.conversation)
            if actor.role is Role.MEMBER and not edit.conversation.allow_member_modify:
                raise Forbidden("only the owner and admins may change this group")
            check_group_fields(**fields)
            if fields.get("max_members", MAX_MEMBERS) < edit.conversation.member_count:
                raise InvalidValue("max_members", "the group has more members than that")
            changed = tuple(name for name, value in fields.items() if getattr(edit.conversation, name) != value)
            if not changed:
                return edit.conversation
            conversation = await edit.set(**{name: fields[name] for name in changed}, updated_at_ms=now_ms)
            participants = await edit.member_ids()
            watermark = tuple(name for name in changed if name == WATERMARK)
            others = tuple(name for name in changed if name != WATERMARK)
            events = [
                ConversationUpdated(conversation, operator.id, names, participants, now_ms)
                for names in (others, watermark)
                if names
            ]
            for event in events:
                await edit.record(event)
        for event in events:
            self._publish(conversation_id, event, participants)
        return conversation

    async def dissolve(self, operator: Profile, conversation_id: int) -> None:
        """`delete` for groups only. ConversationNotFound, NotAMember, Forbidden."""
        await self.group(operator.id, conversation_id)
        await self.delete(operator, conversation_id)

    async def delete(self, operator: Profile, conversation_id: int) -> None:
        """Dissolves a group (its owner) or hides a single conversation, and what it held, from the one who asks.

        ConversationNotFound, NotAMember, Forbidden."""
        now_ms = self._clock.now_ms()
        async with self._store.edit(conversation_id) as edit:
            actor = await _actor(edit, operator.id)
            kind = edit.conversation.kind
            if kind is ConversationKind.SINGLE:
                audience: tuple[int, ...] = (operator.id,)
                last_seq = edit.conversation.last_seq
                await edit.set_member(
                    operator.id,
                    is_hidden=True,
                    visible_after_seq=last_seq,
                    read_seq=last_seq,
                    updated_at_ms=now_ms,
                )
            else:
                if actor.role is not Role.OWNER:
                    raise Forbidden("only the owner may dissolve a group")
                audience = await edit.member_ids()
                await edit.set(status=ConversationStatus.DISSOLVED, updated_at_ms=now_ms)
            participants = await edit.member_ids()
            event = ConversationDeleted(conversation_id, kind, operator.id, participants, now_ms)
            await edit.record(event, only_for=operator.id if kind is ConversationKind.SINGLE else None)
            notes: list[Note] = []
            if kind is ConversationKind.GROUP:
                others = [user_id for user_id in participants if user_id != operator.id]
                notes = [await self._note(edit, NoticeKind.DISMISSED, operator, operator.id, others, now_ms)]
        self._publish(conversation_id, event, audience)
        self._tell(notes)

    async def add_members(
        self, operator: Profile, conversation_id: int, user_ids: Sequence[int], role: Role = Role.MEMBER
    ) -> Conversation:
        """Adds the users that are not in yet: owner and admins always, members only while `allow_invite`; somebody
        else than a plain member only by the owner. ConversationNotFound, NotAMember, Forbidden, InvalidState,
        UnknownUsers, GroupFull: then nobody was added."""
        if role is Role.OWNER:
            raise InvalidValue("role", "a group has one owner; transfer it instead")
        wanted = list(dict.fromkeys(user_ids))
        now_ms = self._clock.now_ms()
        async with self._store.edit(conversation_id) as edit:
            actor = await _actor(edit, operator.id)
            require_group(edit.conversation)
            require_right_to_invite(edit.conversation, actor.role)
            if role is Role.ADMIN and actor.role is not Role.OWNER:
                raise Forbidden("only the owner may appoint admins")
            await self._check_known(wanted)
            present = set(await edit.member_ids())
            added = [user_id for user_id in wanted if user_id not in present]
            if not added:
                return edit.conversation
            profiles = await self._profiles.get_many(added)
            event = await admit(edit, operator, [profiles[user_id] for user_id in added], role, now_ms)
            notes = [await self._note(edit, NoticeKind.INVITED, operator, each, (each,), now_ms) for each in added]
        self._publish(conversation_id, event, event.participant_ids)
        self._tell(notes)
        return event.conversation

    async def remove_member(self, operator: Profile, conversation_id: int, user_id: int) -> Conversation:
        """Removes somebody, or leaves. The owner may remove anyone, an admin only members; the owner leaves only
        after a transfer. ConversationNotFound, NotAMember, MemberNotFound, Forbidden, InvalidState."""
        now_ms = self._clock.now_ms()
        async with self._store.edit(conversation_id) as edit:
            actor = await _actor(edit, operator.id)
            require_group(edit.conversation)
            target = await edit.member(user_id)
            if target is None:
                raise MemberNotFound
            leaves = user_id == operator.id
            if leaves and actor.role is Role.OWNER:
                raise InvalidState("the owner transfers the group before leaving, or dissolves it")
            if not leaves:
                _require_rank(actor, target)
            status = MemberStatus.LEFT if leaves else MemberStatus.REMOVED
            before = await edit.member_ids()
            await edit.set_member(user_id, status=status, role=Role.MEMBER, muted_until_ms=None, updated_at_ms=now_ms)
            participants = await edit.member_ids()
            event = MemberRemoved(conversation_id, operator.id, user_id, status, participants, now_ms)
            await edit.record(event)
            conversation = edit.conversation
            kind = NoticeKind.LEFT if leaves else NoticeKind.KICKED
            recipients = await edit.administrator_ids() if leaves else (user_id,)
            note = await self._note(edit, kind, operator, user_id, recipients, now_ms)
        # The notice first: whoever was removed hears nothing of the group after the removal.
        self._tell((note,))
        self._publish(conversation_id, event, before)
        return conversation

    async def update_member(
        self,
        operator: Profile,
        conversation_id: int,
        user_id: int,
        *,
        role: Role | None = None,
        nickname: str | None = None,
        muted_until_ms: int | None = None,
    ) -> None:
        """Changes role (owner only; `owner` transfers the group), nickname (one's own, or by owner and admins over
        lower ranks), mute (0 ends it; like removing). All or nothing; who may not change a member is told so even if
        nothing would change.

        ConversationNotFound, NotAMember, MemberNotFound, Forbidden, InvalidState, InvalidValue."""
        if nickname is not None and len(nickname) > MAX_NAME_CHARS:
            raise InvalidValue("nickname", f"at most {MAX_NAME_CHARS} characters")
        now_ms = self._clock.now_ms()
        events: list[Event] = []
        kinds: list[NoticeKind] = []
        async with self._store.edit(conversation_id) as edit:
            actor = await _actor(edit, operator.id)
            require_group(edit.conversation)
            target = await edit.member(user_id)
            if target is None:
                raise MemberNotFound
            if user_id != operator.id or muted_until_ms is not None:
                _require_rank(actor, target)
            if role is not None and actor.role is not Role.OWNER:
                raise Forbidden("only the owner may change roles")
            if muted_until_ms is not None:
                kinds.append(NoticeKind.MUTED if muted_until_ms > now_ms else NoticeKind.UNMUTED)
            if role is not None and role is not target.role:
                events += await _change_role(edit, actor, target, role, now_ms)
                kinds.append(NoticeKind.TRANSFERRED if role is Role.OWNER else NoticeKind.ROLE_SET)
                if role is Role.OWNER and (muted_until_ms or target.muted_until_ms):
                    # Nobody stands over an owner, so nobody could end the mute.
                    muted_until_ms = 0
            if nickname is not None or muted_until_ms is not None:
                fields: dict[str, Any] = {"updated_at_ms": now_ms}
                if nickname is not None:
                    fields["nickname"] = nickname or None
                if muted_until_ms is not None:
                    fields["muted_until_ms"] = muted_until_ms if muted_until_ms > now_ms else None
                member = await edit.set_member(user_id, **fields)
                events.append(
                    MemberUpdated(conversation_id, operator.id, user_id, member.nickname, member.muted_until_ms, now_ms)
                )
            participants = await edit.member_ids()
            for event in events:
                await edit.record(event)
            notes = [await self._note(edit, kind, operator, user_id, (user_id,), now_ms) for kind in kinds]
        for event in events:
            self._publish(conversation_id, event, participants)
        self._tell(notes)

    def _publish(self, conversation_id: int, event: Event, user_ids: Sequence[int]) -> None:
        self._bus.publish(event, Audience(user_ids, conversation_id))


async def admit(
    edit: ConversationEdit, operator: Profile, newcomers: Sequence[Profile], role: Role, now_ms: int
) -> MembersAdded:
    """Makes members of users who are none; their open applications are approved by that. GroupFull: then nobody is."""
    conversation = edit.conversation
    if conversation.member_count + len(newcomers) > conversation.max_members:
        raise GroupFull("user_ids", f"more than the {conversation.max_members} members allowed")
    visible_after_seq = 0 if conversation.history_visible else conversation.last_seq
    await edit.add([each.id for each in newcomers], role, now_ms, visible_after_seq)
    for application in await edit.pending_applications([each.id for each in newcomers]):
        await edit.close_application(application, RequestStatus.ACCEPTED, operator.id, now_ms)
    participants = await edit.member_ids()
    event = MembersAdded(edit.conversation, operator.id, tuple(newcomers), participants, now_ms)
    await edit.record(event)
    return event


async def _change_role(edit: ConversationEdit, actor: Member, target: Member, role: Role, now_ms: int) -> list[Event]:
    if target.user_id == actor.user_id:
        raise InvalidState("the owner gives the group away by making somebody else the owner")
    participants = await edit.member_ids()
    conversation_id = edit.conversation.id
    await edit.set_member(target.user_id, role=role, updated_at_ms=now_ms)
    events: list[Event] = [
        RoleChanged(conversation_id, actor.user_id, target.user_id, target.role, role, participants, now_ms)
    ]
    if role is Role.OWNER:
        await edit.set_member(actor.user_id, role=Role.ADMIN, updated_at_ms=now_ms)
        events.append(
            RoleChanged(conversation_id, actor.user_id, actor.user_id, Role.OWNER, Role.ADMIN, participants, now_ms)
        )
    return events


async def _actor(edit: ConversationEdit, user_id: int) -> Member:
    member = await edit.member(user_id)
    if member is None:
        raise NotAMember
    return member


def require_group(conversation: Conversation) -> None:
    """InvalidState if it is a single conversation."""
    if conversation.kind is not ConversationKind.GROUP:
        raise InvalidState("a single conversation has its two members and no settings")


def require_right_to_invite(conversation: Conversation, role: Role) -> None:
    """Forbidden to plain members unless the group's `allow_invite`."""
    if role is Role.MEMBER and not conversation.allow_invite:
        raise Forbidden("only the owner and admins may invite to this group")


def _require_rank(actor: Member, target: Member) -> None:
    """The owner stands over all others, an admin over members."""
    if target.user_id != actor.user_id and (
        actor.role is Role.OWNER or (actor.role is Role.ADMIN and target.role is Role.MEMBER)
    ):
        return
    raise Forbidden("the owner may do this to anyone, an admin to members only")


def check_group_fields(**fields: Any) -> None:
    """InvalidValue for the first field out of its limits (im API 3.2). A name may not be empty; None leaves it out."""
    name = fields.get("name")
    if "name" in fields and (name is None or not 0 < len(name.strip()) <= MAX_NAME_CHARS or len(name) > MAX_NAME_CHARS):
        raise InvalidValue("name", f"1 to {MAX_NAME_CHARS} characters")
    for field, limit in (("description", MAX_DESCRIPTION_CHARS), ("avatar", 500), ("watermark_text", 200)):
        value = fields.get(field)
        if value is not None and len(value) > limit:
            raise InvalidValue(field, f"at most {limit} characters")
    if not MIN_MEMBERS <= fields.get("max_members", MIN_MEMBERS) <= MAX_MEMBERS:
        raise InvalidValue("max_members", f"from {MIN_MEMBERS} to {MAX_MEMBERS}")
