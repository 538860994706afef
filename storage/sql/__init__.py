"""Stores on an SQL database: tables, migrations, dialect differences, queries and the group-committing writer."""
