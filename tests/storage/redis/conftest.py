"""Nodes on a real Redis: one server for all tests that do not break it, and one of its own for each that does."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers.redis import RedisServer
from tests.storage.redis.world import Cluster


@pytest.fixture
async def cluster(redis_url: str) -> AsyncIterator[Cluster]:
    cluster = Cluster(redis_url)
    yield cluster
    await cluster.close()


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that the test may kill."""
    server = RedisServer().start()
    yield server
    server.close()
