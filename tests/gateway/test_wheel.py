"""Deadlines: asked in time, asked again, forgotten."""

import asyncio

from gateway.wheel import SLOTS, DeadlineQueue, TimerWheel


class Asked:
    """Wants to be asked again after each of `delays`, in ticks."""

    def __init__(self, *delays: int) -> None:
        self.delays = list(delays)
        self.times: list[int] = []
        self.over = asyncio.Event()

    def on_deadline(self, now: int) -> int:
        self.times.append(now)
        if self.delays:
            return self.delays.pop(0)
        self.over.set()
        return 0


async def test_it_asks_when_it_was_told_to_and_then_forgets() -> None:
    wheel = TimerWheel(asyncio.get_running_loop(), tick_s=0.002)
    first, second = Asked(3, 1), Asked()
    wheel.add(first, 2)
    wheel.add(second, 5)
    wheel.start()
    async with asyncio.timeout(5):
        await first.over.wait()
        while wheel.now < SLOTS + 10:
            await asyncio.sleep(0.005)
    wheel.stop()
    assert first.times == [2, 5, 6]
    assert second.times == [5]


async def test_a_delay_longer_than_the_wheel_is_asked_early_but_never_lost() -> None:
    wheel = TimerWheel(asyncio.get_running_loop(), tick_s=0.001)
    item = Asked()
    wheel.add(item, 10 * SLOTS)
    wheel.start()
    async with asyncio.timeout(5):
        await item.over.wait()
    wheel.stop()
    assert item.times == [SLOTS - 1]


async def test_seconds_become_at_least_one_tick() -> None:
    wheel = TimerWheel(asyncio.get_running_loop(), tick_s=0.5)
    assert [wheel.ticks(seconds) for seconds in (0, 0.1, 0.5, 0.6, 10)] == [1, 1, 1, 2, 20]


async def test_what_left_a_queue_is_not_asked_and_the_others_in_their_order() -> None:
    wheel = TimerWheel(asyncio.get_running_loop(), tick_s=0.002)
    queue = DeadlineQueue(wheel, 0.01)
    early, gone, late = Asked(), Asked(), Asked()
    queue.add(early)
    queue.add(gone)
    wheel.start()
    async with asyncio.timeout(5):
        while wheel.now < 2:
            await asyncio.sleep(0.001)
        queue.add(late)
        queue.discard(gone)
        await late.over.wait()
        queue.add(gone)
        await gone.over.wait()
    wheel.stop()
    assert early.times == [5]
    assert late.times[0] >= 7
    assert gone.times[0] >= late.times[0] + 5
