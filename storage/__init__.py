"""Implements the ports of the domain.

`open_sqlite(path)` gives the embedded default: an object with the attributes `users`, `logins`, `conversations`,
`messages`, `log`, `marks`, `files` and `sync`, one for each store port, and `async start()` and `close()`. `start`
creates or migrates the database and raises a StoreError with a sentence for the administrator; `close` first answers
what the logs have accepted.

- `sql/` stores on an SQL database. `append` and `marks` decide what is written, `group_commit` when, `dialects` how it
  is said to a database, `workers` on which connection. `database` gives the other stores their transactions.
- `inprocess/` bus, presence and limits of a single process.
- `blobs/` the bytes of files: `disk`, or `s3` for an object store; `spool` is how they come in. `thumbnails` makes
  small images of large ones.
"""

from storage.sql.errors import CannotOpen, ForeignDatabase, NewerDatabase, StoreError
from storage.sql.sqlite import SqliteStores, open_sqlite

__all__ = ["CannotOpen", "ForeignDatabase", "NewerDatabase", "SqliteStores", "StoreError", "open_sqlite"]
