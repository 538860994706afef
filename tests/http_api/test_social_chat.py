"""social API 8: messages and the list of conversations."""

import pytest

from tests.http_api.social_people import ok, refused
from tests.http_api.world import ON_BOTH_STORES, Person, World
from tests.world import NOBODY

pytestmark = ON_BOTH_STORES


async def say(sender: Person, other: Person, content: str = "hi", **fields: object) -> dict[str, object]:
    body = {"to_user_id": other.id, "type": 0, "content": content, "chat_type": 0} | fields
    data: dict[str, object] = await ok(sender, "POST", "/chat/send", body)
    return data


async def test_both_forms_reach_the_same_private_chat(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    now = world.clock.at_ms // 1000
    first = await say(alice, bob, "214124124")
    assert first == {
        "id": first["id"],
        "from_user_id": alice.id,
        "to_user_id": bob.id,
        "content": "214124124",
        "create_at": now,
        "type": 0,
        "chat_type": 0,
        "group_id": 0,
        "seq": 1,
        "is_recalled": False,
    }
    named = {"receiver_id": alice.id, "receiver_type": "user", "content": "two", "message_type": "text"}
    second = await ok(bob, "POST", "/chat/send", named)
    assert (second["from_user_id"], second["to_user_id"], second["seq"]) == (bob.id, alice.id, 2)
    for target, person in ((bob, alice), (alice, bob)):
        shown = await ok(person, "GET", f"/chat/history?target_id={target.id}&chat_type=0")
        assert shown == {"hasMore": False, "messages": [first, second]}


async def test_groups_in_both_forms(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await alice.group(bob)
    numbered = {"group_id": group, "type": 0, "content": "one", "chat_type": 1}
    first = await ok(alice, "POST", "/chat/send", numbered)
    assert (first["to_user_id"], first["group_id"], first["chat_type"]) == (0, group, 1)
    named = {"receiver_id": group, "receiver_type": "group", "content": "two", "message_type": "text"}
    second = await ok(bob, "POST", "/chat/send", named)
    # A GET with the documented JSON body.
    shown = await ok(alice, "GET", "/chat/history", {"target_id": group, "chat_type": 1})
    assert shown["messages"] == [first, second]
    await refused(carol, 403, "POST", "/chat/send", numbered)
    await refused(carol, 403, "GET", f"/chat/history?target_id={group}&chat_type=1")
    await refused(alice, 404, "POST", "/chat/send", numbered | {"group_id": NOBODY})


@pytest.mark.parametrize(
    "change",
    [
        {"receiver_id": 5},
        {"receiver_id": 5, "receiver_type": "user", "message_type": "text"},
        {"to_user_id": None},
        {"group_id": 7},
        {"chat_type": 1},
        {"chat_type": 2},
        {"type": 6},
        {"type": -1},
        {"type": "0"},
        {"type": None},
        {"content": None},
        {"content": ""},
        {"content": "x" * 5001},
        {"client_msg_id": ""},
        {"client_msg_id": "x" * 65},
        {"type": 5, "content": "nowhere"},
        {"type": 5, "content": "91.5,10"},
    ],
)
async def test_messages_that_are_refused(world: World, change: dict[str, object]) -> None:
    alice, bob = await world.person(), await world.person()
    body = {"to_user_id": bob.id, "type": 0, "content": "hi", "chat_type": 0}
    await refused(alice, 400, "POST", "/chat/send", body | change)
    await refused(alice, 400, "POST", "/chat/send", body | {"to_user_id": alice.id})
    await refused(alice, 404, "POST", "/chat/send", body | {"to_user_id": NOBODY})


async def test_kinds_and_places(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    for number in range(1, 5):
        assert (await say(alice, bob, "https://files.example/1", type=number))["type"] == number
    for content in ("31.23, 121.47", '{"latitude": 31.23, "longitude": "121.47"}'):
        assert (await say(alice, bob, content, type=5))["type"] == 5
    assert (await say(alice, bob, "here", type=5, latitude="31.23", longitude="121.47"))["content"] == "here"


async def test_a_retry_stores_nothing_new(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    first = await say(alice, bob, "once", client_msg_id="a-1")
    assert await say(alice, bob, "twice", client_msg_id="a-1") == first


async def test_history_pages_backwards(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    sent = [await say(alice, bob, str(number)) for number in range(25)]
    path = f"/chat/history?target_id={bob.id}&chat_type=0"
    assert await ok(alice, "GET", path) == {"hasMore": True, "messages": sent[5:]}
    assert await ok(alice, "GET", f"{path}&before_id={sent[5]['id']}") == {"hasMore": False, "messages": sent[:5]}
    assert await ok(alice, "GET", f"{path}&limit=3") == {"hasMore": True, "messages": sent[22:]}
    for query in ("&limit=0", "&limit=101", "&limit=x", "&before_id=-1"):
        await refused(alice, 400, "GET", path + query)
    await refused(alice, 400, "GET", f"{path}&before_id={NOBODY}")
    await refused(alice, 400, "GET", "/chat/history")
    await refused(alice, 400, "GET", f"/chat/history?target_id={bob.id}&chat_type=2")
    await refused(alice, 404, "GET", f"/chat/history?target_id={NOBODY}&chat_type=0")
    carol = await world.person()
    assert await ok(alice, "GET", f"/chat/history?target_id={carol.id}&chat_type=0") == {
        "hasMore": False,
        "messages": [],
    }


async def test_reading_recalling_and_deleting(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    first, second = await say(alice, bob, "one"), await say(alice, bob, "two")
    (listed,) = await ok(bob, "GET", "/chat/conversation/list")
    assert listed["unread_count"] == 2
    assert await ok(bob, "POST", "/chat/read", {"target_id": alice.id, "chat_type": 0}) == {}
    (listed,) = await ok(bob, "GET", "/chat/conversation/list")
    assert listed["unread_count"] == 0
    await refused(bob, 403, "POST", "/chat/message/recall", {"message_id": first["id"]})
    recalled = await ok(alice, "POST", "/chat/message/recall", {"message_id": first["id"]})
    assert recalled == first | {"content": "", "is_recalled": True}
    third = await say(alice, bob, "three")
    world.clock.at_ms += 121_000
    await refused(alice, 403, "POST", "/chat/message/recall", {"message_id": third["id"]})
    assert await ok(bob, "POST", "/chat/message/delete", {"message_id": second["id"]}) == {}
    path = "/chat/history?chat_type=0&target_id="
    seen_by_bob = (await ok(bob, "GET", f"{path}{alice.id}"))["messages"]
    assert [each["content"] for each in seen_by_bob] == ["", "three"]
    seen_by_alice = (await ok(alice, "GET", f"{path}{bob.id}"))["messages"]
    assert [each["content"] for each in seen_by_alice] == ["", "two", "three"]
    for path in ("/chat/message/recall", "/chat/message/delete"):
        await refused(alice, 404, "POST", path, {"message_id": NOBODY})
        await refused(await world.person(), 403, "POST", path, {"message_id": second["id"]})


async def test_the_list_of_conversations(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    now = world.clock.at_ms // 1000
    first = await say(alice, bob, "214124124")
    group = await alice.group(bob, carol)
    world.clock.at_ms += 5000
    await ok(carol, "POST", "/chat/send", {"group_id": group, "type": 0, "content": "news", "chat_type": 1})
    in_group, in_private = await ok(alice, "GET", "/chat/conversation/list")
    assert in_private == {
        "id": in_private["id"],
        "user_id": alice.id,
        "target_id": bob.id,
        "type": 0,
        "last_message_id": first["id"],
        "last_message": "214124124",
        "last_message_time": now,
        "create_at": now,
        "update_at": now,
        "target_name": f"N {bob.name}",
        "target_avatar": "",
        "is_pinned": False,
        "unread_count": 0,
    }
    assert (in_group["type"], in_group["target_id"], in_group["target_name"]) == (1, group, "测试群组")
    assert (in_group["last_message"], in_group["last_message_time"]) == ("news", now + 5)
    pin = {"target_id": bob.id, "chat_type": 0, "is_pinned": True}
    await ok(alice, "POST", "/chat/conversation/pin", pin)
    assert [each["type"] for each in await ok(alice, "GET", "/chat/conversation/list")] == [0, 1]
    await ok(alice, "POST", "/chat/conversation/pin", pin | {"is_pinned": False})
    await ok(alice, "POST", "/chat/conversation/delete", {"conversation_id": str(in_private["id"])})
    await ok(alice, "POST", "/chat/conversation/delete", {"conversation_id": group})
    assert await ok(alice, "GET", "/chat/conversation/list") == []
    assert (await ok(alice, "GET", "/group/list"))["total"] == 1
    await say(bob, alice, "again")
    (back,) = await ok(alice, "GET", "/chat/conversation/list")
    assert back["last_message"] == "again"
    history = await ok(alice, "GET", f"/chat/history?target_id={bob.id}&chat_type=0")
    assert [each["content"] for each in history["messages"]] == ["again"]
    for wrong in ("conv123", "", 0, -1, True, None):
        await refused(alice, 400, "POST", "/chat/conversation/delete", {"conversation_id": wrong})
    await refused(alice, 404, "POST", "/chat/conversation/delete", {"conversation_id": NOBODY})
    await refused(await world.person(), 403, "POST", "/chat/conversation/delete", {"conversation_id": group})
