"""A whole server behind the HTTP edge, and the people who use it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import ClientResponse, FormData, web
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry
from yarl import URL

from domain.accounts import AccountLimits
from domain.files import FileLimits
from domain.login_codes import CodeLimits, LoginCodes
from domain.model import DialectName
from http_api.config import HttpConfig
from http_api.edges import EDGES
from http_api.im.routes import im_groups
from http_api.inbox.routes import inbox_groups
from http_api.loopback import Loopback
from http_api.messenger.routes import messenger_groups
from http_api.server import build_app
from http_api.social.routes import social_groups
from storage.inprocess.codes import InProcessShortCodes
from storage.inprocess.limits import InProcessRateLimiter
from tests.world import PASSWORD, Rules

ON_BOTH_STORES: Final = pytest.mark.parametrize(
    "backend", ["sqlite", pytest.param("mysql", marks=pytest.mark.slow)], indirect=True
)
"""For modules whose tests all take the `world`."""


class RecordingCodeSender:
    """Where a phone would be."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}

    async def send(self, phone: str, code: str, valid_s: int) -> None:
        self.sent[phone] = code


class World(Rules):
    """`app` is what to serve. `meet` its client before people come."""

    client: TestClient[web.Request, web.Application]

    def __init__(
        self,
        database: Path,
        *,
        mysql_url: str | None = None,
        limits: AccountLimits | None = None,
        file_limits: FileLimits | None = None,
    ) -> None:
        super().__init__(database, mysql_url=mysql_url, limits=limits, file_limits=file_limits)
        self._people = 0
        self.code_sender = RecordingCodeSender()
        self.loopback = Loopback()
        self.limiter = InProcessRateLimiter()

    def app(self, **config: Any) -> web.Application:
        http = HttpConfig(**config)
        im = im_groups(
            accounts=self.accounts,
            profiles=self.profiles,
            conversations=self.conversations,
            groups=self.groups,
            messages=self.messages,
            files=self.files,
            broadcasts=self.broadcasts,
            client_events=self.client_events,
            cascade=self.cascade,
            search=self.search,
            notifications=self.notifications,
            sending=self.sending,
            templates=self.templates,
            presence=self.presence,
            connection_count=lambda: self.directory.session_count + 2,
            limiter=self.limiter,
            loopback=self.loopback,
            http=http,
            limits=self._limits,
            clock=self.clock,
            version="1.0.0",
        )
        social = social_groups(
            accounts=self.accounts,
            contacts=self.contacts,
            applications=self.applications,
            conversations=self.conversations,
            groups=self.groups,
            messages=self.messages,
            files=self.files,
            presence=self.presence,
            clock=self.clock,
        )
        messenger = messenger_groups(
            accounts=self.accounts,
            codes=LoginCodes(
                codes=InProcessShortCodes(lambda: self.clock.at_ms / 1000),
                sender=self.code_sender,
                limiter=InProcessRateLimiter(),
                limits=CodeLimits(),
            ),
            profiles=self.profiles,
            contacts=self.contacts,
            conversations=self.conversations,
            messages=self.messages,
            files=self.files,
            presence=self.presence,
        )
        inbox = inbox_groups(
            accounts=self.accounts,
            notifications=self.notifications,
            sending=self.sending,
            delivery=self.delivery,
            presence=self.presence,
        )
        self.route_groups = [*inbox, *im, *social, *messenger]
        return build_app(
            config=http,
            groups=self.route_groups,
            edges=EDGES,
            authenticate=self.accounts.authenticate,
            settled=self.bus.settled,
            limiter=self.limiter,
            readiness=_ready,
            metrics=CollectorRegistry(),
            version="1.0.0",
        )

    def meet(self, client: TestClient[web.Request, web.Application]) -> None:
        """What serves `app`, from now on."""
        self.client = client
        server = client.server.runner.server
        assert server is not None
        self.loopback.attach(server)

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

    async def person_token(self, name: str) -> str:
        """A fresh access token of somebody whose first has expired."""
        return (await self.accounts.issue_token(name, DialectName.IM)).access_token


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
        headers |= options.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **options)

    async def status(self, method: str, path: str | URL, json: Any = None, **options: Any) -> int:
        return (await self.request(method, path, json=json, **options)).status

    async def ask(self, method: str, path: str, json: Any = None, expect: int = 200, **options: Any) -> Any:
        response = await self.request(method, path, json=json, **options)
        text = await response.text()
        assert response.status == expect, f"{method} {path}: {response.status} {text}"
        return await response.json() if response.content_type == "application/json" else None

    async def group(self, *members: "Person", **fields: Any) -> int:
        body = {"name": "测试群组", "member_ids": [member.id for member in members]} | fields
        return int((await self.ask("POST", "/api/v1/conversations/group", body))["id"])

    async def single(self, other: "Person") -> int:
        return int((await self.ask("POST", "/api/v1/conversations/single", {"target_user_id": other.id}))["id"])

    async def say(self, conversation_id: int, content: str = "Hello, world!", **fields: Any) -> int:
        body = {"conversation_id": conversation_id, "content": content} | fields
        return int((await self.ask("POST", "/api/v1/messages/text", body))["id"])

    async def upload(self, data: bytes = b"hello", name: str = "a.txt", expect: int = 200, **fields: str) -> Any:
        form = FormData(fields, quote_fields=False)
        form.add_field("file", data, filename=name, content_type="application/octet-stream")
        return await self.ask("POST", "/api/v1/files/upload", data=form, expect=expect)

    async def send_file(self, conversation_id: int, file: Any, expect: int = 200, **fields: Any) -> Any:
        body = {"conversation_id": conversation_id, "file_id": file["file_id"], "file_name": "x", "file_size": 1}
        return await self.ask("POST", "/api/v1/messages/file", body | fields, expect=expect)
