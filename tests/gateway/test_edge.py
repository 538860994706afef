"""The life of a connection: how long a stranger may stay, what a resume may replay, what is left when it is gone."""

import asyncio
import contextlib
import gc
from pathlib import Path

import pytest

from domain.events import ProfileChanged
from domain.model import Draft, Profile
from domain.ports import Audience
from gateway.config import GatewayConfig
from gateway.edge import SETTLED_TURNS
from gateway.session import Session
from protocol.close_codes import CloseCode
from protocol.commands import Ping, Sync
from protocol.native.packets import HeartbeatPacket, MessagePacket, PongPacket, SyncedPacket
from tests.gateway.world import gateway, sent
from tests.world import PASSWORD

EMPTY_FRAME = bytes(4)


async def test_a_stranger_gains_no_time_by_talking(tmp_path: Path) -> None:
    async with gateway(tmp_path, GatewayConfig(hello_timeout_s=0.2, heartbeat_s=5)) as running:
        stranger, member = await running.stranger(), await running.session(5)
        async with asyncio.timeout(5):
            while not stranger.connection.close_code:
                with contextlib.suppress(OSError):
                    stranger.end.send(EMPTY_FRAME)
                await asyncio.sleep(0.01)
        assert stranger.connection.close_code == CloseCode.HELLO_TIMEOUT
        assert not member.connection.close_code


async def test_a_busy_session_gets_its_heartbeats_too(tmp_path: Path) -> None:
    """Clients whose library pings on its own would never see one."""
    async with gateway(tmp_path, GatewayConfig(heartbeat_s=0.1)) as running:
        member, stranger = await running.session(5), await running.stranger()
        heard = asyncio.create_task(member.until(3))
        while not heard.done():
            for peer in (member, stranger):
                peer.end.send(EMPTY_FRAME)
            await asyncio.sleep(0.01)
        assert {type(packet) for packet in await heard} == {HeartbeatPacket}
        with pytest.raises(BlockingIOError):
            stranger.end.recv(1)


