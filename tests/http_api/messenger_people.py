"""What the tests of messenger ask: its envelope, opened."""

import re
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.http_api.world import Person, World
from tests.world import PASSWORD

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
Client = TestClient[web.Request, web.Application]


def opened(body: Any) -> Any:
    """The `data` of a success."""
    assert body.keys() == {"code", "message", "data", "timestamp"}
    assert body["code"] == 200
    assert TIME.fullmatch(body["timestamp"])
    return body["data"]


async def ok(person: Person, method: str, path: str, json: Any = None, said: str | None = None) -> Any:
    body = await person.ask(method, path, json)
    assert said is None or body["message"] == said
    return opened(body)


def reason(body: Any, code: int) -> str:
    """The `error` of a refusal."""
    assert body.keys() == {"code", "message", "error", "timestamp"}
    assert body["code"] == code
    assert body["message"]
    return str(body["error"])


async def refused(person: Person, status: int, code: int, method: str, path: str, json: Any = None) -> str:
    return reason(await person.ask(method, path, json, expect=status), code)


async def public(client: Client, path: str, json: Any, status: int = 200) -> Any:
    """Of a route that needs no token; the whole body."""
    response = await client.post(path, json=json)
    body = await response.json()
    assert response.status == status, body
    return body


async def newcomer(world: World, phone: str, username: str) -> Person:
    body = {"phone": phone, "username": username, "password": PASSWORD, "nickname": f"N {username}"}
    data = opened(await public(world.client, "/api/auth/register", body))
    return Person(world.client, data["user"]["id"], "", username, data["access_token"], data["refresh_token"])
