"""Reads the head of a connection's first HTTP request, whose path decides who serves the connection."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from .errors import HeadError

MAX_HEAD_BYTES: Final = 16 * 1024
"""Of the head with its final empty line: room for cookies and a token, all a stranger can make us keep."""

MAX_REQUEST_LINE_BYTES: Final = 8 * 1024
"""Of the first line, its CRLF included; RFC 9112 section 3 wants at least 8000."""

_END: Final = b"\r\n\r\n"
_TCHARS: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE: Final = re.compile(rf"({_TCHARS}) ([!-~]+) HTTP/([0-9])\.([0-9])")
_FIELD_NAME: Final = re.compile(_TCHARS)
_FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_METHOD_START: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request line and its header fields, as text in latin-1, so that no byte is lost.

    `path` and `query` are the parts of `target`, still percent-encoded: an encoded slash must not choose a
    route. `headers` maps the lower-case name of a field to the values of its lines, in order and without
    outer whitespace.
    """

    method: str
    target: str
    path: str
    query: str
    version: str
    headers: Mapping[str, Sequence[str]]

    def header(self, name: str) -> str | None:
        """The field's value, repeated lines joined with a comma (RFC 9110 section 5.3); None if absent."""
        values = self.headers.get(name)
        return None if values is None else ", ".join(values)

    def header_list(self, name: str) -> list[str]:
        """The elements of a comma-separated list field, over all of its lines; empty ones are left out."""
        value = self.header(name) or ""
        return [element for part in value.split(",") if (element := part.strip(" \t"))]

    def query_parameters(self) -> dict[str, str]:
        """The decoded parameters of `query`; of repeated ones the first, and invalid UTF-8 becomes U+FFFD."""
        parameters: dict[str, str] = {}
        for pair in self.query.split("&"):
            name, _, value = pair.partition("=")
            if name:
                parameters.setdefault(_decode(name), _decode(value))
        return parameters


class RequestHeadReader:
    """Collects bytes until they hold one request head. It is of no further use after a head or an error."""

    __slots__ = ("_received", "_scanned", "consumed")

    def __init__(self) -> None:
        self._received = bytearray()
        self._scanned = 0
        self.consumed = 0
        """Bytes of the head that `feed` returned; those after them belong to the next protocol."""

    @property
    def received(self) -> bytes:
        """All bytes fed so far, the head included, for a server that wants to read it for itself."""
        return bytes(self._received)

    def feed(self, data: bytes) -> RequestHead | None:
        """Take the next chunk; return the head once it is whole, else None. Raises HeadError."""
        received = self._received
        received += data
        if received and received[0] not in _METHOD_START:
            # Most likely TLS, whose client would wait for our half of the handshake.
            raise HeadError(400, "malformed request line")
        end = received.find(_END, self._scanned, MAX_HEAD_BYTES)
        if end >= 0:
            self.consumed = end + len(_END)
            return parse_head(bytes(received[: self.consumed]))
        if len(received) >= MAX_HEAD_BYTES:
            if received.find(b"\r\n", 0, MAX_REQUEST_LINE_BYTES) < 0:
                raise HeadError(414, "request target too long")
            raise HeadError(431, "request head too large")
        self._scanned = max(0, len(received) - len(_END) + 1)
        return None


def parse_head(head: bytes) -> RequestHead:
    """Parse a whole head, from the request line to the empty line that ends it (RFC 9112 sections 2 to 5).

    Raises HeadError, also for what the RFC lets a server forgive: line folding, a bare CR or LF, an empty
    line first.
    """
    if not head.endswith(_END):
        raise HeadError(400, "request head without its end")
    request_line, *lines = head[: -len(_END)].decode("latin-1").split("\r\n")
    if len(request_line) + 2 > MAX_REQUEST_LINE_BYTES:
        raise HeadError(414, "request target too long")
    match = _REQUEST_LINE.fullmatch(request_line)
    if match is None:
        raise HeadError(400, "malformed request line")
    method, target, major, minor = match.groups()
    if major != "1" or minor not in "01":
        raise HeadError(505, "HTTP version not supported")

    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or _FIELD_NAME.fullmatch(name) is None or _FORBIDDEN.search(value) is not None:
            raise HeadError(400, "malformed header field")
        headers.setdefault(name.lower(), []).append(value.strip(" \t"))
    hosts = len(headers.get("host", ()))
    if hosts > 1 or (hosts == 0 and minor == "1"):
        raise HeadError(400, "there must be one Host header field")

    path, _, query = _origin_form(target).partition("?")
    return RequestHead(method, target, path, query, f"1.{minor}", headers)


def _origin_form(target: str) -> str:
    """The path and query of a target; a proxy's absolute form loses its scheme and authority."""
    if target.startswith("/"):
        return target
    scheme, separator, rest = target.partition("://")
    if not separator or not scheme.isalpha():
        return target
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    origin = rest[len(authority) :]
    return origin if origin.startswith("/") else "/" + origin


def _decode(encoded: str) -> str:
    return unquote_to_bytes(encoded.replace("+", " ").encode("latin-1")).decode(errors="replace")
