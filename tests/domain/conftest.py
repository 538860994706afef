"""The domain on a fresh database, and people in it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from domain.model import Profile
from tests.world import PASSWORD, Rules


@pytest.fixture
async def rules(database: Path) -> AsyncIterator[Rules]:
    world = Rules(database)
    await world.start()
    yield world
    await world.close()


People = Callable[..., Awaitable[list[Profile]]]


@pytest.fixture
def people(rules: Rules) -> People:
    async def register(*names: str) -> list[Profile]:
        return [(await rules.accounts.register(username=name, password=PASSWORD)).profile for name in names]

    return register
