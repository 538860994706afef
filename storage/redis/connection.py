"""How processes talk to Redis: what a URL says, the settings of each connection, and the checks at start."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from storage.redis.errors import CLIENT_ERRORS, RedisUnusable, TooOld, reason

CONNECT_TIMEOUT_S: Final = 2.0
SOCKET_TIMEOUT_S: Final = 3.0
BLOCK_MS: Final = 1000
"""How long a read waits for news: shorter than the socket timeout, or an idle stream looks like a dead server."""
HEALTH_CHECK_S: Final = 10
"""A connection that was idle for so long is tried before it is used."""

OLDEST: Final = (6, 2)
"""XTRIM MINID came with it."""

UVLOOP_CLOSED: Final = "the handler is closed"
"""Of the RuntimeError for a write to a connection that Redis has reset; the client lets it through."""

SCHEMES: Final = {
    "redis": (False, False),
    "rediss": (True, False),
    "redis+cluster": (False, True),
    "rediss+cluster": (True, True),
}

Client = Redis | RedisCluster


class RedisUrl(msgspec.Struct, frozen=True):
    """`redis[s][+cluster]://[[user]:password@]host[:port][/database]`, with `?ca=FILE` for a certificate authority of
    one's own (`rediss`)."""

    host: str
    port: int = 6379
    database: int = 0
    username: str | None = None
    password: str | None = None
    ca: str | None = None
    is_tls: bool = False
    is_cluster: bool = False

    def __str__(self) -> str:
        """Without user and password: for logs and messages."""
        scheme = f"redis{'s' if self.is_tls else ''}{'+cluster' if self.is_cluster else ''}"
        return f"{scheme}://{self.host}:{self.port}/{self.database}"

    def __repr__(self) -> str:
        return f"RedisUrl({self})"

    @classmethod
    def parse(cls, text: str) -> "RedisUrl":
        """RedisUnusable."""
        try:
            parts = urlsplit(text)
            port = parts.port or 6379
        except ValueError:
            raise RedisUnusable("the Redis URL has a port that is no number from 1 to 65535") from None
        if parts.scheme not in SCHEMES:
            raise RedisUnusable(f"a Redis URL begins with one of {', '.join(f'{each}://' for each in SCHEMES)}")
        is_tls, is_cluster = SCHEMES[parts.scheme]
        if not parts.hostname:
            raise RedisUnusable("the Redis URL names no host")
        path = parts.path.strip("/")
        if path and not (path.isascii() and path.isdigit()):
            raise RedisUnusable("the path of a Redis URL is the number of a database")
        database = int(path or 0)
        if is_cluster and database:
            raise RedisUnusable("a Redis Cluster has the database 0 only")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        ca = options.pop("ca", None)
        if options or (ca is not None and not is_tls):
            raise RedisUnusable("a Redis URL has no options but ?ca=FILE with rediss")
        return cls(
            host=parts.hostname,
            port=port,
            database=database,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            ca=ca,
            is_tls=is_tls,
            is_cluster=is_cluster,
        )


def settings(url: RedisUrl) -> dict[str, Any]:
    """What every connection is told. Nothing is left to defaults that differ between releases of the client."""
    options: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "username": url.username,
        "password": url.password,
        "protocol": 2,
        "decode_responses": False,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": HEALTH_CHECK_S,
        # Who must retry does so itself, knowing what a second attempt means.
        "retry": Retry(NoBackoff(), 0),
        "client_name": "feige",
    }
    if url.is_tls:
        options |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": url.ca}
    return options


def connect(url: RedisUrl, *, max_connections: int) -> Client:
    """A client that connects when it is used."""
    if url.is_cluster:
        # A cluster may answer that a key has moved.
        options = settings(url) | {"retry": Retry(NoBackoff(), 1)}
        return RedisCluster(**options, max_connections=max_connections)
    return Redis(**settings(url), db=url.database, max_connections=max_connections)


async def check(client: Client, url: RedisUrl) -> None:
    """Redis answers, is new enough, and takes writes. RedisUnusable."""
    try:
        info = await one_node(client, "INFO", "server")
        version = info_field(info, "redis_version")
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise TooOld(f"Redis at {url} is {version}; it must be {'.'.join(map(str, OLDEST))} or newer")
        await ask(client, "SET", "{feige}:probe", b"", "PX", 1000)
    except CLIENT_ERRORS as error:
        raise RedisUnusable(f"Redis at {url} cannot be used: {reason(error)}") from error


async def ask(client: Client, *words: Any) -> Any:
    """One of `CLIENT_ERRORS`."""
    try:
        return await client.execute_command(*words)
    except RuntimeError as error:
        if UVLOOP_CLOSED in str(error):
            raise ConnectionResetError from error
        raise


async def one_node(client: Client, *command: str) -> Any:
    """A command without a key, by any node of a cluster."""
    if isinstance(client, RedisCluster):
        await client.initialize()
        return await client.execute_command(*command, target_nodes=client.get_random_node())
    return await ask(client, *command)


def info_field(info: Any, name: str) -> str:
    """One field of INFO, however far the client has parsed it."""
    if isinstance(info, dict):
        return str(info.get(name, "0.0"))
    for line in bytes(info).decode("utf-8", "replace").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value
    return "0.0"


class Script:
    """A Lua script: one command, atomic. Sent by its digest, and whole where that is unknown."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, client: Client, keys: Sequence[str], *arguments: Any) -> Any:
        """One of `CLIENT_ERRORS`."""
        try:
            return await ask(client, "EVALSHA", self._digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await ask(client, "EVAL", self._source, len(keys), *keys, *arguments)
