"""The write gate: who may write next, in the order in which they asked.

SQLite has one writer at a time and lets those who wait poll, so that a busy one starves the others.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class WriteGate:
    """A fair lock, for tasks (`async with`) and for callbacks (`enter`)."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[Callable[[], bool]] = deque()

    def enter(self, start: Callable[[], None]) -> None:
        """Calls `start` when it is the caller's turn, perhaps at once; the caller then must `release`."""

        def turn() -> bool:
            start()
            return True

        if self._held:
            self._waiting.append(turn)
        else:
            self._held = True
            start()

    def release(self) -> None:
        while self._waiting:
            if self._waiting.popleft()():
                return
        self._held = False

    async def __aenter__(self) -> None:
        if not self._held:
            self._held = True
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def turn() -> bool:
            if granted.done():
                return False
            granted.set_result(None)
            return True

        self._waiting.append(turn)
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():
                self.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.release()
