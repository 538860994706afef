"""SIGTERM: clients are sent away with a time to come back, nothing accepted is lost, the process ends."""

import asyncio
import signal
import time
from pathlib import Path

import pytest
import websockets

from tests.e2e import wire
from tests.e2e.server import Person, ServerProcess


async def test_clients_are_told_and_sends_are_kept(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
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


async def test_an_idle_server_stops_at_once(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    await server.start()
    started = time.monotonic()
    assert await server.stop() == 0
    assert time.monotonic() - started < 5
    assert "Traceback" not in server.errors


async def test_readiness_fails_while_draining(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "data", gateway_drain_s=1) as server:
        alice = await Person.register(server, "alice")
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        request = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
        writer.write(request)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        async with wire.native(server, alice):
            server.signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                while True:
                    writer.write(request)
                    line = await reader.readline()
                    if line.startswith(b"HTTP/1.1 503 "):
                        break
        writer.close()
