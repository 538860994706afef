"""Contract of ShortCodes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.errors import Unavailable
from domain.ports import ShortCodes
from storage.inprocess.codes import InProcessShortCodes
from storage.redis.codes import RedisShortCodes
from storage.redis.connection import RedisUrl, connect
from tests.servers.redis import free_port


@pytest.fixture(params=["inprocess", "redis"])
async def codes(request: pytest.FixtureRequest) -> AsyncIterator[ShortCodes]:
    if request.param == "inprocess":
        yield InProcessShortCodes()
        return
    client = connect(RedisUrl.parse(request.getfixturevalue("redis_url")), max_connections=4)
    yield RedisShortCodes(client)
    await client.aclose()


async def test_a_code_works_once(codes: ShortCodes) -> None:
    await codes.put("k", "12345", 60)
    assert not await codes.take("other", "12345", 5)
    assert await codes.take("k", "12345", 5)
    assert not await codes.take("k", "12345", 5)


async def test_of_two_at_once_one_succeeds(codes: ShortCodes) -> None:
    await codes.put("k", "12345", 60)
    assert sum(await asyncio.gather(*(codes.take("k", "12345", 5) for _ in range(4)))) == 1


async def test_wrong_ones_use_it_up(codes: ShortCodes) -> None:
    await codes.put("k", "12345", 60)
    assert [await codes.take("k", "1", 3) for _ in range(2)] == [False, False]
    assert await codes.take("k", "12345", 3)
    await codes.put("k", "12345", 60)
    assert [await codes.take("k", "1", 3) for _ in range(3)] == [False] * 3
    assert not await codes.take("k", "12345", 3)


async def test_a_new_code_replaces_the_old_one_and_its_tries(codes: ShortCodes) -> None:
    await codes.put("k", "old", 60)
    assert not await codes.take("k", "x", 2)
    await codes.put("k", "新", 60)
    assert not await codes.take("k", "old", 2)
    assert await codes.take("k", "新", 2)


async def test_a_code_ends(codes: ShortCodes) -> None:
    await codes.put("k", "12345", 0.05)
    await codes.put("lasting", "12345", 60)
    await asyncio.sleep(0.06)
    assert not await codes.take("k", "12345", 5)
    assert await codes.take("lasting", "12345", 5)


async def test_without_redis_a_code_can_be_neither_made_nor_guessed() -> None:
    client = connect(RedisUrl("127.0.0.1", free_port()), max_connections=1)
    codes = RedisShortCodes(client)
    with pytest.raises(Unavailable):
        await codes.put("k", "1", 60)
    with pytest.raises(Unavailable):
        await codes.take("k", "1", 5)
    await client.aclose()


async def test_the_memory_is_bounded() -> None:
    codes = InProcessShortCodes(max_codes=10)
    for number in range(30):
        await codes.put(f"k{number}", "1", 60)
    assert not await codes.take("k19", "1", 5)
    assert await codes.take("k20", "1", 5)
