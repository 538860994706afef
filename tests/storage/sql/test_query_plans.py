"""Every query of the stores finds its rows by an index."""

import sqlite3
from pathlib import Path

import pytest

from storage import open_sqlite
from storage.sql import (
    append,
    applications,
    broadcasts,
    client_events,
    contacts,
    conversations,
    event_log,
    files,
    groups,
    logins,
    marks,
    messages,
    search,
    sync,
    users,
)
from storage.sql.dialects import BulkUpdate, Query, SqliteDialect
from storage.sql.workers import SqliteSession

MODULES = (
    *(append, applications, broadcasts, client_events, contacts, conversations),
    *(event_log, files, groups, logins, marks, messages, search, sync, users),
)
QUERIES = {
    f"{module.__name__.rsplit('.', 1)[1]}.{name}": query
    for module in MODULES
    for name, query in vars(module).items()
    if isinstance(query, Query)
}
QUERIES["conversations._participants"] = conversations._participants(4)
QUERIES["conversations._newest_visible"] = conversations._newest_visible(4)

READS_ALL = {
    *("users._SEARCH", "users._ADMINISTRATORS"),
    *("groups._SEARCH", "groups._COUNT"),
    *("broadcasts._LIST", "broadcasts._COUNT"),
}
"""Of users and groups to find a part of a name; of broadcasts, which are few."""


@pytest.fixture
async def database(tmp_path: Path) -> sqlite3.Connection:
    stores = open_sqlite(tmp_path / "feige.db")
    await stores.start()
    await stores.close()
    return sqlite3.connect(tmp_path / "feige.db")


@pytest.mark.parametrize("update", [append._ADVANCE, marks._MOVE])
async def test_updates_find_their_rows_by_key(database: sqlite3.Connection, update: BulkUpdate) -> None:
    [(sql, args)] = SqliteDialect().update(update, [[1] * (len(update.names) + 1)])
    plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", args)]
    database.close()
    assert plan[0].startswith("SCAN g VIRTUAL TABLE"), plan
    assert plan[1] == f"SEARCH {update.table.name} USING INTEGER PRIMARY KEY (rowid=?)", plan


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
    assert set(whole) == READS_ALL, whole


@pytest.mark.parametrize(
    ("query", "first"),
    [
        (sync._MESSAGES_BY_SCAN, "SEARCH messages USING INDEX sqlite_autoindex_messages_2 (id>?)"),
        (sync._CHANGES_BY_SCAN, "SEARCH changes USING INDEX ix_changes_user_id (user_id=? AND rowid>?)"),
        (sync._RECEIPTS_BY_SCAN, "SEARCH receipts USING INTEGER PRIMARY KEY (rowid>?)"),
        (sync._CHANGES_BY_MEMBER, "SEARCH members USING INDEX ix_members_user_id (user_id=?)"),
        (sync._RECEIPTS_BY_MEMBER, "SEARCH members USING INDEX ix_members_user_id (user_id=?)"),
        (sync._CONVERSATIONS_WITH_NEWS, "SEARCH members USING INDEX ix_members_user_id (user_id=?)"),
        (search._IN_SEGMENT, "SEARCH messages USING INDEX sqlite_autoindex_messages_2 (id>? AND id<?)"),
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


@pytest.mark.parametrize("count", [1, 3, 40])
async def test_a_list_takes_three_queries_however_long_it_is(tmp_path: Path, count: int) -> None:
    stores = open_sqlite(tmp_path / "feige.db")
    await stores.start()
    for other in range(2, count + 2):
        await stores.conversations.create_single(1, other, 5)
    await stores.close()
    session = SqliteSession(tmp_path / "feige.db")
    plan = conversations.list_plan(1, 0, 100, conversations._LIST)
    steps = 0
    try:
        query, parameters = next(plan)
        while True:
            assert isinstance(query, Query)
            assert isinstance(parameters, dict)
            steps += 1
            query, parameters = plan.send(session.query(query, parameters))
    except StopIteration as stop:
        assert stop.value[1] == len(stop.value[0]) == count
    session.connection.close()
    assert steps == 3
