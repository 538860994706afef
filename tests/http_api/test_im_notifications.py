"""Notifications, preferences and templates in im (im API 9)."""

from typing import Any, Final

import pytest

from domain.events import NotificationArrived
from protocol.times import iso_time
from tests.http_api.world import Person, World
from tests.world import NOBODY, START_MS

BASE = "/api/v1/notifications"
TEMPLATES = f"{BASE}/templates/"
PREFERENCES = f"{BASE}/preferences/"
PLAIN: Final = {"title": "系统通知", "content": "这是一条系统通知"}


async def make(person: Person, **fields: Any) -> Any:
    return await person.ask("POST", f"{BASE}/", PLAIN | fields, expect=201)


async def ids(person: Person, **query: str) -> list[int]:
    return [each["id"] for each in (await person.ask("GET", f"{BASE}/", params=query))["notifications"]]


def heard(world: World) -> list[NotificationArrived]:
    found: list[NotificationArrived] = []
    world.bus.subscribe(
        lambda event, audience, origin: found.append(event) if isinstance(event, NotificationArrived) else None
    )
    return found


async def test_creating_one_for_oneself(world: World) -> None:
    alice = await world.person()
    body = PLAIN | {
        "user_id": alice.id,
        "type": "reminder",
        "priority": "high",
        "channels": ["websocket", "push", "push"],
        "scheduled_at": "2025-01-08T08:00:00Z",
        "action_url": "/todo/1",
        "id": NOBODY,
        "status": "read",
    }
    made = await alice.ask("POST", f"{BASE}/", body, expect=201)
    assert made == {
        "id": made["id"],
        "title": "系统通知",
        "content": "这是一条系统通知",
        "type": "reminder",
        "status": "unread",
        "priority": "high",
        "created_at": iso_time(START_MS),
        "user_id": alice.id,
        "channels": ["websocket", "push"],
        "action_url": "/todo/1",
        "scheduled_at": "2025-01-08T08:00:00Z",
        "expires_at": None,
        "read_at": None,
        "updated_at": iso_time(START_MS),
    }
    assert made["id"] != NOBODY
    assert await alice.ask("GET", f"{BASE}/{made['id']}") == made
    assert await alice.ask("GET", f"{BASE}/") == {
        "notifications": [made],
        "total": 1,
        "unread_count": 1,
        "page": 1,
        "size": 20,
    }
    simple = await make(alice)
    assert (simple["type"], simple["priority"], simple["channels"]) == ("system", "normal", ["websocket"])


async def test_only_administrators_create_for_others(world: World) -> None:
    root, alice, bob = await world.person(is_admin=True), await world.person(), await world.person()
    await alice.ask("POST", f"{BASE}/", PLAIN | {"user_id": bob.id}, expect=403)
    made = await make(root, user_id=bob.id)
    assert await ids(bob) == [made["id"]]
    assert await ids(root) == await ids(alice) == []
    await root.ask("POST", f"{BASE}/", PLAIN | {"user_id": NOBODY}, expect=400)


REFUSED: Final[list[tuple[dict[str, Any], int]]] = [
    ({"title": None}, 422),
    ({"title": ""}, 422),
    ({"title": " "}, 422),
    ({"title": "x" * 201}, 422),
    ({"title": "a\r\nBcc: b"}, 400),
    ({"content": None}, 422),
    ({"content": ""}, 422),
    ({"content": "x" * 10_001}, 422),
    ({"type": "gossip"}, 422),
    ({"priority": "extreme"}, 422),
    ({"priority": 1}, 422),
    ({"channels": ["pigeon"]}, 422),
    ({"channels": []}, 422),
    ({"scheduled_at": "soon"}, 422),
    ({"user_id": 0}, 422),
    ({"user_id": "1"}, 422),
    ({"template_id": 0}, 422),
    ({"variables": {"a": []}}, 422),
    ({"action_url": "x" * 501}, 422),
    ({"action_url": "javascript:alert(1)"}, 400),
    ({"action_url": "/a\r\nb"}, 400),
    ({"template_id": NOBODY}, 400),
    ({"scheduled_at": "2026-01-08T00:00:00Z", "expires_at": "2026-01-07T00:00:00Z"}, 400),
]


