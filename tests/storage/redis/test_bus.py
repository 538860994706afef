"""What crosses between nodes, in which order, and how loss shows. On a real Redis."""

import asyncio
import random

import pytest

from domain.events import LoginRevoked, MessageSent, PresenceChanged, ProfileChanged, Typing
from domain.model import Message, Profile
from domain.ports import Audience
from storage.redis import RedisServices, RedisSettings
from storage.redis.batches import MAX_BATCH_EVENTS
from storage.redis.bus import BARRIER_S
from tests.servers.redis import RedisServer
from tests.storage.redis.world import FAST, Cluster, Node, until

SENDER = Profile(1, "sender", "sender")
REVOKED = LoginRevoked(5, "login", 10)
"""What no store tells of later."""


def sent(seq: int, content: str = "x") -> MessageSent:
    message = Message(
        id=seq, conversation_id=7, seq=seq, sender_id=1, content=content, created_at_ms=1, updated_at_ms=1
    )
    return MessageSent(message, SENDER)


async def arrive(node: Node, *user_ids: int) -> None:
    for user_id in user_ids:
        await node.presence.arriving(user_id)
        node.presence.connected(user_id)


def typing(at_ms: int) -> Typing:
    return Typing(7, 1, True, at_ms)


async def test_a_message_goes_to_the_nodes_of_its_audience_with_the_users_there(cluster: Cluster) -> None:
    one, two, three = [await cluster.node(name) for name in ("one", "two", "three")]
    await arrive(two, 20, 21)
    await arrive(three, 30)
    origin = object()
    one.bus.publish(sent(1), Audience((10, 20, 21, 99), 7, without=10), origin)
    one.bus.publish(sent(2), Audience((10, 20, 30), 7))
    await until(lambda: len(two.heard) == 2 and len(three.heard) == 1)
    assert one.heard[0] == (sent(1), Audience((10, 20, 21, 99), 7, without=10), origin)
    assert two.heard == [(sent(1), Audience([20, 21], 7, without=10), None), (sent(2), Audience([20], 7), None)]
    assert three.heard == [(sent(2), Audience([30], 7), None)]


