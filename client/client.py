"""The client: reconnects, resumes, retries unacknowledged sends with the same id, and tells what happened as
packets."""

import asyncio
import itertools
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from client.connection import Codec, Connection, encode, open_connection
from client.errors import ABNORMAL, ClientError, ConnectionClosed, NoAnswer, RequestRefused
from client.events import Disconnected, Event, EventQueue, Reconnected, Resynchronise
from client.outbox import Outbox, Pending
from client.progress import Progress
from domain.model import MessageKind
from protocol.close_codes import CloseCode
from protocol.commands import (
    MAX_PRESENCE_USERS,
    Command,
    Delete,
    Edit,
    Hello,
    History,
    ListConversations,
    MarkUpTo,
    Open,
    Pin,
    Ping,
    Recall,
    Send,
    SetTyping,
    SubscribePresence,
    UnsubscribePresence,
)
from protocol.native.packets import (
    AckPacket,
    ConversationListPacket,
    DonePacket,
    ErrorPacket,
    GoAwayPacket,
    HeartbeatPacket,
    HistoryPagePacket,
    MessagePacket,
    OpenedPacket,
    PongPacket,
    PresenceStatePacket,
    ServerPacket,
    SyncedPacket,
    WelcomePacket,
)

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 1.0
"""A connection that stood this long was no failure: the pauses begin anew."""

SILENCES: Final = 2.5
"""After so many heartbeats without a packet the server is given up (PROTOCOL.md section 6)."""

CURSOR_BYTES: Final = 36
"""The longest cursor in JSON: two integers of 16 digits."""

HELLO_BYTES: Final = 8192
"""Room in the first frame for the hello, with the longest token, and what else is in a sync."""

TOKEN_CODES: Final = frozenset({"token_expired", "token_invalid", "unauthenticated", "401"})
Token = str | Callable[[], Awaitable[str]]
Answer = PongPacket | PresenceStatePacket | DonePacket | HistoryPagePacket | ConversationListPacket | OpenedPacket
P = TypeVar("P", bound=ServerPacket)


