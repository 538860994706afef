"""Which faults there are, and which of them make a scenario: data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.faults.system import Cluster, MariaDbSystem, System

Action = Literal["kill", "freeze", "restart", "flush", "cut", "blackhole", "delay", "limit"]


@dataclass(frozen=True, slots=True)
class Fault:
    """`target` is a process or a link of the system; `hold_s` how long it lasts before it is healed."""

    name: str
    action: Action
    target: str
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    system: Callable[[Path], System]
    faults: tuple[Fault, ...]


def _link_faults(target: str, name: str) -> tuple[Fault, ...]:
    return (
        Fault(f"{name}: cut", "cut", target),
        Fault(f"{name}: blackhole for 4 s", "blackhole", target, 4),
        Fault(f"{name}: 0.2 s late each way for 3 s", "delay", target, 3),
        Fault(f"{name}: 32 KiB/s for 3 s", "limit", target, 3),
    )


_CLIENTS: Final = _link_faults("clients", "clients – server")

_SINGLE: Final = (
    Fault("server: kill -9", "kill", "server", 0.5),
    Fault("server: SIGSTOP for 4 s", "freeze", "server", 4),
    Fault("server: SIGTERM, started again", "restart", "server"),
    *_CLIENTS,
)

_MARIADB: Final = (
    Fault("MariaDB: kill -9, started again", "kill", "mariadb", 1),
    Fault("MariaDB: SIGSTOP for 4 s", "freeze", "mariadb", 4),
    *_link_faults("database", "server – MariaDB"),
)

_REDIS: Final = (
    Fault("Redis: kill -9, started again empty", "kill", "redis", 1),
    Fault("Redis: SIGSTOP for 8 s", "freeze", "redis", 8),
    Fault("Redis: FLUSHALL", "flush", "redis"),
    *_link_faults("redis", "server – Redis"),
)

_WORKERS: Final = (
    Fault("worker: kill -9", "kill", "worker", 0.5),
    Fault("worker: SIGSTOP for 8 s", "freeze", "worker", 8),
    Fault("rolling restart (SIGHUP)", "restart", "server"),
)

SCENARIOS: Final[dict[str, Scenario]] = {
    "single": Scenario(System, _SINGLE),
    "mariadb": Scenario(MariaDbSystem, _MARIADB),
    "redis": Scenario(Cluster, _REDIS),
    "workers": Scenario(Cluster, _WORKERS),
    "cluster": Scenario(Cluster, (*_WORKERS, *_MARIADB, *_REDIS, *_CLIENTS)),
}
