"""Contract of RateLimiter."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ports import RateLimiter
from storage.inprocess.limits import InProcessRateLimiter
from storage.redis.connection import RedisUrl, connect
from storage.redis.limits import ANSWER_TIMEOUT_S, PAUSE_S, RedisRateLimiter
from tests.servers.redis import RedisServer


class Seconds:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def pass_by(self, seconds: float) -> None:
        self.now += seconds


class RealSeconds(Seconds):
    """For a limiter that has a clock of its own."""

    async def pass_by(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


Limits = tuple[RateLimiter, Seconds]


@pytest.fixture(params=["inprocess", "redis"])
async def limits(request: pytest.FixtureRequest) -> AsyncIterator[Limits]:
    if request.param == "inprocess":
        clock = Seconds()
        yield InProcessRateLimiter(clock), clock
        return
    client = connect(RedisUrl.parse(request.getfixturevalue("redis_url")), max_connections=4)
    yield RedisRateLimiter(client, Refusing()), RealSeconds()
    await client.aclose()


class Refusing:
    """A fallback that must not be needed."""

    async def hit(self, key: str, limit: int, window_s: float, cost: int = 1) -> float:
        raise AssertionError("Redis was not asked")

    async def refund(self, key: str, limit: int, window_s: float) -> None:
        raise AssertionError("Redis was not asked")


async def test_a_burst_up_to_the_limit_and_then_a_wait_that_suffices(limits: Limits) -> None:
    limiter, clock = limits
    assert [await limiter.hit("k", 3, 0.3) for _ in range(3)] == [0, 0, 0]
    wait_s = await limiter.hit("k", 3, 0.3)
    assert 0 < wait_s <= 0.3
    assert await limiter.hit("other", 3, 0.3) == 0
    await clock.pass_by(wait_s)
    assert await limiter.hit("k", 3, 0.3) == 0


async def test_a_refused_hit_and_a_question_do_not_count(limits: Limits) -> None:
    limiter, clock = limits
    assert await limiter.hit("k", 1, 0.2, cost=0) == 0
    assert await limiter.hit("k", 1, 0.2) == 0
    waits = [await limiter.hit("k", 1, 0.2, cost=cost) for cost in (0, 1, 0, 1)]
    assert all(0 < wait_s < 0.2001 for wait_s in waits)
    await clock.pass_by(0.2)
    assert await limiter.hit("k", 1, 0.2) == 0


async def test_a_limit_of_zero_is_off(limits: Limits) -> None:
    limiter, _ = limits
    assert [await limiter.hit("k", 0, 60) for _ in range(100)] == [0] * 100
    await limiter.refund("k", 0, 60)


async def test_costs_add_up(limits: Limits) -> None:
    limiter, _ = limits
    assert await limiter.hit("k", 5, 60, cost=3) == 0
    assert await limiter.hit("k", 5, 60, cost=3) > 0
    assert await limiter.hit("k", 5, 60, cost=2) == 0
    assert await limiter.hit("k", 5, 60, cost=0) > 0


async def test_a_refund_takes_one_hit_back(limits: Limits) -> None:
    limiter, _ = limits
    await limiter.refund("k", 2, 60)
    assert [await limiter.hit("k", 2, 60) for _ in range(2)] == [0, 0]
    await limiter.refund("k", 2, 60)
    assert await limiter.hit("k", 2, 60) == 0
    assert await limiter.hit("k", 2, 60) > 0


async def test_without_redis_each_process_counts_for_itself_and_asks_again_later() -> None:
    server = RedisServer().start()
    clock = Seconds()
    client = connect(RedisUrl.parse(server.url), max_connections=1)
    limiter = RedisRateLimiter(client, InProcessRateLimiter(), clock)
    try:
        assert await limiter.hit("k", 1, 60) == 0
        server.stop()
        started = time.monotonic()
        assert [await limiter.hit("k", 1, 60) > 0 for _ in range(3)] == [False, True, True]
        await limiter.refund("k", 1, 60)
        assert await limiter.hit("k", 1, 60) == 0
        assert time.monotonic() - started < 2 * ANSWER_TIMEOUT_S, "only the first waited"
        server.go_on()
        clock.now += PAUSE_S
        assert await limiter.hit("k", 1, 60) > 0, "Redis has not forgotten"
        assert await limiter.hit("new", 1, 60) == 0
        assert await RedisRateLimiter(client, Refusing()).hit("new", 1, 60) > 0
    finally:
        await client.aclose()
        server.close()


async def test_the_memory_is_bounded() -> None:
    clock = Seconds()
    limiter = InProcessRateLimiter(clock, max_keys=100)
    for number in range(1000):
        assert await limiter.hit(f"k{number}", 1, 60) == 0
    assert limiter.size <= 100
    assert await limiter.hit("k999", 1, 60) > 0
    clock.now += 60
    for _ in range(100):
        await limiter.hit("last", 1000, 60)
    assert limiter.size == 1


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 3)), max_size=60), st.integers(1, 10))
async def test_never_more_than_twice_the_limit_in_a_window(steps: list[tuple[float, int]], limit: int) -> None:
    """A burst and what is paid off meanwhile. After the wait that was asked for a hit is let through."""
    clock = Seconds()
    limiter = InProcessRateLimiter(clock)
    passed: list[float] = []
    for pause_s, cost in steps:
        clock.now += pause_s
        wait_s = await limiter.hit("k", limit, 60, cost)
        if not wait_s:
            passed += [clock.now] * cost
        elif cost <= limit:
            clock.now += wait_s
            assert await limiter.hit("k", limit, 60, cost) == 0
            passed += [clock.now] * cost
    for first in passed:
        assert sum(first <= time < first + 60 for time in passed) <= 2 * limit
