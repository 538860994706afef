"""Contract of ConversationStore and ConversationEdit."""

import asyncio

import pytest
from sqlalchemy import insert

from domain.errors import ConversationNotFound, MemberNotFound
from domain.model import ConversationKind, ConversationStatus, MemberStatus, Role
from storage.sql.tables import contacts
from tests.storage.world import World


async def befriend(world: World, user_id: int, contact_id: int, **flags: bool) -> None:
    """One's own row of a contact; there is no port for contacts yet."""
    async with world.stores.database.writing() as connection:
        await connection.execute(
            insert(contacts).values(user_id=user_id, contact_id=contact_id, created_at_ms=1, updated_at_ms=1, **flags)
        )


async def test_two_users_have_one_single_conversation(world: World) -> None:
    one, two = await world.users(2)
    store = world.stores.conversations
    outcomes = await asyncio.gather(*(store.create_single(*pair, 5) for pair in ((one, two), (two, one), (one, two))))
    assert [made for _, made in outcomes] == [True, False, False]
    assert len({conversation.id for conversation, _ in outcomes}) == 1
    conversation = outcomes[0][0]
    assert (conversation.kind, conversation.member_count) == (ConversationKind.SINGLE, 2)
    assert [item.member.user_id for item in await store.members(conversation.id)] == [one, two]


async def test_a_group_has_its_creator_as_owner_and_each_member_once(world: World) -> None:
    one, two, three = await world.users(3)
    group = await world.group(one, [three, two, three, one], description="飞", is_public=False)
    store = world.stores.conversations
    assert group.member_count == 3
    assert await store.get(group.id) == group
    members = await store.members(group.id)
    assert [(item.member.user_id, item.member.role) for item in members] == [
        (one, Role.OWNER),
        (three, Role.MEMBER),
        (two, Role.MEMBER),
    ]
    assert members[1].profile.username == "user2"
    assert (group.description, group.is_public, group.history_visible) == ("飞", False, True)


async def test_an_edit_commits_all_or_nothing(world: World) -> None:
    one, two, three = await world.users(3)
    group = await world.group(one, [two])
    store = world.stores.conversations
    with pytest.raises(ZeroDivisionError):
        async with store.edit(group.id) as edit:
            await edit.add([three], Role.MEMBER, world.clock.time_ms, 0)
            await edit.set(name="new")
            assert await edit.member_ids() == (one, two, three)
            raise ZeroDivisionError
    assert await store.get(group.id) == group
    assert await store.member(group.id, three) is None
    async with store.edit(group.id) as edit:
        await edit.add([three], Role.ADMIN, world.clock.time_ms, 0)
        changed = await edit.set(name="new", updated_at_ms=9)
        assert edit.conversation == changed
    assert await store.get(group.id) == changed
    assert (changed.name, changed.member_count) == ("new", 3)
    with pytest.raises(ConversationNotFound):
        async with store.edit(10**15):
            pass


async def test_edits_of_one_conversation_come_one_after_the_other(world: World) -> None:
    one, *others = await world.users(6)
    group = await world.group(one)
    store = world.stores.conversations

    async def add(user_id: int) -> None:
        async with store.edit(group.id) as edit:
            before = edit.conversation.member_count
            await asyncio.sleep(0)
            await edit.add([user_id], Role.MEMBER, 5, 0)
            assert edit.conversation.member_count == before + 1

    await asyncio.gather(*(add(user_id) for user_id in others))
    fresh = await store.get(group.id)
    assert fresh is not None
    assert fresh.member_count == 6


