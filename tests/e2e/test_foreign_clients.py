"""The `websockets` and `aiohttp` libraries, a browser-shaped handshake and bare TCP, against the real server."""

import asyncio
import json

import aiohttp
import pytest
import websockets

from tests.e2e import wire
from tests.e2e.conftest import People
from tests.e2e.server import ServerProcess


async def test_a_message_reaches_every_session_but_the_one_that_sent_it(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    async with (
        wire.native(server, alice) as phone,
        wire.tcp(server, alice) as laptop,
        wire.native(server, bob) as theirs,
        wire.im(server, bob) as web,
    ):
        await phone.tell(type="send", id=1, conversation_id=conversation, content="你好", client_msg_id="m1")
        ack = await phone.wait("ack", id=1)
        assert (ack["seq"], ack["client_msg_id"]) == (1, "m1")
        for session in (laptop, theirs):
            message = await session.wait("message")
            assert message["content"] == "你好"
            assert message["sender_id"] == alice.id
            assert (message["seq"], message["message_id"]) == (1, ack["message_id"])
        shown = (await web.wait("new_message"))["data"]
        assert shown["message_id"] == ack["message_id"]
        assert shown["content"] == "你好"
        await phone.nothing_but("presence")


async def test_sending_again_with_the_same_id_stores_nothing_new(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    async with wire.native(server, alice) as phone, wire.native(server, bob) as theirs:
        for number in (1, 2):
            await phone.tell(type="send", id=number, conversation_id=conversation, content="hi", client_msg_id="same")
        first, second = await phone.wait("ack", id=1), await phone.wait("ack", id=2)
        assert (first["message_id"], first["seq"]) == (second["message_id"], second["seq"])
        assert second["duplicate"] is True
        assert "duplicate" not in first or first["duplicate"] is False
        await theirs.wait("message")
        await theirs.nothing_but()


async def test_aiohttp_as_client(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    async with aiohttp.ClientSession(server.url) as http:
        headers = {"Authorization": f"Bearer {alice.token}"}
        async with http.ws_connect("/gateway", protocols=["feige.json.v1"], headers=headers) as socket:
            assert socket.protocol == "feige.json.v1"
            assert (await socket.receive_json())["type"] == "welcome"
            await socket.send_json({"type": "send", "id": 5, "conversation_id": conversation, "content": "x" * 4000})
            assert (await socket.receive_json())["type"] == "ack"
    page = await bob.request("GET", f"/api/v1/messages/conversation/{conversation}")
    assert [message["content"] for message in page["messages"]] == ["x" * 4000]


async def test_a_connection_that_carried_requests_becomes_a_socket(server: ServerProcess, people: People) -> None:
    """Clients with a pool send the handshake on a connection that they have."""
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    headers = {"Authorization": f"Bearer {alice.token}"}
    path = f"/ws/{alice.id}"
    async with (
        aiohttp.ClientSession(server.url, headers=headers, connector=aiohttp.TCPConnector(limit=1)) as http,
        asyncio.timeout(20),
    ):
        for _ in range(2):
            async with http.get("/api/v1/users/me") as response:
                assert (await response.json())["id"] == alice.id
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"/ws/{bob.id}")
            assert refused.value.status == 403
            async with http.get("/api/v1/users/me") as response:
                assert response.status == 200
            async with http.ws_connect(path) as socket:
                assert (await socket.receive_json())["type"] == "connection_established"
                await socket.send_json({"type": "message", "conversation_id": conversation, "content": "x" * 4000})
                assert (await socket.receive_json())["type"] == "message_status"
    page = await bob.request("GET", f"/api/v1/messages/conversation/{conversation}")
    assert [message["content"] for message in page["messages"]] == ["x" * 4000] * 2


async def test_a_browser_passes_its_token_as_a_subprotocol(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        (
            "GET /gateway HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{server.port}\r\n"
            "Connection: keep-alive, Upgrade\r\n"
            "Pragma: no-cache\r\nCache-Control: no-cache\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
            "Origin: https://chat.example\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: zh-CN,zh;q=0.9\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
            f"Sec-WebSocket-Protocol: feige.json.v1, bearer, {alice.token}\r\n"
            "Upgrade: websocket\r\n\r\n"
        ).encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert head.startswith("HTTP/1.1 101 ")
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert "Sec-WebSocket-Protocol: feige.json.v1\r\n" in head
    assert "Extensions" not in head
    assert alice.token not in head
    first, length = await reader.readexactly(2)
    assert first == 0x81
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    welcome = json.loads(await reader.readexactly(length))
    assert (welcome["type"], welcome["user_id"]) == ("welcome", alice.id)
    writer.close()


async def test_a_handshake_byte_by_byte(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    request = (
        f"GET /gateway?token={alice.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    for byte in request.encode():
        writer.write(bytes([byte]))
        await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
    writer.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/gateway?token=nonsense", 401),
        ("/ws/1", 401),
        ("/ws/1?token=nonsense", 401),
        ("/api/v1/realtime/ws", 401),
        ("/nowhere", 404),
    ],
)
async def test_a_bad_token_is_refused_in_the_handshake(server: ServerProcess, path: str, status: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(server.ws_url + path)
    assert refused.value.response.status_code == status
    assert "detail" in json.loads(refused.value.response.body or b"{}")


async def test_somebody_elses_socket_path_is_forbidden(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"{server.ws_url}/ws/{bob.id}?token={alice.token}")
    assert refused.value.response.status_code == 403


async def test_a_refresh_token_opens_no_socket(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"{server.ws_url}/gateway?token={alice.refresh_token}")
    assert refused.value.response.status_code == 401


async def test_logging_out_closes_the_sockets_of_that_login_only(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    login = await alice.request("POST", "/api/v1/auth/login", json={"username": alice.name, "password": "secret-1"})
    async with websockets.connect(f"{server.ws_url}/gateway?token={login['access_token']}") as ended:
        async with wire.native(server, alice) as other:
            await ended.recv()
            headers = {"Authorization": f"Bearer {login['access_token']}"}
            await alice.request("POST", "/api/v1/auth/logout", headers=headers)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await ended.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4401
            await other.nothing_but("presence")
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(f"{server.ws_url}/gateway?token={login['access_token']}")
