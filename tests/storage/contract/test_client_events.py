"""Contract of ClientEventStore."""

from domain.records import ClientEvent
from tests.storage.world import World


async def test_events_are_found_latest_first(world: World) -> None:
    store = world.stores.client_events

    async def add(user_id: int, event_type: str, at_ms: int) -> ClientEvent:
        event = ClientEvent(
            id=0,
            user_id=user_id,
            event_type=event_type,
            data='{"a": "你好"}',
            occurred_at_ms=at_ms,
            created_at_ms=9,
        )
        return await store.add(event)

    async def find(
        user_id: int | None = None,
        event_type: str | None = None,
        start_ms: int = 0,
        end_ms: int = 10**15,
        limit: int = 9,
    ) -> tuple[list[ClientEvent], int]:
        return await store.find(
            user_id=user_id, event_type=event_type, start_ms=start_ms, end_ms=end_ms, offset=0, limit=limit
        )

    first, second, third = await add(1, "x", 5), await add(1, "y", 7), await add(2, "x", 5)
    assert len({first.id, second.id, third.id}) == 3
    assert await find() == ([second, third, first], 3)
    assert await find(limit=1) == ([second], 3)
    assert await find(user_id=1) == ([second, first], 2)
    assert await find(event_type="x") == ([third, first], 2)
    assert await find(event_type="X") == ([], 0)
    assert await find(user_id=1, event_type="x") == ([first], 1)
    assert await find(start_ms=6) == ([second], 1)
    assert await find(end_ms=5) == ([third, first], 2)
    assert await find(user_id=1, start_ms=5, end_ms=5) == ([first], 1)
