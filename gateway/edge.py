"""The gateway's runtime: what all connections share, their life from authentication to the last byte, and the drain."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Final

import structlog

from domain.accounts import Accounts, Identity
from domain.errors import DomainError
from domain.model import Profile
from domain.ports import Clock, MessageLog, SyncStore
from domain.presence import Presence
from domain.tokens import new_id
from gateway.config import GatewayConfig
from gateway.connection import Connection, TcpConnection, WebSocketConnection
from gateway.dispatch import Commands, InBackground
from gateway.hub import Hub
from gateway.session import Session
from gateway.stats import GatewayStats
from gateway.wheel import DeadlineQueue, TimerWheel
from gateway.wire import Wire
from protocol.close_codes import CloseCode
from protocol.commands import MAX_CONTENT_CHARS, Command, Hello
from protocol.replies import Failure, GoAway, Heartbeat, Welcome

POSITION_EVERY_S: Final = 5.0
"""How often the resume position is read."""

SETTLED_TURNS: Final = 4
"""It is handed out so many turns later. All it covers has been fanned out by then: a commit whose answer was lost is
looked up for 15 s at most."""

ARRIVAL_GRACE_S: Final = 1.0
"""How long a server that stops waits for requests that have begun to arrive."""

SILENCES: Final = 2.5
"""After so many heartbeats without a sign of life a peer is given up."""

log = structlog.get_logger("gateway")
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Edge:
    """Shared by all connections of the process."""

    MAX_WATCHED: ClassVar[int] = 2000
    """Users whose presence one session may subscribe to."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        config: GatewayConfig,
        max_connections: int,
        accounts: Accounts,
        presence: Presence,
        commands: Commands,
        log_port: MessageLog,
        sync: SyncStore,
        hub: Hub,
        stats: GatewayStats,
        clock: Clock,
        spawn: Spawn,
        tcp_wires: tuple[Wire, Wire],
        version: str,
    ) -> None:
        self.config = config
        self._max_connections = max_connections
        self.hub = hub
        self.stats = stats
        self.tcp_wires = tcp_wires
        """The wires of raw TCP: JSON and binary."""
        tick_s = min(1.0, config.heartbeat_s / 4, config.hello_timeout_s / 4, config.close_timeout_s / 4)
        self.wheel = TimerWheel(loop, tick_s)
        self.arriving = DeadlineQueue(self.wheel, config.hello_timeout_s)
        """Connections whose request head is not complete."""
        self.epoch = ""
        self.position = ""
        """From which sessions may resume."""
        self.complete_position: Callable[[], str] | None = None
        """Set where events of other processes come too: a position of the store does not say that they have."""
        self.is_draining = False
        self.close_ticks = self.wheel.ticks(config.close_timeout_s)
        self._heartbeat_ticks = self.wheel.ticks(config.heartbeat_s)
        self._silent_ticks = self.wheel.ticks(config.heartbeat_s * SILENCES)
        self._hello_ticks = self.wheel.ticks(config.hello_timeout_s)
        self._loop = loop
        self._accounts = accounts
        self._presence = presence
        self._commands = commands
        self._log = log_port
        self._sync = sync
        self._clock = clock
        self._spawn = spawn
        self._version = version
        self._dirty: list[Connection] = []
        self._throttled: set[Connection] = set()
        self._connections: set[Connection] = set()
        self._strangers: dict[Connection, int] = {}
        """Connections without an authenticated session, and the tick by which they need one."""
        self._drained = asyncio.Event()
        self._positions: deque[str] = deque(maxlen=SETTLED_TURNS + 1)
        """Of the last turns, the oldest first."""
        self._position_timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        self.epoch = await self._sync.epoch()
        self.position = await self._sync.position()
        self._positions.append(self.position)
        self.wheel.start()
        self._position_timer = self._loop.call_later(POSITION_EVERY_S, self._refresh_position)

    def _refresh_position(self) -> None:
        self._spawn(self._read_position())
        self._position_timer = self._loop.call_later(POSITION_EVERY_S, self._refresh_position)

    async def _read_position(self) -> None:
        if self.complete_position is not None:
            self.position = self.complete_position()
            return
        try:
            position = await self._sync.position()
        except DomainError as error:
            log.warning("position not read", error=str(error))
        else:
            self._positions.append(position)
            self.position = self._positions[0]

    async def expect(self, identity: Identity) -> None:
        """To be awaited before `admit`."""
        await self._presence.arriving(identity.profile.id)

    def resync(self) -> None:
        """Sends all sessions away to resume: this process missed more events than it can make up for."""
        for session in self.hub:
            session.connection.close(CloseCode.SLOW_CONSUMER, "events were missed; resume")

    # Life of a connection

    @property
    def is_full(self) -> bool:
        return self.stats.connections >= self._max_connections

    def outboxes(self) -> tuple[int, int]:
        """How many connections have a socket that takes no more, and the bytes that wait for them."""
        congested = [connection for connection in self._connections if connection.is_congested]
        return len(congested), sum(connection.waiting_bytes for connection in congested)

    def opened(self, connection: Connection) -> None:
        self.stats.connections += 1
        self._connections.add(connection)
        self._strangers[connection] = self.wheel.now + self._hello_ticks
        if self.stats.connections > self._max_connections or self.is_draining:
            connection.abort()
        self.wheel.add(connection, min(self._hello_ticks, self._heartbeat_ticks))

    def closed(self, connection: Connection, code: int) -> None:
        self.stats.connections -= 1
        self.stats.disconnects[code] += 1
        self._connections.discard(connection)
        if self.is_draining and not self._connections:
            self._drained.set()
        self.detach(connection)
        self._strangers.pop(connection, None)
        # They refer to each other, and full collections come so rarely that the 1.4 KB of the two were as good as lost.
        del connection.session

    def detach(self, connection: Connection) -> None:
        """The session hears no more, and its user may go offline."""
        session = connection.session
        profile = session.profile
        if profile is not None:
            session.profile = None
            log.debug("session closed", session_id=session.id, user_id=profile.id, code=connection.close_code)
            self.hub.remove(session, profile.id)
            wire = session.wire
            if wire is not None:
                self.stats.sessions[wire.dialect.name.value] -= 1
            self._presence.disconnected(profile.id)

    def check_deadline(self, connection: Connection, now: int) -> int:
        """See `Expiring`. Activity only notes the time. The heartbeat comes to busy sessions too: clients may count on
        it, also those whose library answers and sends pings on its own."""
        if connection.close_code:
            connection.abort()
            return 0
        silent = now - connection.last_heard
        session = connection.session
        # Counted from the start: a stranger gets no more time for sending something now and then.
        hello_by = self._strangers.get(connection)
        if hello_by is not None and now >= hello_by and not session.is_authenticating:
            connection.close(CloseCode.HELLO_TIMEOUT, "no hello in time")
            return 0
        if silent >= self._silent_ticks:
            connection.close(CloseCode.HEARTBEAT_TIMEOUT, "no sign of life")
            connection.abort()
            return 0
        patience = self._silent_ticks - silent
        if hello_by is not None:
            return min(max(1, hello_by - now), patience)
        connection.ping()
        session.reply(Heartbeat(self._clock.now_ms()))
        return min(self._heartbeat_ticks, patience)

    # Authentication

    def admit(self, connection: Connection, identity: Identity, request_id: int | None = None) -> None:
        """Makes the connection's session one of the user's, and greets it."""
        session = connection.session
        profile = identity.profile
        wire = session.wire
        assert wire is not None
        others = self.hub.of(profile.id)
        if len(others) >= self.config.max_sessions_per_user:
            others[-1].connection.close(CloseCode.REPLACED, "too many sessions of this account")
        if self.config.one_session_per_device and session.device:
            for other in others:
                if other.device == session.device:
                    other.connection.close(CloseCode.REPLACED, "replaced by a newer session of the same device")
        self._strangers.pop(connection, None)
        session.profile = profile
        session.login_id = identity.claims.login_id
        self.hub.add(session, profile.id)
        self.stats.sessions[wire.dialect.name.value] += 1
        self._presence.connected(profile.id)
        session.id = new_id()
        log.debug("session opened", session_id=session.id, user_id=profile.id, dialect=wire.dialect.name.value)
        session.reply(
            Welcome(
                request_id,
                session.id,
                profile.id,
                self.epoch,
                self.position,
                self._clock.now_ms(),
                int(self.config.heartbeat_s) or 1,
                self.config.max_frame_bytes,
                MAX_CONTENT_CHARS,
                self._version,
            )
        )

    async def _hello(self, session: Session, command: Hello) -> None:
        connection = session.connection
        try:
            identity = await self._accounts.authenticate(command.token or "")
            await self.expect(identity)
        except DomainError as error:
            session.fail(error, command)
            code = CloseCode.ACCOUNT_DISABLED if error.code == "account_disabled" else CloseCode.UNAUTHENTICATED
            connection.close(CloseCode.OVERLOADED if error.temporary else code, str(error))
            return
        finally:
            session.is_authenticating = False
        if connection.close_code:
            return
        session.device = command.device
        self.admit(connection, identity, command.id)
        backlog, session.backlog = session.backlog, None
        for each in backlog or ():
            self.dispatch(session, each)
        connection.transport.resume_reading()

    # Commands

    def dispatch(self, session: Session, command: Command) -> None:
        """Carries out one command. Synchronous; what must wait gets a task."""
        if session.profile is None:
            self._dispatch_unauthenticated(session, command)
            return
        kind = type(command)
        handler = self._commands.at_once.get(kind)
        if handler is not None:
            handler(self, session, session.profile, command)
        else:
            self.in_background(session, session.profile, command, self._commands.in_background[kind])

    def in_background(self, session: Session, who: Profile, command: Command, handler: InBackground) -> bool:
        """Runs a handler that waits in a task of its own; False, and an error to the client, if it has too many."""
        if session.pending >= self.config.max_pending:
            text = f"at most {self.config.max_pending} requests at a time"
            session.reply(Failure(getattr(command, "id", None), "too_many", text, True, 100))
            return False
        session.pending += 1
        self._spawn(self._run(session, who, command, handler))
        return True

    def _dispatch_unauthenticated(self, session: Session, command: Command) -> None:
        if session.connection.close_code:
            return
        if session.is_authenticating:
            session.backlog = session.backlog or []
            session.backlog.append(command)
        elif isinstance(command, Hello):
            session.is_authenticating = True
            session.connection.transport.pause_reading()
            self._spawn(self._hello(session, command))
        else:
            session.reply(Failure(getattr(command, "id", None), "not_authenticated", "say hello with a token first"))

    async def _run(self, session: Session, who: Profile, command: Command, handler: InBackground) -> None:
        try:
            await handler(self, session, who, command)
        except DomainError as error:
            session.fail(error, command)
        except Exception:
            log.exception("command failed", command=type(command).__name__, session_id=session.id, user_id=who.id)
            session.reply(Failure(getattr(command, "id", None), "internal_error", "the server failed", True))
        finally:
            session.pending -= 1

    # Flow control

    def flush_soon(self, connection: Connection) -> None:
        """Flushes the connection's outbox with all others at the end of this tick."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(connection)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()

    def throttle(self, connection: Connection) -> None:
        """Stops reading from a sender while too many messages wait for their commit."""
        if self._log.queued > self.config.append_queue_high:
            if not self._throttled:
                self._loop.call_later(0.005, self._unthrottle)
            if connection not in self._throttled and not connection.transport.is_closing():
                self._throttled.add(connection)
                connection.transport.pause_reading()

    def _unthrottle(self) -> None:
        if self._log.queued > self.config.append_queue_high // 2:
            self._loop.call_later(0.005, self._unthrottle)
            return
        throttled, self._throttled = self._throttled, set()
        for connection in throttled:
            if not connection.transport.is_closing():
                connection.transport.resume_reading()

    # The end

    async def drain(self) -> None:
        """Sends the clients away, spread over `drain_s`, telling each when to come back. New ones are not accepted
        any more, but for those whose request is on its way when the listeners have closed: nobody else will answer
        it."""
        give_up_at = self._loop.time() + ARRIVAL_GRACE_S
        await asyncio.sleep(0)
        while len(self.arriving) and self._loop.time() < give_up_at:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        self.is_draining = True
        connections = list(self._connections)
        random.shuffle(connections)
        drain_s = self.config.drain_s
        pause_s = drain_s / 50
        for start in range(50):
            for connection in connections[start::50]:
                if connection.close_code:
                    continue
                retry_after_ms = int(random.uniform(0.2, 1.0) * drain_s * 1000)
                session = connection.session
                if session.profile is not None:
                    session.reply(GoAway("the server is restarting", retry_after_ms))
                connection.close(CloseCode.GOING_AWAY, f"come back after {retry_after_ms} ms")
            if self._connections:
                await asyncio.sleep(pause_s)
        if not self._connections:
            self._drained.set()
        try:
            async with asyncio.timeout(self.config.close_timeout_s):
                await self._drained.wait()
        except TimeoutError:
            log.warning("clients did not close in time", count=len(self._connections))

    def close(self) -> None:
        """Ends what is left."""
        if self._position_timer is not None:
            self._position_timer.cancel()
        self.wheel.stop()
        for connection in list(self._connections):
            connection.abort()

    def websocket(self, wire: Wire) -> WebSocketConnection:
        return WebSocketConnection(self, wire)

    def tcp(self) -> asyncio.Protocol:
        """The protocol of a raw TCP connection that was just accepted."""
        return TcpConnection(self)
