"""A running server, and people in it."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from tests.e2e.server import Person, ServerProcess


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests that neither configure nor break it."""
    running = ServerProcess(tmp_path_factory.mktemp("shared") / "data")
    running.launch()
    yield running
    assert running.terminate() == 0
    assert "Traceback" not in running.errors, running.errors


People = Callable[..., Awaitable[list[Person]]]


@pytest.fixture
def people(server: ServerProcess) -> People:
    async def register(*names: str) -> list[Person]:
        return [await Person.register(server, name) for name in names]

    return register
