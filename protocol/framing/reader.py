"""The one shape in which every transport hands its messages to a session."""

from typing import Final

from .errors import FrameError

# RFC 6455 section 5.2. TCP frames arrive as BINARY.
CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA


class FrameReader:
    """Bytes in, messages out; the base of `WebSocketReader` and `TcpReader`.

    `feed` never raises for what a peer sent. It returns the messages that were complete before the first bad
    frame, and leaves that frame's `FrameError` in `error` (None while all is well), so the caller's loop is:

        for opcode, payload in reader.feed(data): ...
        if reader.error is not None: ...

    How the bytes are cut into chunks makes no difference to the messages and the error. After an error or the
    end of the stream of messages (a close frame) whatever else arrives is discarded. Bytes are kept only
    while a frame is incomplete, and never more than the limit, one frame header and one chunk.
    """

    __slots__ = ("_buffer", "_ended", "_needed", "error")

    def __init__(self) -> None:
        self.error: FrameError | None = None
        self._buffer: bytearray | None = None  # from the first byte of an incomplete frame
        self._needed = 0  # buffered bytes without which parsing again would be in vain
        self._ended = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take the next chunk; return the (opcode, payload) pairs it completes, in order."""
        messages: list[tuple[int, bytes]] = []
        if self._ended:
            return messages
        buffer = self._buffer
        chunk: bytes | bytearray = data
        if buffer is not None:
            buffer += data
            if len(buffer) < self._needed:
                return messages
            chunk = buffer
        try:
            position = self._parse(chunk, messages)
        except FrameError as error:
            # Without its traceback, which would tie this reader and the chunk into a reference cycle.
            self.error = error.with_traceback(None)
            self._end()
            return messages
        if position == len(chunk) or self._ended:
            self._buffer = None
        elif position or buffer is None:
            self._buffer = bytearray(chunk[position:])
        return messages

    def _parse(self, data: bytes | bytearray, messages: list[tuple[int, bytes]]) -> int:
        """Append the whole messages in `data`; return where the first incomplete frame starts, or len(data).

        `_needed` is then what that frame needs, counted from its start, before it can be read further. Raises
        FrameError.
        """
        raise NotImplementedError

    def _end(self) -> None:
        self._ended = True
        self._buffer = None
