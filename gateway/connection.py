"""What is the same for every transport, and the two transports: outbox, framing, closing."""

import asyncio
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from gateway.session import Session
from gateway.wire import Wire
from protocol.close_codes import CloseCode
from protocol.framing import websocket
from protocol.framing.reader import BINARY, CLOSE, PING, TEXT, FrameReader
from protocol.framing.tcp import TcpReader
from protocol.framing.websocket import WebSocketReader
from protocol.replies import Failure

if TYPE_CHECKING:
    from gateway.edge import Edge

ABNORMAL = 1006
"""RFC 6455 section 7.1.5: the connection ended without a close frame."""


class Connection(asyncio.Protocol):
    """A transport with its frame reader and its outbox.

    The outbox collects what is sent in one tick of the loop and is written once, straight to the socket. The
    transport only gets what the socket does not take; until it has got rid of that, the outbox waits, up to
    `GatewayConfig.outbox_bytes`.
    """

    __slots__ = (
        "_edge",
        "_reader",
        "_socket",
        "_waiting",
        "_waiting_bytes",
        "close_code",
        "is_congested",
        "last_heard",
        "session",
        "transport",
    )

    def __init__(self, edge: "Edge", reader: FrameReader, wire: Wire | None) -> None:
        self._edge = edge
        self._reader = reader
        self.session = Session(edge, self, wire)
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.last_heard = edge.wheel.now
        self.close_code = 0
        """0 while open, then the reason why it is closing."""
        self.is_congested = False
        """The socket takes no more: what may be dropped is dropped."""
        self._socket: socket.socket = cast(socket.socket, None)
        self._waiting: bytes | list[bytes] | None = None
        """The outbox: one frame (the usual case, which needs no list) or several. None: what comes may be written at
        once; so it is a list, if an empty one, while the socket takes no more and after closing."""
        self._waiting_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # pause_writing as soon as the transport holds anything, resume_writing when it holds nothing.
        self.transport.set_write_buffer_limits(0)
        # Of the descriptor that the transport owns: `send` on it costs 0.4 µs less in the kernel than `os.write`.
        fd = transport.get_extra_info("socket").fileno()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fd)
        self._edge.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._socket.detach()
        code = self.close_code or ABNORMAL
        self.close_code = code
        self._waiting = []
        self._edge.closed(self, code)

    def data_received(self, data: bytes) -> None:
        self.last_heard = self._edge.wheel.now
        reader = self._reader
        for opcode, payload in reader.feed(data):
            self._edge.stats.frames_in += 1
            if opcode <= BINARY and not self.close_code:
                self.on_message(opcode, payload)
            elif opcode > BINARY:
                self.on_control(opcode, payload)
        if reader.error is not None and not self.close_code:
            self.close(reader.error.code, reader.error.reason)

    def on_message(self, opcode: int, payload: bytes) -> None:
        raise NotImplementedError

    def on_control(self, opcode: int, payload: bytes) -> None:
        """A control frame, where the transport has them."""

    @property
    def waiting_bytes(self) -> int:
        """What the peer has not taken yet."""
        return self.transport.get_write_buffer_size() + (self._waiting_bytes if self._waiting else 0)

    def push(self, frame: bytes) -> None:
        """Puts a frame into the outbox; it leaves with this tick's others."""
        waiting = self._waiting
        if waiting is None:
            self._waiting = frame
            self._waiting_bytes = len(frame)
            self._edge.flush_soon(self)
        elif not self.close_code:
            if isinstance(waiting, list):
                waiting.append(frame)
            else:
                self._waiting = [waiting, frame]
            self._waiting_bytes += len(frame)
            if self._waiting_bytes > self._edge.config.outbox_bytes:
                self._edge.stats.drops["slow consumer"] += 1
                self._waiting = []
                self.close(CloseCode.SLOW_CONSUMER, "too slow; resume")

    def send(self, frame: bytes) -> None:
        """Writes a frame at once, unless others wait: for the end of a tick, when nothing more will join it."""
        broadcast((self,), frame)

    def flush(self) -> None:
        """Writes the outbox, unless the socket has not taken what it was given before."""
        waiting = self._waiting
        if waiting and not self.is_congested and not self.close_code:
            self._waiting = None
            self.send(waiting if isinstance(waiting, bytes) else b"".join(waiting))

    def pause_writing(self) -> None:
        self.is_congested = True
        if self._waiting is None:
            self._waiting = []
            self._waiting_bytes = 0

    def resume_writing(self) -> None:
        self.is_congested = False
        if self._waiting:
            self.flush()
        elif not self.close_code:
            self._waiting = None

    def close(self, code: int, reason: str) -> None:
        """Sends what waits, then the farewell, and closes when the peer agrees or its time is over."""
        if self.close_code:
            return
        waiting, self._waiting = self._waiting, []
        frames = waiting if isinstance(waiting, list) else [waiting or b""]
        rest = b"".join((*frames, self.farewell(code, reason)))
        self.close_code = code
        self._edge.detach(self)
        if not self.transport.is_closing():
            if not self.is_congested:
                self._waiting = None
                self.send(rest)
                self._waiting = []
            else:
                self.transport.write(rest)
            self.after_farewell()

    def farewell(self, code: int, reason: str) -> bytes:
        raise NotImplementedError

    def after_farewell(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        self.transport.abort()

    def ping(self) -> None:
        """Asks a silent peer for a sign of life, where the transport can."""

    def on_deadline(self, now: int) -> int:
        """The wheel asks: authentication, heartbeat, the end of a close. See `Expiring`."""
        if self.transport.is_closing() and not self.close_code:
            return 0
        return self._edge.check_deadline(self, now)


def broadcast(connections: Iterable[Connection], frame: bytes) -> None:
    """`Connection.send` on each. One loop without a call of ours a delivery: 0.1 µs of the 1.3 that a delivery
    costs here."""
    size = len(frame)
    for connection in connections:
        if connection._waiting is not None:
            connection.push(frame)
            continue
        try:
            sent = connection._socket.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            connection.abort()
            continue
        if sent != size:
            # The transport sends the rest, and calls pause_writing as it takes it.
            connection.transport.write(frame[sent:])


class WebSocketConnection(Connection):
    """A session over WebSocket. The handshake is over when it is made."""

    __slots__ = ()

    def __init__(self, edge: "Edge", wire: Wire) -> None:
        super().__init__(edge, WebSocketReader(edge.config.max_frame_bytes), wire)

    def on_message(self, opcode: int, payload: bytes) -> None:
        wire = self.session.wire
        if wire is not None and (opcode == TEXT) is wire.dialect.is_binary:
            self.close(CloseCode.UNSUPPORTED_DATA, "binary messages only" if opcode == TEXT else "text messages only")
        else:
            self.session.receive(payload)

    def on_control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            if not self.close_code and not self.session.take():
                self.push(websocket.encode_pong(payload))
        elif opcode == CLOSE:
            if not self.close_code:
                code, reason = websocket.parse_close(payload)
                self.close(code if code != websocket.NO_STATUS else CloseCode.NORMAL, reason)
            self.transport.close()

    def farewell(self, code: int, reason: str) -> bytes:
        return websocket.encode_close(code, reason)

    def after_farewell(self) -> None:
        if self._reader.error is not None:
            # The peer's answer could not be read, so it need not wait for ours to it.
            self.transport.write_eof()
        self._edge.wheel.add(self, self._edge.close_ticks)

    def ping(self) -> None:
        self.push(websocket.encode_ping())


class TcpConnection(Connection):
    """A native session over raw TCP; the first frame decides the codec."""

    __slots__ = ()

    def __init__(self, edge: "Edge") -> None:
        super().__init__(edge, TcpReader(edge.config.max_frame_bytes), None)

    def on_message(self, opcode: int, payload: bytes) -> None:
        if not payload:
            return
        if self.session.wire is None:
            self.session.wire = self._edge.tcp_wires[0 if payload[:1] == b"{" else 1]
        self.session.receive(payload)

    def farewell(self, code: int, reason: str) -> bytes:
        """TCP has no close frame: the reason travels as a packet."""
        wire = self.session.wire
        if wire is None or code == CloseCode.NORMAL or code == CloseCode.GOING_AWAY:
            return b""
        name = CloseCode(code).name.lower() if code in CloseCode.__members__.values() else "closed"
        return wire.encode(Failure(None, name, reason, code < 4400)) or b""

    def after_farewell(self) -> None:
        self.transport.close()
        self._edge.wheel.add(self, self._edge.close_ticks)
