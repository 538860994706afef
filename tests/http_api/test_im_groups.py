"""Invite codes, statistics and the search for public groups (im API 7.3 to 7.5)."""

import re
from typing import Any, Final

from protocol.times import iso_time
from tests.http_api.world import World
from tests.world import NOBODY

BASE = "/api/v1/groups"


async def test_joining_by_an_invite_code(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(alice, name="技术交流群")
    code = await alice.ask("POST", f"{BASE}/{group}/invite-code")
    assert code == {
        "invite_code": code["invite_code"],
        "expires_at": iso_time(world.clock.now_ms() + 7 * 24 * 3600 * 1000),
    }
    assert re.fullmatch("[A-Z2-9]{12}", code["invite_code"])
    body = {"invite_code": code["invite_code"], "role": "owner", "conversation_id": NOBODY, "user_id": alice.id}
    joined = await bob.ask("POST", f"{BASE}/join", body)
    assert joined == await bob.ask("GET", f"/api/v1/conversations/{group}")
    assert joined["member_count"] == 2
    members = (await bob.ask("GET", f"/api/v1/conversations/{group}/members"))["members"]
    assert {each["user_id"]: each["role"] for each in members} == {alice.id: "owner", bob.id: "member"}
    assert await bob.ask("POST", f"{BASE}/join", body) == joined


REFUSED_CODES: Final[list[tuple[dict[str, Any], int]]] = [
    ({"invite_code": "ABC123DEF"}, 400),
    ({"invite_code": "'; DROP TABLE groups; --"}, 400),
    ({"invite_code": "%"}, 400),
    ({"invite_code": ""}, 422),
    ({"invite_code": "A" * 65}, 422),
    ({"invite_code": 5}, 422),
    ({"invite_code": None}, 422),
    ({}, 422),
]


async def test_refused_codes(world: World) -> None:
    alice = await world.person()
    await alice.group(alice)
    for body, status in REFUSED_CODES:
        await alice.ask("POST", f"{BASE}/join", body, expect=status)


async def test_an_expired_code(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(alice)
    code = await alice.ask("POST", f"{BASE}/{group}/invite-code")
    world.clock.at_ms += 7 * 24 * 3600 * 1000
    late = await world.person()
    await late.ask("POST", f"{BASE}/join", {"invite_code": code["invite_code"]}, expect=400)
    assert await bob.status("POST", f"{BASE}/join", {"invite_code": code["invite_code"]}) == 401


async def test_members_make_codes_only_while_they_may_invite(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(bob, allow_invite=False)
    await bob.ask("POST", f"{BASE}/{group}/invite-code", expect=403)
    single = await alice.single(bob)
    await alice.ask("POST", f"{BASE}/{single}/invite-code", expect=400)
    await alice.ask("GET", f"{BASE}/{single}/stats", expect=400)
    await alice.ask("DELETE", f"/api/v1/conversations/{group}", expect=204)
    await alice.ask("POST", f"{BASE}/{group}/invite-code", expect=404)
    await alice.ask("GET", f"{BASE}/{group}/stats", expect=404)


async def test_stats(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await alice.group(bob, carol)
    created_at = iso_time(world.clock.now_ms())
    world.clock.at_ms += 31 * 24 * 3600 * 1000
    again = await world.client.post(
        "/api/v1/auth/login/access-token", data={"username": bob.name, "password": "correct horse"}
    )
    token = (await again.json())["access_token"]
    sender = type(bob)(bob.client, bob.id, bob.uuid, bob.name, token, "")
    await sender.say(group)
    await sender.say(group)
    assert await sender.ask("GET", f"{BASE}/{group}/stats") == {
        "member_count": 3,
        "message_count": 2,
        "active_members": 1,
        "created_at": created_at,
    }


async def test_search(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    large = await alice.group(bob, name="技术交流群", description="技术讨论")
    small = await alice.group(alice, name="技术_100%")
    await alice.group(bob, name="技术秘密群", is_public=False)
    found = await bob.ask("GET", f"{BASE}/search", params={"keyword": "技术"})
    assert found == {
        "groups": [
            {"id": large, "name": "技术交流群", "description": "技术讨论", "member_count": 2, "avatar": None},
            {"id": small, "name": "技术_100%", "description": None, "member_count": 1, "avatar": None},
        ],
        "total": 2,
    }
    for keyword in ("%", "_", "100%"):
        found = await bob.ask("GET", f"{BASE}/search", params={"keyword": keyword})
        assert [each["id"] for each in found["groups"]] == [small]
    page = await bob.ask("GET", f"{BASE}/search", params={"keyword": "技术", "limit": "1", "skip": "1"})
    assert ([each["id"] for each in page["groups"]], page["total"]) == ([small], 2)
    nothing = await bob.ask("GET", f"{BASE}/search", params={"keyword": "秘密"})
    assert nothing == {"groups": [], "total": 0}


async def test_refused_searches(world: World) -> None:
    alice = await world.person()
    for query in [
        "",
        "keyword=",
        "keyword=x&limit=0",
        "keyword=x&limit=-1",
        "keyword=x&limit=51",
        "keyword=x&limit=１",
    ]:
        assert await alice.status("GET", f"{BASE}/search?{query}") == 422, query
