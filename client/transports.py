"""What carries frames: WebSocket and raw TCP behind one interface."""

import asyncio
from collections import deque
from typing import ClassVar, Final, Protocol
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from client.errors import ABNORMAL, ConnectionClosed, RequestRefused
from protocol.close_codes import CloseCode
from protocol.framing import tcp

MAX_SERVER_FRAME_BYTES: Final = 16 * 1024 * 1024
"""A page of 200 long messages is far below."""

CLOSE_TIMEOUT_S: Final = 2.0
"""For the farewell. A server that does not take it is left without."""

READ_BYTES: Final = 64 * 1024


class Transport(Protocol):
    """Carries frames, in order. Both directions raise ConnectionClosed once it is gone."""

    has_close_codes: ClassVar[bool]

    async def send(self, frame: bytes) -> None:
        """Waits while the server does not read."""
        ...

    async def receive(self) -> bytes: ...

    async def close(self) -> None:
        """Says goodbye; after `CLOSE_TIMEOUT_S` at most it is closed. Never raises ConnectionClosed."""
        ...

    def abort(self) -> None:
        """Closes at once."""
        ...


class WebSocketTransport:
    has_close_codes: ClassVar[bool] = True

    def __init__(self, socket: ClientConnection, is_text: bool) -> None:
        self._socket = socket
        self._is_text = is_text

    async def send(self, frame: bytes) -> None:
        try:
            await self._socket.send(frame, text=self._is_text)
        except websockets.ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def receive(self) -> bytes:
        try:
            return await self._socket.recv(decode=False)
        except websockets.ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def close(self) -> None:
        await self._socket.close()

    def abort(self) -> None:
        self._socket.transport.abort()


class TcpTransport:
    has_close_codes: ClassVar[bool] = False

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._framing = tcp.TcpReader(MAX_SERVER_FRAME_BYTES)
        self._frames: deque[bytes] = deque()

    async def send(self, frame: bytes) -> None:
        try:
            self._writer.write(tcp.encode(frame))
            await self._writer.drain()
        except OSError as error:
            raise ConnectionClosed(ABNORMAL, str(error)) from error

    async def receive(self) -> bytes:
        while not self._frames:
            if self._framing.error is not None:
                raise ConnectionClosed(self._framing.error.code, self._framing.error.reason)
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError as error:
                raise ConnectionClosed(ABNORMAL, str(error)) from error
            if not data:
                raise ConnectionClosed(ABNORMAL, "the connection was lost")
            self._frames.extend(payload for _, payload in self._framing.feed(data))
        return self._frames.popleft()

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._writer.wait_closed()
        except OSError:  # TimeoutError is one
            self.abort()
        except asyncio.CancelledError:
            self.abort()
            raise

    def abort(self) -> None:
        self._writer.transport.abort()


async def open_transport(url: str, subprotocol: str) -> Transport:
    """`ws://host:port/gateway`, `wss://…` or `tcp://host:port`.

    ConnectionClosed if it cannot be made, RequestRefused with the HTTP status if the handshake is refused, ValueError
    for another kind of URL."""
    parts = urlsplit(url)
    if parts.scheme == "tcp":
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"{url}: a host and a port are needed")
        try:
            return TcpTransport(*await asyncio.open_connection(parts.hostname, parts.port))
        except OSError as error:
            raise ConnectionClosed(ABNORMAL, f"cannot connect: {error}") from error
    if parts.scheme not in ("ws", "wss"):
        raise ValueError(f"{url}: the scheme must be ws, wss or tcp")
    try:
        socket = await connect(
            url,
            subprotocols=[websockets.Subprotocol(subprotocol)],
            compression=None,
            ping_interval=None,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_SERVER_FRAME_BYTES,
        )
    except websockets.InvalidStatus as refused:
        raise _refused(refused) from refused
    except websockets.InvalidURI as error:
        raise ValueError(str(error)) from error
    except (OSError, websockets.InvalidHandshake) as error:
        raise ConnectionClosed(ABNORMAL, f"cannot connect: {error}") from error
    if socket.subprotocol != subprotocol:
        socket.transport.abort()
        raise ConnectionClosed(CloseCode.PROTOCOL_ERROR, f"the server does not speak {subprotocol}")
    return WebSocketTransport(socket, is_text="json" in subprotocol)


def _closed(closed: websockets.ConnectionClosed) -> ConnectionClosed:
    if closed.rcvd is None:
        return ConnectionClosed(ABNORMAL, "the connection was lost")
    return ConnectionClosed(closed.rcvd.code, closed.rcvd.reason)


def _refused(error: websockets.InvalidStatus) -> RequestRefused:
    response = error.response
    after = response.headers.get("Retry-After", "")
    return RequestRefused(
        str(response.status_code),
        f"the server refused the handshake: {response.reason_phrase}",
        temporary=response.status_code >= 500 or response.status_code in (408, 429),
        retry_after_ms=int(after) * 1000 if after.isdecimal() else 0,
    )
