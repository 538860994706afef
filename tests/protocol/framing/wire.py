"""Builds client frames, right and wrong, and feeds them to readers in pieces."""

from collections.abc import Iterable, Iterator

from protocol.framing.reader import FrameReader
from protocol.framing.websocket import xor_mask

MASK = b"\x9a\x01\xf0\x7c"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    rsv: int = 0,
    mask: bytes | None = MASK,
    length_form: int | None = None,
) -> bytes:
    """One client frame. `length_form` of 7, 16 or 64 forces a form of the length; a mask of None omits it."""
    length = len(payload)
    form = length_form or (7 if length < 126 else 16 if length < 0x10000 else 64)
    short = length if form == 7 else 126 if form == 16 else 127
    head = bytes((final << 7 | rsv << 4 | opcode, (mask is not None) << 7 | short))
    if form != 7:
        head += length.to_bytes(form // 8, "big")
    if mask is None:
        return head + payload
    return head + mask + xor_mask(payload, mask)


def chunks(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """`data` cut at the given offsets."""
    start = 0
    for cut in sorted(cuts):
        yield data[start:cut]
        start = cut
    yield data[start:]


def read(reader: FrameReader, pieces: Iterable[bytes]) -> tuple[list[tuple[int, bytes]], int | None]:
    """Everything a reader makes of the pieces: its messages and the code of its error."""
    messages = [message for piece in pieces for message in reader.feed(piece)]
    return messages, None if reader.error is None else reader.error.code


def each_byte(data: bytes) -> Iterator[bytes]:
    return chunks(data, range(1, len(data)))
