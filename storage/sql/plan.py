"""Work on the database as a generator: it yields steps and is sent their rows, so it knows no driver and no thread."""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from storage.sql.dialects import BulkInsert, BulkUpdate, Query, Turn

T = TypeVar("T")

Row = Sequence[Any]
Step = tuple[Query, Mapping[str, Any]] | tuple[BulkInsert | BulkUpdate | Turn, Sequence[Row]]
Plan = Generator[Step, list[Row], T]
"""Yields what to do; is sent the rows of a query, an empty list for a lock or a change; returns the result."""


class Reader(Protocol):
    async def query(self, query: Query, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows of one query. Unavailable, InvalidValue."""
        ...

    async def read(self, plan: Plan[T]) -> T:
        """Runs the plan on one snapshot of the database. Unavailable, InvalidValue."""
        ...


class Writer(Protocol):
    async def write(self, make_plan: Callable[[], Plan[T]]) -> T:
        """Runs the plan in one transaction and commits it; durable when this returns. The caller holds the write gate.
        The plan is made anew for each attempt. Nothing is changed if it raises: Unavailable, UniqueViolation,
        InvalidValue. (OutcomeUnknown, which is an Unavailable, says that it may have been.)"""
        ...
