"""Rate limits of a single process, after the generic cell rate algorithm: one number for each key."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_KEYS: Final = 100_000
"""About 20 MB. Beyond, the keys that were hit longest ago are forgotten."""


class InProcessRateLimiter:
    """Implements `domain.ports.RateLimiter`.

    A key has the time at which all its hits will have been paid off, each taking `window_s / limit`. So a burst of
    `limit` hits passes, and then one for each interval."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_keys: int = MAX_KEYS) -> None:
        self._clock = clock
        self._max_keys = max_keys
        self._paid_off_at: OrderedDict[str, float] = OrderedDict()

    @property
    def size(self) -> int:
        """How many keys are remembered."""
        return len(self._paid_off_at)

    async def hit(self, key: str, limit: int, window_s: float, cost: int = 1) -> float:
        if limit <= 0:
            return 0.0
        now = self._clock()
        interval = window_s / limit
        paid_off_at = max(self._paid_off_at.get(key, now), now)
        # A question is about the next hit.
        wait_s = paid_off_at + interval * max(cost, 1) - now - window_s
        if wait_s > interval * 1e-6:
            return wait_s
        if cost:
            self._paid_off_at[key] = paid_off_at + interval * cost
            self._paid_off_at.move_to_end(key)
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Drops two keys that are paid off for each one that is added, so the memory follows the load."""
        for _ in range(2):
            oldest = next(iter(self._paid_off_at))
            if self._paid_off_at[oldest] > now and len(self._paid_off_at) <= self._max_keys:
                return
            del self._paid_off_at[oldest]
            if not self._paid_off_at:
                return

    async def refund(self, key: str, limit: int, window_s: float) -> None:
        paid_off_at = self._paid_off_at.get(key)
        if limit > 0 and paid_off_at is not None:
            self._paid_off_at[key] = paid_off_at - window_s / limit
