"""What can be wrong with a database, and how a driver's exceptions become ours: once, here.

StoreError              the database cannot be used at all; the server does not start
├── CannotOpen          missing folder, no permission, not a database file
├── ForeignDatabase     it holds something else
└── NewerDatabase       a newer version of this program has migrated it

UniqueViolation         a row would break a unique constraint; never leaves this package
"""

import sqlite3
from typing import Final

import orjson
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


class UniqueViolation(Exception):
    """`str()` names the column or the constraint."""


DRIVER_ERRORS: Final = (sqlite3.Error, exc.SQLAlchemyError, UnicodeEncodeError, OverflowError, orjson.JSONEncodeError)
"""What a statement may raise because of the data or the database, and not because of a mistake in it."""


def translated(error: Exception) -> Exception:
    """Ours for one of `DRIVER_ERRORS`; the error itself if it tells of a mistake of ours."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig if isinstance(error.orig, Exception) else error
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
