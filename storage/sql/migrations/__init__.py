"""The schema's versions, and the way from one to the next (Alembic)."""

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from storage.sql.errors import CannotOpen, ForeignDatabase, NewerDatabase, NotMigrated, UnknownRevision

VERSION_TABLE: Final = "schema_version"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """The version that this program works with."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def current(connection: Connection) -> str | None:
    """The version of a database; None if it is empty. ForeignDatabase, NewerDatabase."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    revision = context.get_current_revision()
    if revision is None:
        tables = set(inspect(connection).get_table_names())
        if VERSION_TABLE in tables and len(tables) > 1:
            # On MySQL what makes tables is no part of a transaction.
            raise CannotOpen("a migration of the database was cut off; empty it, or restore a backup")
        if tables - {VERSION_TABLE}:
            raise ForeignDatabase("the database holds tables, but not ours; choose another one")
        return None
    if revision not in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}:
        raise NewerDatabase(
            f"the database has schema version {revision}, which this program does not know; use a newer version of it"
        )
    return revision


def upgrade(connection: Connection) -> None:
    """Brings a database, empty or of an older version, to `head()`, in the connection's transaction.
    ForeignDatabase, NewerDatabase."""
    if current(connection) != head():
        command.upgrade(_config(connection), "head")


def check(connection: Connection) -> None:
    """ForeignDatabase, NewerDatabase, NotMigrated."""
    if current(connection) != head():
        raise NotMigrated("the database is not migrated to the version of this program")


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Takes back the versions after `revision`, with the data that only they hold. ForeignDatabase, NewerDatabase."""
    if current(connection) is not None:
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
    if now is None or order.index(now) < order.index(revision):
        command.upgrade(_config(connection), revision)
    else:
        command.downgrade(_config(connection), revision)


def revisions() -> list[str]:
    """All versions that this program knows, the oldest, an empty database, first."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return ["base", *reversed([script.revision for script in scripts])]


def differences(connection: Connection) -> list[Any]:
    """What is different between a database and the tables that the program declares."""
    from alembic.autogenerate import compare_metadata

    from storage.sql import record_tables, tables

    assert record_tables  # declares its tables in the same metadata
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": False}
    )
    return list(compare_metadata(context, tables.metadata))
