"""Conversations and members (im API 3, 7.1 and 7.2)."""

from typing import Any

import pytest

from protocol.times import iso_time
from tests.http_api.world import World
from tests.world import NOBODY

BASE = "/api/v1/conversations"


async def test_single(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    made = await alice.ask("POST", f"{BASE}/single", {"target_user_id": bob.id})
    now = iso_time(world.clock.now_ms())
    expected = {
        "id": made["id"],
        "name": None,
        "type": "single",
        "description": None,
        "avatar": None,
        "max_members": 2,
        "allow_invite": True,
        "allow_member_modify": False,
        "status": "active",
        "creator_id": alice.id,
        "created_at": now,
        "updated_at": now,
    }
    assert {name: made[name] for name in expected} == expected
    again = await bob.ask("POST", f"{BASE}/single", {"target_user_id": alice.id})
    assert (again["id"], again["creator_id"]) == (made["id"], alice.id)


async def test_single_with_nobody_or_oneself(world: World) -> None:
    alice = await world.person()
    for target in (NOBODY, alice.id):
        await alice.ask("POST", f"{BASE}/single", {"target_user_id": target}, expect=400)
    for refused in (0, -1, 2**53, 2**64, "2", "２", 2.0, True, None):
        await alice.ask("POST", f"{BASE}/single", {"target_user_id": refused}, expect=422)


async def test_group(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    body = {
        "name": "测试群组",
        "description": "这是一个测试群组",
        "member_ids": [bob.id, bob.id, alice.id],
        "max_members": 10,
        "allow_invite": False,
        "allow_member_modify": True,
        "creator_id": bob.id,
        "status": "dissolved",
    }
    made = await alice.ask("POST", f"{BASE}/group", body)
    assert made["type"] == "group"
    assert made["creator_id"] == alice.id
    assert made["status"] == "active"
    assert made["member_count"] == 2
    for name in ("name", "description", "max_members", "allow_invite", "allow_member_modify"):
        assert made[name] == body[name]


async def test_group_defaults(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    made = await alice.ask("POST", f"{BASE}/group", {"name": "g", "member_ids": [bob.id]})
    assert (made["max_members"], made["allow_invite"], made["allow_member_modify"]) == (500, True, False)
    assert (made["description"], made["is_public"], made["history_visible"]) == (None, True, True)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"name": ""}, 422),
        ({"name": "  "}, 422),
        ({"name": "x" * 101}, 422),
        ({"name": None}, 422),
        ({"member_ids": []}, 422),
        ({"member_ids": None}, 422),
        ({"member_ids": [0]}, 422),
        ({"member_ids": [2**64]}, 422),
        ({"member_ids": [NOBODY]}, 400),
        ({"max_members": 1}, 422),
        ({"max_members": 1001}, 422),
        ({"max_members": 2.5}, 422),
        ({"allow_invite": "yes"}, 422),
    ],
)
async def test_refused_groups(world: World, changes: dict[str, Any], status: int) -> None:
    alice, bob = await world.person(), await world.person()
    await alice.ask("POST", f"{BASE}/group", {"name": "g", "member_ids": [bob.id]} | changes, expect=status)
    assert (await alice.ask("GET", f"{BASE}/"))["total"] == 0


async def test_more_members_than_allowed(world: World) -> None:
    alice, bob, carol = await world.person(), await world.person(), await world.person()
    body = {"name": "g", "member_ids": [bob.id, carol.id], "max_members": 2}
    await alice.ask("POST", f"{BASE}/group", body, expect=400)


async def test_list(world: World) -> None:
    alice, bob = await world.person(), await world.person("bob")
    single, group = await alice.single(bob), await alice.group(bob)
    world.clock.at_ms += 1000
    await bob.say(single)
    await bob.say(single)
    page = await alice.ask("GET", f"{BASE}/")
    assert page.keys() == {"conversations", "total", "page", "page_size"}
    assert (page["total"], page["page"], page["page_size"]) == (2, 1, 20)
    first, second = page["conversations"]
    assert (first["id"], second["id"]) == (single, group)
    assert first.keys() >= {
        "id",
        "name",
        "type",
        "status",
        "creator_id",
        "created_at",
        "updated_at",
        "member_count",
        "unread_count",
        "last_message_at",
        "participants",
    }
    assert first["participants"] == [{"id": bob.id, "standard_id": "bob", "name": "N bob"}]
    assert (first["unread_count"], first["member_count"]) == (2, 2)
    assert (second["unread_count"], second["last_message_at"], second["name"]) == (0, None, "测试群组")
    tail = await alice.ask("GET", f"{BASE}/", params={"skip": "1", "limit": "1"})
    assert ([each["id"] for each in tail["conversations"]], tail["page"], tail["total"]) == ([group], 2, 2)


