"""Short-lived codes of a single process."""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_CODES: Final = 100_000
"""About 30 MB. Beyond, the oldest are forgotten, and must be asked for again."""


class InProcessShortCodes:
    """Implements `domain.ports.ShortCodes`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_codes: int = MAX_CODES) -> None:
        self._clock = clock
        self._max_codes = max_codes
        self._codes: OrderedDict[str, tuple[str, float, int]] = OrderedDict()
        """Value, when it ends, and wrong tries."""

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        self._codes.pop(key, None)
        self._codes[key] = (value, self._clock() + ttl_s, 0)
        while len(self._codes) > self._max_codes or self._is_over(next(iter(self._codes))):
            self._codes.popitem(last=False)
            if not self._codes:
                return

    def _is_over(self, key: str) -> bool:
        return self._codes[key][1] <= self._clock()

    async def take(self, key: str, value: str, max_tries: int) -> bool:
        if key not in self._codes or self._is_over(key):
            return False
        expected, ends_at, tries = self._codes[key]
        is_right = hmac.compare_digest(expected.encode(), value.encode())
        if is_right or tries + 1 >= max_tries:
            del self._codes[key]
        else:
            self._codes[key] = (expected, ends_at, tries + 1)
        return is_right
