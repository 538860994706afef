"""The embedded default: one SQLite file, one writer thread, a few reader threads."""

import secrets
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, insert, select
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.sql import migrations
from storage.sql.append import SqlMessageLog
from storage.sql.calls import SqlCallStore
from storage.sql.database import Database
from storage.sql.errors import DRIVER_ERRORS, CannotOpen
from storage.sql.gate import WriteGate
from storage.sql.marks import SqlMarkLog
from storage.sql.notification_contents import SqlNotificationContents
from storage.sql.notification_feed import SqlNotificationFeed
from storage.sql.search import SqlSearchStore
from storage.sql.stores import SqlStores
from storage.sql.tables import meta
from storage.sql.workers import BUSY_TIMEOUT_S, Workers, prepare

OLDEST_SQLITE: Final = (3, 38)
"""The first with the operator `->>`."""

READERS: Final = 4
"""Threads for queries; a slow one must not keep the others waiting."""


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def create_engine(path: Path, begin_with: str = "BEGIN IMMEDIATE") -> AsyncEngine:
    """One connection whose every transaction is a writer's from its beginning, unless it begins with another
    statement."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        pool_size=1,
        max_overflow=0,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        prepare(connection)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin_with)

    return engine


class SqliteStores(SqlStores):
    """Every store on the database at `path`. Use it between `start` and `close`."""

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        self.path = path
        self._engine = create_engine(path)
        self._writer = Workers(path, "writer", 1)
        self._readers = Workers(path, "reader", READERS)
        gate = WriteGate()
        super().__init__(Database(self._readers, self._engine, gate, now_ms))
        self.log = SqlMessageLog(self._writer, gate, now_ms)
        self.marks = SqlMarkLog(self._writer, gate, now_ms)
        self.calls = SqlCallStore(self.database, self._writer, gate)
        self.search = SqlSearchStore(self.database, self._writer, gate)
        self.notification_contents = SqlNotificationContents(self.database, self._writer, gate)
        self.notification_feed = SqlNotificationFeed(self.database, self._writer, gate)

    async def start(self, *, migrate: bool = True) -> None:
        """Creates or migrates the database, if it may. CannotOpen, ForeignDatabase, NewerDatabase, NotMigrated."""
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            wanted = ".".join(map(str, OLDEST_SQLITE))
            raise CannotOpen(f"SQLite {wanted} or newer is needed, this Python has {sqlite3.sqlite_version}")
        try:
            # First, because aiosqlite leaves a thread behind when it cannot open a file.
            await self._writer.start()
            async with self._engine.begin() as connection:
                await connection.run_sync(migrations.upgrade if migrate else migrations.check)
                if await connection.scalar(select(meta.c.value).where(meta.c.name == "epoch")) is None:
                    await connection.execute(insert(meta).values(name="epoch", value=secrets.token_hex(8)))
            await self._readers.start()
        except DRIVER_ERRORS as error:
            await self.close()
            raise CannotOpen(f"the database {self.path} cannot be opened: {reason(error)}") from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Answers what was accepted, then closes the database."""
        await self.log.close()
        await self.marks.close()
        await self.calls.close()
        await self._writer.close()
        await self._readers.close()
        await self._engine.dispose()


def reason(error: Exception) -> str:
    """A driver's exception in words."""
    original = getattr(error, "orig", None) or error
    return str(original)


def open_sqlite(path: Path | str, now_ms: Callable[[], int] = wall_clock_ms) -> SqliteStores:
    """The stores on one SQLite file, which need not exist yet; its folder must. Call `start` before use."""
    return SqliteStores(Path(path), now_ms)
