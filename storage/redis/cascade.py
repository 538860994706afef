"""The stream from which other systems read messages and events: one Redis stream, fed by one process at a time."""

from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from domain.errors import Unavailable
from domain.records import LogEntry, StreamInfo
from storage.redis.connection import Client, RedisUrl, Script
from storage.redis.errors import CLIENT_ERRORS

STREAM: Final = "{feige:cascade}"
LEASE: Final = f"{STREAM}:feeder"

MAX_ENTRIES: Final = 200_000
"""About 100 MB. Who reads more slowly than that loses the oldest."""

_APPEND: Final = Script("""
for index = 2, #ARGV, 3 do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
    'id', ARGV[index], 'kind', ARGV[index + 1], 'body', ARGV[index + 2])
end
return #ARGV
""")

_LEAD: Final = Script("""
local leader = redis.call('GET', KEYS[1])
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")


class RedisEventStream:
    """Implements `domain.ports.EventStream`. `node` names this process among all."""

    def __init__(self, client: Client, url: RedisUrl, node: str, max_entries: int = MAX_ENTRIES) -> None:
        self._client = client
        self._url = url
        self._node = node
        self._max_entries = max_entries

    async def lead(self, for_s: float) -> bool:
        try:
            return bool(await _LEAD(self._client, [LEASE], self._node, int(for_s * 1000)))
        except CLIENT_ERRORS as error:
            raise Unavailable from error

    async def append(self, entries: Sequence[LogEntry]) -> None:
        fields = [field for entry in entries for field in (entry.id, entry.kind, entry.body)]
        try:
            await _APPEND(self._client, [STREAM], self._max_entries, *fields)
        except CLIENT_ERRORS as error:
            raise Unavailable from error

    async def info(self) -> StreamInfo:
        try:
            length = await self._client.execute_command("XLEN", STREAM)
            newest = await self._client.execute_command("XREVRANGE", STREAM, "+", "-", "COUNT", 1)
            groups = await self._groups()
        except CLIENT_ERRORS as error:
            raise Unavailable from error
        return StreamInfo(
            url=str(self._url),
            stream=STREAM,
            length=int(length),
            last_id=newest[0][0].decode() if newest else "0-0",
            groups=groups,
        )

    async def _groups(self) -> tuple[str, ...]:
        try:
            found: list[dict[str, Any]] = await self._client.execute_command("XINFO GROUPS", STREAM)
        except ResponseError:
            return ()  # no entry was ever appended, so there is no stream
        return tuple(sorted(group["name"].decode() for group in found))
