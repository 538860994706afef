"""Sessions by user, and what a tick's fan-out puts on real sockets, in which order."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.accounts import Identity
from domain.events import MemberUpdated, MessageSent, Typing
from domain.model import DialectName, Message, Profile
from domain.ports import Audience
from domain.tokens import Claims
from gateway.config import GatewayConfig
from gateway.connection import TcpConnection
from gateway.dispatch import Commands
from gateway.edge import Edge
from gateway.hub import Hub
from gateway.stats import GatewayStats
from gateway.wire import over_tcp
from protocol.framing.tcp import TcpReader
from protocol.native.json_codec import NativeJson
from protocol.native.packets import MessagePacket, ServerPacket
from tests.world import Rules

CODEC = NativeJson()
SENDER = Profile(1, "sender", "sender")


class Peer:
    """The other end of a session's socket."""

    def __init__(self, connection: TcpConnection, end: socket.socket) -> None:
        self.connection = connection
        self._end = end
        self._reader = TcpReader(1 << 20)
        self.packets: list[ServerPacket] = []

    async def until(self, count: int) -> list[ServerPacket]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            while len(self.packets) < count:
                data = await loop.sock_recv(self._end, 65536)
                assert data, "the connection ended"
                for _, payload in self._reader.feed(data):
                    self.packets += CODEC.decode_packets(payload)
        return self.packets


class Gateway:
    """An edge over the real domain, with sessions on socket pairs."""

    def __init__(self, rules: Rules, config: GatewayConfig) -> None:
        loop = asyncio.get_running_loop()
        self.ends: list[socket.socket] = []
        self.stats = GatewayStats()
        self.hub = Hub(loop, self.stats)
        self.wire = over_tcp(CODEC, presence_on_request=True)
        self.edge = Edge(
            loop=loop,
            config=config,
            max_connections=1000,
            accounts=rules.accounts,
            presence=rules.presence,
            commands=Commands(
                messages=rules.messages,
                conversations=rules.conversations,
                presence=rules.presence,
                profiles=rules.profiles,
                sync=rules.stores.sync,
                clock=rules.clock,
            ),
            log_port=rules.stores.log,
            sync=rules.stores.sync,
            hub=self.hub,
            stats=self.stats,
            clock=rules.clock,
            spawn=rules.spawn,
            tcp_wires=(self.wire, self.wire),
            version="test",
        )

    async def session(self, user_id: int) -> Peer:
        """An authenticated one; its welcome has been read."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: TcpConnection(self.edge), sock=ours)
        connection.session.wire = self.wire
        profile = Profile(user_id, f"u{user_id}", f"u{user_id}")
        self.edge.admit(connection, Identity(profile, Claims(user_id, "login", "t", DialectName.NATIVE, 10**15)))
        peer = Peer(connection, theirs)
        self.ends.append(theirs)
        await peer.until(1)
        peer.packets.clear()
        return peer


@contextlib.asynccontextmanager
async def gateway(tmp_path: Path, config: GatewayConfig | None = None) -> AsyncIterator[Gateway]:
    rules = Rules(tmp_path / "feige.db")
    await rules.start()
    running = Gateway(rules, config or GatewayConfig())
    await running.edge.start()
    try:
        yield running
    finally:
        for end in running.ends:
            end.close()
        await running.edge.drain()
        running.edge.close()
        await rules.close()


def sent(seq: int, content: str = "x") -> MessageSent:
    at = {"created_at_ms": 1, "updated_at_ms": 1}
    return MessageSent(Message(id=seq, conversation_id=7, seq=seq, sender_id=1, content=content, **at), SENDER)


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
