"""A whole server behind the HTTP edge, on SQLite in a temporary file, and the people who use it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry
from yarl import URL

from domain.accounts import AccountLimits, Accounts, Revocations
from domain.conversations import Conversations
from domain.messages import MessageLimits, Messages
from domain.passwords import Passwords
from domain.presence import Presence
from domain.profiles import Profiles
from domain.rosters import Rosters
from domain.tokens import TokenLimits, Tokens
from http_api.config import HttpConfig
from http_api.im.edge import IM
from http_api.im.routes import im_groups
from http_api.inbox.routes import inbox_groups
from http_api.server import build_app
from storage import open_sqlite
from storage.inprocess.bus import InProcessBus
from storage.inprocess.limits import InProcessRateLimiter
from storage.inprocess.presence import InProcessPresenceDirectory

SECRET = b"a secret of the tests, of thirty-two bytes and more"
PASSWORD = "correct horse"
START_MS = 1_736_337_600_000
"""2025-01-08T12:00:00Z."""
NOBODY = 4_000_000_000
"""An id that nothing has."""


class TestClock:
    """Stands still unless it is moved."""

    __test__ = False

    def __init__(self) -> None:
        self.at_ms = START_MS

    def now_ms(self) -> int:
        return self.at_ms


class World:
    """`start` and `close` it; `app` is what to serve. `client` must be set before people come."""

    client: TestClient[web.Request, web.Application]

    def __init__(self, database: Path, *, limits: AccountLimits | None = None) -> None:
        self.clock = TestClock()
        self.stores = open_sqlite(database, self.clock.now_ms)
        self.bus = InProcessBus()
        self.directory = InProcessPresenceDirectory()
        self._tasks: set[asyncio.Task[None]] = set()
        self._limits = limits or AccountLimits()
        self._people = 0

    async def start(self) -> web.Application:
        await self.stores.start()
        profiles = Profiles(self.stores.users)
        rosters = Rosters(self.stores.conversations, self._spawn)
        revocations = Revocations(self.clock)
        for handler in (rosters.on_event, profiles.on_event, revocations.on_event):
            self.bus.subscribe(handler)
        await self.bus.start()
        self.passwords = Passwords(rounds=4)
        self.tokens = Tokens(SECRET, self.clock, TokenLimits())
        self.accounts = Accounts(
            users=self.stores.users,
            logins=self.stores.logins,
            profiles=profiles,
            passwords=self.passwords,
            tokens=self.tokens,
            revocations=revocations,
            limiter=InProcessRateLimiter(),
            bus=self.bus,
            clock=self.clock,
            limits=self._limits,
        )
        await self.accounts.start()
        conversations = Conversations(
            store=self.stores.conversations,
            profiles=profiles,
            rosters=rosters,
            bus=self.bus,
            clock=self.clock,
        )
        messages = Messages(
            log=self.stores.log,
            marks=self.stores.marks,
            store=self.stores.messages,
            rosters=rosters,
            bus=self.bus,
            clock=self.clock,
            limits=MessageLimits(),
        )
        self.presence = Presence(
            directory=self.directory,
            store=self.stores.conversations,
            users=self.stores.users,
            bus=self.bus,
            clock=self.clock,
            scheduler=asyncio.get_running_loop(),
            spawn=self._spawn,
            offline_after_s=0.0,
        )
        im = im_groups(
            accounts=self.accounts,
            profiles=profiles,
            conversations=conversations,
            messages=messages,
            presence=self.presence,
            connection_count=lambda: self.directory.session_count + 2,
            clock=self.clock,
            version="1.0.0",
        )
        self.groups = [*im, *inbox_groups(accounts=self.accounts, presence=self.presence)]
        return build_app(
            config=HttpConfig(),
            groups=self.groups,
            edges={"/": IM},
            authenticate=self.accounts.authenticate,
            limiter=InProcessRateLimiter(),
            readiness=_ready,
            metrics=CollectorRegistry(),
            version="1.0.0",
        )

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)
        await self.presence.close()
        await self.stores.close()
        await self.bus.close()
        self.passwords.close()

    async def person(self, name: str = "", *, is_admin: bool = False) -> "Person":
        """Somebody with an account and a fresh login."""
        self._people += 1
        name = name or f"user{self._people:03}"
        user = await self.accounts.register(username=name, password=PASSWORD, nickname=f"N {name}")
        if is_admin:
            await self.accounts.set_admin(name, True)
        fields = {"username": name, "password": PASSWORD}
        response = await self.client.post("/api/v1/auth/login/access-token", data=fields)
        tokens = await response.json()
        return Person(self.client, user.id, user.uuid, name, tokens["access_token"], tokens["refresh_token"])


async def _ready() -> list[str]:
    return []


@dataclass(frozen=True)
class Person:
    """A client with a token. `ask` wants a status and answers the body."""

    client: TestClient[web.Request, web.Application]
    id: int
    uuid: str
    name: str
    token: str
    refresh_token: str

    async def request(self, method: str, path: str | URL, **options: Any) -> ClientResponse:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.client.request(method, path, headers=headers, **options)

    async def status(self, method: str, path: str | URL, json: Any = None, **options: Any) -> int:
        return (await self.request(method, path, json=json, **options)).status

    async def ask(self, method: str, path: str, json: Any = None, expect: int = 200, **options: Any) -> Any:
        response = await self.request(method, path, json=json, **options)
        text = await response.text()
        assert response.status == expect, f"{method} {path}: {response.status} {text}"
        return await response.json() if text else None

    async def group(self, *members: "Person", **fields: Any) -> int:
        body = {"name": "测试群组", "member_ids": [member.id for member in members]} | fields
        return int((await self.ask("POST", "/api/v1/conversations/group", body))["id"])

    async def single(self, other: "Person") -> int:
        return int((await self.ask("POST", "/api/v1/conversations/single", {"target_user_id": other.id}))["id"])

    async def say(self, conversation_id: int, content: str = "Hello, world!", **fields: Any) -> int:
        body = {"conversation_id": conversation_id, "content": content} | fields
        return int((await self.ask("POST", "/api/v1/messages/text", body))["id"])
