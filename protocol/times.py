"""How instants look in text: ISO 8601, UTC, whole seconds, with `Z`."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

MAX_TIME_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def iso_time(at_ms: int) -> str:
    """`2025-01-08T10:00:00Z`. The fraction is cut off; messages are ordered by `seq`, not by time."""
    return _iso_second(at_ms // 1000)


def iso_time_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso_time(at_ms)


@lru_cache(maxsize=4096)
def _iso_second(second: int) -> str:
    # Messages of the same second share the string: 0.05 µs instead of 0.9 µs on the fan-out path.
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso_time(text: str) -> int:
    """Milliseconds since the Unix epoch; a time without an offset is UTC. ValueError, also outside the years
    1970 to 9999: what was parsed can be shown again."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        # Its text repeats the input.
        raise ValueError("must be an ISO 8601 time") from None
    at_ms = int(instant.replace(tzinfo=instant.tzinfo or UTC).timestamp() * 1000)
    if not 0 <= at_ms <= MAX_TIME_MS:
        raise ValueError("the time is out of range")
    return at_ms
