"""From a completion callback to `await`: for callers that wait where the hot path does not."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from domain.errors import DomainError

T = TypeVar("T")


async def answer(start: Callable[[Callable[[T | DomainError], None]], None]) -> T:
    """Runs `start(done)` and returns what `done` is called with; raises it if it is a DomainError."""
    future: asyncio.Future[T | DomainError] = asyncio.get_running_loop().create_future()

    def done(outcome: T | DomainError) -> None:
        if not future.done():
            future.set_result(outcome)

    start(done)
    outcome = await future
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome
