"""A running server, and people in it. Every test runs on SQLite within one process, and on MariaDB and Redis."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Person, ServerProcess
from tests.servers.redis import RedisServer

NewServer = Callable[..., ServerProcess]
"""`new_server(**settings)` is a `ServerProcess` on the stores of the test. `name` tells several of one test apart."""


@pytest.fixture(scope="session", params=["sqlite", pytest.param("mysql", marks=pytest.mark.slow)])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def e2e_redis() -> Iterator[str]:
    """Of the servers here alone: others empty theirs."""
    redis = RedisServer().start()
    yield redis.url
    redis.close()


@pytest.fixture(scope="session")
def server(
    backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """One server for all tests that neither configure nor break it."""
    folder = tmp_path_factory.mktemp("shared") / "data"
    if backend == "sqlite":
        yield from _running(ServerProcess(folder))
        return
    schemas = request.getfixturevalue("mysql_schemas")
    with schemas.one() as schema:
        settings = {"database_url": schemas.server.url(schema), "redis_url": request.getfixturevalue("e2e_redis")}
        yield from _running(ServerProcess(folder, **settings))


def _running(server: ServerProcess) -> Iterator[ServerProcess]:
    server.launch()
    yield server
    assert server.terminate() == 0
    assert "Traceback" not in server.errors, server.errors


@pytest.fixture
def new_server(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> NewServer:
    stores = {} if backend == "sqlite" else request.getfixturevalue("shared_stores")

    def make(name: str = "data", **settings: object) -> ServerProcess:
        return ServerProcess(tmp_path / name, **(stores | settings))

    return make


People = Callable[..., Awaitable[list[Person]]]


@pytest.fixture
def people(server: ServerProcess) -> People:
    async def register(*names: str) -> list[Person]:
        return [await Person.register(server, name) for name in names]

    return register
