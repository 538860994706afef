"""What the administrator's commands ask of a Redis: can it be used, is it set up well, what time is it there."""

import msgspec

from storage.redis.connection import RedisUrl, check, connect, info_field, one_node
from storage.redis.errors import CLIENT_ERRORS, RedisUnusable, reason


class RedisFacts(msgspec.Struct, frozen=True):
    """`policy`: what it does when its memory is full; an empty text where it does not tell."""

    version: str
    policy: str
    is_persistent: bool
    clock_ms: int


async def examine(url: str) -> RedisFacts:
    """RedisUnusable."""
    place = RedisUrl.parse(url)
    client = connect(place, max_connections=1)
    try:
        await check(client, place)
        info = {}
        for section in ("server", "memory", "persistence"):
            info[section] = await one_node(client, "INFO", section)
        seconds, micros = await one_node(client, "TIME")
    except CLIENT_ERRORS as error:
        raise RedisUnusable(f"Redis at {place} cannot be used: {reason(error)}") from error
    finally:
        await client.aclose()
    return RedisFacts(
        info_field(info["server"], "redis_version"),
        info_field(info["memory"], "maxmemory_policy"),
        info_field(info["persistence"], "aof_enabled") == "1",
        int(seconds) * 1000 + int(micros) // 1000,
    )
