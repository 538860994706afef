"""Messages (im API 4)."""

from typing import Any

import pytest

from tests.http_api.world import Person, World
from tests.world import NOBODY

BASE = "/api/v1/messages"


async def pair(world: World) -> tuple[Person, Person, int]:
    alice, bob = await world.person("alice"), await world.person("bob")
    return alice, bob, await alice.single(bob)


async def contents(person: Person, conversation_id: int, **query: str) -> list[str]:
    page = await person.ask("GET", f"{BASE}/conversation/{conversation_id}", params=query)
    return [message["content"] for message in page["messages"]]


async def test_text(world: World) -> None:
    alice, bob, single = await pair(world)
    first = await alice.say(single)
    body = {
        "conversation_id": single,
        "content": "回复",
        "reply_to_id": first,
        "sender_id": alice.id,
        "seq": 99,
    }
    sent = await bob.ask("POST", f"{BASE}/text", body)
    expected = {
        "id": sent["id"],
        "conversation_id": single,
        "sender_id": bob.id,
        "message_type": "text",
        "content": "回复",
        "status": "sent",
        "reply_to_id": first,
        "created_at": sent["created_at"],
        "updated_at": sent["created_at"],
        "sender_name": "N bob",
        "sender_standard_id": "bob",
    }
    assert {name: sent[name] for name in expected} == expected
    assert sent["seq"] == 2
    assert sent["created_at"].endswith("Z")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"content": ""}, 422),
        ({"content": "x" * 5000}, 200),
        ({"content": "x" * 5001}, 422),
        ({"content": None}, 422),
        ({"content": 5}, 422),
        ({"content": "\u0000 <b>'; DROP TABLE messages; --"}, 200),
        ({"conversation_id": NOBODY}, 404),
        ({"conversation_id": 0}, 422),
        ({"conversation_id": 2**64}, 422),
        ({"conversation_id": "1"}, 422),
        ({"reply_to_id": NOBODY}, 404),
        ({"reply_to_id": 0}, 422),
        ({"client_msg_id": ""}, 422),
        ({"client_msg_id": "x" * 65}, 422),
    ],
)
async def test_text_fields(world: World, changes: dict[str, Any], status: int) -> None:
    alice, _, single = await pair(world)
    body = {"conversation_id": single, "content": "Hello"} | changes
    sent = await alice.ask("POST", f"{BASE}/text", body, expect=status)
    if status == 200:
        assert sent["content"] == body["content"]
        assert await contents(alice, single) == [body["content"]]


async def test_a_client_message_id_is_stored_once(world: World) -> None:
    alice, bob, single = await pair(world)
    ids = {await alice.say(single, "once", client_msg_id="c-1") for _ in range(3)}
    assert len(ids) == 1
    assert await bob.say(single, "bob's own", client_msg_id="c-1") not in ids
    assert await contents(alice, single) == ["once", "bob's own"]


async def test_location(world: World) -> None:
    alice, _, single = await pair(world)
    body = {
        "conversation_id": single,
        "latitude": "39.9042",
        "longitude": "116.4074",
        "address": "北京市朝阳区",
    }
    sent = await alice.ask("POST", f"{BASE}/location", body)
    assert sent["message_type"] == "location"
    for name in ("latitude", "longitude", "address"):
        assert sent[name] == body[name]
    shown = await alice.ask("GET", f"{BASE}/single/{sent['id']}")
    assert shown == sent


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"latitude": 39.9}, 422),
        ({"latitude": None}, 422),
        ({"latitude": ""}, 422),
        ({"latitude": "91"}, 400),
        ({"latitude": "north"}, 422),
        ({"latitude": "nan"}, 422),
        ({"latitude": "３９"}, 422),
        ({"longitude": "-180.1"}, 400),
        ({"address": "x" * 256}, 422),
        ({"conversation_id": NOBODY}, 404),
    ],
)
async def test_refused_locations(world: World, changes: dict[str, Any], status: int) -> None:
    alice, _, single = await pair(world)
    body = {"conversation_id": single, "latitude": "39.9042", "longitude": "116.4074"} | changes
    await alice.ask("POST", f"{BASE}/location", body, expect=status)


