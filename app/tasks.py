"""Background tasks that are kept alive until they end, and whose errors do not vanish."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from domain.errors import DomainError

log = structlog.get_logger("tasks")


class Tasks:
    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._endless: set[asyncio.Task[None]] = set()

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
        task = self.spawn(_repeat(work, every_s, what))
        self._endless.add(task)
        return task

    async def close(self, timeout_s: float) -> None:
        """Waits for what is running, then cancels it; what repeats is cancelled at once."""
        for task in self._endless:
            task.cancel()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=timeout_s)


async def _repeat(work: Callable[[], Awaitable[bool]], every_s: float, what: str) -> None:
    while True:
        try:
            while await work():
                pass
        except DomainError as error:
            log.warning("waiting", what=what, error=str(error))
        except Exception:
            log.exception("failed, and will be tried again", what=what)
        await asyncio.sleep(every_s)