async def test_an_edit_that_is_cancelled_lets_the_next_one_in(world: World) -> None:
    [one] = await world.users(1)
    group = await world.group(one)
    store = world.stores.conversations
    inside = asyncio.Event()

    async def stuck() -> None:
        async with store.edit(group.id) as edit:
            await edit.set(name="never")
            inside.set()
            await asyncio.Event().wait()

    async def change(name: str) -> None:
        async with store.edit(group.id) as edit:
            await edit.set(name=name)

    first = asyncio.create_task(stuck())
    await inside.wait()
    waiting = [asyncio.create_task(change(f"name{number}")) for number in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    first.cancel()
    await asyncio.gather(first, *waiting, return_exceptions=True)
    fresh = await store.get(group.id)
    assert fresh is not None
    assert fresh.name in ("name0", "name2")
    assert (await world.send(group.id, one)).seq == 1


async def test_members_leave_and_come_back_with_fresh_state(world: World) -> None:
    one, two, three = await world.users(3)
    world.clock.time_ms = 100
    group = await world.group(one, [two, three])
    store = world.stores.conversations
    await world.send_all(group.id, one, "abc")
    await world.mark(group.id, two, (1, 2), delivered_seq=3)
    async with store.edit(group.id) as edit:
        await edit.set_member(two, nickname="Zwo", is_pinned=True, muted_until_ms=999, role=Role.ADMIN)
        after = await edit.set_member(two, status=MemberStatus.REMOVED)
        assert after.status is MemberStatus.REMOVED
        assert edit.conversation.member_count == 2
        assert await edit.member(two) is None
        with pytest.raises(MemberNotFound):
            await edit.set_member(two, nickname="x")
    assert await store.member(group.id, two) is None
    async with store.edit(group.id) as edit:
        await edit.add([one, two, two], Role.MEMBER, 200, 3)
        assert await edit.member_ids() == (one, three, two)
        assert edit.conversation.member_count == 3
        assert await edit.owner_id() == one
    member = await store.member(group.id, two)
    assert member is not None
    assert (member.role, member.nickname, member.is_pinned, member.muted_until_ms) == (Role.MEMBER, None, False, None)
    assert (member.visible_after_seq, member.delivered_seq, member.joined_at_ms) == (3, 0, 200)
    assert await world.stores.messages.unread(two) == 0


async def test_the_roster_is_what_the_send_path_needs(world: World) -> None:
    one, two, three = await world.users(3)
    group = await world.group(one, [two, three])
    store = world.stores.conversations
    async with store.edit(group.id) as edit:
        await edit.set_member(two, muted_until_ms=77, role=Role.ADMIN)
        await edit.set_member(three, status=MemberStatus.LEFT)
    roster = await store.roster(group.id)
    assert roster is not None
    assert [(row.user_id, row.role, row.muted_until_ms) for row in roster.rows] == [
        (one, Role.OWNER, None),
        (two, Role.ADMIN, 77),
    ]
    assert roster.conversation == await store.get(group.id)
    assert roster.blockers == frozenset()
    async with store.edit(group.id) as edit:
        await edit.set(status=ConversationStatus.DISSOLVED)
    assert await store.roster(group.id) is None
    assert await store.roster(10**15) is None
    dissolved = await store.get(group.id)
    assert dissolved is not None
    assert dissolved.status is ConversationStatus.DISSOLVED


async def test_blockers_count_in_single_conversations_only(world: World) -> None:
    one, two, three = await world.users(3)
    single, group = await world.single(one, two), await world.group(one, [two, three])
    await befriend(world, two, one, is_blocked=True)
    await befriend(world, two, three, is_blocked=True)
    for conversation, blockers in ((single, {two}), (group, set())):
        roster = await world.stores.conversations.roster(conversation.id)
        assert roster is not None
        assert roster.blockers == blockers


async def test_a_hidden_conversation_comes_back_with_a_new_message_alone(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    store = world.stores.conversations
    await world.send_all(conversation.id, two, "ab")
    async with store.edit(conversation.id) as edit:
        hidden = await edit.set_member(one, is_hidden=True, visible_after_seq=2)
        assert hidden.is_hidden
    assert await store.list_for(one, offset=0, limit=10) == ([], 0)
    member = await store.member(conversation.id, one)
    assert member is not None
    assert member.is_hidden
    assert (await store.list_for(two, offset=0, limit=10))[1] == 1

    await store.create_single(one, two, 5)
    [view], total = await store.list_for(one, offset=0, limit=10)
    assert (total, view.last_message, view.unread_count, view.member.visible_after_seq) == (1, None, 0, 2)

    async with store.edit(conversation.id) as edit:
        await edit.set_member(one, is_hidden=True)
    await store.create_single(two, one, 5)
    assert (await store.list_for(one, offset=0, limit=10))[1] == 0
    message = await world.send(conversation.id, two)
    [view], _ = await store.list_for(one, offset=0, limit=10)
    assert (view.last_message, view.unread_count, view.member.is_hidden) == (message, 1, False)


async def test_the_list_shows_the_newest_first_with_counts_and_participants(world: World) -> None:
    one, two, three, *many = await world.users(30)
    store = world.stores.conversations
    single = await world.single(two, one)
    world.clock.time_ms += 10
    group = await world.group(two, [one, three, *many])
    world.clock.time_ms += 10
    quiet = await world.group(one, [two])
    left = await world.group(two, [one])
    dissolved = await world.group(one)
    async with store.edit(left.id) as edit:
        await edit.set_member(one, status=MemberStatus.LEFT)
    async with store.edit(dissolved.id) as edit:
        await edit.set(status=ConversationStatus.DISSOLVED)
    world.clock.time_ms += 10
    in_group = await world.send_all(group.id, two, "abc")
    world.clock.time_ms += 10
    in_single = await world.send(single.id, one)

    views, total = await store.list_for(one, offset=0, limit=10)
    assert total == 3
    assert [view.conversation.id for view in views] == [single.id, group.id, quiet.id]
    assert [view.unread_count for view in views] == [0, 3, 0]
    assert [view.last_message for view in views] == [in_single, in_group[-1], None]
    assert [profile.id for profile in views[0].participants] == [two]
    assert [profile.id for profile in views[1].participants] == [two, three, *many[:18]]
    assert views[1].member == await store.member(group.id, one)
    assert views[1].conversation == await store.get(group.id)

    page, total = await store.list_for(one, offset=1, limit=1)
    assert ([view.conversation.id for view in page], total) == ([group.id], 3)
    assert await store.list_for(one, offset=9, limit=5) == ([], 3)
    assert await store.list_for(10**15, offset=0, limit=5) == ([], 0)


async def test_watchers_are_friends_contacts_and_partners_but_not_the_blocked(world: World) -> None:
    one, friend, fan, partner, blocked, member = await world.users(6)
    await befriend(world, one, friend, is_friend=True)
    await befriend(world, friend, one, is_friend=True)
    await befriend(world, fan, one)
    await befriend(world, blocked, one, is_friend=True)
    await befriend(world, one, blocked, is_blocked=True)
    await world.single(partner, one)
    await world.single(blocked, one)
    await world.group(one, [member])
    watchers = await world.stores.conversations.watchers([one, friend, member])
    assert watchers == {one: {friend, fan, partner}, friend: {one}, member: set()}
    assert await world.stores.conversations.watchers([]) == {}


async def test_pinned_conversations_stand_first_where_asked_for(world: World) -> None:
    one, two, three = await world.users(3)
    old, new = await world.single(one, two), await world.single(one, three)
    await world.send(new.id, one)
    async with world.stores.conversations.edit(old.id) as edit:
        await edit.set_member(one, is_pinned=True)

    async def listed(user_id: int, **order: bool) -> list[int]:
        views, _ = await world.stores.conversations.list_for(user_id, offset=0, limit=10, **order)
        return [view.conversation.id for view in views]

    assert await listed(one) == [new.id, old.id]
    assert await listed(one, pinned_first=True) == [old.id, new.id]


async def test_groups_owners_and_singles(world: World) -> None:
    one, two, three = await world.users(3)
    single = await world.single(one, two)
    first, second = await world.group(one, [two]), await world.group(two, [one])
    dissolved = await world.group(one, [two])
    async with world.stores.conversations.edit(dissolved.id) as edit:
        await edit.set(status=ConversationStatus.DISSOLVED)
    async with world.stores.conversations.edit(first.id) as edit:
        await edit.set_member(two, is_hidden=True)
        await edit.set_member(one, role=Role.ADMIN)
        await edit.set_member(two, role=Role.OWNER)
    store = world.stores.conversations
    assert [group.id for group in await store.groups_of(two)] == [first.id, second.id]
    assert await store.groups_of(three) == []
    assert await store.owners([first.id, second.id, single.id]) == {first.id: two, second.id: two}
    assert await store.single_of(two, one) == single.id
    assert await store.single_of(two, three) is None
