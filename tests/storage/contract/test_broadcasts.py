"""Contract of BroadcastStore."""

from domain.events import BroadcastSent, Event
from domain.records import Broadcast, Priority
from tests.storage.world import World


def draft(world: World, title: str, targets: tuple[int, ...] | None = None) -> Broadcast:
    return Broadcast(
        id=0,
        sender_id=1,
        title=title,
        content="你好",
        priority=Priority.URGENT,
        target_user_ids=targets,
        created_at_ms=world.clock.time_ms,
    )


def event(broadcast: Broadcast) -> Event:
    return BroadcastSent(broadcast.id, broadcast.title, broadcast.content, broadcast.priority.value, 5)


async def test_each_user_finds_what_was_meant_for_them(world: World) -> None:
    one, two = await world.users(2)
    store = world.stores.broadcasts
    world.clock.time_ms += 1
    for_all = await store.add(draft(world, "all"), event)
    for_two = await store.add(draft(world, "two", (two,)), event)
    assert for_two.id > for_all.id > 0
    assert await store.list_for(two, offset=0, limit=9) == ([for_two, for_all], 2)
    assert await store.list_for(one, offset=0, limit=9) == ([for_all], 1)
    assert await store.list_for(two, offset=1, limit=9) == ([for_all], 2)
    assert await store.list_for(two, offset=0, limit=1) == ([for_two], 2)
    world.clock.time_ms += 1
    late = (await world.user("late")).id
    assert await store.list_for(late, offset=0, limit=9) == ([], 0)


async def test_resuming_clients_hear_of_it(world: World) -> None:
    one, two = await world.users(2)
    position = await world.stores.sync.position()
    for_all = await world.stores.broadcasts.add(draft(world, "all"), event)
    for_two = await world.stores.broadcasts.add(draft(world, "two", (two,)), event)
    for user_id, expected in ((one, [for_all]), (two, [for_all, for_two])):
        missed = await world.stores.sync.missed(user_id, position, {}, 9)
        assert missed is not None
        assert list(missed.events) == [event(each) for each in expected]
