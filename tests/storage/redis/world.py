"""Some nodes of one service in one process."""

import asyncio
from collections.abc import Callable

from domain.events import Event
from domain.ports import Audience
from storage.redis import RedisServices, RedisSettings
from tests.world import TestClock

FAST = RedisSettings(heartbeat_s=0.2)


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


class Node:
    """The services of a node, and what its handlers were given."""

    def __init__(self, url: str, name: str, settings: RedisSettings = FAST) -> None:
        self.clock = TestClock()
        self.services = RedisServices(url, name, self.clock, settings)
        self.bus = self.services.bus
        self.presence = self.services.presence
        self.name = self.services.node
        self.heard: list[tuple[Event, Audience, object | None]] = []
        self.missed: list[tuple[str | None, float]] = []
        self.lost: list[set[int]] = []
        self.bus.subscribe(lambda event, audience, origin: self.heard.append((event, audience, origin)))
        self.bus.when_missed(lambda since, for_s: self.missed.append((since, for_s)))
        self.presence.when_lost(lambda user_ids: self.lost.append(set(user_ids)))

    @property
    def events(self) -> list[Event]:
        return [event for event, _, _ in self.heard]

    async def crash(self) -> None:
        """Ends without a word, as kill -9 would have it."""
        for task in self.bus._tasks:
            task.cancel()
        await asyncio.gather(*self.bus._tasks, return_exceptions=True)
        self.bus._tasks.clear()


class Cluster:
    """`node` starts another one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.nodes: list[Node] = []

    async def node(self, name: str, settings: RedisSettings = FAST) -> Node:
        """Started, and known to all the others, who have looked at what it did before."""
        node = Node(self.url, name, settings)
        self.nodes.append(node)
        await node.services.start()
        count = sum(bool(each.bus._tasks) for each in self.nodes) - 1
        running = [each for each in self.nodes if each.bus._tasks]
        await until(lambda: all(each.bus.stats.peers >= count and each.bus.hears_all for each in running))
        for each in running:
            each.missed.clear()
        return node

    async def close(self) -> None:
        for node in reversed(self.nodes):
            await node.services.close()
