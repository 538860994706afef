"""Foreign clients: the `websockets` library and bare sockets that speak native JSON, with none of our code."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import websockets

from tests.e2e.server import Person, ServerProcess

Packet = dict[str, Any]


class Foreign:
    """A session that speaks JSON packets. `wait(type)` skips others; `received` keeps all."""

    def __init__(self, send: Callable[[str], Any], receive: Callable[[], Any]) -> None:
        self._send = send
        self._receive = receive
        self._waiting: list[Packet] = []
        self.received: list[Packet] = []

    async def tell(self, **packet: Any) -> None:
        await self._send(json.dumps(packet))

    async def next(self, timeout_s: float = 10) -> Packet:
        if not self._waiting:
            async with asyncio.timeout(timeout_s):
                text = await self._receive()
            self._waiting = [json.loads(line) for line in text.split("\n" if isinstance(text, str) else b"\n")]
        packet = self._waiting.pop(0)
        self.received.append(packet)
        return packet

    async def wait(self, kind: str, timeout_s: float = 10, **having: Any) -> Packet:
        async with asyncio.timeout(timeout_s):
            while True:
                packet = await self.next(timeout_s)
                if packet["type"] == kind and having.items() <= packet.items():
                    return packet

    async def nothing_but(self, *kinds: str) -> None:
        """A round trip; asserts that nothing else was on the way."""
        await self.tell(type="ping", id=999)
        while True:
            packet = await self.next()
            if packet["type"] == "pong":
                return
            assert packet["type"] in kinds, packet


@contextlib.asynccontextmanager
async def native(server: ServerProcess, person: Person) -> AsyncIterator[Foreign]:
    """Over `/gateway`, greeted."""
    url = f"{server.ws_url}/gateway?token={person.token}"
    async with websockets.connect(url, subprotocols=["feige.json.v1"]) as socket:  # type: ignore[list-item]
        session = Foreign(socket.send, socket.recv)
        await session.wait("welcome")
        yield session


@contextlib.asynccontextmanager
async def resumed(
    server: ServerProcess, person: Person, since: Packet, cursors: list[list[int]]
) -> AsyncIterator[Foreign]:
    """Over `/gateway`: hello and sync in one frame, so that nothing live comes before `synced`."""
    async with websockets.connect(f"{server.ws_url}/gateway") as socket:
        session = Foreign(socket.send, socket.recv)
        hello = {"type": "hello", "token": person.token}
        sync = {"type": "sync", "id": 7, "epoch": since["epoch"], "position": since["position"], "cursors": cursors}
        await socket.send(f"{json.dumps(hello)}\n{json.dumps(sync)}")
        yield session


@contextlib.asynccontextmanager
async def im(server: ServerProcess, person: Person) -> AsyncIterator[Foreign]:
    """Over im's own path."""
    async with websockets.connect(f"{server.ws_url}/ws/{person.id}?token={person.token}") as socket:
        session = Foreign(socket.send, socket.recv)
        await session.wait("connection_established")
        yield session


@contextlib.asynccontextmanager
async def social(server: ServerProcess, person: Person, query: str = "&dialect=social") -> AsyncIterator[Foreign]:
    """Over `/ws`; its first answer is the pong of a ping."""
    async with websockets.connect(f"{server.ws_url}/ws?token={person.token}{query}") as socket:
        session = Foreign(socket.send, socket.recv)
        await session.tell(type="ping")
        await session.wait("pong")
        yield session


@contextlib.asynccontextmanager
async def messenger(server: ServerProcess, person: Person) -> AsyncIterator[Foreign]:
    """Over `/ws`, greeted."""
    async with websockets.connect(f"{server.ws_url}/ws?token={person.token}&dialect=messenger") as socket:
        session = Foreign(socket.send, socket.recv)
        await session.wait("connect")
        yield session


@contextlib.asynccontextmanager
async def tcp(server: ServerProcess, person: Person) -> AsyncIterator[Foreign]:
    """Over raw TCP, greeted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)

    async def send(text: str) -> None:
        payload = text.encode()
        writer.write(struct.pack(">I", len(payload)) + payload)
        await writer.drain()

    async def receive() -> bytes:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        return await reader.readexactly(length)

    session = Foreign(send, receive)
    try:
        await session.tell(type="hello", token=person.token)
        await session.wait("welcome")
        yield session
    finally:
        writer.close()
