"""messenger API: authentication and users."""

import asyncio

import pytest

from protocol.times import iso_time
from tests.http_api.messenger_people import newcomer, ok, opened, public, reason, refused
from tests.http_api.world import ON_BOTH_STORES, World
from tests.world import NOBODY, PASSWORD

pytestmark = ON_BOTH_STORES

PHONE = "13800138000"


async def test_register_log_in_refresh_and_log_out(world: World) -> None:
    body = {"phone": PHONE, "username": "testuser", "password": "password123", "nickname": "测试用户"}
    answer = await public(world.client, "/api/auth/register", body)
    assert answer["message"] == "注册成功"
    data = opened(answer)
    now = iso_time(world.clock.at_ms)
    user = {
        "id": data["user"]["id"],
        "phone": PHONE,
        "username": "testuser",
        "nickname": "测试用户",
        "avatar": "",
        "online": False,
        "last_seen": now,
    }
    assert data["user"] == user
    assert data["expires_in"] == 86400
    answer = await public(world.client, "/api/auth/login", {"phone": PHONE, "password": "password123"})
    assert answer["message"] == "登录成功"
    data = opened(answer)
    assert data["user"] == user
    answer = await public(world.client, "/api/auth/refresh", {"refresh_token": data["refresh_token"]})
    assert answer["message"] == "令牌刷新成功"
    fresh = opened(answer)
    assert fresh.keys() == {"access_token", "refresh_token", "expires_in"}
    headers = {"Authorization": f"Bearer {fresh['access_token']}"}
    response = await world.client.get("/api/users/me", headers=headers)
    assert opened(await response.json()) == user | {
        "bio": "",
        "language": "zh-CN",
        "theme": "auto",
        "created_at": now,
        "updated_at": now,
    }
    response = await world.client.post("/api/auth/logout", headers=headers)
    body = await response.json()
    assert (body["message"], opened(body)) == ("登出成功", {})
    response = await world.client.get("/api/users/me", headers=headers)
    assert response.status == 401
    reason(await response.json(), 10008)
    reason(await public(world.client, "/api/auth/refresh", {"refresh_token": data["refresh_token"]}, 401), 10008)


async def test_wrong_phones_passwords_and_tokens(world: World) -> None:
    alice = await newcomer(world, PHONE, "alice")
    login = "/api/auth/login"
    reason(await public(world.client, login, {"phone": "13900139000", "password": "whatever"}, 401), 10001)
    reason(await public(world.client, login, {"phone": PHONE, "password": "wrong one"}, 401), 10002)
    taken = {"phone": PHONE, "username": "other", "password": PASSWORD, "nickname": "o"}
    reason(await public(world.client, "/api/auth/register", taken, 409), 10005)
    reason(await public(world.client, "/api/auth/register", taken | {"phone": "1390", "username": "x"}, 422), 422)
    taken |= {"phone": "13900139000", "username": "ALICE"}
    reason(await public(world.client, "/api/auth/register", taken, 409), 10006)
    world.clock.at_ms += 86_401_000
    await refused(alice, 401, 10007, "GET", "/api/users/me")
    for path in ("/api/users/me", "/api/nothing", "/api/chats/x/y"):
        response = await world.client.get(path)
        assert response.status == (401 if path.endswith("me") else 404)
    response = await world.client.get("/api/users/me", headers={"Authorization": "Bearer x"})
    reason(await response.json(), 10008)


async def test_deactivated_accounts(world: World) -> None:
    alice = await newcomer(world, PHONE, "alice")
    await world.accounts.set_active(alice.id, False)
    await refused(alice, 403, 10004, "GET", "/api/users/me")
    reason(await public(world.client, "/api/auth/login", {"phone": PHONE, "password": PASSWORD}, 403), 10004)


