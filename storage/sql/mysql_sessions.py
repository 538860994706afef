"""Raw connections to MySQL: readers from a small pool, and writers that find out what became of a commit."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import structlog

from domain.errors import InvalidValue, Unavailable
from storage.sql.dialects import BulkInsert, Lock, MysqlDialect, Query, Turn
from storage.sql.errors import (
    DEADLOCK,
    ConnectionLost,
    OutcomeUnknown,
    TransactionLost,
    UniqueViolation,
    mysql_errno,
    translated,
)
from storage.sql.mysql_url import CONNECT_TIMEOUT_S, Target
from storage.sql.plan import Plan, Row
from storage.sql.tables import EXACT_COLLATIONS, writers

log = structlog.get_logger("storage")

T = TypeVar("T")

IDLE_S: Final = 10
"""The server closes a connection that has been silent for so long, and rolls its transaction back: no longer does a
process that was stopped in the middle of one hold what others wait for."""

USED_AGAIN_WITHIN_S: Final = IDLE_S / 2
"""An older connection is replaced before it is used. That costs no round trip, as asking it would."""

LOCK_WAIT_S: Final = 3
ANSWER_S: Final = 6.0
"""For one round trip, lock waits and commit included. Longer, and the connection is given up."""

WRITE_FOR_S: Final = 15.0
"""How long a transaction is tried again. Longer than a stopped process can hold its locks."""

FORGOTTEN_AFTER_S: Final = 86_400
"""What a writer that is gone has left behind."""

ROLLED_BACK: Final = frozenset({1062, 1205, DEADLOCK})
"""Of a statement, so that the COMMIT after it was not reached; or, in a cluster, of a COMMIT that rolled back."""

FIRST_PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.5

FLUSH_BYTES: Final = 1_000_000
"""Changes are sent with what follows, unless they are longer: a server takes packets of 16 MiB by default."""

SQL_MODE: Final = "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
PACKED_BYTES: Final = 16 * 2**20
"""What MariaDB takes into one JSON array: a packet."""

EXACT: Final = f"IF(VERSION() LIKE '%MariaDB%','{EXACT_COLLATIONS['mariadb']}','{EXACT_COLLATIONS['mysql']}')"
"""Literals of derived tables are compared as the columns are."""

SETUP: Final = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    f"SET SESSION sql_mode='{SQL_MODE}',time_zone='+00:00',collation_connection={EXACT}",
    f"SET SESSION innodb_lock_wait_timeout={LOCK_WAIT_S},wait_timeout={IDLE_S},group_concat_max_len={PACKED_BYTES}",
)

_SNAPSHOT: Final = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
)


class NoAnswer(ConnectionLost):
    """It is no use to ask again at once."""


class Session:
    """One connection. Whoever gets an exception from it, closes it, but for an error that the server reported."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._used_at = self._loop.time()

    @classmethod
    async def open(cls, target: Target) -> "Session":
        """ConnectionLost, Unavailable."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                session = cls(await target.connect(**target.connect_args, autocommit=True))
        except (TimeoutError, OSError):
            raise NoAnswer from None
        except Exception as error:
            raise _translated(error) from error
        try:
            await session.run(SETUP)
        except BaseException:
            session.close()
            raise
        return session

    @property
    def is_stale(self) -> bool:
        return self._loop.time() - self._used_at > USED_AGAIN_WITHIN_S

    async def run(self, statements: Sequence[str | bytes]) -> list[Any]:
        """One round trip: the statements up to the first that fails. A result for each, with `rows` and
        `affected_rows`. Whatever `translated` makes of an error."""
        connection = self._connection
        try:
            packet = b";".join([each if isinstance(each, bytes) else each.encode() for each in statements])
            async with asyncio.timeout(ANSWER_S):
                await connection.query(packet)
                results = [connection._result]
                while results[-1].has_next:
                    await connection.next_result()
                    results.append(connection._result)
        except TimeoutError:
            self.close()
            raise NoAnswer from None
        except (OSError, EOFError):
            self.close()
            raise ConnectionLost from None
        except asyncio.CancelledError:
            self.close()
            raise
        except Exception as error:
            raise _translated(error) from error
        self._used_at = self._loop.time()
        return results

    def close(self) -> None:
        self._connection.close()

    async def quit(self) -> None:
        """Says goodbye first: the server logs others as aborted."""
        try:
            async with asyncio.timeout(1):
                await self._connection.ensure_closed()
        except Exception:
            self._connection.close()
        except asyncio.CancelledError:
            self._connection.close()
            raise


def _translated(error: Exception) -> Exception:
    ours = translated(error)
    if ours is error and mysql_errno(error) is None and not isinstance(error, (AssertionError, TypeError)):
        # A driver that lost its step answers with whatever it stumbles over.
        return ConnectionLost()
    return ours


class MysqlReaders:
    """Implements `storage.sql.plan.Reader` on up to `size` connections."""

    def __init__(self, target: Target, size: int) -> None:
        self._target = target
        self._dialect = MysqlDialect()
        self._idle: deque[Session] = deque()
        self._places = asyncio.Semaphore(size)

    async def query(self, query: Query, parameters: Mapping[str, Any]) -> list[Row]:
        statements = [self._dialect.select(query, parameters)]
        async with self._answered(statements) as (_, found):
            return self._dialect.rows(query, found)

    async def read(self, plan: Plan[T]) -> T:
        try:
            try:
                work, values = next(plan)
            except StopIteration as stop:
                nothing_read: T = stop.value
                return nothing_read
            first: list[str | bytes] = [*_SNAPSHOT, self._select(work, values)]
            async with self._answered(first) as (session, found):
                try:
                    while True:
                        assert isinstance(work, Query)
                        work, values = plan.send(self._dialect.rows(work, found))
                        found = (await session.run([self._select(work, values)]))[0].rows
                except StopIteration as stop:
                    result: T = stop.value
                await session.run(["COMMIT"])
                return result
        finally:
            plan.close()

    def _select(self, work: object, values: Any) -> bytes:
        assert isinstance(work, Query), "a plan that reads changes nothing"
        return self._dialect.select(work, values)

    @asynccontextmanager
    async def _answered(self, statements: Sequence[str | bytes]) -> AsyncIterator[tuple[Session, list[Row]]]:
        """A connection on which the statements were run, and the rows of the last. They are run again, for they only
        read: on a new connection if those that were idle are dead, and on another new one if that is lost too."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable from None
        session = None
        try:
            results = None
            while results is None and self._idle:
                session = self._idle.pop()
                try:
                    results = None if session.is_stale else await session.run(statements)
                except NoAnswer:
                    # The others were opened through the same dead way: each would cost the same time.
                    self._drop_idle()
                except ConnectionLost:
                    pass
                if results is None:
                    session.close()
            if session is None or results is None:
                session = await Session.open(self._target)
                try:
                    results = await session.run(statements)
                except NoAnswer:
                    raise
                except ConnectionLost:
                    session.close()
                    session = await Session.open(self._target)
                    results = await session.run(statements)
            yield session, list(results[-1].rows)
            self._idle.append(session)
        except BaseException:
            if session is not None:
                session.close()
            raise
        finally:
            self._places.release()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().quit()


