"""What the domain asks of the record of what happened: resuming clients, logs, broadcasts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from domain.events import Event
from domain.model import Message
from domain.records import Broadcast, ClientEvent, LogEntry, StreamInfo


class BroadcastStore(Protocol):
    async def add(self, broadcast: Broadcast, event: Callable[[Broadcast], Event]) -> Broadcast:
        """Keeps it under an id of its own; `event(broadcast)` is kept for its recipients' resuming clients in the same
        transaction."""
        ...

    async def list_for(self, user_id: int, *, offset: int, limit: int) -> tuple[list[Broadcast], int]:
        """Those that were meant for the user: for everybody since the account exists, or for the user by name. Newest
        first, and how many there are. Of the targets only the user is named."""
        ...


class ClientEventStore(Protocol):
    async def add(self, event: ClientEvent) -> ClientEvent:
        """Keeps it under an id of its own."""
        ...

    async def find(
        self, *, user_id: int | None, event_type: str | None, start_ms: int, end_ms: int, offset: int, limit: int
    ) -> tuple[list[ClientEvent], int]:
        """With start_ms <= occurred_at_ms <= end_ms, the latest first, and how many there are."""
        ...


class EventLog(Protocol):
    """Everything that was committed, as the database has it: messages, events, receipts, and what clients reported. A
    position is an opaque string."""

    async def head(self) -> str:
        """The newest position. Rows that were numbered and not yet committed when this was called may be before it."""
        ...

    async def after(self, position: str, head: str, limit: int) -> tuple[list[LogEntry], str]:
        """What was committed between two positions, oldest first within each kind, at most `limit` of a kind, and the
        position that covers it: `head` once there is no more."""
        ...

    async def fed(self) -> str | None:
        """The position that was saved last."""
        ...

    async def save(self, position: str) -> None:
        """Durable when this returns."""
        ...


class EventStream(Protocol):
    """The stream from which other systems read messages and events."""

    async def lead(self, for_s: float) -> bool:
        """Whether this process is the one that feeds the stream, and stays it for so long: of all processes one is."""
        ...

    async def append(self, entries: Sequence[LogEntry]) -> None:
        """All of them, in this order, or none; the oldest of the stream go when it is too long."""
        ...

    async def info(self) -> StreamInfo: ...


class Missed(msgspec.Struct, frozen=True):
    """What a resuming client has not seen: messages (ascending seq within a conversation) and then other events,
    in order. A client that applies them twice is where it was. `position` covers them."""

    messages: Sequence[Message]
    events: Sequence[Event]
    position: str


EVERYBODY: Final = 0
"""The `conversation_id` of recorded events that are for all users."""


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event that is kept for resuming clients: of a conversation's members, of one user, or of everybody."""

    event: Event
    conversation_id: int | None
    only_for: int | None


class News(msgspec.Struct, frozen=True):
    """What was committed on the whole server: messages in the order of their ids, recorded events in their order, and
    read marks (a `ReceiptMarked` for each reader of a conversation). `position` covers them."""

    messages: Sequence[Message]
    events: Sequence[Recorded]
    position: str


class SyncStore(Protocol):
    """Resume. A position is an opaque string that names a moment of the store: all that was committed before it, by any
    process, and nothing that may still be committed or rolled back."""

    async def epoch(self) -> str:
        """Changes when the database is restored from a backup: positions of another epoch mean nothing."""
        ...

    async def position(self) -> str: ...

    async def missed(self, user_id: int, position: str, cursors: Mapping[int, int], limit: int) -> Missed | None:
        """What was committed after `position` in the user's conversations, without messages up to
        `cursors[conversation_id]` that the client has seen since. None if it cannot tell or if it is more than
        `limit` messages or events. The cost grows with the news, not with the number of conversations."""
        ...

    async def prune(self, before_ms: int, limit: int) -> int:
        """Forgets recorded events from before that time, the oldest first, at most `limit`; how many it were. The
        newest of all stays. Of a position that does not cover what was forgotten `missed` and `news` cannot tell."""
        ...

    async def news(self, position: str, limit: int) -> News | None:
        """All that was committed after `position`, in whatever conversation: for a node that lost its bus. None if it
        cannot tell or if it is more than `limit` messages, changes or read marks."""
        ...
