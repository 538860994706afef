"""The bus of several processes: one Redis stream for each node, one entry for each node and tick."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import hiredis
import structlog

from domain.events import Event, LocationUpdated, ReceiptMarked, Typing
from domain.ports import Audience, EventHandler, MissedListener
from storage.redis.batches import ROUTED, UNRECORDED, Batch, Peer, decode_batch, encode_canary, encode_event
from storage.redis.connection import BLOCK_MS, SOCKET_TIMEOUT_S, Client, RedisUrl, ask
from storage.redis.errors import CLIENT_ERRORS, LinkLost, reason
from storage.redis.membership import Beat, Membership, stream_of
from storage.redis.presence import RedisPresenceDirectory
from storage.redis.routes import Router
from storage.redis.stats import BusStats
from storage.redis.stream_link import StreamLink, command

log = structlog.get_logger("bus")

MAX_ENTRIES: Final = 10_000
"""A stream keeps about so many; a node that is further behind catches up from the database."""

READ_COUNT: Final = 64
TURN_S: Final = 0.005
"""So long entries are handled before others have their turn."""

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 1.0
"""Between attempts to reach Redis."""

BARRIER_S: Final = 0.3
"""Nobody waits longer for nodes that do not answer."""

SUSPICION_S: Final = 60.0
"""A node that fell silent may only be cut off, and still serve its users: so long the database is looked at for what it
sends."""

MAX_SILENT: Final = 1_000
"""Nodes that fell silent and are remembered."""

FLEETING: Final = frozenset({Typing, LocationUpdated})
"""Not worth keeping while Redis is away."""

LOST_ERRORS: Final = (LinkLost, *CLIENT_ERRORS)


class _Barrier:
    """Waits until nodes have handled the entries with these counters."""

    __slots__ = ("future", "needs")

    def __init__(self, needs: list[tuple[Peer, int]]) -> None:
        self.needs = needs
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class RedisBus:
    """Implements `domain.ports.Bus`."""

    def __init__(
        self,
        url: RedisUrl,
        client: Client,
        membership: Membership,
        presence: RedisPresenceDirectory,
        *,
        max_entries: int = MAX_ENTRIES,
    ) -> None:
        self.stats = BusStats()
        self._url = url
        self._client = client
        self._membership = membership
        self._presence = presence
        self._router = Router(presence)
        self._max_entries = max_entries
        self._handlers: list[EventHandler] = []
        self._missed: list[MissedListener] = []
        self._peers: dict[str, Peer] = {}
        self._silent: dict[str, str] = {}
        """Nodes that fell silent, and the position since when they may have missed what this node told."""
        self._troubles: dict[str, str] = {}
        """What does not work, and why."""
        self._wake = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._beat_soon = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._cursor = "0-0"
        self._clock_offset_us = 0
        self._barrier: _Barrier | None = None
        """For those who come in this tick."""
        self._barriers: list[_Barrier] = []
        self._canaries: dict[int, asyncio.Future[None]] = {}
        self._canary_numbers = itertools.count(1)
        self._position = ""
        self._position_before_trouble = ""
        self._buries_until = 0.0
        """Until then, nodes may not have been back in a Redis that had lost its data; who is missing afterwards is
        dead, and no heartbeat will find it."""
        presence.changed = self._presence_changed
        presence.settled = self._settled

    # The port

    @property
    def trouble(self) -> str | None:
        for text in self._troubles.values():
            return f"Redis at {self._url}: {text}"
        return None

    @property
    def hears_all(self) -> bool:
        return all(peer.is_sure for peer in self._peers.values())

    def publish(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        for handler in self._handlers:
            handler(event, audience, origin)
        if self._peers:
            self._send(event, audience)

    def publish_here(self, event: Event, audience: Audience) -> None:
        for handler in self._handlers:
            handler(event, audience, None)

    async def settled(self) -> None:
        needs = [(peer, peer.told_all) for peer in self._peers.values() if peer.acknowledged < peer.told_all]
        if needs and not self._troubles:
            barrier = _Barrier(needs)
            self._barriers.append(barrier)
            await asyncio.wait((barrier.future,), timeout=BARRIER_S)

    def subscribe(self, handler: EventHandler) -> None:
        self._handlers.append(handler)

    def when_missed(self, listener: MissedListener) -> None:
        self._missed.append(listener)

    def complete_up_to(self, position: str) -> None:
        self._position = position

    async def start(self) -> None:
        """NameTaken, or one of `CLIENT_ERRORS`."""
        await self._membership.claim_name()
        self._take_in(await self._membership.beat(self._cursor))
        self._tasks = [
            asyncio.create_task(self._keep("writing", self._write), name="bus-writing"),
            asyncio.create_task(self._keep("reading", self._read), name="bus-reading"),
            asyncio.create_task(self._beating(), name="bus-heartbeat"),
        ]

    async def close(self) -> None:
        """Sends what waits and says farewell, if Redis is there."""
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        if self.trouble is None:
            for peer in self._peers.values():
                peer.is_leaving = True
            self._wake.set()
            self._all_sent.clear()
            try:
                async with asyncio.timeout(SOCKET_TIMEOUT_S):
                    await self._all_sent.wait()
            except TimeoutError:
                log.warning("left without a word", reason="events were not taken in time")
        await _end(tasks)
        try:
            if self.trouble is None:
                async with asyncio.timeout(SOCKET_TIMEOUT_S):
                    await self._membership.leave()
        except CLIENT_ERRORS as error:
            log.warning("left without a word", reason=reason(error))

    async def healthy(self) -> str | None:
        if self.trouble is not None:
            return self.trouble
        try:
            await self.canary(SOCKET_TIMEOUT_S)
        except TimeoutError:
            return self.trouble or f"Redis at {self._url}: what is written to a stream does not come back"
        except CLIENT_ERRORS as error:
            return f"Redis at {self._url}: {reason(error)}"
        return None

    async def canary(self, timeout_s: float) -> float:
        """Seconds of a round trip through this node's own stream. TimeoutError, one of `CLIENT_ERRORS`."""
        number = next(self._canary_numbers)
        heard = self._canaries[number] = asyncio.get_running_loop().create_future()
        started = time.monotonic()
        entry = encode_canary(self._membership.node, number)
        try:
            async with asyncio.timeout(timeout_s):
                await ask(self._client, "XADD", self._membership.stream, "*", "b", entry)
                await heard
        finally:
            del self._canaries[number]
        return time.monotonic() - started

    # Out

    def _now_us(self) -> int:
        """The clock of Redis."""
        return time.monotonic_ns() // 1000 + self._clock_offset_us

    def _send(self, event: Event, audience: Audience) -> None:
        kind = type(event)
        if self._troubles and kind in FLEETING:
            return
        routes = self._router.of(audience)
        nodes = self._peers
        if kind in ROUTED:
            if not routes:
                return
            targets = [(node, nodes[node]) for node in routes if node in nodes]
        else:
            self._router.forget(audience.conversation_id)
            targets = list(nodes.items())
            for peer in nodes.values():
                peer.told_all = peer.counter + 1
        encoded = encode_event(event)
        now_us = self._now_us()
        for node, peer in targets:
            self.stats.dropped += peer.add(encoded, routes.get(node) or [], audience, now_us)
        self._wake.set()

    def _presence_changed(self, user_id: int) -> None:
        for peer in self._peers.values():
            peer.changed[user_id] = None
        self._wake.set()

    async def _settled(self) -> None:
        if self._troubles:
            # It could take long, and part of what the others publish may come meanwhile.
            for peer in self._peers.values():
                peer.doubt(peer.counter + 1)
            return
        if not self._peers:
            return
        barrier = self._barrier
        if barrier is None:
            barrier = self._barrier = _Barrier([(peer, peer.counter + 1) for peer in self._peers.values()])
            self._barriers.append(barrier)
            self._wake.set()
        _, late = await asyncio.wait((barrier.future,), timeout=BARRIER_S)
        if late:
            for peer, need in barrier.needs:
                if peer.acknowledged < need:
                    peer.doubt(need)

    def _check_barriers(self) -> None:
        waiting = []
        for barrier in self._barriers:
            if all(peer.acknowledged >= need or self._peers.get(peer.name) is not peer for peer, need in barrier.needs):
                if not barrier.future.done():
                    barrier.future.set_result(None)
            else:
                waiting.append(barrier)
        self._barriers = waiting

    async def _write(self, link: StreamLink) -> None:
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._router.end_tick()
            self._barrier = None
            sending: list[Peer] = []
            for peer in self._peers.values():
                if peer.unsent is None and peer.has_news:
                    peer.unsent = self._next_entry(peer)
                if peer.unsent is not None:
                    sending.append(peer)
            if not sending:
                self._all_sent.set()
                continue
            async with asyncio.timeout(SOCKET_TIMEOUT_S):
                replies = await link.ask(b"".join(peer.unsent or b"" for peer in sending), len(sending))
            for peer, reply in zip(sending, replies, strict=True):
                if isinstance(reply, hiredis.ReplyError):
                    raise LinkLost.because(reply)
                peer.unsent = None
            self._works("writing")
            self._wake.set()

    def _next_entry(self, peer: Peer) -> bytes:
        users = self._presence.states(None if peer.snapshot_due else peer.changed)
        data, events = peer.take(self._membership.node, users, self._now_us())
        self.stats.batches_sent += 1
        self.stats.events_sent += events
        return command("XADD", stream_of(peer.name), "NOMKSTREAM", "MAXLEN", "~", self._max_entries, "*", "b", data)

    # In

    async def _read(self, link: StreamLink) -> None:
        stream = self._membership.stream
        while True:
            async with asyncio.timeout(SOCKET_TIMEOUT_S):
                (reply,) = await link.ask(
                    command("XREAD", "COUNT", READ_COUNT, "BLOCK", BLOCK_MS, "STREAMS", stream, self._cursor), 1
                )
            if isinstance(reply, hiredis.ReplyError):
                raise LinkLost.because(reply)
            self._works("reading")
            turn_ends = time.monotonic() + TURN_S
            for entry_id, fields in reply[0][1] if reply else ():
                self._cursor = entry_id.decode()
                if fields[1]:
                    self._handle(fields[1])
                if time.monotonic() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = time.monotonic() + TURN_S

    def _handle(self, data: bytes) -> None:
        try:
            batch = decode_batch(data)
        except ValueError as error:
            log.error("an entry of another version was not understood", error=str(error))
            self._gap()
            return
        if batch.publisher == self._membership.node:
            canary = self._canaries.get(batch.canary)
            if canary is not None and not canary.done():
                canary.set_result(None)
            return
        peer = self._peers.get(batch.publisher) or self._meet(batch.publisher)
        is_next = peer.hear(batch)
        if peer.has_news:
            self._wake.set()
        if self._barriers:
            self._check_barriers()
        if peer.has_become_sure():
            # What it committed before went where it believed our users to be.
            self._tell_missed(None)
        if is_next is None:
            self.stats.duplicates += 1
            return
        if not is_next:
            self._gap()
        self._hear_users(peer, batch)
        if batch.catch_up_since is not None:
            self._tell_missed(batch.catch_up_since)
        self._hear_events(peer, batch)
        self.stats.arrived(max(0, self._now_us() - batch.sent_at_us) / 1e6, len(batch.events))
        if batch.is_leaving:
            self._drop(peer, tells=self._is_first(self._peers.keys() - {peer.name}))

    def _hear_events(self, peer: Peer, batch: Batch) -> None:
        audiences = [Audience(*place) for place in batch.places]
        is_for_all = peer.routed_well(batch)
        left_out = 0
        for event, place in zip(batch.events, batch.at, strict=True):
            audience = audiences[place]
            if not is_for_all and _is_recorded(event):
                # Some would hear it now and the others, from the store, later than what comes after it.
                left_out += 1
                if type(event) in ROUTED:
                    continue
                audience = Audience((), audience.conversation_id)
            self._deliver(event, audience)
            if type(event) not in ROUTED:
                peer.ack_due = True
                self._wake.set()
        if left_out:
            self.stats.left_out += left_out
            if peer.is_sure:
                self._tell_missed(None)

    def _deliver(self, event: Event, audience: Audience) -> None:
        for handler in self._handlers:
            try:
                handler(event, audience, None)
            except Exception:
                log.exception("an event of another node was not handled", kind=type(event).__name__)

    def _hear_users(self, peer: Peer, batch: Batch) -> None:
        if batch.users or batch.is_snapshot:
            told = self._presence.replace if batch.is_snapshot else self._presence.apply
            orphans = told(peer.name, batch.users)
            if orphans and self._is_first(self._peers.keys()):
                self._presence.lost(orphans)
            peer.ack_due = True
            self._wake.set()

    def _gap(self) -> None:
        self.stats.gaps += 1
        self._tell_missed(None)

    def _tell_missed(self, since: str | None, for_s: float = 0.0) -> None:
        self.stats.catch_ups += 1
        for listener in self._missed:
            listener(since, for_s)

    # The others

    def _meet(self, node: str) -> Peer:
        peer = self._peers[node] = Peer(node, self._silent.pop(node, ""))
        self.stats.peers = len(self._peers)
        self._wake.set()
        return peer

    def _drop(self, peer: Peer, *, tells: bool) -> None:
        del self._peers[peer.name]
        if not peer.is_sure:
            self._tell_missed(None)
        self.stats.peers = len(self._peers)
        orphans = self._presence.forget(peer.name)
        self._check_barriers()
        if orphans and tells:
            self._presence.lost(orphans)

    def _is_first(self, others: Iterable[str]) -> bool:
        """Of all nodes this one does what one must do."""
        return all(self._membership.node <= node for node in others)

    async def _beating(self) -> None:
        last = time.monotonic()
        while True:
            # Not `wait_for`: it swallows a cancellation that comes with the event (Python 3.11).
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._membership.heartbeat_s):
                    await self._beat_soon.wait()
            self._beat_soon.clear()
            try:
                async with asyncio.timeout(SOCKET_TIMEOUT_S):
                    beat = await self._membership.beat(self._cursor)
            except CLIENT_ERRORS as error:
                self._fails("heartbeat", reason(error))
                continue
            except Exception:
                log.exception("the bus failed", part="heartbeat")
                self._fails("heartbeat", "the server failed")
                continue
            if not beat.was_known:
                self._forgotten()
            self._take_in(beat)
            now = time.monotonic()
            if now - last > self._membership.expiry_s and not self._troubles:
                # Stopped for a while: others have sent without us, and we without knowing them.
                self._come_back(self._position)
            last = now
            self._works("heartbeat")

    def _take_in(self, beat: Beat) -> None:
        self._clock_offset_us = beat.now_us - time.monotonic_ns() // 1000
        for node in beat.alive - self._peers.keys() - {self._membership.node}:
            self._meet(node)
        is_too_early = time.monotonic() < self._buries_until
        for peer in [peer for node, peer in self._peers.items() if node not in beat.alive]:
            is_buried = peer.name in beat.buried
            if is_buried or not is_too_early:
                log.warning("a node fell silent", node=peer.name)
                if len(self._silent) >= MAX_SILENT:
                    del self._silent[next(iter(self._silent))]
                self._silent[peer.name] = peer.catch_up_since or self._complete
                tells = is_buried or (self._buries_until > 0 and self._is_first(beat.alive))
                self._drop(peer, tells=tells)
                self._tell_missed(None, SUSPICION_S)
        if not is_too_early:
            self._buries_until = 0.0
        self._presence.drop_stale_arrivals()
        for peer in self._peers.values():
            peer.ack_due |= peer.is_idle
            peer.is_idle = True
        self._wake.set()

    def _forgotten(self) -> None:
        """Redis lost its data, or took us for dead: whatever was in the stream is gone."""
        log.warning("Redis had forgotten this node")
        self._cursor = "0-0"
        self._buries_until = time.monotonic() + self._membership.expiry_s
        self._come_back(self._complete)

    @property
    def _complete(self) -> str:
        """A position of the store; what was committed before it has reached the others."""
        return self._position_before_trouble if self._troubles else self._position

    def _come_back(self, since: str) -> None:
        for peer in self._peers.values():
            peer.tell_all()
            peer.lacks_users = True
            # The oldest counts until it has been handled.
            peer.catch_up_since = peer.catch_up_since or since
        self._wake.set()
        self._tell_missed(None)

    # Trouble

    async def _keep(self, part: str, work: Callable[[StreamLink], Awaitable[None]]) -> None:
        """Does the work on a link, and on another when that is lost."""
        pause_s = FIRST_PAUSE_S
        while True:
            link = None
            started = time.monotonic()
            try:
                link = await StreamLink.open(self._url, self._client, self._membership.stream)
                await work(link)
            except LOST_ERRORS as error:
                self._fails(part, str(error) if isinstance(error, LinkLost) else reason(error))
            except Exception:
                log.exception("the bus failed", part=part)
                self._fails(part, "the server failed")
            finally:
                if link is not None:
                    link.close()
            self.stats.reconnects += 1
            if time.monotonic() - started > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _fails(self, part: str, text: str) -> None:
        if not self._troubles:
            self._position_before_trouble = self._position
            log.warning("bus degraded", reason=text, part=part)
            self._tell_missed(None)
        self._troubles[part] = text

    def _works(self, part: str) -> None:
        if self._troubles.pop(part, None) is not None:
            self._beat_soon.set()
            if not self._troubles:
                log.info("bus restored")
                self._come_back(self._position_before_trouble)


def _is_recorded(event: Event) -> bool:
    # Marks of what was received are not kept.
    return type(event) not in UNRECORDED and not (isinstance(event, ReceiptMarked) and not event.read_seq)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancels until it is heard: the client swallows some cancellations."""
    pending = set(tasks)
    gives_up_at = time.monotonic() + 2 * SOCKET_TIMEOUT_S
    while pending and time.monotonic() < gives_up_at:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)
    for task in pending:
        log.error("a part of the bus does not end", part=task.get_name())
