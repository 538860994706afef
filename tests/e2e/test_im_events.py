"""Every event of im (im API, WebSocket events 1 to 16) on a real server: exactly its fields, to the right people,
whoever caused it. Two sessions of im listen beside a native one and a stranger's."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import pytest
import websockets

from tests.e2e import wire
from tests.e2e.conftest import People
from tests.e2e.server import Person, ServerProcess
from tests.e2e.wire import Foreign

TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

FIELDS: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "new_message": {
        "message_id": int,
        "conversation_id": int,
        "sender_id": int,
        "content": str,
        "message_type": str,
        "timestamp": str,
    },
    "conversation_created": {
        "conversation_id": int,
        "conversation_type": str,
        "conversation_name": (str, type(None)),
        "creator_id": int,
        "creator_name": str,
        "participant_ids": list,
        "created_at": str,
    },
    "user_status_changed": {"user_id": int, "is_online": bool, "timestamp": str},
    "broadcast_received": {
        "broadcast_id": int,
        "title": str,
        "content": str,
        "priority": str,
        "sent_at": str,
    },
    "conversation_updated": {
        "conversation_id": int,
        "updater_id": int,
        "update_type": str,
        "participant_ids": list,
        "timestamp": str,
    },
    "member_added": {
        "conversation_id": int,
        "operator_id": int,
        "added_user_ids": list,
        "participant_ids": list,
        "timestamp": str,
    },
    "member_removed": {
        "conversation_id": int,
        "operator_id": int,
        "removed_user_id": int,
        "participant_ids": list,
        "is_self_exit": bool,
        "timestamp": str,
    },
    "conversation_deleted": {
        "conversation_id": int,
        "operator_id": int,
        "conversation_type": str,
        "participant_ids": list,
        "timestamp": str,
    },
    "role_changed": {
        "conversation_id": int,
        "operator_id": int,
        "target_user_id": int,
        "old_role": str,
        "new_role": str,
        "participant_ids": list,
        "timestamp": str,
    },
    "watermark_updated": {
        "conversation_id": int,
        "operator_id": int,
        "watermark_text": str,
        "participant_ids": list,
        "timestamp": str,
    },
    "location_updated": {
        "user_id": int,
        "latitude": float,
        "longitude": float,
        "accuracy": float,
        "timestamp": str,
    },
    "typing_indicator": {"conversation_id": int, "sender_id": int, "is_typing": bool, "timestamp": str},
    "message_status": {"messageId": str, "status": str, "timestamp": str},
}
"""The documented fields of `data` and their types. The others, about the connection, have none."""

EXTRA: Final[dict[str, set[str]]] = {
    "new_message": {"seq", "latitude", "longitude", "address", "reply_to_id", "client_msg_id"},
    "conversation_updated": {"fields"},
    "message_status": {"message_id", "conversation_id", "seq"},
}


class Listener:
    """A session of im whose events are checked for their shape."""

    def __init__(self, session: Foreign) -> None:
        self._session = session
        self.tell = session.tell

    async def hears(self, kind: str, **having: Any) -> dict[str, Any]:
        """The next event of the kind; `having` are fields that it must have."""
        event = await self._session.wait(kind)
        assert event.keys() == {"type", "data"}
        data: dict[str, Any] = event["data"]
        wanted = FIELDS[kind]
        assert wanted.keys() <= data.keys() <= wanted.keys() | EXTRA.get(kind, set()), data
        for name, types in wanted.items():
            assert isinstance(data[name], types), (name, data)
            assert not isinstance(data[name], bool) or types is bool, (name, data)
        for name in {"timestamp", "created_at", "sent_at"} & data.keys():
            assert TIME.fullmatch(data[name]), data
        assert having.items() <= data.items(), data
        return data

    async def heard_only(self, *kinds: str) -> None:
        """Asserts with a round trip that nothing but these was on the way."""
        await self.tell(type="ping")
        while True:
            event = await self._session.next()
            if event["type"] == "pong":
                return
            assert event["type"] in kinds, event


class Scene:
    """Alice and Bob on im, Bob also native, and Eve, who has nothing to do with them."""

    def __init__(self, people: list[Person], alice: Listener, bob: Listener, phone: Foreign, eve: Listener) -> None:
        self.alice_person, self.bob_person, self.eve_person = people
        self.alice, self.bob, self.phone, self.eve = alice, bob, phone, eve

    async def group(self) -> int:
        """Of Alice and Bob, whose creation both have heard of."""
        group = await self.alice_person.group(self.bob_person)
        for listener in (self.alice, self.bob):
            await listener.hears("conversation_created", conversation_id=group)
        await self.phone.wait("conversation_created")
        return group

    @property
    def ids(self) -> list[int]:
        return [self.alice_person.id, self.bob_person.id]

    async def stranger_heard_nothing(self) -> None:
        await self.eve.heard_only("broadcast_received")


@pytest.fixture
async def scene(server: ServerProcess, people: People) -> AsyncIterator[Scene]:
    alice, bob, eve = await people("alice", "bob", "eve")
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(wire.im(server, person)) for person in (alice, bob, eve)]
        phone = await stack.enter_async_context(wire.native(server, bob))
        listeners = [Listener(session) for session in sessions]
        yield Scene([alice, bob, eve], listeners[0], listeners[1], phone, listeners[2])


async def test_messages_by_rest_and_by_both_kinds_of_sockets(scene: Scene) -> None:
    group = await scene.group()
    text = {"conversation_id": group, "content": "Hello!", "client_msg_id": "one"}
    sent = await scene.alice_person.request("POST", "/api/v1/messages/text", json=text)
    expected = {
        "message_id": sent["id"],
        "conversation_id": group,
        "sender_id": scene.alice_person.id,
        "content": "Hello!",
        "message_type": "text",
        "timestamp": sent["created_at"],
    }
    for listener in (scene.alice, scene.bob):
        await listener.hears("new_message", **expected)
    assert (await scene.phone.wait("message"))["content"] == "Hello!"
    await scene.phone.tell(type="send", id=1, conversation_id=group, content="from native")
    await scene.phone.wait("ack", id=1)
    for listener in (scene.alice, scene.bob):
        await listener.hears("new_message", content="from native", sender_id=scene.bob_person.id)
    await scene.bob.tell(type="message", conversation_id=group, content="from im", client_msg_id="msg-123")
    status = await scene.bob.hears("message_status", messageId="msg-123", status="sent", conversation_id=group)
    await scene.alice.hears("new_message", content="from im", message_id=status["message_id"])
    assert (await scene.phone.wait("message"))["content"] == "from im"
    await scene.bob.tell(type="message", conversation_id=group, content="again")
    status = await scene.bob.hears("message_status")
    assert status["messageId"] == str(status["message_id"])
    place = {"conversation_id": group, "latitude": "39.9042", "longitude": "116.4074", "address": "北京市朝阳区"}
    await scene.alice_person.request("POST", "/api/v1/messages/location", json=place)
    await scene.bob.hears("new_message", message_type="location", **place)
    await scene.stranger_heard_nothing()


async def test_the_life_of_a_conversation(scene: Scene) -> None:
    alice, bob, eve = scene.alice_person, scene.bob_person, scene.eve_person
    group = await alice.group(bob)
    for listener in (scene.alice, scene.bob):
        await listener.hears(
            "conversation_created",
            conversation_id=group,
            conversation_type="group",
            conversation_name="group",
            creator_id=alice.id,
            creator_name=alice.name.title(),
            participant_ids=scene.ids,
        )
    await scene.phone.wait("conversation_created")
    path = f"/api/v1/conversations/{group}"
    common = {"conversation_id": group, "operator_id": alice.id, "participant_ids": scene.ids}

    await alice.request("PUT", path, json={"name": "renamed", "watermark_text": "保密信息，请勿外传"})
    for listener in (scene.alice, scene.bob):
        await listener.hears(
            "conversation_updated",
            conversation_id=group,
            updater_id=alice.id,
            update_type="name_updated",
            participant_ids=scene.ids,
        )
        await listener.hears("watermark_updated", watermark_text="保密信息，请勿外传", **common)
    await scene.phone.wait("conversation_updated")
    await scene.stranger_heard_nothing()

    await alice.request("POST", f"{path}/members", json={"user_ids": [eve.id]})
    added = common | {"added_user_ids": [eve.id], "participant_ids": [*scene.ids, eve.id]}
    for listener in (scene.alice, scene.bob, scene.eve):
        await listener.hears("member_added", **added)
    await scene.phone.wait("members_added")

    await alice.request("PUT", f"{path}/members/{bob.id}", json={"role": "admin"})
    role = {"target_user_id": bob.id, "old_role": "member", "new_role": "admin"}
    for listener in (scene.alice, scene.bob, scene.eve):
        await listener.hears("role_changed", **common | role | {"participant_ids": [*scene.ids, eve.id]})
    await scene.phone.wait("role_changed")

    await bob.request("DELETE", f"{path}/members/{eve.id}", status=204)
    removed = {"removed_user_id": eve.id, "is_self_exit": False, "operator_id": bob.id}
    for listener in (scene.alice, scene.bob, scene.eve):
        await listener.hears("member_removed", **common | removed)
    await scene.phone.wait("member_removed")
    await alice.request("PUT", path, json={"name": "without eve"})
    await scene.stranger_heard_nothing()

    code = await bob.request("POST", f"/api/v1/groups/{group}/invite-code")
    await eve.request("POST", "/api/v1/groups/join", json={"invite_code": code["invite_code"]})
    joined = {"operator_id": eve.id, "added_user_ids": [eve.id], "participant_ids": [*scene.ids, eve.id]}
    for listener in (scene.alice, scene.bob, scene.eve):
        await listener.hears("member_added", conversation_id=group, **joined)
    await eve.request("DELETE", f"{path}/members/{eve.id}", status=204)
    for listener in (scene.alice, scene.bob, scene.eve):
        await listener.hears("member_removed", removed_user_id=eve.id, is_self_exit=True, operator_id=eve.id)

    await alice.request("PUT", f"{path}/members/{bob.id}", json={"role": "owner"})
    for listener in (scene.alice, scene.bob):
        await listener.hears("role_changed", target_user_id=bob.id, old_role="admin", new_role="owner")
        await listener.hears("role_changed", target_user_id=alice.id, old_role="owner", new_role="admin")
    await bob.request("DELETE", path, status=204)
    for listener in (scene.alice, scene.bob):
        await listener.hears("conversation_deleted", **common | {"conversation_type": "group", "operator_id": bob.id})
    await scene.phone.wait("conversation_deleted")
    await scene.stranger_heard_nothing()


async def test_a_single_conversation_is_deleted_for_one(scene: Scene) -> None:
    single = await scene.alice_person.single(scene.bob_person)
    for listener in (scene.alice, scene.bob):
        await listener.hears("conversation_created", conversation_type="single", conversation_name=None)
    await scene.alice_person.request("DELETE", f"/api/v1/conversations/{single}", status=204)
    await scene.alice.hears(
        "conversation_deleted",
        conversation_id=single,
        operator_id=scene.alice_person.id,
        conversation_type="single",
        participant_ids=scene.ids,
    )
    await scene.bob.heard_only("user_status_changed")
    await scene.stranger_heard_nothing()


async def test_typing_and_places(scene: Scene) -> None:
    single = await scene.alice_person.single(scene.bob_person)
    body = {"conversation_id": single}
    await scene.alice_person.request("POST", "/api/v1/messages/typing", json=body)
    await scene.bob.hears("typing_indicator", sender_id=scene.alice_person.id, is_typing=True, **body)
    await scene.phone.wait("typing")
    await scene.phone.tell(type="typing", conversation_id=single, is_typing=False)
    await scene.alice.hears("typing_indicator", sender_id=scene.bob_person.id, is_typing=False, **body)
    await scene.alice.tell(type="typing", conversation_id=single, is_typing=True)
    await scene.bob.hears("typing_indicator", sender_id=scene.alice_person.id, is_typing=True)
    place = {"latitude": 39.908815, "longitude": 116.397527, "accuracy": 10.5}
    await scene.alice.tell(type="location", **place)
    for listener in (scene.alice, scene.bob):
        await listener.hears("location_updated", user_id=scene.alice_person.id, **place)
    await scene.phone.wait("location")
    await scene.stranger_heard_nothing()


async def test_another_dialect_causes_the_same_events(scene: Scene) -> None:
    alice, eve = scene.alice_person, scene.eve_person
    group = await scene.group()
    sent = {"receiver_id": group, "receiver_type": "group", "message_type": "text", "content": "from social"}
    await alice.request("POST", "/chat/send", json=sent)
    for listener in (scene.alice, scene.bob):
        await listener.hears("new_message", conversation_id=group, content="from social", message_type="text")
    await scene.phone.wait("message")
    await alice.request("PUT", "/group/update/info", json={"group_id": group, "description": "new"})
    await scene.bob.hears("conversation_updated", update_type="description_updated", updater_id=alice.id)
    await scene.stranger_heard_nothing()
    await alice.request("POST", "/group/invite", json={"group_id": group, "user_ids": [eve.id]})
    for listener in (scene.bob, scene.eve):
        await listener.hears("member_added", added_user_ids=[eve.id], operator_id=alice.id)
    await alice.request("POST", "/group/set/role", json={"group_id": group, "user_id": eve.id, "role": 1})
    await scene.eve.hears("role_changed", target_user_id=eve.id, new_role="admin")
    await alice.request("POST", "/group/kick", json={"group_id": group, "user_id": eve.id})
    for listener in (scene.bob, scene.eve):
        await listener.hears("member_removed", removed_user_id=eve.id, is_self_exit=False)
    await alice.request("POST", "/group/dismiss", json={"group_id": group})
    await scene.bob.hears("conversation_deleted", conversation_id=group, conversation_type="group")
    await scene.stranger_heard_nothing()


@pytest.fixture
async def administered(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server with an administrator, and a quick heartbeat."""
    async with ServerProcess(tmp_path / "data", admin_password="secret-0", gateway_heartbeat_s=0.5) as running:
        yield running


