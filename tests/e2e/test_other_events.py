"""messenger's and social's events, in the form that their documents give, whichever dialect caused them."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest

from tests.e2e import wire
from tests.e2e.conftest import People
from tests.e2e.server import Person, ServerProcess
from tests.e2e.wire import Foreign

TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
FIELDS: Final[dict[str, dict[str, type]]] = {
    "message.new": {
        "id": int,
        "chat_id": int,
        "sender_id": int,
        "content": str,
        "type": str,
        "created_at": str,
        "sender": dict,
    },
    "message.edit": {"id": int, "chat_id": int, "content": str, "updated_at": str},
    "message.delete": {"id": int, "chat_id": int, "deleted_at": str},
    "typing": {"chat_id": int, "user_id": int, "is_typing": bool, "timestamp": str},
    "presence": {"user_id": int, "is_online": bool, "timestamp": str},
    "call.offer": {
        "call_id": str,
        "from_user_id": int,
        "to_user_id": int,
        "call_type": str,
        "sdp": str,
        "timestamp": str,
    },
    "call.answer": {"call_id": str, "from_user_id": int, "to_user_id": int, "sdp": str, "timestamp": str},
    "call.ice": {"call_id": str, "from_user_id": int, "to_user_id": int, "candidate": str, "timestamp": str},
    "call.end": {"call_id": str, "reason": str, "duration": int, "timestamp": str},
    "message": {
        "message_id": int,
        "sender_id": int,
        "receiver_id": int,
        "receiver_type": str,
        "content": str,
        "message_type": str,
        "timestamp": str,
    },
}
"""The documented fields of `data` and their types."""
EXTRAS: Final = frozenset({"message.new", "message"})
"""Events that may say more: messenger's new message all that its REST shows, social's the `seq`."""


async def hears(session: Foreign, kind: str, **having: Any) -> dict[str, Any]:
    event = await session.wait(kind)
    assert event.keys() == {"type", "data"}
    data: dict[str, Any] = event["data"]
    wanted = FIELDS[kind]
    assert wanted.keys() <= data.keys() if kind in EXTRAS else wanted.keys() == data.keys(), data
    for name, expected in wanted.items():
        assert type(data[name]) is expected, (name, data)
    for name in {"timestamp", "created_at", "updated_at", "deleted_at"} & data.keys():
        assert TIME.fullmatch(data[name]), data
    assert having.items() <= data.items(), data
    return data


async def notified(session: Foreign, event: str, **having: Any) -> dict[str, Any]:
    """social's frame for what is no message."""
    data: dict[str, Any] = (await session.wait("notification"))["data"]
    assert data["event"] == event
    assert having.items() <= data.items(), data
    return data


class Scene:
    """Alice does something in any dialect; Bob listens on messenger and on social."""

    def __init__(self, people: list[Person], sockets: dict[str, Foreign], single: int) -> None:
        self.alice, self.bob = people
        self.phone, self.web, self.mine, self.social = (
            sockets[name] for name in ("native", "im", "messenger", "social")
        )
        self.his, self.his_social = sockets["his messenger"], sockets["his social"]
        self.single = single


@pytest.fixture
async def scene(server: ServerProcess, people: People) -> AsyncIterator[Scene]:
    alice, bob = await people("alice", "bob")
    single = await alice.single(bob)
    ways = {
        "his messenger": wire.messenger(server, bob),
        "his social": wire.social(server, bob),
        "native": wire.native(server, alice),
        "im": wire.im(server, alice),
        "messenger": wire.messenger(server, alice),
        "social": wire.social(server, alice),
    }
    async with AsyncExitStack() as stack:
        sockets = {name: await stack.enter_async_context(way) for name, way in ways.items()}
        yield Scene([alice, bob], sockets, single)


Say = Callable[[Scene, str], Awaitable[Any]]
SAYINGS: Final[dict[str, Say]] = {
    "im": lambda scene, text: scene.alice.request(
        "POST", "/api/v1/messages/text", json={"conversation_id": scene.single, "content": text}
    ),
    "im's socket": lambda scene, text: scene.web.tell(
        type="message", conversation_id=scene.single, content=text, message_type="text"
    ),
    "social": lambda scene, text: scene.alice.request(
        "POST", "/chat/send", json={"to_user_id": scene.bob.id, "type": 0, "content": text, "chat_type": 0}
    ),
    "social's socket": lambda scene, text: scene.social.tell(
        type="message",
        data={"receiver_id": scene.bob.id, "receiver_type": "user", "message_type": "text", "content": text},
    ),
    "messenger": lambda scene, text: scene.alice.request(
        "POST", f"/api/chats/{scene.single}/messages", json={"content": text}
    ),
    "messenger's socket": lambda scene, text: scene.mine.tell(
        type="message.send", data={"chat_id": scene.single, "content": text}
    ),
    "native": lambda scene, text: scene.phone.tell(
        type="send", id=1, conversation_id=scene.single, content=text, client_msg_id="n"
    ),
}
Do = Callable[[Scene, int], Awaitable[Any]]
EDITS: Final[dict[str, Do]] = {
    "im": lambda scene, message: scene.alice.request("PUT", f"/api/v1/messages/{message}", json={"content": "better"}),
    "messenger": lambda scene, message: scene.alice.request(
        "PUT", f"/api/messages/{message}", json={"content": "better"}
    ),
    "native": lambda scene, message: scene.phone.tell(type="edit", id=2, message_id=message, content="better"),
}
REMOVALS: Final[dict[str, tuple[Do, str]]] = {
    "im": (
        lambda scene, message: scene.alice.request("POST", f"/api/v1/messages/{message}/recall"),
        "message_recalled",
    ),
    "social": (
        lambda scene, message: scene.alice.request("POST", "/chat/message/recall", json={"message_id": message}),
        "message_recalled",
    ),
    "messenger": (
        lambda scene, message: scene.alice.request("DELETE", f"/api/messages/{message}"),
        "message_deleted",
    ),
    "native": (
        lambda scene, message: scene.phone.tell(type="recall", id=3, message_id=message),
        "message_recalled",
    ),
    "native, deleted": (
        lambda scene, message: scene.phone.tell(type="delete", id=3, message_id=message),
        "message_deleted",
    ),
}
TYPINGS: Final[dict[str, Callable[[Scene], Awaitable[Any]]]] = {
    "im": lambda scene: scene.alice.request(
        "POST", "/api/v1/messages/typing", json={"conversation_id": scene.single, "is_typing": True}
    ),
    "im's socket": lambda scene: scene.web.tell(type="typing", conversation_id=scene.single, is_typing=True),
    "messenger's socket": lambda scene: scene.mine.tell(
        type="typing", data={"chat_id": scene.single, "is_typing": True}
    ),
    "native": lambda scene: scene.phone.tell(type="typing", conversation_id=scene.single, is_typing=True),
}


