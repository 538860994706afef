"""Sends that are not acknowledged yet: their order, how many are on the wire, and when to try again."""

import asyncio
import random
from heapq import heappop, heappush
from typing import Final

from client.errors import RequestRefused
from protocol.native.packets import AckPacket, ErrorPacket

WINDOW: Final = 64
"""Sends on the wire at once. Far below what a server takes for contempt of its rate limit (1000 refusals in a row)."""

FIRST_DELAY_S: Final = 0.05
LONGEST_DELAY_S: Final = 5.0
MAX_FAILURES: Final = 5
"""Times that the server may fail (`internal_error`) over one message, which holds up those behind it."""


class Pending:
    """A send that waits for its acknowledgement."""

    __slots__ = ("answer", "client_msg_id", "failures", "frame", "request_id", "waiters")

    def __init__(self, request_id: int, client_msg_id: str, frame: bytes) -> None:
        self.request_id = request_id
        self.client_msg_id = client_msg_id
        self.frame = frame
        self.answer: asyncio.Future[AckPacket] = asyncio.get_running_loop().create_future()
        self.waiters = 0
        self.failures = 0


class Outbox:
    """Request ids grow with the order of the calls; what must be sent again takes its old place.

    After a temporary refusal the window shrinks to one send and grows with each acknowledgement, so a rate limit
    is found without flooding the server. Only what was on the wire beside a refused send may overtake it.
    """

    def __init__(self) -> None:
        self._pending: dict[int, Pending] = {}
        self._by_key: dict[str, Pending] = {}
        self._unsent: list[int] = []
        self._on_wire: set[int] = set()
        self._window = WINDOW
        self._delay_s = FIRST_DELAY_S
        self.resume_at: float | None = None
        """Loop time before which nothing is sent."""

    def __len__(self) -> int:
        return len(self._pending)

    def find(self, client_msg_id: str) -> Pending | None:
        return self._by_key.get(client_msg_id)

    def add(self, pending: Pending) -> None:
        self._pending[pending.request_id] = self._by_key[pending.client_msg_id] = pending
        heappush(self._unsent, pending.request_id)

    def drop(self, pending: Pending) -> None:
        """Nobody waits for it any more: it is not sent again."""
        if self._pending.pop(pending.request_id, None) is not None:
            del self._by_key[pending.client_msg_id]
        if not self._pending:
            self._unsent.clear()

    def next(self, now: float) -> bytes | None:
        """The frame to send now. None: wait for news, or until `resume_at`."""
        if self.resume_at is not None:
            if now < self.resume_at:
                return None
            self.resume_at = None
        if len(self._on_wire) >= self._window:
            return None
        while self._unsent:
            pending = self._pending.get(heappop(self._unsent))
            if pending is not None:
                self._on_wire.add(pending.request_id)
                return pending.frame
        return None

    def reconnected(self) -> None:
        """Nothing is on the wire: all that waits goes out again. What had arrived is answered as a duplicate."""
        self._on_wire.clear()
        self._unsent = sorted(self._pending)
        self._window = WINDOW
        self._delay_s = FIRST_DELAY_S
        self.resume_at = None

    def acked(self, ack: AckPacket) -> bool:
        """False if it answers no send of ours."""
        if not self._answered(ack.id):
            return False
        self._window = min(self._window + 1, WINDOW)
        self._delay_s = FIRST_DELAY_S
        pending = self._pending.get(ack.id or 0)
        if pending is not None:
            self.drop(pending)
            pending.answer.set_result(ack)
        return True

    def refused(self, error: ErrorPacket, now: float) -> bool:
        """False if it answers no send of ours."""
        if not self._answered(error.id):
            return False
        pending = self._pending.get(error.id or 0)
        if error.temporary:
            self._back_off(error.retry_after_ms / 1000, now)
        if pending is None:
            return True
        pending.failures += error.code == "internal_error"
        if error.temporary and pending.failures < MAX_FAILURES:
            heappush(self._unsent, pending.request_id)
        else:
            self.drop(pending)
            pending.answer.set_exception(RequestRefused(error.code, error.text, error.temporary, error.retry_after_ms))
        return True

    def fail(self, reason: Exception) -> None:
        """No acknowledgement will come."""
        for pending in self._pending.values():
            pending.answer.set_exception(reason)
            pending.answer.exception()  # Those who wait get it; if nobody does, it is told by the events.
        self._pending.clear()
        self._by_key.clear()
        self._unsent.clear()

    def _answered(self, request_id: int | None) -> bool:
        if request_id not in self._on_wire:
            return False
        self._on_wire.discard(request_id)
        return True

    def _back_off(self, asked_s: float, now: float) -> None:
        self._window = 1
        if self.resume_at is None:
            asked_s = max(asked_s, self._delay_s * random.uniform(0.5, 1))
            self._delay_s = min(self._delay_s * 2, LONGEST_DELAY_S)
        self.resume_at = max(self.resume_at or 0.0, now + asked_s)
