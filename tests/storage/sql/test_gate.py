"""The write gate."""

import asyncio

from storage.sql.gate import WriteGate


async def test_tasks_and_callbacks_take_turns_in_the_order_in_which_they_asked() -> None:
    gate = WriteGate()
    order: list[str] = []

    async def task(name: str) -> None:
        async with gate:
            order.append(name)
            await asyncio.sleep(0)

    def callback() -> None:
        order.append("callback")
        gate.release()

    async with gate:
        first = asyncio.create_task(task("first"))
        await asyncio.sleep(0)
        gate.enter(callback)
        second = asyncio.create_task(task("second"))
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(first, second)
    assert order == ["first", "callback", "second"]
    gate.enter(callback)
    assert order[-1] == "callback"


async def test_one_who_gives_up_is_passed_over_even_when_it_was_just_let_in() -> None:
    gate = WriteGate()
    entered: list[int] = []

    async def task(number: int) -> None:
        async with gate:
            entered.append(number)

    await gate.__aenter__()
    tasks = [asyncio.create_task(task(number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    gate.release()
    # The turn of 1 has come, but it has not run yet.
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == [2, 3]
    async with asyncio.timeout(1), gate:
        pass