async def test_nothing_of_a_session_waits_for_the_garbage_collector(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        gc.collect()
        gc.disable()
        try:
            peers = [await running.session(5), await running.stranger()]
            for peer in peers:
                peer.end.close()
            async with asyncio.timeout(5):
                while running.stats.connections:
                    await asyncio.sleep(0.001)
            assert not [each for each in gc.get_objects() if isinstance(each, Session)]
        finally:
            gc.enable()


@pytest.mark.parametrize(("count", "recovered"), [(10, True), (60, False)])
async def test_a_replay_never_overflows_the_outbox(tmp_path: Path, count: int, recovered: bool) -> None:
    """Cut off as too slow, the client would come back to the same replay for ever."""
    async with gateway(tmp_path, GatewayConfig(outbox_bytes=200_000)) as running:
        rules = running.rules
        alice, bob = [
            (await rules.accounts.register(username=name, password=PASSWORD)).profile for name in ("alice", "bob")
        ]
        conversation = await rules.conversations.open_single(alice, bob.id)
        position = await rules.stores.sync.position()
        for _ in range(count):
            draft = Draft(conversation_id=conversation.id, sender_id=alice.id, content="x" * 5000)
            await rules.messages.send(alice, draft)
        peer = await running.session(bob.id)
        running.edge.dispatch(peer.connection.session, Sync(running.edge.epoch, position, [], 7))
        packets = await peer.until(count + 1 if recovered else 1)
        replayed = [packet.seq for packet in packets if isinstance(packet, MessagePacket)]
        assert replayed == (list(range(1, count + 1)) if recovered else [])
        assert [packet.recovered for packet in packets if isinstance(packet, SyncedPacket)] == [recovered]
        assert not peer.connection.close_code


async def test_what_the_client_has_seen_is_not_told_again_during_its_replay(tmp_path: Path) -> None:
    """Another process, or the store, may tell of it only now."""
    async with gateway(tmp_path) as running:
        position = await running.rules.stores.sync.position()
        peer = await running.session(5)
        session = peer.connection.session
        running.edge.dispatch(session, Sync(running.edge.epoch, position, [(7, 2)], 7))
        assert session.held is not None
        for seq in (1, 2, 3):
            running.hub.on_event(sent(seq), Audience((5,), 7))
        packets = await peer.until(2)
        assert isinstance(packets[0], SyncedPacket)
        assert [packet.seq for packet in packets if isinstance(packet, MessagePacket)] == [3]


async def test_what_is_committed_and_told_only_after_the_replay_comes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with gateway(tmp_path) as running:
        rules = running.rules
        rules.bus.subscribe(running.hub.on_event)
        alice, bob = [
            (await rules.accounts.register(username=name, password=PASSWORD)).profile for name in ("alice", "bob")
        ]
        conversation = await rules.conversations.open_single(alice, bob.id)
        position = await rules.stores.sync.position()
        peer = await running.session(bob.id)
        late: list[tuple[object, ...]] = []
        monkeypatch.setattr(rules.messages, "announce", lambda *arguments: late.append(arguments))
        draft = Draft(conversation_id=conversation.id, sender_id=alice.id, content="x")
        await rules.messages.send(alice, draft)
        running.edge.dispatch(peer.connection.session, Sync(running.edge.epoch, position, [], 7))
        packets = await peer.until(2)
        assert [packet.seq for packet in packets if isinstance(packet, MessagePacket)] == [1]
        monkeypatch.undo()
        for arguments in late:
            rules.messages.announce(*arguments)
        await rules.messages.send(alice, draft)
        packets = await peer.until(len(packets) + 1)
        assert [packet.seq for packet in packets if isinstance(packet, MessagePacket)] == [1, 2]


async def test_a_position_is_handed_out_when_what_it_covers_has_been_told(tmp_path: Path) -> None:
    """Up to 15 s after the commit, when its answer was lost."""
    async with gateway(tmp_path) as running:
        edge, rules = running.edge, running.rules
        first = edge.position
        ann, bob = [
            (await rules.accounts.register(username=name, password=PASSWORD)).profile for name in ("ann", "bob")
        ]
        conversation = await rules.conversations.open_single(ann, bob.id)
        await rules.messages.send(ann, Draft(conversation_id=conversation.id, sender_id=ann.id, content="x"))
        now = await rules.stores.sync.position()
        assert now != first
        for _ in range(SETTLED_TURNS):
            await edge._read_position()
            assert edge.position == first
        await edge._read_position()
        assert edge.position == now


async def test_among_other_processes_a_position_is_what_was_heard_and_not_what_is_stored(tmp_path: Path) -> None:
    """A client that resumes from a position that covers what never came here would have a gap that nobody tells of."""
    async with gateway(tmp_path) as running:
        rules = running.rules
        alice, bob = [
            (await rules.accounts.register(username=name, password=PASSWORD)).profile for name in ("alice", "bob")
        ]
        running.edge.complete_position = lambda: "heard"
        conversation = await rules.conversations.open_single(alice, bob.id)
        await rules.messages.send(alice, Draft(conversation_id=conversation.id, sender_id=alice.id, content="x"))
        for _ in range(2):
            await running.edge._read_position()
        peer = await running.session(bob.id)
        running.edge.dispatch(peer.connection.session, Ping(7))
        (pong,) = await peer.until(1)
        assert isinstance(pong, PongPacket)
        assert pong.position == "heard"


async def test_an_open_session_speaks_under_the_new_name(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        peer, other = await running.session(5), await running.session(6)
        renamed = Profile(5, "u5", "renamed")
        running.hub.on_event(ProfileChanged(renamed), Audience((5,)))
        assert peer.connection.session.profile == renamed
        assert other.connection.session.profile == Profile(6, "u6", "u6")


async def test_the_rate_limit_refuses_and_then_closes(tmp_path: Path) -> None:
    config = GatewayConfig(rate_per_s=0.001, rate_burst=5, max_refused=3)
    async with gateway(tmp_path, config) as running:
        session = (await running.session(5)).connection.session
        taken = [session.take() for _ in range(9)]
        assert not any(taken[:5])
        assert all(wait_s > 900 for wait_s in taken[6:])
        assert not session.connection.close_code
        session.take()
        assert session.connection.close_code == CloseCode.RATE_LIMIT_ABUSED


async def test_the_oldest_of_too_many_sessions_goes(tmp_path: Path) -> None:
    async with gateway(tmp_path, GatewayConfig(max_sessions_per_user=2)) as running:
        oldest, older, newest = [await running.session(5) for _ in range(3)]
        assert oldest.connection.close_code == CloseCode.REPLACED
        assert running.hub.of(5) == [newest.connection.session, older.connection.session]
        assert running.rules.presence.is_online(5)


async def test_a_connection_that_comes_while_draining_is_sent_off(tmp_path: Path) -> None:
    async with gateway(tmp_path, GatewayConfig(drain_s=0)) as running:
        await running.edge.drain()
        await running.stranger()
        async with asyncio.timeout(5):
            while running.stats.connections:
                await asyncio.sleep(0.001)
