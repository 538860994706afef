"""Push over a signed webhook."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from delivery.push import WebhookPush
from domain.errors import Unavailable
from tests.delivery.test_mail import TO, item

SECRET = "a shared secret"


class Provider:
    """Answers `status`, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.is_free = asyncio.Event()
        self.is_free.set()
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, dict(request.headers), await request.read()))
        await self.is_free.wait()
        return web.Response(status=self.status, headers={"Location": "/private"})


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def url(provider: Provider) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.serve)
    server = TestServer(app, access_log=None)
    await server.start_server()
    yield str(server.make_url("/push"))
    await server.close()


async def test_a_signed_post(provider: Provider, url: str) -> None:
    await WebhookPush(url, SECRET).send(TO, [item(content="c", action_url="/a")])
    ((path, headers, body),) = provider.asked
    assert path == "/push"
    assert headers["X-Feige-Delivery"] == "a-record"
    assert headers["X-Feige-Signature"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert orjson.loads(body) == {
        "user_id": 1,
        "user_uuid": "uuid",
        "notification_id": 1,
        "type": "system",
        "title": "系统通知",
        "content": "c",
        "priority": "normal",
        "action_url": "/a",
        "created_at_ms": 1,
    }


@pytest.mark.parametrize("status", [302, 307, 404, 500])
async def test_refusals_and_redirects(provider: Provider, url: str, status: int) -> None:
    provider.status = status
    with pytest.raises(Unavailable):
        await WebhookPush(url, SECRET).send(TO, [item()])
    assert [path for path, _, _ in provider.asked] == ["/push"]
    provider.status = 204
    await WebhookPush(url, SECRET).send(TO, [item()])


async def test_a_provider_that_hangs_and_comes_back(provider: Provider, url: str) -> None:
    provider.is_free.clear()
    with pytest.raises(Unavailable, match="in time"):
        await WebhookPush(url, SECRET, timeout_s=0.2).send(TO, [item()])
    provider.is_free.set()
    await WebhookPush(url, SECRET, timeout_s=5).send(TO, [item()])


async def test_a_provider_that_is_away() -> None:
    with pytest.raises(Unavailable):
        await WebhookPush("http://127.0.0.1:1/push", SECRET).send(TO, [item()])
