"""What examples say that plain JSON cannot."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OrNull:
    """In an example: this value, and elsewhere null."""

    value: Any


@dataclass(frozen=True, slots=True)
class AnyObject:
    """In an example: an object whose names are the caller's own."""

    value: dict[str, Any]