async def test_history(world: World) -> None:
    alice, bob, single = await pair(world)
    ids = [await alice.say(single, str(number)) for number in range(5)]
    path = f"{BASE}/conversation/{single}"
    page = await bob.ask("GET", path, params={"limit": "2"})
    assert page.keys() == {"messages", "has_more", "limit"}
    assert ([each["id"] for each in page["messages"]], page["has_more"], page["limit"]) == (ids[3:], True, 2)
    assert page["messages"][0]["sender_name"] == "N alice"
    before = await bob.ask("GET", path, params={"limit": "2", "before_cursor": str(ids[2])})
    assert ([each["id"] for each in before["messages"]], before["has_more"]) == (ids[:2], False)
    after = await bob.ask("GET", path, params={"limit": "2", "after_cursor": str(ids[0])})
    assert ([each["id"] for each in after["messages"]], after["has_more"]) == (ids[1:3], True)
    between = {"before_cursor": str(ids[3]), "after_cursor": str(ids[0])}
    assert await contents(bob, single, **between) == ["1", "2"]
    skipped = await bob.ask("GET", path, params={"skip": "3", "limit": "2"})
    assert ([each["id"] for each in skipped["messages"]], skipped["has_more"]) == (ids[3:], False)
    skipped = await bob.ask("GET", path, params={"skip": "2", "limit": "2"})
    assert skipped["has_more"]


async def test_history_is_twenty_by_default(world: World) -> None:
    alice, bob, single = await pair(world)
    for number in range(21):
        await alice.say(single, str(number))
    page = await bob.ask("GET", f"{BASE}/conversation/{single}")
    assert (len(page["messages"]), page["has_more"], page["limit"]) == (20, True, 20)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=-1", 422),
        ("limit=0", 422),
        ("limit=201", 422),
        ("skip=-1", 422),
        ("before_cursor=abc", 422),
        ("before_cursor=%EF%BC%91", 422),
        ("before_cursor=-1", 422),
        ("before_cursor=1%20or%201=1", 422),
        (f"after_cursor={2**64}", 422),
        (f"after_cursor={NOBODY}", 400),
    ],
)
async def test_forged_cursors(world: World, query: str, status: int) -> None:
    alice, _, single = await pair(world)
    await alice.say(single)
    assert await alice.status("GET", f"{BASE}/conversation/{single}?{query}") == status


async def test_a_cursor_of_another_conversation(world: World) -> None:
    alice, bob, single = await pair(world)
    carol = await world.person()
    foreign = await bob.say(await bob.single(carol))
    assert await alice.status("GET", f"{BASE}/conversation/{single}?before_cursor={foreign}") == 400


async def test_edit(world: World) -> None:
    alice, bob, single = await pair(world)
    message_id = await alice.say(single)
    changed = await alice.ask("PUT", f"{BASE}/{message_id}", {"content": "更新后的消息内容", "status": "edited"})
    assert (changed["content"], changed["status"], changed["id"]) == (
        "更新后的消息内容",
        "edited",
        message_id,
    )
    assert await bob.ask("GET", f"{BASE}/single/{message_id}") == changed
    assert await alice.ask("PUT", f"{BASE}/{message_id}", {}) == changed
    await bob.ask("PUT", f"{BASE}/{message_id}", {"content": "mine"}, expect=403)
    await alice.ask("PUT", f"{BASE}/{NOBODY}", {"content": "x"}, expect=404)
    for refused in ({"content": ""}, {"content": "x" * 5001}, {"content": 1}, {"status": "recalled"}):
        await alice.ask("PUT", f"{BASE}/{message_id}", refused, expect=422)


