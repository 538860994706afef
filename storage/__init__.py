"""Implements the ports of the domain.

`open_sqlite(path)` gives the embedded default, `open_mysql(url)` the production stores: an object with the attributes
`users`, `logins`, `conversations`, `messages`, `log`, `marks`, `files` and `sync`, one for each store port, and
`async start()` and `close()`. `start` creates or migrates the database and raises a StoreError with a sentence for
the administrator; `close` first answers what the logs have accepted.

- `sql/` stores on an SQL database. `append`, `marks` and `calls` decide what is written, `group_commit` when,
  `dialects` how it is said to a database, `workers` (SQLite) and `mysql_sessions` on which connection. `database` gives
  the other stores their transactions.
- `inprocess/` bus, presence and limits of a single process.
- `blobs/` the bytes of files: `disk`, or `s3` for an object store; `spool` is how they come in. `thumbnails` makes
  small images of large ones.
"""

from pathlib import Path

from storage.sql.doctor import DoctorStore, Finding, open_mysql_doctor, open_sqlite_doctor
from storage.sql.errors import CannotOpen, ForeignDatabase, NewerDatabase, NotMigrated, StoreError
from storage.sql.mysql import MysqlStores, open_mysql
from storage.sql.sqlite import SqliteStores, open_sqlite


def open_stores(database: str | Path) -> SqliteStores | MysqlStores:
    """The stores at a URL or on an SQLite file. CannotOpen: the URL cannot be used."""
    return open_mysql(database) if isinstance(database, str) and "://" in database else open_sqlite(database)


__all__ = [
    "CannotOpen",
    "DoctorStore",
    "Finding",
    "ForeignDatabase",
    "MysqlStores",
    "NewerDatabase",
    "NotMigrated",
    "SqliteStores",
    "StoreError",
    "open_mysql",
    "open_mysql_doctor",
    "open_sqlite",
    "open_sqlite_doctor",
    "open_stores",
]
