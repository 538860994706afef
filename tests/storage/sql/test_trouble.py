"""Full disks, locked databases, and a second process that writes."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.model import Draft
from domain.ports import Appended
from storage import open_sqlite
from storage.sql import workers
from tests.storage.world import Clock, World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "feige.db"


@pytest.fixture
async def world(path: Path) -> AsyncIterator[World]:
    clock = Clock()
    stores = open_sqlite(path, clock)
    await stores.start()
    yield World(stores, clock)
    await stores.close()


@contextmanager
def full_disk(path: Path, spare_bytes: int) -> Iterator[None]:
    """The log of the database cannot grow beyond what it has now and `spare_bytes`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log_bytes = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (log_bytes + spare_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_refuses_and_leaves_nothing_half_done(world: World, path: Path) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    drafts = [
        Draft(conversation_id=conversation.id, sender_id=one, content="x" * 500, client_msg_id=str(number))
        for number in range(3000)
    ]
    with full_disk(path, 200_000):
        outcomes = await asyncio.gather(*(world.append(draft) for draft in drafts), return_exceptions=True)
        refused = [outcome for outcome in outcomes if not isinstance(outcome, Appended)]
        assert refused
        assert all(type(outcome) is Unavailable for outcome in refused)
        with pytest.raises(Unavailable):
            await world.user("x" * 150, avatar="y" * 300_000)
        stored, _ = await world.stores.messages.history(1, conversation.id, limit=5000, newest=False)
    assert stored == [outcome.message for outcome in outcomes if isinstance(outcome, Appended)]
    assert [message.seq for message in stored] == list(range(1, len(stored) + 1))
    again = await asyncio.gather(*(world.append(draft) for draft in drafts))
    assert [outcome.duplicate for outcome in again] == [isinstance(outcome, Appended) for outcome in outcomes]
    assert sorted(outcome.message.seq for outcome in again) == list(range(1, 3001))
    assert await world.stores.users.find(username="x" * 150) is None


async def test_a_database_that_stays_locked_is_unavailable_and_then_works(
    world: World, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    stores = world.stores
    await stores.close()
    monkeypatch.setattr(workers, "BUSY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(workers, "PRAGMAS", (*workers.PRAGMAS, "PRAGMA busy_timeout = 100"))
    stores = open_sqlite(path, world.clock)
    await stores.start()
    world = World(stores, world.clock)
    raw = sqlite3.connect(path, isolation_level=None)
    try:
        raw.execute("BEGIN IMMEDIATE")
        for work in (world.send(conversation.id, one), world.mark(conversation.id, one, (1, 1)), world.user("new")):
            with pytest.raises(Unavailable):
                await work
        assert await stores.messages.unread(one) == 0
        raw.execute("ROLLBACK")
        assert (await world.send(conversation.id, one)).seq == 1
    finally:
        raw.close()
        await stores.close()


async def test_two_processes_number_one_conversation(world: World, path: Path) -> None:
    """Two sets of stores on one file share nothing but the file, as two processes do."""
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    stores = open_sqlite(path)
    await stores.start()
    other = World(stores, world.clock)
    drafts = [
        Draft(conversation_id=conversation.id, sender_id=one, content="x", client_msg_id=str(number))
        for number in range(200)
    ]
    try:
        outcomes = await asyncio.gather(*(where.append(draft) for draft in drafts for where in (world, other)))
    finally:
        await stores.close()
    assert sorted(outcome.message.seq for outcome in outcomes if not outcome.duplicate) == list(range(1, 201))
    for first, second in zip(outcomes[::2], outcomes[1::2], strict=True):
        assert first.message.id == second.message.id
        assert first.duplicate != second.duplicate


async def test_the_loop_stays_free_while_the_store_works(world: World) -> None:
    """Appends, reads and edits all happen elsewhere."""
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    loop = asyncio.get_running_loop()
    loop.slow_callback_duration = 0.25
    slow: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: slow.append(context))
    await world.send_all(conversation.id, one, ["x"] * 3000)
    page, _ = await world.stores.messages.history(1, conversation.id, limit=3000, newest=True)
    assert len(page) == 3000
    assert slow == []
