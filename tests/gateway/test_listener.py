"""The reception of a WebSocket whose token takes its time to be checked."""

import asyncio
import re
import socket
from pathlib import Path

import pytest

from domain.accounts import Identity
from domain.model import DialectName
from gateway.listener import Endpoint, Reception
from gateway.wire import over_websocket
from protocol.native.json_codec import NativeJson
from tests.gateway.world import Gateway, gateway

UPGRADE = (
    b"GET /gateway?token=x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def answer(running: Gateway) -> bytes:
    """All that comes back until the server closes."""
    endpoint = Endpoint(re.compile("/gateway"), {}, over_websocket(NativeJson()), token_required=True)
    rules = running.rules
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.create_connection(
        lambda: Reception(running.edge, [endpoint], None, rules.accounts, rules.spawn), sock=ours
    )
    running.ends.append(theirs)
    await loop.sock_sendall(theirs, UPGRADE)
    received = b""
    async with asyncio.timeout(5):
        while data := await loop.sock_recv(theirs, 4096):
            received += data
    return received


async def test_a_failure_that_nobody_expected_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(tmp_path) as running:

        async def fail(token: str) -> Identity:
            raise LookupError("a mistake")

        monkeypatch.setattr(running.rules.accounts, "authenticate", fail)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        assert (await answer(running)).startswith(b"HTTP/1.1 500 ")


async def test_a_drain_that_begins_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway(tmp_path) as running:
        rules = running.rules
        await rules.accounts.register(username="alice", password="secret-1")
        pair = await rules.accounts.issue_token("alice", DialectName.NATIVE)
        authenticate = rules.accounts.authenticate

        async def slowly(token: str) -> Identity:
            running.edge.is_draining = True
            return await authenticate(token)

        monkeypatch.setattr(rules.accounts, "authenticate", lambda token: slowly(pair.access_token))
        assert (await answer(running)).startswith(b"HTTP/1.1 503 ")
        assert len(running.hub) == 0
