"""A running server for each test, and people in it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.e2e.server import Person, ServerProcess


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path / "data") as running:
        yield running
        errors = running.errors
    assert "Traceback" not in errors, errors


People = Callable[..., Awaitable[list[Person]]]


@pytest.fixture
def people(server: ServerProcess) -> People:
    async def register(*names: str) -> list[Person]:
        return [await Person.register(server, name) for name in names]

    return register
