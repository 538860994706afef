"""Contract of MarkLog, and of the receipts that it leaves."""

import asyncio

import pytest

from domain.errors import ConversationNotFound, NotAMember
from domain.model import MemberStatus, Role
from domain.ports import Marked
from tests.storage.world import World


async def test_cursors_move_forward_only_and_not_beyond_the_last_message(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    await world.send_all(conversation.id, one, "abcde")
    assert await world.mark(conversation.id, two, (1, 3), delivered_seq=4) == Marked(3, 4, True, True)
    assert await world.mark(conversation.id, two, (1, 2), delivered_seq=1) == Marked(3, 4, False, False)
    assert await world.mark(conversation.id, two, (1, 99), delivered_seq=99) == Marked(5, 5, True, True)
    assert await world.mark(conversation.id, two) == Marked(5, 5, False, False)
    assert await world.mark(conversation.id, two, (3, 1), (-5, 0), (70, 80)) == Marked(5, 5, False, False)
    member = await world.stores.conversations.member(conversation.id, two)
    assert member is not None
    assert (member.read_seq, member.delivered_seq) == (5, 5)


async def test_a_receipt_keeps_the_time_of_the_first_reading(world: World) -> None:
    one, two, three = await world.users(3)
    group = await world.group(one, [two, three])
    messages = await world.send_all(group.id, one, "abcd")
    world.clock.time_ms = 2_000_000
    await world.mark(group.id, two, (2, 2))
    world.clock.time_ms = 3_000_000
    await world.mark(group.id, two, (1, 4))
    await world.mark(group.id, three, (2, 3))
    await world.mark(group.id, one, (1, 4))
    receipts = [await world.stores.messages.receipts(message) for message in messages]
    readers = [[(item.user_id, item.read_at_ms) for item in found] for found in receipts]
    assert readers == [
        [(two, 3_000_000)],
        [(two, 2_000_000), (three, 3_000_000)],
        [(two, 3_000_000), (three, 3_000_000)],
        [(two, 3_000_000)],
    ]
    assert [item.message_id for item in receipts[1]] == [messages[1].id] * 2
    assert receipts[0][0].id != receipts[1][0].id


async def test_marks_of_one_batch_see_each_other(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    messages = await world.send_all(conversation.id, one, "abcdef")
    ranges = [(2, 2), (4, 5), (1, 6), (1, 6), (3, 3)]
    marked = await asyncio.gather(*(world.mark(conversation.id, two, item) for item in ranges))
    assert [(item.read_seq, item.read_moved) for item in marked] == [
        (2, True),
        (5, True),
        (6, True),
        (6, False),
        (6, False),
    ]
    for message in messages:
        assert len(await world.stores.messages.receipts(message)) == 1


async def test_strangers_and_missing_conversations_are_refused_alone(world: World) -> None:
    one, two, three = await world.users(3)
    group = await world.group(one, [two])
    await world.send(group.id, one)
    outcomes = await asyncio.gather(
        world.mark(group.id, three, (1, 1)),
        world.mark(10**15, one, (1, 1)),
        world.mark(group.id, two, (1, 1)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], NotAMember)
    assert isinstance(outcomes[1], ConversationNotFound)
    assert outcomes[2] == Marked(1, 0, True, False)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.set_member(two, status=MemberStatus.LEFT)
    with pytest.raises(NotAMember):
        await world.mark(group.id, two, (1, 1))


async def test_what_a_member_may_not_see_gets_no_receipt(world: World) -> None:
    one, two = await world.users(2)
    group = await world.group(one)
    early = await world.send_all(group.id, one, "ab")
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.add([two], Role.MEMBER, world.clock.time_ms, 2)
    late = await world.send(group.id, one)
    await world.mark(group.id, two, (1, 3))
    assert [await world.stores.messages.receipts(message) for message in early] == [[], []]
    assert [item.user_id for item in await world.stores.messages.receipts(late)] == [two]


async def test_one_who_comes_back_has_one_receipt_for_a_message(world: World) -> None:
    one, two = await world.users(2)
    group = await world.group(one, [two])
    messages = await world.send_all(group.id, one, "abc")
    await world.mark(group.id, two, (1, 1), (3, 3))
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.set_member(two, status=MemberStatus.LEFT)
    # A former member's reading is still known.
    assert len(await world.stores.messages.receipts(messages[0])) == 1
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.add([two], Role.MEMBER, world.clock.time_ms, 0)
    assert await world.mark(group.id, two, (1, 3)) == Marked(3, 0, True, False)
    assert [len(await world.stores.messages.receipts(message)) for message in messages] == [1, 1, 1]
