"""Sessions on two nodes while Redis fails under them: nothing lost, nothing doubled, one order."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from domain.model import Profile
from tests.servers.redis import RedisServer
from tests.storage.redis.service import Listener, ServiceNode, service
from tests.storage.redis.world import until


async def accounts(node: ServiceNode, *names: str) -> list[Profile]:
    accounts = node.rules.accounts
    return [(await accounts.register(username=name, password="correct horse")).profile for name in names]


async def group_of(node: ServiceNode, people: Sequence[Profile]) -> int:
    made = await node.rules.conversations.create_group(people[0], [each.id for each in people[1:]], name="g")
    return made.id


class Traffic:
    """Messages from both nodes until `stop`."""

    def __init__(self, nodes: Sequence[ServiceNode], senders: Sequence[Profile], conversation_id: int) -> None:
        self.count = 0
        self._going = True
        self._tasks = [
            asyncio.create_task(self._send(node, sender, conversation_id))
            for node, sender in zip(nodes, senders, strict=True)
        ]

    async def _send(self, node: ServiceNode, sender: Profile, conversation_id: int) -> None:
        while self._going:
            await node.send(sender, conversation_id)
            self.count += 1
            await asyncio.sleep(0.005)

    async def more(self, messages: int) -> None:
        wanted = self.count + messages
        await until(lambda: self.count >= wanted)

    async def stop(self) -> int:
        self._going = False
        await asyncio.gather(*self._tasks)
        return self.count


async def heard_all(listeners: Sequence[Listener], conversation_id: int, count: int) -> None:
    """Each has heard 1 to `count`, once and in order."""
    expected = list(range(1, count + 1))
    try:
        await until(lambda: all(len(each.messages) >= count for each in listeners))
    except TimeoutError:
        pass
    for listener in listeners:
        assert listener.seqs(conversation_id) == expected


@pytest.fixture
def breaks(own_server: RedisServer) -> dict[str, Callable[[], object]]:
    def kill_and_start_empty() -> None:
        own_server.kill()
        own_server.start()

    def save_kill_and_start() -> None:
        own_server.save()
        own_server.kill()
        own_server.start()

    return {
        "restarted empty": kill_and_start_empty,
        "restarted with its data": save_kill_and_start,
        "emptied": lambda: own_server.ask("FLUSHALL"),
        "killed": own_server.kill,
    }


@pytest.mark.parametrize("fault", ["restarted empty", "restarted with its data", "emptied", "killed"])
async def test_nothing_is_lost_or_doubled(
    fault: str, tmp_path: Path, own_server: RedisServer, breaks: dict[str, Callable[[], object]]
) -> None:
    async with service(tmp_path, own_server.url) as nodes:
        ann, bob, carol = await accounts(nodes[0], "ann", "bob", "carol")
        group = await group_of(nodes[0], [ann, bob, carol])
        listeners = [await nodes[0].listen(carol.id), await nodes[1].listen(carol.id)]
        traffic = Traffic(nodes, [ann, bob], group)
        await traffic.more(20)
        breaks[fault]()
        await traffic.more(60)
        if fault == "killed":
            own_server.start()
        await until(lambda: all(node.bus.trouble is None for node in nodes))
        await traffic.more(20)
        await heard_all(listeners, group, await traffic.stop())


async def test_streams_that_are_trimmed_all_the_time(tmp_path: Path, own_server: RedisServer) -> None:
    async with service(tmp_path, own_server.url) as nodes:
        ann, bob, carol = await accounts(nodes[0], "ann", "bob", "carol")
        group = await group_of(nodes[0], [ann, bob, carol])
        listeners = [await nodes[0].listen(carol.id), await nodes[1].listen(carol.id)]
        traffic = Traffic(nodes, [ann, bob], group)
        for _ in range(20):
            for node in nodes:
                own_server.ask("XTRIM", node.bus._membership.stream, "MAXLEN", "0")
            await traffic.more(3)
        await heard_all(listeners, group, await traffic.stop())


@pytest.mark.slow
async def test_a_redis_that_hangs(tmp_path: Path, own_server: RedisServer) -> None:
    async with service(tmp_path, own_server.url) as nodes:
        ann, bob, carol = await accounts(nodes[0], "ann", "bob", "carol")
        group = await group_of(nodes[0], [ann, bob, carol])
        listeners = [await nodes[0].listen(carol.id), await nodes[1].listen(carol.id)]
        traffic = Traffic(nodes, [ann, bob], group)
        await traffic.more(20)
        own_server.stop()
        await until(lambda: all(node.bus.trouble for node in nodes))
        await traffic.more(20)
        own_server.go_on()
        await until(lambda: not any(node.bus.trouble for node in nodes))
        await traffic.more(20)
        await heard_all(listeners, group, await traffic.stop())


async def test_sessions_that_come_and_go_miss_nothing_after_their_greeting(tmp_path: Path, redis_url: str) -> None:
    """From the first message that a session hears, it hears all; and it hears what is sent once it is greeted."""
    async with service(tmp_path, redis_url) as (one, two):
        ann, bob = await accounts(one, "ann", "bob")
        group = await group_of(one, [ann, bob])
        traffic = Traffic([one], [ann], group)
        for _ in range(15):
            listener = await two.listen(bob.id)
            stored = await one.rules.stores.messages.history(bob.id, group, limit=1, newest=True)
            newest = max((message.seq for message in stored[0]), default=0)
            await until(lambda listener=listener, newest=newest: (listener.seqs(group) or [0])[-1] > newest + 3)
            seqs = listener.seqs(group)
            assert seqs == list(range(seqs[0], seqs[-1] + 1))
            assert seqs[0] <= newest + 1
            two.gateway.edge.detach(listener.peer.connection)
            await until(lambda: not two.services.presence.here())
            await asyncio.sleep(0.01)
        await traffic.stop()


async def test_without_redis_messages_and_changes_cross_within_about_a_second(
    tmp_path: Path, own_server: RedisServer
) -> None:
    async with service(tmp_path, own_server.url) as (one, two):
        ann, bob = await accounts(one, "ann", "bob")
        group = await group_of(one, [ann, bob])
        listener = await two.listen(bob.id)
        await two.send(bob, group)
        own_server.kill()
        await until(lambda: one.bus.trouble and two.bus.trouble)
        await one.send(ann, group)
        await until(lambda: listener.seqs(group) == [1, 2], timeout_s=2)
        await one.rules.conversations.update_member(ann, group, bob.id, muted_until_ms=10**14)
        await until(lambda: any(type(each).__name__ == "MemberUpdatedPacket" for each in listener.others), timeout_s=2)
        assert (await two.rules.rosters.get(group)).seats[bob.id].muted_until_ms == 10**14
        await one.rules.conversations.remove_member(ann, group, bob.id)
        await until(lambda: any(type(each).__name__ == "MemberRemovedPacket" for each in listener.others), timeout_s=2)


async def test_a_login_that_ended_and_an_account_that_was_closed_meanwhile(
    tmp_path: Path, own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.catch_up.EVERYTHING_S", 0.5)
    async with service(tmp_path, own_server.url) as (one, two):
        ann, bob = await accounts(one, "ann", "bob")
        first, second = await two.listen(ann.id), await two.listen(bob.id)
        first.peer.connection.session.login_id = "gone"
        own_server.kill()
        await until(lambda: one.bus.trouble and two.bus.trouble)
        await one.rules.accounts.set_active(bob.id, False)
        await until(lambda: second.peer.connection.close_code == 4403)
        assert first.peer.connection.close_code == 0


async def test_more_than_can_be_made_up_for_sends_the_sessions_to_resume(
    tmp_path: Path, own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.catch_up.MAX_NEWS", 3)
    async with service(tmp_path, own_server.url) as (one, two):
        ann, bob = await accounts(one, "ann", "bob")
        group = await group_of(one, [ann, bob])
        listener = await two.listen(bob.id)
        own_server.kill()
        for _ in range(5):
            await one.send(ann, group)
        await until(lambda: two.resyncs)
        assert listener.peer.connection.close_code == 4001
