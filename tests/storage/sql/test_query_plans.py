"""Every query of the stores finds its rows by an index."""

import sqlite3
from pathlib import Path

import pytest

from storage import open_sqlite
from storage.sql import append, conversations, logins, marks, messages, sync, users
from storage.sql.dialects import Query, SqliteDialect

QUERIES = {
    f"{module.__name__.rsplit('.', 1)[1]}.{name}": query
    for module in (append, conversations, logins, marks, messages, sync, users)
    for name, query in vars(module).items()
    if isinstance(query, Query)
}
QUERIES["conversations._participants"] = conversations._participants(4)

SEARCHES_ALL_USERS = ("users._SEARCH", "users._ADMINISTRATORS")


@pytest.fixture
async def database(tmp_path: Path) -> sqlite3.Connection:
    stores = open_sqlite(tmp_path / "feige.db")
    await stores.start()
    await stores.close()
    return sqlite3.connect(tmp_path / "feige.db")


async def test_no_query_reads_a_whole_table(database: sqlite3.Connection) -> None:
    assert len(QUERIES) > 30
    whole: dict[str, list[str]] = {}
    for name, query in QUERIES.items():
        sql, names, _ = SqliteDialect._select(query)
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", ["[]"] * len(names))]
        scans = [
            step
            for step in plan
            if step.startswith("SCAN")
            and not any(word in step for word in ("json_each", "CONSTANT ROW", "SCAN q", "anon_", "SUBQUERY"))
        ]
        automatic = [step for step in plan if "AUTOMATIC" in step]
        if scans or automatic:
            whole[name] = scans + automatic
    database.close()
    assert set(whole) == set(SEARCHES_ALL_USERS), whole


@pytest.mark.parametrize(
    ("query", "first"),
    [
        (sync._MESSAGES_BY_SCAN, "SEARCH messages USING INDEX sqlite_autoindex_messages_2 (id>?)"),
        (sync._CHANGES_BY_SCAN, "SEARCH changes USING INTEGER PRIMARY KEY (rowid>?)"),
        (sync._RECEIPTS_BY_SCAN, "SEARCH receipts USING INTEGER PRIMARY KEY (rowid>?)"),
        (sync._CHANGES_BY_MEMBER, "SEARCH members USING INDEX ix_members_user_id (user_id=?)"),
        (sync._RECEIPTS_BY_MEMBER, "SEARCH members USING INDEX ix_members_user_id (user_id=?)"),
        (sync._CONVERSATIONS_WITH_NEWS, "SEARCH members USING INDEX ix_members_user_id (user_id=?)"),
        (
            messages._NEWEST,
            "SEARCH messages USING INDEX sqlite_autoindex_messages_1 (conversation_id=? AND seq>? AND seq<?)",
        ),
    ],
)
async def test_what_is_read_first(database: sqlite3.Connection, query: Query, first: str) -> None:
    sql, names, _ = SqliteDialect._select(query)
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", ["[]"] * len(names))]
    database.close()
    assert next(step for step in plan if step.startswith(("SEARCH", "SCAN m", "SCAN c", "SCAN r"))) == first, plan
