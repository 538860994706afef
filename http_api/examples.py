"""What examples say that plain JSON cannot."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class OrNull:
    """In an example: this value, and elsewhere null."""

    value: Any
