"""One timer for all connections: a timer wheel (Varghese and Lauck, 1987, scheme 6)."""

import asyncio
from typing import Final, Protocol

SLOTS: Final = 64
"""The longest delay in ticks; longer ones come round and are put back."""


class Expiring(Protocol):
    """Something that has deadlines. It is asked when one may have come, so activity costs nothing but noting the
    time."""

    def on_deadline(self, now: int) -> int:
        """The ticks until it wants to be asked again; 0 to be forgotten."""
        ...


class TimerWheel:
    """Calls `on_deadline` of what was added, in about the ticks it asked for. `now` counts ticks since the start."""

    __slots__ = ("_handle", "_loop", "_slots", "now", "tick_s")

    def __init__(self, loop: asyncio.AbstractEventLoop, tick_s: float = 1.0) -> None:
        self._loop = loop
        self.tick_s = tick_s
        self.now = 0
        self._slots: list[list[Expiring]] = [[] for _ in range(SLOTS)]
        self._handle: asyncio.TimerHandle | None = None

    def ticks(self, seconds: float) -> int:
        """At least one tick, rounded up."""
        return max(1, -int(-seconds // self.tick_s))

    def add(self, item: Expiring, ticks: int) -> None:
        self._slots[(self.now + min(ticks, SLOTS - 1)) % SLOTS].append(item)

    def start(self) -> None:
        self._handle = self._loop.call_later(self.tick_s, self._turn, self._loop.time() + self.tick_s)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _turn(self, due: float) -> None:
        time = self._loop.time()
        next_due = due + self.tick_s
        # A loop that was stopped (SIGSTOP, a suspended laptop) does not count the time its peers could not be heard.
        if next_due < time:
            next_due = time + self.tick_s
        self._handle = self._loop.call_at(next_due, self._turn, next_due)
        self.now += 1
        index = self.now % SLOTS
        items, self._slots[index] = self._slots[index], []
        for item in items:
            ticks = item.on_deadline(self.now)
            if ticks:
                self.add(item, ticks)


class DeadlineQueue:
    """Things that all have the same time and are usually done before it is over: leaving is cheap and keeps nothing."""

    __slots__ = ("_deadlines", "_is_on_wheel", "_ticks", "_wheel")

    def __init__(self, wheel: TimerWheel, seconds: float) -> None:
        self._wheel = wheel
        self._ticks = wheel.ticks(seconds)
        self._deadlines: dict[Expiring, int] = {}
        self._is_on_wheel = False

    def __len__(self) -> int:
        return len(self._deadlines)

    def add(self, item: Expiring) -> None:
        if not self._is_on_wheel:
            self._is_on_wheel = True
            self._wheel.add(self, self._ticks)
        self._deadlines[item] = self._wheel.now + self._ticks

    def discard(self, item: Expiring) -> None:
        self._deadlines.pop(item, None)

    def on_deadline(self, now: int) -> int:
        """See `Expiring`."""
        for item, deadline in list(self._deadlines.items()):
            if deadline > now:
                return deadline - now
            del self._deadlines[item]
            item.on_deadline(now)
        self._is_on_wheel = False
        return 0