class _RowMissing(ConnectionLost):
    pass


class _Packet:
    """Statements that are sent together. Some must find their row."""

    def __init__(self) -> None:
        self._statements: list[str | bytes] = []
        self._must_find: list[int] = []
        self._length = 0

    def add(self, sql: str | bytes, *, must_find: bool = False) -> None:
        if must_find:
            self._must_find.append(len(self._statements))
        self._statements.append(sql)
        self._length += len(sql)

    @property
    def is_full(self) -> bool:
        return self._length > FLUSH_BYTES

    async def send(self, session: Session) -> list[Row]:
        """Empties itself; the rows of the last statement."""
        statements, must_find = self._statements, self._must_find
        self._statements, self._must_find, self._length = [], [], 0
        results = await session.run(statements)
        if any(results[index].affected_rows != 1 for index in must_find):
            raise _RowMissing
        return list(results[-1].rows or ())


class MysqlWriter:
    """Implements `storage.sql.plan.Writer`, for one caller at a time.

    A commit whose answer never came is looked up. Each transaction begins by writing its number to the writer's own row
    of `writers`, and is answered before it commits; so the row stays locked until the transaction has ended, whatever
    of it is still on its way to the server. Who gets the lock next, reads the number of the last one committed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._dialect = MysqlDialect()
        self._id = secrets.token_hex(16)
        self._is_registered = False
        self._batch = 0
        self._session: Session | None = None
        self.deadlocks = 0
        """Transactions that the server rolled back because they waited for each other."""

    async def start(self) -> None:
        """Unavailable: there is no server, or it cannot be written to."""
        await self._ready()

    async def write(self, make_plan: Callable[[], Plan[T]]) -> T:
        loop = asyncio.get_running_loop()
        deadline, pause_s = loop.time() + WRITE_FOR_S, FIRST_PAUSE_S
        while True:
            try:
                return await self._attempt(make_plan(), deadline)
            except TransactionLost as error:
                if loop.time() + pause_s > deadline:
                    raise Unavailable from error
                log.warning("transaction is tried again", reason=str(error.__cause__ or "no answer"))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _attempt(self, plan: Plan[T], deadline: float) -> T:
        session = await self._ready()
        self._batch += 1
        committing = False
        try:
            result, packet = await self._drive(session, plan)
            packet.add("COMMIT")
            committing = True
            await packet.send(session)
        except BaseException as error:
            number = None if error.__cause__ is None else mysql_errno(error.__cause__)
            self.deadlocks += number == DEADLOCK
            if number in ROLLED_BACK or isinstance(error, InvalidValue):
                committing = False
            if isinstance(error, _RowMissing):
                self._is_registered = False
            # The server rolls back what a closed connection has not committed.
            if not isinstance(error, (UniqueViolation, TransactionLost, InvalidValue)) or not await _roll_back(session):
                session.close()
                self._session = None
            if not (committing and isinstance(error, Exception) and await self._was_committed(deadline)):
                raise
        return result

    async def _ready(self) -> Session:
        if self._session is not None and self._session.is_stale:
            self._session.close()
            self._session = None
        if self._session is None:
            self._session = await Session.open(self._target)
        if not self._is_registered:
            # Unknown rows of writers that are gone do no harm, but there is one more for each start of a process.
            table, now_ms = writers.name, "UNIX_TIMESTAMP()*1000"
            forget = f"DELETE FROM {table} WHERE used_at_ms<{now_ms}-{FORGOTTEN_AFTER_S * 1000}"  # noqa: S608
            insert = f"INSERT INTO {table} (id,batch,used_at_ms) VALUES ('{self._id}',0,{now_ms})"  # noqa: S608
            await self._session.run([forget, f"{insert} ON DUPLICATE KEY UPDATE used_at_ms={now_ms}"])
            self._is_registered = True
        return self._session

    async def _drive(self, session: Session, plan: Plan[T]) -> tuple[T, _Packet]:
        """Runs the plan; its result, and the changes that are not sent yet."""
        dialect, packet = self._dialect, _Packet()
        packet.add("START TRANSACTION")
        changes = f"batch={self._batch},used_at_ms=UNIX_TIMESTAMP()*1000"
        packet.add(f"UPDATE {writers.name} SET {changes} WHERE id='{self._id}'", must_find=True)  # noqa: S608
        answered = False
        try:
            work, values = next(plan)
            while True:
                answer: list[Row] = []
                if isinstance(work, Lock):
                    packet.add(dialect.select(work, values))  # type: ignore[arg-type]
                elif isinstance(work, Query):
                    packet.add(dialect.select(work, values))  # type: ignore[arg-type]
                    answer = dialect.rows(work, await packet.send(session))
                    answered = True
                elif isinstance(work, Turn):
                    packet.add(dialect.turn(work), must_find=True)
                elif values:
                    render = dialect.insert if isinstance(work, BulkInsert) else dialect.update
                    packet.add(render(work, values))  # type: ignore[arg-type]
                if packet.is_full:
                    await packet.send(session)
                    answered = True
                work, values = plan.send(answer)
        except StopIteration as stop:
            if not answered:
                await packet.send(session)
            return stop.value, packet
        finally:
            plan.close()

    async def _was_committed(self, deadline: float) -> bool:
        """Whether the last transaction was. OutcomeUnknown."""
        loop = asyncio.get_running_loop()
        mine = f"WHERE id='{self._id}'"
        look = (
            "START TRANSACTION",
            f"SELECT batch FROM {writers.name} {mine} FOR UPDATE",  # noqa: S608
            # A commit that follows, and so is on disk after the one that is asked for.
            f"UPDATE {writers.name} SET used_at_ms=used_at_ms+1 {mine}",  # noqa: S608
            "COMMIT",
        )
        while True:
            try:
                session = await Session.open(self._target)
                try:
                    rows = (await session.run(look))[1].rows
                finally:
                    await session.quit()
            except Unavailable as error:
                if loop.time() + LONGEST_PAUSE_S > deadline:
                    raise OutcomeUnknown from error
                await asyncio.sleep(LONGEST_PAUSE_S / 5)
            else:
                return bool(rows) and rows[0][0] == self._batch

    async def close(self) -> None:
        if self._session is not None:
            await self._session.quit()
            self._session = None


async def _roll_back(session: Session) -> bool:
    try:
        await session.run(["ROLLBACK"])
    except Unavailable:
        return False
    return True
