"""One connection: a transport and a codec. Commands go out, packets come in."""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from client.errors import ConnectionEnded
from protocol.close_codes import CloseCode
from protocol.commands import Command
from protocol.framing.tcp import HEADER_BYTES, encode
from protocol.native.binary_codec import NativeBinary, batch
from protocol.native.json_codec import NativeJson
from protocol.native.packets import ErrorPacket, GoAwayPacket, ServerPacket
from protocol.native.refusals import PacketError

Codec = Literal["json", "binary"]
ABNORMAL: Final = 1006
MAX_SERVER_FRAME_BYTES: Final = 16 * 1024 * 1024
"""A page of 200 long messages is far below."""

_CODECS: Final[dict[Codec, NativeJson | NativeBinary]] = {"json": NativeJson(), "binary": NativeBinary()}
_SUBPROTOCOLS: Final = {
    "json": websockets.Subprotocol("feige.json.v1"),
    "binary": websockets.Subprotocol("feige.bin.v1"),
}


class Transport(Protocol):
    """Carries frames. Both directions raise ConnectionEnded once it is gone."""

    async def send(self, frame: bytes) -> None: ...

    async def receive(self) -> bytes: ...

    async def close(self) -> None: ...


class WebSocketTransport:
    def __init__(self, socket: ClientConnection, codec: Codec) -> None:
        self._socket = socket
        self._is_text = codec == "json"

    async def send(self, frame: bytes) -> None:
        try:
            await self._socket.send(frame, text=self._is_text)
        except websockets.ConnectionClosed as closed:
            raise _ended(closed) from closed

    async def receive(self) -> bytes:
        try:
            return await self._socket.recv(decode=False)
        except websockets.ConnectionClosed as closed:
            raise _ended(closed) from closed

    async def close(self) -> None:
        await self._socket.close()


class TcpTransport:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, frame: bytes) -> None:
        try:
            self._writer.write(encode(frame))
            await self._writer.drain()
        except OSError as error:
            raise ConnectionEnded(ABNORMAL, str(error)) from error

    async def receive(self) -> bytes:
        try:
            length = int.from_bytes(await self._reader.readexactly(HEADER_BYTES), "big")
            if length > MAX_SERVER_FRAME_BYTES:
                raise ConnectionEnded(CloseCode.TOO_LARGE, "the server sent a frame that is too large")
            return await self._reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError) as error:
            raise ConnectionEnded(ABNORMAL, "the connection was lost") from error

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            pass


class Connection:
    """Opened by `open_connection`."""

    def __init__(self, transport: Transport, codec: Codec) -> None:
        self._transport = transport
        self._codec = _CODECS[codec]
        self._is_binary = codec == "binary"

    async def send(self, *commands: Command) -> None:
        """All of them in one frame. ConnectionEnded."""
        packets = [self._codec.encode_command(command) for command in commands]
        await self._transport.send(packets[0] if len(packets) == 1 else self._join(packets))

    def _join(self, packets: Sequence[bytes]) -> bytes:
        return batch(packets) if self._is_binary else b"\n".join(packets)

    async def receive(self) -> list[ServerPacket]:
        """The packets of the next frame. ConnectionEnded, also where TCP tells the end by a packet."""
        try:
            packets = self._codec.decode_packets(await self._transport.receive())
        except PacketError as error:
            raise ConnectionEnded(CloseCode.PROTOCOL_ERROR, f"the server sent nonsense: {error}") from error
        for packet in packets:
            if isinstance(packet, ErrorPacket) and packet.id is None:
                code = _CODES_BY_NAME.get(packet.code)
                if code is not None:
                    raise ConnectionEnded(code, packet.text)
        return packets

    async def close(self) -> None:
        await self._transport.close()


_CODES_BY_NAME: Final = {code.name.lower(): int(code) for code in CloseCode}


async def open_connection(url: str, codec: Codec) -> Connection:
    """`ws://host:port/gateway`, `wss://…` or `tcp://host:port`. ConnectionEnded if it cannot be made; ValueError for
    another scheme."""
    parts = urlsplit(url)
    try:
        if parts.scheme == "tcp":
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            return Connection(TcpTransport(reader, writer), codec)
        if parts.scheme not in ("ws", "wss"):
            raise ValueError(f"{url}: the scheme must be ws, wss or tcp")
        socket = await connect(
            url,
            subprotocols=[_SUBPROTOCOLS[codec]],
            compression=None,
            ping_interval=None,
            max_size=MAX_SERVER_FRAME_BYTES,
        )
        return Connection(WebSocketTransport(socket, codec), codec)
    except (OSError, websockets.InvalidHandshake, TimeoutError) as error:
        raise ConnectionEnded(ABNORMAL, f"cannot connect: {error}") from error


def _ended(closed: websockets.ConnectionClosed) -> ConnectionEnded:
    if closed.rcvd is None:
        return ConnectionEnded(ABNORMAL, "the connection was lost")
    return ConnectionEnded(closed.rcvd.code, closed.rcvd.reason)


def pause_asked_for(packet: ServerPacket) -> float:
    """Seconds, if the packet sends the client away; else 0."""
    return packet.retry_after_ms / 1000 if isinstance(packet, GoAwayPacket) else 0.0
