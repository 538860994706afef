"""social API 5 and 6.3 to 6.5: groups, applications and notices."""

from typing import Any

from tests.http_api.social_people import ok, refused
from tests.http_api.world import ON_BOTH_STORES, Person, World
from tests.world import NOBODY

pytestmark = ON_BOTH_STORES


async def create(owner: Person, *members: Person, **fields: Any) -> int:
    group_id = int((await ok(owner, "POST", "/group/create", {"group_name": "group1"} | fields))["id"])
    if members:
        await ok(owner, "POST", "/group/invite", {"group_id": group_id, "user_ids": [each.id for each in members]})
    return group_id


async def test_create_show_and_list(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    now = world.clock.at_ms // 1000
    made = await ok(
        alice, "POST", "/group/create", {"group_name": "测试群组", "description": "d", "avatar": "demo.com"}
    )
    assert made == {
        "id": made["id"],
        "name": "测试群组",
        "description": "d",
        "avatar": "demo.com",
        "owner_id": alice.id,
        "member_count": 1,
        "max_member_count": 500,
        "status": 1,
        "create_at": now,
        "update_at": now,
    }
    path = f"/group/info?group_id={made['id']}"
    assert await ok(alice, "GET", path) == {"group_info": made}
    assert await ok(alice, "GET", "/group/list") == {"groups": [made], "total": 1}
    assert await ok(bob, "GET", "/group/list") == {"groups": [], "total": 0}
    await refused(bob, 403, "GET", path)
    await refused(bob, 404, "GET", f"/group/info?group_id={NOBODY}")
    for body in ({}, {"group_name": ""}, {"group_name": " "}, {"group_name": "x" * 101}, {"group_name": 7}):
        await refused(alice, 400, "POST", "/group/create", body)


async def test_a_private_chat_is_no_group(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    single = await alice.single(bob)
    await refused(alice, 404, "GET", f"/group/info?group_id={single}")
    await refused(alice, 404, "GET", f"/group/members?group_id={single}")
    await refused(alice, 404, "POST", "/group/dismiss", {"group_id": single})
    await refused(alice, 404, "POST", "/chat/send", {"group_id": single, "type": 0, "chat_type": 1, "content": "x"})
    await refused(alice, 400, "POST", "/group/invite", {"group_id": single, "user_ids": [bob.id]})


async def test_members_roles_and_mutes(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await create(alice, bob, carol)
    members = await ok(bob, "GET", f"/group/members?group_id={group}")
    assert members["total"] == 3
    assert [(each["user_id"], each["role"], each["group_id"]) for each in members["members"]] == [
        (alice.id, 2, group),
        (bob.id, 0, group),
        (carol.id, 0, group),
    ]
    assert members["members"][0].keys() >= {"id", "nickname", "join_time", "update_at"}
    set_role = "/group/set/role"
    changed = await ok(alice, "POST", set_role, {"group_id": group, "user_id": bob.id, "role": 1})
    assert (changed["user_id"], changed["role"]) == (bob.id, 1)
    for role in (-1, 3, "1", True, None):
        await refused(alice, 400, "POST", set_role, {"group_id": group, "user_id": bob.id, "role": role})
    await refused(bob, 403, "POST", set_role, {"group_id": group, "user_id": carol.id, "role": 1})
    for person in (bob, carol):  # also where nothing would change
        await refused(person, 403, "POST", set_role, {"group_id": group, "user_id": carol.id, "role": 0})
    await refused(alice, 404, "POST", set_role, {"group_id": group, "user_id": NOBODY, "role": 1})
    mute = "/group/mute/member"
    body = {"group_id": group, "user_id": carol.id, "duration": 60}
    assert (await ok(bob, "POST", mute, body))["mute_until"] == world.clock.at_ms // 1000 + 60
    message = {"group_id": group, "type": 0, "content": "hi", "chat_type": 1}
    await refused(carol, 403, "POST", "/chat/send", message)
    await refused(carol, 403, "POST", mute, body | {"duration": 0})
    await refused(bob, 403, "POST", mute, body | {"user_id": alice.id})
    await refused(bob, 400, "POST", mute, body | {"duration": -1})
    await ok(bob, "POST", mute, body | {"duration": 0})
    await ok(carol, "POST", "/chat/send", message)
    renamed = await ok(carol, "PUT", "/group/update/member_info", {"group_id": group, "nickname": "新的群内昵称"})
    assert renamed["nickname"] == "新的群内昵称"
    info = await ok(bob, "GET", f"/group/member_info?group_id={group}&user_id={carol.id}")
    about = info["member_info"]["member_info"]
    assert (about["user_id"], about["role"], about["nickname"]) == (carol.id, 0, "新的群内昵称")
    assert info["member_info"]["user_info"]["username"] == carol.name
    await refused(bob, 404, "GET", f"/group/member_info?group_id={group}&user_id={NOBODY}")


async def test_transfer_leave_kick_and_dismiss(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await create(alice, bob, carol)
    named = {"group_id": group}
    await refused(alice, 400, "POST", "/group/leave", named)
    await refused(bob, 403, "POST", "/group/transfer", named | {"new_owner_id": bob.id})
    assert (await ok(alice, "POST", "/group/transfer", named | {"new_owner_id": bob.id}))["owner_id"] == bob.id
    (listed,) = (await ok(alice, "GET", "/group/list"))["groups"]
    assert listed["owner_id"] == bob.id
    await refused(carol, 403, "POST", "/group/kick", named | {"user_id": alice.id})
    assert (await ok(alice, "POST", "/group/kick", named | {"user_id": carol.id}))["member_count"] == 2
    await refused(carol, 403, "GET", f"/group/info?group_id={group}")
    assert await ok(alice, "POST", "/group/leave", named) == {}
    await refused(alice, 403, "POST", "/group/dismiss", named)
    await ok(bob, "POST", "/group/dismiss", named)
    for method, path, body in (
        ("GET", f"/group/info?group_id={group}", None),
        ("POST", "/group/leave", named),
        ("POST", "/group/join", named),
        ("POST", "/chat/send", {"group_id": group, "type": 0, "content": "x", "chat_type": 1}),
    ):
        await refused(bob, 404, method, path, body)


async def test_information_and_invitations(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await create(alice, bob)
    update = {"group_id": group, "name": "新的群组名称", "id": 5, "owner_id": bob.id, "member_count": 9}
    changed = await ok(alice, "PUT", "/group/update/info", update)
    assert (changed["id"], changed["name"], changed["owner_id"], changed["member_count"]) == (
        group,
        "新的群组名称",
        alice.id,
        2,
    )
    await refused(bob, 403, "PUT", "/group/update/info", update)
    invite = "/group/invite"
    assert (await ok(bob, "POST", invite, {"group_id": group, "user_ids": [carol.id]}))["member_count"] == 3
    await refused(alice, 400, "POST", invite, {"group_id": group, "user_ids": [NOBODY]})
    await refused(alice, 400, "POST", invite, {"group_id": group, "user_ids": []})


async def test_applications(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    group = await create(alice, carol, avatar="demo.com")
    now = world.clock.at_ms // 1000
    application = await ok(bob, "POST", "/group/join", {"group_id": group, "reason": "12233"})
    item = {
        "id": application["id"],
        "group_id": group,
        "user_id": bob.id,
        "reason": "12233",
        "apply_time": now,
        "status": 1,
        "user_nickname": f"N {bob.name}",
        "user_avatar": "",
        "group_name": "group1",
        "group_avatar": "demo.com",
    }
    assert await ok(alice, "GET", "/notification/request/group") == {"applications": [item]}
    assert await ok(alice, "GET", "/notification/request/group/unread-count") == {"total_unread_count": 1}
    assert await ok(carol, "GET", "/notification/request/group") == {"applications": []}
    await refused(bob, 400, "POST", "/group/join", {"group_id": group})
    await refused(carol, 400, "POST", "/group/join", {"group_id": group})
    handle = {"application_id": application["id"], "approve": True}
    await refused(carol, 403, "POST", "/group/request/handle", handle)
    await refused(bob, 403, "POST", "/group/request/handle", handle)
    await refused(alice, 400, "POST", "/group/request/handle", handle | {"approve": "yes"})
    await refused(alice, 404, "POST", "/group/request/handle", handle | {"application_id": NOBODY})
    assert (await ok(alice, "POST", "/group/request/handle", handle))["status"] == 2
    assert (await ok(bob, "GET", "/group/list"))["total"] == 1
    assert await ok(alice, "GET", "/notification/request/group/unread-count") == {"total_unread_count": 0}
    await refused(alice, 400, "POST", "/group/request/handle", handle)


async def test_notices(world: World) -> None:
    alice, bob = await world.person("alice"), await world.person("bob")
    group = await create(alice, bob)
    await ok(alice, "POST", "/group/transfer", {"group_id": group, "new_owner_id": bob.id})
    transferred, invited = (await ok(bob, "GET", "/notification/group/notifications"))["notifications"]
    assert transferred == {
        "id": transferred["id"],
        "type": 8,
        "group_id": group,
        "operator_id": alice.id,
        "target_user_id": bob.id,
        "message": "您已被 'N alice' 设置为群聊 'group1' 的新群主",
        "timestamp": world.clock.at_ms // 1000,
        "is_read": False,
        "operator_nickname": "N alice",
        "operator_avatar": "",
        "target_user_nickname": "N bob",
        "target_user_avatar": "",
    }
    assert invited["type"] == 1
    again = (await ok(bob, "GET", "/notification/group/notifications"))["notifications"]
    assert [each["is_read"] for each in again] == [True, True]


async def test_searching_users_and_public_groups(world: World) -> None:
    alice, bob = await world.person("alice"), await world.person("bob")
    made = await ok(alice, "POST", "/group/create", {"group_name": "Alice's 50%"})
    hidden = await world.conversations.create_group(
        (await world.accounts.get(alice.id)).profile, (), name="alice in private", is_public=False
    )
    found = await ok(bob, "GET", "/search?keyword=ALICE")
    assert found == {
        "groups": [made],
        "totalGroups": 1,
        "totalUsers": 1,
        "users": [await ok(alice, "GET", "/user/profile")],
    }
    assert hidden.id not in [group["id"] for group in found["groups"]]
    assert (await ok(bob, "GET", "/search?keyword=0%25"))["groups"] == [made]
    assert (await ok(bob, "GET", "/search?keyword=%25"))["totalUsers"] == 0
    for query in ("", "?keyword=", "?keyword=%20"):
        await refused(bob, 400, "GET", f"/search{query}")
