"""One order of each conversation on every node, although several nodes commit to it and their events cross."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from itertools import takewhile
from typing import Any, Final, Protocol

from domain.errors import DomainError
from domain.events import Event, MessageSent
from domain.model import Message
from domain.ports import Audience, EventHandler, MessageStore, Scheduler, Timer

HOLD_S: Final = 0.25
"""So long a message waits for those before it, which another node has committed and not yet told of."""

RECENT_MS: Final = 10_000
"""In a conversation that nothing was heard of yet, what is older is not on its way any more."""

EARLY_MS: Final = 5_000
"""Messages that were sent up to so long before a user came to this node may have been committed afterwards."""

NOBODY: Final = 0
"""A reader who has hidden no message."""

PAGE: Final = 200
MAX_HOLE: Final = 5_000
"""A node that was stopped may have missed so many of one conversation. Of more, the last."""

LOOKS: Final = 6
"""While the store cannot be read, messages wait for it, twice as long each time: 16 s in all."""

MAX_KNOWN: Final = 50_000
"""Conversations whose last seq is remembered, twice; about 10 MB."""

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class LateMessages(Protocol):
    """Turns messages that were read from the store into events for the users who are on this node."""

    async def events(self, messages: Sequence[Message]) -> list[tuple[MessageSent, Audience]]: ...


class _Held:
    """What waits in one conversation, in the order in which it came."""

    __slots__ = ("events", "first_seq", "is_known", "is_overdue", "last", "missing", "timer")

    def __init__(self, first_seq: int, last: int | None) -> None:
        self.first_seq = first_seq
        """Of the message that began it; the store was asked for what is before it."""
        self.last = last
        """The seq up to which all was delivered; None while nobody knows."""
        self.events: list[tuple[Event, Audience, object | None]] = []
        self.missing: list[tuple[MessageSent, Audience]] = []
        """What the store has of the hole for those who are here, by seq."""
        self.is_known = False
        """The store was asked."""
        self.is_overdue = False
        self.timer: Timer | None = None


class Sequencer:
    """A handler of the bus before the hub. A message whose predecessor has not come waits for it, and what follows in
    the conversation waits behind it; what does not come is read from the store.

    A predecessor may be missing for good reason: nobody on this node was there to hear it. So only what was sent after
    the first of the present listeners came is waited for."""

    def __init__(
        self,
        deliver: EventHandler,
        *,
        store: MessageStore,
        late: LateMessages,
        here_since_ms: Callable[[Collection[int]], int | None],
        scheduler: Scheduler,
        spawn: Spawn,
        hold_s: float = HOLD_S,
        max_known: int = MAX_KNOWN,
    ) -> None:
        self._deliver = deliver
        self._store = store
        self._late = late
        self._here_since_ms = here_since_ms
        self._scheduler = scheduler
        self._spawn = spawn
        self._hold_s = hold_s
        self._max_known = max_known
        self._last: dict[int, int] = {}
        self._last_before: dict[int, int] = {}
        """Those that were not heard of since the former generation."""
        self._held: dict[int, _Held] = {}
        self.waited = 0
        """Messages that were held back."""
        self.filled = 0
        """Messages that were read from the store."""

    def on_event(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        conversation_id = audience.conversation_id
        held = self._held.get(conversation_id) if self._held and conversation_id is not None else None
        if held is not None and conversation_id is not None:
            self._hold(held, event, audience, origin)
            self._drain(conversation_id, held)
        elif type(event) is MessageSent and conversation_id is not None:
            seq = event.message.seq
            last = self._last.get(conversation_id)
            if last is None:
                last = self._last_before.get(conversation_id)
            if seq == 1 or (last is not None and seq <= last + 1) or not self._is_awaited(event, audience):
                # At most what another node told late, which was read from the store meanwhile.
                if last is None or seq > last:
                    self._remember(conversation_id, seq)
                self._deliver(event, audience, origin)
            else:
                self._begin(conversation_id, last, event, audience, origin)
        else:
            self._deliver(event, audience, origin)

    def _is_awaited(self, event: MessageSent, audience: Audience) -> bool:
        return self._here_since_ms(audience.user_ids) is not None

    def _remember(self, conversation_id: int, seq: int) -> None:
        self._last[conversation_id] = seq
        if len(self._last) > self._max_known:
            self._last_before, self._last = self._last, {}

    # Holding

    def _begin(
        self, conversation_id: int, last: int | None, event: MessageSent, audience: Audience, origin: object | None
    ) -> None:
        held = self._held[conversation_id] = _Held(event.message.seq, last)
        self._hold(held, event, audience, origin)
        held.timer = self._scheduler.call_later(self._hold_s, self._overdue, conversation_id, held)
        self._spawn(self._look(conversation_id, held, event.message, audience))

    def _hold(self, held: _Held, event: Event, audience: Audience, origin: object | None) -> None:
        # The members of now: an audience may be a view of those who are.
        members = Audience(tuple(audience.user_ids), audience.conversation_id, audience.without)
        held.events.append((event, members, origin))
        self.waited += type(event) is MessageSent

    async def _look(
        self, conversation_id: int, held: _Held, first: Message, audience: Audience, looks: int = 1
    ) -> None:
        """Finds out whether there is anything to wait for."""
        is_away = False
        try:
            held.missing = await self._missing(held, first, audience)
        except DomainError:
            is_away = True
        finally:
            if self._held.get(conversation_id) is held:
                if is_away and looks < LOOKS:
                    # Going on without would bring what is missing after what follows it.
                    again = (conversation_id, held, first, audience, looks + 1)
                    self._scheduler.call_later(self._hold_s * 2**looks, self._look_again, *again)
                else:
                    self._looked(conversation_id, held)

    def _look_again(self, *arguments: Any) -> None:
        self._spawn(self._look(*arguments))

    def _looked(self, conversation_id: int, held: _Held) -> None:
        held.is_known = True
        if held.last is None or held.last < held.first_seq:
            seqs = {event.message.seq for event, _, _ in held.events if isinstance(event, MessageSent)}
            seqs.update(event.message.seq for event, _ in held.missing)
            held.last = max(held.last or 0, min(seqs, default=held.first_seq) - 1)
        if held.is_overdue:
            self._give_up(conversation_id, held)
        else:
            self._drain(conversation_id, held)

    async def _missing(self, held: _Held, first: Message, audience: Audience) -> list[tuple[MessageSent, Audience]]:
        """The messages right before `first` that those who are here have not heard and should have."""
        since_ms = self._here_since_ms(audience.user_ids)
        if since_ms is None:
            return []
        last = held.last or 0
        oldest_ms = since_ms - EARLY_MS
        if held.last is None:
            oldest_ms = max(oldest_ms, first.created_at_ms - RECENT_MS)
        missing: list[tuple[MessageSent, Audience]] = []
        before_seq, has_more = first.seq, True
        while has_more and len(missing) < MAX_HOLE:
            page, has_more = await self._store.history(
                NOBODY, first.conversation_id, after_seq=last, before_seq=before_seq, limit=PAGE, newest=True
            )
            recent = list(takewhile(lambda message: message.created_at_ms >= oldest_ms, reversed(page)))
            recent.reverse()
            found = await self._late.events(recent) if recent else []
            missing[:0] = found
            if len(found) < len(page):
                break
            before_seq = found[0][0].message.seq if found else 0
        return missing

    def _drain(self, conversation_id: int, held: _Held) -> None:
        """Delivers what has its turn, and ends the holding when nothing is left."""
        self._deliver_ready(held)
        if not held.events:
            self._end(conversation_id, held)

    def _deliver_ready(self, held: _Held) -> None:
        events = held.events
        place = 0
        while held.last is not None and place < len(events):
            event, audience, origin = events[place]
            if isinstance(event, MessageSent):
                is_ready = event.message.seq <= held.last + 1
                held.last = max(held.last, event.message.seq) if is_ready else held.last
            else:
                is_ready = place == 0
            if is_ready:
                del events[place]
                self._deliver(event, audience, origin)
                place = 0
            else:
                place += 1

    def _overdue(self, conversation_id: int, held: _Held) -> None:
        held.is_overdue = True
        if held.is_known:
            self._give_up(conversation_id, held)

    def _give_up(self, conversation_id: int, held: _Held) -> None:
        """What has not come is taken from the store."""
        waiting = {event.message.seq for event, _, _ in held.events if isinstance(event, MessageSent)}
        for late, audience in held.missing:
            seq = late.message.seq
            if held.last is not None and seq > held.last and seq not in waiting:
                held.last = seq
                self.filled += 1
                self._deliver(late, audience, None)
                self._deliver_ready(held)
        held.last = max(held.last or 0, held.first_seq - 1)
        self._deliver_ready(held)
        self._end(conversation_id, held)

    def _end(self, conversation_id: int, held: _Held) -> None:
        del self._held[conversation_id]
        if held.timer is not None:
            held.timer.cancel()
        if held.last is not None:
            self._remember(conversation_id, held.last)
        # Behind another hole: it has its own time.
        for event, audience, origin in held.events:
            self.on_event(event, audience, origin)
