"""Threads that own one SQLite connection each and run plans on it."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from storage.sql.dialects import BulkInsert, BulkUpdate, Lock, Query, SqliteDialect
from storage.sql.errors import DRIVER_ERRORS, translated
from storage.sql.plan import Plan, Row

T = TypeVar("T")

BUSY_TIMEOUT_S: Final = 5.0
"""How long a statement waits for a lock that another process holds, before it is refused."""

PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    # a commit that returned survives a power cut
    "PRAGMA synchronous = FULL",
    # the journal of a statement of many rows stays in memory: half the system time of multi-row inserts
    "PRAGMA temp_store = MEMORY",
    # 16 MiB of log between checkpoints instead of 4: pages that change often are written back less often
    "PRAGMA wal_autocheckpoint = 4000",
    # after a checkpoint the log file is cut to this, so that one long reader does not leave it large for good
    "PRAGMA journal_size_limit = 67108864",
    # 4 MiB on each of six connections: a page that falls out comes back from the kernel's cache
    "PRAGMA cache_size = -4096",
    f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}",
)


def prepare(connection: Any) -> None:
    """Sets up a connection (of `sqlite3` or one that looks like it)."""
    cursor = connection.cursor()
    try:
        for pragma in PRAGMAS:
            cursor.execute(pragma)
    finally:
        cursor.close()


class SqliteSession:
    """Runs plans on a raw connection, step by step without giving way."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            prepare(self.connection)
        except BaseException:
            self.connection.close()
            raise
        self._dialect = SqliteDialect()

    def query(self, query: Query, parameters: Mapping[str, Any]) -> list[Row]:
        try:
            sql, args = self._dialect.select(query, parameters)
            return self._dialect.rows(self.connection.execute(sql, args).fetchone()[0])
        except DRIVER_ERRORS as error:
            raise translated(error) from error

    def read(self, plan: Plan[T]) -> T:
        return self._run("BEGIN", plan)

    def write(self, plan: Plan[T]) -> T:
        return self._run("BEGIN IMMEDIATE", plan)

    def _run(self, begin: str, plan: Plan[T]) -> T:
        connection = self.connection
        try:
            connection.execute(begin)
            try:
                result = self._drive(plan)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except DRIVER_ERRORS as error:
            raise translated(error) from error
        return result

    def _drive(self, plan: Plan[T]) -> T:
        execute = self.connection.execute
        try:
            work, values = next(plan)
            while True:
                answer: list[Any] = []
                if isinstance(work, Query) and not isinstance(work, Lock):
                    sql, args = self._dialect.select(work, values)  # type: ignore[arg-type]
                    answer = self._dialect.rows(execute(sql, args).fetchone()[0])
                elif isinstance(work, BulkInsert):
                    for sql, args in self._dialect.insert(work, values):  # type: ignore[arg-type]
                        execute(sql, args)
                elif isinstance(work, BulkUpdate):
                    for sql, args in self._dialect.update(work, values):  # type: ignore[arg-type]
                        execute(sql, args)
                work, values = plan.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            plan.close()


class Workers:
    """Implements `storage.sql.plan.Reader` and, with one thread, `Writer`. The threads take the jobs in order."""

    def __init__(self, path: Path, name: str, threads: int) -> None:
        self._path = path
        self._name = name
        self._count = threads
        self._jobs: queue.SimpleQueue[tuple[Callable[[SqliteSession], Any], asyncio.Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._sessions: list[SqliteSession] = []
        self._threads: list[threading.Thread] = []

    async def start(self) -> None:
        """sqlite3.Error."""
        self._loop = asyncio.get_running_loop()
        for number in range(self._count):
            session = await self._loop.run_in_executor(None, SqliteSession, self._path)
            thread = threading.Thread(target=self._work, args=(session,), name=f"{self._name} {number}", daemon=True)
            self._sessions.append(session)
            self._threads.append(thread)
            thread.start()

    def submit(self, job: Callable[[SqliteSession], T]) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((job, future))
        return future

    async def query(self, query: Query, parameters: Mapping[str, Any]) -> list[Row]:
        return await self.submit(lambda session: session.query(query, parameters))

    async def read(self, plan: Plan[T]) -> T:
        return await self.submit(lambda session: session.read(plan))

    async def write(self, make_plan: Callable[[], Plan[T]]) -> T:
        return await self.submit(lambda session: session.write(make_plan()))

    def _work(self, session: SqliteSession) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            if future.cancelled():
                continue
            result, error = None, None
            try:
                result = job(session)
            except Exception as problem:
                error = problem
            try:
                self._loop.call_soon_threadsafe(_answer, future, result, error)
            except RuntimeError:
                return  # the loop was closed without close(): nobody is left to answer
            del item, job, future, result, error

    async def close(self) -> None:
        """Ends the threads after the jobs that were submitted."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            await self._loop.run_in_executor(None, thread.join)
        for session in self._sessions:
            session.connection.close()
        self._threads.clear()
        self._sessions.clear()


def _answer(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
