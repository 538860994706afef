"""All that several processes share through one Redis, for one node."""

import msgspec

from domain.ports import Clock
from storage.inprocess.limits import InProcessRateLimiter
from storage.redis.bus import MAX_ENTRIES, RedisBus
from storage.redis.cascade import RedisEventStream
from storage.redis.codes import RedisShortCodes
from storage.redis.connection import RedisUrl, check, connect
from storage.redis.errors import CLIENT_ERRORS, RedisUnusable, reason
from storage.redis.limits import RedisRateLimiter
from storage.redis.membership import HEARTBEAT_S, Membership
from storage.redis.presence import RedisPresenceDirectory

MAX_CONNECTIONS = 16
"""For limits, codes and heartbeats; requests beyond wait for the answer of another."""


class RedisSettings(msgspec.Struct, frozen=True):
    heartbeat_s: float = HEARTBEAT_S
    """A node that is silent for three of them is dead."""
    max_stream_entries: int = MAX_ENTRIES
    """What a node may be behind before it catches up from the database."""


class RedisServices:
    """One node's ports. `start` before use; `close` says farewell to the other nodes."""

    def __init__(self, url: str, node_name: str, clock: Clock, settings: RedisSettings | None = None) -> None:
        """RedisUnusable for a URL that is none."""
        settings = settings or RedisSettings()
        self._url = RedisUrl.parse(url)
        self._client = connect(self._url, max_connections=MAX_CONNECTIONS)
        membership = Membership(self._client, node_name, heartbeat_s=settings.heartbeat_s)
        self.node = membership.node
        self.presence = RedisPresenceDirectory(clock)
        self.bus = RedisBus(self._url, self._client, membership, self.presence, max_entries=settings.max_stream_entries)
        self.limiter = RedisRateLimiter(self._client, InProcessRateLimiter())
        self.stream = RedisEventStream(self._client, self._url, self.node)
        self.codes = RedisShortCodes(self._client)

    async def start(self) -> None:
        """RedisUnusable, with the sentence that says why."""
        try:
            await check(self._client, self._url)
            await self.bus.start()
        except CLIENT_ERRORS as error:
            await self._client.aclose()
            raise RedisUnusable(f"Redis at {self._url} cannot be used: {reason(error)}") from error
        except RedisUnusable:
            await self._client.aclose()
            raise

    async def close(self) -> None:
        await self.bus.close()
        await self._client.aclose()