async def test_refused_notifications(world: World) -> None:
    root = await world.person(is_admin=True)
    for changes, status in REFUSED:
        await root.ask("POST", f"{BASE}/", PLAIN | changes, expect=status)
        many = {"user_ids": [root.id]} | PLAIN | changes
        many.pop("user_id", None)
        if "user_id" not in changes:
            await root.ask("POST", f"{BASE}/send", many, expect=status)
    missing = await root.ask("POST", f"{BASE}/", {"title": "t"}, expect=422)
    assert missing["detail"] == [{"loc": ["body", "content"], "msg": "Field required", "type": "missing"}]
    assert await ids(root) == []


async def test_lists_and_filters(world: World) -> None:
    alice = await world.person()
    made = []
    for kind in ("system", "reminder", "system"):
        made.append((await make(alice, type=kind))["id"])
        world.clock.at_ms += 1000
    assert await ids(alice) == made[::-1]
    await alice.ask("POST", f"{BASE}/mark-read", {"notification_ids": [made[2]]})
    assert await ids(alice, unread_only="true") == [made[1], made[0]]
    assert await ids(alice, unread_only="false") == made[::-1]
    assert await ids(alice, notification_type="system") == [made[2], made[0]]
    assert await ids(alice, notification_type="system", unread_only="true") == [made[0]]
    second = await alice.ask("GET", f"{BASE}/", params={"page": "2", "size": "2"})
    assert [each["id"] for each in second["notifications"]] == [made[0]]
    assert (second["total"], second["unread_count"], second["page"], second["size"]) == (3, 2, 2, 2)
    for query in ("page=0", "size=0", "size=101", "unread_only=maybe", "notification_type=gossip"):
        assert await alice.status("GET", f"{BASE}/?{query}") == 422


