"""What differs between databases in the statements for raw drivers: rows as parameters, bulk inserts and updates.

A statement is built once with SQLAlchemy and rendered here for a database: SQLite, or MySQL and MariaDB. Another needs
a dialect of its own, a compilation of `_Given` and `_OneOf`, and its exceptions in `storage.sql.errors`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import orjson
from sqlalchemy import Column, Table, bindparam, column, func, select
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import Select, functions
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CompoundSelect, TableValuedAlias
from sqlalchemy.types import TypeEngine

from storage.sql.errors import translated
from storage.sql.tables import meta

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


@compiles(_Given, "mysql")
def _given_mysql(element: _Given, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(/*{','.join(element.columns_given)}*/{compiler.process(element.clauses.clauses[0], **kw)})"


def given(name: str, **columns: TypeEngine[Any]) -> TableValuedAlias:
    """A table made of the parameter `name`: a sequence of rows with these columns."""
    return _Given(name, columns).table_valued(*(column(key, type_) for key, type_ in columns.items()))


class _OneOf(functions.FunctionElement[Any]):
    """`wanted IN (…)`, in the form that finds rows by an index, in its order. Without a type: of a Boolean SQLAlchemy
    makes `… = 1`, which no index helps with."""

    inherit_cache = False

    def __init__(self, wanted: ColumnElement[Any], name: str) -> None:
        super().__init__(wanted, bindparam(name))


@compiles(_OneOf, "sqlite")
def _one_of_sqlite(element: _OneOf, compiler: SQLCompiler, **kw: Any) -> str:
    wanted, values = (compiler.process(each, **kw) for each in element.clauses.clauses)
    return f"{wanted} IN (SELECT value->>0 FROM json_each({values}))"  # noqa: S608


@compiles(_OneOf, "mysql")
def _one_of_mysql(element: _OneOf, compiler: SQLCompiler, **kw: Any) -> str:
    wanted, values = (compiler.process(each, **kw) for each in element.clauses.clauses)
    return f"{wanted} IN (/**/{values})"


def one_of(wanted: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """`wanted` is in the parameter `name`: a sequence of rows with one value."""
    return _OneOf(wanted, name)


class Query:
    """A SELECT whose named parameters are filled in at each run; those of `given` are sequences of rows.

    `is_packed`: for many short rows of one SELECT, in no order. MySQL then answers them as one value, as SQLite always
    does: its drivers take 8 µs of CPU to read a row of six columns, 2 µs this way."""

    __slots__ = ("is_packed", "statement")

    def __init__(self, statement: Statement, *, is_packed: bool = False) -> None:
        self.statement = statement
        self.is_packed = is_packed


class Lock(Query):
    """Rows to lock, in the order of `key` on MySQL: the index that finds them. Nobody looks at an answer, so it is sent
    together with what follows. SQLite has one writer at a time, who need not ask."""

    __slots__ = ()

    def __init__(self, table: Table, wanted: ColumnElement[bool], key: str = "PRIMARY") -> None:
        # One row for an answer, however many are locked. Forced, because an ORDER BY without rows orders nothing.
        count = select(func.count()).select_from(table).where(wanted)
        super().__init__(count.with_hint(table, f"FORCE INDEX ({key})", "mysql").with_for_update())


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

    async def run(self, connection: AsyncConnection, rows: Sequence[Sequence[Any]]) -> None:
        """In a transaction of SQLAlchemy's, which takes 100 µs a row for the same."""
        if connection.dialect.name == "sqlite":
            for sql, args in SqliteDialect().update(self, rows):
                await connection.exec_driver_sql(sql, tuple(args))
        elif rows:
            sql = MysqlDialect().update(self, rows).decode()
            await connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


class Turn:
    """From here to the end of the transaction nobody else numbers rows of `table`: their ids become visible in their
    order, so what is newer than an id is all that was committed after it. Wait for it last: everybody waits for it.

    SQLite has one writer at a time, who need not ask."""

    __slots__ = ("name",)

    def __init__(self, table: Table) -> None:
        self.name = f"turn:{table.name}"

    async def take(self, connection: AsyncConnection) -> None:
        """The same in a transaction of SQLAlchemy's."""
        if connection.dialect.name != "sqlite":
            wanted = select(meta.c.name).where(meta.c.name == self.name).with_for_update()
            (await connection.execute(wanted)).one()


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


