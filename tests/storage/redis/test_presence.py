"""The presence directory of several nodes: who is where, and what happens when a node dies. On a real Redis."""

import asyncio
import random
from pathlib import Path

from domain.events import Event, PresenceChanged
from domain.ports import Audience
from storage.redis.presence import GONE, LEAVING, RedisPresenceDirectory
from tests.servers.redis import RedisServer
from tests.storage.redis.service import ServiceNode, service
from tests.storage.redis.test_catch_up import accounts
from tests.storage.redis.world import Cluster, until
from tests.world import TestClock


async def test_every_node_knows_who_is_where(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    assert one.presence.connected(5)
    await until(lambda: two.presence.is_online(5))
    assert two.presence.connected(5) is False
    two.presence.connected(6)
    await until(lambda: one.presence.session_count == 3)
    assert sorted(one.presence.online()) == sorted(two.presence.online()) == [5, 6]
    assert one.presence.disconnected(5) is False, "there is one elsewhere"
    await until(lambda: two.presence.session_count == 2)
    assert two.presence.disconnected(5) is True
    await until(lambda: one.presence.session_count == 1)
    assert one.presence.is_online(5), "the node still waits for the user to come back"
    assert one.presence.connected(5) is False
    await until(lambda: two.presence.is_online(5))
    two.presence.left(5)
    one.presence.disconnected(5)
    await until(lambda: not two.presence.is_online(5) or one.presence.disconnected(5) is False)


async def test_one_who_joins_is_told_of_all(cluster: Cluster) -> None:
    one = await cluster.node("one")
    for user_id in range(3):
        one.presence.connected(user_id)
    two = await cluster.node("two")
    await until(lambda: sorted(two.presence.online()) == [0, 1, 2])
    assert two.presence.session_count == 3


async def test_arriving_returns_when_events_come(cluster: Cluster) -> None:
    nodes = [await cluster.node(name) for name in ("one", "two", "three")]
    for user_id in range(50):
        await nodes[0].presence.arriving(user_id)
        assert all(node.presence.routes[user_id] == (nodes[0].name,) for node in nodes[1:])
        assert not any(node.presence.is_online(user_id) for node in nodes)
    await asyncio.gather(*(nodes[1].presence.arriving(user_id) for user_id in range(100, 300)))
    assert all(user_id in nodes[2].presence.routes for user_id in range(100, 300))


async def test_one_who_never_came_is_forgotten(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    await one.presence.arriving(5)
    assert 5 in two.presence.routes
    one.clock.at_ms += 60_000
    await until(lambda: 5 not in two.presence.routes)
    assert two.lost == one.lost == []


async def test_a_node_that_dies_takes_its_users_with_it_and_one_is_told(cluster: Cluster) -> None:
    nodes = [await cluster.node(name) for name in ("one", "two", "three", "four")]
    for user_id in (1, 2, 3):
        nodes[3].presence.connected(user_id)
    nodes[1].presence.connected(3)
    await until(lambda: all(node.presence.session_count == 4 for node in nodes))
    await nodes[3].crash()
    await until(lambda: all(node.presence.session_count == 1 for node in nodes[:3]))
    assert [lost for node in nodes[:3] for lost in node.lost] == [{1, 2}]
    assert all(any(for_s > 0 for _, for_s in node.missed) for node in nodes[:3]), "it may only be cut off"


async def test_a_node_that_stops_says_so(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    two.presence.connected(5)
    await until(lambda: one.presence.is_online(5))
    await two.services.close()
    await until(lambda: one.lost == [{5}])
    assert one.missed == []


async def test_two_last_sessions_that_end_at_once(cluster: Cluster) -> None:
    """Each node believes the other has one; then one of them is told to take the user offline."""
    one, two = await cluster.node("one"), await cluster.node("two")
    one.presence.connected(5)
    two.presence.connected(5)
    await until(lambda: one.presence.session_count == two.presence.session_count == 2)
    assert (one.presence.disconnected(5), two.presence.disconnected(5)) == (False, False)
    await until(lambda: one.lost or two.lost)
    await until(lambda: not one.presence.is_online(5) and not two.presence.is_online(5))
    assert one.lost + two.lost == [{5}]


async def test_a_node_that_was_stopped_comes_back_to_the_others(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    two.presence.connected(5)
    two.bus.complete_up_to("before")
    await until(lambda: one.presence.is_online(5))
    for task in two.bus._tasks:
        task.cancel()
    await asyncio.gather(*two.bus._tasks, return_exceptions=True)
    await until(lambda: one.lost == [{5}])
    two.bus._tasks = [
        asyncio.create_task(two.bus._keep("writing", two.bus._write)),
        asyncio.create_task(two.bus._keep("reading", two.bus._read)),
        asyncio.create_task(two.bus._beating()),
    ]
    await until(lambda: one.presence.is_online(5))
    await until(lambda: ("before", 0.0) in one.missed)
    assert (None, 0.0) in two.missed


async def test_redis_is_the_only_clock(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    two.clock.at_ms += 10**9
    two.presence.connected(5)
    await until(lambda: one.presence.is_online(5))
    await asyncio.sleep(1)
    assert one.presence.is_online(5)
    assert one.lost == []


async def test_nodes_that_died_with_redis(own_server: RedisServer) -> None:
    """No heartbeat will find them, for Redis knows nothing of them."""
    cluster = Cluster(own_server.url)
    nodes = [await cluster.node(name) for name in ("one", "two", "three")]
    nodes[2].presence.connected(5)
    nodes[1].presence.connected(6)
    await until(lambda: all(node.presence.session_count == 2 for node in nodes))
    own_server.kill()
    await nodes[2].crash()
    own_server.start()
    await until(lambda: nodes[0].lost or nodes[1].lost)
    assert nodes[0].lost + nodes[1].lost == [{5}]
    assert nodes[0].presence.is_online(6)
    await cluster.close()


class Announcements:
    """Presence events as the handlers of one node hear them."""

    def __init__(self, node: ServiceNode) -> None:
        self.heard: list[tuple[int, bool]] = []
        node.bus.subscribe(self._hear)

    def _hear(self, event: Event, audience: Audience, origin: object | None) -> None:
        if isinstance(event, PresenceChanged):
            self.heard.append((event.user_id, event.is_online))


async def test_users_of_a_dead_node_go_offline_once_on_each_node(tmp_path: Path, redis_url: str) -> None:
    async with service(tmp_path, redis_url, "abc") as nodes:
        ann, bob = await accounts(nodes[0], "ann", "bob")
        announced = [Announcements(node) for node in nodes]
        await nodes[2].listen(ann.id)
        await until(lambda: all(each.heard == [(ann.id, True)] for each in announced))
        await nodes[2].crash()
        await until(lambda: all(len(each.heard) == 2 for each in announced[:2]))
        await nodes[0].listen(bob.id)
        await until(lambda: all(len(each.heard) == 3 for each in announced[:2]))
        assert announced[0].heard == announced[1].heard == [(ann.id, True), (ann.id, False), (bob.id, True)]
        assert await nodes[1].rules.presence.last_seen_ms(ann.id) is not None


async def test_a_user_who_moves_between_nodes_makes_no_noise(tmp_path: Path, redis_url: str) -> None:
    async with service(tmp_path, redis_url) as nodes:
        ann, bob = await accounts(nodes[0], "ann", "bob")
        announced = [Announcements(node) for node in nodes]
        first = await nodes[0].listen(ann.id)
        await until(lambda: all(each.heard == [(ann.id, True)] for each in announced))
        nodes[0].gateway.edge.detach(first.peer.connection)
        await nodes[1].listen(ann.id)
        await asyncio.sleep(0.5)
        await nodes[0].listen(bob.id)
        await until(lambda: all(len(each.heard) == 2 for each in announced))
        assert [each.heard for each in announced] == [[(ann.id, True), (bob.id, True)]] * 2


def test_any_history_told_in_changes_or_whole_gives_the_same_table() -> None:
    chance = random.Random(3)
    for _ in range(50):
        owner, told, late = (RedisPresenceDirectory(TestClock()) for _ in range(3))
        changed: set[int] = set()
        owner.changed = changed.add
        for _ in range(60):
            user_id = chance.randrange(6)
            step = chance.choice((owner.connected, owner.disconnected, owner.left))
            step(user_id)
            if chance.random() < 0.3:
                told.apply("owner", owner.states(changed))
                changed.clear()
        told.apply("owner", owner.states(changed))
        late.replace("owner", {1: 7, 99: 1})
        late.replace("owner", owner.states())
        assert sorted(told.online()) == sorted(late.online())
        assert told.session_count == late.session_count == owner.session_count
        assert told.routes == late.routes
        assert {user_id for user_id in told.online() if told.is_online(user_id)} == set(told.online())
        assert told.forget("owner") is not None
        assert (told.session_count, dict(told.routes), set(told.online())) == (0, {}, set())


def test_who_is_told_offline_by_whom() -> None:
    directory = RedisPresenceDirectory(TestClock())
    assert directory.apply("a", {1: 1, 2: 1, 3: LEAVING}) == []
    assert directory.apply("b", {1: 1}) == []
    assert directory.apply("a", {1: GONE}) == [], "there is one at b"
    assert directory.apply("b", {1: GONE}) == [1]
    assert directory.forget("a") == [2, 3]
