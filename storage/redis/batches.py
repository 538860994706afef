"""What travels in one stream entry: the events of a tick for one node, and what nodes tell each other of themselves."""

import secrets
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Final

import msgspec

from domain.events import (
    BroadcastSent,
    CallSignalled,
    Event,
    FriendRequestAnswered,
    FriendRequested,
    GroupNoted,
    LocationUpdated,
    LoginRevoked,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageRecalled,
    MessageSent,
    NotificationArrived,
    PresenceChanged,
    ProfileChanged,
    ReceiptMarked,
    Typing,
    UserDeactivated,
)
from domain.ports import Audience

ROUTED: Final[frozenset[type[Event]]] = frozenset(
    {
        BroadcastSent,
        CallSignalled,
        FriendRequestAnswered,
        FriendRequested,
        GroupNoted,
        LocationUpdated,
        MessageDeleted,
        MessageEdited,
        MessagePinned,
        MessageRecalled,
        MessageSent,
        NotificationArrived,
        ReceiptMarked,
        Typing,
    }
)
"""Events that only sessions want: they go where their audience is. All others change what nodes remember (rosters,
profiles, revoked logins, who watches whom), and go to all nodes."""

UNRECORDED: Final[frozenset[type[Event]]] = frozenset(
    {CallSignalled, LocationUpdated, LoginRevoked, PresenceChanged, ProfileChanged, Typing, UserDeactivated}
)
"""Events that are not kept for resuming clients: who does not hear them now never will. All others can be read from
the store."""

MAX_BATCH_EVENTS: Final = 500
"""One entry is handled in one go: about 5 ms."""

MAX_WAITING_BYTES: Final = 4 * 2**20
"""Per node, while Redis does not take them. Then they are dropped, and the node catches up from the database."""

Place = tuple[list[int], int | None, int | None]
"""An audience: its users on that node, `conversation_id`, `without`."""


class Batch(msgspec.Struct, array_like=True, gc=False):
    """One entry. `counter` counts the entries of a publisher for one node, so a lost one shows. It begins with 1 when
    the publisher gets to know the node: a `relation`, whose first entry is a snapshot."""

    publisher: str
    relation: int
    counter: int
    sent_at_us: int
    """When the first of its events was published, by the clock of Redis as the publisher knows it."""
    acknowledged: tuple[int, int]
    """Relation and counter up to which the publisher has handled the reader's entries."""
    routed_with: tuple[int, int]
    """The same when the first of the events was routed."""
    places: list[Place]
    at: list[int]
    """The place of each event."""
    events: list[reduce(or_, Event.__subclasses__())]  # type: ignore[valid-type]
    users: dict[int, int]
    """What changed among the publisher's users: see storage/redis/presence.py."""
    is_snapshot: bool
    """`users` are all it has."""
    wants_snapshot: bool
    """The publisher does not know all users of the reader, until it has handled their next snapshot."""
    catch_up_since: str | None
    """Events of the publisher since this position of the store may not have arrived."""
    is_leaving: bool
    """The publisher stops: this is its last entry."""
    canary: int


class _Outgoing(msgspec.Struct, array_like=True, gc=False):
    """A `Batch` whose events are encoded."""

    publisher: str
    relation: int
    counter: int
    sent_at_us: int
    acknowledged: tuple[int, int]
    routed_with: tuple[int, int]
    places: list[Place]
    at: list[int]
    events: list[msgspec.Raw]
    users: dict[int, int]
    is_snapshot: bool = False
    wants_snapshot: bool = False
    catch_up_since: str | None = None
    is_leaving: bool = False
    canary: int = 0


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Batch)


def encode_event(event: Event) -> bytes:
    return _encoder.encode(event)


def encode_canary(publisher: str, number: int) -> bytes:
    """An entry for the publisher's own stream."""
    return _encoder.encode(_Outgoing(publisher, 0, 0, 0, (0, 0), (0, 0), [], [], [], {}, canary=number))


def decode_batch(data: bytes) -> Batch:
    """ValueError for what another version of this program has written."""
    return _decoder.decode(data)


