"""How a dialect shows outcomes: the one interface between the registry and the envelopes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.errors import DomainError

Statuses = Mapping[type[DomainError], int]


@dataclass(frozen=True, slots=True)
class Fault:
    """A refused field. `loc` begins with `body`, `query` or `path`; the input is never repeated."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class Edge(Protocol):
    """Every method answers a value for the JSON encoder, where it can vary together with its HTTP status."""

    @property
    def name(self) -> str: ...

    def success(self, value: Any) -> Any:
        """What a use case answered, in the dialect's envelope."""
        ...

    def failure(self, error: DomainError, overrides: Statuses) -> tuple[int, Any]:
        """A refusal. `overrides` are the route's own entries; the nearest class of both tables decides."""
        ...

    def invalid(self, faults: Sequence[Fault]) -> tuple[int, Any]:
        """Fields of the request that were refused."""
        ...

    def refusal(self, status: int, text: str) -> Any:
        """What has no refusal in the domain: an unknown path, a wrong method, a body too large, a server
        error."""
        ...

    def codes(self, status: int) -> Mapping[int, str]:
        """What the `code` of a body with this status may be, and what it means; empty if bodies have none."""
        ...


@dataclass(frozen=True, slots=True)
class DetailEdge:
    """The envelope of im and inbox: the bare value, or `{"detail": …}`; a list of faults with 422."""

    name: str
    statuses: Statuses
    sentences: Mapping[type[DomainError], str] = field(default_factory=dict)
    """What is said of a refusal and of its descendants instead of its own text."""

    def success(self, value: Any) -> Any:
        return value

    def failure(self, error: DomainError, overrides: Statuses) -> tuple[int, Any]:
        said = next((self.sentences[kind] for kind in type(error).__mro__ if kind in self.sentences), str(error))
        return nearest_status(error, self.statuses, overrides), {"detail": said}

    def invalid(self, faults: Sequence[Fault]) -> tuple[int, Any]:
        detail = [{"loc": fault.loc, "msg": fault.msg, "type": fault.type} for fault in faults]
        return 422, {"detail": detail}

    def refusal(self, status: int, text: str) -> Any:
        return {"detail": text}

    def codes(self, status: int) -> Mapping[int, str]:
        return {}


def nearest_status(error: DomainError, table: Statuses, overrides: Statuses) -> int:
    """The entry of the error's nearest ancestor; of two for the same class the override. KeyError if there
    is none."""
    for kind in type(error).__mro__:
        if kind in overrides:
            return overrides[kind]
        if kind in table:
            return table[kind]
    raise KeyError(type(error))