async def test_what_changes_caches_goes_to_all_nodes(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    events = [LoginRevoked(5, "login", 10), ProfileChanged(SENDER), PresenceChanged(5, True, 1)]
    for event in events:
        one.bus.publish(event, Audience((5,), 3))
    await until(lambda: len(two.heard) == 3)
    assert two.heard == [(event, Audience([], 3), None) for event in events]


async def test_settled_means_that_every_node_has_heard_what_changes_caches(cluster: Cluster) -> None:
    one, two, three = [await cluster.node(name) for name in ("one", "two", "three")]
    for number in range(20):
        one.bus.publish(LoginRevoked(5, f"login{number}", 10), Audience((5,)))
        one.bus.publish(sent(number), Audience((5,), 7))
        await one.bus.settled()
        assert len(two.heard) == len(three.heard) == number + 1
    async with asyncio.timeout(BARRIER_S / 2):
        await one.bus.settled()  # nobody is asked again
    await two.crash()
    one.bus.publish(LoginRevoked(5, "login", 10), Audience((5,)))
    async with asyncio.timeout(BARRIER_S + 1):
        await one.bus.settled()
    assert len(three.heard) == 21


async def test_the_members_of_a_large_group_are_looked_up_again_when_they_come_and_go(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    seats = dict.fromkeys(range(100))
    audience = Audience(seats.keys(), 7)
    await arrive(two, 5)
    one.bus.publish(sent(1), audience)
    await asyncio.sleep(0)
    await arrive(two, 6)
    one.bus.publish(sent(2), audience)
    del seats[5]
    one.bus.publish(PresenceChanged(5, True, 1), Audience((), 7))
    one.bus.publish(sent(3), audience)
    await until(lambda: len(two.heard) == 4)
    assert [list(audience.user_ids) for event, audience, _ in two.heard if type(event) is MessageSent] == [
        [5],
        [5, 6],
        [6],
    ]


async def test_everything_arrives_once_and_in_order(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    await arrive(two, 20)
    count, chance = MAX_BATCH_EVENTS * 3, random.Random(1)
    for seq in range(count):
        one.bus.publish(sent(seq), Audience((20, seq % 3), 7))
        if chance.random() < 0.01:
            await asyncio.sleep(0)
    await until(lambda: len(two.heard) >= count)
    assert [event.message.seq for event in two.events if isinstance(event, MessageSent)] == list(range(count))
    stats = two.bus.stats
    assert (stats.events_received, stats.gaps, stats.duplicates, two.missed) == (count, 0, 0, [])
    assert stats.batches_received < count / 5, "events of a tick share an entry"
    assert one.bus.stats.events_sent == count


async def test_a_handler_that_fails_stops_nothing(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")

    def fail(event: object, audience: object, origin: object) -> None:
        raise ValueError("a defect")

    two.bus.subscribe(fail)
    await arrive(two, 20)
    one.bus.publish(sent(1), Audience((20,), 7))
    one.bus.publish(sent(2), Audience((20,), 7))
    await until(lambda: len(two.heard) == 2)


async def test_lag_and_canary(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    lags: list[float] = []
    two.bus.stats.observe = lags.append
    await arrive(two, 20)
    one.bus.publish(sent(1), Audience((20,), 7))
    await until(lambda: two.heard)
    assert 0 <= lags[-1] < 5
    assert 0 < await one.bus.canary(5) < 5


async def test_a_trimmed_stream_shows(cluster: Cluster) -> None:
    one = await cluster.node("one")
    two = await cluster.node("two")
    await arrive(two, 20)
    reading = two.bus._tasks[1]
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    for seq in (1, 2):
        one.bus.publish(sent(seq), Audience((20,), 7))
        await until(lambda: not any(peer.unsent or peer.has_news for peer in one.bus._peers.values()))
    stream = two.bus._membership.stream
    await one.services._client.execute_command("XTRIM", stream, "MAXLEN", 1)
    assert two.missed == []
    two.bus._tasks[1] = asyncio.create_task(two.bus._keep("reading", two.bus._read))
    await until(lambda: two.missed)
    assert [event for event in two.events if isinstance(event, MessageSent)] in ([], [sent(2)])
    assert two.bus.stats.gaps == 1
    one.bus.publish(sent(3), Audience((20,), 7))
    await until(lambda: sent(3) in two.events)


async def test_the_last_entry_of_all_is_missed_within_a_heartbeat(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    await arrive(two, 20)
    reading = two.bus._tasks[1]
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    one.bus.publish(sent(1), Audience((20,), 7))
    await until(lambda: not any(peer.unsent or peer.has_news for peer in one.bus._peers.values()))
    await one.services._client.execute_command("XTRIM", two.bus._membership.stream, "MAXLEN", 0)
    two.bus._tasks[1] = asyncio.create_task(two.bus._keep("reading", two.bus._read))
    await until(lambda: two.missed, timeout_s=2)


async def test_redis_lost_and_back_empty(own_server: RedisServer) -> None:
    cluster = Cluster(own_server.url)
    one, two = await cluster.node("one"), await cluster.node("two")
    await arrive(two, 20)
    one.bus.complete_up_to("before")
    own_server.kill()
    await until(lambda: one.bus.trouble and two.bus.trouble)
    assert "cannot be reached" in (await one.bus.healthy() or "")
    one.bus.complete_up_to("meanwhile")
    one.bus.publish(sent(1), Audience((10, 20), 7))
    assert one.events == [sent(1)], "local delivery goes on"
    own_server.start()
    await until(lambda: not one.bus.trouble and not two.bus.trouble)
    await until(lambda: two.presence.is_online(20) and one.presence.is_online(20))
    await until(lambda: ("before", 0.0) in two.missed)
    assert (None, 0.0) in one.missed
    await until(lambda: one.bus.hears_all and two.bus.hears_all)
    one.bus.publish(sent(2), Audience((10, 20), 7))
    await until(lambda: sent(2) in two.events)
    assert two.events.count(sent(2)) == 1
    assert await one.bus.healthy() is None
    assert one.lost == two.lost == []
    await cluster.close()


async def test_a_node_that_fell_silent_and_comes_back_is_told_what_it_may_have_missed(cluster: Cluster) -> None:
    one, two = await cluster.node("one"), await cluster.node("two")
    one.bus.complete_up_to("before")
    await two.crash()
    await until(lambda: one.bus.stats.peers == 0)
    one.bus.complete_up_to("meanwhile")
    two.bus._tasks = [
        asyncio.create_task(two.bus._keep("writing", two.bus._write)),
        asyncio.create_task(two.bus._keep("reading", two.bus._read)),
        asyncio.create_task(two.bus._beating()),
    ]
    await until(lambda: ("before", 0.0) in two.missed)
    await until(lambda: one.bus.hears_all and two.bus.hears_all)


async def test_who_arrives_while_redis_is_away_is_not_taken_for_known(own_server: RedisServer) -> None:
    """Part of what the others publish may come all the same, and names the users that they know."""
    cluster = Cluster(own_server.url)
    _, two = await cluster.node("one"), await cluster.node("two")
    two.bus._fails("heartbeat", "a heartbeat was not answered")
    assert two.bus.hears_all
    await arrive(two, 20)
    assert not two.bus.hears_all
    two.missed.clear()
    await until(lambda: two.bus.hears_all and not two.bus.trouble)
    assert (None, 0.0) in two.missed
    await cluster.close()


async def test_redis_lost_and_back_with_its_data(own_server: RedisServer) -> None:
    cluster = Cluster(own_server.url)
    one, two = await cluster.node("one"), await cluster.node("two")
    await arrive(two, 20)
    own_server.save()
    own_server.kill()
    await until(lambda: one.bus.trouble and two.bus.trouble)
    two.missed.clear()
    one.bus.publish(sent(1), Audience((20,), 7))
    one.bus.publish(REVOKED, Audience((20,)))
    own_server.start()
    await until(lambda: REVOKED in two.events)
    assert two.missed
    assert two.events == [REVOKED], "the store has the message; who came meanwhile would hear it too late"
    assert two.bus.stats.left_out == 1
    await cluster.close()


async def test_what_waits_for_redis_is_bounded_and_the_loss_shows(own_server: RedisServer) -> None:
    cluster = Cluster(own_server.url)
    one, two = await cluster.node("one"), await cluster.node("two")
    await arrive(two, 20)
    own_server.save()
    own_server.kill()
    await until(lambda: one.bus.trouble and two.bus.trouble)
    content = "x" * 100_000
    for seq in range(1, 100):
        one.bus.publish(sent(seq, content), Audience((20,), 7))
        one.bus.publish(typing(seq), Audience((20,), 7))
    assert one.bus.stats.dropped >= 40
    (peer,) = one.bus._peers.values()
    assert peer._size <= 4 * 2**20
    own_server.start()
    await until(lambda: not one.bus.trouble and not two.bus.trouble)
    await until(lambda: two.bus.stats.gaps and one.bus.hears_all and two.bus.hears_all)
    one.bus.publish(sent(1000), Audience((20,), 7))
    await until(lambda: sent(1000) in two.events)
    assert two.bus.stats.gaps >= 1
    assert not any(isinstance(event, Typing) for event in two.events)
    await cluster.close()


@pytest.mark.slow
async def test_a_redis_that_hangs_is_noticed_and_publish_never_waits(own_server: RedisServer) -> None:
    cluster = Cluster(own_server.url)
    one, two = await cluster.node("one"), await cluster.node("two")
    await arrive(two, 20)
    own_server.stop()
    one.bus.publish(REVOKED, Audience((20,)))
    await until(lambda: one.bus.trouble and two.bus.trouble)
    assert "does not answer" in (one.bus.trouble or "")
    own_server.go_on()
    await until(lambda: not one.bus.trouble and not two.bus.trouble)
    await until(lambda: REVOKED in two.events)
    await until(lambda: one.bus.hears_all and two.bus.hears_all)
    assert two.events.count(REVOKED) == 1, "what was sent twice is heard once"
    await cluster.close()


async def test_out_of_memory_and_read_only_are_degraded_with_the_reason(own_server: RedisServer) -> None:
    cluster = Cluster(own_server.url)
    one = await cluster.node("one")
    await cluster.node("two")
    for setting, value, back, words in (
        ("maxmemory", "1", "0", "out of memory"),
        ("min-replicas-to-write", "1", "0", "refuses a command (NOREPLICAS)"),
    ):
        own_server.ask("CONFIG", "SET", setting, value)
        await until(lambda words=words: words in (one.bus.trouble or ""))
        own_server.ask("CONFIG", "SET", setting, back)
        await until(lambda: one.bus.trouble is None)
    own_server.ask("REPLICAOF", "127.0.0.1", "1")
    await until(lambda: "read-only" in (one.bus.trouble or ""))
    own_server.ask("REPLICAOF", "NO", "ONE")
    await until(lambda: one.bus.trouble is None)
    await cluster.close()


async def test_an_entry_of_another_version_is_a_gap(cluster: Cluster) -> None:
    one = await cluster.node("one")
    stream = one.bus._membership.stream
    await one.services._client.execute_command("XADD", stream, "*", "b", b"\x93\x01\x02\x03")
    await until(lambda: one.missed)


async def test_nothing_is_left_behind(redis_url: str) -> None:
    services = RedisServices(redis_url, "one", Node(redis_url, "unused").clock, RedisSettings(heartbeat_s=0.2))
    await services.start()
    await asyncio.sleep(0)
    await services.close()
    other = Node(redis_url, "other", FAST)
    await other.services.start()
    keys = await other.services._client.execute_command("KEYS", "*node:*")
    assert keys == [other.bus._membership.stream.encode()]
    await other.services.close()