async def test_only_text_can_be_edited(world: World) -> None:
    alice, _, single = await pair(world)
    body = {"conversation_id": single, "latitude": "1", "longitude": "2"}
    sent = await alice.ask("POST", f"{BASE}/location", body)
    await alice.ask("PUT", f"{BASE}/{sent['id']}", {"content": "x"}, expect=400)


async def test_recall(world: World) -> None:
    alice, bob, single = await pair(world)
    message_id = await alice.say(single)
    await bob.ask("POST", f"{BASE}/{message_id}/recall", expect=403)
    assert await alice.ask("POST", f"{BASE}/{message_id}/recall") is None
    shown = await bob.ask("GET", f"{BASE}/single/{message_id}")
    assert (shown["status"], shown["content"]) == ("recalled", "")
    await alice.ask("PUT", f"{BASE}/{message_id}", {"content": "back"}, expect=400)
    await alice.ask("POST", f"{BASE}/{NOBODY}/recall", expect=404)


async def test_recall_ends_after_two_minutes_but_for_a_groups_admins(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(bob)
    early, late = await bob.say(group), await bob.say(group)
    world.clock.at_ms += 110_000
    await bob.ask("POST", f"{BASE}/{early}/recall")
    world.clock.at_ms += 20_000
    await bob.ask("POST", f"{BASE}/{late}/recall", expect=403)
    await alice.ask("POST", f"{BASE}/{late}/recall")


async def test_unread_and_read(world: World) -> None:
    alice, bob, single = await pair(world)
    group = await alice.group(bob)
    ids = [await alice.say(single, str(number)) for number in range(3)]
    await alice.say(group)
    await alice.say(group, is_silent=True)
    count = f"{BASE}/unread/count"
    assert await bob.ask("GET", count) == {"unread_count": 4, "conversation_id": None}
    expected = {"unread_count": 3, "conversation_id": single}
    assert await bob.ask("GET", count, params={"conversation_id": str(single)}) == expected
    assert (await alice.ask("GET", count))["unread_count"] == 0
    marked = await bob.ask("POST", f"{BASE}/mark-read", {"conversation_id": single, "message_ids": [ids[1], NOBODY]})
    assert marked is None
    assert (await bob.ask("GET", count))["unread_count"] == 2
    receipts = await alice.ask("GET", f"{BASE}/{ids[1]}/read-receipts")
    assert receipts["total"] == 1
    (receipt,) = receipts["receipts"]
    assert receipt.keys() == {"id", "message_id", "user_id", "read_at"}
    assert (receipt["message_id"], receipt["user_id"]) == (ids[1], bob.id)
    assert await alice.ask("GET", f"{BASE}/{ids[0]}/read-receipts") == {"receipts": [], "total": 0}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"message_ids": []}, 200),
        ({"message_ids": None}, 422),
        ({"message_ids": ["1"]}, 422),
        ({"message_ids": [0]}, 422),
        ({"message_ids": [True]}, 422),
        ({"message_ids": [1] * 1001}, 422),
        ({"conversation_id": NOBODY}, 404),
        ({"conversation_id": 2**53}, 422),
    ],
)
async def test_mark_read_fields(world: World, changes: dict[str, Any], status: int) -> None:
    alice, _, single = await pair(world)
    body = {"conversation_id": single, "message_ids": [1]} | changes
    assert await alice.status("POST", f"{BASE}/mark-read", body) == status


async def test_typing(world: World) -> None:
    alice, _, single = await pair(world)
    assert await alice.ask("POST", f"{BASE}/typing", {"conversation_id": single}) is None
    assert await alice.ask("POST", f"{BASE}/typing", {"conversation_id": single, "is_typing": False}) is None
    await alice.ask("POST", f"{BASE}/typing", {"conversation_id": NOBODY}, expect=404)
    await alice.ask("POST", f"{BASE}/typing", {"conversation_id": single, "is_typing": "yes"}, expect=422)
