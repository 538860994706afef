"""The databases and servers that tests need: one server of each kind for the whole run."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import open_sqlite
from tests.servers import redis
from tests.servers.mariadb import GivenServer, MariaDb, Schemas


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, made once: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("database") / "feige.db"

    async def migrate() -> None:
        stores = open_sqlite(path)
        await stores.start()
        await stores.close()

    asyncio.run(migrate())
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty_database, tmp_path / "feige.db"))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """Shared by all tests: not to be stopped or killed."""
    given = os.environ.get("FEIGE_TEST_MYSQL_URL")
    server = GivenServer(given) if given else MariaDb().start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def mariadb_template() -> Iterator[MariaDb]:
    """Freshly installed, not running: what servers of single tests are copied from."""
    server = MariaDb().start()
    server.stop()
    yield server
    server.close()


@pytest.fixture
def breakable_mariadb(mariadb_template: MariaDb) -> Iterator[MariaDb]:
    """A running server of this test alone."""
    server = MariaDb(mariadb_template.data).start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def mysql_schemas(mariadb: MariaDb) -> Schemas:
    return Schemas(mariadb)


@pytest.fixture
def mysql_url(mysql_schemas: Schemas) -> Iterator[str]:
    """A migrated database without rows."""
    with mysql_schemas.one() as schema:
        yield mysql_schemas.server.url(schema)


@pytest.fixture
def empty_mysql_url(mariadb: MariaDb) -> str:
    """A database without tables."""
    return mariadb.url(mariadb.empty_schema())


@pytest.fixture(scope="session")
def shared_redis() -> Iterator[str]:
    url = redis.shared_url()
    if url is not None:
        yield url
        return
    server = redis.RedisServer().start()
    yield server.url
    server.close()


@pytest.fixture
def redis_url(shared_redis: str) -> str:
    """An empty Redis. Not to be stopped: other tests use it."""
    redis.empty(shared_redis)
    return shared_redis


@pytest.fixture
def shared_stores(mysql_url: str, redis_url: str) -> dict[str, str]:
    """Settings of servers that work together: an empty database and an empty Redis."""
    return {"database_url": mysql_url, "redis_url": redis_url}
