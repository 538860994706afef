"""What can be wrong with a database, and how a driver's exceptions become ours: once, here.

StoreError              the database cannot be used at all; the server does not start
├── CannotOpen          missing folder, no permission, not a database file; a server that refuses us
├── ForeignDatabase     it holds something else
├── NewerDatabase       a newer version of this program has migrated it
├── NotMigrated         it is empty or of an older version, and was not to be migrated
└── UnknownRevision     a schema version was asked for that this program does not know

UniqueViolation         a row would break a unique constraint; never leaves this package
TransactionLost         a transaction was rolled back and may be tried again; never leaves this package
└── ConnectionLost      whatever the connection was in the middle of

OutcomeUnknown          a commit was not answered, and the database stayed out of reach: it may have happened
"""

import re
import sqlite3
from typing import Final

import orjson
from pymysql.err import MySQLError
from sqlalchemy import exc

from domain.errors import DomainError, InvalidValue, Unavailable


class StoreError(Exception):
    """Base: the sentence is for the administrator."""


class CannotOpen(StoreError):
    pass


class ForeignDatabase(StoreError):
    pass


class NewerDatabase(StoreError):
    pass


class NotMigrated(StoreError):
    pass


class UnknownRevision(StoreError):
    pass


class UniqueViolation(Exception):
    """`str()` names the column or the constraint."""


class TransactionLost(Unavailable):
    pass


class ConnectionLost(TransactionLost):
    pass


class OutcomeUnknown(Unavailable):
    text = "the database did not answer; it is not known whether this was stored"


DRIVER_ERRORS: Final = (
    sqlite3.Error,
    MySQLError,
    exc.SQLAlchemyError,
    ConnectionError,
    RuntimeError,
    UnicodeEncodeError,
    OverflowError,
    orjson.JSONEncodeError,
)
"""What a statement may raise because of the data or the database, and not because of a mistake in it."""

DEADLOCK: Final = 1213
_CLOSED: Final = ("the handler is closed", "Transport does not expose socket instance")
"""Of the RuntimeErrors for a connection that the other side has reset: uvloop's when it is written to, which aiomysql
lets through, and aiomysql's own when it has just been opened."""

_DUPLICATE: Final = 1062
_LOST_TRANSACTION: Final = frozenset(
    # a lock wait that took too long, a deadlock, a snapshot that was overtaken (MariaDB 11.6 and later)
    {1205, DEADLOCK, 1020}
)
_LOST_CONNECTION: Final = frozenset(
    # cannot connect, gone away, lost during a query; out of step; shutting down; killed; packets and reads that failed
    # on the way (1156 to 1161); closed for being idle
    {2002, 2003, 2005, 2006, 2013, 2014, 2027, 2055, 1053, 1079, 1317, 1927, 4031, 1156, 1157, 1158, 1159, 1160, 1161}
)
_TOO_LARGE: Final = frozenset({1153, 1264, 1301, 1406, 1690, 2020})
_NOT_TEXT: Final = frozenset({1300, 1366, 3854})
_MISTAKES: Final = frozenset(
    # syntax, names, columns, parameters: the statements are ours
    {1048, 1052, 1054, 1060, 1064, 1065, 1066, 1109, 1111, 1136, 1146, 1149, 1166, 1193, 1222, 1231, 1241, 1267, 1364}
)


def mysql_errno(error: BaseException) -> int | None:
    """The number that MySQL or its driver gave an error; 0 if none; None if it is no error of a MySQL driver."""
    if type(error).__module__.partition(".")[0] not in ("aiomysql", "asyncmy", "pymysql"):
        return None
    number = error.args[0] if error.args else None
    return number if isinstance(number, int) else 0


def _from_mysql(error: Exception, number: int) -> Exception:
    if number == _DUPLICATE:
        # The name of the key alone: before it stands the value, and that is the client's.
        return UniqueViolation(re.sub(r"(?s).*for key ", "", str(error.args[1])))
    if number in _LOST_TRANSACTION:
        return TransactionLost()
    if number in _LOST_CONNECTION or number == 0:
        return ConnectionLost()
    if number in _TOO_LARGE:
        return InvalidValue("value", "is too large to be stored")
    if number in _NOT_TEXT:
        return InvalidValue("text", "is not valid Unicode")
    return error if number in _MISTAKES else Unavailable()


def translated(error: Exception) -> Exception:
    """Ours for one of `DRIVER_ERRORS`; the error itself if it tells of a mistake of ours."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig if isinstance(error.orig, Exception) else error
    number = mysql_errno(error)
    if number is not None:
        return _from_mysql(error, number)
    if isinstance(error, ConnectionError):
        return ConnectionLost()
    if isinstance(error, RuntimeError) and any(text in str(error) for text in _CLOSED):
        return ConnectionLost()
    if isinstance(error, sqlite3.IntegrityError) and "UNIQUE" in str(error):
        return UniqueViolation(str(error))
    if isinstance(error, (UnicodeEncodeError, orjson.JSONEncodeError)):
        return InvalidValue("text", "is not valid Unicode")
    if isinstance(error, (OverflowError, sqlite3.DataError)):
        return InvalidValue("value", "is too large to be stored")
    if isinstance(error, exc.TimeoutError):
        return Unavailable()
    if isinstance(error, sqlite3.OperationalError) and _is_mistake(error):
        return error
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.InternalError, sqlite3.NotSupportedError)
    ):
        return Unavailable()
    return error


def _is_mistake(error: sqlite3.Error) -> bool:
    """SQLITE_ERROR is what SQLite says of a statement that it cannot compile."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def as_domain_error(error: Exception) -> DomainError | None:
    """What a use case may be told of `error`; None if it tells of a mistake of ours."""
    ours = translated(error) if isinstance(error, DRIVER_ERRORS) else error
    return ours if isinstance(ours, DomainError) else None
