"""What differs between databases in the statements for raw drivers: rows as parameters, bulk inserts and updates.

A statement is built once with SQLAlchemy and rendered here for a database. SQLite is the one there is; another needs a
`Dialect` of its own, a compilation of `_Given`, and its exceptions in `storage.sql.errors`.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import Column, Table, bindparam, column, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import Select, functions
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CompoundSelect, TableValuedAlias
from sqlalchemy.types import TypeEngine

Statement = Select[Any] | CompoundSelect[Any]
Args = Sequence[Any]


class _Given(functions.FunctionElement[Any]):
    """Rows that come as one parameter, a JSON array of arrays."""

    inherit_cache = False

    def __init__(self, name: str, columns: Mapping[str, TypeEngine[Any]]) -> None:
        self.columns_given = dict(columns)
        super().__init__(bindparam(name))


@compiles(_Given, "sqlite")
def _given_sqlite(element: _Given, compiler: SQLCompiler, **kw: Any) -> str:
    columns = ", ".join(f"value->>{index} AS {name}" for index, name in enumerate(element.columns_given))
    return f"(SELECT {columns} FROM json_each({compiler.process(element.clauses, **kw)}))"  # noqa: S608


def given(name: str, **columns: TypeEngine[Any]) -> TableValuedAlias:
    """A table made of the parameter `name`: a sequence of rows with these columns."""
    return _Given(name, columns).table_valued(*(column(key, type_) for key, type_ in columns.items()))


def one_of(wanted: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """`wanted` is in the parameter `name`: a sequence of rows with one value."""
    return wanted.in_(select(given(name, v=wanted.type).c.v))


class Query:
    """A SELECT whose named parameters are filled in at each run; those of `given` are sequences of rows."""

    __slots__ = ("statement",)

    def __init__(self, statement: Statement) -> None:
        self.statement = statement


class BulkInsert:
    """Many rows into one table, all or none; a conflict raises UniqueViolation and ends the transaction."""

    __slots__ = ("names", "table")

    def __init__(self, table: Table, *columns: Column[Any]) -> None:
        self.table = table
        self.names = tuple(item.name for item in columns)


class BulkUpdate:
    """Sets `columns` of the rows whose `key` is given. Each given row is the key and then the values."""

    __slots__ = ("key", "names", "table")

    def __init__(self, table: Table, key: Column[Any], *columns: Column[Any]) -> None:
        self.table = table
        self.key = key.name
        self.names = tuple(item.name for item in columns)


class SqliteDialect:
    """Renders for `sqlite3`.

    Every step of a statement gives the interpreter lock away and waits for it again, which takes milliseconds beside a
    busy loop. So all that is here finishes in one step: a SELECT answers one JSON array of its rows, an insert has up
    to 256 rows in one statement. Multi-row VALUES cost 16.6 µs a row, all in all, `INSERT … SELECT` from a JSON array
    24.9 µs (300 rows over 200 conversations; it also ends a text at a NUL character)."""

    MAX_ROWS: Final = 256

    @staticmethod
    @cache
    def _select(query: Query) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        compiled = query.statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
        assert isinstance(compiled, SQLCompiler)
        columns = [f"c{index}" for index in range(len(query.statement.selected_columns))]
        sql = (
            f"WITH q({', '.join(columns)}) AS ({compiled.string}) "  # noqa: S608
            f"SELECT json_group_array(json_array({', '.join(columns)})) FROM q"
        )
        return sql, tuple(compiled.positiontup or ()), dict(compiled.params)

    def select(self, query: Query, parameters: Mapping[str, Any]) -> tuple[str, Args]:
        sql, names, constants = self._select(query)
        args = []
        for name in names:
            value = parameters.get(name, constants[name])
            args.append(value if isinstance(value, (int, str, type(None))) else orjson.dumps(value).decode())
        return sql, args

    @staticmethod
    def rows(answer: str) -> list[Sequence[Any]]:
        rows: list[Sequence[Any]] = orjson.loads(answer)
        return rows

    @staticmethod
    @cache
    def _insert(bulk: BulkInsert, count: int) -> str:
        row = f"({', '.join('?' * len(bulk.names))})"
        # OR ROLLBACK: without it SQLite keeps a journal of the statement, so as to undo it alone.
        return (
            f"INSERT OR ROLLBACK INTO {bulk.table.name} ({', '.join(bulk.names)}) "  # noqa: S608
            f"VALUES {', '.join([row] * count)}"
        )

    def insert(self, bulk: BulkInsert, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, Args]]:
        """Statements of 256, 128, … 1 rows, so that each is compiled once."""
        start, size = 0, self.MAX_ROWS
        while start < len(rows):
            while size > len(rows) - start:
                size //= 2
            yield self._insert(bulk, size), [value for row in rows[start : start + size] for value in row]
            start += size

    @staticmethod
    @cache
    def _update(bulk: BulkUpdate) -> str:
        changes = ", ".join(f"{name} = g.value->>{index}" for index, name in enumerate(bulk.names, 1))
        return (
            f"UPDATE {bulk.table.name} SET {changes} "  # noqa: S608
            f"FROM json_each(?) AS g WHERE {bulk.table.name}.{bulk.key} = g.value->>0"
        )

    def update(self, bulk: BulkUpdate, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, Args]]:
        if rows:
            yield self._update(bulk), (orjson.dumps(rows).decode(),)