class Client:
    """`async with Client(url, token) as client`; then call its methods and iterate over `events()`.

    A send is retried, with the same `client_msg_id` and in the order of the calls, until it is acknowledged or
    finally refused; so it survives reconnects and restarts of the server. Other requests wait for a connection, and
    raise ConnectionClosed if it breaks before the reply: they may have been carried out. After a final close code
    everything raises it.

    Slow consumers: when 1000 events wait (`events.PAUSE_AT`), the client stops reading, and the server will at length
    close the connection (4001), after which the client resumes. While the application waits for an answer it reads
    on, for the answer may stand behind the events; should 10,000 wait, they give way to one `Resynchronise`.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        codec: Codec = "json",
        device: str = "",
        timeout_s: float = 15.0,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        """`url`: `ws://host:port/gateway`, `wss://…` or `tcp://host:port`. `timeout_s` is for connecting and for each
        request.

        `token` may be a coroutine function. It is called for each connection, and once more when its token was
        refused. Temporary RequestRefused, ConnectionClosed, NoAnswer and OSError from it are followed by another
        attempt; any other exception ends the client."""
        self._url = url
        self._token = token
        self._codec: Codec = codec
        self._device = device
        self._timeout_s = timeout_s
        self._first_pause_s = first_pause_s
        self._ids = itertools.count(1)
        self._progress = Progress()
        self._requests: dict[int, asyncio.Future[ServerPacket]] = {}
        self._outbox = Outbox()
        self._events = EventQueue()
        self._watched: set[int] = set()
        self._connection: Connection | None = None
        self._welcome: WelcomePacket | None = None
        self._sync_id: int | None = None
        """Of the replay that is under way."""
        self._ready = asyncio.Event()
        self._may_read = asyncio.Event()
        self._wake = asyncio.Event()
        """There is something to write."""
        self._is_ping_due = False
        self._is_reading = True
        self._heard = 0.0
        self._asked_pause_s = 0.0
        self._is_up = False
        """As the events tell it."""
        self._was_renewed = False
        """A token was refused, and the next is the last attempt."""
        self._ended: Exception | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Client":
        """Connects. ConnectionClosed, RequestRefused (the token), ValueError (the URL) if the first attempt fails."""
        connection = await self._connect()
        self._running = asyncio.create_task(self._run(connection))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Says goodbye. Requests and sends that were not answered raise ConnectionClosed (1000)."""
        self._end(ConnectionClosed(CloseCode.NORMAL, "the client was closed"))
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running])

    @property
    def user_id(self) -> int:
        return self._welcome.user_id if self._welcome is not None else 0

    # Requests

    async def send(
        self,
        conversation_id: int,
        content: str = "",
        *,
        client_msg_id: str | None = None,
        kind: MessageKind = MessageKind.TEXT,
        reply_to_id: int | None = None,
        is_silent: bool = False,
        latitude: str | None = None,
        longitude: str | None = None,
        address: str | None = None,
        file_id: str | None = None,
    ) -> AckPacket:
        """Returns once the message is on the server's disk. RequestRefused if it is refused for good, ValueError if
        it cannot be encoded.

        Has no timeout. Cancelling ends the retries, but the message may be stored nonetheless: to find out, send it
        again with the same `client_msg_id`. One that is under way already is joined."""
        self._raise_if_ended()
        key = client_msg_id or uuid.uuid4().hex
        pending = self._outbox.find(key)
        if pending is None:
            number = next(self._ids)
            command = Send(
                conversation_id,
                content,
                key,
                kind,
                reply_to_id,
                is_silent,
                latitude,
                longitude,
                address,
                file_id=file_id,
                id=number,
            )
            frame = self._encoded(command)
            pending = Pending(number, key, frame)
            self._outbox.add(pending)
            self._wake.set()
            self._may_read.set()
        pending.waiters += 1
        try:
            return await asyncio.shield(pending.answer)
        finally:
            pending.waiters -= 1
            if not pending.waiters:
                self._outbox.drop(pending)

    async def request(self, command: Command, expected: type[P]) -> P:
        """Sends a command and waits for its reply. RequestRefused, ConnectionClosed, NoAnswer; ValueError if it
        cannot be encoded."""
        request_id = next(self._ids)
        frame = self._encoded(msgspec.structs.replace(command, id=request_id))
        try:
            async with asyncio.timeout(self._timeout_s):
                packet = await self._exchange(request_id, frame)
        except TimeoutError as error:
            raise NoAnswer(f"no reply within {self._timeout_s} s") from error
        if not isinstance(packet, expected):
            raise ClientError(f"the reply is of another type: {type(packet).__name__}")
        return packet

    async def _exchange(self, request_id: int, frame: bytes) -> ServerPacket:
        self._raise_if_ended()
        while self._connection is None:
            await self._ready.wait()
            self._raise_if_ended()
        reply: asyncio.Future[ServerPacket] = asyncio.get_running_loop().create_future()
        self._requests[request_id] = reply
        self._may_read.set()
        try:
            await self._connection.send(frame)
            return await reply
        finally:
            self._requests.pop(request_id, None)
            if reply.done() and not reply.cancelled():
                reply.exception()  # Is not asked for where sending failed too.

    def _encoded(self, command: Command) -> bytes:
        frame = encode(command, self._codec)
        if self._welcome is not None and len(frame) > self._welcome.max_frame_bytes:
            # The server would close the connection for good.
            raise RequestRefused("too_large", f"the server takes {self._welcome.max_frame_bytes} bytes at once")
        return frame

    async def history(
        self, conversation_id: int, *, before_seq: int | None = None, after_seq: int | None = None, limit: int = 50
    ) -> HistoryPagePacket:
        return await self.request(History(conversation_id, before_seq, after_seq, limit), HistoryPagePacket)

    async def conversations(self, *, offset: int = 0, limit: int = 50) -> ConversationListPacket:
        return await self.request(ListConversations(offset, limit), ConversationListPacket)

    async def open(self, user_id: int) -> OpenedPacket:
        """The single conversation with a user."""
        return await self.request(Open(user_id), OpenedPacket)

    async def mark(self, conversation_id: int, *, read_seq: int = 0, delivered_seq: int = 0) -> None:
        await self.request(MarkUpTo(conversation_id, read_seq, delivered_seq), DonePacket)

    async def typing(self, conversation_id: int, is_typing: bool = True) -> None:
        await self.request(SetTyping(conversation_id, is_typing), DonePacket)

    async def edit(self, message_id: int, content: str) -> None:
        await self.request(Edit(message_id, content), DonePacket)

    async def recall(self, message_id: int) -> None:
        await self.request(Recall(message_id), DonePacket)

    async def delete(self, message_id: int) -> None:
        await self.request(Delete(message_id), DonePacket)

    async def pin(self, message_id: int, pinned: bool = True) -> None:
        await self.request(Pin(message_id, pinned), DonePacket)

    async def subscribe(self, user_ids: Sequence[int]) -> dict[int, bool]:
        """Who is online now; changes come as events. After a reconnect the client subscribes again, and the states
        come as a PresenceStatePacket among the events."""
        states = (await self.request(SubscribePresence(list(user_ids)), PresenceStatePacket)).states
        self._watched.update(user_ids)
        return states

    async def unsubscribe(self, user_ids: Sequence[int]) -> None:
        self._watched.difference_update(user_ids)
        await self.request(UnsubscribePresence(list(user_ids)), DonePacket)

    async def ping(self) -> PongPacket:
        return await self.request(Ping(), PongPacket)

    async def events(self) -> AsyncIterator[Event]:
        """What happens, in order; messages once each. For one consumer. Ends when the client is closed; raises what
        ended it otherwise."""
        while True:
            try:
                event = await self._events.take()
            except ConnectionClosed as closed:
                if closed.code == CloseCode.NORMAL:
                    return
                raise
            self._may_read.set()
            yield event

    # The connection

    async def _connect(self) -> Connection:
        """A connection that was welcomed. ConnectionClosed, RequestRefused, and what `token` raises."""
        try:
            async with asyncio.timeout(self._timeout_s):
                token = await self._current_token()
                connection = await open_connection(self._url, self._codec)
                try:
                    await self._greet(connection, token)
                except BaseException:
                    connection.abort()
                    raise
        except TimeoutError as error:
            raise ConnectionClosed(ABNORMAL, "the server did not answer in time") from error
        return connection

    async def _current_token(self) -> str:
        if isinstance(self._token, str):
            return self._token
        try:
            return await self._token()
        except RequestRefused as refusal:
            self._was_renewed = self._was_renewed or not refusal.temporary
            raise

    async def _greet(self, connection: Connection, token: str) -> None:
        """Hello and, where there is something to resume, sync: in one frame, so nothing live comes between them."""
        frames = [encode(Hello(token, self._device, next(self._ids)), self._codec)]
        self._sync_id = None
        if self._welcome is not None:
            self._sync_id = next(self._ids)
            max_cursors = max(self._welcome.max_frame_bytes - HELLO_BYTES, 0) // CURSOR_BYTES + 1
            frames.append(encode(self._progress.sync(self._sync_id, max_cursors), self._codec))
        await connection.send(*frames)
        is_welcome = False
        while not is_welcome:
            for packet in await connection.receive():
                if is_welcome:
                    self._take(packet)
                elif isinstance(packet, WelcomePacket):
                    is_welcome = True
                    self._welcomed(packet)
                elif isinstance(packet, GoAwayPacket):
                    self._asked_pause_s = packet.retry_after_ms / 1000
                elif isinstance(packet, ErrorPacket) and packet.id is not None:
                    raise RequestRefused(packet.code, packet.text, packet.temporary, packet.retry_after_ms)

    def _welcomed(self, welcome: WelcomePacket) -> None:
        self._was_renewed = False
        if self._welcome is None:
            self._progress.start(welcome.epoch, welcome.position)
        else:
            self._events.push(Reconnected())
        self._is_up = True
        self._welcome = welcome

    async def _run(self, connection: Connection) -> None:
        """Lives with one connection after the other, until an end is final."""
        loop = asyncio.get_running_loop()
        pause_s = self._first_pause_s
        try:
            while True:
                since = loop.time()
                reason = await self._live(connection)
                if loop.time() - since > min(pause_s, STEADY_S):
                    pause_s = self._first_pause_s
                connection, pause_s = await self._come_back(reason, pause_s)
        except Exception as error:
            self._end(error)

    async def _live(self, connection: Connection) -> ClientError:
        """Until the connection ends. Returns why."""
        reason: ClientError = ConnectionClosed(ABNORMAL, "the connection was abandoned")
        self._connection = connection
        self._outbox.reconnected()
        self._ready.set()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(connection))
                tasks.create_task(self._write(connection))
                tasks.create_task(self._keep_alive(connection))
        except* ClientError as ended:
            first = ended.exceptions[0]
            assert isinstance(first, ClientError)
            reason = first
        finally:
            self._ready.clear()
            self._connection = None
            self._fail_requests(reason)
            await connection.close()
        return reason

    async def _come_back(self, reason: ClientError, pause_s: float) -> tuple[Connection, float]:
        """The next connection, and the pause before the one after it. Raises what is final."""
        while True:
            if self._is_final(reason):
                raise reason
            if self._is_up:
                self._is_up = False
                self._events.push(Disconnected(reason))
            # Half of the pause at least, and more than was asked for: many come back at once.
            await asyncio.sleep(self._asked_pause_s + random.uniform(0.5, 1) * pause_s)
            self._asked_pause_s = 0.0
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            try:
                return await self._connect(), pause_s
            except ClientError as error:
                reason = error
            except OSError as error:
                reason = ConnectionClosed(ABNORMAL, f"no token: {error}")

    def _is_final(self, reason: ClientError) -> bool:
        """A refused token that can be renewed is, the second time."""
        if isinstance(reason, RequestRefused):
            self._asked_pause_s = max(self._asked_pause_s, reason.retry_after_ms / 1000)
            is_final, is_token = not reason.temporary, reason.code in TOKEN_CODES
        elif isinstance(reason, ConnectionClosed):
            is_final, is_token = reason.is_final, reason.code == CloseCode.UNAUTHENTICATED
        else:
            return False
        if is_token and not isinstance(self._token, str) and not self._was_renewed:
            self._was_renewed = True
            return False
        return is_final

    async def _read(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._events.is_full and not self._requests and not self._outbox:
                self._is_reading = False
                self._may_read.clear()
                await self._may_read.wait()
            if not self._is_reading:
                self._is_reading = True
                self._heard = loop.time()
            packets = await connection.receive()
            self._heard = loop.time()
            for packet in packets:
                self._take(packet)

    async def _write(self, connection: Connection) -> None:
        """Sends what nobody stands by for: pings, subscriptions, and sends, one after the other."""
        loop = asyncio.get_running_loop()
        self._is_ping_due = False
        try:
            for chunk in _chunks(self._watched):
                await connection.send(encode(SubscribePresence(chunk, next(self._ids)), self._codec))
            while True:
                self._wake.clear()
                if self._is_ping_due:
                    self._is_ping_due = False
                    await connection.send(encode(Ping(next(self._ids)), self._codec))
                while (frame := self._outbox.next(loop.time())) is not None:
                    await connection.send(frame)
                try:
                    async with asyncio.timeout_at(self._outbox.resume_at):
                        await self._wake.wait()
                except TimeoutError:
                    pass  # It is time to resume.
        except ConnectionClosed:
            return  # The reader learns why.

    async def _keep_alive(self, connection: Connection) -> None:
        """Pings every heartbeat; gives up a server that is silent while it is read."""
        loop = asyncio.get_running_loop()
        assert self._welcome is not None
        heartbeat_s = self._welcome.heartbeat_s
        self._heard = loop.time()
        ping_at = self._heard + heartbeat_s
        while True:
            now = loop.time()
            if not self._is_reading:
                self._heard = now
            if now >= ping_at:
                self._is_ping_due = True
                self._wake.set()
                ping_at = now + heartbeat_s
            silent_at = self._heard + heartbeat_s * SILENCES
            if now >= silent_at:
                connection.abort()
                raise ConnectionClosed(CloseCode.HEARTBEAT_TIMEOUT, "the server is silent")
            await asyncio.sleep(min(ping_at, silent_at) - now)

    def _take(self, packet: ServerPacket) -> None:
        """Sorts one packet: an answer, the client's own affairs, or an event."""
        match packet:
            case MessagePacket():
                if self._progress.received(packet.conversation_id, packet.seq):
                    self._events.push(packet)
            case AckPacket():
                self._progress.acknowledged(packet.conversation_id, packet.seq)
                self._outbox.acked(packet)
                self._wake.set()
            case ErrorPacket():
                self._take_error(packet)
            case SyncedPacket():
                self._synced(packet)
            case PongPacket():
                if self._sync_id is None:
                    self._progress.advance(packet.position, asyncio.get_running_loop().time())
                self._answer(packet)
            case GoAwayPacket():
                self._asked_pause_s = packet.retry_after_ms / 1000
                self._events.push(packet)
            case HeartbeatPacket():
                pass
            case PresenceStatePacket():
                if not self._answer(packet):
                    self._events.push(packet)
            case DonePacket() | HistoryPagePacket() | ConversationListPacket() | OpenedPacket():
                self._answer(packet)  # Or it is too late: nobody waits any more.
            case _:
                self._events.push(packet)

    def _take_error(self, error: ErrorPacket) -> None:
        if self._outbox.refused(error, asyncio.get_running_loop().time()):
            self._wake.set()
        elif error.id is None:
            self._events.push(error)
        elif error.id == self._sync_id:
            if error.temporary:
                # Live packets would follow, and hide what was not replayed.
                self._asked_pause_s = error.retry_after_ms / 1000
                raise ConnectionClosed(CloseCode.OVERLOADED, f"cannot resume now: {error.text}")
            assert self._welcome is not None
            self._start_anew(self._welcome.epoch, self._welcome.position)
        else:
            reply = self._requests.get(error.id)
            if reply is not None and not reply.done():
                reply.set_exception(RequestRefused(error.code, error.text, error.temporary, error.retry_after_ms))

    def _synced(self, packet: SyncedPacket) -> None:
        if packet.recovered:
            self._sync_id = None
            self._progress.advance(packet.position, asyncio.get_running_loop().time())
        else:
            self._start_anew(packet.epoch, packet.position)

    def _start_anew(self, epoch: str, position: str) -> None:
        self._sync_id = None
        self._progress.start(epoch, position)
        self._events.push(Resynchronise())

    def _answer(self, packet: Answer) -> bool:
        reply = self._requests.get(packet.id) if packet.id is not None else None
        if reply is None:
            return False
        if not reply.done():
            reply.set_result(packet)
        return True

    # The end

    def _raise_if_ended(self) -> None:
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        if self._welcome is None:
            raise RuntimeError("the client is entered first: async with Client(...)")

    def _fail_requests(self, reason: Exception) -> None:
        for reply in self._requests.values():
            if not reply.done():
                reply.set_exception(reason)

    def _end(self, reason: Exception) -> None:
        """Nothing more will come."""
        if self._ended is None:
            self._ended = reason
            self._fail_requests(reason)
            self._outbox.fail(reason)
            self._events.finish(reason)
            self._ready.set()


def _chunks(user_ids: Iterable[int]) -> list[list[int]]:
    """As many as one subscription may name."""
    ordered = sorted(user_ids)
    return [ordered[start : start + MAX_PRESENCE_USERS] for start in range(0, len(ordered), MAX_PRESENCE_USERS)]
