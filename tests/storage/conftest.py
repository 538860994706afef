"""Every implementation of the store ports, fresh for each test."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from storage import open_sqlite
from tests.storage.world import Clock, Stores, World

IMPLEMENTATIONS: dict[str, Callable[[Path, Clock], Stores]] = {
    "sqlite": lambda folder, clock: open_sqlite(folder / "feige.db", clock),
}


@pytest.fixture(params=IMPLEMENTATIONS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    clock = Clock()
    stores = IMPLEMENTATIONS[request.param](tmp_path, clock)
    await stores.start()
    yield World(stores, clock)
    await stores.close()
