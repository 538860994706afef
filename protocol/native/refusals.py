"""What both codecs answer in the place of a packet they cannot understand."""

from typing import Final

from domain.model import MAX_ID
from protocol.replies import Failure

MAX_PACKETS_PER_FRAME: Final = 256
"""A frame of the largest size could hold 30,000 pings: they would keep the loop from everybody else for 50 ms."""

MAX_TEXT_CHARS: Final = 80
"""Longer texts are cut: they may quote what the client sent."""


class PacketError(ValueError):
    """What the server sent cannot be understood (raised on the client's side only). The text says why."""


def malformed(text: str, request_id: int | None = None) -> Failure:
    return Failure(request_id, "malformed", text[:MAX_TEXT_CHARS])


def unknown_type(name: str | int, request_id: int | None) -> Failure:
    return Failure(request_id, "unknown_type", f"type: {name} is not known"[:MAX_TEXT_CHARS])


def invalid_value(complaint: str, request_id: int | None) -> Failure:
    """`complaint` is the text of a msgspec.ValidationError, "Expected … - at `$.field`"."""
    reason, _, path = complaint.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    text = f"{field[:40]}: {reason}" if field else reason
    return Failure(request_id, "invalid_value", text[:MAX_TEXT_CHARS])


def too_many_packets() -> Failure:
    return malformed(f"at most {MAX_PACKETS_PER_FRAME} packets in a frame")


def sane_request_id(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_ID else None
