"""Who may speak and who listens: the memberships that the send path needs, cached and kept fresh by events."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

import msgspec

from domain.answer import answer
from domain.errors import Blocked, ConversationNotFound, DomainError, Muted, NotAMember, Unavailable
from domain.events import (
    ContactChanged,
    ConversationDeleted,
    ConversationUpdated,
    Event,
    MemberRemoved,
    MembersAdded,
    MemberUpdated,
    RoleChanged,
)
from domain.model import Conversation, ConversationKind, Role
from domain.ports import Audience, ConversationStore, RosterData

MAX_CACHED_SEATS: Final = 1_000_000
"""About 150 MB when full; the least recently used rosters are dropped first."""

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Runs a coroutine in the background, keeps it alive and reports its failure."""

Waiter = Callable[["Roster | DomainError"], object]


class Seat(msgspec.Struct, frozen=True, gc=False):
    """What the send path knows of one member."""

    role: Role
    muted_until_ms: int | None = None
    visible_after_seq: int = 0


class Roster:
    """The active members of one conversation."""

    __slots__ = ("are_friends", "audience", "blockers", "conversation", "seats")

    def __init__(self, data: RosterData) -> None:
        self.conversation: Conversation = data.conversation
        self.blockers = data.blockers
        self.are_friends = data.are_friends
        self.seats = {row.user_id: Seat(row.role, row.muted_until_ms, row.visible_after_seq) for row in data.rows}
        self.audience = Audience(self.seats.keys(), data.conversation.id)

    def seat(self, user_id: int) -> Seat:
        """NotAMember."""
        seat = self.seats.get(user_id)
        if seat is None:
            raise NotAMember
        return seat

    def speaking_seat(self, user_id: int, now_ms: int) -> Seat:
        """The seat of somebody who may send. NotAMember, Muted, Blocked."""
        seat = self.seats.get(user_id)
        if seat is None:
            raise NotAMember
        if seat.muted_until_ms is not None and seat.muted_until_ms > now_ms:
            raise Muted
        if self.blockers and any(blocker != user_id for blocker in self.blockers):
            raise Blocked
        return seat

    def other(self, user_id: int) -> int | None:
        """Who is on the other side of a single conversation."""
        if self.is_group:
            return None
        return next((each for each in self.seats if each != user_id), None)

    @property
    def is_group(self) -> bool:
        return self.conversation.kind is ConversationKind.GROUP


class Rosters:
    """The cache. `on_event` must be subscribed to the bus before anything is loaded, and must run before the hub
    delivers.

    A roster that changes while it is being loaded is loaded again. Those who wait for one roster are called in the
    order in which they came, so messages keep the order in which they arrived.
    """

    def __init__(
        self, store: ConversationStore, spawn: Spawn, max_seats: int = MAX_CACHED_SEATS, *, is_shared: bool = False
    ) -> None:
        """`is_shared`: other processes change the same conversations. Two changes may then come in another order than
        they were committed in, so a roster that changed is loaded again."""
        self._is_shared = is_shared
        self._store = store
        self._spawn = spawn
        self._max_seats = max_seats
        self._seats = 0
        self._cached: OrderedDict[int, Roster] = OrderedDict()
        self._waiting: dict[int, list[Waiter]] = {}
        self._outdated: set[int] = set()

    def peek(self, conversation_id: int) -> Roster | None:
        """The roster if it is at hand."""
        roster = self._cached.get(conversation_id)
        if roster is not None:
            self._cached.move_to_end(conversation_id)
        return roster

    def when_loaded(self, conversation_id: int, waiter: Waiter) -> None:
        """Calls `waiter` with the roster or the reason why there is none: at once, or after loading it."""
        roster = self.peek(conversation_id)
        if roster is not None:
            waiter(roster)
            return
        waiting = self._waiting.get(conversation_id)
        if waiting is not None:
            waiting.append(waiter)
            return
        self._waiting[conversation_id] = [waiter]
        self._spawn(self._load(conversation_id))

    async def get(self, conversation_id: int) -> Roster:
        """ConversationNotFound."""
        roster = self.peek(conversation_id)
        if roster is not None:
            return roster
        return await answer(lambda done: self.when_loaded(conversation_id, done))

    async def _load(self, conversation_id: int) -> None:
        outcome: Roster | DomainError = Unavailable()
        try:
            while True:
                self._outdated.discard(conversation_id)
                data = await self._store.roster(conversation_id)
                if conversation_id not in self._outdated:
                    break
            outcome = ConversationNotFound() if data is None else self._keep(Roster(data))
        except DomainError as error:
            outcome = error
        finally:
            # Also after a failure that nobody expected: otherwise the conversation would wait for good.
            self._outdated.discard(conversation_id)
            for waiter in self._waiting.pop(conversation_id):
                waiter(outcome)

    def _keep(self, roster: Roster) -> Roster:
        self._cached[roster.conversation.id] = roster
        self._seats += len(roster.seats)
        while self._seats > self._max_seats and len(self._cached) > 1:
            _, dropped = self._cached.popitem(last=False)
            self._seats -= len(dropped.seats)
        return roster

    def _drop(self, conversation_id: int) -> None:
        dropped = self._cached.pop(conversation_id, None)
        if dropped is not None:
            self._seats -= len(dropped.seats)

    def forget(self, conversation_ids: Collection[int] | None = None) -> None:
        """Loads these rosters, or all, when they are needed again."""
        for conversation_id in list(self._cached if conversation_ids is None else conversation_ids):
            self._drop(conversation_id)
        loading = self._waiting.keys()
        self._outdated |= loading if conversation_ids is None else loading & set(conversation_ids)

    def on_event(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        """Applies what an event says of a membership."""
        change = _CHANGES.get(type(event))
        if change is None:
            return
        conversation_id = audience.conversation_id
        if conversation_id is None:
            return
        if conversation_id in self._waiting:
            self._outdated.add(conversation_id)
        roster = self._cached.get(conversation_id)
        if roster is not None:
            before = len(roster.seats)
            if not self._is_shared and change(roster, event):
                self._seats += len(roster.seats) - before
            else:
                self._drop(conversation_id)


def _updated(roster: Roster, event: ConversationUpdated) -> bool:
    roster.conversation = event.conversation
    return True


def _removed(roster: Roster, event: MemberRemoved) -> bool:
    roster.seats.pop(event.user_id, None)
    return True


def _role(roster: Roster, event: RoleChanged) -> bool:
    seat = roster.seats.get(event.user_id)
    if seat is not None:
        roster.seats[event.user_id] = msgspec.structs.replace(seat, role=event.new_role)
    return True


def _member(roster: Roster, event: MemberUpdated) -> bool:
    seat = roster.seats.get(event.user_id)
    if seat is not None:
        roster.seats[event.user_id] = msgspec.structs.replace(seat, muted_until_ms=event.muted_until_ms)
    return True


def _reload(roster: Roster, event: Event) -> bool:
    return False


_CHANGES: dict[type[Event], Callable[[Roster, Any], bool]] = {
    ConversationUpdated: _updated,
    ConversationDeleted: _reload,
    MembersAdded: _reload,
    MemberRemoved: _removed,
    RoleChanged: _role,
    MemberUpdated: _member,
    ContactChanged: _reload,
}
"""How an event changes a roster; False: load it again."""

ROSTER_EVENTS: Final = frozenset(_CHANGES)