@pytest.mark.parametrize("query", ["skip=-1", "limit=0", "limit=-5", "limit=201", "skip=x", "limit=", "skip=1e3"])
async def test_refused_pages(world: World, query: str) -> None:
    alice = await world.person()
    assert await alice.status("GET", f"{BASE}/?{query}") == 422


async def test_update(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(bob, description="old")
    body = {"name": "新的群组名称", "max_members": 600, "allow_invite": False, "creator_id": bob.id}
    changed = await alice.ask("PUT", f"{BASE}/{group}", body)
    assert (changed["name"], changed["max_members"], changed["allow_invite"]) == ("新的群组名称", 600, False)
    assert (changed["description"], changed["creator_id"]) == ("old", alice.id)
    cleared = await alice.ask("PUT", f"{BASE}/{group}", {"description": None, "watermark_text": "保密"})
    assert (cleared["description"], cleared["watermark_text"]) == (None, "保密")
    assert await bob.ask("GET", f"{BASE}/{group}") == cleared
    assert await alice.ask("PUT", f"{BASE}/{group}", {}) == cleared
    await alice.ask("PUT", f"{BASE}/{group}", {"max_members": 1}, expect=422)
    await alice.ask("PUT", f"{BASE}/{group}", {"name": "x" * 101}, expect=422)


async def test_single_conversations_have_no_settings(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    single = await alice.single(bob)
    await alice.ask("PUT", f"{BASE}/{single}", {"name": "us"}, expect=400)
    await alice.ask("POST", f"{BASE}/{single}/members", {"user_ids": [bob.id]}, expect=400)


async def test_members_modify_only_where_allowed(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(bob)
    await bob.ask("PUT", f"{BASE}/{group}", {"name": "mine"}, expect=403)
    await alice.ask("PUT", f"{BASE}/{group}", {"allow_member_modify": True})
    await bob.ask("PUT", f"{BASE}/{group}", {"name": "mine"})


async def test_deleting_a_group_dissolves_it(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(bob)
    await bob.ask("DELETE", f"{BASE}/{group}", expect=403)
    assert await alice.ask("DELETE", f"{BASE}/{group}", expect=204) is None
    for person in (alice, bob):
        await person.ask("GET", f"{BASE}/{group}", expect=404)
    await alice.ask("DELETE", f"{BASE}/{group}", expect=404)


async def test_deleting_a_single_conversation_hides_it_from_one(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    single = await alice.single(bob)
    await alice.ask("DELETE", f"{BASE}/{single}", expect=204)
    assert (await alice.ask("GET", f"{BASE}/"))["total"] == 0
    assert (await bob.ask("GET", f"{BASE}/"))["total"] == 1


async def test_members(world: World) -> None:
    alice, bob = await world.person("alice"), await world.person()
    group = await alice.group(bob)
    found = await bob.ask("GET", f"{BASE}/{group}/members")
    assert found["total"] == 2
    owner, member = found["members"]
    expected = {
        "id": owner["id"],
        "conversation_id": group,
        "user_id": alice.id,
        "role": "owner",
        "status": "active",
        "joined_at": iso_time(world.clock.now_ms()),
        "user_name": "N alice",
        "user_standard_id": "alice",
    }
    assert {name: owner[name] for name in expected} == expected
    assert (member["user_id"], member["role"]) == (bob.id, "member")


async def test_add_members(world: World) -> None:
    alice, bob, carol, dave = [await world.person() for _ in range(4)]
    group = await alice.group(bob, max_members=3)
    path = f"{BASE}/{group}/members"
    await alice.ask("POST", path, {"user_ids": [carol.id, NOBODY]}, expect=400)
    await alice.ask("POST", path, {"user_ids": [carol.id, dave.id]}, expect=400)
    await alice.ask("POST", path, {"user_ids": [carol.id], "role": "owner"}, expect=400)
    await bob.ask("POST", path, {"user_ids": [carol.id], "role": "admin"}, expect=403)
    assert (await alice.ask("GET", path))["total"] == 2
    assert await bob.ask("POST", path, {"user_ids": [bob.id, carol.id]}) is None
    assert (await carol.ask("GET", path))["total"] == 3
    refused: dict[str, Any]
    for refused in (
        {},
        {"user_ids": []},
        {"user_ids": [0]},
        {"user_ids": "1"},
        {"user_ids": [dave.id], "role": "x"},
    ):
        await alice.ask("POST", path, refused, expect=422)


async def test_invitations_by_members_may_be_off(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await alice.group(bob, allow_invite=False)
    await bob.ask("POST", f"{BASE}/{group}/members", {"user_ids": [carol.id]}, expect=403)
    await alice.ask("POST", f"{BASE}/{group}/members", {"user_ids": [carol.id], "role": "admin"})


async def test_remove_members(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await alice.group(bob, carol)
    await bob.ask("DELETE", f"{BASE}/{group}/members/{carol.id}", expect=403)
    await alice.ask("DELETE", f"{BASE}/{group}/members/{alice.id}", expect=400)
    await alice.ask("DELETE", f"{BASE}/{group}/members/{NOBODY}", expect=404)
    assert await alice.ask("DELETE", f"{BASE}/{group}/members/{carol.id}", expect=204) is None
    await carol.ask("GET", f"{BASE}/{group}", expect=403)
    await bob.ask("DELETE", f"{BASE}/{group}/members/{bob.id}", expect=204)
    await alice.ask("DELETE", f"{BASE}/{group}/members/{bob.id}", expect=404)


async def test_update_members(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await alice.group(bob, carol)
    path = f"{BASE}/{group}/members/{bob.id}"
    later = iso_time(world.clock.now_ms() + 60_000)
    assert await alice.ask("PUT", path, {"role": "admin", "nickname": "新昵称", "status": "active"}) is None
    await bob.ask("PUT", f"{BASE}/{group}/members/{carol.id}", {"muted_until": later})
    shown = {each["user_id"]: each for each in (await alice.ask("GET", f"{BASE}/{group}/members"))["members"]}
    assert (shown[bob.id]["role"], shown[bob.id]["nickname"]) == ("admin", "新昵称")
    assert shown[carol.id]["muted_until"] == later
    await carol.ask("POST", "/api/v1/messages/text", {"conversation_id": group, "content": "x"}, expect=403)
    await bob.ask("PUT", f"{BASE}/{group}/members/{carol.id}", {"muted_until": None})
    await carol.say(group)
    await carol.ask("PUT", path, {"role": "member"}, expect=403)
    await alice.ask("PUT", f"{BASE}/{group}/members/{NOBODY}", {"nickname": "x"}, expect=404)
    await alice.ask("PUT", f"{BASE}/{group}/members/{alice.id}", {"role": "member"}, expect=400)
    for refused in (
        {"role": "king"},
        {"status": "x"},
        {"muted_until": "soon"},
        {"muted_until": 5},
        {"nickname": 5},
    ):
        await alice.ask("PUT", path, refused, expect=422)


async def test_transfer(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(bob)
    await alice.ask("PUT", f"{BASE}/{group}/members/{bob.id}", {"role": "owner"})
    members = (await alice.ask("GET", f"{BASE}/{group}/members"))["members"]
    assert {each["user_id"]: each["role"] for each in members} == {alice.id: "admin", bob.id: "owner"}


async def test_removal_by_status(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(bob)
    await alice.ask("PUT", f"{BASE}/{group}/members/{bob.id}", {"status": "removed"})
    await bob.ask("GET", f"{BASE}/{group}", expect=403)


async def test_group_members_in_the_query_or_the_body(world: World) -> None:
    alice, bob, carol, dave = [await world.person() for _ in range(4)]
    group = await alice.group(bob)
    path = f"/api/v1/groups/{group}/members"
    by_query = await alice.ask("POST", f"{path}?user_ids={carol.id}&user_ids={bob.id}")
    assert (by_query["id"], by_query["member_count"]) == (group, 3)
    by_body = await alice.ask("POST", path, {"user_ids": [dave.id]})
    assert by_body["member_count"] == 4
    await alice.ask("POST", path, expect=422)
    for refused in ("x", "0", str(2**64), "１", "-1", ""):
        assert await alice.status("POST", path, params={"user_ids": refused}) == 422
    left = await alice.ask("DELETE", f"{path}/{dave.id}")
    assert (left["id"], left["member_count"]) == (group, 3)
    await alice.ask("DELETE", f"{path}/{dave.id}", expect=404)
