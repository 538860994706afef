"""What a peer can do wrong on the wire, as one tree.

    FramingError(code, reason)
    ├── FrameError         the frames are wrong; code is a WebSocket close code (RFC 6455 section 7.4)
    └── RequestError       the HTTP request is wrong; code is an HTTP status, headers belong in the answer
        ├── HeadError      the request head cannot be read
        └── HandshakeError the head is sound, but it is not a WebSocket handshake that can be accepted

Mistakes of our own (an unknown close code, a line break in a header we send) raise ValueError.
"""

from collections.abc import Sequence


class FramingError(Exception):
    """The peer broke a rule of the wire. `reason` is short ASCII without secrets; the peer may see it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class FrameError(FramingError):
    """A frame that cannot be accepted. Nothing after it on this connection can be understood."""


class RequestError(FramingError):
    """A request to refuse with the status `code`; the refusal has to carry `headers`, (name, value) pairs."""

    def __init__(self, code: int, reason: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(code, reason)
        self.headers = tuple(headers)


class HeadError(RequestError):
    """A request head that is malformed (400), has too long a target (414), is too large (431) or of a version
    other than HTTP/1.0 and HTTP/1.1 (505)."""


class HandshakeError(RequestError):
    """A request that is not an acceptable WebSocket handshake (400, 405, 426)."""
