"""MySQL fails in the middle of things: what was acknowledged is stored once, and nothing hangs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pymysql
import pytest

from domain.errors import Unavailable
from storage import open_mysql
from storage.sql import mysql_sessions
from storage.sql.errors import OutcomeUnknown
from tests.servers.mariadb import MariaDb
from tests.servers.proxy import Proxy
from tests.storage.world import Clock, World

DRIVERS = ["aiomysql", pytest.param("asyncmy", marks=pytest.mark.slow)]


@pytest.fixture
async def proxy(mariadb: MariaDb) -> AsyncIterator[Proxy]:
    async with Proxy(mariadb.port) as proxy:
        yield proxy


@pytest.fixture(params=DRIVERS)
async def world(request: pytest.FixtureRequest, proxy: Proxy, mariadb: MariaDb, mysql_url: str) -> AsyncIterator[World]:
    """Behind the proxy."""
    url = mysql_url.replace(f":{mariadb.port}/", f":{proxy.port}/").replace("aiomysql", request.param)
    stores = open_mysql(url, Clock())
    await stores.start()
    yield World(stores, Clock())
    proxy.on_sent, proxy.answers_pass = None, True
    proxy.flow()
    await stores.close()


async def stored(world: World, conversation_id: int) -> list[str]:
    """The contents of a conversation, whose seqs have no gap."""
    page, _ = await world.stores.messages.history(0, conversation_id, limit=1000, newest=False)
    assert [message.seq for message in page] == list(range(1, len(page) + 1))
    return [message.content for message in page]


@pytest.mark.parametrize("fate", ["arrived", "never arrived", "arrives late"])
@pytest.mark.parametrize("key", [None, "key"])
async def test_a_commit_whose_answer_is_lost_is_not_stored_twice(
    world: World, proxy: Proxy, fate: str, key: str | None
) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    await world.send(conversation.id, one, "before")
    hits: list[bytes] = []

    async def on_sent(data: bytes) -> bool:
        if b"INSERT INTO messages" not in data or hits:
            return True
        assert data.endswith(b"COMMIT")
        hits.append(data)
        if fate == "arrived":
            proxy.answers_pass = False
            asyncio.get_running_loop().call_later(0.2, restore)
        elif fate == "arrives late":
            # The server still waits for the packet when the client has long been cut off.
            proxy.cut_clients()
            await asyncio.sleep(0.5)
        return fate != "never arrived"

    def restore() -> None:
        proxy.cut()
        proxy.answers_pass = True

    proxy.on_sent = on_sent
    sent = await world.send(conversation.id, one, "once", client_msg_id=key)
    assert len(hits) == 1
    assert sent.seq == 2
    assert await stored(world, conversation.id) == ["before", "once"]
    await world.send(conversation.id, one, "after")
    assert await stored(world, conversation.id) == ["before", "once", "after"]


@pytest.mark.slow
async def test_a_server_that_says_nothing_is_unavailable_and_then_works(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_sessions, "ANSWER_S", 0.3)
    monkeypatch.setattr(mysql_sessions, "CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(mysql_sessions, "WRITE_FOR_S", 1.0)
    world.stores.database._timeout_s = 0.5
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    await world.send(conversation.id, one, "first")
    proxy.blackhole()
    async with asyncio.timeout(10):
        for work in (
            world.send(conversation.id, one),
            world.mark(conversation.id, two, (1, 1)),
            world.user("new"),
            world.stores.users.get(one),
            world.stores.conversations.roster(conversation.id),
            world.stores.sync.position(),
        ):
            with pytest.raises(Unavailable):
                await work
    proxy.cut()
    proxy.flow()
    assert (await world.send(conversation.id, one, "again")).seq == 2
    assert await stored(world, conversation.id) == ["first", "again"]
    assert (await world.mark(conversation.id, two, (1, 1))).read_moved
    await world.user("new")


@pytest.mark.slow
async def test_a_commit_that_cannot_be_looked_up_is_said_to_be_unknown(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql_sessions, "ANSWER_S", 0.3)
    monkeypatch.setattr(mysql_sessions, "CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(mysql_sessions, "WRITE_FOR_S", 1.0)
    one, two = await world.users(2)
    conversation = await world.single(one, two)

    async def on_sent(data: bytes) -> bool:
        if b"INSERT INTO messages" in data:
            proxy.answers_pass = False
        return True

    proxy.on_sent = on_sent
    with pytest.raises(OutcomeUnknown):
        await world.send(conversation.id, one, "perhaps")
    proxy.on_sent, proxy.answers_pass = None, True
    proxy.cut()
    assert await stored(world, conversation.id) == ["perhaps"]


async def test_connections_that_the_server_closed_are_replaced(world: World, mariadb: MariaDb) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    await world.send(conversation.id, one, "first")
    for (thread,) in mariadb.run("SELECT id FROM information_schema.processlist WHERE db IS NOT NULL"):
        mariadb.run(f"KILL {thread}")
    assert (await world.send(conversation.id, one, "second")).seq == 2
    assert await stored(world, conversation.id) == ["first", "second"]


@pytest.mark.slow
async def test_a_deadlock_is_counted_and_tried_again(mysql_url: str, mariadb: MariaDb) -> None:
    stores = open_mysql(mysql_url, Clock())
    await stores.start()
    world = World(stores, Clock())
    one, two, three = await world.users(3)
    low, high = await world.single(one, two), await world.single(one, three)
    raw = mariadb.connect(mysql_url.rsplit("/", 1)[1])
    with raw.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        # Heavier than the append, so that not this one is given up.
        cursor.execute("UPDATE users SET bio = 'x'")
        cursor.execute(f"SELECT id FROM conversations WHERE id = {high.id} FOR UPDATE")
        sending = asyncio.gather(world.send(low.id, one), world.send(high.id, one), world.send(low.id, one))
        while not mariadb.run("SELECT requesting_trx_id FROM information_schema.innodb_lock_waits"):
            # The table is not filled anew for those who ask more often than ten times a second.
            await asyncio.sleep(0.15)
        await asyncio.to_thread(cursor.execute, f"SELECT id FROM conversations WHERE id = {low.id} FOR UPDATE")
        cursor.execute("COMMIT")
    raw.close()
    assert [message.seq for message in await sending] == [1, 1, 2]
    assert stores.writers[0].deadlocks == 1
    await stores.close()


async def test_a_position_covers_nothing_that_may_still_be_committed(mysql_url: str) -> None:
    """A process that was stopped between numbering its messages and committing them."""
    slow, fast = open_mysql(mysql_url, Clock()), open_mysql(mysql_url, Clock())
    await slow.start()
    await fast.start()
    one_world, world = World(slow, Clock()), World(fast, Clock())
    one, two, three = await world.users(3)
    mine, other = await world.single(one, two), await world.single(one, three)
    start = await fast.sync.position()
    reached, go_on = asyncio.Event(), asyncio.Event()
    writer = slow.writers[0]
    drive = writer._drive

    async def stopped(*args: Any) -> Any:
        driven = await drive(*args)
        reached.set()
        await go_on.wait()
        return driven

    writer._drive = stopped  # type: ignore[method-assign]
    first = asyncio.create_task(one_world.send(mine.id, one, "numbered first"))
    await reached.wait()
    second = asyncio.create_task(world.send(other.id, three, "committed first, but for the turn"))
    for _ in range(20):
        # Whoever resumes from any position handed out meanwhile gets what is committed after it.
        assert await fast.sync.position() == start
        await asyncio.sleep(0.01)
    assert not second.done()
    go_on.set()
    messages = [await first, await second]
    assert messages[0].id < messages[1].id
    missed = await fast.sync.missed(one, start, {}, 10)
    assert missed is not None
    assert sorted(missed.messages, key=lambda message: message.id) == messages
    await slow.close()
    await fast.close()


@pytest.mark.slow
async def test_a_stopped_process_holds_its_locks_until_the_server_has_had_enough(
    mysql_url: str, mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        mysql_sessions, "SETUP", [each.replace("wait_timeout=10", "wait_timeout=2") for each in mysql_sessions.SETUP]
    )
    stores = open_mysql(mysql_url, Clock())
    await stores.start()
    world = World(stores, Clock())
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    stopped = await mysql_sessions.Session.open(stores.target)
    await stopped.run(
        [
            "START TRANSACTION",
            "SELECT name FROM meta WHERE name='turn:messages' FOR UPDATE",
            f"SELECT id FROM conversations WHERE id={conversation.id} FOR UPDATE",
        ]
    )
    assert (await world.send(conversation.id, one)).seq == 1
    stopped.close()
    await stores.close()


async def test_reads_survive_connections_that_died_while_idle(
    world: World, proxy: Proxy, mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed by the server, cut on the way, or silent: a read is answered on a new one, and nobody hears of it."""
    monkeypatch.setattr(mysql_sessions, "ANSWER_S", 2.0)
    one, _ = await world.users(2)
    for die in (
        lambda: _kill_connections(mariadb),
        proxy.cut,
        proxy.forget,
    ):
        await asyncio.gather(*(world.stores.users.get(one) for _ in range(4)))
        die()
        for _ in range(6):
            assert await world.stores.users.get(one) is not None
        assert await world.stores.sync.news(await world.stores.sync.position(), 10) is not None


async def test_a_read_is_asked_once_more_on_a_new_connection(world: World, proxy: Proxy) -> None:
    one, _ = await world.users(2)
    cuts = 0

    async def on_sent(data: bytes) -> bool:
        nonlocal cuts
        if b"FROM users" in data and cuts < limit:
            cuts += 1
            proxy.cut()
        return True

    proxy.cut()
    proxy.on_sent, limit = on_sent, 1
    assert await world.stores.users.get(one) is not None
    assert cuts == 1
    proxy.cut()
    cuts, limit = 0, 100
    with pytest.raises(Unavailable):
        await world.stores.users.get(one)
    assert cuts == 2, "not for ever"


def _kill_connections(mariadb: MariaDb) -> None:
    """As an administrator does, or the server that finds them idle."""
    for number, *_, command in mariadb.run("SELECT ID, COMMAND FROM information_schema.PROCESSLIST"):
        if command == "Sleep":
            # It may have ended meanwhile.
            with contextlib.suppress(pymysql.err.OperationalError):
                mariadb.run(f"KILL CONNECTION {number}")
