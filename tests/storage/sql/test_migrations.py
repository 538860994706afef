"""The schema: migrations make what the program declares, and refuse what is not theirs."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from storage import CannotOpen, ForeignDatabase, NewerDatabase, StoreError, open_sqlite
from storage.sql import migrations
from storage.sql.sqlite import create_engine

T = TypeVar("T")


async def run(path: Path, work: Callable[[Connection], T]) -> T:
    engine = create_engine(path)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


async def test_migrations_make_the_declared_tables(tmp_path: Path) -> None:
    path = tmp_path / "feige.db"
    await run(path, migrations.upgrade)
    assert await run(path, migrations.differences) == []
    assert await run(path, migrations.current) == migrations.head()


def test_versions_are_known_by_their_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert migrations.revisions() == ["base", *reversed([script.revision for script in scripts.walk_revisions()])]


async def test_the_comparison_sees_differences(tmp_path: Path) -> None:
    path = tmp_path / "feige.db"
    await run(path, migrations.upgrade)
    with sqlite3.connect(path) as raw:
        raw.execute("DROP INDEX ix_members_user_id")
        raw.execute("ALTER TABLE users ADD COLUMN extra TEXT")
    raw.close()
    assert len(await run(path, migrations.differences)) == 2


async def test_down_and_up_again(tmp_path: Path) -> None:
    path = tmp_path / "feige.db"
    await run(path, migrations.upgrade)
    await run(path, migrations.downgrade)
    tables = await run(path, lambda connection: set(inspect(connection).get_table_names()))
    assert tables == {migrations.VERSION_TABLE}
    assert await run(path, migrations.current) is None
    await run(path, migrations.upgrade)
    assert await run(path, migrations.differences) == []


async def test_a_migration_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "feige.db"

    def interrupted(connection: Connection) -> None:
        migrations.upgrade(connection)
        raise KeyError

    with pytest.raises(KeyError):
        await run(path, interrupted)
    assert await run(path, lambda connection: inspect(connection).get_table_names()) == []


async def refused(path: Path) -> StoreError:
    with pytest.raises(StoreError) as caught:
        await open_sqlite(path).start()
    assert len(str(caught.value).split()) > 3
    return caught.value


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "feige.db"
    await run(path, migrations.upgrade)
    raw = sqlite3.connect(path)
    with raw:
        raw.execute(f"UPDATE {migrations.VERSION_TABLE} SET version_num = 'from the future'")
    raw.close()
    assert isinstance(await refused(path), NewerDatabase)


async def test_a_database_of_another_program_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "feige.db"
    raw = sqlite3.connect(path)
    with raw:
        raw.execute("CREATE TABLE theirs (a)")
    raw.close()
    assert isinstance(await refused(path), ForeignDatabase)
    assert await run(path, lambda connection: inspect(connection).get_table_names()) == ["theirs"]


async def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    no_database = tmp_path / "text.db"
    no_database.write_text("This is no database, but it is long enough to look at. " * 50)
    for path in (no_database, tmp_path / "missing" / "feige.db", tmp_path):
        error = await refused(path)
        assert isinstance(error, CannotOpen)
        assert str(path) in str(error)


async def test_a_second_start_finds_all_as_it_was(tmp_path: Path) -> None:
    epochs = []
    for _ in range(2):
        stores = open_sqlite(tmp_path / "feige.db")
        await stores.start()
        epochs.append(await stores.sync.epoch())
        await stores.close()
    assert epochs[0] == epochs[1]
    other = open_sqlite(tmp_path / "other.db")
    await other.start()
    assert await other.sync.epoch() != epochs[0]
    await other.close()
