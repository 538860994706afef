"""Servers that are started once for all tests that need them."""

from collections.abc import Iterator

import pytest

from tests.servers import redis


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
