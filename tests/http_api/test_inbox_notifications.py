"""Notifications of users and their administration (inbox API, 站内信)."""

import asyncio
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from protocol.times import iso_time
from tests.http_api.world import Person, World
from tests.world import START_MS

BASE = "/api/v1/notifications"
ADMIN = "/api/v1/admin/notifications"
PLAIN: Final = {"type": "announcement", "title": "系统维护通知", "content": "今晚维护"}


async def send(root: Person, *people: Person, **fields: Any) -> Any:
    made = await root.ask("POST", ADMIN, PLAIN | fields, expect=201)
    body = {"user_ids": [person.uuid for person in people]}
    sent = await root.ask("POST", f"{ADMIN}/{made['id']}/send", body)
    assert sent == {"message": f"成功发送给 {len(people)} 个用户", "errors": []}
    return made


async def items(person: Person, **query: str) -> Any:
    return (await person.ask("GET", BASE, params=query))["items"]


async def test_creating_sends_nothing(world: World) -> None:
    root = await world.person(is_admin=True)
    body = PLAIN | {"action_url": "/a", "priority": 2, "expires_at": "2030-01-01T00:00:00Z", "created_by": "x"}
    made = await root.ask("POST", ADMIN, body, expect=201)
    assert str(UUID(made["id"])) == made["id"]
    assert made == {
        "id": made["id"],
        "type": "announcement",
        "title": "系统维护通知",
        "content": "今晚维护",
        "action_url": "/a",
        "priority": 2,
        "created_by": root.uuid,
        "created_at": iso_time(START_MS),
        "expires_at": "2030-01-01T00:00:00Z",
    }
    assert await root.ask("GET", f"{ADMIN}/{made['id']}") == made
    assert await root.ask("GET", BASE) == {"total": 0, "unread_count": 0, "items": []}
    simple = await root.ask("POST", ADMIN, PLAIN, expect=201)
    assert (simple["priority"], simple["action_url"], simple["expires_at"]) == (0, None, None)
    assert await root.ask("GET", ADMIN) == {"total": 2, "items": [simple, made]}
    assert await root.ask("GET", ADMIN, params={"skip": "1", "limit": "1"}) == {"total": 2, "items": [made]}
    assert await root.ask("GET", ADMIN, params={"skip": "9" * 16}) == {"total": 2, "items": []}
    for query in ("skip=-1", "limit=0", "limit=101", "limit=x"):
        assert await root.status("GET", f"{ADMIN}?{query}") == 422


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"type": "gossip"}, 422),
        ({"title": ""}, 422),
        ({"title": "x" * 201}, 422),
        ({"content": ""}, 422),
        ({"content": 5}, 422),
        ({"action_url": "x" * 501}, 422),
        ({"action_url": "javascript:alert(1)"}, 400),
        ({"priority": 3}, 422),
        ({"priority": -1}, 422),
        ({"priority": "1"}, 422),
        ({"priority": True}, 422),
        ({"expires_at": "never"}, 422),
    ],
)
async def test_refused_contents(world: World, changes: dict[str, Any], status: int) -> None:
    root = await world.person(is_admin=True)
    await root.ask("POST", ADMIN, PLAIN | changes, expect=status)
    made = await root.ask("POST", ADMIN, PLAIN | {"title": "x" * 200}, expect=201)
    await root.ask("PUT", f"{ADMIN}/{made['id']}", changes, expect=status)
    assert await root.ask("GET", f"{ADMIN}/{made['id']}") == made
    await root.ask("POST", ADMIN, {"title": "t", "content": "c"}, expect=422)


async def test_what_was_sent(world: World) -> None:
    root, alice, bob = await world.person(is_admin=True), await world.person(), await world.person()
    made = await send(root, alice)
    found = await alice.ask("GET", BASE)
    record = found["items"][0]
    assert record == {
        "id": record["id"],
        "notification": made,
        "is_read": False,
        "read_at": None,
        "created_at": iso_time(START_MS),
    }
    assert str(UUID(record["id"])) == record["id"] != made["id"]
    assert found == {"total": 1, "unread_count": 1, "items": [record]}
    one = f"{BASE}/{record['id']}"
    assert await alice.ask("GET", one) == record
    assert await alice.ask("GET", f"{BASE}/{record['id'].upper()}") == record
    for method, path in (("GET", one), ("POST", f"{one}/read"), ("DELETE", one)):
        await bob.ask(method, path, expect=403)
        await alice.ask(method, path.replace(record["id"], str(uuid4())), expect=404)
        assert (await world.client.request(method, path)).status == 401
    assert (await bob.ask("GET", BASE))["total"] == 0


