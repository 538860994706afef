"""Contract of Bus."""

from domain.events import Event, Typing
from domain.ports import Audience
from storage.inprocess.bus import InProcessBus


async def test_events_reach_every_handler_in_order_before_publish_returns() -> None:
    bus = InProcessBus()
    heard: list[tuple[str, Event, Audience, object | None]] = []
    for name in ("first", "second"):
        bus.subscribe(lambda event, audience, origin, name=name: heard.append((name, event, audience, origin)))  # type: ignore[misc]
    await bus.start()
    audience, origin = Audience((1, 2), 3), object()
    events = [Typing(3, 1, True, 5), Typing(3, 1, False, 6)]
    bus.publish(events[0], audience, origin)
    assert heard == [(name, events[0], audience, origin) for name in ("first", "second")]
    bus.publish(events[1], audience)
    assert heard[2:] == [(name, events[1], audience, None) for name in ("first", "second")]
    assert await bus.healthy() is None
    await bus.close()
