"""Alembic runs this to get its context: on the connection of the caller, in the caller's transaction."""

from alembic import context

from storage.sql.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
context.run_migrations()