class Peer:
    """Another node: what waits to be sent to it, and how far each has heard the other.

    It routes by what it knows of our users. While it may not know all of them (`is_sure` is False), events may be
    missing from its entries, or name too few users: the store has them."""

    __slots__ = (
        "_at",
        "_events",
        "_index",
        "_places",
        "_routed_with",
        "_since_us",
        "_size",
        "_sure_from",
        "ack_due",
        "acknowledged",
        "catch_up_since",
        "changed",
        "counter",
        "heard",
        "is_idle",
        "is_leaving",
        "is_sure",
        "lacks_users",
        "name",
        "relation",
        "snapshot_due",
        "their_relation",
        "told_all",
        "unsent",
    )

    def __init__(self, name: str, catch_up_since: str = "") -> None:
        self.name = name
        self.relation = secrets.randbits(32)
        self.counter = 0
        """Of the last entry that was made for it."""
        self.their_relation = 0
        self.heard = 0
        """The counter of its last entry that was handled here."""
        self.acknowledged = 0
        """The counter of ours up to which it has handled all."""
        self.told_all = 0
        """The counter of the newest entry with an event for all nodes."""
        self.unsent: bytes | None = None
        """An entry that Redis has not taken yet, or not confirmed."""
        self.changed: dict[int, None] = {}
        """Users of this node of whom it is to be told."""
        self.snapshot_due = True
        self.is_sure = False
        """It knows all users of this node."""
        self._sure_from = 1
        """It does when it has handled this entry of ours."""
        self.lacks_users = True
        """Not all that it told of its users has come, until its next snapshot."""
        self.ack_due = False
        self.is_leaving = False
        self.is_idle = True
        """Nothing was sent to it since the last heartbeat."""
        self.catch_up_since = catch_up_since
        """It is told so with each snapshot until it has handled one."""
        self._clear()

    def _clear(self) -> None:
        self._events: list[msgspec.Raw] = []
        self._at: list[int] = []
        self._places: list[Place] = []
        self._index: dict[int, int] = {}
        self._size = 0
        self._since_us = 0
        self._routed_with = (0, 0)

    def add(self, event: bytes, user_ids: list[int], audience: Audience, now_us: int) -> int:
        """Queues an event for the users there. `user_ids` is the same list while the audience is the same. Returns how
        many events had to be dropped."""
        if not self._events:
            self._since_us = now_us
            self._routed_with = (self.their_relation, self.heard)
        place = self._index.get(id(user_ids))
        if place is None:
            place = self._index[id(user_ids)] = len(self._places)
            self._places.append((user_ids, audience.conversation_id, audience.without))
        self._events.append(msgspec.Raw(event))
        self._at.append(place)
        self._size += len(event)
        if self._size <= MAX_WAITING_BYTES:
            return 0
        dropped = len(self._events)
        self._clear()
        self.counter += 1
        return dropped

    def hear(self, batch: Batch) -> bool | None:
        """Notes an entry of this node. True if it is the next one, False if one is missing, None if it came before."""
        relation, counter = batch.acknowledged
        handled = counter if relation == self.relation else 0
        if not batch.wants_snapshot:
            self.acknowledged = max(self.acknowledged, handled)
        elif handled >= self._sure_from:
            # What it handled last was after our last snapshot, which it did not get.
            self.tell_all()
        if batch.relation != self.their_relation:
            is_first = self.their_relation == 0
            if not is_first:
                # It has met us anew, and knows nothing of us.
                self.tell_all()
            self.lacks_users = True
            self.their_relation, self.heard = batch.relation, batch.counter
            is_next: bool | None = is_first and batch.counter == 1
        elif batch.counter <= self.heard:
            is_next = None
        else:
            is_next = batch.counter == self.heard + 1
            self.heard = batch.counter
        if is_next is not None and batch.is_snapshot:
            self.lacks_users = False
        elif is_next is False:
            self.lacks_users = self.ack_due = True
        return is_next

    def tell_all(self) -> None:
        """A snapshot is due."""
        self.snapshot_due = True
        self.doubt(self.counter + 1)

    def doubt(self, counter: int) -> None:
        """It may not know all users of this node before it has handled this entry."""
        self.is_sure = False
        self._sure_from = max(self._sure_from, counter)

    def has_become_sure(self) -> bool:
        """Once, when it has handled what it had to."""
        if self.is_sure or self.acknowledged < self._sure_from:
            return False
        self.is_sure = True
        self.catch_up_since = ""
        return True

    def routed_well(self, batch: Batch) -> bool:
        """Whether the users of its events are all for whom they are."""
        relation, counter = batch.routed_with
        return relation == self.relation and counter >= self._sure_from

    def take(self, publisher: str, users: Mapping[int, int], now_us: int) -> tuple[bytes, int]:
        """The next entry and how many events are in it. `users` are the states of `changed`, or all when a snapshot is
        due."""
        self.counter += 1
        at = self._at[:MAX_BATCH_EVENTS]
        batch = _Outgoing(
            publisher,
            self.relation,
            self.counter,
            self._since_us or now_us,
            (self.their_relation, self.heard),
            self._routed_with,
            self._places,
            at,
            self._events[:MAX_BATCH_EVENTS],
            dict(users),
            self.snapshot_due,
            self.lacks_users,
            (self.catch_up_since or None) if self.snapshot_due else None,
            self.is_leaving,
        )
        data = _encoder.encode(batch)
        if len(self._at) > MAX_BATCH_EVENTS:
            # Their places stay: indexes must not shift.
            del self._events[:MAX_BATCH_EVENTS], self._at[:MAX_BATCH_EVENTS]
            self._size = sum(len(memoryview(event)) for event in self._events)
        else:
            self._clear()
        self.changed.clear()
        self.snapshot_due = self.ack_due = self.is_leaving = self.is_idle = False
        return data, len(at)

    @property
    def has_news(self) -> bool:
        return bool(self._events or self.changed or self.snapshot_due or self.ack_due or self.is_leaving)
