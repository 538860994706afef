"""messenger API: chats and messages."""

import asyncio
from typing import Any

import pytest

from protocol.times import iso_time
from tests.http_api.messenger_people import ok, refused
from tests.http_api.world import ON_BOTH_STORES, Person, World
from tests.world import NOBODY

pytestmark = ON_BOTH_STORES


async def private(one: Person, other: Person) -> int:
    return int((await ok(one, "POST", "/api/chats", {"type": "private", "members": [other.id]}))["id"])


async def send(sender: Person, chat: int, content: str = "hi", **fields: Any) -> Any:
    return await ok(sender, "POST", f"/api/chats/{chat}/messages", {"content": content} | fields, "消息发送成功")


async def page(reader: Person, chat: int, query: str = "") -> Any:
    return await ok(reader, "GET", f"/api/chats/{chat}/messages{query}", said="获取消息列表成功")


async def contents(reader: Person, chat: int, query: str = "") -> list[str]:
    return [message["content"] for message in (await page(reader, chat, query))["messages"]]


async def test_a_group_chat(world: World) -> None:
    alice, bob = await world.person("alice"), await world.person("bob")
    now = iso_time(world.clock.at_ms)
    body = {"name": "新群聊", "description": "群聊描述", "type": "group", "members": [bob.id]}
    chat = await ok(alice, "POST", "/api/chats", body, "聊天创建成功")
    assert chat == {
        "id": chat["id"],
        "name": "新群聊",
        "description": "群聊描述",
        "avatar": "",
        "type": "group",
        "is_active": True,
        "is_pinned": False,
        "is_muted": False,
        "members_count": 2,
        "created_at": now,
        "updated_at": now,
        "members": [
            {
                "id": person.id,
                "username": person.name,
                "nickname": f"N {person.name}",
                "avatar": "",
                "role": role,
                "joined_at": now,
            }
            for person, role in ((alice, "owner"), (bob, "member"))
        ],
    }
    path = f"/api/chats/{chat['id']}"
    assert await ok(bob, "GET", path, said="获取聊天详情成功") == chat
    carol = await world.person()
    await refused(carol, 403, 20002, "GET", path)
    await refused(carol, 404, 20001, "GET", f"/api/chats/{NOBODY}")
    message = await send(bob, chat["id"], "最后一条消息")
    listed = await ok(alice, "GET", "/api/chats", said="获取聊天列表成功")
    chat.pop("members")
    last = {name: message[name] for name in ("id", "content", "type", "sender_id", "created_at")}
    (item,) = listed["chats"]
    assert (listed["total"], listed["has_more"]) == (1, False)
    assert item == chat | {"last_message": last, "unread_count": 1}
    await world.conversations.delete((await world.accounts.get(alice.id)).profile, chat["id"])
    await refused(bob, 404, 20001, "GET", path)


async def test_a_private_chat_is_the_one_of_the_other_dialects(world: World) -> None:
    alice, bob = await world.person("alice"), await world.person("bob")
    single = await alice.single(bob)
    chat = await private(bob, alice)
    assert chat == single
    detail = await ok(bob, "GET", f"/api/chats/{chat}")
    assert (detail["type"], detail["name"], detail["members_count"]) == ("private", "N alice", 2)
    (item,) = (await ok(alice, "GET", "/api/chats"))["chats"]
    assert (item["name"], item["last_message"]) == ("N bob", None)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, 422),
        ({"name": " "}, 422, 422),
        ({"name": "x" * 101}, 422, 422),
        ({"name": "g", "type": "channel"}, 422, 422),
        ({"name": "g", "members": [NOBODY]}, 404, 10001),
        ({"name": "g", "members": ["1"]}, 422, 422),
        ({"type": "private", "members": []}, 422, 422),
        ({"type": "private", "members": [NOBODY]}, 404, 10001),
        ({"type": "private", "members": [1, 2]}, 422, 422),
        ({"name": "g", "members": list(range(NOBODY, NOBODY + 500))}, 400, 400),
    ],
)
async def test_chats_that_are_refused(world: World, body: dict[str, Any], status: int, code: int) -> None:
    await refused(await world.person(), status, code, "POST", "/api/chats", body)


async def test_nobody_chats_with_oneself(world: World) -> None:
    alice = await world.person()
    await refused(alice, 400, 400, "POST", "/api/chats", {"type": "private", "members": [alice.id]})


