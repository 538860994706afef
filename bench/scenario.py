"""What a scenario is: figures with their targets, and a way to measure both sides of them in one round."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from bench.seed import Needs

if TYPE_CHECKING:
    from bench.runs import Bench

Result = Mapping[str, Any]
"""What a load generator printed, and what the driver added."""

Round = tuple[Result, Result | None]
"""Feige's result and that of C; None where there is nothing in C to compare with."""

NOTHING: Final = Needs()
SIGNS: Final = {"at most": "≤", "at least": "≥"}


class RunError(Exception):
    """A run gave no figure, or one that does not count: something was refused, lost, duplicated or out of order."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure, or its ratio to C, must reach."""

    bound: float
    of: Literal["figure", "ratio"] = "figure"
    is_met: Literal["at most", "at least"] = "at most"

    def admits(self, value: float) -> bool:
        return value <= self.bound if self.is_met == "at most" else value >= self.bound

    def __str__(self) -> str:
        return f"{SIGNS[self.is_met]} " + (f"{self.bound:g} × C" if self.of == "ratio" else f"{self.bound:,g}")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a result."""

    unit: str
    digits: int
    of: Callable[[Result], float]
    target: Target | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(ABC):
    name: str
    title: str
    figures: tuple[Figure, ...]
    """The first one decides which round is the middle one."""
    details: Callable[[Result], str]
    needs: Needs = NOTHING
    """What must be in the store."""
    quick_needs: Needs | None = None
    """None: the same."""
    programs: tuple[str, ...]
    """Of the C programs, those that it runs."""

    @abstractmethod
    def measure(self, bench: "Bench") -> Round:
        """One round. RunError, ServerError."""

    def needs_for(self, quick: bool) -> Needs:
        return self.quick_needs if quick and self.quick_needs else self.needs

    def files(self, quick: bool) -> int:
        """Descriptors that a server needs for it."""
        return 0


def cpu_per(key: str) -> Callable[[Result], float]:
    """Microseconds of server CPU."""
    return lambda result: float(result["cpu_s"] * 1e6 / result[key])


def rate_of(key: str) -> Callable[[Result], float]:
    """A second."""
    return lambda result: float(result[key] / result["wall_s"])


def busy(result: Result) -> str:
    """How busy the server was, and with what."""
    spent = result["user_s"] + result["system_s"]
    kernel = result["system_s"] / spent if spent else 0.0
    return f"CPU {result['cpu_s'] / result['wall_s']:.0%} busy, {kernel:.0%} of it in the kernel"


def quantiles(result: Result, *labels: str) -> str:
    """`labels` as in p50, p999."""
    parts = (
        f"p99.9 {result['p999_ms']:.2f}" if each == "p999" else f"{each} {result[f'{each}_ms']:.2f}" for each in labels
    )
    return f"{', '.join(parts)}, max {result['max_ms']:.2f} ms"
