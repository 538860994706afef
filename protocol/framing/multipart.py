"""Forms with files: multipart/form-data (RFC 7578), bytes in, parts out, without I/O."""

import re
from email.message import Message
from typing import Final
from urllib.parse import unquote

import msgspec

MAX_HEAD_BYTES: Final = 8192
"""Of one part: a name and a type need a few hundred."""

MAX_PARTS: Final = 100
MAX_PADDING_BYTES: Final = 64
"""White space that may follow a boundary in its line."""

_BOUNDARY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,68}[\x21-\x7e])?", re.ASCII)
_PARAMETER = re.compile(rb';\s*([\w!#$&+.^`|~-]+\*?)\s*=\s*("(?:\\["\\]|[^"])*"|[^\s;"]*)')
_QUOTED_PAIR = re.compile(rb'\\(["\\])')
_PERCENT = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*", re.ASCII)


class FormError(Exception):
    """The body is no form; the text says why."""


class Part(msgspec.Struct, frozen=True):
    """The beginning of a part. `filename` is None for a plain field."""

    name: str
    filename: str | None = None


def boundary_of(content_type: str) -> str | None:
    """The boundary if it is the type of a form with parts."""
    head = Message()
    head["content-type"] = content_type
    boundary = head.get_boundary()
    if head.get_content_type() != "multipart/form-data" or boundary is None:
        return None
    return boundary if _BOUNDARY.fullmatch(boundary) else None


class FormReader:
    """`feed` it the body in pieces of any size. `is_complete` once the closing boundary was seen; what follows is
    ignored."""

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first boundary has no line before it.
        self._buffer = bytearray(b"\r\n")
        self._step = self._preamble
        self._parts = 0
        self.is_complete = False

    def feed(self, data: bytes) -> list[Part | bytes]:
        """Parts, each followed by its bytes. FormError."""
        if self.is_complete:
            return []
        self._buffer += data
        items: list[Part | bytes] = []
        while not self.is_complete and self._step(items):
            pass
        return items

    # Each step takes what it can from the buffer; False: it needs more.

    def _preamble(self, items: list[Part | bytes]) -> bool:
        return self._up_to_boundary(None)

    def _content(self, items: list[Part | bytes]) -> bool:
        return self._up_to_boundary(items)

    def _up_to_boundary(self, items: list[Part | bytes] | None) -> bool:
        buffer = self._buffer
        place = buffer.find(self._delimiter)
        # What may be the beginning of a boundary is kept back.
        end = place if place >= 0 else max(0, len(buffer) - len(self._delimiter) + 1)
        if items is not None and end:
            items.append(bytes(memoryview(buffer)[:end]))
        del buffer[: end if place < 0 else end + len(self._delimiter)]
        if place >= 0:
            self._step = self._boundary_line
        return place >= 0

    def _boundary_line(self, items: list[Part | bytes]) -> bool:
        buffer = self._buffer
        if buffer[:2] == b"--":
            self.is_complete = True
            buffer.clear()
            return True
        end = buffer.find(b"\r\n", 0, MAX_PADDING_BYTES + 2)
        if end < 0:
            if len(buffer) > MAX_PADDING_BYTES + 1 or buffer.strip(b" \t\r-"):
                raise FormError("a boundary is followed by something else")
            return False
        if buffer[:end].strip(b" \t"):
            raise FormError("a boundary is followed by something else")
        # The end of this line stays: a part without headers begins with an empty one.
        del buffer[:end]
        self._step = self._head
        return True

    def _head(self, items: list[Part | bytes]) -> bool:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        if end < 0:
            if len(buffer) >= MAX_HEAD_BYTES:
                raise FormError("the head of a part is too long")
            return False
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise FormError("too many parts")
        items.append(_part(bytes(buffer[:end])))
        del buffer[: end + 4]
        self._step = self._content
        return True


def _part(head: bytes) -> Part:
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name.strip().lower() == b"content-disposition":
            return _disposition(value.strip())
    raise FormError("a part has no Content-Disposition")


def _disposition(value: bytes) -> Part:
    parameters = {name.lower(): _unquoted(text) for name, text in _PARAMETER.findall(value)}
    name = parameters.get(b"name")
    if value[:9].lower() != b"form-data" or name is None:
        raise FormError("a part has no name")
    extended = parameters.get(b"filename*")
    if extended is not None and extended.lower().startswith(b"utf-8'"):
        text = extended.rpartition(b"'")[2].decode("ascii", "replace")
        return Part(_text(name), unquote(text, errors="replace"))
    filename = parameters.get(b"filename")
    return Part(_text(name), None if filename is None else _percent_decoded(_text(filename)))


def _unquoted(value: bytes) -> bytes:
    return _QUOTED_PAIR.sub(rb"\1", value[1:-1]) if value.startswith(b'"') else value


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _percent_decoded(name: str) -> str:
    """Browsers encode quotation marks so, some libraries everything beyond ASCII."""
    if "%" not in name or not name.isascii() or _PERCENT.fullmatch(name) is None:
        return name
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name
