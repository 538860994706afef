"""Frames of the raw TCP transport: a length of 4 bytes, big-endian, then the payload.

A frame of length zero is legal and carries nothing: it is a keep-alive. The reader reports it as an empty
message.
"""

from .errors import FrameError
from .reader import BINARY, FrameReader

HEADER_BYTES = 4


class TcpReader(FrameReader):
    """Reads length-prefixed frames; every one is reported as (BINARY, payload).

    A frame of more than `max_frame_bytes` of payload ends the reader with 1009 as soon as its length is
    known.
    """

    __slots__ = ("_max_frame_bytes",)

    def __init__(self, max_frame_bytes: int) -> None:
        super().__init__()
        self._max_frame_bytes = max_frame_bytes

    def _parse(self, data: bytes | bytearray, messages: list[tuple[int, bytes]]) -> int:
        position = 0
        end = len(data)
        while True:
            start = position + HEADER_BYTES
            if start > end:
                self._needed = HEADER_BYTES
                return position
            length = int.from_bytes(data[position:start], "big")
            if length > self._max_frame_bytes:
                raise FrameError(1009, "frame too big")
            stop = start + length
            if stop > end:
                self._needed = HEADER_BYTES + length
                return position
            messages.append((BINARY, bytes(data[start:stop])))
            position = stop


def encode(payload: bytes) -> bytes:
    """One frame. Raises OverflowError for a payload of 4 GiB or more."""
    return len(payload).to_bytes(HEADER_BYTES, "big") + payload