async def test_a_message_and_its_life(world: World) -> None:
    alice, bob, carol = await world.person("alice"), await world.person("bob"), await world.person()
    chat = await private(alice, bob)
    now = iso_time(world.clock.at_ms)
    message = await send(alice, chat, "这是一条测试消息", type="text", reply_to_id=None, forward_from=None, ttl=0)
    assert message == {
        "id": message["id"],
        "chat_id": chat,
        "sender_id": alice.id,
        "content": "这是一条测试消息",
        "type": "text",
        "file_name": "",
        "file_size": 0,
        "file_url": "",
        "thumbnail": "",
        "is_read": False,
        "is_edited": False,
        "is_deleted": False,
        "is_pinned": False,
        "reply_to_id": None,
        "forward_from": None,
        "ttl": 0,
        "send_at": None,
        "is_silent": False,
        "created_at": now,
        "updated_at": now,
        "sender": {"id": alice.id, "username": "alice", "nickname": "N alice", "avatar": ""},
    }
    assert await page(bob, chat) == {"messages": [message], "total": 1, "has_more": False}
    one = f"/api/messages/{message['id']}"
    for method, path, body in (
        ("PUT", one, {"content": "x"}),
        ("DELETE", one, None),
        ("POST", f"{one}/read", None),
        ("POST", f"{one}/pin", None),
    ):
        await refused(carol, 403, 20002, method, path, body)
        await refused(carol, 404, 20003, method, path.replace(str(message["id"]), str(NOBODY)), body)
    assert await ok(bob, "POST", f"{one}/read", said="消息已标记为已读") == {}
    assert (await page(alice, chat))["messages"] == [message | {"is_read": True}]
    await refused(bob, 403, 20004, "PUT", one, {"content": "x"})
    await refused(bob, 403, 20004, "DELETE", one)
    await refused(alice, 422, 422, "PUT", one, {"content": ""})
    world.clock.at_ms += 60_000
    edited = await ok(alice, "PUT", one, {"content": "编辑后的消息内容"}, "消息编辑成功")
    later = iso_time(world.clock.at_ms)
    assert edited == message | {
        "content": "编辑后的消息内容",
        "is_read": True,
        "is_edited": True,
        "updated_at": later,
    }
    await ok(bob, "POST", f"{one}/pin", said="消息已置顶")
    assert (await page(alice, chat))["messages"][0]["is_pinned"] is True
    await ok(alice, "DELETE", f"{one}/pin", said="消息已取消置顶")
    world.clock.at_ms += 600_000
    assert await ok(alice, "DELETE", one, said="消息删除成功") == {}
    (gone,) = (await page(bob, chat))["messages"]
    assert (gone["is_deleted"], gone["content"], gone["is_pinned"]) == (True, "", False)
    await refused(alice, 400, 400, "POST", f"{one}/pin")


