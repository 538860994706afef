"""Feeds the stream of other systems from the database, so that it misses nothing that was committed."""

import asyncio
import contextlib
from collections import deque
from time import monotonic
from typing import Final

from domain.errors import Unavailable
from domain.ports import EventLog, EventStream

ROUND_S: Final = 0.5
"""How often it is looked for news."""

LEASE_S: Final = 10.0
"""So long after the feeding process died another one takes over."""

MAX_BATCH: Final = 500
"""Entries of a kind that are appended together."""


class CascadeFeed:
    """At least once: the position is saved after the entries were appended, so what was committed while the stream was
    away comes when it is back, and a crash between the two repeats a batch. Entries have ids by which readers can tell.

    The first start begins with what is committed from then on. `settle_s`: how long a transaction may take from the
    numbering of its rows to its commit; 0 for a database with one writer."""

    def __init__(
        self, *, log: EventLog, stream: EventStream, settle_s: float, round_s: float = ROUND_S, batch: int = MAX_BATCH
    ) -> None:
        self._log = log
        self._stream = stream
        self._settle_s = settle_s
        self._round_s = round_s
        self._batch = batch
        self._heads: deque[tuple[float, str]] = deque()
        self._stopped = asyncio.Event()
        self.trouble: str | None = None
        """Why nothing is fed now, in a sentence; None while all is well."""

    async def run(self) -> None:
        """Until `stop`. Not to be cancelled: a transaction may be under way, and the drivers swallow some
        cancellations."""
        while not self._stopped.is_set():
            try:
                await self._turn()
                self.trouble = None
            except Unavailable as error:
                self.trouble = str(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._round_s):
                    await self._stopped.wait()

    def stop(self) -> None:
        """`run` ends after the batch that is under way."""
        self._stopped.set()

    async def _turn(self) -> None:
        head = await self._settled_head()
        if head is None or not await self._stream.lead(LEASE_S):
            return
        position = await self._log.fed()
        if position is None:
            await self._log.save(head)
            return
        while position != head and not self._stopped.is_set():
            entries, position = await self._log.after(position, head, self._batch)
            if entries:
                await self._stream.append(entries)
            await self._log.save(position)
            if not await self._stream.lead(LEASE_S):
                return

    async def _settled_head(self) -> str | None:
        """A position that nothing will be committed before any more."""
        now = monotonic()
        self._heads.append((now, await self._log.head()))
        if self._heads[0][0] > now - self._settle_s:
            return None
        while len(self._heads) > 1 and self._heads[1][0] <= now - self._settle_s:
            self._heads.popleft()
        return self._heads[0][1]
