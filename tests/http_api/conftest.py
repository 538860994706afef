"""Servers on a free port of 127.0.0.1, and clients that talk to them over a socket."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from tests.http_api.world import World

Serve = Callable[[web.Application], Awaitable[TestClient[web.Request, web.Application]]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    clients: list[TestClient[web.Request, web.Application]] = []

    async def start(app: web.Application) -> TestClient[web.Request, web.Application]:
        client = TestClient(TestServer(app, access_log=None))
        clients.append(client)
        await client.start_server()
        return client

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
async def world(serve: Serve, backend: str, database: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    mysql_url = request.getfixturevalue("mysql_url") if backend == "mysql" else None
    world = World(database, mysql_url=mysql_url)
    await world.start()
    world.meet(await serve(world.app()))
    yield world
    await world.client.close()
    await world.close()
