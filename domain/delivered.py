"""What this process has delivered: an event that comes over the bus and from the store is heard once."""

from collections.abc import Collection
from typing import Final

import msgspec

from domain.events import (
    Event,
    LocationUpdated,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageRecalled,
    MessageSent,
    PresenceChanged,
    ReceiptMarked,
    Typing,
)
from domain.model import Message
from domain.ports import Audience, EventHandler

MAX_REMEMBERED: Final = 40_000
"""Messages and changes that are remembered, twice; about 10 MB. More than what is ever read from the store at once."""

MAX_CHANGED: Final = 2_000
"""Changed messages whose state is remembered, twice; 40 MB if all are of the longest."""

FLEETING: Final = frozenset({Typing, PresenceChanged, LocationUpdated})
"""Never recorded."""


class _Recent:
    """A set that forgets what was added long ago."""

    __slots__ = ("_capacity", "_old", "_young")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, key: int) -> None:
        self._young.add(key)
        if len(self._young) > self._capacity:
            self._old, self._young = self._young, set()

    def __contains__(self, key: int) -> bool:
        return key in self._young or key in self._old


def _key(event: Event) -> int:
    """The same for a recorded event, whether it came over the bus or from the store."""
    if isinstance(event, ReceiptMarked):
        return hash((event.conversation_id, event.user_id, event.read_seq))
    return hash((type(event), event))


class _States:
    """The newest states of messages that were changed, edited or pinned or taken back, a moment ago. Events of several
    nodes cross: none may bring an older state back."""

    __slots__ = ("_capacity", "_old", "_young")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._young: dict[int, Message] = {}
        self._old: dict[int, Message] = {}

    def current(self, event: Event) -> Event | None:
        """The event with the newest state of its message; None if it tells nothing any more."""
        if isinstance(event, MessageDeleted) and not event.for_everyone:
            return event
        if not isinstance(event, (MessageSent, MessageEdited, MessageRecalled, MessageDeleted, MessagePinned)):
            return event
        message = event.message
        newest = self._young.get(message.id) or self._old.get(message.id)
        if newest is None or _age(message) >= _age(newest):
            if type(event) is not MessageSent or message.updated_at_ms > message.created_at_ms:
                self._young[message.id] = message
                if len(self._young) > self._capacity:
                    self._old, self._young = self._young, {}
            return event
        if newest.is_gone and isinstance(event, (MessageEdited, MessagePinned)):
            return None
        return msgspec.structs.replace(event, message=newest)


def _age(message: Message) -> tuple[bool, int]:
    return message.is_gone, message.updated_at_ms


class Delivered:
    """A handler of the bus before the hub. What comes twice goes on to nobody who has it. Messages are remembered with
    those who got them: another node may not have known of all who were here. What was told to nobody was not heard."""

    def __init__(self, deliver: EventHandler, max_remembered: int = MAX_REMEMBERED) -> None:
        self._deliver = deliver
        self._max_remembered = max_remembered
        self._young: dict[int, Collection[int]] = {}
        self._old: dict[int, Collection[int]] = {}
        self._heard = _Recent(max_remembered)
        self._due: set[int] = set()
        """Changes of the store that are on their way here; they may have to wait for messages before them."""
        self._caught = _Recent(max_remembered)
        self._states = _States(MAX_CHANGED)
        self.duplicates = 0

    def on_event(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        if type(event) is MessageSent:
            current = self._states.current(event)
            assert isinstance(current, MessageSent)
            self._message(current, audience, origin)
        elif type(event) in FLEETING:
            self._deliver(event, audience, origin)
        else:
            key = _key(event)
            if key in self._caught:
                self.duplicates += 1
                return
            if key in self._due:
                self._due.discard(key)
                self._caught.add(key)
            if audience.user_ids:
                self._heard.add(key)
            current = self._states.current(event)
            if current is not None:
                self._deliver(current, audience, origin)

    def _message(self, event: MessageSent, audience: Audience, origin: object | None) -> None:
        message_id = event.message.id
        before = self._young.get(message_id)
        if before is None:
            before = self._old.get(message_id)
        if before is None:
            self._remember(message_id, audience.user_ids)
            self._deliver(event, audience, origin)
            return
        rest = tuple(user_id for user_id in audience.user_ids if user_id not in before)
        if rest:
            self._remember(message_id, {*before, *rest})
            self._deliver(event, Audience(rest, audience.conversation_id, audience.without), origin)
        else:
            self.duplicates += 1

    def _remember(self, message_id: int, user_ids: Collection[int]) -> None:
        self._young[message_id] = user_ids
        if len(self._young) > self._max_remembered:
            self._old, self._young = self._young, {}

    def has_heard(self, change: Event) -> bool:
        key = _key(change)
        return key in self._heard or key in self._caught or key in self._due

    def catches(self, change: Event) -> None:
        """It was read from the store and comes next: over the bus it comes too late."""
        self._due.add(_key(change))
