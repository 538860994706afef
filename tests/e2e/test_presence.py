"""Online, offline, typing, half-open peers: what others are told of somebody, and when."""

import socket
import time

import pytest

from tests.e2e import wire
from tests.e2e.conftest import NewServer, People
from tests.e2e.server import Person, ServerProcess


async def test_typing_reaches_the_others_and_not_the_typist(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    async with (
        wire.native(server, alice) as phone,
        wire.native(server, alice) as laptop,
        wire.im(server, bob) as web,
        wire.native(server, bob) as theirs,
    ):
        await phone.tell(type="typing", conversation_id=conversation, is_typing=True)
        typing = await theirs.wait("typing")
        assert (typing["conversation_id"], typing["user_id"], typing["is_typing"]) == (conversation, alice.id, True)
        assert (await web.wait("typing_indicator"))["data"]["sender_id"] == alice.id
        await laptop.nothing_but("presence")


async def test_partners_hear_of_presence_and_a_reconnect_makes_no_noise(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    await alice.single(bob)
    async with wire.im(server, bob) as web, wire.native(server, bob) as watcher:
        await watcher.tell(type="subscribe", id=1, user_ids=[alice.id])
        await watcher.wait("presence_state", id=1)
        async with wire.native(server, alice):
            event = (await web.wait("user_status_changed"))["data"]
            assert (event["user_id"], event["is_online"]) == (alice.id, True)
            assert (await watcher.wait("presence"))["is_online"] is True
        async with wire.native(server, alice):
            pass
        left = time.monotonic()
        event = (await web.wait("user_status_changed", timeout_s=15))["data"]
        assert (event["user_id"], event["is_online"]) == (alice.id, False)
        assert 4 < time.monotonic() - left < 9
    status = await bob.request("GET", f"/api/v1/realtime/user-status/{alice.id}")
    assert status["is_online"] is False
    assert status["last_seen"]


async def test_strangers_hear_nothing(server: ServerProcess, people: People) -> None:
    alice, bob, eve = await people("alice", "bob", "eve")
    conversation = await alice.single(bob)
    async with wire.native(server, eve) as spy, wire.im(server, eve) as web, wire.native(server, alice) as phone:
        await phone.tell(type="send", id=1, conversation_id=conversation, content="secret")
        await phone.wait("ack")
        await spy.tell(type="typing", id=2, conversation_id=conversation)
        assert (await spy.wait("error", id=2))["code"] == "not_a_member"
        await spy.tell(type="history", id=3, conversation_id=conversation)
        assert (await spy.wait("error", id=3))["code"] == "not_a_member"
        await spy.tell(type="send", id=4, conversation_id=conversation, content="let me in", sender_id=alice.id)
        assert (await spy.wait("error", id=4))["code"] == "not_a_member"
        await web.tell(type="ping")
        assert (await web.next())["type"] == "pong"


@pytest.mark.slow
async def test_a_half_open_peer_disappears(new_server: NewServer) -> None:
    async with new_server(gateway_heartbeat_s=0.4) as server:
        alice = await Person.register(server, "alice")
        bob = await Person.register(server, "bob")
        await alice.single(bob)
        dead = socket.create_connection(("127.0.0.1", server.port))
        dead.sendall(
            f"GET /gateway?token={alice.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        async with wire.native(server, bob) as watcher:
            await watcher.tell(type="subscribe", id=1, user_ids=[alice.id])
            await watcher.wait("presence_state", id=1)
            # The peer's kernel still acknowledges, but nobody answers the pings.
            gone = await watcher.wait("presence", timeout_s=20, is_online=False)
            assert gone["user_id"] == alice.id
        dead.close()


async def test_many_devices_count_as_one_presence(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    async with wire.native(server, bob) as watcher:
        await watcher.tell(type="subscribe", id=1, user_ids=[alice.id])
        await watcher.wait("presence_state", id=1)
        async with wire.native(server, alice):
            await watcher.wait("presence")
            async with wire.native(server, alice), wire.tcp(server, alice):
                online = await bob.request("GET", "/api/v1/realtime/online-users")
                assert {alice.id, bob.id} <= set(online["online_users"])
                assert online["count"] == len(online["online_users"])
            await watcher.nothing_but()
