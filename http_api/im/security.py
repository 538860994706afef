"""The security module (im API 10): it tries the server's own defences."""

from typing import Any, Final

from domain.accounts import AccountLimits, Accounts
from domain.errors import RateLimited
from domain.ports import Clock, RateLimiter
from http_api.attacks import ME, Attacker, Attacks
from http_api.config import HttpConfig
from http_api.im.edge import IM
from http_api.loopback import Loopback
from http_api.middleware import SECURITY_HEADERS
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.im import requests
from protocol.times import iso_time

TRIES: Final = 10
TRIES_WINDOW_S: Final = 60
STRANGER: Final = "https://attacker.invalid"


class SecurityRoutes:
    def __init__(
        self,
        *,
        accounts: Accounts,
        limiter: RateLimiter,
        clock: Clock,
        loopback: Loopback,
        http: HttpConfig,
        limits: AccountLimits,
    ) -> None:
        self._accounts = accounts
        self._limiter = limiter
        self._clock = clock
        self._loopback = loopback
        self._http = http
        self._limits = limits
        self._attacks = Attacks(
            loopback, max_body_bytes=http.max_body_bytes, failed_logins=limits.failed_logins_per_account
        )
        self._checked_at_ms = clock.now_ms()

    async def rate_limit(self, call: Call[None, None]) -> Any:
        wait_s = await self._limiter.hit(f"security:{call.address}", TRIES, TRIES_WINDOW_S)
        if wait_s:
            raise RateLimited(wait_s)
        return {"message": "Rate limit test passed", "timestamp": iso_time(self._clock.now_ms())}

    async def headers(self, call: Call[None, None]) -> Any:
        """Looks at an answer of this server as a client gets it."""
        answer = await self._loopback.ask("GET", "/health", {})
        missing = [name for name in SECURITY_HEADERS if name not in answer.headers]
        return self._result("Security headers test", [f"{name} is missing" for name in missing])

    async def critical(self, call: Call[None, None]) -> Any:
        """Asks for an account as somebody without a token, and with a forged one."""
        faults = []
        for what, headers in (("no token", {}), ("a forged token", {"Authorization": "Bearer e30.e30.e30"})):
            answer = await self._loopback.ask("GET", ME, headers)
            if answer.status != 401:
                faults.append(f"{what} was answered with {answer.status}")
        return self._result("Critical endpoint security test", faults)

    async def cors(self, call: Call[None, None]) -> Any:
        """Asks as a page of each configured origin would, and as one of none."""
        faults = []
        for origin in (STRANGER, *self._http.cors_origins):
            preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            answer = await self._loopback.ask("OPTIONS", "/health", preflight)
            allowed = answer.headers.get("Access-Control-Allow-Origin")
            expected = "*" if "*" in self._http.cors_origins else None if origin == STRANGER else origin
            if allowed != expected or "Access-Control-Allow-Credentials" in answer.headers:
                faults.append(f"{origin} is answered with {allowed}")
        return self._result("CORS test", faults)

    def _result(self, what: str, faults: list[str]) -> dict[str, str]:
        self._checked_at_ms = self._clock.now_ms()
        return {"message": f"{what} failed: {'; '.join(faults)}" if faults else f"{what} passed"}

    async def status(self, call: Call[None, None]) -> Any:
        http, limits = self._http, self._limits
        protections = {
            "rate_limiting": http.requests_per_user > 0 and http.requests_per_address > 0,
            "login_throttling": limits.failed_logins_per_account > 0 and limits.failed_logins_per_address > 0,
            "registration_throttling": limits.registrations_per_address > 0,
            "cors_restriction": "*" not in http.cors_origins,
            # No cookie opens anything: a token travels in a header that only a page's own script can set.
            "csrf_protection": True,
            "xss_protection": {"Content-Security-Policy", "X-Content-Type-Options"} <= SECURITY_HEADERS.keys(),
            "clickjacking_protection": "X-Frame-Options" in SECURITY_HEADERS,
            "body_size_limit": http.max_body_bytes > 0,
        }
        missing = len(protections) - sum(protections.values())
        return {
            "security_level": ("high", "medium")[missing] if missing < 2 else "low",
            "active_protections": [name for name, is_active in protections.items() if is_active],
            "last_security_check": iso_time(self._checked_at_ms),
        }

    async def simulate(self, call: Call[None, requests.AttackQuery]) -> Any:
        kind = call.query.attack_type
        attacker = Attacker(self._accounts.token_of(call.proven), call.caller.id)
        outcome = await self._attacks.run(kind, attacker)
        self._checked_at_ms = self._clock.now_ms()
        message = "Attack successfully blocked" if outcome.blocked else "Attack was not blocked"
        return {"attack_type": kind, "blocked": outcome.blocked, "message": message, "steps": outcome.steps}

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="GET",
                path="/rate-limit-test",
                handler=self.rate_limit,
                summary="10.1 速率限制测试",
                access=Access.PUBLIC,
                returns={"message": "Rate limit test passed", "timestamp": "2025-01-08T16:00:00Z"},
            ),
            Route(
                method="GET",
                path="/security-headers-test",
                handler=self.headers,
                summary="10.2 安全头测试",
                access=Access.PUBLIC,
                returns={"message": "Security headers test passed"},
            ),
            Route(
                method="POST",
                path="/critical-endpoint-test",
                handler=self.critical,
                summary="10.3 关键端点测试",
                returns={"message": "Critical endpoint security test passed"},
            ),
            Route(
                method="GET",
                path="/cors-test",
                handler=self.cors,
                summary="10.4 CORS测试",
                access=Access.PUBLIC,
                returns={"message": "CORS test passed"},
            ),
            Route(
                method="GET",
                path="/security-status",
                handler=self.status,
                summary="10.5 获取安全状态",
                access=Access.ADMINISTRATOR,
                returns={
                    "security_level": "high",
                    "active_protections": ["rate_limiting", "csrf_protection", "xss_protection"],
                    "last_security_check": "2025-01-08T16:00:00Z",
                },
            ),
            Route(
                method="POST",
                path="/simulate-attack",
                handler=self.simulate,
                summary="10.6 模拟攻击测试",
                access=Access.ADMINISTRATOR,
                query=requests.AttackQuery,
                errors=(400,),
                returns={
                    "attack_type": "sql_injection",
                    "blocked": True,
                    "message": "Attack successfully blocked",
                    "steps": ["login: 400", "user search: 200", "the table afterwards: 200"],
                },
            ),
        ]
        return [RouteGroup(edge=IM, prefix="/api/v1/security", routes=routes)]
