"""A real server whose every packet the test says: it accepts, reads commands and answers as scripted."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from client import Client, Codec
from client.connection import CODECS
from protocol.close_codes import CloseCode
from protocol.commands import Command, Hello, Send
from protocol.framing.tcp import TcpReader, encode
from protocol.native.packets import AckPacket, ErrorPacket, MessagePacket, ServerPacket, WelcomePacket
from protocol.replies import Failure

Way = tuple[Literal["websocket", "tcp"], Codec]
WAYS: list[Way] = [("websocket", "json"), ("websocket", "binary"), ("tcp", "json"), ("tcp", "binary")]
C = TypeVar("C", bound=Command)
PATIENCE_S = 8
"""For whatever must happen; so a test fails instead of hanging."""

WELCOME = WelcomePacket("s-1", 7, "epoch", "p1", 0, 30, 65536, 5000, "1")


class Peer:
    """The server's end of one connection."""

    def __init__(self, codec: Codec | None) -> None:
        self.codec = codec
        self.frames: list[list[Command]] = []
        """The commands of each frame that came."""
        self.gone = asyncio.Event()
        self._commands: deque[Command] = deque()

    async def read(self) -> bytes:
        raise NotImplementedError

    async def write(self, payload: bytes) -> None:
        raise NotImplementedError

    async def close(self, code: int = 1000, reason: str = "") -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError

    async def receive(self, expected: type[C]) -> C:
        async with asyncio.timeout(PATIENCE_S):
            while not self._commands:
                payload = await self.read()
                if self.codec is None:
                    self.codec = "json" if payload[:1] == b"{" else "binary"
                commands = []
                for command in CODECS[self.codec].decode(payload):
                    assert not isinstance(command, Failure), command
                    commands.append(command)
                self.frames.append(commands)
                self._commands.extend(commands)
        command = self._commands.popleft()
        assert isinstance(command, expected), command
        return command

    async def receive_sends(self, count: int) -> list[Send]:
        return [await self.receive(Send) for _ in range(count)]

    async def send(self, *packets: ServerPacket) -> None:
        assert self.codec is not None
        for packet in packets:
            await self.write(CODECS[self.codec].encode_packet(packet))

    async def welcome(self, packet: WelcomePacket = WELCOME) -> Hello:
        hello = await self.receive(Hello)
        await self.send(WelcomePacket(*(*list(_values(packet))[:-1], hello.id)))
        return hello

    async def ack(self, send: Send, seq: int) -> None:
        await self.send(AckPacket(seq, send.conversation_id, seq, 0, send.client_msg_id, id=send.id))

    async def refuse(self, command: Any, code: str, *, temporary: bool = False, retry_after_ms: int = 0) -> None:
        await self.send(ErrorPacket(code, "no", temporary, retry_after_ms, id=command.id))


class WebSocketPeer(Peer):
    def __init__(self, socket: ServerConnection, codec: Codec) -> None:
        super().__init__(codec)
        self._socket = socket

    async def read(self) -> bytes:
        return await self._socket.recv(decode=False)

    async def write(self, payload: bytes) -> None:
        await self._socket.send(payload, text=self.codec == "json")

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._socket.close(code, reason)

    def abort(self) -> None:
        self._socket.transport.abort()


class TcpPeer(Peer):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(None)
        self._reader = reader
        self._writer = writer
        self._framing = TcpReader(1 << 20)
        self._payloads: deque[bytes] = deque()

    async def read(self) -> bytes:
        while not self._payloads:
            data = await self._reader.read(65536)
            if not data:
                raise EOFError
            self._payloads.extend(payload for _, payload in self._framing.feed(data))
        return self._payloads.popleft()

    async def write(self, payload: bytes) -> None:
        self._writer.write(encode(payload))
        await self._writer.drain()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if code not in (1000, 4000):
            await self.send(ErrorPacket(CloseCode(code).name.lower(), reason))
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


Refusal = tuple[int, dict[str, str]]


class PeerServer:
    """Listens on a free port; `refusals` answer the next WebSocket handshakes with a status and headers."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.port = 0
        self.refusals: deque[Refusal] = deque()
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()
        self._all: list[Peer] = []
        self._server: Any = None

    async def __aenter__(self) -> "PeerServer":
        await self.listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for peer in self._all:
            peer.abort()
            peer.gone.set()
        await self.stop_listening()

    async def listen(self) -> None:
        """Again on the same port after `stop_listening`."""
        transport, codec = self.way
        if transport == "tcp":
            self._server = await asyncio.start_server(self._on_tcp, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        else:
            name = "feige.json.v1" if codec == "json" else "feige.bin.v1"
            self._server = await serve(
                self._on_websocket,
                "127.0.0.1",
                self.port,
                subprotocols=[Subprotocol(name)],
                process_request=self._judge,
                compression=None,
                ping_interval=None,
                close_timeout=1,
            )
            self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop_listening(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}" if self.way[0] == "tcp" else f"ws://127.0.0.1:{self.port}/gateway"

    async def accept(self) -> Peer:
        async with asyncio.timeout(PATIENCE_S):
            return await self._peers.get()

    def client(self, token: str | Callable[[], Awaitable[str]] = "token", **options: Any) -> Client:
        return Client(self.url, token, codec=self.way[1], first_pause_s=0.02, **options)

    @asynccontextmanager
    async def connected(
        self, welcome: WelcomePacket = WELCOME, token: str | Callable[[], Awaitable[str]] = "token", **options: Any
    ) -> AsyncIterator[tuple[Client, Peer]]:
        client = self.client(token, **options)
        entering = asyncio.create_task(client.__aenter__())
        peer = await self.accept()
        await peer.welcome(welcome)
        await entering
        try:
            yield client, peer
        finally:
            await client.close()

    async def _on_websocket(self, socket: ServerConnection) -> None:
        await self._serve(WebSocketPeer(socket, self.way[1]))

    async def _on_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(TcpPeer(reader, writer))

    async def _serve(self, peer: Peer) -> None:
        self._all.append(peer)
        self._peers.put_nowait(peer)
        await peer.gone.wait()

    def _judge(self, socket: ServerConnection, request: Request) -> Response | None:
        if self.refusals:
            status, headers = self.refusals.popleft()
            return Response(status, "refused", Headers({"Connection": "close", **headers}), b"")
        return None


def message(seq: int, conversation_id: int = 42, content: str = "hi") -> MessagePacket:
    return MessagePacket(1000 + seq, conversation_id, seq, 8, 0, content)


def _values(packet: WelcomePacket) -> list[Any]:
    return [getattr(packet, name) for name in packet.__struct_fields__]
