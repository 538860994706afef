"""messenger's `/ws` beside the other dialects, on one real server."""

import asyncio
import time
from typing import Any

import pytest
import websockets

from protocol.times import iso_time
from tests.e2e import wire
from tests.e2e.conftest import People
from tests.e2e.server import ServerProcess


async def test_messages_travel_between_the_dialects(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    chat = await alice.single(bob)
    async with (
        wire.messenger(server, alice) as mine,
        wire.messenger(server, bob) as his,
        wire.native(server, bob) as native,
    ):
        await mine.tell(type="message.send", data={"chat_id": chat, "content": "你好", "client_msg_id": "m1"})
        sent = (await mine.wait("message.sent"))["data"]
        assert (sent["chat_id"], sent["client_msg_id"], sent["seq"]) == (chat, "m1", 1)
        heard = (await his.wait("message.new"))["data"]
        assert (heard["id"], heard["chat_id"], heard["content"], heard["type"]) == (sent["id"], chat, "你好", "text")
        assert heard["sender"] == {
            "id": alice.id,
            "username": alice.name,
            "nickname": heard["sender"]["nickname"],
            "avatar": "",
        }
        assert (await native.wait("message"))["content"] == "你好"
        await alice.request("PUT", f"/api/messages/{sent['id']}", json={"content": "better"})
        edited = (await his.wait("message.edit"))["data"]
        assert edited.keys() == {"id", "chat_id", "content", "updated_at"}
        assert (edited["id"], edited["content"]) == (sent["id"], "better")
        await his.tell(type="message.read", data={"message_id": sent["id"]})
        assert (await native.wait("receipt"))["read_seq"] == 1
        await alice.request("DELETE", f"/api/messages/{sent['id']}")
        deleted = (await his.wait("message.delete"))["data"]
        assert deleted.keys() == {"id", "chat_id", "deleted_at"}
        await his.tell(type="typing", data={"chat_id": chat, "is_typing": True})
        typing = (await mine.wait("typing"))["data"]
        assert typing.keys() == {"chat_id", "user_id", "is_typing", "timestamp"}
        assert (typing["user_id"], typing["is_typing"]) == (bob.id, True)


async def test_presence(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    await alice.single(bob)
    async with wire.messenger(server, alice) as mine:
        async with wire.messenger(server, bob):
            shown = (await mine.wait("presence", timeout_s=5))["data"]
            assert shown.keys() == {"user_id", "is_online", "timestamp"}
            assert (shown["user_id"], shown["is_online"]) == (bob.id, True)


async def test_scheduled_and_self_deleting_messages_come_on_time(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    chat = await alice.single(bob)
    async with wire.messenger(server, bob) as his:
        due_s = int(time.time()) + 2
        body = {"content": "later", "send_at": iso_time(due_s * 1000), "ttl": 1}
        await alice.request("POST", f"/api/chats/{chat}/messages", json=body)
        heard = await his.wait("message.new", timeout_s=5)
        assert 0 <= time.time() - due_s < 1
        assert heard["data"]["content"] == "later"
        gone = await his.wait("message.delete", timeout_s=5)
        assert gone["data"]["id"] == heard["data"]["id"]
        assert 1 <= time.time() - due_s < 2.5


async def test_all_devices_ring_and_stop_when_one_answers(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    async with (
        wire.messenger(server, alice) as caller,
        wire.messenger(server, bob) as phone,
        wire.messenger(server, bob) as tablet,
        wire.native(server, bob) as native,
    ):
        offer = {"to_user_id": bob.id, "call_type": "video", "sdp": "v=0"}
        await caller.tell(type="call.offer", data=offer)
        call_id = (await caller.wait("call.ringing"))["data"]["call_id"]
        for device in (phone, tablet):
            ring = (await device.wait("call.offer"))["data"]
            assert ring.keys() == {"call_id", "from_user_id", "to_user_id", "call_type", "sdp", "timestamp"}
            assert (ring["call_id"], ring["from_user_id"], ring["to_user_id"]) == (call_id, alice.id, bob.id)
            assert (ring["call_type"], ring["sdp"]) == ("video", "v=0")
        assert (await native.wait("call"))["step"] == "offer"
        await phone.tell(type="call.answer", data={"call_id": call_id, "sdp": "v=1"})
        answered = (await caller.wait("call.answer"))["data"]
        assert answered.keys() == {"call_id", "from_user_id", "to_user_id", "sdp", "timestamp"}
        assert (answered["from_user_id"], answered["to_user_id"], answered["sdp"]) == (bob.id, alice.id, "v=1")
        assert (await tablet.wait("call.answer"))["data"]["call_id"] == call_id
        await caller.tell(type="call.ice", data={"call_id": call_id, "candidate": "candidate:1"})
        candidate = (await phone.wait("call.ice"))["data"]
        assert candidate.keys() == {"call_id", "from_user_id", "to_user_id", "candidate", "timestamp"}
        await phone.tell(type="call.end", data={"call_id": call_id})
        for session in (caller, tablet):
            end = (await session.wait("call.end"))["data"]
            assert end.keys() == {"call_id", "reason", "duration", "timestamp"}
            assert (end["call_id"], end["reason"]) == (call_id, "user_hangup")
        recorded = (await caller.wait("message.new"))["data"]
        assert recorded["type"] == "system"


@pytest.mark.slow
async def test_busy_and_gone(server: ServerProcess, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    async with wire.messenger(server, alice) as mine, wire.messenger(server, carol) as hers:
        async with wire.messenger(server, bob) as his:
            await mine.tell(type="call.offer", data={"to_user_id": bob.id, "sdp": "v=0", "call_id": "mine"})
            await his.wait("call.offer")
            await hers.tell(type="call.offer", data={"to_user_id": bob.id, "sdp": "v=0"})
            assert (await hers.wait("call.end"))["data"]["reason"] == "busy"
            await his.tell(type="call.answer", data={"call_id": "mine", "sdp": "v=1"})
            await mine.wait("call.answer")
            for stranger in (
                {"type": "call.ice", "data": {"call_id": "mine", "candidate": "x"}},
                {"type": "call.end", "data": {"call_id": "mine"}},
                {"type": "call.end", "data": {"call_id": "another"}},
            ):
                await hers.tell(**stranger)
                assert (await hers.wait("error"))["data"]["code"] in (403, 404)
        end = (await mine.wait("call.end", timeout_s=15))["data"]
        assert end["reason"] == "disconnected"


async def test_frames_that_are_refused(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    chat = await alice.single(bob)
    cases: list[tuple[dict[str, Any], int]] = [
        ({"type": "nonsense"}, 422),
        ({"type": "message.send", "data": []}, 422),
        ({"type": "message.send", "data": {"chat_id": chat}}, 422),
        ({"type": "message.send", "data": {"chat_id": 2**52, "content": "x"}}, 20001),
        ({"type": "message.send", "data": {"chat_id": chat, "content": "x", "reply_to_id": 2**52}}, 20003),
        ({"type": "message.send", "data": {"chat_id": chat, "content": "x", "ttl": -1}}, 422),
        ({"type": "message.read", "data": {"message_id": 2**52}}, 20003),
        ({"type": "typing", "data": {"chat_id": 2**52}}, 20001),
        ({"type": "call.offer", "data": {"to_user_id": alice.id, "sdp": "x"}}, 422),
        ({"type": "call.offer", "data": {"to_user_id": 2**52, "sdp": "x"}}, 10001),
        ({"type": "call.offer", "data": {"to_user_id": bob.id, "sdp": "x", "call_type": "hologram"}}, 422),
    ]
    async with wire.messenger(server, alice) as mine:
        for frame, code in cases:
            await mine.tell(**frame)
            assert (await mine.wait("error"))["data"]["code"] == code, frame
        await mine.tell(type="ping", data=None)
        await mine.wait("pong")
        await mine.nothing_but()


async def test_a_signal_of_a_mebibyte_harms_nobody_but_its_sender(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    async with wire.messenger(server, alice) as mine, wire.messenger(server, bob) as his:
        await mine.tell(type="call.offer", data={"to_user_id": bob.id, "sdp": "v" * 2**20})
        with pytest.raises(websockets.ConnectionClosedError) as closed:
            await mine.wait("call.ringing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
        await his.nothing_but("presence")


async def test_a_real_webrtc_stack_connects_through_the_server(server: ServerProcess, people: People) -> None:
    from aiortc import RTCPeerConnection, RTCSessionDescription

    alice, bob = await people("alice", "bob")
    async with wire.messenger(server, alice) as mine, wire.messenger(server, bob) as his:
        caller, callee = RTCPeerConnection(), RTCPeerConnection()
        echoed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        try:
            channel = caller.createDataChannel("chat")
            channel.on("open", lambda: channel.send("ping"))
            channel.on("message", echoed.set_result)

            @callee.on("datachannel")
            def open_channel(theirs: Any) -> None:
                theirs.on("message", lambda text: theirs.send(f"echo {text}"))

            await caller.setLocalDescription(await caller.createOffer())
            sdp = caller.localDescription.sdp
            await mine.tell(type="call.offer", data={"to_user_id": bob.id, "call_type": "audio", "sdp": sdp})
            ring = (await his.wait("call.offer"))["data"]
            await callee.setRemoteDescription(RTCSessionDescription(ring["sdp"], "offer"))
            await callee.setLocalDescription(await callee.createAnswer())
            answer = {"call_id": ring["call_id"], "sdp": callee.localDescription.sdp}
            await his.tell(type="call.answer", data=answer)
            answered = (await mine.wait("call.answer"))["data"]
            await caller.setRemoteDescription(RTCSessionDescription(answered["sdp"], "answer"))
            async with asyncio.timeout(20):
                assert await echoed == "echo ping"
        finally:
            await caller.close()
            await callee.close()
