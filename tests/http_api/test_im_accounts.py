"""Login and users (im API 1 and 2), the system endpoints (im API 11), and every bad token."""

import re
from pathlib import Path
from typing import Any

import jwt
import pytest

from domain.accounts import AccountLimits
from domain.model import DialectName
from domain.tokens import Claims
from tests.http_api.conftest import Serve
from tests.http_api.world import World
from tests.world import NOBODY, PASSWORD, SECRET

LOGIN = "/api/v1/auth/login/access-token"
NEW_USER = {"standard_id": "test123", "name": "测试用户", "password": "secret123"}


async def test_login(world: World) -> None:
    person = await world.person("alice")
    response = await world.client.post(LOGIN, data={"username": "alice", "password": PASSWORD})
    tokens = await response.json()
    assert response.status == 200
    assert tokens.keys() == {"access_token", "token_type", "refresh_token", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 86400)
    claims = world.tokens.verify(tokens["access_token"], "access")
    assert (claims.user_id, claims.dialect) == (person.id, DialectName.IM)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"username": "alice", "password": "wrong horse"}, 400),
        ({"username": "nobody", "password": PASSWORD}, 400),
        ({"username": "alice", "password": PASSWORD + "x" * 72}, 400),
        ({"username": "alice"}, 422),
        ({"password": PASSWORD}, 422),
        ({"username": "", "password": PASSWORD}, 422),
        ({"username": "alice", "password": ""}, 422),
    ],
)
async def test_refused_logins(world: World, fields: dict[str, str], status: int) -> None:
    await world.person("alice")
    response = await world.client.post(LOGIN, data=fields)
    assert response.status == status
    assert "token" not in await response.text()


async def test_unknown_users_and_wrong_passwords_get_the_same_answer(world: World) -> None:
    await world.person("alice")
    answers = []
    for username in ("alice", "nobody"):
        response = await world.client.post(LOGIN, data={"username": username, "password": "wrong horse"})
        answers.append((response.status, await response.text()))
    assert answers[0] == answers[1]


async def test_login_takes_a_form_not_json(world: World) -> None:
    await world.person("alice")
    response = await world.client.post(LOGIN, json={"username": "alice", "password": PASSWORD})
    assert response.status == 422


async def test_failed_logins_are_throttled(serve: Serve, database: Path) -> None:
    world = World(database, limits=AccountLimits(failed_logins_per_account=2))
    await world.start()
    world.meet(await serve(world.app()))
    await world.person("alice")
    statuses = []
    for password in ("wrong1", "wrong2", PASSWORD):
        response = await world.client.post(LOGIN, data={"username": "alice", "password": password})
        statuses.append(response.status)
    assert statuses == [400, 400, 429]
    assert int(response.headers["Retry-After"]) > 0
    await world.client.close()
    await world.close()


async def test_a_deactivated_account(world: World) -> None:
    alice = await world.person("alice")
    await world.accounts.set_active(alice.id, False)
    assert await alice.status("GET", "/api/v1/users/me") == 403
    assert (await world.client.post(LOGIN, data={"username": "alice", "password": PASSWORD})).status == 403
    assert (await world.client.post(LOGIN, data={"username": "alice", "password": "wrong"})).status == 400


async def test_create_user(world: World) -> None:
    response = await world.client.post("/api/v1/users/", json=NEW_USER | {"is_admin": True, "id": 77})
    user = await response.json()
    assert response.status == 200
    assert user == {"id": user["id"], "standard_id": "test123", "name": "测试用户", "is_active": True}
    assert user["id"] != 77
    stored = await world.accounts.get(user["id"])
    assert not stored.is_admin


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 400),
        ({"standard_id": "TEST123"}, 400),
        ({"standard_id": "x" * 20}, 200),
        ({"standard_id": "x" * 21}, 422),
        ({"standard_id": ""}, 422),
        ({"standard_id": None}, 422),
        ({"standard_id": 5}, 422),
        ({"standard_id": "a\u0000b"}, 422),
        ({"standard_id": "other", "name": ""}, 422),
        ({"standard_id": "other", "name": "x" * 101}, 422),
        ({"standard_id": "other", "password": "12345"}, 422),
        ({"standard_id": "other", "password": "x" * 72}, 200),
        ({"standard_id": "other", "password": "x" * 73}, 422),
        ({"standard_id": "other", "password": "密" * 25}, 422),
    ],
)
async def test_refused_users(world: World, changes: dict[str, Any], status: int) -> None:
    await world.client.post("/api/v1/users/", json=NEW_USER)
    response = await world.client.post("/api/v1/users/", json=NEW_USER | changes)
    assert response.status == status
    assert "secret123" not in await response.text()


