"""Group commit: all that was submitted while the last commit was in flight becomes the next transaction."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import structlog

from domain.errors import DomainError, Unavailable
from storage.sql.errors import as_domain_error
from storage.sql.gate import WriteGate

log = structlog.get_logger("storage")

T = TypeVar("T")
R = TypeVar("R")

MAX_BATCH: Final = 500
"""Larger transactions are no cheaper for each row, but let the first one wait longer."""


class CommitStats:
    """For metrics. `observe(seconds, rows)`, if set, is called after each commit."""

    __slots__ = ("batches", "commit_s", "failed", "last_batch", "observe", "rows")

    def __init__(self) -> None:
        self.batches = 0
        self.rows = 0
        self.failed = 0
        self.last_batch = 0
        self.commit_s = 0.0
        self.observe: Callable[[float, int], None] | None = None

    def count(self, rows: int, seconds: float) -> None:
        self.batches += 1
        self.rows += rows
        self.last_batch = rows
        self.commit_s += seconds
        if self.observe is not None:
            self.observe(seconds, rows)


class GroupCommitter(Generic[T, R]):
    """`commit` stores a batch in one transaction and returns an outcome for each item, durable by then; or raises, and
    then nothing was stored. Outcomes are handed out on the loop, in the order of submission.

    Without a batch in flight an item is committed at once; there is no timer."""

    def __init__(
        self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R | DomainError]]], gate: WriteGate, name: str
    ) -> None:
        self.stats = CommitStats()
        self._commit = commit
        self._gate = gate
        self._name = name
        self._waiting: deque[tuple[T, Callable[[R | DomainError], None]]] = deque()
        self._in_flight = 0
        self._at_gate = False
        self._batch: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def queued(self) -> int:
        return len(self._waiting) + self._in_flight

    def submit(self, item: T, done: Callable[[R | DomainError], None]) -> None:
        if self._closed:
            done(Unavailable("the server is stopping"))
            return
        self._waiting.append((item, done))
        if not self._at_gate:
            self._at_gate = True
            self._gate.enter(self._start)

    def _start(self) -> None:
        self._batch = asyncio.get_running_loop().create_task(self._run(), name=f"{self._name} batch")

    async def _run(self) -> None:
        # Everything up to the first await of `commit` runs in one go, so the batch is what waits at this moment.
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
        self._in_flight = len(batch)
        try:
            outcomes = await self._outcomes([item for item, _ in batch])
        finally:
            # The next in line starts its commit before the callbacks of this one keep the loop busy.
            self._at_gate = bool(self._waiting)
            if self._at_gate:
                self._gate.enter(self._start)
            self._gate.release()
        self._hand_out(batch, outcomes)

    async def _outcomes(self, items: Sequence[T]) -> Sequence[R | DomainError]:
        started = time.perf_counter()
        try:
            outcomes = await self._commit(items)
        except Exception as error:
            ours = as_domain_error(error)
            if isinstance(ours, Unavailable):
                self.stats.failed += len(items)
                log.error("commit failed", log=self._name, items=len(items), error=str(error))
                return [ours] * len(items)
            if len(items) == 1:
                self.stats.failed += 1
                if ours is None:
                    log.exception("item cannot be stored", log=self._name)
                return [ours or Unavailable()]
            # One item spoils the batch: the others must not fail with it.
            return [outcome for item in items for outcome in await self._outcomes([item])]
        self.stats.count(len(items), time.perf_counter() - started)
        return outcomes

    def _hand_out(
        self, batch: list[tuple[T, Callable[[R | DomainError], None]]], outcomes: Sequence[R | DomainError]
    ) -> None:
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            self._in_flight -= 1
            try:
                done(outcome)
            except Exception:
                log.exception("callback failed", log=self._name)
        if self._idle is not None and not self.queued and not self._idle.done():
            self._idle.set_result(None)

    async def close(self) -> None:
        """Refuses new items and waits until the accepted ones are answered."""
        self._closed = True
        if self.queued:
            self._idle = asyncio.get_running_loop().create_future()
            await self._idle
