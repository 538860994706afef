"""What the domain asks of what lives while processes do: bus, presence, limits, codes, clocks."""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import msgspec

from domain.events import Event


class Audience(msgspec.Struct, frozen=True, gc=False):
    """Whom an event is for: these users, but not `without` (somebody who need not hear of their own doing).
    `conversation_id` lets a bus send one id instead of a list of members between processes."""

    user_ids: Collection[int]
    conversation_id: int | None = None
    without: int | None = None


EventHandler = Callable[[Event, Audience, object | None], None]


MissedListener = Callable[[str | None, float], None]
"""`(since, for_s)`: events of other processes may not have arrived, those after the position `since` of the store
(None: the last that this process knows to be complete), and more may go missing in the next `for_s` seconds."""


class Publisher(Protocol):
    """The side of a bus that use cases see."""

    def publish(self, event: Event, audience: Audience, origin: object | None = None) -> None: ...


class Bus(Protocol):
    """Carries events to every process: those that change what a process remembers to all, those for sessions only to
    the ones that have sessions of the audience, there with the part of the audience that is there.

    Order: events published by one process are handled everywhere in the order of publishing. Delivery: once, while the
    processes and the way between them live; what may not have arrived is told to those who asked with `when_missed`,
    and then events may also come twice. Handlers of this process run before `publish` returns, which never waits.
    `origin` is a token of this process (the session that caused the event), None elsewhere.
    """

    @property
    def trouble(self) -> str | None:
        """Why events do not cross between processes now, in a sentence; None while they do."""
        ...

    @property
    def hears_all(self) -> bool:
        """All other processes know which users are here. While one does not, part of what it publishes does not come:
        the store has it."""
        ...

    def publish(self, event: Event, audience: Audience, origin: object | None = None) -> None: ...

    def publish_here(self, event: Event, audience: Audience) -> None:
        """Runs the handlers of this process alone."""
        ...

    def when_missed(self, listener: MissedListener) -> None: ...

    def complete_up_to(self, position: str) -> None:
        """All that was committed before this position of the store has been published or heard here. After trouble the
        other processes are told the last one, for events of this process may not have reached them."""
        ...

    async def settled(self) -> None:
        """Returns when every process has handled what was published here and changes what processes remember; it does
        not wait long for one that does not answer. So whoever was told that somebody is logged out, or no member any
        more, finds it so everywhere."""
        ...

    def subscribe(self, handler: EventHandler) -> None: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def healthy(self) -> str | None:
        """None, or the sentence that says what is wrong; found out with a round trip."""
        ...


class PresenceDirectory(Protocol):
    """Which users have sessions, on all nodes. Reads are local and cost no round trip."""

    async def arriving(self, user_id: int) -> None:
        """A session of the user is about to be opened on this node. When this returns, the user's events come here:
        what is committed later cannot be missed, what was committed before can be read."""
        ...

    def connected(self, user_id: int) -> bool:
        """A session of the user was opened on this node. True if it is the user's first anywhere, and no other node
        still waits for the user to come back."""
        ...

    def disconnected(self, user_id: int) -> bool:
        """A session was closed on this node. True if it was the user's last anywhere: then this node is the one to tell
        of it, sooner or later, and calls `left` when it has."""
        ...

    def left(self, user_id: int) -> None:
        """The user has not come back to this node."""
        ...

    def when_lost(self, listener: Callable[[Collection[int]], None]) -> None:
        """`listener` gets users whose last session ended with a node that died. Of all nodes one is told, and it is the
        one to tell of it, as after `disconnected`."""
        ...

    def is_online(self, user_id: int) -> bool: ...

    def online(self) -> Iterable[int]: ...

    @property
    def session_count(self) -> int: ...


class RateLimiter(Protocol):
    async def hit(self, key: str, limit: int, window_s: float, cost: int = 1) -> float:
        """Counts `cost` against `key`. 0 if within `limit` per window, else the seconds to wait. A limit of 0 is
        off. A call with cost 0 only asks. A refused hit does not count."""
        ...

    async def refund(self, key: str, limit: int, window_s: float) -> None:
        """Takes back one hit that turned out not to count."""
        ...


class ShortCodes(Protocol):
    """Codes that are valid for minutes and work once, such as those that are sent to a phone."""

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        """Replaces an earlier code of the key, and forgets the tries that it had."""
        ...

    async def take(self, key: str, value: str, max_tries: int) -> bool:
        """True for the right value, once: of two concurrent calls one succeeds, and then the code is gone. It is gone
        as well after `max_tries` wrong ones, whoever tried."""
        ...


class CodeSender(Protocol):
    """Brings a login code to a phone."""

    async def send(self, phone: str, code: str, valid_s: int) -> None:
        """Unavailable if it cannot be sent now."""
        ...


class Timer(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    def call_later(self, delay_s: float, callback: Callable[..., object], *args: object) -> Timer: ...


class Clock(Protocol):
    def now_ms(self) -> int: ...