async def test_the_path_of_users_has_a_slash(world: World) -> None:
    assert (await world.client.post("/api/v1/users", json=NEW_USER)).status == 404


async def test_me(world: World) -> None:
    alice = await world.person("alice")
    assert await alice.ask("GET", "/api/v1/users/me") == {
        "id": alice.id,
        "standard_id": "alice",
        "name": "N alice",
        "is_active": True,
    }


async def test_search(world: World) -> None:
    alice, bob = await world.person("alice"), await world.person("bob%_x")
    path = "/api/v1/users/search"
    assert [user["id"] for user in await alice.ask("GET", path)] == [alice.id, bob.id]
    assert [user["id"] for user in await alice.ask("GET", path, params={"keyword": "N BOB"})] == [bob.id]
    assert [user["id"] for user in await alice.ask("GET", path, params={"keyword": "%_"})] == [bob.id]
    assert len(await alice.ask("GET", path, params={"limit": "1"})) == 1
    for limit in ("0", "51", "-1", "x", "１"):
        assert await alice.status("GET", path, params={"limit": limit}) == 422


async def test_statuses(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    world.directory.connected(bob.id)
    found = await alice.ask("POST", "/api/v1/users/statuses", {"user_ids": [alice.id, bob.id, NOBODY]})
    assert found == {"statuses": {str(alice.id): False, str(bob.id): True, str(NOBODY): False}}
    for user_ids in ([0], ["1"], [2**64], [1.0], [True], None, 1):
        assert await alice.status("POST", "/api/v1/users/statuses", {"user_ids": user_ids}) == 422


async def test_bad_tokens(world: World) -> None:
    alice = await world.person()
    payload = jwt.decode(alice.token, options={"verify_signature": False})
    head, body, signature = alice.token.split(".")
    no_one = Claims(NOBODY, "login", "token", DialectName.IM, world.clock.now_ms() + 60_000)
    old = Claims(alice.id, "login", "token", DialectName.IM, world.clock.now_ms() - 1000)
    tokens = {
        "not a token": "garbage",
        "no signature wanted": jwt.encode(payload, "", "none"),
        "another key": jwt.encode(payload, "x" * 32, "HS256"),
        "another algorithm": jwt.encode(payload, SECRET + b"x" * 16, "HS512"),
        "no signature": f"{head}.{body}.",
        "a changed payload": f"{head}.{body[:-2]}xx.{signature}",
        "a refresh token": alice.refresh_token,
        "no such user": world.tokens.sign("access", no_one),
        "expired": world.tokens.sign("access", old),
        "without claims": jwt.encode({"sub": str(alice.id)}, SECRET, "HS256"),
        "an id beyond all": jwt.encode(payload | {"sub": str(2**64)}, SECRET, "HS256"),
        "an id in other digits": jwt.encode(payload | {"sub": "１x"}, SECRET, "HS256"),
        "huge": "a" * 7000,
    }
    for reason, token in tokens.items():
        response = await world.client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert response.status == 401, reason
        assert (await response.json()).keys() == {"detail"}
    assert (await world.client.get("/api/v1/users/me", params={"token": alice.token})).status == 401


async def test_a_token_expires(world: World) -> None:
    alice = await world.person()
    world.clock.at_ms += 86_400_000 - 1001
    assert await alice.status("GET", "/api/v1/users/me") == 200
    world.clock.at_ms += 1001
    assert await alice.status("GET", "/api/v1/users/me") == 401


async def test_health_and_root(world: World) -> None:
    health = await (await world.client.get("/health")).json()
    assert health.keys() == {"status", "timestamp", "version"}
    assert (health["status"], health["version"]) == ("healthy", "1.0.0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", health["timestamp"])
    assert await (await world.client.get("/")).json() == {
        "message": "Instant Messaging System API",
        "version": "1.0.0",
        "docs_url": "/docs",
    }
