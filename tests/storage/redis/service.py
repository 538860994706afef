"""Whole nodes: the domain and a gateway on one database and one Redis, all in this process."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

from domain.catch_up import CatchUp, StoredMessages
from domain.delivered import Delivered
from domain.events import Event
from domain.model import Draft, Profile
from domain.ports import Audience
from domain.sequencer import Sequencer
from gateway.config import GatewayConfig
from protocol.native.packets import MessagePacket
from storage.redis import RedisServices
from tests.gateway.world import CODEC, Gateway, Peer
from tests.storage.redis.world import FAST, until
from tests.world import Rules, TestClock


class WallClock(TestClock):
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class Listener:
    """A session whose packets are read as they come."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.messages: list[MessagePacket] = []
        self.others: list[object] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self.peer.end, 1 << 16):
            for _, payload in self.peer._reader.feed(data):
                for packet in CODEC.decode_packets(payload):
                    if isinstance(packet, MessagePacket):
                        self.messages.append(packet)
                    else:
                        self.others.append(packet)

    def seqs(self, conversation_id: int) -> list[int]:
        return [each.seq for each in self.messages if each.conversation_id == conversation_id]

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


class ServiceNode:
    """One process of the service. The same wiring as the composition root's."""

    def __init__(self, database: Path, url: str, name: str, offline_after_s: float = 0.3) -> None:
        clock = WallClock()
        self.services = RedisServices(url, name, clock, FAST)
        self.bus = self.services.bus
        self.rules = Rules(
            database, clock=clock, bus=self.bus, directory=self.services.presence, offline_after_s=offline_after_s
        )
        self.listeners: list[Listener] = []
        self.resyncs = 0

    async def start(self) -> None:
        rules, presence = self.rules, self.services.presence
        self.bus.subscribe(self._before)
        await rules.start()
        self.gateway = Gateway(rules, GatewayConfig())
        stored = StoredMessages(rules.rosters, rules.profiles, presence.here_since_ms)
        self.delivered = Delivered(self.gateway.hub.on_event)
        self.sequencer = Sequencer(
            self.delivered.on_event,
            store=rules.stores.messages,
            late=stored,
            here_since_ms=presence.earliest_ms,
            scheduler=asyncio.get_running_loop(),
            spawn=rules.spawn,
        )
        self.bus.subscribe(self.sequencer.on_event)
        self.catch_up = CatchUp(
            bus=self.bus,
            sync=rules.stores.sync,
            accounts=rules.accounts,
            rosters=rules.rosters,
            profiles=rules.profiles,
            stored=stored,
            delivered=self.delivered,
            here=presence.here,
            resync=self._resync,
            round_s=0.3,
        )
        await self.gateway.edge.start()
        await self.catch_up.start()
        self._catching_up = asyncio.create_task(self.catch_up.run())

    def _before(self, event: Event, audience: Audience, origin: object | None) -> None:
        """The hub hears of an event before rosters change, though it is made after them."""
        self.gateway.hub.before(event, audience, origin)

    def _resync(self) -> None:
        self.resyncs += 1
        self.gateway.edge.resync()

    async def listen(self, user_id: int) -> Listener:
        listener = Listener(await self.gateway.session(user_id))
        self.listeners.append(listener)
        return listener

    async def send(self, sender: Profile, conversation_id: int, content: str = "x") -> int:
        """The seq of the message."""
        draft = Draft(conversation_id=conversation_id, sender_id=sender.id, content=content)
        return (await self.rules.messages.send(sender, draft)).message.seq

    async def crash(self) -> None:
        """Its part of the bus ends without a word, and its sessions with it."""
        for task in (*self.bus._tasks, self._catching_up):
            task.cancel()
        await asyncio.gather(*self.bus._tasks, self._catching_up, return_exceptions=True)
        self.bus._tasks.clear()

    async def close(self) -> None:
        self._catching_up.cancel()
        await asyncio.gather(self._catching_up, return_exceptions=True)
        for listener in self.listeners:
            await listener.close()
        for end in self.gateway.ends:
            end.close()
        await self.gateway.edge.drain()
        self.gateway.edge.close()
        await self.rules.close()
        await self.services.close()


@contextlib.asynccontextmanager
async def service(folder: Path, url: str, names: str = "ab") -> AsyncIterator[list[ServiceNode]]:
    """Nodes that know each other."""
    nodes = [ServiceNode(folder / "feige.db", url, name) for name in names]
    for node in nodes:
        await node.start()
    await until(lambda: all(node.bus.stats.peers == len(nodes) - 1 for node in nodes))
    try:
        yield nodes
    finally:
        for node in nodes:
            await node.close()
