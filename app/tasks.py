"""Background tasks that are kept alive until they end, and whose errors do not vanish."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Coroutine
from math import inf
from time import monotonic
from typing import Any, Final

import structlog

from domain.errors import DomainError

log = structlog.get_logger("tasks")

AGAIN_S: Final = 0.1


async def cancelled(tasks: Collection[asyncio.Task[None]], give_up_s: float = inf) -> None:
    """Cancels until it is heard: the drivers of databases and of Redis swallow some cancellations. What still runs
    after `give_up_s` is left."""
    pending = {task for task in tasks if not task.done()}
    gives_up_at = monotonic() + give_up_s
    while pending and monotonic() < gives_up_at:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
    for task in pending:
        log.error("a task does not end", task=task.get_name())


class Tasks:
    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background task failed", exc_info=error)

    def repeat(self, work: Callable[[], Awaitable[bool]], every_s: float, what: str) -> asyncio.Task[None]:
        """Calls `work` until it answers False, waits, and so on, until `close`. What it refuses is logged."""
        return self.spawn(self._repeat(work, every_s, what))

    async def _repeat(self, work: Callable[[], Awaitable[bool]], every_s: float, what: str) -> None:
        # Not to be cancelled: a transaction may be under way, and the drivers swallow some cancellations.
        while not self._stopping.is_set():
            try:
                while await work() and not self._stopping.is_set():
                    pass
            except DomainError as error:
                log.warning("waiting", what=what, error=str(error))
            except Exception:
                log.exception("failed, and will be tried again", what=what)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self._stopping.wait()

    async def close(self, timeout_s: float) -> None:
        """Waits for what is running, then cancels it; what repeats ends after the work that is under way."""
        self._stopping.set()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=timeout_s)
            await cancelled(late, timeout_s)
