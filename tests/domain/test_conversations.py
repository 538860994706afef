"""Groups and single conversations: roles, limits, leaving, hiding."""

import asyncio

import pytest

from domain.errors import (
    ConversationNotFound,
    Forbidden,
    InvalidState,
    InvalidValue,
    MemberNotFound,
    NotAMember,
    UserNotFound,
)
from domain.events import ConversationUpdated, Event
from domain.model import Draft, Profile, Role
from tests.domain.conftest import People
from tests.world import NOBODY, Rules


async def role_of(rules: Rules, conversation_id: int, who: Profile) -> Role:
    views = await rules.conversations.members(who.id, conversation_id)
    return next(view.member.role for view in views if view.member.user_id == who.id)


async def test_a_single_conversation_is_one_however_it_is_opened(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    opened = await asyncio.gather(
        *(rules.conversations.open_single(alice, bob.id) for _ in range(5)),
        *(rules.conversations.open_single(bob, alice.id) for _ in range(5)),
    )
    assert len({conversation.id for conversation in opened}) == 1
    with pytest.raises(InvalidValue):
        await rules.conversations.open_single(alice, alice.id)
    with pytest.raises(UserNotFound):
        await rules.conversations.open_single(alice, NOBODY)


async def test_a_hidden_conversation_comes_back_with_the_new_message_alone(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)

    async def say(who: Profile, content: str) -> None:
        await rules.messages.send(who, Draft(conversation_id=conversation.id, sender_id=who.id, content=content))

    async def shown_to(who: Profile) -> list[str]:
        views, total = await rules.conversations.list_for(who.id)
        assert total == len(views)
        if not views:
            return []
        messages, _ = await rules.messages.history(who.id, conversation.id, limit=10)
        return [message.content for message in messages]

    await say(alice, "old")
    await rules.conversations.delete(bob, conversation.id)
    assert await shown_to(bob) == []
    assert await shown_to(alice) == ["old"]
    assert await rules.messages.unread(bob.id) == 0
    await say(alice, "new")
    assert await shown_to(bob) == ["new"]
    assert await rules.messages.unread(bob.id) == 1
    assert await shown_to(alice) == ["old", "new"]
    await rules.conversations.delete(bob, conversation.id)
    assert await shown_to(bob) == []
    assert (await rules.conversations.open_single(bob, alice.id)).id == conversation.id


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "g", "max_members": 1},
        {"name": "g", "max_members": 1001},
        {"name": "g", "max_members": 2},
        {"name": "g", "description": "x" * 2001},
    ],
)
async def test_a_group_with_wrong_fields(rules: Rules, people: People, fields: dict[str, object]) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    with pytest.raises(InvalidValue):
        await rules.conversations.create_group(alice, [bob.id, carol.id], **fields)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue):
        await rules.conversations.create_group(alice, [bob.id, NOBODY], name="g")
    assert (await rules.conversations.list_for(alice.id))[1] == 0


async def test_who_may_add(rules: Rules, people: People) -> None:
    alice, bob, carol, dave = await people("alice", "bob", "carol", "dave")
    group = await rules.conversations.create_group(alice, [bob.id], name="g", max_members=3)
    with pytest.raises(NotAMember):
        await rules.conversations.add_members(carol, group.id, [dave.id])
    with pytest.raises(Forbidden):
        await rules.conversations.add_members(bob, group.id, [carol.id], Role.ADMIN)
    with pytest.raises(InvalidValue):
        await rules.conversations.add_members(bob, group.id, [carol.id, dave.id])
    with pytest.raises(InvalidValue):
        await rules.conversations.add_members(bob, group.id, [carol.id, NOBODY])
    assert len(await rules.conversations.members(alice.id, group.id)) == 2, "nobody was added"
    await rules.conversations.add_members(bob, group.id, [alice.id, carol.id, carol.id])
    assert len(await rules.conversations.members(carol.id, group.id)) == 3
    await rules.conversations.update(alice, group.id, allow_invite=False, max_members=4)
    with pytest.raises(Forbidden):
        await rules.conversations.add_members(bob, group.id, [dave.id])


async def test_parallel_joins_never_pass_the_limit(rules: Rules, people: People) -> None:
    alice, *others = await people("alice", *(f"user{number}" for number in range(8)))
    group = await rules.conversations.create_group(alice, [others[0].id], name="g", max_members=4)
    joins = (rules.conversations.add_members(alice, group.id, [other.id]) for other in others[1:])
    outcomes = await asyncio.gather(*joins, return_exceptions=True)
    assert sum(isinstance(outcome, InvalidValue) for outcome in outcomes) == 5
    conversation = await rules.conversations.get(alice.id, group.id)
    assert conversation.member_count == len(await rules.conversations.members(alice.id, group.id)) == 4


async def test_ranks(rules: Rules, people: People) -> None:
    owner, admin, admin2, member = await people("owner", "admin", "admin2", "member")
    group = await rules.conversations.create_group(owner, [admin.id, admin2.id, member.id], name="g")
    for each in (admin, admin2):
        await rules.conversations.update_member(owner, group.id, each.id, role=Role.ADMIN)
    until = rules.clock.at_ms + 1000
    for actor, target in ((admin, admin2), (admin, owner), (member, admin), (member, owner)):
        with pytest.raises(Forbidden):
            await rules.conversations.remove_member(actor, group.id, target.id)
        with pytest.raises(Forbidden):
            await rules.conversations.update_member(actor, group.id, target.id, muted_until_ms=until)
        with pytest.raises(Forbidden):
            await rules.conversations.update_member(actor, group.id, target.id, role=Role.MEMBER)
    await rules.conversations.update_member(admin, group.id, member.id, muted_until_ms=until, nickname="quiet")
    await rules.conversations.update_member(member, group.id, member.id, nickname="me")
    with pytest.raises(Forbidden):
        await rules.conversations.update_member(member, group.id, member.id, muted_until_ms=0)
    await rules.conversations.remove_member(admin, group.id, member.id)
    with pytest.raises(MemberNotFound):
        await rules.conversations.remove_member(admin, group.id, member.id)
    with pytest.raises(NotAMember):
        await rules.conversations.get(member.id, group.id)


async def test_the_owner_leaves_only_after_a_transfer(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    with pytest.raises(InvalidState):
        await rules.conversations.remove_member(alice, group.id, alice.id)
    with pytest.raises(InvalidState):
        await rules.conversations.update_member(alice, group.id, alice.id, role=Role.MEMBER)
    await rules.conversations.update_member(alice, group.id, bob.id, role=Role.OWNER)
    assert await role_of(rules, group.id, alice) is Role.ADMIN
    assert await role_of(rules, group.id, bob) is Role.OWNER
    await rules.conversations.remove_member(alice, group.id, alice.id)
    await rules.conversations.add_members(bob, group.id, [alice.id])
    with pytest.raises(Forbidden):
        await rules.conversations.delete(alice, group.id)
    await rules.conversations.delete(bob, group.id)
    with pytest.raises(ConversationNotFound):
        await rules.conversations.get(bob.id, group.id)


async def test_changing_information(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    with pytest.raises(Forbidden):
        await rules.conversations.update(bob, group.id, name="mine")
    await rules.conversations.update(alice, group.id, allow_member_modify=True)
    heard: list[Event] = []
    rules.bus.subscribe(lambda event, *_: heard.append(event))
    await rules.conversations.update(bob, group.id, name="ours", watermark_text="secret")
    changes = [event.fields for event in heard if isinstance(event, ConversationUpdated)]
    assert changes == [("name",), ("watermark_text",)]
    with pytest.raises(InvalidValue):
        await rules.conversations.update(alice, group.id, max_members=1)
    with pytest.raises(InvalidValue):
        await rules.conversations.update(alice, group.id, creator_id=bob.id)
    single = await rules.conversations.open_single(alice, bob.id)
    with pytest.raises(InvalidState):
        await rules.conversations.update(alice, single.id, name="no")
    with pytest.raises(InvalidState):
        await rules.conversations.add_members(alice, single.id, [bob.id])


async def test_a_muted_member_who_becomes_the_owner_may_speak(rules: Rules, people: People) -> None:
    """Nobody stands over an owner, so nobody could end the mute."""
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    await rules.conversations.update_member(alice, group.id, bob.id, muted_until_ms=rules.clock.at_ms + 10**12)
    await rules.conversations.update_member(alice, group.id, bob.id, role=Role.OWNER)
    await rules.messages.send(bob, Draft(conversation_id=group.id, sender_id=bob.id, content="at last"))
    await rules.conversations.update_member(
        bob, group.id, alice.id, role=Role.OWNER, muted_until_ms=rules.clock.at_ms + 10**12
    )
    await rules.messages.send(alice, Draft(conversation_id=group.id, sender_id=alice.id, content="me too"))


async def test_an_empty_single_conversation_can_be_hidden_and_opened_again(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    await rules.conversations.delete(bob, conversation.id)
    assert (await rules.conversations.list_for(bob.id))[1] == 0
    assert (await rules.conversations.list_for(alice.id))[1] == 1
    assert (await rules.conversations.open_single(bob, alice.id)).id == conversation.id
    assert (await rules.conversations.list_for(bob.id))[1] == 1


async def test_members_who_are_in_are_skipped_and_an_unknown_one_stops_all(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    with pytest.raises(InvalidValue):
        await rules.conversations.add_members(alice, group.id, [carol.id, NOBODY])
    assert (await rules.conversations.get(alice.id, group.id)).member_count == 2
    changed = await rules.conversations.add_members(alice, group.id, [bob.id, carol.id, carol.id])
    assert changed.member_count == 3


async def test_who_comes_back_starts_as_a_plain_member(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    await rules.conversations.update_member(alice, group.id, bob.id, role=Role.ADMIN, nickname="boss")
    await rules.conversations.remove_member(bob, group.id, bob.id)
    await rules.conversations.add_members(alice, group.id, [bob.id])
    assert await role_of(rules, group.id, bob) is Role.MEMBER
    views = await rules.conversations.members(bob.id, group.id)
    assert next(view.member.nickname for view in views if view.member.user_id == bob.id) is None


async def test_a_group_taken_out_of_the_list_comes_back_with_a_message(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    await rules.messages.send(alice, Draft(conversation_id=group.id, sender_id=alice.id, content="before"))
    await rules.conversations.hide(bob, group.id)
    assert (await rules.conversations.list_for(bob.id))[1] == 0
    assert [each.id for each in await rules.conversations.groups_of(bob.id)] == [group.id]
    await rules.messages.send(alice, Draft(conversation_id=group.id, sender_id=alice.id, content="after"))
    assert (await rules.conversations.list_for(bob.id))[1] == 1
    page, _ = await rules.messages.history(bob.id, group.id, limit=10)
    assert [message.content for message in page] == ["before", "after"]


async def test_pin_and_mute_are_the_member_s_own(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    await rules.conversations.arrange(bob, group.id, is_pinned=True)
    await rules.conversations.arrange(bob, group.id, is_muted=True)
    ((view,), _) = await rules.conversations.list_for(bob.id)
    assert (view.member.is_pinned, view.member.is_muted) == (True, True)
    ((view,), _) = await rules.conversations.list_for(alice.id)
    assert (view.member.is_pinned, view.member.is_muted) == (False, False)
    with pytest.raises(NotAMember):
        await rules.conversations.arrange(carol, group.id, is_pinned=True)
