"""social API 1 to 3: registration, login, the own account, search."""

import pytest

from tests.http_api.social_people import ok, refused
from tests.http_api.world import ON_BOTH_STORES, Person, World
from tests.world import NOBODY, PASSWORD

pytestmark = ON_BOTH_STORES

SOMEBODY = {"username": "newcomer", "password": "123456", "email": "new@example.com"}


async def test_register_log_in_and_refresh(world: World) -> None:
    client = world.client
    response = await client.post("/register", json=SOMEBODY | {"nickname": "新人", "avatar": "https://a.example"})
    assert (response.status, await response.json()) == (
        200,
        {"code": 20000, "message": "success", "data": {"message": "注册成功"}},
    )
    response = await client.post("/login", json={"username": "newcomer", "password": "123456"})
    tokens = (await response.json())["data"]
    assert tokens["expires_in"] == 900
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    profile = (await (await client.get("/user/profile", headers=headers)).json())["data"]
    assert profile == {
        "id": profile["id"],
        "username": "newcomer",
        "email": "new@example.com",
        "nickname": "新人",
        "avatar": "https://a.example",
        "status": 1,
        "create_at": world.clock.at_ms // 1000,
        "update_at": world.clock.at_ms // 1000,
    }
    response = await client.post("/refresh_token", json={"refresh_token": tokens["refresh_token"]})
    fresh = (await response.json())["data"]
    assert fresh["refresh_token"] != tokens["refresh_token"]
    response = await client.post("/refresh_token", json={"refresh_token": tokens["refresh_token"]})
    assert (response.status, (await response.json())["code"]) == (401, 40001)
    response = await client.get("/user/profile", headers=headers)
    assert (response.status, (await response.json())["code"]) == (401, 40001)


@pytest.mark.parametrize(
    "change",
    [
        {"username": "ab"},
        {"username": "  ab "},
        {"username": "x" * 21},
        {"username": 123},
        {"password": "12345"},
        {"password": "x" * 51},
        {"password": "字" * 25},
        {"email": "not an address"},
        {"email": None},
        {"avatar": "no url"},
        {"avatar": "javascript:alert(1)"},
        {"nickname": "   "},
    ],
)
async def test_fields_of_a_registration(world: World, change: dict[str, object]) -> None:
    response = await world.client.post("/register", json=SOMEBODY | change)
    body = await response.json()
    assert (response.status, body.keys(), body["code"]) == (400, {"code", "message"}, 40000)
    assert body["message"].startswith(f"参数错误: {next(iter(change))}: ")


async def test_taken_names_and_wrong_passwords(world: World) -> None:
    await world.client.post("/register", json=SOMEBODY)
    for taken in (SOMEBODY | {"email": "other@example.com"}, SOMEBODY | {"username": "other"}):
        response = await world.client.post("/register", json=taken)
        assert (response.status, (await response.json())["code"]) == (409, 40000)
    for wrong in ({"username": "newcomer", "password": "wrong"}, {"username": "nobody", "password": "123456"}):
        response = await world.client.post("/login", json=wrong)
        assert (response.status, (await response.json())["code"]) == (400, 40000)


async def test_without_a_token(world: World) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        response = await world.client.get("/user/profile", headers=headers)
        body = await response.json()
        assert (response.status, body["code"]) == (401, 40001)
        assert body["message"].startswith("用户未登录或ID无效")


async def test_unknown_paths_and_methods_are_answered_in_the_envelope(world: World) -> None:
    response = await world.client.get("/friend/nothing")
    assert (response.status, (await response.json())["code"]) == (404, 40000)
    response = await world.client.delete("/chat/send")
    assert (response.status, (await response.json())["code"]) == (405, 40000)


async def test_other_accounts_and_changes(world: World) -> None:
    alice, bob = await world.person("alice"), await world.person("bob")
    shown = await ok(alice, "GET", f"/user/info?user_id={bob.id}")
    assert (shown["username"], shown["email"]) == ("bob", "")
    await refused(alice, 404, "GET", f"/user/info?user_id={NOBODY}")
    for query in ("", "?user_id=x", "?user_id=0", "?user_id=18446744073709551616", "?user_id=１"):
        await refused(alice, 400, "GET", f"/user/info{query}")
    done = await ok(alice, "PUT", "/user/update/info", {"nickname": "爱丽丝", "email": "a@example.com", "id": bob.id})
    assert done == {"message": "更新成功"}
    profile = await ok(alice, "GET", "/user/profile")
    assert (profile["id"], profile["nickname"], profile["email"]) == (alice.id, "爱丽丝", "a@example.com")
    await refused(bob, 409, "PUT", "/user/update/info", {"email": "A@example.com"})
    await refused(bob, 400, "PUT", "/user/update/info", {"nickname": ""})


async def test_a_new_password_ends_the_other_logins(world: World) -> None:
    alice = await world.person("alice")
    response = await world.client.post("/login", json={"username": "alice", "password": PASSWORD})
    other = Person(world.client, alice.id, "", "alice", (await response.json())["data"]["access_token"], "")
    body = {"old_password": PASSWORD, "new_password": "another one"}
    await refused(alice, 400, "PUT", "/user/update/password", body | {"old_password": "wrong"})
    await refused(alice, 400, "PUT", "/user/update/password", body | {"new_password": "short"})
    assert await ok(alice, "PUT", "/user/update/password", body) == {"message": "密码修改成功"}
    await ok(alice, "GET", "/user/profile")
    await refused(other, 401, "GET", "/user/profile", code=40001)
