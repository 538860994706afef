"""Conversations and their members."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, not_, select, union_all, update

from domain.errors import ConversationNotFound
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
from domain.ports import ConversationEdit, ReadCursor, RosterData, RosterRow
from storage.sql import rows
from storage.sql.conversation_edit import SqlConversationEdit
from storage.sql.database import Database
from storage.sql.dialects import Query, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.messages import counts_as_unread, is_hidden_from
from storage.sql.plan import Plan, Row
from storage.sql.tables import contacts, conversations, members, messages, users

MAX_PARTICIPANTS: Final = 20
"""Of a group, in a list of conversations."""

_is_active_member: Final = members.c.status == MemberStatus.ACTIVE.value
_is_active: Final = conversations.c.status == ConversationStatus.ACTIVE.value
_of_member: Final = conversations.c.id == members.c.conversation_id
_in_order_of_joining: Final = (members.c.joined_at_ms, members.c.id)

_conversations: Final = select(*rows.CONVERSATION_COLUMNS)
_BY_ID: Final = Query(_conversations.where(conversations.c.id == bindparam("id")))

_MEMBER: Final = Query(
    select(*rows.MEMBER_COLUMNS)
    .join(conversations, _of_member)
    .where(
        members.c.conversation_id == bindparam("conversation_id"),
        members.c.user_id == bindparam("user_id"),
        _is_active_member,
    )
)
_MEMBERS: Final = Query(
    select(*rows.MEMBER_COLUMNS, *rows.PROFILE_COLUMNS)
    .join(conversations, _of_member)
    .join(users, users.c.id == members.c.user_id)
    .where(members.c.conversation_id == bindparam("conversation_id"), _is_active_member)
    .order_by(*_in_order_of_joining)
)
_FURTHEST_READERS: Final = Query(
    select(members.c.user_id, members.c.read_seq)
    .where(members.c.conversation_id == bindparam("conversation_id"), _is_active_member)
    .order_by(members.c.read_seq.desc())
    .limit(2)
)
_ROSTER: Final = Query(
    select(members.c.user_id, members.c.role, members.c.muted_until_ms, members.c.visible_after_seq)
    .where(members.c.conversation_id == bindparam("conversation_id"), _is_active_member)
    .order_by(*_in_order_of_joining)
)
_RELATIONS: Final = Query(
    select(contacts.c.user_id, contacts.c.is_blocked, contacts.c.is_friend).where(
        one_of(contacts.c.user_id, "user_ids"), one_of(contacts.c.contact_id, "user_ids")
    )
)

_listed: Final = and_(members.c.user_id == bindparam("user_id"), _is_active_member, _is_active, not_(rows.is_hidden))
_newest_first: Final = (
    func.coalesce(conversations.c.last_message_at_ms, conversations.c.created_at_ms).desc(),
    conversations.c.id.desc(),
)
_COUNT: Final = Query(select(func.count()).select_from(members).join(conversations, _of_member).where(_listed))

_UNREAD: Final = Query(
    select(members.c.id, func.count())
    .select_from(members)
    .join(conversations, _of_member)
    .join(messages, counts_as_unread)
    .where(one_of(members.c.id, "member_ids"))
    .group_by(members.c.id)
)
"""Apart from the page: in a subquery for each of its rows MariaDB reads the conversation from its beginning."""


def _list(*order: ColumnElement[Any]) -> Query:
    page = (
        select(members.c.id.label("member_id"))
        .join(conversations, _of_member)
        .where(_listed)
        .order_by(*order)
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
        .subquery()
    )
    return Query(
        select(
            *rows.CONVERSATION_COLUMNS,
            *rows.MEMBER_COLUMNS,
            is_hidden_from(members.c.user_id).label("last_is_hidden"),
            *rows.MESSAGE_COLUMNS,
        )
        .select_from(page)
        .join(members, members.c.id == page.c.member_id)
        .join(conversations, _of_member)
        .outerjoin(
            messages,
            and_(
                messages.c.conversation_id == conversations.c.id,
                messages.c.seq == conversations.c.last_seq,
                messages.c.seq > members.c.visible_after_seq,
            ),
        )
        .order_by(*order)
    )


_LIST: Final = _list(*_newest_first)
_LIST_PINNED_FIRST: Final = _list(members.c.is_pinned.desc(), *_newest_first)

_GROUPS_OF: Final = Query(
    _conversations.join(members, _of_member)
    .where(
        members.c.user_id == bindparam("user_id"),
        _is_active_member,
        _is_active,
        conversations.c.kind == ConversationKind.GROUP.value,
    )
    .order_by(*_in_order_of_joining)
)
_OWNERS: Final = Query(
    select(members.c.conversation_id, members.c.user_id).where(
        one_of(members.c.conversation_id, "conversation_ids"),
        members.c.role == Role.OWNER.value,
        _is_active_member,
    )
)
_SINGLE: Final = Query(select(conversations.c.id).where(conversations.c.single_key == bindparam("single_key")))

CONVERSATIONS_AT_ONCE: Final = 128


@cache
def _participants(count: int) -> Query:
    """The first members of `count` conversations: a window function would read all the members of each."""
    first = [
        select(members.c.conversation_id, members.c.user_id)
        .where(
            members.c.conversation_id == bindparam(f"conversation_id_{number}"),
            _is_active_member,
            members.c.user_id != bindparam("user_id"),
        )
        .order_by(*_in_order_of_joining)
        .limit(MAX_PARTICIPANTS)
        .subquery()
        for number in range(count)
    ]
    chosen = union_all(*(select(one.c.conversation_id, one.c.user_id) for one in first)).subquery()
    return Query(
        select(chosen.c.conversation_id, *rows.PROFILE_COLUMNS).join_from(
            chosen, users, users.c.id == chosen.c.user_id
        ),
        is_packed=True,
    )


@cache
def _newest_visible(count: int) -> Query:
    """The newest messages of `count` conversations that a member has not hidden."""
    newest = [
        select(*rows.MESSAGE_COLUMNS)
        .where(
            messages.c.conversation_id == bindparam(f"conversation_id_{number}"),
            messages.c.seq > bindparam(f"after_seq_{number}"),
            messages.c.seq > 0,
            not_(is_hidden_from(bindparam("user_id"))),
        )
        .order_by(messages.c.seq.desc())
        .limit(1)
        .subquery()
        for number in range(count)
    ]
    return Query(union_all(*(select(one) for one in newest)))


_FRIENDS: Final = Query(
    select(contacts.c.contact_id, contacts.c.user_id).where(
        one_of(contacts.c.contact_id, "user_ids"), not_(contacts.c.is_blocked)
    )
)
_BLOCKED: Final = Query(
    select(contacts.c.user_id, contacts.c.contact_id).where(
        one_of(contacts.c.user_id, "user_ids"), contacts.c.is_blocked
    )
)
_partner: Final = members.alias()
_PARTNERS: Final = Query(
    select(members.c.user_id, _partner.c.user_id)
    .join(conversations, and_(_of_member, conversations.c.kind == ConversationKind.SINGLE.value))
    .join(_partner, and_(_partner.c.conversation_id == conversations.c.id, _partner.c.user_id != members.c.user_id))
    .where(one_of(members.c.user_id, "user_ids"))
)


def roster_plan(conversation_id: int) -> Plan[RosterData | None]:
    found = yield _BY_ID, {"id": conversation_id}
    if not found:
        return None
    conversation = rows.conversation(found[0])
    if conversation.status is not ConversationStatus.ACTIVE:
        return None
    seats = [
        RosterRow(row[0], rows.role(row[1]), row[2], row[3])
        for row in (yield _ROSTER, {"conversation_id": conversation_id})
    ]
    relations: list[Row] = []
    if conversation.kind is ConversationKind.SINGLE:
        relations = yield _RELATIONS, {"user_ids": [[seat.user_id] for seat in seats]}
    blockers = frozenset(user_id for user_id, is_blocked, _ in relations if is_blocked)
    friends = [user_id for user_id, _, is_friend in relations if is_friend]
    return RosterData(conversation, seats, blockers, len(friends) == len(seats))


def in_chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    """Of few sizes, so that few statements are compiled; -1 is no conversation."""
    for start in range(0, len(ids), CONVERSATIONS_AT_ONCE):
        chunk = list(ids[start : start + CONVERSATIONS_AT_ONCE])
        yield chunk + [-1] * ((1 << (len(chunk) - 1).bit_length()) - len(chunk))


def list_plan(user_id: int, offset: int, limit: int, query: Query) -> Plan[tuple[list[ConversationView], int]]:
    total: int = (yield _COUNT, {"user_id": user_id})[0][0]
    found = yield query, {"user_id": user_id, "offset": offset, "limit": limit}
    participants: defaultdict[int, list[Profile]] = defaultdict(list)
    for ids in in_chunks([row[0] for row in found]):
        named = {f"conversation_id_{number}": key for number, key in enumerate(ids)}
        for row in (yield _participants(len(ids)), {"user_id": user_id, **named}):
            participants[row[0]].append(rows.profile(row[1:]))
    middle = len(rows.CONVERSATION_COLUMNS)
    end = middle + len(rows.MEMBER_COLUMNS)
    listed = [(rows.conversation(row[:middle]), rows.member(row[middle:end])) for row in found]
    behind = [[row[middle]] for row, (its, mine) in zip(found, listed, strict=True) if its.last_seq > mine.read_seq]
    unread = {row[0]: row[1] for row in (yield _UNREAD, {"member_ids": behind})} if behind else {}
    # The last message of most is visible; those where the member hid it are asked once more.
    last = {row[0]: rows.message(row[end + 1 :]) for row in found if row[end + 1] is not None and not row[end]}
    visible_after = {its.id: mine.visible_after_seq for row, (its, mine) in zip(found, listed, strict=True) if row[end]}
    for ids in in_chunks(list(visible_after)):
        named = {f"conversation_id_{number}": key for number, key in enumerate(ids)}
        named |= {f"after_seq_{number}": visible_after.get(key, 0) for number, key in enumerate(ids)}
        for row in (yield _newest_visible(len(ids)), {"user_id": user_id, **named}):
            last[row[1]] = rows.message(row)
    views = [
        ConversationView(
            conversation=its,
            member=mine,
            unread_count=unread.get(row[middle], 0),
            participants=tuple(participants[its.id]),
            last_message=last.get(its.id),
        )
        for row, (its, mine) in zip(found, listed, strict=True)
    ]
    return views, total


def watchers_plan(user_ids: Collection[int]) -> Plan[dict[int, set[int]]]:
    ids = {"user_ids": [[user_id] for user_id in user_ids]}
    watchers: dict[int, set[int]] = {user_id: set() for user_id in user_ids}
    for query in (_FRIENDS, _PARTNERS):
        for user_id, watcher_id in (yield query, ids):
            watchers[user_id].add(watcher_id)
    for user_id, blocked_id in (yield _BLOCKED, ids):
        watchers[user_id].discard(blocked_id)
    return watchers


class SqlConversationStore:
    """Implements `domain.ports.ConversationStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_single(self, creator_id: int, other_id: int, now_ms: int) -> tuple[Conversation, bool]:
        try:
            return await self._create_single(creator_id, other_id, now_ms)
        except UniqueViolation:
            # Another process has just made it.
            return await self._create_single(creator_id, other_id, now_ms)

    async def _create_single(self, creator_id: int, other_id: int, now_ms: int) -> tuple[Conversation, bool]:
        low, high = sorted((creator_id, other_id))
        single_key = f"{low}:{high}"
        by_key = _conversations.where(conversations.c.single_key == single_key)
        async with self._database.writing() as connection:
            row = (await connection.execute(by_key)).one_or_none()
            if row is not None:
                await connection.execute(
                    update(members)
                    .where(members.c.conversation_id == row[0], members.c.user_id == creator_id)
                    .values(hidden_at_seq=None)
                )
                return rows.conversation(row), False
            result = await connection.execute(
                insert(conversations).values(
                    kind=ConversationKind.SINGLE.value,
                    single_key=single_key,
                    creator_id=creator_id,
                    max_members=2,
                    status=ConversationStatus.ACTIVE.value,
                    member_count=2,
                    created_at_ms=now_ms,
                    updated_at_ms=now_ms,
                )
            )
            edit = SqlConversationEdit(connection, await self._fresh(connection, result), self._database.now_ms)
            await edit.insert_members((creator_id, other_id), Role.MEMBER, now_ms)
            return edit.conversation, True

    @staticmethod
    async def _fresh(connection: Any, result: Any) -> Conversation:
        found = await connection.execute(_conversations.where(conversations.c.id == result.inserted_primary_key[0]))
        return rows.conversation(found.one())

    def create_group(
        self, conversation: Conversation, member_ids: Sequence[int]
    ) -> AbstractAsyncContextManager[ConversationEdit]:
        return self._create_group(conversation, member_ids)

    @asynccontextmanager
    async def _create_group(
        self, conversation: Conversation, member_ids: Sequence[int]
    ) -> AsyncIterator[ConversationEdit]:
        others = [user_id for user_id in dict.fromkeys(member_ids) if user_id != conversation.creator_id]
        async with self._database.writing() as connection:
            values = {name: getattr(conversation, name) for name in conversation.__struct_fields__ if name != "id"}
            values |= {
                "kind": conversation.kind.value,
                "status": conversation.status.value,
                "member_count": len(others) + 1,
                "name_key": rows.group_name_key(conversation.name),
            }
            result = await connection.execute(insert(conversations).values(**values))
            edit = SqlConversationEdit(connection, await self._fresh(connection, result), self._database.now_ms)
            now_ms = conversation.created_at_ms
            await edit.insert_members((conversation.creator_id,), Role.OWNER, now_ms)
            await edit.insert_members(others, Role.MEMBER, now_ms)
            yield edit
            await edit.keep_changes()

    async def get(self, conversation_id: int) -> Conversation | None:
        found = await self._database.query(_BY_ID, id=conversation_id)
        return rows.conversation(found[0]) if found else None

    async def member(self, conversation_id: int, user_id: int) -> Member | None:
        found = await self._database.query(_MEMBER, conversation_id=conversation_id, user_id=user_id)
        return rows.member(found[0]) if found else None

    async def roster(self, conversation_id: int) -> RosterData | None:
        return await self._database.read(roster_plan(conversation_id))

    async def list_for(
        self, user_id: int, *, offset: int, limit: int, pinned_first: bool = False
    ) -> tuple[list[ConversationView], int]:
        query = _LIST_PINNED_FIRST if pinned_first else _LIST
        return await self._database.read(list_plan(user_id, offset, limit, query))

    async def groups_of(self, user_id: int) -> list[Conversation]:
        return [rows.conversation(row) for row in await self._database.query(_GROUPS_OF, user_id=user_id)]

    async def owners(self, conversation_ids: Collection[int]) -> dict[int, int]:
        ids = [[conversation_id] for conversation_id in conversation_ids]
        return {row[0]: row[1] for row in await self._database.query(_OWNERS, conversation_ids=ids)}

    async def single_of(self, one_id: int, other_id: int) -> int | None:
        low, high = sorted((one_id, other_id))
        found = await self._database.query(_SINGLE, single_key=f"{low}:{high}")
        return found[0][0] if found else None

    async def furthest_readers(self, conversation_id: int) -> list[ReadCursor]:
        found = await self._database.query(_FURTHEST_READERS, conversation_id=conversation_id)
        return [ReadCursor(row[0], row[1]) for row in found]

    async def members(self, conversation_id: int) -> list[MemberView]:
        middle = len(rows.MEMBER_COLUMNS)
        found = await self._database.query(_MEMBERS, conversation_id=conversation_id)
        return [MemberView(rows.member(row[:middle]), rows.profile(row[middle:])) for row in found]

    def edit(self, conversation_id: int) -> AbstractAsyncContextManager[ConversationEdit]:
        return self._edit(conversation_id)

    @asynccontextmanager
    async def _edit(self, conversation_id: int) -> AsyncIterator[ConversationEdit]:
        async with self._database.writing() as connection:
            found = await connection.execute(
                _conversations.where(conversations.c.id == conversation_id, _is_active).with_for_update()
            )
            row = found.one_or_none()
            if row is None:
                raise ConversationNotFound
            edit = SqlConversationEdit(connection, rows.conversation(row), self._database.now_ms)
            yield edit
            await edit.keep_changes()

    async def watchers(self, user_ids: Collection[int]) -> dict[int, set[int]]:
        return await self._database.read(watchers_plan(user_ids))
