"""MySQL at start: what is wrong is said in a sentence, and processes that start together migrate once."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect

from storage import CannotOpen, ForeignDatabase, NewerDatabase, NotMigrated, StoreError, open_mysql
from storage.sql import migrations, mysql
from storage.sql.mysql import migrating
from storage.sql.mysql_url import Target
from tests.servers.mariadb import PASSWORD, MariaDb
from tests.servers.proxy import Proxy
from tests.storage.world import Clock, World

ROOT = Path(__file__).parents[3]


async def refused(url: str, *, migrate: bool = True) -> StoreError:
    with pytest.raises(StoreError) as caught:
        await open_mysql(url).start(migrate=migrate)
    text = str(caught.value)
    assert len(text.split()) > 5
    cause: BaseException | None = caught.value
    while cause is not None:
        assert PASSWORD not in str(cause)
        cause = cause.__cause__
    return caught.value


@pytest.mark.slow
async def test_migrations_make_the_declared_tables_and_take_them_back(empty_mysql_url: str) -> None:
    async with migrating(Target(empty_mysql_url)) as connection:
        await connection.run_sync(migrations.upgrade)
        assert await connection.run_sync(migrations.differences) == []
        assert await connection.run_sync(migrations.current) == migrations.head()
        await connection.run_sync(migrations.downgrade)
        assert await connection.run_sync(table_names) == {migrations.VERSION_TABLE}
        await connection.run_sync(migrations.upgrade)
        assert await connection.run_sync(migrations.differences) == []


def table_names(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


async def test_text_is_compared_byte_by_byte(mysql_url: str, mariadb: MariaDb) -> None:
    schema = mysql_url.rsplit("/", 1)[1]
    padded = mariadb.run(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns WHERE character_set_name "
        f"IS NOT NULL AND table_schema = '{schema}' AND collation_name NOT IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')"
        f" AND table_name <> '{migrations.VERSION_TABLE}'",
    )
    assert padded == ()


@pytest.mark.slow
async def test_processes_that_start_together_migrate_once(empty_mysql_url: str) -> None:
    code = (
        "import asyncio, sys\nfrom storage import open_mysql\n"
        "async def main():\n"
        "    stores = open_mysql(sys.argv[1])\n"
        "    await stores.start()\n"
        "    print(await stores.sync.epoch())\n"
        "    await stores.close()\n"
        "asyncio.run(main())\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, empty_mysql_url], cwd=ROOT, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = [await asyncio.to_thread(process.communicate) for process in processes]
    epochs = {output.strip() for output, _ in outputs}
    assert len(epochs) == 1
    assert len(epochs.pop()) == 16


async def test_bad_urls_and_refusals_are_said(mariadb: MariaDb, mysql_url: str) -> None:
    port = f":{mariadb.port}/"
    for url, part in (
        (mysql_url.replace(PASSWORD, "wrong"), "user and password"),
        (mysql_url + "_missing", "no database of this name"),
        (mysql_url.replace(port, ":1/"), "no server answers"),
        (mysql_url.replace("127.0.0.1", "no-such-host.invalid"), "no such host"),
    ):
        for driver in ("aiomysql", "asyncmy"):
            error = await refused(url.replace("aiomysql", driver))
            assert isinstance(error, CannotOpen)
            assert part in str(error)
    for url, part in (
        ("mysql+pymysql://u:p@h/d", "mysql+aiomysql://"),
        ("postgresql://u:p@h/d", "mysql+aiomysql://"),
        ("mysql://u:p@h", "names no database"),
        ("mysql://u:p@h:port/d", "cannot be read"),
        ("mysql://u:p@h/d?colour=blue", "colour"),
        ("mysql://u:p@h/d?ssl_ca=/no/such/file", "ssl_ca"),
    ):
        with pytest.raises(CannotOpen) as caught:
            open_mysql(url)
        assert part in str(caught.value)
    assert Target("mysql://u:p@h/d").driver == "aiomysql"
    assert str(Target("mysql://u:p@h/d")) == "d at h:3306"


async def test_a_database_that_is_not_ours_to_use_is_refused(
    mariadb: MariaDb, empty_mysql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = empty_mysql_url.rsplit("/", 1)[1]
    assert isinstance(await refused(empty_mysql_url, migrate=False), NotMigrated)
    mariadb.run("CREATE TABLE theirs (a INT)", schema)
    assert isinstance(await refused(empty_mysql_url), ForeignDatabase)
    mariadb.run(f"CREATE TABLE {migrations.VERSION_TABLE} (version_num VARCHAR(32))", schema)
    assert "cut off" in str(await refused(empty_mysql_url))
    mariadb.run(f"INSERT INTO {migrations.VERSION_TABLE} VALUES ('from the future')", schema)
    assert isinstance(await refused(empty_mysql_url), NewerDatabase)
    monkeypatch.setattr(mysql, "OLDEST", {"MySQL": (99,), "MariaDB": (99,)})
    assert "99 or newer is needed" in str(await refused(empty_mysql_url))


async def test_a_server_that_accepts_and_says_nothing_is_said(
    mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sql.mysql_sessions.CONNECT_TIMEOUT_S", 0.2)
    async with Proxy(mariadb.port) as proxy:
        proxy.blackhole()
        error = await refused(mariadb.url("any").replace(f":{mariadb.port}/", f":{proxy.port}/"))
        assert "does not answer in time" in str(error)


@pytest.mark.slow
async def test_a_read_only_server_is_said(breakable_mariadb: MariaDb) -> None:
    server = breakable_mariadb
    url = server.url(server.empty_schema())
    stores = open_mysql(url)
    await stores.start()
    await stores.close()
    server.run("CREATE USER plain@'%' IDENTIFIED BY 'plain'")
    server.run("GRANT ALL ON `feige%`.* TO plain@'%'")
    server.run("SET GLOBAL read_only = 1")
    plain = url.replace("feige:" + PASSWORD, "plain:plain")
    assert "read-only" in str(await refused(plain))


async def test_hostile_text_comes_back_as_it_was(mysql_url: str) -> None:
    texts = [
        "it's \"quoted\" \\ and \\' and \\\\",
        "nul \0 in the middle",
        "\b\f\n\r\t\x1a\x1b\x7f\u2028",
        "%s %(name)s %% 100% _x_",
        "'); DROP TABLE messages; --",
        "飞鸽传书 🕊️ 👨‍👩‍👧‍👦 e\u0301",
        "\\u0041 \\f \\n",
        "],[ ),( ;COMMIT;",
        "trailing ",
        "",
    ]
    for driver in ("aiomysql", "asyncmy"):
        stores = open_mysql(mysql_url.replace("aiomysql", driver), Clock())
        await stores.start()
        world = World(stores, Clock())
        one = (await world.user(f"{driver}-one")).id
        two = (await world.user(f"{driver}-two")).id
        conversation = await world.single(one, two)
        sent = await asyncio.gather(
            *(world.send(conversation.id, one, text, client_msg_id=text[:20] or None) for text in texts)
        )
        assert [message.content for message in sent] == texts
        page, _ = await stores.messages.history(one, conversation.id, limit=100, newest=False)
        assert page == sent
        again = [await world.send(conversation.id, one, "other", client_msg_id=text[:20]) for text in texts[:-1]]
        assert again == sent[:-1]
        # Nothing that looks alike is taken for the same.
        assert (await world.send(conversation.id, one, "x", client_msg_id="trailing")).seq == len(texts) + 1
        for text in texts:
            assert (await world.user(f"{driver}{text}", avatar=text)).avatar == text
            found = await stores.users.find(username=f"{driver}{text}")
            assert found is not None
            assert found.avatar == text
        await stores.close()
