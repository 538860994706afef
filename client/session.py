"""The client: reconnects, resumes, retries unacknowledged sends with the same id, and tells what happened as
packets."""

import asyncio
import itertools
import random
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from client.connection import Codec, Connection, open_connection, pause_asked_for
from client.errors import ClientError, ConnectionEnded, NoAnswer, RequestRefused
from client.progress import Progress
from domain.model import MessageKind
from protocol.commands import (
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

MAX_WAITING_EVENTS: Final = 1000
"""Events that wait for the application; then nothing more is read, acknowledgements included, until it takes some."""

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 30.0
SILENCES: Final = 2.5
Token = str | Callable[[], Awaitable[str]]
P = TypeVar("P", bound=ServerPacket)


class Resynchronise(msgspec.Struct, frozen=True):
    """An event of the client itself: more was missed than could be replayed. Load conversations and histories anew."""


class _Unacked:
    __slots__ = ("answer", "command")

    def __init__(self, command: Send, answer: "asyncio.Future[AckPacket]") -> None:
        self.command = command
        self.answer = answer


class Client:
    """`async with Client(url, token) as client`; then call its methods and iterate over `events()`.

    A send is retried, with the same `client_msg_id` and in the order of the calls, until it is acknowledged or
    finally refused; so it survives reconnects and restarts of the server. Other requests raise ConnectionEnded
    when the connection breaks. After a final close code everything raises it.
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
        """`token` may be a coroutine function: it is called for each connection, so an expired one can be renewed.
        `timeout_s` is for connecting and for each request."""
        self._url = url
        self._token = token
        self._codec = codec
        self._device = device
        self._timeout_s = timeout_s
        self._first_pause_s = first_pause_s
        self._ids = itertools.count(1)
        self._progress = Progress()
        self._requests: dict[int, asyncio.Future[ServerPacket]] = {}
        self._unacked: dict[str, _Unacked] = {}
        self._events: asyncio.Queue[ServerPacket | Resynchronise | None] = asyncio.Queue(MAX_WAITING_EVENTS)
        self._connection: Connection | None = None
        self._ready = asyncio.Event()
        self._ended: ClientError | None = None
        self._asked_pause_s = 0.0
        self._is_synced = False
        self._heard = 0.0
        self._running: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._unsent: deque[Send] = deque()
        self._wake = asyncio.Event()
        self.user_id = 0
        self.heartbeat_s = 30.0

    async def __aenter__(self) -> "Client":
        """Connects. ConnectionEnded, RequestRefused (the token) if the first attempt fails."""
        first = await self._connect()
        self._running = asyncio.create_task(self._run(first))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Says goodbye. Sends that were not acknowledged fail."""
        if self._retry is not None:
            self._retry.cancel()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None
        if self._connection is not None:
            await self._connection.close()
        self._end(ConnectionEnded(1000, "the client was closed"))

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
        """Returns once the message is on the server's disk. RequestRefused if it is refused for good."""
        key = client_msg_id or uuid.uuid4().hex
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
            id=next(self._ids),
        )
        if self._ended is not None:
            raise self._ended
        unacked = self._unacked.get(key)
        if unacked is None:
            unacked = _Unacked(command, asyncio.get_running_loop().create_future())
            self._unacked[key] = unacked
            self._unsent.append(command)
            self._wake.set()
        return await asyncio.shield(unacked.answer)

    async def request(self, command: Command, expected: type[P]) -> P:
        """Sends a command and waits for its reply. RequestRefused, ConnectionEnded, NoAnswer."""
        request_id = next(self._ids)
        async with asyncio.timeout(self._timeout_s) as limit:
            try:
                await self._ready.wait()
                if self._ended is not None:
                    raise self._ended
                connection = self._connection
                assert connection is not None
                reply: asyncio.Future[ServerPacket] = asyncio.get_running_loop().create_future()
                self._requests[request_id] = reply
                try:
                    await connection.send(msgspec.structs.replace(command, id=request_id))
                    packet = await reply
                finally:
                    self._requests.pop(request_id, None)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise NoAnswer(f"no reply within {self._timeout_s} s") from error
        if not isinstance(packet, expected):
            raise ClientError(f"the reply is of another type: {type(packet).__name__}")
        return packet

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
        """Who is online now; changes come as events until the connection breaks."""
        return dict((await self.request(SubscribePresence(list(user_ids)), PresenceStatePacket)).states)

    async def unsubscribe(self, user_ids: Sequence[int]) -> None:
        await self.request(UnsubscribePresence(list(user_ids)), DonePacket)

    async def ping(self) -> PongPacket:
        return await self.request(Ping(), PongPacket)

    async def events(self) -> AsyncIterator[ServerPacket | Resynchronise]:
        """What happens, in order; messages once each. Ends when the client is closed; raises after a final close
        code."""
        while True:
            event = await self._events.get()
            if event is None:
                self._events.put_nowait(None)
                if isinstance(self._ended, ConnectionEnded) and self._ended.code == 1000:
                    return
                assert self._ended is not None
                raise self._ended
            yield event

    # The connection

    async def _connect(self) -> Connection:
        """A connection that said hello, and sync where there is something to resume. ConnectionEnded,
        RequestRefused."""
        token = self._token if isinstance(self._token, str) else await self._token()
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await open_connection(self._url, self._codec)
                try:
                    hello = Hello(token, self._device, next(self._ids))
                    if self._progress.epoch:
                        # In one frame: nothing live comes between the two.
                        await connection.send(hello, self._progress.sync(next(self._ids)))
                    else:
                        await connection.send(hello)
                    packets = await connection.receive()
                    welcome = packets[0]
                    if isinstance(welcome, ErrorPacket):
                        raise RequestRefused(welcome.code, welcome.text, welcome.temporary, welcome.retry_after_ms)
                    if not isinstance(welcome, WelcomePacket):
                        raise ClientError(f"expected a welcome, got {type(welcome).__name__}")
                    self.user_id = welcome.user_id
                    self.heartbeat_s = welcome.heartbeat_s
                    if not self._progress.epoch:
                        self._progress.start(welcome.epoch, welcome.position)
                        self._is_synced = True
                    else:
                        self._is_synced = False
                    self._connection = connection
                    for packet in packets[1:]:
                        await self._take(packet)
                except BaseException:
                    await connection.close()
                    raise
        except TimeoutError as error:
            raise ConnectionEnded(1006, "the server did not answer in time") from error
        return connection

    async def _run(self, connection: Connection) -> None:
        """Reads until the connection ends, then makes the next, until an end is final."""
        pause_s = self._first_pause_s
        while True:
            try:
                await self._live(connection)
            except (ConnectionEnded, RequestRefused) as end:
                ended: ClientError = end
            self._lose(connection, ended)
            await connection.close()
            while True:
                if _is_final(ended, isinstance(self._token, str)):
                    self._end(ended)
                    return
                await asyncio.sleep(max(self._asked_pause_s, pause_s * random.uniform(0.5, 1)))
                self._asked_pause_s = 0.0
                try:
                    connection = await self._connect()
                    pause_s = self._first_pause_s
                    break
                except ClientError as error:
                    ended = error
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _live(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        self._ready.set()
        if self._retry is None:
            self._send_again()
        helpers = [asyncio.create_task(work(connection)) for work in (self._keep_alive, self._pump)]
        try:
            while True:
                for packet in await connection.receive():
                    self._heard = loop.time()
                    await self._take(packet)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.wait(helpers)

    async def _keep_alive(self, connection: Connection) -> None:
        """Pings a quiet server; gives up a silent one."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.heartbeat_s)
            if loop.time() - self._heard > self.heartbeat_s * SILENCES:
                await connection.close()
                return
            try:
                await connection.send(Ping(next(self._ids)))
            except ConnectionEnded:
                return

    def _lose(self, connection: Connection, reason: ClientError) -> None:
        self._ready.clear()
        self._connection = None
        for reply in self._requests.values():
            if not reply.done():
                reply.set_exception(reason)
        self._requests.clear()

    def _end(self, reason: ClientError) -> None:
        """Nothing more will come."""
        if self._ended is not None:
            return
        self._ended = reason
        self._ready.set()
        for unacked in self._unacked.values():
            if not unacked.answer.done():
                unacked.answer.set_exception(reason)
                unacked.answer.exception()
        self._unacked.clear()
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(None)

    async def _take(self, packet: ServerPacket) -> None:
        """Sorts one packet: an answer, the client's own affairs, or an event."""
        self._asked_pause_s = pause_asked_for(packet) or self._asked_pause_s
        if isinstance(packet, AckPacket):
            self._acked(packet)
        elif isinstance(packet, ErrorPacket):
            self._refused(packet)
        elif isinstance(packet, SyncedPacket):
            self._is_synced = True
            if packet.recovered:
                self._progress.advance(packet.position)
            else:
                self._progress.start(packet.epoch, packet.position)
                await self._events.put(Resynchronise())
        elif isinstance(packet, MessagePacket):
            if self._progress.received(packet.conversation_id, packet.seq):
                await self._events.put(packet)
        elif isinstance(packet, PongPacket) and self._is_synced:
            self._progress.advance(packet.position)
            self._answer(packet)
        elif not isinstance(packet, HeartbeatPacket) and not self._answer(packet):
            await self._events.put(packet)

    def _answer(self, packet: Any) -> bool:
        reply = self._requests.get(getattr(packet, "id", None) or 0)
        if reply is None or reply.done():
            return reply is not None or isinstance(packet, PongPacket)
        reply.set_result(packet)
        return True

    # Sends

    def _acked(self, ack: AckPacket) -> None:
        self._progress.acknowledged(ack.conversation_id, ack.seq)
        unacked = self._unacked.pop(ack.client_msg_id or "", None)
        if unacked is not None and not unacked.answer.done():
            unacked.answer.set_result(ack)

    def _refused(self, error: ErrorPacket) -> None:
        refusal = RequestRefused(error.code, error.text, error.temporary, error.retry_after_ms)
        unacked = self._unacked.get(error.client_msg_id or "")
        if unacked is not None:
            if error.temporary:
                self._send_later(error.retry_after_ms / 1000)
            else:
                del self._unacked[error.client_msg_id or ""]
                if not unacked.answer.done():
                    unacked.answer.set_exception(refusal)
            return
        reply = self._requests.get(error.id or 0)
        if reply is not None and not reply.done():
            reply.set_exception(refusal)

    def _send_later(self, delay_s: float) -> None:
        if self._retry is None:
            loop = asyncio.get_running_loop()
            self._retry = loop.call_later(max(delay_s, 0.05), self._send_again)

    def _send_again(self) -> None:
        """All that is not acknowledged, in order. What had arrived after all is answered as a duplicate."""
        self._retry = None
        self._unsent = deque(each.command for each in self._unacked.values())
        self._wake.set()

    async def _pump(self, connection: Connection) -> None:
        """Sends what is to be sent, one after the other."""
        while True:
            while self._unsent and self._retry is None:
                try:
                    await connection.send(self._unsent.popleft())
                except ConnectionEnded:
                    return
            self._wake.clear()
            await self._wake.wait()


def _is_final(ended: ClientError, has_fixed_token: bool) -> bool:
    """With a token that can be renewed, a refused one is worth another try."""
    if isinstance(ended, RequestRefused):
        return not ended.temporary and (has_fixed_token or ended.code == "account_disabled")
    if isinstance(ended, ConnectionEnded):
        return ended.is_final and (has_fixed_token or ended.code != 4401)
    return True
