"""im API 10: the security module tries the real defences."""

import pytest
from aiohttp import web

from domain.accounts import AccountLimits
from domain.errors import Unauthenticated
from domain.model import User
from http_api.middleware import SECURITY_HEADERS
from tests.http_api.conftest import Serve
from tests.http_api.world import World

BASE = "/api/v1/security"
ATTACKS = ("sql_injection", "xss", "path_traversal", "brute_force", "jwt_none", "oversized_body")


async def test_ten_tries_a_minute_for_each_client(world: World) -> None:
    statuses = [(await world.client.get(f"{BASE}/rate-limit-test")).status for _ in range(10)]
    assert statuses == [200] * 10
    refused = await world.client.get(f"{BASE}/rate-limit-test", headers={"X-Forwarded-For": "1.2.3.4"})
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await refused.json()).keys() == {"detail"}


async def test_a_passed_try_says_when(world: World) -> None:
    answer = await (await world.client.get(f"{BASE}/rate-limit-test")).json()
    assert answer == {"message": "Rate limit test passed", "timestamp": "2025-01-08T12:00:00Z"}


async def test_headers_and_cors(world: World) -> None:
    for path, message in (
        ("security-headers-test", "Security headers test passed"),
        ("cors-test", "CORS test passed"),
    ):
        answer = await world.client.get(f"{BASE}/{path}")
        assert (answer.status, await answer.json()) == (200, {"message": message})
        assert answer.headers.keys() >= SECURITY_HEADERS.keys()


async def test_headers_that_are_missing_are_named(world: World, serve: Serve) -> None:
    app = world.app()

    async def lose_one(request: web.Request, response: web.StreamResponse) -> None:
        del response.headers["X-Frame-Options"]

    app.on_response_prepare.append(lose_one)
    world.meet(await serve(app))
    answer = await (await world.client.get(f"{BASE}/security-headers-test")).json()
    assert answer == {"message": "Security headers test failed: X-Frame-Options is missing"}


async def test_a_critical_endpoint(world: World) -> None:
    alice = await world.person()
    assert (await world.client.post(f"{BASE}/critical-endpoint-test")).status == 401
    answer = await alice.ask("POST", f"{BASE}/critical-endpoint-test")
    assert answer == {"message": "Critical endpoint security test passed"}


async def test_the_status_is_for_administrators(world: World) -> None:
    alice, root = await world.person(), await world.person("root", is_admin=True)
    assert (await world.client.get(f"{BASE}/security-status")).status == 401
    assert await alice.status("GET", f"{BASE}/security-status") == 403
    answer = await root.ask("GET", f"{BASE}/security-status")
    assert answer["security_level"] == "high"
    assert {"rate_limiting", "csrf_protection", "xss_protection"} <= set(answer["active_protections"])
    assert answer["last_security_check"] == "2025-01-08T12:00:00Z"


async def test_the_status_follows_the_configuration(world: World, serve: Serve) -> None:
    world.meet(await serve(world.app(requests_per_user=0, cors_origins=("*",))))
    root = await world.person("root", is_admin=True)
    answer = await root.ask("GET", f"{BASE}/security-status")
    assert answer["security_level"] == "low"
    assert not {"rate_limiting", "cors_restriction"} & set(answer["active_protections"])
    assert (await (await world.client.get(f"{BASE}/cors-test")).json())["message"] == "CORS test passed"


@pytest.mark.parametrize("kind", ATTACKS)
async def test_attacks_are_blocked(world: World, kind: str) -> None:
    root = await world.person("root", is_admin=True)
    answer = await root.ask("POST", f"{BASE}/simulate-attack?attack_type={kind}")
    assert answer["blocked"] is True, answer
    assert answer["attack_type"] == kind
    assert answer["message"] == "Attack successfully blocked"
    assert answer["steps"]
    assert await root.ask("GET", "/api/v1/users/me")


async def test_attacks_are_for_administrators_and_of_known_kinds(world: World) -> None:
    alice, root = await world.person(), await world.person("root", is_admin=True)
    assert (await world.client.post(f"{BASE}/simulate-attack?attack_type=xss")).status == 401
    assert await alice.status("POST", f"{BASE}/simulate-attack?attack_type=xss") == 403
    assert await root.status("POST", f"{BASE}/simulate-attack?attack_type=teapot") == 400
    assert await root.status("POST", f"{BASE}/simulate-attack") == 422


async def test_what_is_not_blocked_is_said(world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    world._limits = AccountLimits(failed_logins_per_account=0, failed_logins_per_address=0)
    world.accounts._limits = world._limits
    world.meet(await serve(world.app()))
    root = await world.person("root", is_admin=True)
    answer = await root.ask("POST", f"{BASE}/simulate-attack?attack_type=brute_force")
    assert (answer["blocked"], answer["message"]) == (False, "Attack was not blocked")

    async def everything(keyword: str, limit: int) -> list[User]:
        return [await world.accounts.get(root.id)]

    monkeypatch.setattr(world.accounts, "search", everything)
    answer = await root.ask("POST", f"{BASE}/simulate-attack?attack_type=sql_injection")
    assert answer["blocked"] is False


async def test_an_open_door_is_seen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    root = await world.person("root", is_admin=True)
    authenticate = world.accounts._tokens.verify

    def careless(token: str, kind: str) -> object:
        try:
            return authenticate(token, kind)  # type: ignore[arg-type]
        except Unauthenticated:
            return authenticate(root.token, "access")

    monkeypatch.setattr(world.accounts._tokens, "verify", careless)
    answer = await root.ask("POST", f"{BASE}/simulate-attack?attack_type=jwt_none")
    assert answer["blocked"] is False
    answer = await root.ask("POST", f"{BASE}/critical-endpoint-test")
    assert "a forged token was answered with 200" in answer["message"]
