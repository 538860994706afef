"""Rate limits that all processes share: the generic cell rate algorithm as one script, by the clock of Redis."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from domain.ports import RateLimiter
from storage.redis.connection import Client, Script
from storage.redis.errors import CLIENT_ERRORS

ANSWER_TIMEOUT_S: Final = 0.25
"""A login does not wait longer for its limit."""

PAUSE_S: Final = 1.0
"""So long Redis is not asked after it failed: each request would wait for the timeout again."""

# A key has the microsecond at which all its hits will have been paid off, as in storage/inprocess/limits.py.
_HIT: Final = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local paid_off_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = paid_off_at + interval * math.max(cost, 1) - now - window
if wait > math.max(1, interval * 1e-6) then return string.format('%.0f', wait) end
if cost > 0 then
  paid_off_at = paid_off_at + interval * cost
  local remaining = math.ceil((paid_off_at - now) / 1000)
  redis.call('SET', KEYS[1], string.format('%.0f', paid_off_at), 'PX', math.max(remaining, 1))
end
return '0'
""")

_REFUND: Final = Script("""
local paid_off_at = redis.call('GET', KEYS[1])
if paid_off_at then
  redis.call('SET', KEYS[1], string.format('%.0f', tonumber(paid_off_at) - tonumber(ARGV[1])), 'KEEPTTL')
end
return 1
""")


class RedisRateLimiter:
    """Implements `domain.ports.RateLimiter`. While Redis is away each process counts for itself in `fallback`: guessing
    passwords never becomes free, and nobody is locked out."""

    def __init__(self, client: Client, fallback: RateLimiter, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._fallback = fallback
        self._clock = clock
        self._away_until = 0.0

    async def hit(self, key: str, limit: int, window_s: float, cost: int = 1) -> float:
        if limit <= 0:
            return 0.0
        window_us = window_s * 1e6
        wait_us = await self._ask(_HIT, key, window_us / limit, window_us, cost)
        if wait_us is None:
            return await self._fallback.hit(key, limit, window_s, cost)
        return float(wait_us) / 1e6

    async def refund(self, key: str, limit: int, window_s: float) -> None:
        if limit > 0 and await self._ask(_REFUND, key, window_s * 1e6 / limit) is None:
            await self._fallback.refund(key, limit, window_s)

    async def _ask(self, script: Script, key: str, *arguments: float) -> Any:
        """The answer of Redis; None without one."""
        if self._clock() < self._away_until:
            return None
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await script(self._client, [f"feige:limit:{key}"], *arguments)
        except CLIENT_ERRORS:
            self._away_until = self._clock() + PAUSE_S
            return None
