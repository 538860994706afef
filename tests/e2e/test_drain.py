"""SIGTERM: clients are sent away with a time to come back, nothing accepted is lost, the process ends."""

import asyncio
import contextlib
import signal
import time

import pytest
import websockets

from tests.e2e import wire
from tests.e2e.conftest import NewServer
from tests.e2e.server import Person


async def test_clients_are_told_and_sends_are_kept(new_server: NewServer) -> None:
    server = new_server()
    await server.start()
    alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
    conversation = await alice.single(bob)
    acked = []
    async with wire.native(server, alice) as session:
        for number in range(200):
            await session.tell(type="send", id=number, conversation_id=conversation, content=str(number))
        server.signal(signal.SIGTERM)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                packet = await session.next()
                if packet["type"] == "ack":
                    acked.append(packet["seq"])
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4000
        away = [packet for packet in session.received if packet["type"] == "go_away"]
        assert away[0]["retry_after_ms"] > 0
    assert await server.wait() == 0
    await server.start()
    total = (await bob.request("GET", f"/api/v1/messages/unread/count?conversation_id={conversation}"))["unread_count"]
    assert total >= len(acked)
    assert acked == list(range(1, len(acked) + 1))
    await server.stop()


async def test_an_idle_server_stops_at_once(new_server: NewServer) -> None:
    server = new_server()
    await server.start()
    started = time.monotonic()
    assert await server.stop() == 0
    assert time.monotonic() - started < 5
    assert "Traceback" not in server.errors


@pytest.mark.slow
async def test_readiness_fails_while_draining(new_server: NewServer) -> None:
    async with new_server(gateway_drain_s=2) as server, contextlib.AsyncExitStack() as stack:
        alice = await Person.register(server, "alice")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(40):
            await stack.enter_async_context(wire.native(server, alice))
        assert await _ready_status(reader, writer) == 200
        server.signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            while await _ready_status(reader, writer) == 200:
                pass
        writer.close()


async def _ready_status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line for line in head.splitlines() if line.lower().startswith("content-length"))
    await reader.readexactly(int(length.partition(":")[2]))
    return int(head.split(" ", 2)[1])