async def test_messages(scene: Scene) -> None:
    for way, say in SAYINGS.items():
        await say(scene, way)
        new = await hears(scene.his, "message.new", chat_id=scene.single, content=way, type="text")
        assert new["sender"].keys() == {"id", "username", "nickname", "avatar"}
        assert new["sender_id"] == new["sender"]["id"] == scene.alice.id
        told = {"receiver_id": scene.bob.id, "receiver_type": "user", "content": way, "message_type": "text"}
        await hears(scene.his_social, "message", message_id=new["id"], sender_id=scene.alice.id, **told)


async def test_edits_and_removals(scene: Scene) -> None:
    for way, edit in EDITS.items():
        await SAYINGS["messenger"](scene, way)
        message = (await hears(scene.his, "message.new"))["id"]
        await edit(scene, message)
        await hears(scene.his, "message.edit", id=message, chat_id=scene.single, content="better")
        await notified(scene.his_social, "message_edited", message_id=message, content="better")
    for way, (remove, told) in REMOVALS.items():
        await SAYINGS["messenger"](scene, way)
        message = (await hears(scene.his, "message.new"))["id"]
        await remove(scene, message)
        await hears(scene.his, "message.delete", id=message, chat_id=scene.single)
        await notified(scene.his_social, told, message_id=message, operator_id=scene.alice.id)


async def test_typing(scene: Scene) -> None:
    for type_ in TYPINGS.values():
        await type_(scene)
        await hears(scene.his, "typing", chat_id=scene.single, user_id=scene.alice.id, is_typing=True)


async def test_presence(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    await alice.single(bob)
    for way in (wire.native, wire.im, wire.social, wire.messenger):
        (carol,) = await people("carol")
        await carol.single(alice)
        async with wire.messenger(server, alice) as his, way(server, carol):
            await hears(his, "presence", user_id=carol.id, is_online=True)


async def test_calls_of_native_clients(scene: Scene) -> None:
    phone = scene.phone
    await phone.tell(type="call_offer", id=1, to_user_id=scene.bob.id, sdp="v=0", call_type="video", call_id=None)
    ring = await hears(scene.his, "call.offer", from_user_id=scene.alice.id, to_user_id=scene.bob.id, sdp="v=0")
    assert ring["call_type"] == "video"
    call = {"call_id": ring["call_id"]}
    await scene.his.tell(type="call.answer", data=call | {"sdp": "v=1"})
    await hears(scene.mine, "call.answer", from_user_id=scene.bob.id, to_user_id=scene.alice.id, sdp="v=1", **call)
    await phone.tell(type="call_ice", id=2, candidate="candidate:1", **call)
    await hears(scene.his, "call.ice", from_user_id=scene.alice.id, candidate="candidate:1", **call)
    await phone.tell(type="call_end", id=3, **call)
    for session in (scene.his, scene.mine):
        await hears(session, "call.end", reason="user_hangup", **call)
        recorded = await hears(session, "message.new", type="system", chat_id=scene.single)
        assert recorded["call"] == call | {"call_type": "video", "reason": "user_hangup", "duration": 0}


async def test_groups_and_friends_of_other_dialects(scene: Scene) -> None:
    alice, bob = scene.alice, scene.bob
    group = await alice.group(bob)
    await notified(scene.his_social, "group", type=1, group_id=group, operator_id=alice.id, target_user_id=bob.id)
    await scene.phone.tell(type="send", id=1, conversation_id=group, content="to all")
    told = {"receiver_id": group, "receiver_type": "group", "content": "to all"}
    await hears(scene.his_social, "message", sender_id=alice.id, **told)
    await hears(scene.his, "message.new", chat_id=group, content="to all")
    path = f"/api/v1/conversations/{group}/members/{bob.id}"
    await alice.request("PUT", path, json={"role": "admin"})
    await notified(scene.his_social, "group", type=7, group_id=group)
    await alice.request("DELETE", path, status=204)
    await notified(scene.his_social, "group", type=6, group_id=group)


async def test_a_friend_request_is_told_once_though_it_is_a_notification_too(scene: Scene) -> None:
    alice, bob = scene.alice, scene.bob
    async with wire.im(alice.server, bob) as web:
        await alice.request("POST", "/friend/request/send", json={"to_user_id": bob.id, "message": "hi"})
        await web.wait("notification")
    await notified(scene.his_social, "friend_request", from_user_id=alice.id, to_user_id=bob.id, message="hi")
    await scene.his_social.nothing_but()
