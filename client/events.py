"""What a client tells its application, and the bounded queue where it waits."""

import asyncio
from collections import deque
from typing import Final

import msgspec

from client.errors import ClientError
from protocol.native.packets import ServerPacket

PAUSE_AT: Final = 1000
"""Events that wait. Then nothing more is read, unless the application waits for an answer."""

MAX_WAITING: Final = 10_000
"""Events that are kept while the application waits for an answer that stands behind them."""


class Resynchronise(msgspec.Struct, frozen=True):
    """More was missed than could be replayed or kept: load conversations and histories anew."""


class Disconnected(msgspec.Struct, frozen=True):
    """The connection is gone; the client comes back by itself. Presence is unknown until `Reconnected`."""

    reason: ClientError


class Reconnected(msgspec.Struct, frozen=True):
    """The connection stands again. What was missed follows, then what is new."""


Event = ServerPacket | Resynchronise | Disconnected | Reconnected


class EventQueue:
    """For one consumer. Beyond `MAX_WAITING` all that waits gives way to one `Resynchronise`, so a loss is told."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self._end: Exception | None = None

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= PAUSE_AT

    def push(self, event: Event) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self._waiting.append(Resynchronise())
        self._waiting.append(event)
        self._news.set()

    def finish(self, reason: Exception) -> None:
        """What waits can still be taken; after it `take` raises the reason."""
        self._end = reason
        self._news.set()

    async def take(self) -> Event:
        while not self._waiting:
            if self._end is not None:
                raise self._end.with_traceback(None)
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()
