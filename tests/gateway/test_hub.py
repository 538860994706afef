"""Sessions by user, and what a tick's fan-out puts on real sockets, in which order."""

import asyncio
from pathlib import Path

import pytest

from domain.events import MemberUpdated, Typing
from domain.ports import Audience
from gateway.config import GatewayConfig
from protocol.native.packets import MessagePacket
from tests.gateway.world import gateway, sent


async def test_sessions_come_and_go_in_any_order(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        peers = [await running.session(5) for _ in range(4)]
        sessions = [peer.connection.session for peer in peers]
        for gone in (1, 3, 0):
            running.hub.remove(sessions[gone], 5)
            running.hub.remove(sessions[gone], 5)
        assert running.hub.of(5) == [sessions[2]]
        assert len(running.hub) == 1
        running.hub.remove(sessions[2], 5)
        assert running.hub.of(5) == []


async def test_messages_of_a_tick_and_other_events_keep_their_order(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        peer, other = await running.session(5), await running.session(6)
        audience = Audience((5, 6), 7)
        change = MemberUpdated(7, 1, 5, "nick", None, 1)
        for event in (sent(1), sent(2), change, sent(3)):
            running.hub.before(event, audience)
            running.hub.on_event(event, audience, other.connection.session if event == sent(2) else None)
        kinds = [getattr(packet, "seq", type(packet).__name__) for packet in await peer.until(4)]
        assert kinds == [1, 2, "MemberUpdatedPacket", 3]
        kinds = [getattr(packet, "seq", type(packet).__name__) for packet in await other.until(3)]
        assert kinds == [1, "MemberUpdatedPacket", 3], "the session that sent a message does not get it"


async def test_messages_of_a_tick_may_be_for_different_members(tmp_path: Path) -> None:
    """As those that come from another process, which knows of some of the members here only."""
    async with gateway(tmp_path) as running:
        peer, other = await running.session(5), await running.session(6)
        for number, user_ids in enumerate([(5,), (5, 6), (6,), (6, 5)], 1):
            running.hub.on_event(sent(number), Audience(user_ids, 7))
        assert [packet.seq for packet in await peer.until(3) if isinstance(packet, MessagePacket)] == [1, 2, 4]
        assert [packet.seq for packet in await other.until(3) if isinstance(packet, MessagePacket)] == [2, 3, 4]


async def test_what_is_for_all_but_one(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        typist, other = await running.session(5), await running.session(6)
        running.hub.on_event(Typing(7, 5, True, 1), Audience((5, 6), 7, without=5))
        running.hub.on_event(sent(1), Audience((5, 6), 7))
        assert [type(packet).__name__ for packet in await other.until(2)] == ["TypingPacket", "MessagePacket"]
        assert [type(packet).__name__ for packet in await typist.until(1)] == ["MessagePacket"]


async def test_a_slow_session_misses_typing_keeps_messages_and_is_closed_at_the_limit(tmp_path: Path) -> None:
    async with gateway(tmp_path, GatewayConfig(outbox_bytes=300_000)) as running:
        slow = await running.session(5)
        seq = 0
        while not slow.connection.is_congested:
            seq += 1
            running.hub.on_event(sent(seq, "x" * 5000), Audience((5,), 7))
            await asyncio.sleep(0)
        running.hub.on_event(Typing(7, 6, True, 1), Audience((5,), 7))
        assert running.stats.drops["Typing"] == 1
        messages = await slow.until(seq)
        assert [packet.seq for packet in messages if isinstance(packet, MessagePacket)] == list(range(1, seq + 1))
        while not slow.connection.close_code:
            seq += 1
            running.hub.on_event(sent(seq, "x" * 5000), Audience((5,), 7))
            await asyncio.sleep(0)
        assert slow.connection.close_code == 4001
        assert running.hub.of(5) == []


@pytest.mark.parametrize("replayed", [0, 2])
async def test_a_replay_holds_events_back_and_drops_what_it_has_sent(tmp_path: Path, replayed: int) -> None:
    async with gateway(tmp_path) as running:
        peer = await running.session(5)
        session = peer.connection.session
        session.held = []
        running.hub.holding.add(session)
        for seq in (1, 2, 3):
            running.hub.on_event(sent(seq), Audience((5,), 7))
        await asyncio.sleep(0)
        running.hub.holding.discard(session)
        session.release({7: replayed})
        seqs = [packet.seq for packet in await peer.until(3 - replayed) if isinstance(packet, MessagePacket)]
        assert seqs == [1, 2, 3][replayed:]


async def test_events_that_were_held_back_keep_their_order(tmp_path: Path) -> None:
    async with gateway(tmp_path) as running:
        peer = await running.session(5)
        for event in (sent(1), MemberUpdated(7, 1, 5, "nick", None, 1), sent(2)):
            running.hub.on_event(event, Audience((5,), 7))
        kinds = [getattr(packet, "seq", type(packet).__name__) for packet in await peer.until(3)]
        assert kinds == [1, "MemberUpdatedPacket", 2]


async def test_what_a_session_has_seen_in_its_replay_is_left_out(tmp_path: Path) -> None:
    """A message may be read from the store before it is told: by another process, or after a commit of this one."""
    async with gateway(tmp_path) as running:
        resumed, other = await running.session(5), await running.session(5)
        running.hub.has_seen(resumed.connection.session, 5, {7: 2})
        for seq in (1, 2, 3):
            running.hub.on_event(sent(seq), Audience([5], 7))
        assert len(await other.until(3)) == 3
        assert [packet.seq for packet in await resumed.until(1) if isinstance(packet, MessagePacket)] == [3]
        running.hub.remove(resumed.connection.session, 5)
        assert running.hub._seen == {}
