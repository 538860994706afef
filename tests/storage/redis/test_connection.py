"""Redis URLs, what connections are told, and the sentences for servers that cannot be used."""

import asyncio

import pytest
import uvloop
from redis.asyncio import RedisCluster

from storage.redis import NameTaken, RedisServices, RedisUnusable, TooOld
from storage.redis.connection import BLOCK_MS, RedisUrl, ask, check, connect, settings
from storage.redis.errors import CLIENT_ERRORS, reason
from tests.faults.proxy import Proxy
from tests.servers.redis import RedisServer, free_port
from tests.storage.redis.world import FAST, Cluster, Node
from tests.world import TestClock


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://h", RedisUrl("h")),
        ("redis://h:1234/5", RedisUrl("h", 1234, 5)),
        ("redis://:p%40ss@h/1", RedisUrl("h", database=1, password="p@ss")),
        ("rediss://me:secret@h:1", RedisUrl("h", 1, username="me", password="secret", is_tls=True)),
        ("rediss://h?ca=/etc/ca.pem", RedisUrl("h", ca="/etc/ca.pem", is_tls=True)),
        ("redis+cluster://h:7000", RedisUrl("h", 7000, is_cluster=True)),
        ("rediss+cluster://[::1]:7000/0", RedisUrl("::1", 7000, is_tls=True, is_cluster=True)),
    ],
)
def test_urls(text: str, expected: RedisUrl) -> None:
    assert RedisUrl.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h:6379",
        "http://h",
        "redis://",
        "redis://h:99999",
        "redis://h:x",
        "redis://h/name",
        "redis://h/-1",
        "redis://h?db=1",
        "redis://h?ca=x",
        "redis+cluster://h/1",
    ],
)
def test_urls_that_are_refused(text: str) -> None:
    with pytest.raises(RedisUnusable):
        RedisUrl.parse(text)


def test_no_password_in_what_is_shown() -> None:
    url = RedisUrl.parse("rediss://user:secret@h:1/2")
    assert str(url) == "rediss://h:1/2"
    assert "secret" not in repr(url)


def test_settings_leave_nothing_to_the_defaults_of_the_client() -> None:
    options = settings(RedisUrl.parse("rediss://u:p@h:1?ca=x.pem"))
    assert options["protocol"] == 2
    assert options["socket_timeout"] > BLOCK_MS / 1000, "or an idle stream looks like a dead server"
    assert options["retry"].get_retries() == 0
    assert options["health_check_interval"] > 0
    assert (options["ssl"], options["ssl_ca_certs"], options["ssl_check_hostname"]) == (True, "x.pem", True)
    assert isinstance(connect(RedisUrl.parse("redis+cluster://h"), max_connections=1), RedisCluster)


async def refusal(url: str) -> str:
    with pytest.raises(RedisUnusable) as caught:
        await RedisServices(url, "n", TestClock()).start()
    return str(caught.value)


async def test_a_host_that_is_not_there() -> None:
    assert "cannot be reached" in await refusal(f"redis://127.0.0.1:{free_port()}")
    assert "cannot be reached" in await refusal("redis://no-such-host.invalid")
    assert "cluster cannot be reached" in await refusal(f"redis+cluster://127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("arguments", "url", "words"),
    [
        (("--requirepass", "right"), "redis://:wrong@{}", "refuses the user name or the password"),
        (("--requirepass", "right"), "redis://{}", "refuses the user name or the password"),
        ((), "redis://{}/99", "no database of this number"),
        (("--replicaof", "127.0.0.1 1"), "redis://{}", "read-only replica"),
        (("--maxmemory", "1"), "redis://{}", "out of memory"),
    ],
)
async def test_servers_that_cannot_be_used(arguments: tuple[str, ...], url: str, words: str) -> None:
    server = RedisServer(*arguments).start()
    try:
        text = await refusal(url.format(f"127.0.0.1:{server.port}"))
    finally:
        server.close()
    assert words in text
    assert "wrong" not in text.replace("cannot", "")


async def test_a_server_that_is_too_old(monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setattr("storage.redis.connection.OLDEST", (99, 0))
    url = RedisUrl.parse(redis_url)
    client = connect(url, max_connections=1)
    with pytest.raises(TooOld, match=r"must be 99\.0 or newer"):
        await check(client, url)
    await client.aclose()


async def test_a_server_that_does_not_speak_redis() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert "Redis at" in await refusal(f"redis://127.0.0.1:{port}")
    server.close()


async def test_two_live_nodes_of_one_name(cluster: Cluster) -> None:
    node = await cluster.node("gateway-1")
    other = Node(cluster.url, "gateway-1")
    with pytest.raises(NameTaken, match="'gateway-1'"):
        await other.services.start()
    await node.crash()
    await other.services.start()
    await other.services.close()


async def test_everything_works_on_a_cluster() -> None:
    server = RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port())).start()
    try:
        assert server.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383").startswith(b"+OK")
        async with asyncio.timeout(10):
            while b"cluster_state:ok" not in server.ask("CLUSTER", "INFO"):
                await asyncio.sleep(0.02)
        cluster = Cluster(f"redis+cluster://127.0.0.1:{server.port}")
        one, two = await cluster.node("one", FAST), await cluster.node("two", FAST)
        two.presence.connected(5)
        async with asyncio.timeout(5):
            while not one.presence.is_online(5):
                await asyncio.sleep(0.005)
        assert await one.services.limiter.hit("key", 1, 60) == 0
        assert await two.services.limiter.hit("key", 1, 60) > 0
        await one.services.codes.put("phone", "1234", 60)
        assert await two.services.codes.take("phone", "1234", 5)
        assert await one.bus.healthy() is None
        await cluster.close()
    finally:
        server.close()


def test_a_connection_that_was_reset_is_a_loss_that_is_known(own_server: RedisServer) -> None:
    """On uvloop, where the first command after it fails with a RuntimeError that the client lets through."""

    async def ask_after_resets(link: Proxy) -> list[str]:
        client = connect(RedisUrl("127.0.0.1", link.port), max_connections=1)
        reasons = []
        for _ in range(6):
            try:
                await ask(client, "PING")
            except CLIENT_ERRORS as error:
                reasons.append(reason(error))
            link.cut()
            await asyncio.sleep(0.02)
        await client.aclose()
        return reasons

    link = Proxy(own_server.port)
    link.start()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert set(runner.run(ask_after_resets(link))) == {"it cannot be reached"}
    finally:
        link.close()
