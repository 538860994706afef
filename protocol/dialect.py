"""The one interface between a session and the language its client speaks."""

from collections.abc import Sequence
from typing import Protocol

from domain.events import Event
from domain.model import DialectName
from protocol.commands import Command
from protocol.replies import Failure, Reply


class Dialect(Protocol):
    """Translates frames to commands and events or replies to frames. Stateless, so one instance serves every session.

    Neither method raises on anything a peer or a use case can cause: what cannot be understood becomes a `Failure`
    in the place of the command, which the session sends as it is.
    """

    @property
    def name(self) -> DialectName: ...

    @property
    def is_binary(self) -> bool:
        """Whether payloads go into binary WebSocket messages."""
        ...

    def decode(self, payload: bytes) -> Sequence[Command | Failure]:
        """The packets of one WebSocket message or TCP frame."""
        ...

    def encode(self, item: Event | Reply) -> bytes | None:
        """One packet; None if the dialect has no such event."""
        ...
