"""Every implementation of the store ports, fresh for each test."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from storage import open_mysql, open_sqlite
from tests.storage.world import Clock, Stores, World


def _opener(request: pytest.FixtureRequest) -> Callable[[Clock], Stores]:
    if request.param == "mysql":
        url = request.getfixturevalue("mysql_url")
        return lambda clock: open_mysql(url, clock)
    database: Path = request.getfixturevalue("database")
    return lambda clock: open_sqlite(database, clock)


@pytest.fixture(params=["sqlite", "mysql"])
def opener(request: pytest.FixtureRequest) -> Callable[[Clock], Stores]:
    """Outside of any loop: what it asks for may run one."""
    return _opener(request)


@pytest.fixture
async def world(opener: Callable[[Clock], Stores]) -> AsyncIterator[World]:
    clock = Clock()
    stores = opener(clock)
    await stores.start()
    yield World(stores, clock)
    await stores.close()


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.slow)])
def open_any(request: pytest.FixtureRequest) -> Callable[[Clock], Stores]:
    """For tests that run a loop of their own."""
    return _opener(request)
