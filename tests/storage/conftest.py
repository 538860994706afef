"""Every implementation of the store ports, fresh for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage import open_mysql, open_sqlite
from tests.storage.world import Clock, Stores, World


@pytest.fixture(params=["sqlite", "mysql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    clock = Clock()
    stores: Stores
    if request.param == "mysql":
        stores = open_mysql(request.getfixturevalue("mysql_url"), clock)
    else:
        stores = open_sqlite(tmp_path / "feige.db", clock)
    await stores.start()
    yield World(stores, clock)
    await stores.close()