@pytest.mark.parametrize(
    "change",
    [
        {"phone": None},
        {"phone": 13800138000},
        {"phone": "12"},
        {"phone": "1380013800a"},
        {"phone": "１３８００１３８０００"},
        {"phone": "+"},
        {"username": ""},
        {"username": "x" * 51},
        {"password": "short"},
        {"password": "字" * 25},
        {"nickname": "x" * 101},
    ],
)
async def test_fields_of_a_registration(world: World, change: dict[str, object]) -> None:
    body = {"phone": PHONE, "username": "alice", "password": PASSWORD, "nickname": "A"} | change
    assert reason(await public(world.client, "/api/auth/register", body, 422), 422).startswith(next(iter(change)))


async def test_a_phone_is_the_same_however_it_is_written(world: World) -> None:
    await newcomer(world, "138-0013 8000", "alice")
    opened(await public(world.client, "/api/auth/login", {"phone": PHONE, "password": PASSWORD}))


async def test_login_by_code(world: World) -> None:
    alice = await newcomer(world, PHONE, "alice")
    answer = await public(world.client, "/api/auth/code", {"phone": PHONE})
    assert opened(answer) == {"expires_in": 300}
    code = world.code_sender.sent[PHONE]
    assert len(code) == 6
    assert code.isdecimal()
    body = {"phone": PHONE, "code": code}
    wrong = body | {"code": f"{(int(code) + 1) % 10**6:06}"}
    reason(await public(world.client, "/api/auth/login", wrong, 401), 10003)
    data = opened(await public(world.client, "/api/auth/login", body | {"password": ""}))
    assert data["user"]["id"] == alice.id
    reason(await public(world.client, "/api/auth/login", body, 401), 10003)
    reason(await public(world.client, "/api/auth/login", {"phone": PHONE}, 422), 422)


async def test_a_code_is_worth_nothing_after_five_minutes_or_when_there_is_a_newer_one(world: World) -> None:
    await newcomer(world, PHONE, "alice")
    codes = []
    for _ in range(2):
        await public(world.client, "/api/auth/code", {"phone": PHONE})
        codes.append(world.code_sender.sent[PHONE])
    if codes[0] != codes[1]:
        reason(await public(world.client, "/api/auth/login", {"phone": PHONE, "code": codes[0]}, 401), 10003)
    world.clock.at_ms += 300_000
    reason(await public(world.client, "/api/auth/login", {"phone": PHONE, "code": codes[1]}, 401), 10003)


