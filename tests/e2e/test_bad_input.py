"""Malformed, oversized, slow and hostile input: the documented close code or error, and the server goes on."""

import asyncio
import json
import struct
from typing import Any

import aiohttp
import pytest
import websockets

from tests.e2e import wire
from tests.e2e.conftest import NewServer, People
from tests.e2e.server import Person, ServerProcess

MASK = b"\x01\x02\x03\x04"


def frame(opcode: int, payload: bytes, *, first: int = 0x80, masked: bool = True) -> bytes:
    length = len(payload)
    head = bytes([first | opcode])
    bit = 0x80 if masked else 0
    if length < 126:
        head += bytes([bit | length])
    elif length < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", length)
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))


class Raw:
    """A WebSocket of which every byte is ours."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, server: ServerProcess, token: str) -> "Raw":
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            f"GET /gateway?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        return cls(reader, writer)

    async def read_frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(10):
            first, length = await self.reader.readexactly(2)
            if length == 126:
                length = int.from_bytes(await self.reader.readexactly(2), "big")
            return first & 15, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        while True:
            opcode, payload = await self.read_frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(1, b"{}", masked=False), 1002),
        (frame(1, b"{}", first=0xC0), 1002),
        (frame(3, b""), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(0, b"x"), 1002),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"x" * 70_000), 1009),
        (b"\x81\xff" + struct.pack(">Q", 1 << 62) + MASK, 1009),
        (b"\x81\xff" + struct.pack(">Q", 1 << 63) + MASK, 1002),
        (frame(2, b"binary on a text session"), 1003),
        (frame(8, b"\x03"), 1002),
        (frame(8, struct.pack(">H", 1000)), 1000),
    ],
)
async def test_bad_frames(server: ServerProcess, people: People, data: bytes, code: int) -> None:
    (alice,) = await people("alice")
    raw = await Raw.connect(server, alice.token)
    raw.writer.write(data)
    assert await raw.close_code() == code
    if code != 1000:
        raw.writer.write(frame(8, struct.pack(">H", code)))
    async with asyncio.timeout(3):
        assert await raw.reader.read() == b"", "answered, the close waits for nothing more"
    raw.writer.close()


async def test_an_endless_fragmented_message_is_cut_at_the_limit(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    raw = await Raw.connect(server, alice.token)
    raw.writer.write(frame(1, b"x" * 1000, first=0))
    for _ in range(70):
        raw.writer.write(frame(0, b"x" * 1000, first=0))
    assert await raw.close_code() == 1009
    raw.writer.close()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not JSON", "malformed"),
        ("[]", "malformed"),
        ("[" * 10_000 + "]" * 10_000, "malformed"),
        ('{"type":"send","id":1,"conversation_id":1,"content":' + '{"a":' * 5_000 + "1" + "}" * 5_001, None),
        ('{"type":"send","conversation_id":NaN,"content":"x"}', "malformed"),
        ('{"type":"send","conversation_id":' + "9" * 5000 + ',"content":"x"}', None),
        ('{"type":"send","conversation_id":-1,"content":"x"}', "invalid_value"),
        ('{"type":"send","conversation_id":1.5,"content":"x"}', "invalid_value"),
        ('{"type":"send","conversation_id":true,"content":"x"}', "invalid_value"),
        ('{"type":"send","conversation_id":1}', None),
        ('{"type":"send","conversation_id":1,"content":"' + "x" * 5001 + '"}', "invalid_value"),
        ('{"type":"send","conversation_id":1,"content":"x","kind":"system"}', None),
        ('{"type":"send","conversation_id":999999,"content":"x"}', "conversation_not_found"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"id":1}', None),
        ('{"type":"hello","token":"x"}', "already_authenticated"),
        ('{"type":"history","conversation_id":1,"limit":-5}', "invalid_value"),
        ('{"type":"recall","message_id":12345}', "message_not_found"),
    ],
)
async def test_bad_packets_get_an_error_and_the_session_goes_on(
    server: ServerProcess, people: People, text: str, code: str | None
) -> None:
    (alice,) = await people("alice")
    async with websockets.connect(f"{server.ws_url}/gateway?token={alice.token}") as socket:
        await socket.recv()
        await socket.send(text)
        error = json.loads(await socket.recv())
        assert error["type"] == "error"
        assert code is None or error["code"] == code, error
        assert len(error["text"]) < 300
        await socket.send('{"type":"ping","id":2}')
        assert json.loads(await socket.recv())["type"] == "pong"


async def test_a_token_of_algorithm_none_or_of_another_key(server: ServerProcess, people: People) -> None:
    import jwt

    (alice,) = await people("alice")
    claims: dict[str, Any] = jwt.decode(alice.token, options={"verify_signature": False})
    forged = [
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "k" * 64, algorithm="HS256"),
        alice.token[:-3] + "AAA",
        "..",
        "x" * 5000,
    ]
    for token in forged:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"{server.ws_url}/gateway?token={token}")
        assert refused.value.response.status_code == 401
        await alice.request("GET", "/api/v1/users/me", status=401, headers={"Authorization": f"Bearer {token}"})


async def test_an_expired_token(new_server: NewServer) -> None:
    async with new_server(tokens_access_s=1) as server:
        alice = await Person.register(server, "alice")
        async with asyncio.timeout(10):
            while True:
                try:
                    async with websockets.connect(f"{server.ws_url}/gateway?token={alice.token}") as socket:
                        await socket.recv()
                except websockets.InvalidStatus as refused:
                    assert refused.response.status_code == 401
                    break
        reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
        hello = json.dumps({"type": "hello", "id": 1, "token": alice.token}).encode()
        writer.write(struct.pack(">I", len(hello)) + hello)
        answer = await reader.read(-1)
        assert b"token_expired" in answer
        writer.close()


async def test_commands_before_hello_and_no_hello_at_all(new_server: NewServer) -> None:
    async with new_server(gateway_hello_timeout_s=0.5) as server:
        async with websockets.connect(f"{server.ws_url}/gateway") as socket:
            await socket.send('{"type":"send","id":1,"conversation_id":1,"content":"x"}')
            assert json.loads(await socket.recv())["code"] == "not_authenticated"
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4408
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /gateway HTTP/1.1\r\nHost:")
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_packets_pipelined_behind_hello(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    packets = [{"type": "hello", "id": 1, "token": alice.token}]
    packets += [
        {"type": "send", "id": number, "conversation_id": conversation, "content": str(number)}
        for number in range(2, 12)
    ]
    for packet in packets:
        payload = json.dumps(packet).encode()
        writer.write(struct.pack(">I", len(payload)) + payload)
    received = []
    while len(received) < 11:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        received.append(json.loads(await reader.readexactly(length)))
    assert [packet["id"] for packet in received] == list(range(1, 12))
    assert [packet["seq"] for packet in received[1:]] == list(range(1, 11))
    writer.close()


async def test_tcp_frames(server: ServerProcess, people: People) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    writer.write(struct.pack(">I", 1 << 31))
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()


async def test_a_session_that_floods_is_limited_and_then_closed(new_server: NewServer) -> None:
    settings = {"gateway_rate_per_s": 5, "gateway_rate_burst": 10, "gateway_max_refused": 50}
    async with new_server(**settings) as server:
        alice = await Person.register(server, "alice")
        async with wire.native(server, alice) as session:
            for number in range(20):
                await session.tell(type="ping", id=number)
            error = await session.wait("error")
            assert (error["code"], error["temporary"]) == ("rate_limited", True)
            assert 0 < error["retry_after_ms"] <= 2500
            with pytest.raises(websockets.ConnectionClosed) as closed:
                for number in range(200):
                    await session.tell(type="ping", id=number)
                while True:
                    await session.next()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4429


async def test_a_password_of_73_bytes(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    for password, status in (("x" * 72, 200), ("x" * 73, 422), ("密" * 25, 422), ("short", 422)):
        body = {"standard_id": f"{alice.name}{len(password)}", "name": "n", "password": password}
        await alice.request("POST", "/api/v1/users/", status=status, json=body)


async def test_huge_request_heads_and_other_protocols(server: ServerProcess) -> None:
    for request, answer in (
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"b" * 65536 + b"\r\n\r\n", b"HTTP/1.1 431 "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", b"HTTP/1.1 505 "),
        (b"GET /gateway HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 426 "),
        (
            b"GET /gateway HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n",
            b"HTTP/1.1 400 ",
        ),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        async with asyncio.timeout(10):
            assert (await reader.read(64)).startswith(answer), request[:40]
        writer.close()


async def test_long_heads_are_read_or_refused_in_our_form(server: ServerProcess) -> None:
    async with aiohttp.ClientSession(server.url) as http:
        async with http.get("/api/v1/users/me", headers={"X-Long": "x" * 12_000}) as answer:
            assert answer.status == 401
            assert "detail" in await answer.json()
        async with http.get("/api/v1/users/me", params={"long": "x" * 12_000}) as answer:
            assert answer.status == 401
    for path, header in (("/" + "x" * 20_000, "x"), ("/", "x" * 20_000)):
        async with (
            aiohttp.ClientSession(server.url) as http,
            http.get(path, headers={"X-Long": header}) as answer,
        ):
            assert answer.status == (414 if header == "x" else 431)
            assert "xxx" not in await answer.text()
