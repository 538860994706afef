"""Contract of RateLimiter."""

from hypothesis import given
from hypothesis import strategies as st

from storage.inprocess.limits import InProcessRateLimiter


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_burst_up_to_the_limit_and_then_a_wait_that_suffices() -> None:
    clock = Seconds()
    limiter = InProcessRateLimiter(clock)
    assert [await limiter.hit("k", 3, 60) for _ in range(3)] == [0, 0, 0]
    wait_s = await limiter.hit("k", 3, 60)
    assert 0 < wait_s <= 60
    assert await limiter.hit("other", 3, 60) == 0
    clock.now += wait_s
    assert await limiter.hit("k", 3, 60) == 0
    assert await limiter.hit("k", 3, 60) > 0


async def test_a_refused_hit_and_a_question_do_not_count() -> None:
    clock = Seconds()
    limiter = InProcessRateLimiter(clock)
    assert await limiter.hit("k", 1, 10, cost=0) == 0
    assert await limiter.hit("k", 1, 10) == 0
    waits = {await limiter.hit("k", 1, 10, cost=cost) for cost in (0, 1, 0, 1)}
    assert waits == {10.0}
    clock.now += 10
    assert await limiter.hit("k", 1, 10) == 0


async def test_a_limit_of_zero_is_off() -> None:
    limiter = InProcessRateLimiter(Seconds())
    assert [await limiter.hit("k", 0, 60) for _ in range(100)] == [0] * 100


async def test_a_refund_takes_one_hit_back() -> None:
    limiter = InProcessRateLimiter(Seconds())
    await limiter.refund("k", 2, 60)
    assert [await limiter.hit("k", 2, 60) for _ in range(2)] == [0, 0]
    await limiter.refund("k", 2, 60)
    assert await limiter.hit("k", 2, 60) == 0
    assert await limiter.hit("k", 2, 60) > 0


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
