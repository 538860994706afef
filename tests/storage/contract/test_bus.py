"""Contract of Bus, for one process. What crosses between several is in tests/storage/redis."""

from collections.abc import AsyncIterator

import pytest

from domain.events import Event, Typing
from domain.ports import Audience, Bus
from storage.inprocess.bus import InProcessBus
from storage.redis import RedisServices
from tests.world import TestClock


@pytest.fixture(params=["inprocess", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "inprocess":
        yield InProcessBus()
        return
    services = RedisServices(request.getfixturevalue("redis_url"), "node", TestClock())
    await services.start()
    yield services.bus
    await services.close()


async def test_events_reach_every_handler_in_order_before_publish_returns(bus: Bus) -> None:
    heard: list[tuple[str, Event, Audience, object | None]] = []
    for name in ("first", "second"):
        bus.subscribe(lambda event, audience, origin, name=name: heard.append((name, event, audience, origin)))  # type: ignore[misc]
    audience, origin = Audience((1, 2), 3), object()
    events = [Typing(3, 1, True, 5), Typing(3, 1, False, 6)]
    bus.publish(events[0], audience, origin)
    assert heard == [(name, events[0], audience, origin) for name in ("first", "second")]
    bus.publish(events[1], audience)
    assert heard[2:] == [(name, events[1], audience, None) for name in ("first", "second")]
    bus.publish_here(events[0], audience)
    assert heard[4:] == [(name, events[0], audience, None) for name in ("first", "second")]


async def test_a_bus_alone_misses_nothing_and_is_well(bus: Bus) -> None:
    missed: list[tuple[str | None, float]] = []
    bus.when_missed(lambda since, for_s: missed.append((since, for_s)))
    bus.complete_up_to("position")
    bus.publish(Typing(3, 1, True, 5), Audience((1,), 3))
    await bus.settled()
    assert bus.trouble is None
    assert await bus.healthy() is None
    assert missed == []