async def test_broadcasts_presence_and_the_connection_itself(administered: ServerProcess) -> None:
    root = await Person.login(administered, "admin", "secret-0")
    alice, bob = [await Person.register(administered, name) for name in ("alice", "bob")]
    await alice.single(bob)
    async with AsyncExitStack() as stack:
        socket = await stack.enter_async_context(
            websockets.connect(f"{administered.ws_url}/api/v1/realtime/ws?token={alice.token}")
        )
        session = Foreign(socket.send, socket.recv)
        established = await session.next()
        assert established == {
            "type": "connection_established",
            "connection_id": established["connection_id"],
            "user_id": alice.id,
            "timestamp": established["timestamp"],
        }
        assert isinstance(established["connection_id"], str)
        heartbeat = await session.wait("heartbeat")
        await session.tell(type="ping")
        pong = await session.wait("pong")
        for event in (established, heartbeat, pong):
            assert TIME.fullmatch(event["timestamp"])
        assert (heartbeat.keys(), pong.keys()) == ({"type", "timestamp"}, {"type", "timestamp"})

        phone = await stack.enter_async_context(wire.native(administered, bob))
        listener = Listener(session)
        await listener.hears("user_status_changed", user_id=bob.id, is_online=True)

        second = Listener(await stack.enter_async_context(wire.im(administered, root)))
        sent = await root.request("POST", "/api/v1/realtime/broadcast", params={"message": "系统将于今晚进行维护"})
        assert sent["recipients"] == 3
        for each in (listener, second):
            await each.hears("broadcast_received", title="system", content="系统将于今晚进行维护", priority="normal")
        assert (await phone.wait("broadcast"))["content"] == "系统将于今晚进行维护"
        body = {"title": "系统公告", "content": "c", "priority": "high", "target_user_ids": [alice.id]}
        made = await root.request("POST", "/api/v1/broadcasts/", status=201, json=body)
        await listener.hears(
            "broadcast_received", broadcast_id=made["id"], title="系统公告", content="c", priority="high"
        )
        await second.heard_only("heartbeat")
        await phone.nothing_but("presence", "heartbeat")
