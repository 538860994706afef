"""The server's half of the WebSocket opening handshake (RFC 6455 section 4.2), and its refusal."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from .errors import HandshakeError
from .http_head import RequestHead

BEARER: Final = "bearer"
"""The subprotocol by which a browser, which cannot set Authorization, passes a token: `bearer, <token>`."""

_VERSION: Final = "13"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
_UPGRADE: Final = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
_LINE_BREAK: Final = re.compile(r"[\r\n\x00]")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A handshake to agree to: the whole response to send, and the subprotocol it names, if any."""

    response: bytes
    subprotocol: str | None


def accept(head: RequestHead, *, subprotocols: Sequence[str] = ()) -> Accepted:
    """Check a handshake and answer it.

    `subprotocols` are the server's, in its order of preference; the first that was offered is taken, `bearer`
    if it was offered and none of them was. Raises HandshakeError (400, 405, 426). The origin and the token
    are the caller's.
    """
    if head.method != "GET":
        raise HandshakeError(405, "a WebSocket handshake is a GET", [("Allow", "GET")])
    if "websocket" not in _lower(head.header_list("upgrade")):
        raise HandshakeError(426, "this is a WebSocket endpoint", _UPGRADE)
    if head.version != "1.1" or "upgrade" not in _lower(head.header_list("connection")):
        raise HandshakeError(400, "Connection does not ask for an upgrade of HTTP/1.1")
    if head.header("sec-websocket-version") != _VERSION:
        headers = [*_UPGRADE, ("Sec-WebSocket-Version", _VERSION)]
        raise HandshakeError(426, "only version 13 of WebSocket is served", headers)
    key = head.header("sec-websocket-key")
    if key is None or not _is_key(key):
        raise HandshakeError(400, "Sec-WebSocket-Key is not the base64 of 16 bytes")

    subprotocol = _choose(head, subprotocols)
    digest = hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()
    response = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
    )
    if subprotocol is not None:
        response += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
    return Accepted((response + "\r\n").encode("ascii"), subprotocol)


def bearer_token(head: RequestHead) -> str | None:
    """The token of `Authorization: Bearer <token>` or else of the offered subprotocols `bearer, <token>`."""
    scheme, _, token = (head.header("authorization") or "").partition(" ")
    if scheme.lower() == BEARER and token.strip():
        return token.strip()
    return _split_offer(head)[1]


def refusal(status: int, text: str, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A whole response with the body `{"detail": text}`, which ends the connection.

    Raises ValueError for a status HTTP does not know and for a line break in a header.
    """
    body = json.dumps({"detail": text}).encode("ascii")
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers),
    ]
    if any(_LINE_BREAK.search(line) for line in lines):
        raise ValueError("a response header contains a line break")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _choose(head: RequestHead, subprotocols: Sequence[str]) -> str | None:
    offered, _ = _split_offer(head)
    for subprotocol in subprotocols:
        if subprotocol in offered:
            return subprotocol
    return BEARER if BEARER in offered else None


def _split_offer(head: RequestHead) -> tuple[list[str], str | None]:
    """The offered subprotocols without the token that follows `bearer`, and that token."""
    offered = head.header_list("sec-websocket-protocol")
    if BEARER not in offered:
        return offered, None
    position = offered.index(BEARER) + 1
    token = offered[position] if position < len(offered) else None
    return offered[:position] + offered[position + 1 :], token


def _lower(elements: Iterable[str]) -> list[str]:
    return [element.lower() for element in elements]


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except ValueError:
        return False
