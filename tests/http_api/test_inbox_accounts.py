"""Registration, login and the life of a login (inbox API, authentication)."""

import re
from typing import Any
from uuid import UUID

import pytest

from tests.http_api.world import Person, World
from tests.world import PASSWORD

BASE = "/api/v1/auth"
ALICE = {"username": "alice", "email": "alice@example.com", "password": "secret123"}


async def post(world: World, path: str, body: Any, expect: int = 200) -> Any:
    response = await world.client.post(f"{BASE}/{path}", json=body)
    text = await response.text()
    assert response.status == expect, text
    return await response.json()


async def test_register(world: World) -> None:
    user = await post(world, "register", ALICE | {"is_admin": True}, 201)
    assert str(UUID(user["id"])) == user["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", user["created_at"])
    expected = {
        "id": user["id"],
        "username": "alice",
        "email": "alice@example.com",
        "avatar_url": None,
        "status": "offline",
        "last_login_at": None,
        "created_at": user["created_at"],
        "updated_at": user["created_at"],
    }
    assert user == expected


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"username": "ALICE", "email": "other@example.com"}, 400),
        ({"username": "other", "email": "Alice@Example.com"}, 400),
        ({"username": "al"}, 422),
        ({"username": " al "}, 422),
        ({"username": "x" * 51}, 422),
        ({"email": "alice"}, 422),
        ({"email": "a@b"}, 422),
        ({"email": "a b@example.com"}, 422),
        ({"email": "a@example.com\nBcc: b@example.com"}, 422),
        ({"email": f"a@{'x' * 250}.com"}, 422),
        ({"email": None}, 422),
        ({"password": "12345"}, 422),
        ({"password": "x" * 73}, 422),
    ],
)
async def test_refused_registrations(world: World, changes: dict[str, Any], status: int) -> None:
    await post(world, "register", ALICE, 201)
    refused = await post(world, "register", ALICE | changes, status)
    assert "secret123" not in str(refused)


@pytest.mark.parametrize("named", ["alice", "alice@example.com", "ALICE@example.com"])
async def test_login(world: World, named: str) -> None:
    await post(world, "register", ALICE, 201)
    tokens = await post(world, "login", {"username": named, "password": "secret123"})
    assert tokens.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    assert world.tokens.verify(tokens["access_token"], "access").dialect == "inbox"


async def test_refused_logins(world: World) -> None:
    await post(world, "register", ALICE, 201)
    await post(world, "login", {"username": "alice", "password": "wrong1"}, 401)
    await post(world, "login", {"username": "nobody", "password": "wrong1"}, 401)
    await post(world, "login", {"username": "alice"}, 422)


async def test_refusals_say_what_the_document_says(world: World) -> None:
    await post(world, "register", ALICE, 201)
    other = {"username": "other", "email": "other@example.com"}
    assert await post(world, "register", ALICE | {"email": other["email"]}, 400) == {"detail": "用户名已存在"}
    assert await post(world, "register", ALICE | {"username": "other"}, 400) == {"detail": "邮箱已存在"}
    for name in ("alice", "nobody"):
        refused = await post(world, "login", {"username": name, "password": "wrong1"}, 401)
        assert refused == {"detail": "用户名或密码错误"}
    tokens = await post(world, "login", {"username": "alice", "password": "secret123"})
    await post(world, "refresh", {"token": tokens["refresh_token"]})
    for token in (tokens["refresh_token"], tokens["access_token"], "garbage"):
        assert await post(world, "refresh", {"token": token}, 401) == {"detail": "无效的 Refresh Token"}


async def test_me(world: World) -> None:
    alice = await world.person("alice")
    me = await alice.ask("GET", f"{BASE}/me")
    assert (me["id"], me["username"], me["email"], me["status"]) == (alice.uuid, "alice", "", "offline")
    assert me["last_login_at"].endswith("Z")
    world.directory.connected(alice.id)
    assert (await alice.ask("GET", f"{BASE}/me"))["status"] == "online"
    assert (await world.client.get(f"{BASE}/me")).status == 401


async def test_refresh_rotates_and_reuse_ends_the_login(world: World) -> None:
    alice = await world.person("alice")
    fresh = await post(world, "refresh", {"token": alice.refresh_token})
    renewed = Person(world.client, alice.id, alice.uuid, "alice", fresh["access_token"], fresh["refresh_token"])
    assert await renewed.status("GET", f"{BASE}/me") == 200
    await post(world, "refresh", {"token": alice.refresh_token}, 401)
    assert await renewed.status("GET", f"{BASE}/me") == 401
    await post(world, "refresh", {"token": fresh["refresh_token"]}, 401)


async def test_refused_refreshes(world: World) -> None:
    alice = await world.person("alice")
    await post(world, "refresh", {"token": alice.token}, 401)
    await post(world, "refresh", {"token": "garbage"}, 401)
    await post(world, "refresh", {}, 422)
    await post(world, "refresh", {"token": ""}, 422)
    await post(world, "refresh", {"token": "x" * 5000}, 422)


async def test_logout_ends_one_login_at_once(world: World) -> None:
    alice = await world.person("alice")
    login = await world.client.post(f"{BASE}/login/access-token", data={"username": "alice", "password": PASSWORD})
    other_token = (await login.json())["access_token"]
    assert await alice.ask("POST", f"{BASE}/logout") == {"message": "登出成功，请删除客户端 Token"}
    assert await alice.status("GET", "/api/v1/users/me") == 401
    await post(world, "refresh", {"token": alice.refresh_token}, 401)
    headers = {"Authorization": f"Bearer {other_token}"}
    assert (await world.client.get("/api/v1/users/me", headers=headers)).status == 200
    assert (await world.client.post(f"{BASE}/logout")).status == 401


async def test_a_refresh_token_expires_after_seven_days(world: World) -> None:
    alice = await world.person("alice")
    world.clock.at_ms += 7 * 86_400_000 + 1000
    await post(world, "refresh", {"token": alice.refresh_token}, 401)
