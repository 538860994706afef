"""The production stores: a MySQL or MariaDB server that any number of processes share."""

import asyncio
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final

from sqlalchemy import Connection, event, exc, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from domain.errors import Unavailable
from storage.sql import migrations
from storage.sql.append import TURN as MESSAGES_TURN
from storage.sql.append import SqlMessageLog
from storage.sql.calls import SqlCallStore
from storage.sql.changes import TURN as CHANGES_TURN
from storage.sql.database import Database
from storage.sql.errors import DRIVER_ERRORS, CannotOpen, mysql_errno
from storage.sql.gate import WriteGate
from storage.sql.marks import TURN as RECEIPTS_TURN
from storage.sql.marks import SqlMarkLog
from storage.sql.mysql_sessions import SETUP, MysqlReaders, MysqlWriter, Session
from storage.sql.mysql_url import Target
from storage.sql.notification_contents import SqlNotificationContents
from storage.sql.notification_feed import SqlNotificationFeed
from storage.sql.search import SqlSearchStore
from storage.sql.stores import SqlStores
from storage.sql.tables import meta

OLDEST: Final = {"MySQL": (8, 0, 17), "MariaDB": (10, 6)}
"""The first with a collation that compares bytes without padding; the first with JSON tables and SKIP LOCKED that is
still maintained."""

READERS: Final = 8
WRITERS: Final = 8
"""Connections for queries and for transactions of SQLAlchemy's. With those of `writers` a process has 21 at most."""

TRANSACTION_S: Final = 10.0
MIGRATION_WAIT_S: Final = 60
START_S: Final = 600
"""A migration may have much to rewrite."""

_SENTENCES: Final = {
    1045: "the server refuses this user and password",
    1044: "this user may not use the database",
    1142: "this user lacks a privilege that is needed",
    1227: "this user lacks a privilege that is needed",
    1049: "there is no database of this name; create it first",
    1040: "the server has too many connections",
    1290: "the server is read-only",
    1836: "the server is read-only",
    1021: "the server's disk is full",
    1114: "the server's disk is full",
    3: "the server cannot write; its disk may be full",
    2003: "no server answers there",
}


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def _engine(target: Target, family: str, **options: Any) -> AsyncEngine:
    """`family`: how SQLAlchemy calls the server when it makes tables."""
    engine = create_async_engine(f"{family}+{target.driver}://", connect_args=target.connect_args, **options)

    @event.listens_for(engine.sync_engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for statement in SETUP:
            cursor.execute(statement)
        cursor.close()

    return engine


def _try_out(connection: Any, record: Any, proxy: Any) -> None:
    """A ping is one round trip more of five or six, and a restart of the server fails no transaction. SQLAlchemy's own
    (`pool_pre_ping`) knows the driver's exceptions only; on uvloop a connection that was closed raises others."""
    try:
        connection.ping(False)
    except Exception as error:
        raise exc.DisconnectionError from error


class MysqlStores(SqlStores):
    """Every store on one database. Use it between `start` and `close`."""

    def __init__(self, url: str, now_ms: Callable[[], int]) -> None:
        self.target = target = Target(url)
        self._engine = _engine(target, "mysql", pool_size=WRITERS, max_overflow=0, pool_timeout=TRANSACTION_S)
        event.listen(self._engine.sync_engine, "checkout", _try_out)
        self._readers = MysqlReaders(target, READERS)
        self.writers = tuple(MysqlWriter(target) for _ in range(5))
        """Of messages, of marks, of the search index, of notifications and of calls."""
        super().__init__(Database(self._readers, self._engine, nullcontext(), now_ms, TRANSACTION_S))
        # A gate for each: on MySQL one transaction need not wait for another.
        self.log = SqlMessageLog(self.writers[0], WriteGate(), now_ms)
        self.marks = SqlMarkLog(self.writers[1], WriteGate(), now_ms)
        self.search = SqlSearchStore(self.database, self.writers[2], WriteGate())
        gate = WriteGate()
        self.notification_contents = SqlNotificationContents(self.database, self.writers[3], gate)
        self.notification_feed = SqlNotificationFeed(self.database, self.writers[3], gate)
        self.calls = SqlCallStore(self.database, self.writers[4], WriteGate())

    async def start(self, *, migrate: bool = True) -> None:
        """Creates the tables, or migrates them, if it may. CannotOpen, ForeignDatabase, NewerDatabase, NotMigrated."""
        try:
            async with asyncio.timeout(START_S), migrating(self.target) as connection:
                await connection.run_sync(migrations.upgrade if migrate else migrations.check)
                await connection.run_sync(_seed)
            for writer in self.writers:
                await writer.start()
            await self.sync.position()
        except (*DRIVER_ERRORS, Unavailable, OSError) as error:
            await self.close()
            raise CannotOpen(f"the database {self.target} cannot be used: {reason(error)}") from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Answers what was accepted, then closes the connections."""
        await self.log.close()
        await self.marks.close()
        await self.calls.close()
        for writer in self.writers:
            await writer.close()
        await self._readers.close()
        await self._engine.dispose()


@asynccontextmanager
async def migrating(target: Target) -> AsyncIterator[AsyncConnection]:
    """A connection to change the schema with; of all processes one at a time has it. CannotOpen: the server is too old,
    or another process has it for too long."""
    family = "mariadb" if "MariaDB" in await _version(target) else "mysql"
    engine = _engine(target, family, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            # Names of locks are the server's, not the database's, and have 64 characters.
            name = f"feige {target.database}"[-64:]
            await connection.execute(text(f"SET SESSION wait_timeout={START_S}"))
            if not await connection.scalar(select(func.get_lock(name, MIGRATION_WAIT_S))):
                raise CannotOpen(f"the database {target} is being migrated by another process for too long")
            yield connection
    finally:
        # The lock goes with the connection, after the commit.
        await engine.dispose()


async def _version(target: Target) -> str:
    """CannotOpen: the server is too old."""
    session = await Session.open(target)
    try:
        version = str((await session.run(["SELECT VERSION()"]))[0].rows[0][0])
    finally:
        await session.quit()
    name = "MariaDB" if "MariaDB" in version else "MySQL"
    numbers = re.findall(r"\d+", version.removeprefix("5.5.5-"))
    if tuple(map(int, numbers[:3])) < OLDEST[name]:
        wanted = ".".join(map(str, OLDEST[name]))
        raise CannotOpen(f"the database {target} is on {name} {version}, but {name} {wanted} or newer is needed")
    return version


def _seed(connection: Connection) -> None:
    facts = {"epoch": secrets.token_hex(8)} | dict.fromkeys(
        (turn.name for turn in (MESSAGES_TURN, CHANGES_TURN, RECEIPTS_TURN)), ""
    )
    known = set(connection.scalars(select(meta.c.name)))
    for name, value in facts.items():
        if name not in known:
            connection.execute(insert(meta).values(name=name, value=value))


def reason(error: BaseException) -> str:
    """A sentence without secrets, from the first cause that says something."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = getattr(cause, "orig", None) or cause.__cause__
    if any(isinstance(each, socket.gaierror) for each in causes):
        return "there is no such host"
    for each in causes:
        number = mysql_errno(each)
        if number:
            return _SENTENCES.get(number) or f"the server says: {each.args[1]} ({number})"
    return "the server does not answer in time"


def open_mysql(url: str, now_ms: Callable[[], int] = wall_clock_ms) -> MysqlStores:
    """The stores on a database that exists: mysql://user:password@host:3306/database, with `mysql+asyncmy` for the
    other driver. Call `start` before use. CannotOpen: the URL cannot be used."""
    return MysqlStores(url, now_ms)
