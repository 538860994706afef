"""An edge over the real domain, with sessions on real socket pairs."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from domain.accounts import Identity
from domain.events import MessageSent
from domain.model import DialectName, Message, Profile
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
from protocol.native.packets import ServerPacket
from tests.world import Rules

CODEC = NativeJson()
SENDER = Profile(1, "sender", "sender")


class Peer:
    """The other end of a session's socket."""

    def __init__(self, connection: TcpConnection, end: socket.socket) -> None:
        self.connection = connection
        self.end = end
        self._reader = TcpReader(1 << 20)
        self.packets: list[ServerPacket] = []

    async def until(self, count: int) -> list[ServerPacket]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            while len(self.packets) < count:
                data = await loop.sock_recv(self.end, 65536)
                assert data, "the connection ended"
                for _, payload in self._reader.feed(data):
                    self.packets += CODEC.decode_packets(payload)
        return self.packets


class Gateway:
    """An edge over the real domain, with sessions on socket pairs."""

    def __init__(self, rules: Rules, config: GatewayConfig) -> None:
        loop = asyncio.get_running_loop()
        self.rules = rules
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
                calls=rules.calls,
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

    async def stranger(self) -> Peer:
        """A connection that has not said hello."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: TcpConnection(self.edge), sock=ours)
        self.ends.append(theirs)
        return Peer(connection, theirs)

    async def session(self, user_id: int) -> Peer:
        """An authenticated one; its welcome has been read."""
        peer = await self.stranger()
        await self.rules.presence.arriving(user_id)
        peer.connection.session.wire = self.wire
        profile = Profile(user_id, f"u{user_id}", f"u{user_id}")
        self.edge.admit(peer.connection, Identity(profile, Claims(user_id, "login", "t", DialectName.NATIVE, 10**15)))
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
