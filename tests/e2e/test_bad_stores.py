"""Databases and Redis that cannot be used: one sentence at start, or a reason on /readyz, and nothing acked is lost."""

import asyncio
import contextlib
import resource
from pathlib import Path

import aiohttp
import pytest

from tests.e2e import wire
from tests.e2e.server import Person, ServerProcess
from tests.servers.mariadb import MariaDb
from tests.servers.redis import RedisServer, free_port

pytestmark = pytest.mark.slow


def refusal(server: ServerProcess, *words: str, **settings: object) -> str:
    """What a start says that must not succeed."""
    server.settings |= {f"FEIGE_{key.upper()}": str(value) for key, value in settings.items()}
    said = server.command("serve", "--port", "0", "--tcp-port", "0", status=1)
    assert said.startswith("feige: "), said
    assert len(said.splitlines()) == 1, said
    for word in words:
        assert word in said, said
    return said


async def until_unready(server: ServerProcess, reason: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while True:
            async with http.get(f"{server.url}/readyz") as response:
                answer = await response.json()
                if response.status == 503 and reason in str(answer["reasons"]):
                    return
            await asyncio.sleep(0.1)


async def until_ready(server: ServerProcess) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while True:
            async with http.get(f"{server.url}/readyz") as response:
                if response.status == 200:
                    return
            await asyncio.sleep(0.1)


def test_a_database_that_refuses(tmp_path: Path, mariadb: MariaDb, empty_mysql_url: str) -> None:
    server = ServerProcess(tmp_path / "data")
    wrong = empty_mysql_url.replace("feige:", "feige:no", 1)
    said = refusal(server, "user and password", database_url=wrong)
    assert "s3cret" not in said
    refusal(server, "no database of this name", database_url=mariadb.url("nowhere"))
    refusal(server, "no such host", database_url="mysql://feige:x@no-host.invalid/feige")
    refusal(server, "no server answers", database_url=f"mysql://feige:x@127.0.0.1:{free_port()}/feige")
    refusal(server, "mysql://", database_url="postgres://somewhere/feige")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_schema_of_another_version(
    tmp_path: Path, mariadb: MariaDb, empty_mysql_url: str, redis_url: str, workers: int
) -> None:
    stores = {"database_url": empty_mysql_url, "redis_url": redis_url, "workers": workers}
    server = ServerProcess(tmp_path / "data", **stores)
    refusal(server, "migrate", database_migrate="false")
    assert "0001" in server.command("migrate")
    schema = empty_mysql_url.rpartition("/")[2]
    mariadb.run("UPDATE schema_version SET version_num = '9999'", schema)
    refusal(server, "9999", "newer")
    mariadb.run("DROP TABLE schema_version", schema)
    refusal(server, "not ours")


def test_a_newer_sqlite(tmp_path: Path) -> None:
    import sqlite3

    server = ServerProcess(tmp_path / "data")
    server.command("migrate")
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "feige.db")) as database:
        database.execute("UPDATE schema_version SET version_num = '9999'")
        database.commit()
    refusal(server, "9999", "newer")
    assert "9999" in server.command("doctor", status=1)


def test_a_redis_that_cannot_be_used(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    refusal(server, "cannot be reached", redis_url=f"redis://127.0.0.1:{free_port()}")
    redis = RedisServer("--requirepass", "right").start()
    try:
        said = refusal(server, "user name or the password", redis_url=redis.url.replace("//", "//:wrong@"))
        assert "wrong" not in said
    finally:
        redis.close()
    redis = RedisServer().start()
    try:
        redis.ask("CONFIG", "SET", "min-replicas-to-write", "1")
        refusal(server, "Redis", redis_url=redis.url)
        redis.ask("CONFIG", "SET", "min-replicas-to-write", "0")
        redis.ask("CONFIG", "SET", "maxmemory", "1")
        refusal(server, "out of memory")
        redis.ask("CONFIG", "SET", "maxmemory", "0")
        redis.ask("REPLICAOF", "127.0.0.1", "1")
        refusal(server, "read-only replica")
    finally:
        redis.close()


async def test_a_redis_that_goes_bad_is_told_and_sends_go_on(tmp_path: Path) -> None:
    redis = RedisServer().start()
    try:
        async with ServerProcess(tmp_path / "data", redis_url=redis.url) as server:
            alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
            conversation = await alice.single(bob)
            await until_ready(server)
            for number, (bad, good) in enumerate(
                [
                    (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
                    (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
                ]
            ):
                redis.ask(*bad)
                await until_unready(server, "bus")
                async with wire.native(server, alice) as hers, wire.native(server, bob) as his:
                    await hers.tell(type="send", id=1, conversation_id=conversation, content=str(number))
                    await hers.wait("ack", id=1)
                    assert (await his.wait("message"))["content"] == str(number)
                redis.ask(*good)
                await until_ready(server)
        assert "Traceback" not in server.errors
    finally:
        redis.close()


async def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """A limit of the size of files is to SQLite what a full disk is."""
    async with ServerProcess(tmp_path / "data") as server:
        alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
        conversation = await alice.single(bob)
        assert server.process is not None
        async with wire.native(server, alice) as hers:
            limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            await hers.tell(type="send", id=1, conversation_id=conversation, content="x", client_msg_id="one")
            refused = await hers.wait("error", id=1)
            assert refused["code"] == "unavailable"
            assert refused["temporary"] is True
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
            await hers.tell(type="send", id=2, conversation_id=conversation, content="x", client_msg_id="one")
            assert (await hers.wait("ack", id=2))["seq"] == 1
        server.settings["FEIGE_MIN_FREE_DISK_BYTES"] = str(1 << 60)
        await server.stop()
        await server.start()
        await until_unready(server, "disk")
        assert "disk" in server.command("doctor", status=1)


async def test_a_database_that_goes_away_is_told(tmp_path: Path, breakable_mariadb: MariaDb) -> None:
    url = breakable_mariadb.url(breakable_mariadb.empty_schema())
    async with ServerProcess(tmp_path / "data", database_url=url) as server:
        await until_ready(server)
        breakable_mariadb.kill()
        await until_unready(server, "database")
        breakable_mariadb.start()
        await until_ready(server)
    assert "Traceback" not in server.errors, server.errors
