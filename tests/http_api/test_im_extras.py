"""Broadcasts, client events and the cascade (im API 6.3 and im's older list)."""

from typing import Any, Final

from protocol.times import iso_time
from tests.http_api.world import World
from tests.world import NOBODY, START_MS

BROADCASTS = "/api/v1/broadcasts/"
EVENTS = "/api/v1/events/"
SYNC = "/api/v1/cascade/sync/users"


async def test_a_broadcast_in_the_query(world: World) -> None:
    root, bob = await world.person(is_admin=True), await world.person()
    world.directory.connected(bob.id)
    path = "/api/v1/realtime/broadcast"
    sent = await root.ask("POST", path, params={"message": "系统维护"})
    assert sent == {"message": "广播消息发送成功", "recipients": 1}
    await root.ask("POST", path, params={"message": "x", "broadcast_type": "alarm"})
    kept = (await bob.ask("GET", BROADCASTS))["broadcasts"]
    assert [(each["title"], each["content"]) for each in kept] == [("alarm", "x"), ("system", "系统维护")]
    await bob.ask("POST", path, params={"message": "x"}, expect=403)
    await root.ask("POST", path, expect=422)
    for refused in ("", " ", "x" * 5001):
        await root.ask("POST", path, params={"message": refused}, expect=422)


async def test_broadcasts(world: World) -> None:
    root, bob, carol = await world.person(is_admin=True), await world.person(), await world.person()
    body = {"title": "系统公告", "content": "今晚维护", "priority": "high", "sender_id": bob.id, "id": NOBODY}
    made = await root.ask("POST", BROADCASTS, body, expect=201)
    expected = {
        "id": made["id"],
        "title": "系统公告",
        "content": "今晚维护",
        "priority": "high",
        "sender_id": root.id,
        "created_at": iso_time(world.clock.now_ms()),
    }
    assert made == expected | {"target_user_ids": None}
    assert made["id"] != NOBODY
    targeted = await root.ask(
        "POST", BROADCASTS, {"title": "t", "content": "c", "target_user_ids": [bob.id]}, expect=201
    )
    assert (targeted["target_user_ids"], targeted["priority"]) == ([bob.id], "normal")
    assert await carol.ask("GET", BROADCASTS) == {
        "broadcasts": [expected],
        "total": 1,
        "page": 1,
        "page_size": 20,
    }
    second = await bob.ask("GET", BROADCASTS, params={"page": "2", "page_size": "1"})
    assert (second["broadcasts"], second["total"], second["page"], second["page_size"]) == ([expected], 2, 2, 1)
    assert (await root.ask("GET", BROADCASTS))["total"] == 1


REFUSED_BROADCASTS: Final[list[tuple[dict[str, Any], int]]] = [
    ({"title": ""}, 422),
    ({"title": "x" * 256}, 422),
    ({"title": None}, 422),
    ({"content": " "}, 422),
    ({"content": 5}, 422),
    ({"priority": "extreme"}, 422),
    ({"priority": 1}, 422),
    ({"target_user_ids": []}, 422),
    ({"target_user_ids": [0]}, 422),
    ({"target_user_ids": [2**64]}, 422),
    ({"target_user_ids": ["1"]}, 422),
    ({"target_user_ids": [NOBODY]}, 400),
]


async def test_refused_broadcasts(world: World) -> None:
    root = await world.person(is_admin=True)
    for changes, status in REFUSED_BROADCASTS:
        await root.ask("POST", BROADCASTS, {"title": "t", "content": "c"} | changes, expect=status)
    assert (await root.ask("GET", BROADCASTS))["total"] == 0


async def test_events(world: World) -> None:
    root, bob = await world.person(is_admin=True), await world.person()
    body = {
        "event_type": "check_in",
        "data": {"place": "总部", "floors": [1, 2]},
        "occurred_at": "2025-01-08T08:00:00Z",
        "user_id": root.id,
        "id": NOBODY,
    }
    made = await bob.ask("POST", EVENTS, body, expect=201)
    assert made == {
        "id": made["id"],
        "user_id": bob.id,
        "event_type": "check_in",
        "data": {"place": "总部", "floors": [1, 2]},
        "occurred_at": "2025-01-08T08:00:00Z",
        "created_at": iso_time(START_MS),
    }
    now = await bob.ask("POST", EVENTS, {"event_type": "alarm", "data": {}}, expect=201)
    assert now["occurred_at"] == iso_time(START_MS)
    assert await bob.ask("GET", EVENTS) == {"events": [now, made], "total": 2, "page": 1, "page_size": 20}
    assert (await root.ask("GET", EVENTS, params={"user_id": str(bob.id)}))["total"] == 2
    assert (await root.ask("GET", EVENTS, params={"user_id": str(root.id)}))["total"] == 0
    await bob.ask("GET", EVENTS, params={"user_id": str(root.id)}, expect=403)
    for filters, expected in (
        ({"event_type": "alarm"}, [now]),
        ({"start": "2025-01-08T08:00:01Z"}, [now]),
        ({"end": "2025-01-08T08:00:00Z"}, [made]),
        ({"start": "2025-01-08T08:00:00Z", "end": "2025-01-08T08:00:00Z"}, [made]),
        ({"page": "2", "page_size": "1"}, [made]),
    ):
        assert (await bob.ask("GET", EVENTS, params=filters))["events"] == expected


