"""Sessions of the load: native ones through client/, foreign ones of im through the `websockets` library; both write
down what they hear."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import websockets

from client import Client, ClientError, Codec, ConnectionClosed, Disconnected, NoAnswer, RequestRefused, Resynchronise
from protocol.native.packets import MessageEditedPacket, MessagePacket
from tests.faults.record import Acked, Break, Changed, SessionLog, Shown

T = TypeVar("T")

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
IM_SILENCE_S: Final = 5.0
"""After which a foreign client takes its connection for dead."""


class NativeSession:
    """A client of client/, for the whole run."""

    def __init__(self, name: str, user_id: int, url: str, token: str, codec: Codec) -> None:
        self.log = SessionLog(name, user_id, is_resuming=True)
        self.last_acked_send = 0.0
        """Loop time at which the last send began that was acknowledged."""
        self.disconnects = 0
        self._client = Client(url, token, codec=codec, first_pause_s=FIRST_PAUSE_S)
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._client.__aenter__()
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        await self._client.close()
        if self._listening is not None:
            await self._listening

    async def send(self, conversation_id: int, key: str, content: str) -> bool:
        """Until it is acknowledged. False if it was refused for good, which is a complaint."""
        since = asyncio.get_running_loop().time()
        try:
            ack = await self._client.send(conversation_id, content, client_msg_id=key)
        except ClientError as error:
            self._complain(f"the send of {key}", error)
            return False
        self.log.heard.append(Acked(key, ack.conversation_id, ack.seq, ack.message_id))
        self.last_acked_send = max(self.last_acked_send, since)
        return True

    async def edit(self, message_id: int, content: str) -> bool | None:
        """None if it may or may not have been done."""
        try:
            await self._client.edit(message_id, content)
        except ClientError as error:
            return self._unless_known(f"an edit of message {message_id}", error)
        return True

    async def mark(self, conversation_id: int, seq: int) -> bool | None:
        """None if it may or may not have been done."""
        try:
            await self._client.mark(conversation_id, read_seq=seq)
        except ClientError as error:
            return self._unless_known(f"a mark in conversation {conversation_id}", error)
        return True

    async def history(self, conversation_id: int) -> list[Shown]:
        """All of it, ascending."""
        messages: list[Shown] = []
        while True:
            after = messages[-1].seq if messages else 0
            page = await _until_answered(lambda: self._client.history(conversation_id, after_seq=after, limit=200))  # noqa: B023
            messages += [_shown(message) for message in page.messages]
            if not page.has_more:
                return messages

    async def counts(self) -> dict[int, tuple[int, int]]:
        """read_seq and unread count by conversation."""
        listed = await _until_answered(lambda: self._client.conversations(limit=50))
        return {
            entry.conversation.conversation_id: (entry.read_seq, entry.unread_count) for entry in listed.conversations
        }

    def _unless_known(self, what: str, error: ClientError) -> bool | None:
        if isinstance(error, NoAnswer) or (isinstance(error, ConnectionClosed) and not error.is_final):
            return None
        if isinstance(error, RequestRefused) and error.temporary:
            return None
        self._complain(what, error)
        return False

    def _complain(self, what: str, error: ClientError) -> None:
        if not (isinstance(error, ConnectionClosed) and error.code == 1000):
            self.log.complaints.append(f"{what} failed: {error}")

    async def _listen(self) -> None:
        try:
            async for event in self._client.events():
                if isinstance(event, MessagePacket):
                    self.log.heard.append(_shown(event))
                elif isinstance(event, MessageEditedPacket):
                    self.log.heard.append(Changed(event.conversation_id, event.seq, event.message_id, event.content))
                elif isinstance(event, Resynchronise):
                    self.log.heard.append(Break(asyncio.get_running_loop().time()))
                elif isinstance(event, Disconnected):
                    self.disconnects += 1
        except ClientError as error:
            self._complain("the session", error)


async def _until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """What only reads is asked again after a temporary refusal."""
    while True:
        try:
            return await ask()
        except ConnectionClosed as closed:
            if closed.is_final:
                raise
        except RequestRefused as refusal:
            if not refusal.temporary:
                raise
        await asyncio.sleep(FIRST_PAUSE_S)


def _shown(packet: MessagePacket) -> Shown:
    return Shown(
        *(packet.conversation_id, packet.seq, packet.message_id, packet.sender_id),
        *(packet.client_msg_id, packet.content),
    )


class ImSession:
    """A foreign WebSocket client of im: it knows no resume, so each connection starts anew; it sends again what was not
    acknowledged."""

    def __init__(self, name: str, user_id: int, url: str, token: str, dice: random.Random) -> None:
        self.log = SessionLog(name, user_id, is_resuming=False)
        self.disconnects = 0
        self.is_connected = asyncio.Event()
        self._url = f"{url}/ws/{user_id}?token={token}"
        self._dice = dice
        self._unacked: dict[str, tuple[str, asyncio.Future[bool]]] = {}
        self._socket: websockets.ClientConnection | None = None
        self._running: asyncio.Task[None] | None = None
        self._again: set[asyncio.TimerHandle] = set()

    async def start(self) -> None:
        self._running = asyncio.create_task(self._run())
        await self.is_connected.wait()

    async def stop(self) -> None:
        for timer in self._again:
            timer.cancel()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def send(self, conversation_id: int, key: str, content: str) -> bool:
        """Until it is acknowledged. False if it was refused for good, which is a complaint."""
        frame = {"type": "message", "conversation_id": conversation_id, "content": content, "client_msg_id": key}
        if key not in self._unacked:
            self._unacked[key] = json.dumps(frame), asyncio.get_running_loop().create_future()
        _, answer = self._unacked[key]
        await self._transmit(key)
        return await asyncio.shield(answer)

    async def _transmit(self, key: str) -> None:
        if self._socket is not None and key in self._unacked:
            try:
                await self._socket.send(self._unacked[key][0])
            except websockets.ConnectionClosed:
                pass  # It is sent again on the next connection.

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with websockets.connect(
                    self._url,
                    compression=None,
                    proxy=None,
                    open_timeout=IM_SILENCE_S,
                    ping_interval=IM_SILENCE_S / 2,
                    ping_timeout=IM_SILENCE_S / 2,
                    close_timeout=0.1,
                ) as socket:
                    pause_s = FIRST_PAUSE_S
                    await self._live(socket)
            except websockets.InvalidStatus as refused:
                if refused.response.status_code < 500:
                    self.log.complaints.append(f"the handshake was refused: {refused.response.status_code}")
            except (OSError, websockets.InvalidHandshake):
                pass
            self.disconnects += 1
            await asyncio.sleep(pause_s * self._dice.uniform(0.5, 1))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _live(self, socket: websockets.ClientConnection) -> None:
        try:
            greeting = json.loads(await socket.recv())
            if greeting["type"] != "connection_established":
                self.log.complaints.append(f"greeted with {greeting}")
            self.log.heard.append(Break(asyncio.get_running_loop().time()))
            self._socket = socket
            self.is_connected.set()
            for key in list(self._unacked):
                await self._transmit(key)
            async for text in socket:
                self._take(json.loads(text))
        except websockets.ConnectionClosed as closed:
            if closed.rcvd is not None and 4400 <= closed.rcvd.code < 4500:
                self.log.complaints.append(f"the connection was ended for good: {closed}")
        finally:
            self._socket = None
            self.is_connected.clear()

    def _take(self, frame: dict[str, Any]) -> None:
        kind, data = frame["type"], frame.get("data", {})
        if kind == "new_message":
            self.log.heard.append(
                Shown(
                    *(data["conversation_id"], data["seq"], data["message_id"], data["sender_id"]),
                    *(data.get("client_msg_id"), data["content"]),
                )
            )
        elif kind == "message_updated":
            self.log.heard.append(Changed(data["conversation_id"], data["seq"], data["message_id"], data["content"]))
        elif kind == "message_status":
            self.log.heard.append(Acked(data["messageId"], data["conversation_id"], data["seq"], data["message_id"]))
            self._answer(data["messageId"], is_stored=True)
        elif kind == "error":
            self._refused(data)

    def _refused(self, data: dict[str, Any]) -> None:
        key = data.get("client_msg_id")
        if key is not None and data["code"] in ("unavailable", "rate_limited", "internal_error"):
            loop = asyncio.get_running_loop()
            delay_s = max(data.get("retry_after_ms", 0) / 1000, FIRST_PAUSE_S)

            def again() -> None:
                self._again.discard(timer)
                task = asyncio.ensure_future(self._transmit(key))
                task.add_done_callback(lambda done: done.result())

            timer = loop.call_later(delay_s, again)
            self._again.add(timer)
            return
        self.log.complaints.append(f"refused: {data}")
        self._answer(key or "", is_stored=False)

    def _answer(self, key: str, *, is_stored: bool) -> None:
        waiting = self._unacked.pop(key, None)
        if waiting is not None:
            waiting[1].set_result(is_stored)
