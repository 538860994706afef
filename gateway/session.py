"""One authenticated (or soon to be authenticated) conversation partner, whatever carries it."""

from time import monotonic
from typing import TYPE_CHECKING

from domain.errors import DomainError, RateLimited
from domain.events import Event, MessageSent
from domain.model import Profile
from gateway.wire import Wire
from protocol.close_codes import CloseCode
from protocol.commands import Command
from protocol.replies import Failure, Reply

if TYPE_CHECKING:
    from gateway.connection import Connection
    from gateway.edge import Edge

Held = list[tuple[Event, bytes]]


class Session:
    """Who is at the other end, and what is under way. Created with the connection; `profile` is None until
    authenticated."""

    __slots__ = (
        "_edge",
        "_next_allowed",
        "_refused",
        "backlog",
        "connection",
        "device",
        "held",
        "id",
        "is_authenticating",
        "login_id",
        "pending",
        "profile",
        "sibling",
        "watching",
        "wire",
    )

    def __init__(self, edge: "Edge", connection: "Connection", wire: Wire | None) -> None:
        self._edge = edge
        self.connection = connection
        self.wire = wire
        self.profile: Profile | None = None
        self.id = ""
        """The one that the welcome tells; logs name it."""
        self.login_id = ""
        self.device = ""
        self.sibling: Session | None = None
        """The next session of the same user."""
        self.watching: set[int] | None = None
        """Users whose presence this session subscribed to."""
        self.held: Held | None = None
        """Events that wait until a replay is over."""
        self.backlog: list[Command] | None = None
        """Commands that wait until the session is authenticated."""
        self.is_authenticating = False
        self.pending = 0
        self._next_allowed = 0.0
        self._refused = 0

    def receive(self, payload: bytes) -> None:
        """One message from the peer: decode, limit, dispatch. Synchronous."""
        wire = self.wire
        assert wire is not None
        for command in wire.dialect.decode(payload):
            wait_s = self.take()
            if not wait_s:
                if isinstance(command, Failure):
                    self.reply(command)
                else:
                    self._edge.dispatch(self, command)
            elif isinstance(command, Failure):
                self.reply(failure(RateLimited(wait_s), command.id))
            else:
                self.fail(RateLimited(wait_s), command)

    def take(self) -> float:
        """Counts one command; 0, or the seconds until the next is allowed. Closes a session that does not care.

        The token bucket, as a generic cell rate algorithm: one float a session.
        """
        config = self._edge.config
        rate = config.rate_per_s
        if not rate:
            return 0.0
        now = monotonic()
        earliest = self._next_allowed
        if earliest < now:
            earliest = now
        wait_s = earliest - now - config.rate_burst / rate
        if wait_s <= 0:
            self._next_allowed = earliest + 1 / rate
            self._refused = 0
            return 0.0
        self._refused += 1
        if self._refused > config.max_refused:
            self.connection.close(CloseCode.RATE_LIMIT_ABUSED, "rate limit ignored")
        return wait_s

    def reply(self, item: Reply) -> None:
        """Sends a reply, if the dialect shows it."""
        wire = self.wire
        if wire is not None:
            frame = wire.encode(item)
            if frame is not None:
                self.connection.push(frame)

    def fail(self, error: DomainError, command: Command) -> None:
        """Answers a command with the reason why it was refused."""
        self.reply(failure(error, getattr(command, "id", None), getattr(command, "client_msg_id", None)))

    def deliver(self, event: Event, frame: bytes) -> None:
        """An event whose frame is ready: sent, or kept until a replay is over."""
        if self.held is None:
            self.connection.push(frame)
        elif len(self.held) < self._edge.config.append_queue_high:
            self.held.append((event, frame))
        else:
            self.connection.close(CloseCode.SLOW_CONSUMER, "too slow; resume")

    def release(self, seen: dict[int, int]) -> None:
        """Ends a replay: sends what was held, without messages up to the seq that was seen of their conversation."""
        held, self.held = self.held, None
        for event, frame in held or ():
            if isinstance(event, MessageSent):
                message = event.message
                if message.seq <= seen.get(message.conversation_id, 0):
                    continue
            self.connection.push(frame)


def failure(error: DomainError, request_id: int | None, client_msg_id: str | None = None) -> Failure:
    retry_after_ms = int(error.retry_after_s * 1000) + 1 if isinstance(error, RateLimited) else 0
    return Failure(request_id, error.code, str(error), error.temporary, retry_after_ms, client_msg_id)
