"""Contract of TimerStore."""

import asyncio

import pytest

from domain.events import Event, MessageSent
from domain.model import Draft, Message, Profile
from tests.storage.world import World

DUE_MS = 1_005_000


def sent(message: Message) -> Event:
    return MessageSent(message, Profile(message.sender_id, "", ""))


async def schedule(world: World, conversation_id: int, sender_id: int, *due: int, ttl_s: int = 0) -> list[Message]:
    drafts = [
        Draft(
            conversation_id=conversation_id,
            sender_id=sender_id,
            content=f"at {due_ms} 100%",
            send_at_ms=due_ms,
            ttl_s=ttl_s,
        )
        for due_ms in due
    ]
    return [each.message for each in await asyncio.gather(*map(world.append, drafts))]


async def deliver(world: World, now_ms: int, limit: int = 100) -> list[Message]:
    async with world.stores.timers.due(now_ms, limit) as due:
        return await due.deliver(due.scheduled, now_ms, sent)


async def test_what_is_due_is_numbered_and_stamped_in_its_order(world: World) -> None:
    one, two, three = await world.users(3)
    first, second = await world.single(one, two), await world.single(one, three)
    late, early = await schedule(world, first.id, one, DUE_MS + 1, DUE_MS)
    (other,) = await schedule(world, second.id, three, DUE_MS)
    (future,) = await schedule(world, first.id, two, DUE_MS + 2)
    between = await world.send(first.id, two)
    assert (between.seq, late.seq < 0, await world.stores.timers.next_due_ms()) == (1, True, DUE_MS)
    now_ms = DUE_MS + 1
    delivered = await deliver(world, now_ms)
    assert [(each.id, each.seq) for each in delivered] == [(early.id, 2), (other.id, 1), (late.id, 3)]
    assert {(each.created_at_ms, each.updated_at_ms) for each in delivered} == {(now_ms, now_ms)}
    for message in delivered:
        assert await world.stores.messages.get(message.id) == message
    stored = await world.stores.conversations.get(first.id)
    assert stored is not None
    assert (stored.last_seq, stored.last_message_at_ms) == (3, now_ms)
    assert await world.stores.timers.next_due_ms() == future.send_at_ms
    assert await deliver(world, now_ms) == []
    assert (await world.send(first.id, one)).seq == 4


async def test_many_at_once_come_in_batches_and_each_once(world: World) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    scheduled = await schedule(world, single.id, one, *range(DUE_MS, DUE_MS + 700))
    found: list[Message] = []
    while batch := await deliver(world, DUE_MS + 1000, 300):
        assert len(batch) <= 300
        found += batch
    assert [each.id for each in found] == sorted(each.id for each in scheduled)
    assert [each.seq for each in found] == list(range(1, 701))
    assert await world.stores.timers.next_due_ms() is None


async def test_what_a_block_does_is_undone_if_it_fails(world: World) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    (message,) = await schedule(world, single.id, one, DUE_MS)

    with pytest.raises(KeyError):
        async with world.stores.timers.due(DUE_MS, 10) as due:
            await due.deliver(due.scheduled, DUE_MS, sent)
            raise KeyError
    assert await world.stores.messages.scheduled(one, single.id) == [message]
    assert [each.id for each in await deliver(world, DUE_MS)] == [message.id]


async def test_a_delivered_message_with_a_time_to_live_expires_after_its_delivery(world: World) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    (message,) = await schedule(world, single.id, one, DUE_MS, ttl_s=10)
    await deliver(world, DUE_MS)
    assert await world.stores.timers.next_due_ms() == DUE_MS + 10_000
    async with world.stores.timers.due(DUE_MS + 10_000, 10) as due:
        assert [each.id for each in due.expired] == [message.id]
        (gone,) = await due.remove(due.expired, DUE_MS + 10_000, None)
    assert (gone.is_gone, gone.content) == (True, "")
    assert await world.stores.timers.next_due_ms() is None