DEEP: Any = {}
for _ in range(300):
    DEEP = {"a": DEEP}


REFUSED_EVENTS: Final[list[tuple[dict[str, Any], int]]] = [
    ({"data": {}}, 422),
    ({"event_type": "", "data": {}}, 422),
    ({"event_type": "x" * 65, "data": {}}, 422),
    ({"event_type": "x"}, 422),
    ({"event_type": "x", "data": "text"}, 422),
    ({"event_type": "x", "data": {}, "occurred_at": "yesterday"}, 422),
    ({"event_type": "x", "data": {}, "occurred_at": 5}, 422),
    ({"event_type": "x", "data": DEEP}, 422),
    ({"event_type": "x", "data": {"a": "x" * 66_000}}, 400),
]


async def test_refused_events(world: World) -> None:
    alice = await world.person()
    for body, status in REFUSED_EVENTS:
        await alice.ask("POST", EVENTS, body, expect=status)
    assert (await alice.ask("GET", EVENTS))["total"] == 0


async def test_refused_event_queries(world: World) -> None:
    alice = await world.person()
    for query in ["page=0", "page=-1", "page_size=0", "page_size=101", "user_id=0", "user_id=１", "start=x", "end=1"]:
        assert await alice.status("GET", f"{EVENTS}?{query}") == 422, query


async def test_user_synchronisation(world: World) -> None:
    root, bob = await world.person(is_admin=True), await world.person("bob")
    rows: list[Any] = [
        {"standard_id": "new", "name": "New", "is_active": True, "is_admin": True, "id": NOBODY},
        {"standard_id": "bob", "name": "Bobby", "is_active": False},
        {"standard_id": "x" * 21, "name": "X"},
        {"standard_id": "noname"},
        {"standard_id": "a", "name": "A", "is_active": "yes"},
        "text",
        {"standard_id": root.name, "name": "Root", "is_active": False},
    ]
    outcome = await root.ask("POST", SYNC, {"users": rows})
    assert (outcome["created"], outcome["updated"]) == (1, 1)
    assert [(error["index"], error["standard_id"]) for error in outcome["errors"]] == [
        (2, "x" * 21),
        (3, "noname"),
        (4, "a"),
        (5, None),
        (6, root.name),
    ]
    assert all(error["detail"] for error in outcome["errors"])
    found = await root.ask("GET", "/api/v1/users/search", params={"keyword": "new"})
    assert [(user["standard_id"], user["name"], user["is_active"]) for user in found] == [("new", "New", True)]
    assert not (await world.profiles.get(found[0]["id"])).is_admin
    await bob.ask("GET", "/api/v1/users/me", expect=403)
    again = await root.ask("POST", SYNC, {"users": [{"standard_id": "bob", "name": "Bob"}]})
    assert again == {"created": 0, "updated": 1, "errors": []}
    assert (await bob.ask("GET", "/api/v1/users/me"))["name"] == "Bob"
    assert await root.ask("POST", SYNC, {"users": []}) == {"created": 0, "updated": 0, "errors": []}


async def test_the_cascade_is_for_administrators(world: World) -> None:
    root, bob = await world.person(is_admin=True), await world.person()
    assert await root.ask("GET", "/api/v1/cascade/mq-info") == {"enabled": False}
    await bob.ask("GET", "/api/v1/cascade/mq-info", expect=403)
    await bob.ask("POST", SYNC, {"users": []}, expect=403)
    await bob.ask("POST", BROADCASTS, {"title": "t", "content": "c"}, expect=403)
    for refused in ({}, {"users": None}, {"users": {}}, {"users": [{}] * 1001}):
        await root.ask("POST", SYNC, refused, expect=422)