async def test_statistics(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    empty = {"total_notifications": 0, "unread_count": 0, "read_count": 0, "by_type": {}, "by_priority": {}}
    assert await alice.ask("GET", f"{BASE}/stats") == empty
    first = await make(alice, type="system", priority="high")
    await make(alice, type="system", priority="low")
    await make(alice, type="business", priority="low")
    await alice.ask("POST", f"{BASE}/{first['id']}/mark-read", expect=204)
    assert await alice.ask("GET", f"{BASE}/stats") == {
        "total_notifications": 3,
        "unread_count": 2,
        "read_count": 1,
        "by_type": {"system": 2, "business": 1},
        "by_priority": {"high": 1, "low": 2},
    }
    assert await bob.ask("GET", f"{BASE}/stats") == empty


async def test_one_is_its_recipients(world: World) -> None:
    root, alice, bob = await world.person(is_admin=True), await world.person(), await world.person()
    made = await make(root, user_id=alice.id)
    one = f"{BASE}/{made['id']}"
    assert await root.ask("GET", one) == made
    for method, path, body in (
        ("GET", one, None),
        ("PATCH", one, {"title": "x"}),
        ("PATCH", one, {"status": "read"}),
        ("DELETE", one, None),
        ("POST", f"{one}/mark-read", None),
    ):
        await bob.ask(method, path, body, expect=403)
        await alice.ask(method, path.replace(str(made["id"]), str(NOBODY)), body, expect=404)
    await root.ask("POST", f"{one}/mark-read", expect=403)
    await root.ask("PATCH", one, {"status": "read"}, expect=403)
    # The recipient changes what is the recipient's own, not what others read as well.
    await alice.ask("PATCH", one, {"title": "x"}, expect=403)
    assert await alice.ask("GET", one) == made


async def test_updating(world: World) -> None:
    alice = await world.person()
    made = await make(alice, action_url="/a")
    one = f"{BASE}/{made['id']}"
    world.clock.at_ms += 5000
    changes = {
        "title": "新的标题",
        "content": "新",
        "type": "business",
        "priority": "low",
        "expires_at": "2030-01-01T00:00:00Z",
    }
    changed = await alice.ask("PATCH", one, changes | {"action_url": None, "user_id": NOBODY})
    assert changed == made | changes | {"action_url": None, "updated_at": iso_time(START_MS + 5000)}
    assert (await alice.ask("PATCH", one, {}))["title"] == "新的标题"
    read = await alice.ask("PATCH", one, {"status": "read"})
    assert (read["status"], read["read_at"]) == ("read", iso_time(START_MS + 5000))
    unread = await alice.ask("PATCH", one, {"status": "unread"})
    assert (unread["status"], unread["read_at"]) == ("unread", None)
    for refused in ({"title": ""}, {"title": "x" * 201}, {"type": "x"}, {"status": "gone"}):
        await alice.ask("PATCH", one, refused, expect=422)
    await alice.ask("PATCH", one, {"scheduled_at": "2031-01-01T00:00:00Z"}, expect=400)


async def test_deleting(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    made, other = await make(alice), await make(root, user_id=alice.id)
    await alice.ask("DELETE", f"{BASE}/{made['id']}", expect=204)
    for method in ("GET", "DELETE"):
        await alice.ask(method, f"{BASE}/{made['id']}", expect=404)
    assert await ids(alice) == [other["id"]]
    await root.ask("DELETE", f"{BASE}/{other['id']}", expect=204)
    assert (await alice.ask("GET", f"{BASE}/"))["unread_count"] == 0


async def test_sending_to_many(world: World) -> None:
    root, alice, bob = await world.person(is_admin=True), await world.person(), await world.person()
    body = PLAIN | {"user_ids": [alice.id, NOBODY, bob.id, alice.id], "type": "system", "priority": "high"}
    await alice.ask("POST", f"{BASE}/send", body, expect=403)
    sent = await root.ask("POST", f"{BASE}/send", body)
    assert sent == {
        "total_sent": 3,
        "successful": 2,
        "failed": 1,
        "notification_ids": [*await ids(alice), *await ids(bob)],
        "errors": [{"user_id": NOBODY, "detail": "no such user"}],
    }
    nobody = await root.ask("POST", f"{BASE}/send", body | {"user_ids": [NOBODY]})
    assert (nobody["successful"], nobody["failed"], nobody["notification_ids"]) == (0, 1, [])
    for refused in ([], [0], ["1"], [2**64], None, [1] * 1001):
        await root.ask("POST", f"{BASE}/send", body | {"user_ids": refused}, expect=422)


async def test_marking_read_and_batch_actions(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    first, second = (await make(alice))["id"], (await make(alice))["id"]
    foreign = (await make(bob))["id"]
    response = await alice.request("POST", f"{BASE}/mark-read", json={"notification_ids": [first, foreign, NOBODY]})
    assert (response.status, await response.text()) == (200, "")
    assert await ids(alice, unread_only="true") == [second]
    assert await ids(bob, unread_only="true") == [foreign]

    async def act(action: str, *which: int) -> None:
        await alice.ask("POST", f"{BASE}/batch-action", {"notification_ids": which, "action": action})

    await act("mark_read", second, foreign)
    assert await ids(alice, unread_only="true") == []
    await act("mark_unread", first, second)
    assert await ids(alice, unread_only="true") == [second, first]
    await act("delete", first, foreign)
    assert await ids(alice) == [second]
    assert await ids(bob) == [foreign]
    await alice.ask("POST", f"{BASE}/batch-action", {"notification_ids": [1], "action": "burn"}, expect=422)
    for refused in ({}, {"notification_ids": 1}, {"notification_ids": [0]}, {"notification_ids": [1] * 1001}):
        await alice.ask("POST", f"{BASE}/mark-read", refused, expect=422)
    await alice.ask("POST", f"{BASE}/{second}/mark-read", expect=204)
    assert (await alice.ask("GET", f"{BASE}/{second}"))["status"] == "read"


async def test_what_is_scheduled_is_none_yet_for_its_recipient(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    later = await make(root, user_id=alice.id, scheduled_at=iso_time(START_MS + 60_000))
    one = f"{BASE}/{later['id']}"
    refused = (("GET", one, None), ("PATCH", one, {"status": "read"}), ("POST", f"{one}/mark-read", None))
    for method, path, body in (*refused, ("DELETE", one, None)):
        await alice.ask(method, path, body, expect=404)
    assert await root.ask("GET", one) == later
    world.clock.at_ms += 60_000
    assert await alice.ask("GET", one) == later


async def test_a_refused_change_changes_nothing(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    made = await make(root, user_id=alice.id)
    for person in (root, alice):
        await person.ask("PATCH", f"{BASE}/{made['id']}", {"title": "new", "status": "read"}, expect=403)
    assert await alice.ask("GET", f"{BASE}/{made['id']}") == made


async def test_a_page_beyond_the_last_is_empty(world: World) -> None:
    root = await world.person(is_admin=True)
    await make(root)
    query = {"page": "9" * 16, "size": "100"}
    assert (await root.ask("GET", f"{BASE}/", params=query))["notifications"] == []
    assert (await root.ask("GET", TEMPLATES, params=query))["templates"] == []


async def test_scheduled_and_expired_ones_are_not_listed(world: World) -> None:
    alice = await world.person()
    heard_events = heard(world)
    world.directory.connected(alice.id)
    later = await make(alice, scheduled_at=iso_time(START_MS + 60_000), expires_at=iso_time(START_MS + 120_000))
    assert await ids(alice) == []
    assert (await alice.ask("GET", f"{BASE}/stats"))["total_notifications"] == 0
    assert (await alice.ask("GET", f"{BASE}/{later['id']}"))["scheduled_at"] == iso_time(START_MS + 60_000)
    assert heard_events == []
    moved = await alice.ask("PATCH", f"{BASE}/{later['id']}", {"scheduled_at": iso_time(START_MS + 30_000)})
    assert moved["scheduled_at"] == iso_time(START_MS + 30_000)
    world.clock.at_ms += 30_000
    assert await ids(alice) == [later["id"]]
    world.clock.at_ms += 90_000
    assert (await alice.ask("GET", f"{BASE}/"))["unread_count"] == 0
    assert await ids(alice) == []


async def test_sessions_hear_of_it(world: World) -> None:
    root, alice, bob = await world.person(is_admin=True), await world.person(), await world.person()
    found = heard(world)
    world.directory.connected(alice.id)
    made = await make(root, user_id=alice.id, priority="urgent", action_url="/a")
    await make(root, user_id=bob.id)
    await make(root, user_id=alice.id, channels=["email"])
    assert found == [
        NotificationArrived(made["id"], "system", PLAIN["title"], PLAIN["content"], "urgent", "/a", START_MS)
    ]


async def test_preferences(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    default = {
        "id": alice.id,
        "user_id": alice.id,
        "message_enabled": True,
        "group_message_enabled": True,
        "websocket_enabled": True,
        "email_enabled": True,
        "push_enabled": True,
        "do_not_disturb": False,
        "quiet_hours_start": None,
        "quiet_hours_end": None,
        "email_frequency": "immediate",
        "system_enabled": True,
        "time_zone": "UTC",
    }
    assert await alice.ask("GET", PREFERENCES) == default
    changes = {
        "do_not_disturb": True,
        "quiet_hours_start": "22:00",
        "quiet_hours_end": "08:00",
        "email_frequency": "daily",
        "push_enabled": False,
        "time_zone": "Asia/Shanghai",
    }
    assert await alice.ask("PUT", PREFERENCES, changes | {"user_id": bob.id, "id": 9}) == default | changes
    assert await alice.ask("PUT", PREFERENCES, {}) == default | changes
    cleared = {"quiet_hours_start": None, "quiet_hours_end": None, "do_not_disturb": False}
    assert await alice.ask("PUT", PREFERENCES, cleared) == default | changes | cleared
    assert await alice.ask("GET", PREFERENCES) == default | changes | cleared
    assert (await bob.ask("GET", PREFERENCES))["do_not_disturb"] is False


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"quiet_hours_start": "24:00"}, 422),
        ({"quiet_hours_start": "8:00"}, 422),
        ({"quiet_hours_start": "08:60"}, 422),
        ({"quiet_hours_end": "08:00\n"}, 422),
        ({"quiet_hours_end": 8}, 422),
        ({"email_frequency": "weekly"}, 422),
        ({"push_enabled": "yes"}, 422),
        ({"push_enabled": 1}, 422),
        ({"time_zone": "Mars/Olympus"}, 400),
        ({"time_zone": "../../etc/passwd"}, 400),
    ],
)
async def test_refused_preferences(world: World, changes: dict[str, Any], status: int) -> None:
    alice = await world.person()
    before = await alice.ask("GET", PREFERENCES)
    await alice.ask("PUT", PREFERENCES, changes, expect=status)
    assert await alice.ask("GET", PREFERENCES) == before


async def test_do_not_disturb_and_switches_hold_back_all_but_urgent_ones(world: World) -> None:
    alice = await world.person()
    world.directory.connected(alice.id)
    for changes in ({"do_not_disturb": True}, {"do_not_disturb": False, "websocket_enabled": False}):
        found = heard(world)
        await alice.ask("PUT", PREFERENCES, changes)
        await make(alice)
        assert found == []
    await alice.ask("PUT", PREFERENCES, {"do_not_disturb": True, "websocket_enabled": True})
    await make(alice, priority="urgent")
    assert len(found) == 1
    assert len(await ids(alice)) == 3


TEMPLATE: Final = {
    "name": "welcome",
    "type": "announcement",
    "title_template": "你好 {name}",
    "content_template": "{name}, {{not this}} {count}",
}


async def test_templates(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    made = await root.ask("POST", TEMPLATES, TEMPLATE, expect=201)
    assert made == TEMPLATE | {
        "id": made["id"],
        "is_active": True,
        "variables": ["count", "name"],
        "created_at": iso_time(START_MS),
        "updated_at": iso_time(START_MS),
    }
    one = f"{BASE}/templates/{made['id']}"
    assert await root.ask("GET", one) == made
    off = await root.ask(
        "POST", TEMPLATES, TEMPLATE | {"name": "off", "type": "system", "is_active": False}, expect=201
    )
    listed = await root.ask("GET", TEMPLATES)
    assert listed == {"templates": [off, made], "total": 2, "page": 1, "size": 20}
    for query, expected in (
        ({"active_only": "true"}, [made]),
        ({"notification_type": "system"}, [off]),
        ({"notification_type": "system", "active_only": "true"}, []),
        ({"page": "2", "size": "1"}, [made]),
    ):
        assert (await root.ask("GET", TEMPLATES, params=query))["templates"] == expected
    changed = await root.ask("PATCH", one, {"title_template": "{who}", "is_active": False})
    assert changed == made | {"title_template": "{who}", "is_active": False, "variables": ["count", "name", "who"]}
    await root.ask("POST", TEMPLATES, TEMPLATE, expect=400)
    await root.ask("PATCH", one, {"name": "off"}, expect=400)
    await root.ask("DELETE", one, expect=204)
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        await root.ask(method, one, body, expect=404)
        await alice.ask(method, one, body, expect=403)
    await alice.ask("GET", TEMPLATES, expect=403)
    await alice.ask("POST", TEMPLATES, TEMPLATE, expect=403)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"name": ""}, 422),
        ({"name": "x" * 151}, 422),
        ({"type": "x"}, 422),
        ({"title_template": ""}, 422),
        ({"content_template": None}, 422),
        ({"is_active": 1}, 422),
        *(
            ({"content_template": text}, 400)
            for text in ("{user.__class__}", "{a[0]}", "{}", "{0}", "{a!r}", "{a:>99}", "{", "}", "{a{b}}", "{__a}")
        ),
    ],
)
async def test_refused_templates(world: World, changes: dict[str, Any], status: int) -> None:
    root = await world.person(is_admin=True)
    await root.ask("POST", TEMPLATES, TEMPLATE | changes, expect=status)
    made = await root.ask("POST", TEMPLATES, TEMPLATE, expect=201)
    if None not in changes.values():
        await root.ask("PATCH", f"{BASE}/templates/{made['id']}", changes, expect=status)
    assert (await root.ask("GET", TEMPLATES))["templates"] == [made]


async def test_notifications_from_templates(world: World) -> None:
    root = await world.person(is_admin=True)
    made = await root.ask("POST", TEMPLATES, TEMPLATE, expect=201)
    body = {"template_id": made["id"], "variables": {"name": "{count}", "count": 3}}
    first = await root.ask("POST", f"{BASE}/", body, expect=201)
    assert (first["type"], first["title"], first["content"]) == (
        "announcement",
        "你好 {count}",
        "{count}, {not this} 3",
    )
    sent = await root.ask("POST", f"{BASE}/send", body | {"user_ids": [root.id]})
    assert sent["successful"] == 1
    for variables in (
        {"name": "x"},
        {"name": "x", "count": 1, "other": 2},
        {},
        {"name": "x" * 300, "count": 1},
        {"name": "a\r\nBcc: b", "count": 1},
    ):
        await root.ask("POST", f"{BASE}/", body | {"variables": variables}, expect=400)
    await root.ask("PATCH", f"{BASE}/templates/{made['id']}", {"is_active": False})
    await root.ask("POST", f"{BASE}/", body, expect=400)
