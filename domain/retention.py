"""How long the resume log is kept: without an end it would outgrow the messages."""

from typing import Final

import msgspec

from domain.ports import Clock, SyncStore

BATCH: Final = 500
DAY_MS: Final = 86_400_000


class RetentionLimits(msgspec.Struct, frozen=True):
    changes_days: int = 30
    """So long is kept what happened besides messages and read marks, for clients that resume. Who comes back later
    loads afresh. 0: for good."""


class Retention:
    """Every process may work."""

    def __init__(self, *, store: SyncStore, clock: Clock, limits: RetentionLimits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def work(self) -> bool:
        """Forgets a batch of what is too old; False if there may be no more of it. Unavailable."""
        if not self._limits.changes_days:
            return False
        before_ms = self._clock.now_ms() - self._limits.changes_days * DAY_MS
        return await self._store.prune(before_ms, BATCH) == BATCH
