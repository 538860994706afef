"""The schema's versions, and the way from one to the next (Alembic).

Alembic is imported by what changes a schema or compares it: a server that finds its database up to date starts without.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, column, inspect, select, table

from storage.sql.errors import CannotOpen, ForeignDatabase, NewerDatabase, NotMigrated, UnknownRevision

if TYPE_CHECKING:
    from alembic.config import Config

VERSION_TABLE: Final = "schema_version"

_FOLDER: Final = Path(__file__).parent


def revisions() -> list[str]:
    """All versions that this program knows, the oldest, an empty database, first: `versions/r0001_….py` is "0001"."""
    return ["base", *sorted(path.name[1:5] for path in (_FOLDER / "versions").glob("r*.py"))]


def head() -> str:
    """The version that this program works with."""
    return revisions()[-1]


def current(connection: Connection) -> str | None:
    """The version of a database; None if it is empty. ForeignDatabase, NewerDatabase."""
    tables = set(inspect(connection).get_table_names())
    revision: str | None = None
    if VERSION_TABLE in tables:
        revision = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    if revision is None:
        if VERSION_TABLE in tables and len(tables) > 1:
            # On MySQL what makes tables is no part of a transaction.
            raise CannotOpen("a migration of the database was cut off; empty it, or restore a backup")
        if tables - {VERSION_TABLE}:
            raise ForeignDatabase("the database holds tables, but not ours; choose another one")
        return None
    if revision not in revisions():
        raise NewerDatabase(
            f"the database has schema version {revision}, which this program does not know; use a newer version of it"
        )
    return revision


def upgrade(connection: Connection) -> None:
    """Brings a database, empty or of an older version, to `head()`, in the connection's transaction.
    ForeignDatabase, NewerDatabase."""
    if current(connection) != head():
        from alembic import command

        command.upgrade(_config(connection), "head")


def check(connection: Connection) -> None:
    """ForeignDatabase, NewerDatabase, NotMigrated."""
    if current(connection) != head():
        raise NotMigrated("the database is not migrated to the version of this program")


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Takes back the versions after `revision`, with the data that only they hold. ForeignDatabase, NewerDatabase."""
    if current(connection) is not None:
        from alembic import command

        command.downgrade(_config(connection), revision)


def migrate(connection: Connection, revision: str | None = None) -> None:
    """To any version that this program knows, up or down; to `head()` without one. UnknownRevision, ForeignDatabase,
    NewerDatabase."""
    order = revisions()
    if revision is None:
        revision = order[-1]
    if revision not in order:
        raise UnknownRevision(f"there is no schema version {revision}; there are {', '.join(order)}")
    now = current(connection)
    from alembic import command

    if now is None or order.index(now) < order.index(revision):
        command.upgrade(_config(connection), revision)
    else:
        command.downgrade(_config(connection), revision)


def differences(connection: Connection) -> list[Any]:
    """What is different between a database and the tables that the program declares."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    from storage.sql import record_tables, tables

    assert record_tables  # declares its tables in the same metadata
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": False}
    )
    return list(compare_metadata(context, tables.metadata))


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
