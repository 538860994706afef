"""What clients report to be kept and passed on: check-ins, alarms and the like (im's older list)."""

from typing import Final

from domain.errors import Forbidden, InvalidValue
from domain.model import Profile
from domain.ports import ClientEventStore, Clock
from domain.records import ClientEvent

MAX_TYPE_CHARS: Final = 64
MAX_DATA_BYTES: Final = 65_536
END_OF_TIME_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""


class ClientEvents:
    def __init__(self, *, store: ClientEventStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def report(
        self, reporter: Profile, event_type: str, data: str, occurred_at_ms: int | None = None
    ) -> ClientEvent:
        """`data` is JSON; what has no time of its own happened now. InvalidValue."""
        if not event_type.strip() or len(event_type) > MAX_TYPE_CHARS:
            raise InvalidValue("event_type", f"1 to {MAX_TYPE_CHARS} characters")
        if len(data.encode()) > MAX_DATA_BYTES:
            raise InvalidValue("data", f"at most {MAX_DATA_BYTES} bytes of JSON")
        now_ms = self._clock.now_ms()
        event = ClientEvent(
            id=0,
            user_id=reporter.id,
            event_type=event_type,
            data=data,
            occurred_at_ms=now_ms if occurred_at_ms is None else occurred_at_ms,
            created_at_ms=now_ms,
        )
        return await self._store.add(event)

    async def find(
        self,
        asker: Profile,
        *,
        user_id: int | None = None,
        event_type: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        offset: int,
        limit: int,
    ) -> tuple[list[ClientEvent], int]:
        """One's own; administrators see everybody's, or one user's. Both ends of the time are included and may be open;
        the latest first, and how many there are. Forbidden."""
        if not asker.is_admin:
            if user_id not in (None, asker.id):
                raise Forbidden("the events of others are for administrators")
            user_id = asker.id
        return await self._store.find(
            user_id=user_id,
            event_type=event_type,
            start_ms=start_ms or 0,
            end_ms=END_OF_TIME_MS if end_ms is None else end_ms,
            offset=offset,
            limit=limit,
        )
