"""Which faults there are, and which of them make a scenario: data."""

from dataclasses import dataclass
from typing import Final, Literal

Action = Literal["kill", "freeze", "restart", "cut", "blackhole", "delay", "limit"]


@dataclass(frozen=True, slots=True)
class Fault:
    """`target` is a process or a link of the system; `hold_s` how long it lasts before it is healed."""

    name: str
    action: Action
    target: str
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    about: str
    faults: tuple[Fault, ...]


def _link_faults(target: str, name: str) -> tuple[Fault, ...]:
    return (
        Fault(f"{name}: cut", "cut", target),
        Fault(f"{name}: blackhole for 4 s", "blackhole", target, 4),
        Fault(f"{name}: 0.2 s late each way for 3 s", "delay", target, 3),
        Fault(f"{name}: 32 KiB/s for 3 s", "limit", target, 3),
    )


_SINGLE: Final = (
    Fault("server: kill -9", "kill", "server", 0.5),
    Fault("server: SIGSTOP for 4 s", "freeze", "server", 4),
    Fault("server: SIGTERM, started again", "restart", "server"),
    *_link_faults("clients", "clients – server"),
)

SCENARIOS: Final[dict[str, Scenario]] = {
    "single": Scenario("one process on SQLite", _SINGLE),
}
