"""social API 4, 6.1 and 6.2: friends, their requests and blocks."""

import asyncio

from tests.http_api.social_people import befriend, ok, refused
from tests.http_api.world import ON_BOTH_STORES, World
from tests.world import NOBODY

pytestmark = ON_BOTH_STORES


async def test_from_request_to_friends(world: World) -> None:
    alice, bob = await world.person("alice"), await world.person("bob")
    now = world.clock.at_ms // 1000
    request = await ok(alice, "POST", "/friend/request/send", {"to_user_id": bob.id, "message": "你好"})
    assert request == {
        "id": request["id"],
        "from_user_id": alice.id,
        "to_user_id": bob.id,
        "message": "你好",
        "status": 1,
        "create_at": now,
        "update_at": now,
    }
    names = {"from_nickname": "N alice", "from_avatar": "", "to_nickname": "N bob", "to_avatar": ""}
    assert await ok(bob, "GET", "/notification/request/friend") == {"requests": [request | names], "total": 1}
    assert await ok(alice, "GET", "/notification/request/friend") == {"requests": [], "total": 0}
    assert await ok(bob, "GET", "/notification/request/friend/unread-count") == {"count": 1}
    handled = await ok(bob, "POST", "/friend/request/handle", {"request_id": request["id"], "action": 2})
    assert handled == request | {"status": 2}
    assert await ok(bob, "GET", "/notification/request/friend/unread-count") == {"count": 0}
    listed = await ok(alice, "GET", "/friend/list")
    (friend,) = listed["friends"]
    assert listed["total"] == 1
    assert friend == {
        "id": friend["id"],
        "user_id": alice.id,
        "friend_id": bob.id,
        "remark": "",
        "status": 1,
        "create_at": now,
        "update_at": now,
        "nickname": "N bob",
        "avatar": "",
        "online_status": 0,
    }
    world.directory.connected(bob.id)
    assert (await ok(alice, "GET", "/friend/list"))["friends"] == [friend | {"online_status": 1}]


async def test_requests_that_are_refused(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    send = "/friend/request/send"
    for body in ({}, {"to_user_id": "2"}, {"to_user_id": True}, {"to_user_id": bob.id, "message": "x" * 501}):
        await refused(alice, 400, "POST", send, body)
    await refused(alice, 400, "POST", send, {"to_user_id": alice.id})
    await refused(alice, 404, "POST", send, {"to_user_id": NOBODY})
    request = await ok(alice, "POST", send, {"to_user_id": bob.id})
    await refused(alice, 400, "POST", send, {"to_user_id": bob.id})
    handle = "/friend/request/handle"
    await refused(carol, 403, "POST", handle, {"request_id": request["id"], "action": 2})
    await refused(bob, 404, "POST", handle, {"request_id": NOBODY, "action": 2})
    for action in (0, 1, 4, "2", True, None):
        await refused(bob, 400, "POST", handle, {"request_id": request["id"], "action": action})
    rejected = await ok(bob, "POST", handle, {"request_id": request["id"], "action": 3, "message": "不认识"})
    assert rejected["status"] == 3
    await refused(bob, 400, "POST", handle, {"request_id": request["id"], "action": 2})
    await ok(alice, "POST", send, {"to_user_id": bob.id})


async def test_crossed_requests(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    await asyncio.gather(
        ok(alice, "POST", "/friend/request/send", {"to_user_id": bob.id}),
        ok(bob, "POST", "/friend/request/send", {"to_user_id": alice.id}),
    )
    assert [each["friend_id"] for each in (await ok(alice, "GET", "/friend/list"))["friends"]] == [bob.id]
    assert [each["friend_id"] for each in (await ok(bob, "GET", "/friend/list"))["friends"]] == [alice.id]
    await refused(alice, 400, "POST", "/friend/request/send", {"to_user_id": bob.id})


async def test_block_and_unblock(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    await befriend(alice, bob)
    await ok(alice, "PUT", "/friend/remark", {"user_id": bob.id, "remark": "11222"})
    blocked = await ok(alice, "POST", "/friend/block", {"friend_id": bob.id})
    assert (blocked["friend_id"], blocked["status"], blocked["remark"]) == (bob.id, 2, "11222")
    assert await ok(alice, "GET", "/friend/list") == {"friends": [], "total": 0}
    listed = await ok(alice, "GET", "/friend/blocked/list")
    assert [(each["friend_id"], each["status"]) for each in listed["friends"]] == [(bob.id, 2)]
    message = {"to_user_id": alice.id, "type": 0, "content": "hi", "chat_type": 0}
    await refused(bob, 403, "POST", "/chat/send", message)
    await ok(alice, "POST", "/chat/send", message | {"to_user_id": bob.id})
    await ok(alice, "POST", "/friend/unblock", {"friend_id": bob.id})
    await ok(bob, "POST", "/chat/send", message)
    assert len((await ok(alice, "GET", "/friend/list"))["friends"]) == 1
    await refused(alice, 404, "POST", "/friend/unblock", {"friend_id": bob.id})
    await refused(alice, 400, "POST", "/friend/block", {"friend_id": alice.id})
    await refused(alice, 404, "POST", "/friend/block", {"friend_id": NOBODY})


async def test_delete_and_remark(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    await refused(alice, 404, "DELETE", "/friend/delete", {"friend_id": bob.id})
    await refused(alice, 404, "PUT", "/friend/remark", {"user_id": bob.id, "remark": "x"})
    await befriend(alice, bob)
    await refused(alice, 400, "PUT", "/friend/remark", {"user_id": bob.id, "remark": "x" * 101})
    assert await ok(alice, "DELETE", "/friend/delete", {"friend_id": bob.id}) == {}
    for person in (alice, bob):
        assert await ok(person, "GET", "/friend/list") == {"friends": [], "total": 0}
