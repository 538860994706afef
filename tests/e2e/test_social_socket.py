"""social's `/ws` beside the other dialects, on one real server."""

import pytest
import websockets

from tests.e2e import wire
from tests.e2e.conftest import People
from tests.e2e.server import Person, ServerProcess


async def test_messages_travel_between_the_dialects(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    async with wire.social(server, alice) as mine, wire.social(server, bob) as his, wire.im(server, bob) as web:
        await mine.tell(
            type="message",
            data={"to_user_id": bob.id, "type": 0, "content": "你好", "chat_type": 0, "client_msg_id": "m1"},
        )
        sent = (await mine.wait("message_sent"))["data"]
        assert (sent["client_msg_id"], sent["seq"]) == ("m1", 1)
        heard = (await his.wait("message"))["data"]
        assert heard == {
            "message_id": sent["message_id"],
            "sender_id": alice.id,
            "receiver_id": bob.id,
            "receiver_type": "user",
            "content": "你好",
            "message_type": "text",
            "timestamp": sent["timestamp"],
            "seq": 1,
            "client_msg_id": "m1",
        }
        shown = (await web.wait("new_message"))["data"]
        assert (shown["message_id"], shown["content"]) == (sent["message_id"], "你好")
        body = {"conversation_id": shown["conversation_id"], "content": "over im"}
        await bob.request("POST", "/api/v1/messages/text", json=body)
        heard = (await mine.wait("message"))["data"]
        assert (heard["sender_id"], heard["receiver_id"], heard["content"]) == (bob.id, alice.id, "over im")


async def test_a_group_and_its_notifications(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    async with wire.social(server, bob) as his, wire.social(server, alice) as mine:
        group = await alice.group(bob)
        noted = (await his.wait("notification"))["data"]
        assert (noted["event"], noted["type"], noted["group_id"], noted["target_user_id"]) == (
            "group",
            1,
            group,
            bob.id,
        )
        for number in range(3):
            named = {"receiver_id": group, "receiver_type": "group", "message_type": "text"}
            await mine.tell(type="message", data=named | {"content": f"{number}"})
        for number in range(3):
            heard = (await his.wait("message"))["data"]
            assert (heard["receiver_id"], heard["receiver_type"], heard["content"]) == (group, "group", f"{number}")
        await alice.request("POST", "/chat/message/recall", json={"message_id": heard["message_id"]})
        recalled = (await his.wait("notification"))["data"]
        assert (recalled["event"], recalled["message_id"]) == ("message_recalled", heard["message_id"])


async def test_friend_requests_are_told(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    async with wire.social(server, bob) as his, wire.social(server, alice) as mine:
        answer = await alice.request("POST", "/friend/request/send", json={"to_user_id": bob.id, "message": "hi"})
        request = answer["data"]
        told = (await his.wait("notification"))["data"]
        assert (told["event"], told["id"], told["message"]) == ("friend_request", request["id"], "hi")
        handle = {"request_id": request["id"], "action": 2}
        await bob.request("POST", "/friend/request/handle", json=handle)
        told = (await mine.wait("notification"))["data"]
        assert (told["event"], told["id"], told["status"]) == ("friend_request_answered", request["id"], 2)


async def test_frames_that_are_refused(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    async with wire.social(server, alice) as mine:
        for frame in (
            {"type": "nonsense"},
            {"type": "message"},
            {"type": "message", "data": {"to_user_id": bob.id}},
            {"type": "message", "data": {"to_user_id": alice.id, "type": 0, "chat_type": 0, "content": "me"}},
            {"type": "message", "data": {"group_id": 2**52, "type": 0, "chat_type": 1, "content": "nowhere"}},
        ):
            await mine.tell(**frame)
            assert (await mine.wait("error"))["data"]["code"] == 40000
        await mine.nothing_but()


async def test_which_dialect_is_spoken(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    password = {"username": alice.name, "password": "secret-1"}
    answer = await alice.request("POST", "/login", json=password)
    person = Person(server, alice.name, alice.id, answer["data"]["access_token"], "")
    async with wire.social(server, person, query="") as session:
        await session.tell(type="nonsense")
        assert (await session.wait("error"))["data"]["code"] == 40000
    for query, status in ((f"?token={alice.token}&dialect=other", 400), ("", 401), ("?token=x", 401)):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"{server.ws_url}/ws{query}")
        assert refused.value.response.status_code == status
