"""Who is connected here, and the fan-out: an event is encoded once per wire and put into every session's outbox."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from domain.events import (
    Event,
    LocationUpdated,
    LoginRevoked,
    MessageSent,
    PresenceChanged,
    ProfileChanged,
    Typing,
    UserDeactivated,
)
from domain.ports import Audience
from gateway.connection import Connection, broadcast
from gateway.session import Session
from gateway.stats import GatewayStats
from gateway.wire import Wire
from protocol.close_codes import CloseCode

DROPPABLE = frozenset({Typing, PresenceChanged, LocationUpdated})
"""Events of the moment: a session that is slow does not get them."""

Put = Callable[[Iterable[Connection], bytes], None]

SEEN_S: Final = 20.0
"""A message that is stored has been told by then: at once where nothing fails, 15 s later where its commit was not
answered; and what was lost on the way has been read from the store."""

LARGE_AUDIENCE: Final = 32
MAX_CHANNELS: Final = 256
"""Looking the sessions of a group up for each message costs 0.3 µs a member; 256 lists of 1000 take 2 MB."""


class _Batch:
    """Events for one audience, each with the session that caused it."""

    __slots__ = ("audience", "events")

    def __init__(self, audience: Audience, events: list[tuple[Event, object | None]]) -> None:
        self.audience = audience
        self.events = events


class _Channel:
    """The connections of an audience by wire, as they were at a version of the hub."""

    __slots__ = ("audience", "connections", "version")

    def __init__(self, audience: Audience, version: int, connections: dict[Wire, list[Connection]]) -> None:
        self.audience = audience
        self.version = version
        self.connections = connections


class Hub:
    """The sessions of this process by user. `on_event` is the process's delivery handler on the bus."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stats: GatewayStats) -> None:
        self._seen: dict[int, dict[Session, dict[int, int]]] = {}
        """By user and session: how far those that resumed a moment ago have seen each conversation."""
        self._loop = loop
        self._stats = stats
        self._batches: dict[int, _Batch] = {}
        self._channels: dict[int, _Channel] = {}
        self._version = 0
        """Counts the sessions that came or went."""
        self.holding: set[Session] = set()
        """Sessions that are being replayed to."""
        self._first: dict[int, Session] = {}
        self._watchers: dict[int, set[Session]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Session]:
        """All sessions. Safe against sessions that come and go meanwhile."""
        for first in list(self._first.values()):
            yield from chain(first)

    def of(self, user_id: int) -> list[Session]:
        return list(chain(self._first.get(user_id)))

    def add(self, session: Session, user_id: int) -> None:
        session.sibling = self._first.get(user_id)
        self._first[user_id] = session
        self._count += 1
        self._version += 1

    def remove(self, session: Session, user_id: int) -> None:
        """Forgets a session that was added."""
        previous = None
        for each in chain(self._first.get(user_id)):
            if each is session:
                break
            previous = each
        else:
            return
        if previous is not None:
            previous.sibling = session.sibling
        elif session.sibling is not None:
            self._first[user_id] = session.sibling
        else:
            del self._first[user_id]
        session.sibling = None
        self.holding.discard(session)
        if user_id in self._seen:
            self._forget_seen(session, user_id)
        self._count -= 1
        self._version += 1
        self.unwatch(session, session.watching or ())

    def has_seen(self, session: Session, user_id: int, seqs: dict[int, int]) -> None:
        """The session has resumed: it knows these conversations up to a seq. What was read from the store before it is
        told is left out when it is."""
        if seqs and session.profile is not None:
            self._seen.setdefault(user_id, {})[session] = seqs
            self._loop.call_later(SEEN_S, self._forget_seen, session, user_id, seqs)

    def _forget_seen(self, session: Session, user_id: int, seqs: dict[int, int] | None = None) -> None:
        sessions = self._seen.get(user_id)
        if sessions is not None and (seqs is None or sessions.get(session) is seqs):
            sessions.pop(session, None)
            if not sessions:
                del self._seen[user_id]

    def watch(self, session: Session, user_ids: list[int]) -> None:
        """Subscribes a session to the presence of users."""
        watching = session.watching = session.watching or set()
        for user_id in user_ids:
            watching.add(user_id)
            self._watchers.setdefault(user_id, set()).add(session)

    def unwatch(self, session: Session, user_ids: list[int] | set[int] | tuple[()]) -> None:
        for user_id in tuple(user_ids):
            watchers = self._watchers.get(user_id)
            if watchers is not None:
                watchers.discard(session)
                if not watchers:
                    del self._watchers[user_id]
            if session.watching is not None:
                session.watching.discard(user_id)

    def on_event(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        """Delivers to the sessions of the audience that are here, but not to `origin`, which caused it.

        Messages wait until the end of the loop's tick: all that one conversation got in it is encoded, joined and put
        into each outbox once. In bursts of ten that is 0.1 µs a delivery instead of 0.5.
        """
        kind = type(event)
        if kind is MessageSent and audience.conversation_id is not None:
            batch = self._batches.get(audience.conversation_id)
            if batch is not None:
                if batch.audience is audience or batch.audience == audience:
                    batch.events.append((event, origin))
                    return
                # What comes from another process, or late, may be for some of the members only.
                self.settle()
            if not self._batches:
                self._loop.call_soon(self.settle)
            self._batches[audience.conversation_id] = _Batch(audience, [(event, origin)])
        elif kind in DROPPABLE:
            self._deliver_droppable(event, audience)
        else:
            # Events that were held back come without `before`.
            self.settle()
            self._deliver(_Batch(audience, [(event, origin)]))
            if isinstance(event, LoginRevoked):
                self._close(event.user_id, CloseCode.UNAUTHENTICATED, "this login has ended", event.login_id)
            elif isinstance(event, UserDeactivated):
                self._close(event.user_id, CloseCode.ACCOUNT_DISABLED, "the account is deactivated")
            elif isinstance(event, ProfileChanged):
                for session in self.of(event.profile.id):
                    session.profile = event.profile

    def before(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        """To be subscribed before whatever changes rosters: what was sent before this event is delivered before it, to
        those who were members then."""
        if type(event) is not MessageSent:
            self.settle()
            self._channels.pop(audience.conversation_id or 0, None)

    def settle(self) -> None:
        """Delivers the messages of this tick."""
        if self._batches:
            batches, self._batches = self._batches, {}
            # Only one conversation spoke: nothing else will join its frames in the outboxes, which costs 0.3 µs each.
            put = push_all if len(batches) > 1 else broadcast
            for batch in batches.values():
                self._deliver(batch, put)

    def _deliver(self, batch: "_Batch", put: Put | None = None) -> None:
        apart = {origin for _, origin in batch.events if isinstance(origin, Session)} | self.holding
        if batch.audience.without is not None:
            apart.update(chain(self._first.get(batch.audience.without)))
        if self._seen:
            for user_id in self._seen.keys() & batch.audience.user_ids:
                apart.update(self._seen[user_id])
        for wire, connections in self._channel(batch.audience).items():
            frames = [wire.encode(event) for event, _ in batch.events]
            data = b"".join(frame for frame in frames if frame is not None)
            targets = connections
            if apart:
                aside = {session.connection for session in apart}
                targets = [connection for connection in connections if connection not in aside]
                if len(targets) < len(connections):
                    for connection in aside.intersection(connections):
                        self._deliver_one_by_one(connection.session, frames, batch)
            if data:
                (put or push_all)(targets, data)
                self._stats.deliveries += len(targets) * len(frames)

    def _channel(self, audience: Audience) -> dict[Wire, list[Connection]]:
        """The connections of an audience, by wire. Kept for large ones, until sessions come or go or members change."""
        conversation_id = audience.conversation_id
        channel = self._channels.get(conversation_id or 0)
        if channel is not None and channel.version == self._version and channel.audience is audience:
            return channel.connections
        connections: dict[Wire, list[Connection]] = {}
        first = self._first
        for user_id in audience.user_ids:
            session = first.get(user_id)
            while session is not None:
                wire = session.wire
                assert wire is not None
                if wire in connections:
                    connections[wire].append(session.connection)
                else:
                    connections[wire] = [session.connection]
                session = session.sibling
        if conversation_id is not None and len(audience.user_ids) >= LARGE_AUDIENCE:
            if len(self._channels) >= MAX_CHANNELS:
                self._channels.clear()
            self._channels[conversation_id] = _Channel(audience, self._version, connections)
        return connections

    def _deliver_one_by_one(self, session: Session, frames: list[bytes | None], batch: "_Batch") -> None:
        """To a session that caused some of the events, or is being replayed to."""
        if session.profile is None or session.profile.id == batch.audience.without:
            return
        seen = self._seen.get(session.profile.id, {}).get(session)
        for (event, origin), frame in zip(batch.events, frames, strict=True):
            if seen and isinstance(event, MessageSent):
                message = event.message
                if message.seq <= seen.get(message.conversation_id, 0):
                    continue
            if origin is not session and frame is not None:
                session.deliver(event, frame)
                self._stats.deliveries += 1

    def _deliver_droppable(self, event: Event, audience: Audience) -> None:
        watchers: set[Session] = set()
        presence = isinstance(event, PresenceChanged)
        if isinstance(event, PresenceChanged):
            watchers = self._watchers.get(event.user_id, watchers)
        frames: dict[Wire, bytes | None] = {}
        for user_id in audience.user_ids:
            if user_id == audience.without:
                continue
            for session in chain(self._first.get(user_id)):
                wire = session.wire
                if wire is not None and not (presence and wire.presence_on_request):
                    self._push_droppable(session, wire, event, frames)
        for session in tuple(watchers):
            if session.wire is not None:
                self._push_droppable(session, session.wire, event, frames)

    def _push_droppable(self, session: Session, wire: Wire, event: Event, frames: dict[Wire, bytes | None]) -> None:
        if session.connection.is_congested:
            self._stats.drops[type(event).__name__] += 1
            return
        if wire not in frames:
            frames[wire] = wire.encode(event)
        frame = frames[wire]
        if frame is not None:
            self._stats.deliveries += 1
            session.deliver(event, frame)

    def _close(self, user_id: int, code: CloseCode, reason: str, login_id: str | None = None) -> None:
        for session in self.of(user_id):
            if login_id is None or session.login_id == login_id:
                session.connection.close(code, reason)


def push_all(connections: Iterable[Connection], frame: bytes) -> None:
    """Puts a frame into the outbox of each."""
    for connection in connections:
        connection.push(frame)


def chain(session: Session | None) -> Iterator[Session]:
    """The sessions of one user, from the first on."""
    while session is not None:
        sibling = session.sibling
        yield session
        session = sibling
