"""Where transactions begin: readers for plans, the write gate, and SQLAlchemy connections that write."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.errors import Unavailable
from storage.sql.dialects import Query
from storage.sql.errors import DRIVER_ERRORS, translated
from storage.sql.plan import Plan, Reader, Row

T = TypeVar("T")


def inserted_id(result: CursorResult[Any]) -> int:
    """The id that the database gave to the one row of an INSERT."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


class Database:
    """What the stores share. A transaction on `engine` is begun by who holds the gate, and takes `timeout_s` at most;
    on SQLite it is a writer's from its beginning."""

    def __init__(
        self,
        reader: Reader,
        engine: AsyncEngine,
        gate: AbstractAsyncContextManager[object],
        now_ms: Callable[[], int],
        timeout_s: float | None = None,
    ) -> None:
        self._reader = reader
        self._engine = engine
        self._gate = gate
        self._timeout_s = timeout_s
        self.now_ms = now_ms

    async def query(self, query: Query, **parameters: Any) -> list[Row]:
        """The rows of one query. Unavailable, InvalidValue."""
        return await self._reader.query(query, parameters)

    async def read(self, plan: Plan[T]) -> T:
        """Several queries on one snapshot. Unavailable, InvalidValue."""
        return await self._reader.read(plan)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: commits when the block ends, rolls back when it raises. Unavailable, UniqueViolation."""
        async with self._gate:
            try:
                async with asyncio.timeout(self._timeout_s), self._engine.begin() as connection:
                    yield connection
            except TimeoutError:
                raise Unavailable from None
            except DRIVER_ERRORS as error:
                raise translated(error) from error