async def test_of_two_with_one_code_one_gets_in(world: World) -> None:
    await newcomer(world, PHONE, "alice")
    await public(world.client, "/api/auth/code", {"phone": PHONE})
    body = {"phone": PHONE, "code": world.code_sender.sent[PHONE]}
    answers = await asyncio.gather(*(world.client.post("/api/auth/login", json=body) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401]


@pytest.mark.parametrize(
    "phone", ["", "+", "1234", "1" * 16, "tel:13800138000", "138.0013.8000", "١٣٨٠٠١٣٨", None, 138]
)
async def test_phones_that_are_none(world: World, phone: object) -> None:
    for path, body in (("code", {}), ("login", {"password": PASSWORD}), ("login", {"code": "123456"})):
        text = reason(await public(world.client, f"/api/auth/{path}", {"phone": phone} | body, 422), 422)
        assert text.startswith("phone: ")


async def test_of_two_with_one_phone_one_registers(world: World) -> None:
    bodies = [{"phone": PHONE, "username": name, "password": PASSWORD, "nickname": name} for name in ("one", "two")]
    answers = await asyncio.gather(*(world.client.post("/api/auth/register", json=body) for body in bodies))
    assert sorted([(await answer.json())["code"] for answer in answers]) == [200, 10005]


async def test_unknown_paths_and_methods_are_answered_in_the_envelope(world: World) -> None:
    for path in ("/api/nothing", "/api/users", "/api/auth", "/api/chats/1/nothing"):
        response = await world.client.get(path)
        assert response.status == 404
        reason(await response.json(), 404)
    response = await world.client.delete("/api/auth/login")
    assert response.status == 405
    reason(await response.json(), 405)
    response = await world.client.get("/api/v1/nothing")
    assert await response.json() == {"detail": "Not Found"}


async def test_a_guessed_code_is_worth_nothing_after_five_tries(world: World) -> None:
    await newcomer(world, PHONE, "alice")
    await public(world.client, "/api/auth/code", {"phone": PHONE})
    code = world.code_sender.sent[PHONE]
    for number in range(1, 6):
        wrong = {"phone": PHONE, "code": f"{(int(code) + number) % 10**6:06}"}
        reason(await public(world.client, "/api/auth/login", wrong, 401), 10003)
    reason(await public(world.client, "/api/auth/login", {"phone": PHONE, "code": code}, 401), 10003)


async def test_codes_are_throttled_and_tell_nothing(world: World) -> None:
    for _ in range(5):
        opened(await public(world.client, "/api/auth/code", {"phone": "13900139000"}))
    response = await world.client.post("/api/auth/code", json={"phone": "139 0013 9000"})
    assert response.status == 429
    assert int(response.headers["Retry-After"]) > 0
    reason(await response.json(), 40001)
    code = world.code_sender.sent["13900139000"]
    reason(await public(world.client, "/api/auth/login", {"phone": "13900139000", "code": code}, 401), 10001)


async def test_profiles(world: World) -> None:
    alice, bob = await newcomer(world, PHONE, "alice"), await world.person("bob")
    change = {"nickname": "新昵称", "bio": "简介", "avatar": "https://a.example/1.jpg", "theme": "dark", "id": 7}
    assert await ok(alice, "PUT", "/api/users/me", change, "用户信息更新成功") == {}
    own = await ok(alice, "GET", "/api/users/me", said="获取用户信息成功")
    for avatar in ("/api/files/of-an-upload", "", change["avatar"]):
        await ok(alice, "PUT", "/api/users/me", {"avatar": avatar})
        assert (await ok(alice, "GET", "/api/users/me"))["avatar"] == avatar
    assert {name: own[name] for name in change} == change | {"id": alice.id}
    shown = await ok(bob, "GET", f"/api/users/{alice.id}")
    assert shown == {
        "id": alice.id,
        "username": "alice",
        "nickname": "新昵称",
        "avatar": "https://a.example/1.jpg",
        "online": False,
        "last_seen": iso_time(world.clock.at_ms),
    }
    assert (await ok(bob, "GET", "/api/users/me"))["phone"] == ""
    world.directory.connected(alice.id)
    assert (await ok(bob, "GET", f"/api/users/{alice.id}"))["online"] is True
    await refused(bob, 404, 10001, "GET", f"/api/users/{NOBODY}")
    for path in ("0", "x", "-1", "18446744073709551616"):
        await refused(bob, 422, 422, "GET", f"/api/users/{path}")
    for wrong in ({"nickname": ""}, {"bio": "x" * 501}, {"avatar": "javascript:1"}, {"theme": "pink"}, {"bio": 5}):
        await refused(alice, 422, 422, "PUT", "/api/users/me", wrong)


async def test_contacts(world: World) -> None:
    alice, bob = await newcomer(world, PHONE, "alice"), await newcomer(world, "13800138001", "bob")
    contact = await ok(alice, "POST", "/api/contacts", {"phone": "13800138001", "nickname": "新好友"}, "联系人添加成功")
    assert contact == {
        "id": contact["id"],
        "user_id": alice.id,
        "contact_id": bob.id,
        "nickname": "新好友",
        "is_blocked": False,
        "is_muted": False,
        "created_at": iso_time(world.clock.at_ms),
    }
    about = {"id": bob.id, "username": "bob", "nickname": "N bob", "avatar": "", "online": False}
    listed = await ok(alice, "GET", "/api/contacts", said="获取联系人列表成功")
    assert listed == {"contacts": [contact | {"contact": about}], "total": 1}
    assert await ok(bob, "GET", "/api/contacts") == {"contacts": [], "total": 0}
    await refused(alice, 409, 409, "POST", "/api/contacts", {"phone": "13800138001"})
    await refused(alice, 400, 400, "POST", "/api/contacts", {"phone": PHONE})
    await refused(alice, 404, 10001, "POST", "/api/contacts", {"phone": "13999999999"})
    path = f"/api/contacts/{bob.id}"
    assert await ok(alice, "DELETE", path, said="联系人删除成功") == {}
    await refused(alice, 404, 404, "DELETE", path)
