"""Attacks on the running server, to see whether it withstands them: hostile requests through the real code."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

import orjson

from domain.errors import InvalidValue
from http_api.loopback import Answer, Loopback

LOGIN: Final = "/api/v1/auth/login/access-token"
USERS: Final = "/api/v1/users/"
SEARCH: Final = "/api/v1/users/search"
ME: Final = "/api/v1/users/me"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
JSON: Final = {"Content-Type": "application/json"}

SCRIPT: Final = "<script>alert(document.domain)</script>"
MORE_GUESSES: Final = 5
"""Beyond the limit of failed logins."""


@dataclass(frozen=True, slots=True)
class Outcome:
    blocked: bool
    steps: tuple[str, ...]
    """What was sent and how it was answered."""


@dataclass(frozen=True, slots=True)
class Attacker:
    """`token` opens the endpoints of whoever lets the attack run; `user_id` is theirs."""

    token: str
    user_id: int


class Attacks:
    def __init__(self, loopback: Loopback, *, max_body_bytes: int, failed_logins: int) -> None:
        self._loopback = loopback
        self._max_body_bytes = max_body_bytes
        self._failed_logins = failed_logins
        self._kinds: Mapping[str, Callable[[Attacker], Awaitable[Outcome]]] = {
            "sql_injection": self._sql_injection,
            "xss": self._xss,
            "path_traversal": self._path_traversal,
            "brute_force": self._brute_force,
            "jwt_none": self._jwt_none,
            "oversized_body": self._oversized_body,
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    async def run(self, kind: str, attacker: Attacker) -> Outcome:
        """InvalidValue: there is no such attack."""
        attack = self._kinds.get(kind)
        if attack is None:
            raise InvalidValue("attack_type", f"must be one of {', '.join(self._kinds)}")
        return await attack(attacker)

    async def _sql_injection(self, attacker: Attacker) -> Outcome:
        """A login without a password, and a search that would list every account."""
        form = urlencode({"username": "admin' OR '1'='1' --", "password": "' OR '1'='1"}).encode()
        login = await self._loopback.ask("POST", LOGIN, FORM, form)
        keyword = quote("' OR 1=1; DROP TABLE users; --")
        listed = await self._loopback.ask("GET", f"{SEARCH}?keyword={keyword}", _bearer(attacker.token))
        alive = await self._loopback.ask("GET", f"{SEARCH}?limit=1", _bearer(attacker.token))
        blocked = login.status >= 400 and listed.body == b"[]" and alive.status == 200
        return _outcome(blocked, ("login", login), ("user search", listed), ("the table afterwards", alive))

    async def _xss(self, attacker: Attacker) -> Outcome:
        """Scripts in a path, a query and a body: no answer may repeat them, or be taken for a page."""
        where = quote(SCRIPT, safe="")
        user = orjson.dumps({"standard_id": SCRIPT * 10, "name": SCRIPT, "password": SCRIPT})
        path = await self._loopback.ask("GET", f"/{where}", {})
        query = await self._loopback.ask("GET", f"{SEARCH}?limit={where}", _bearer(attacker.token))
        body = await self._loopback.ask("POST", USERS, JSON, user)
        answers = (path, query, body)
        blocked = all(each.status >= 400 and b"<script" not in each.body and _is_no_page(each) for each in answers)
        return _outcome(blocked, ("path", path), ("query", query), ("body", body))

    async def _path_traversal(self, attacker: Attacker) -> Outcome:
        """Ways out of the folders that files are served from."""
        up = ("../" * 8, "..%2f" * 8, "%2e%2e/" * 8)
        targets = [f"{folder}{way}etc/passwd" for folder in ("/docs/assets/", "/api/v1/files/download/") for way in up]
        answers = [(each, await self._loopback.ask("GET", each, _bearer(attacker.token))) for each in targets]
        return _outcome(all(answer.status >= 400 for _, answer in answers), *answers)

    async def _brute_force(self, attacker: Attacker) -> Outcome:
        """Guesses at the password of an account that nobody has, more than the limit allows."""
        victim = f"victim-{secrets.token_hex(4)}"
        guesses = self._failed_logins + MORE_GUESSES
        answer = None
        for number in range(1, guesses + 1):
            form = urlencode({"username": victim, "password": f"guess {number}"}).encode()
            answer = await self._loopback.ask("POST", LOGIN, FORM, form)
            if answer.status == 429:
                return _outcome("Retry-After" in answer.headers, (f"guess {number}", answer))
        assert answer is not None
        return _outcome(False, (f"guess {guesses}", answer))

    async def _jwt_none(self, attacker: Attacker) -> Outcome:
        """Tokens without a signature, and one whose claims were changed after it was signed."""
        _, claims, signature = attacker.token.split(".")
        none, signed = _segment({"alg": "none", "typ": "JWT"}), _segment({"alg": "HS256", "typ": "JWT"})
        other = _segment({"sub": str(attacker.user_id), "typ": "access", "jti": "0", "fam": "0", "exp": 2**40})
        tokens = {
            "alg none": f"{none}.{claims}.",
            "alg none, old signature": f"{none}.{claims}.{signature}",
            "no signature": f"{signed}.{claims}.",
            "other claims": f"{signed}.{other}.{signature}",
        }
        answers = [(name, await self._loopback.ask("GET", ME, _bearer(token))) for name, token in tokens.items()]
        return _outcome(all(answer.status == 401 for _, answer in answers), *answers)

    async def _oversized_body(self, attacker: Attacker) -> Outcome:
        """A body one byte longer than the limit."""
        body = b'{"standard_id":"' + b"a" * self._max_body_bytes
        answer = await self._loopback.ask("POST", USERS, JSON, body[: self._max_body_bytes + 1])
        return _outcome(answer.status == 413, (f"{self._max_body_bytes + 1} bytes", answer))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _segment(value: object) -> str:
    return urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def _is_no_page(answer: Answer) -> bool:
    return (
        answer.headers.get("Content-Type", "").startswith("application/json")
        and answer.headers.get("X-Content-Type-Options") == "nosniff"
    )


def _outcome(blocked: bool, *answers: tuple[str, Answer]) -> Outcome:
    return Outcome(blocked, tuple(f"{what}: {answer.status}" for what, answer in answers))
