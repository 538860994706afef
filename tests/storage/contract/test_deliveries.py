"""Contract of DeliveryStore."""

import asyncio

from domain.events import NotificationArrived
from domain.notification_sending import arrived
from domain.records import Channel, DeliveryState, DueDelivery, Outcome, PlannedDelivery
from tests.storage.contract.test_notifications import draft
from tests.storage.world import World


async def waiting(world: World, *due_at_ms: int, channel: Channel = Channel.PUSH) -> list[int]:
    """Users with a delivery each."""
    ids = await world.users(len(due_at_ms))
    planned = {
        user_id: (PlannedDelivery(channel, DeliveryState.PENDING, due_ms),)
        for user_id, due_ms in zip(ids, due_at_ms, strict=True)
    }
    await world.stores.notification_contents.send(draft(world), planned, world.clock.time_ms, arrived)
    return ids


async def claim(world: World, now_ms: int, until_ms: int = 1000, limit: int = 9) -> list[DueDelivery]:
    return await world.stores.deliveries.claim(Channel.PUSH, now_ms, until_ms, limit)


def outcome(due: DueDelivery, state: DeliveryState = DeliveryState.DELIVERED, due_at_ms: int = 0) -> Outcome:
    return Outcome(delivery_id=due.id, state=state, due_at_ms=due_at_ms, tries=due.tries, error="why" * 300)


async def test_what_is_due_is_claimed_once(world: World) -> None:
    ids = await waiting(world, 30, 10, 20)
    assert await claim(world, 9) == []
    first = await claim(world, 20, limit=1)
    assert [(due.to.user_id, due.tries, due.channel) for due in first] == [(ids[1], 1, Channel.PUSH)]
    assert (first[0].notification.title, first[0].record.user_id) == ("t", ids[1])
    assert [due.to.user_id for due in await claim(world, 25)] == [ids[2]]
    assert await claim(world, 25) == []
    assert await world.stores.deliveries.claim(Channel.EMAIL, 99, 1000, 9) == []


async def test_claims_at_once(world: World) -> None:
    await waiting(world, *[5] * 8)
    claims = await asyncio.gather(*(claim(world, 10, limit=3) for _ in range(4)))
    ids = [due.id for each in claims for due in each]
    assert len(ids) == len(set(ids))
    ids += [due.id for due in await claim(world, 10)]
    assert len(set(ids)) == 8


async def test_settling(world: World) -> None:
    await waiting(world, 1, 1, 1)
    done, again, failed = await claim(world, 5, until_ms=50)
    outcomes = [
        outcome(done),
        outcome(again, DeliveryState.PENDING, 20),
        outcome(failed, DeliveryState.FAILED),
    ]
    await world.stores.deliveries.settle(outcomes, 50, 7)
    assert [due.id for due in await claim(world, 20)] == [again.id]
    (letter,), total = await world.stores.deliveries.dead_letters(offset=0, limit=9)
    assert (letter.id, letter.tries, letter.failed_at_ms, total) == (failed.id, 1, 7, 1)
    assert letter.error is not None
    assert len(letter.error) == 500
    assert letter.notification_uuid == failed.notification.uuid
    assert await world.stores.deliveries.dead_letters(offset=1, limit=9) == ([], 1)
    await world.stores.deliveries.settle([], 50, 7)


async def test_who_comes_too_late_settles_nothing(world: World) -> None:
    await waiting(world, 1)
    (late,) = await claim(world, 5, until_ms=50)
    (taken,) = await claim(world, 50, until_ms=100)
    assert (taken.id, taken.tries) == (late.id, 2)
    await world.stores.deliveries.settle([outcome(late, DeliveryState.FAILED)], 50, 60)
    assert await world.stores.deliveries.dead_letters(offset=0, limit=9) == ([], 0)
    assert len(await claim(world, 100)) == 1


async def test_what_is_told_reaches_resuming_clients(world: World) -> None:
    (one,) = await waiting(world, 1)
    position = await world.stores.sync.position()
    (due,) = await claim(world, 5, until_ms=50)
    event = NotificationArrived(due.record.id, "system", "t", "c", "normal", None, 5)
    await world.stores.deliveries.settle([outcome(due)], 50, 7, [(one, event)])
    missed = await world.stores.sync.missed(one, position, {}, 9)
    assert missed is not None
    assert list(missed.events) == [event]
