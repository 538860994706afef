"""The stream of other systems on a real Redis, fed from a real database, while one of them is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from domain.cascade_feed import CascadeFeed
from domain.errors import Unavailable
from domain.records import LogEntry
from storage import open_sqlite
from storage.redis.cascade import STREAM, RedisEventStream
from storage.redis.connection import RedisUrl, connect
from tests.servers.redis import RedisServer
from tests.storage.world import Clock, World


@asynccontextmanager
async def stream_at(url: str, node: str = "a", max_entries: int = 1000) -> AsyncIterator[RedisEventStream]:
    parsed = RedisUrl.parse(url)
    client = connect(parsed, max_connections=4)
    yield RedisEventStream(client, parsed, node, max_entries)
    await client.aclose()


async def contents(stream: RedisEventStream) -> list[str]:
    found = await stream._client.execute_command("XRANGE", STREAM, "-", "+")
    return [json.loads(fields[b"body"])["content"] for _, fields in found if fields[b"kind"] == b"message"]


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 15.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                if await condition():
                    return
            except Unavailable:
                pass
            await asyncio.sleep(0.02)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = Clock()
    stores = open_sqlite(tmp_path / "feige.db", clock)
    await stores.start()
    yield World(stores, clock)
    await stores.close()


@asynccontextmanager
async def feeding(world: World, stream: RedisEventStream, batch: int = 3) -> AsyncIterator[CascadeFeed]:
    feed = CascadeFeed(log=world.stores.event_log, stream=stream, settle_s=0.0, round_s=0.01, batch=batch)
    task = asyncio.get_running_loop().create_task(feed.run())
    yield feed
    feed.stop()
    await task


async def test_of_all_processes_one_feeds(redis_url: str) -> None:
    async with stream_at(redis_url) as one, stream_at(redis_url, "b") as other:
        assert await one.lead(0.2)
        assert not await other.lead(0.2)
        assert await one.lead(0.05)
        await until(lambda: other.lead(10))
        assert not await one.lead(10)


async def test_the_stream_tells_of_itself_and_forgets_the_oldest(redis_url: str) -> None:
    async with stream_at(redis_url, max_entries=100) as stream:
        empty = await stream.info()
        assert (empty.length, empty.last_id, empty.groups, empty.stream) == (0, "0-0", (), STREAM)
        for start in range(0, 1000, 100):
            await stream.append([LogEntry(f"message:{n}", "message", "{}") for n in range(start, start + 100)])
        await stream._client.execute_command("XGROUP", "CREATE", STREAM, "erp", "0")
        info = await stream.info()
        assert 100 <= info.length < 1000
        assert info.groups == ("erp",)
        assert info.last_id > "1"


async def test_it_begins_at_the_first_start_and_goes_on_after_each(redis_url: str, world: World) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    await world.send(single.id, one, "before")
    async with stream_at(redis_url) as stream:
        async with feeding(world, stream):

            async def began() -> bool:
                return await world.stores.event_log.fed() is not None

            await until(began)
            await world.send_all(single.id, one, "abcdefgh")
            await until(lambda: _holds(stream, 8))
        await world.send_all(single.id, one, "ij")
        async with feeding(world, stream):
            await until(lambda: _holds(stream, 10))
        assert await contents(stream) == list("abcdefghij")


async def _holds(stream: RedisEventStream, count: int) -> bool:
    return len(await contents(stream)) >= count


@pytest.mark.slow
async def test_what_is_committed_while_redis_is_away_comes_when_it_is_back(
    own_server: RedisServer, world: World
) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    await world.stores.event_log.save(await world.stores.event_log.head())
    async with stream_at(own_server.url) as stream, feeding(world, stream) as feed:
        await world.send(single.id, one, "first")
        await until(lambda: _holds(stream, 1))
        await asyncio.to_thread(own_server.save)
        await asyncio.to_thread(own_server.kill)
        await world.send_all(single.id, one, [str(number) for number in range(20)])

        async def noticed() -> bool:
            return feed.trouble is not None

        async def recovered() -> bool:
            return feed.trouble is None

        await until(noticed)
        await asyncio.to_thread(own_server.start)
        await until(lambda: _holds(stream, 21))
        assert list(dict.fromkeys(await contents(stream))) == ["first", *(str(number) for number in range(20))]
        await until(recovered)