async def test_reading(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    for number in range(3):
        await send(root, alice, title=str(number))
    assert await alice.ask("GET", f"{BASE}/unread-count") == {"unread_count": 3}
    newest, middle, oldest = await items(alice)
    assert [each["notification"]["title"] for each in (newest, middle, oldest)] == ["2", "1", "0"]
    world.clock.at_ms += 1000
    for _ in range(2):
        response = await alice.request("POST", f"{BASE}/{newest['id']}/read")
        assert (response.status, await response.text()) == (204, "")
    read = newest | {"is_read": True, "read_at": iso_time(START_MS + 1000)}
    assert await alice.ask("GET", f"{BASE}/{newest['id']}") == read
    assert await items(alice, is_read="true") == [read]
    assert await items(alice, is_read="false") == [middle, oldest]
    assert await alice.ask("POST", f"{BASE}/read-all") == {"message": "已将 2 条站内信标记为已读"}
    assert await alice.ask("POST", f"{BASE}/read-all") == {"message": "已将 0 条站内信标记为已读"}
    assert await alice.ask("GET", f"{BASE}/unread-count") == {"unread_count": 0}


async def test_filters_and_pages(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    for kind in ("system", "business", "system"):
        await send(root, alice, type=kind)
    first, second, third = await items(alice)
    assert await items(alice, notification_type="system") == [first, third]
    assert await items(alice, notification_type="reminder") == []
    page = await alice.ask("GET", BASE, params={"page": "2", "page_size": "2"})
    assert page == {"total": 3, "unread_count": 3, "items": [third]}
    filtered = await alice.ask("GET", BASE, params={"notification_type": "business", "is_read": "false"})
    assert filtered == {"total": 1, "unread_count": 3, "items": [second]}
    beyond = await alice.ask("GET", BASE, params={"page": "9" * 16, "page_size": "100"})
    assert beyond == {"total": 3, "unread_count": 3, "items": []}
    for query in ("page=0", "page_size=0", "page_size=101", "is_read=maybe", "notification_type=x"):
        assert await alice.status("GET", f"{BASE}?{query}") == 422


async def test_deleting_ones_own(world: World) -> None:
    root, alice, bob = await world.person(is_admin=True), await world.person(), await world.person()
    made = await send(root, alice, bob)
    record = (await items(alice))[0]
    await alice.ask("DELETE", f"{BASE}/{record['id']}", expect=204)
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/read")):
        await alice.ask(method, f"{BASE}/{record['id']}{path}", expect=404)
    other = (await items(bob))[0]
    deleted = await asyncio.gather(*(bob.status("DELETE", f"{BASE}/{other['id']}") for _ in range(4)))
    assert sorted(deleted) == [204, 404, 404, 404]
    assert await alice.ask("GET", BASE) == {"total": 0, "unread_count": 0, "items": []}
    again = await root.ask("POST", f"{ADMIN}/{made['id']}/send", {"user_ids": [alice.uuid]})
    assert again["message"] == "成功发送给 0 个用户"
    assert await items(alice) == []


async def test_an_edit_shows_in_what_was_sent(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    made = await send(root, alice, action_url="/a", priority=1)
    record = (await items(alice))[0]
    await alice.ask("POST", f"{BASE}/{record['id']}/read", expect=204)
    changes = {"type": "reminder", "title": "新", "content": "内容", "priority": 2, "action_url": None}
    changed = await root.ask("PUT", f"{ADMIN}/{made['id']}", changes)
    assert changed == made | changes
    assert await root.ask("PUT", f"{ADMIN}/{made['id']}", {}) == changed
    assert await root.ask("PUT", f"{ADMIN}/{made['id']}", {"title": None}) == changed
    shown = await alice.ask("GET", f"{BASE}/{record['id']}")
    assert (shown["notification"], shown["is_read"]) == (changed, True)
    await root.ask("PUT", f"{ADMIN}/{made['id']}", {"expires_at": iso_time(START_MS - 1000)})
    assert await items(alice) == []
    await root.ask("PUT", f"{ADMIN}/{made['id']}", {"expires_at": None})
    assert len(await items(alice)) == 1


async def test_deleting_a_content_deletes_what_was_sent(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    made = await send(root, alice)
    record = (await items(alice))[0]
    await root.ask("DELETE", f"{ADMIN}/{made['id']}", expect=204)
    await alice.ask("GET", f"{BASE}/{record['id']}", expect=404)
    assert await alice.ask("GET", BASE) == {"total": 0, "unread_count": 0, "items": []}
    body = {"user_ids": [alice.uuid]}
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/send"), ("GET", "/progress")):
        await root.ask(method, f"{ADMIN}/{made['id']}{path}", body, expect=404)
    assert (await root.ask("GET", ADMIN))["total"] == 0


async def test_administration_is_for_administrators(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    made = await root.ask("POST", ADMIN, PLAIN, expect=201)
    for method, path, body in (
        ("POST", "", PLAIN),
        ("GET", "", None),
        ("GET", f"/{made['id']}", None),
        ("PUT", f"/{made['id']}", {"title": "x"}),
        ("DELETE", f"/{made['id']}", None),
        ("POST", f"/{made['id']}/send", {"user_ids": [alice.uuid]}),
        ("GET", f"/{made['id']}/progress", None),
        ("GET", "/dead-letters", None),
    ):
        await alice.ask(method, f"{ADMIN}{path}", body, expect=403)
        assert (await world.client.request(method, f"{ADMIN}{path}", json=body)).status == 401


async def test_sending_to_some(world: World) -> None:
    root, alice, bob = await world.person(is_admin=True), await world.person(), await world.person()
    made = await send(root, alice)
    unknown = str(uuid4())
    body = {"user_ids": [alice.uuid, bob.uuid.upper(), unknown, bob.uuid], "send_to_all": False}
    sent = await root.ask("POST", f"{ADMIN}/{made['id']}/send", body)
    assert sent == {"message": "成功发送给 1 个用户", "errors": [{"user_id": unknown, "detail": "no such user"}]}
    assert len(await items(alice)) == len(await items(bob)) == 1
    for refused in ({}, {"user_ids": []}, {"user_ids": ["x"]}, {"user_ids": [1]}, {"send_to_all": "yes"}):
        await root.ask("POST", f"{ADMIN}/{made['id']}/send", refused, expect=422)


async def test_sending_to_everybody(world: World) -> None:
    root, alice, bob = await world.person(is_admin=True), await world.person(), await world.person()
    gone = await world.person()
    await world.accounts.set_active(gone.id, False)
    made = await send(root, alice)
    path = f"{ADMIN}/{made['id']}"
    body = {"send_to_all": True, "user_ids": [str(uuid4()), "x", None]}
    assert await root.ask("POST", f"{path}/send", body) == {"message": "成功发送给 2 个用户", "errors": []}
    assert [len(await items(person)) for person in (root, alice, bob)] == [1, 1, 1]
    assert await root.ask("GET", f"{path}/progress") == {
        "send_to_all": [{"total": 3, "sent": 2, "is_done": True, "created_at": iso_time(START_MS)}],
        "deliveries": {"websocket": {"delivered": 3}},
    }
    again = await root.ask("POST", f"{path}/send", {"send_to_all": True})
    assert again["message"] == "成功发送给 0 个用户"
    late = await world.person()
    assert await items(late) == []


async def test_senders_to_everybody_at_once_reach_nobody_twice(world: World) -> None:
    root = await world.person(is_admin=True)
    people = [root, *[await world.person() for _ in range(4)]]
    made = await root.ask("POST", ADMIN, PLAIN, expect=201)
    path = f"{ADMIN}/{made['id']}/send"
    sent = await asyncio.gather(*(root.ask("POST", path, {"send_to_all": True}) for _ in range(4)))
    counts = sorted(int(each["message"].split()[1]) for each in sent)
    assert counts == [0, 0, 0, 5]
    assert [len(await items(person)) for person in people] == [1] * 5


async def test_ids_that_are_none(world: World) -> None:
    """The token is looked at first, as everywhere."""
    root = await world.person(is_admin=True)
    alice = await world.person()
    one = f"{ADMIN}/{{}}"
    paths = [("GET", one), ("PUT", one), ("DELETE", one), ("POST", f"{one}/send"), ("GET", f"{one}/progress")]
    for some_id in ("1", "abc", str(uuid4()).replace("-", "")):
        for method, path in [*paths, ("POST", f"{BASE}/{{}}/read")]:
            assert (await world.client.request(method, path.format(some_id), json={})).status == 401
            assert await root.status(method, path.format(some_id), {"send_to_all": True}) == 422
        for method, path in paths:
            assert await alice.status(method, path.format(some_id), {}) == 403


@pytest.mark.parametrize("title", ["系统　通知", "👨‍👩‍👧 \N{VARIATION SELECTOR-16}", "a\u00a0b"])
async def test_titles_hold_every_text_of_one_line(world: World, title: str) -> None:
    root = await world.person(is_admin=True)
    assert (await root.ask("POST", ADMIN, PLAIN | {"title": title}, expect=201))["title"] == title


@pytest.mark.parametrize("between", ["\n", "\r", "\x00", "\x85", "\u2028"])
async def test_titles_have_one_line(world: World, between: str) -> None:
    root = await world.person(is_admin=True)
    await root.ask("POST", ADMIN, PLAIN | {"title": f"a{between}Bcc: b"}, expect=400)


async def test_the_two_dialects_share_paths_and_records(world: World) -> None:
    root, alice = await world.person(is_admin=True), await world.person()
    await send(root, alice, priority=2)
    record = (await items(alice))[0]
    listed = await alice.ask("GET", f"{BASE}/")
    shown = listed["notifications"][0]
    assert (shown["priority"], shown["title"]) == ("urgent", "系统维护通知")
    by_number = await alice.ask("GET", f"{BASE}/{shown['id']}")
    by_uuid = await alice.ask("GET", f"{BASE}/{record['id']}")
    assert (by_number["id"], by_uuid["id"]) == (shown["id"], record["id"])
    await alice.ask("GET", f"{BASE}/abc", expect=422)
    low = await alice.ask("POST", f"{BASE}/", {"title": "t", "content": "c", "priority": "low"}, expect=201)
    assert [each["notification"]["priority"] for each in await items(alice)] == [0, 2]
    assert (await items(alice))[0]["notification"]["created_by"] == alice.uuid
    await alice.ask("DELETE", f"{BASE}/{low['id']}", expect=204)
    await alice.ask("POST", f"{BASE}/{record['id']}/read", expect=204)
    assert (await alice.ask("GET", f"{BASE}/{shown['id']}"))["status"] == "read"