class MysqlDialect:
    """Renders for MySQL and MariaDB, parameters and all: their text protocol has no others.

    A sequence of values is a list, so that rows are found by an index and locked in its order; rows are a derived table
    of UNION ALL. JSON_TABLE, which both know, is as fast (1.3 ms for a join of 200 rows, 1.5 this way), but its texts
    need a collation by name, which they do not share; VALUES differs.

    Literals are written by a JSON encoder: an append takes 6 µs less of a message than value by value. What it writes
    is what MySQL reads in double quotes with backslash escapes, as the session's `sql_mode` has it, but for `\\f` and
    `\\u00..`."""

    _PARAMETER: Final = re.compile(r"(?:/\*([\w,]*)\*/)?%\((\w+)\)s")
    _NOT_MYSQL: Final = re.compile(rb"\\(?:f|u00)")
    _ESCAPED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\0": "\\0"})

    @classmethod
    @cache
    def _template(cls, query: Query) -> tuple[list[bytes], list[tuple[str, list[str] | None]]]:
        """Texts, and between each two the name of a parameter; with its columns if it is rows, none if values."""
        statement = query.statement
        if query.is_packed:
            assert isinstance(statement, Select)
            # Not around a subquery: that would be written to a temporary table first.
            row = func.json_array(*statement.selected_columns)
            statement = statement.with_only_columns(func.json_arrayagg(row))
        compiled = statement.compile(dialect=mysql.dialect(paramstyle="pyformat"))
        parts = cls._PARAMETER.split(compiled.string)
        texts, names = [parts[0].replace("%%", "%").encode()], []
        for columns, name, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            after = text.replace("%%", "%").encode()
            constant = compiled.params[name]
            if constant is not None:
                texts[-1] += cls._literal(constant) + after
            else:
                names.append((name, None if columns is None else columns.split(",") if columns else []))
                texts.append(after)
        return texts, names

    @staticmethod
    def rows(query: Query, found: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        """The rows of the query, of what the driver found."""
        if not query.is_packed:
            return list(found)
        ((packed,),) = found
        rows: list[Sequence[Any]] = [] if packed is None else orjson.loads(packed)
        return rows

    @classmethod
    def _join(cls, separator: bytes, rows: Sequence[Sequence[Any]]) -> bytes:
        """Each row as literals between commas. InvalidValue: no Unicode, or more than 64 bits."""
        try:
            text = separator.join([orjson.dumps(row)[1:-1] for row in rows])
        except orjson.JSONEncodeError as error:
            raise translated(error) from error
        if cls._NOT_MYSQL.search(text):
            text = separator.join([b",".join(map(cls._literal, row)) for row in rows])
        return text

    @classmethod
    def _literal(cls, value: Any) -> bytes:
        return f'"{value.translate(cls._ESCAPED)}"'.encode() if isinstance(value, str) else orjson.dumps(value)

    def select(self, query: Query, parameters: Mapping[str, Any]) -> bytes:
        texts, names = self._template(query)
        pieces = [texts[0]]
        for (name, columns), text in zip(names, texts[1:], strict=True):
            value = parameters[name]
            if columns is None:
                pieces.append(self._join(b"", [[value]]))
            elif columns:
                pieces.append(self._rows(columns, value))
            else:
                pieces.append(self._join(b",", value) or b"NULL")
            pieces.append(text)
        return b"".join(pieces)

    def _rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
        """The first SELECT names the columns, and gives no row."""
        names = ",".join(f"NULL AS {name}" for name in columns)
        nothing = f"SELECT {names} FROM DUAL WHERE FALSE".encode()  # noqa: S608
        return nothing + (b" UNION ALL SELECT " + self._join(b" UNION ALL SELECT ", rows) if rows else b"")

    @staticmethod
    def turn(turn: Turn) -> bytes:
        return f"SELECT name FROM {meta.name} WHERE name='{turn.name}' FOR UPDATE".encode()  # noqa: S608

    def insert(self, bulk: BulkInsert, rows: Sequence[Sequence[Any]]) -> bytes:
        head = f"INSERT INTO {bulk.table.name} ({','.join(bulk.names)}) VALUES ("  # noqa: S608
        return b"%b%b)" % (head.encode(), self._join(b"),(", rows))

    def update(self, bulk: BulkUpdate, rows: Sequence[Sequence[Any]]) -> bytes:
        """STRAIGHT_JOIN: rows that are not given are not looked at, and so not locked."""
        join = f") g STRAIGHT_JOIN {bulk.table.name} t ON t.{bulk.key}=g.k SET "
        changes = ",".join(f"t.{name}=g.{name}" for name in bulk.names)
        return b"UPDATE (" + self._rows(("k", *bulk.names), rows) + (join + changes).encode()
