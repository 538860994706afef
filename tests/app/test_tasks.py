"""Background tasks end when they are told to, though what they wait for swallows cancellations."""

import asyncio
import time

import pytest

from app.tasks import Tasks, cancelled


async def deaf(times: int, ends: asyncio.Event | None = None) -> None:
    """Does not hear the first cancellations, as a driver that was about to answer."""
    heard = 0
    while heard <= times:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard += 1
    if ends is not None:
        ends.set()


async def test_a_task_is_cancelled_until_it_hears() -> None:
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 2)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancelled(tasks)
    assert all(task.done() for task in tasks)


async def test_a_task_that_never_ends_is_left_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    task = asyncio.create_task(deaf(1000), name="the deaf one")
    await asyncio.sleep(0)
    started = time.monotonic()
    await cancelled([task], 0.2)
    assert time.monotonic() - started < 5
    assert "the deaf one" in capsys.readouterr().out
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


async def test_close_ends_what_is_late() -> None:
    tasks, ended = Tasks(), asyncio.Event()
    task = tasks.spawn(deaf(2, ended))
    await asyncio.sleep(0)
    await tasks.close(1.0)
    assert ended.is_set()
    assert task.done()