async def test_pages_and_filters(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    chat = await private(alice, bob)
    sent = [await send(alice, chat, f"Text {number}") for number in range(6)]
    file = {"type": "image", "file_name": "a.jpg", "file_size": 5, "file_url": "https://files.example/a.jpg"}
    image = await send(bob, chat, "50%_off", **file)
    assert {name: image[name] for name in file} == file
    texts = [message["content"] for message in sent]
    assert await contents(bob, chat) == [*texts, "50%_off"]
    newest = await page(bob, chat, "?limit=2")
    assert ([each["content"] for each in newest["messages"]], newest["total"], newest["has_more"]) == (
        ["Text 5", "50%_off"],
        7,
        True,
    )
    oldest = await page(bob, chat, "?limit=4&offset=3")
    assert ([each["content"] for each in oldest["messages"]], oldest["has_more"]) == (texts[:4], False)
    assert await contents(bob, chat, f"?before={sent[2]['id']}") == texts[:2]
    assert await contents(bob, chat, f"?after={sent[4]['id']}") == ["Text 5", "50%_off"]
    following = await page(bob, chat, f"?after={sent[0]['id']}&limit=2")
    assert [each["content"] for each in following["messages"]] == texts[1:3]
    assert (following["total"], following["has_more"]) == (6, True)
    assert await contents(bob, chat, f"?after={sent[0]['id']}&limit=2&offset=4") == ["Text 5", "50%_off"]
    assert await contents(bob, chat, f"?after={sent[0]['id']}&before={sent[4]['id']}&limit=2") == texts[2:4]
    assert await contents(bob, chat, "?search=TEXT%203") == ["Text 3"]
    assert await contents(bob, chat, "?search=%25_") == ["50%_off"]
    assert await contents(bob, chat, "?search=%25") == ["50%_off"]
    assert await contents(bob, chat, "?type=image") == ["50%_off"]
    assert await contents(bob, chat, "?type=video") == []
    assert (await page(bob, chat, "?search=text&limit=2"))["total"] == 6
    for query in ("?limit=0", "?limit=101", "?offset=-1", "?type=x", "?before=x", "?limit=１"):
        await refused(bob, 422, 422, "GET", f"/api/chats/{chat}/messages{query}")
    await refused(bob, 422, 422, "GET", f"/api/chats/{chat}/messages?before={NOBODY}")


async def test_replies_and_forwards(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    ours, theirs = await private(alice, bob), await private(bob, carol)
    first = await send(alice, ours, "origin")
    reply = await send(bob, ours, "re", reply_to_id=first["id"])
    assert reply["reply_to_id"] == first["id"]
    await refused(
        carol, 404, 20003, "POST", f"/api/chats/{theirs}/messages", {"content": "x", "reply_to_id": first["id"]}
    )
    forwarded = await send(bob, theirs, "", forward_from=first["id"])
    assert (forwarded["content"], forwarded["forward_from"]) == ("origin", first["id"])
    again = await send(carol, theirs, "", forward_from=forwarded["id"])
    assert again["forward_from"] == first["id"]
    path = f"/api/chats/{theirs}/messages"
    await refused(carol, 403, 20002, "POST", path, {"forward_from": first["id"]})
    await refused(carol, 404, 20003, "POST", path, {"forward_from": NOBODY})
    await ok(alice, "DELETE", f"/api/messages/{first['id']}")
    await refused(bob, 400, 400, "POST", path, {"forward_from": first["id"]})


async def test_scheduled_and_self_deleting_messages(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    chat = await private(alice, bob)
    await send(bob, chat, "now")
    at = iso_time(world.clock.at_ms + 60_000)
    later = await send(alice, chat, "later", send_at=at, ttl=30)
    assert (later["send_at"], later["ttl"], later["is_read"]) == (at, 30, False)
    assert await contents(alice, chat) == ["now", "later"]
    assert await page(bob, chat) == {
        "messages": (await page(alice, chat))["messages"][:1],
        "total": 1,
        "has_more": False,
    }
    after = f"?after={(await page(bob, chat))['messages'][0]['id']}"
    assert await contents(alice, chat, after) == ["later"]
    assert await contents(alice, chat, f"{after}&offset=1") == await contents(bob, chat, after) == []
    one = f"/api/messages/{later['id']}"
    await refused(bob, 404, 20003, "PUT", one, {"content": "x"})
    assert (await ok(alice, "PUT", one, {"content": "better"}))["content"] == "better"
    world.clock.at_ms += 60_000
    await world.timers.work()
    assert await contents(bob, chat) == await contents(alice, chat) == ["now", "better"]
    world.clock.at_ms += 30_000
    await world.timers.work()
    assert (await page(bob, chat))["messages"][1]["is_deleted"] is True
    dropped = await send(alice, chat, "dropped", send_at=iso_time(world.clock.at_ms + 60_000))
    await ok(alice, "DELETE", f"/api/messages/{dropped['id']}")
    world.clock.at_ms += 60_000
    await world.timers.work()
    assert (await page(bob, chat))["total"] == 2


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"content": ""}, 422, 422),
        ({"content": "x" * 5001}, 422, 422),
        ({"content": 5}, 422, 422),
        ({"type": "sticker"}, 422, 422),
        ({"type": "image", "content": ""}, 422, 422),
        ({"type": "image", "file_url": "javascript:alert(1)"}, 422, 422),
        ({"type": "location", "content": "nowhere"}, 422, 422),
        ({"ttl": -1}, 422, 422),
        ({"ttl": "5"}, 422, 422),
        ({"send_at": "2020-01-01T00:00:00Z"}, 422, 422),
        ({"send_at": "2030-01-01T00:00:00Z"}, 422, 422),
        ({"send_at": "tomorrow"}, 422, 422),
        ({"reply_to_id": NOBODY}, 404, 20003),
        ({"forward_from": NOBODY}, 404, 20003),
    ],
)
async def test_messages_that_are_refused(world: World, fields: dict[str, Any], status: int, code: int) -> None:
    alice, bob = await world.person(), await world.person()
    path = f"/api/chats/{await private(alice, bob)}/messages"
    await refused(alice, status, code, "POST", path, {"content": "hi"} | fields)


async def test_silent_messages_and_retries(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    chat = await private(alice, bob)
    first, again = await asyncio.gather(*(send(alice, chat, "x", client_msg_id="k", is_silent=True) for _ in range(2)))
    assert first == again
    (item,) = (await ok(bob, "GET", "/api/chats"))["chats"]
    assert item["unread_count"] == 0


async def test_muted_and_blocked_senders(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    owner = (await world.accounts.get(alice.id)).profile
    group = await alice.group(bob)
    await world.conversations.update_member(owner, group, bob.id, muted_until_ms=world.clock.at_ms + 60_000)
    await refused(bob, 403, 403, "POST", f"/api/chats/{group}/messages", {"content": "x"})
    chat = await private(alice, bob)
    await world.contacts.block(owner, bob.id)
    await refused(bob, 403, 403, "POST", f"/api/chats/{chat}/messages", {"content": "x"})
