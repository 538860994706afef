"""A reader that never reads is cut off; the others get everything, at once."""

import asyncio
import contextlib
import socket

import pytest

from tests.e2e import wire
from tests.e2e.conftest import NewServer
from tests.e2e.server import Person, ServerProcess


@pytest.mark.slow
async def test_a_reader_that_never_reads_is_cut(new_server: NewServer) -> None:
    settings = {"gateway_outbox_bytes": 200_000, "gateway_close_timeout_s": 0.5}
    async with new_server(**settings) as server, contextlib.AsyncExitStack() as stack:
        alice, bob, eve = [await Person.register(server, name) for name in ("alice", "bob", "eve")]
        group = await alice.group(bob, eve)
        stuck = stack.enter_context(socket.socket())
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", server.port))
        stuck.sendall(
            f"GET /gateway?token={eve.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        async with wire.native(server, alice) as sender, wire.native(server, bob) as receiver:
            total = 2500
            received: list[int] = []

            async def receive() -> None:
                while len(received) < total:
                    received.append((await receiver.wait("message"))["seq"])

            receiving = asyncio.create_task(receive())
            for number in range(total):
                await sender.tell(type="send", id=number, conversation_id=group, content="x" * 3000)
                if number % 50 == 49:
                    await sender.wait("ack", id=number)
            await receiving
            assert received == list(range(1, total + 1))
            async with asyncio.timeout(10):
                while True:
                    if 'feige_disconnects_total{code="4001"} 1.0' in await _metrics(server):
                        break


async def _metrics(server: ServerProcess) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    return text
