"""Which nodes are alive: heartbeats in one sorted set, by the clock of Redis alone."""

import asyncio
import secrets
import time
from typing import Final

import msgspec

from storage.redis.connection import Client, Script
from storage.redis.errors import NameTaken

HEARTBEAT_S: Final = 2.0
EXPIRY_S: Final = 3 * HEARTBEAT_S
"""A node that was not heard for so long is dead."""

KEPT_MS: Final = 60_000
"""Streams and names end with the last node that used them. Only its owner creates a stream (the others write with
NOMKSTREAM), so none is left behind."""

# One hash tag: on a cluster all keys of the bus are on one node, so that scripts may touch several.
ALIVE: Final = "{feige}:alive"
NAMES: Final = "{feige}:names"


def stream_of(node: str) -> str:
    return f"{{feige}}:node:{node}"


# KEYS: alive, names, own stream. ARGV: node, expiry in ms, how far the stream was read, lifetime in ms, own name.
_BEAT: Final = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[5], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('XADD', KEYS[3], '*', 'b', '') end
redis.call('XTRIM', KEYS[3], 'MINID', '~', ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
for _, node in ipairs(dead) do redis.call('ZREM', KEYS[1], node) end
return {known, time[1], time[2], redis.call('ZRANGE', KEYS[1], 0, -1), dead}
""")

# KEYS: alive, names. ARGV: name, expiry in ms. Milliseconds since the last heartbeat of the node with this name.
_SILENCE: Final = Script("""
local node = redis.call('HGET', KEYS[2], ARGV[1])
local beat = node and redis.call('ZSCORE', KEYS[1], node)
if not beat then return -1 end
local time = redis.call('TIME')
local silence = time[1] * 1000 + math.floor(time[2] / 1000) - beat
return silence < tonumber(ARGV[2]) and silence or -1
""")

# KEYS: alive, names, own stream. ARGV: node, name.
_LEAVE: Final = Script("""
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HGET', KEYS[2], ARGV[2]) == ARGV[1] then redis.call('HDEL', KEYS[2], ARGV[2]) end
redis.call('DEL', KEYS[3])
""")


class Beat(msgspec.Struct, frozen=True):
    """What a heartbeat brought."""

    was_known: bool
    """Redis had this node among the living."""
    now_us: int
    """The clock of Redis, when it answered."""
    alive: frozenset[str]
    """With this node."""
    buried: frozenset[str]
    """Nodes that this heartbeat found dead: no other heartbeat is told of them."""


class Membership:
    """The place of one node among the others. A node is a name and a start."""

    def __init__(self, client: Client, name: str, *, heartbeat_s: float = HEARTBEAT_S) -> None:
        self.name = name
        self.node = f"{name}-{secrets.token_hex(4)}"
        self.stream = stream_of(self.node)
        self.heartbeat_s = heartbeat_s
        self.expiry_s = heartbeat_s * 3
        self._client = client

    async def claim_name(self) -> None:
        """Waits until a former process of this name is known to be dead. NameTaken if it is not; one of
        `CLIENT_ERRORS`."""
        expiry_ms = int(self.expiry_s * 1000)
        gives_up_at = time.monotonic() + self.expiry_s + 1
        before = -1
        while True:
            silence_ms = int(await _SILENCE(self._client, [ALIVE, NAMES], self.name, expiry_ms))
            if silence_ms < 0:
                return
            if silence_ms < before or time.monotonic() > gives_up_at:
                raise NameTaken(f"another process is running with the node name {self.name!r}; each needs its own")
            before = silence_ms
            await asyncio.sleep(self.heartbeat_s / 10)

    async def beat(self, read_up_to: str) -> Beat:
        """One of `CLIENT_ERRORS`."""
        known, seconds, micros, alive, buried = await _BEAT(
            self._client,
            [ALIVE, NAMES, self.stream],
            self.node,
            int(self.expiry_s * 1000),
            read_up_to,
            KEPT_MS,
            self.name,
        )
        return Beat(
            bool(known),
            int(seconds) * 1_000_000 + int(micros),
            frozenset(node.decode() for node in alive),
            frozenset(node.decode() for node in buried),
        )

    async def leave(self) -> None:
        """One of `CLIENT_ERRORS`."""
        await _LEAVE(self._client, [ALIVE, NAMES, self.stream], self.node, self.name)
