"""Short-lived codes that every process can check."""

from typing import Final

from domain.errors import Unavailable
from storage.redis.connection import Client, Script
from storage.redis.errors import CLIENT_ERRORS

_PUT: Final = Script("""
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'value', ARGV[1], 'tries', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")

_TAKE: Final = Script("""
local value = redis.call('HGET', KEYS[1], 'value')
if not value then return 0 end
if value == ARGV[1] then redis.call('DEL', KEYS[1]) return 1 end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) >= tonumber(ARGV[2]) then redis.call('DEL', KEYS[1]) end
return 0
""")


class RedisShortCodes:
    """Implements `domain.ports.ShortCodes`. Unavailable without Redis: a code that only one process knew would be wrong
    at the others, and tries that only one counted would be no limit."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        try:
            await _PUT(self._client, [f"feige:code:{key}"], value, max(1, int(ttl_s * 1000)))
        except CLIENT_ERRORS as error:
            raise Unavailable from error

    async def take(self, key: str, value: str, max_tries: int) -> bool:
        try:
            return bool(await _TAKE(self._client, [f"feige:code:{key}"], value, max_tries))
        except CLIENT_ERRORS as error:
            raise Unavailable from error
