"""What is measured: one entry for each scenario, with its sizes, its figure and its target."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from bench.seed import MAX_MEMBERS, Population

Result = Mapping[str, Any]
"""What bench/load.c prints, and for `idle` what the driver adds."""

Peers = list[tuple[int, int]]
"""Of each session the user, by index, and the conversation (0: none)."""

RECEIVERS: Final = 1000
"""The group has as many members as the API allows, 1000: the sender's second device is the thousandth receiver."""


@dataclass(frozen=True, slots=True)
class Target:
    """Met if the figure, or its ratio to C, is at most this."""

    at_most: float
    of: Literal["figure", "ratio"]


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    title: str
    mode: str
    """Of the load generator."""
    sessions: int
    quick_sessions: int
    options: Mapping[str, int]
    quick_options: Mapping[str, int]
    peers: Callable[[Population, int], Peers]
    variant: Literal["each", "joined"]
    """Of the C server: the leanest that does the same."""
    unit: str
    digits: int
    figure: Callable[[Result], float]
    details: Callable[[Result], str]
    target: Target | None = None

    def sessions_for(self, quick: bool) -> int:
        return self.quick_sessions if quick else self.sessions

    def options_for(self, quick: bool) -> Mapping[str, int]:
        return self.quick_options if quick else self.options


def _group(population: Population, sessions: int) -> Peers:
    receivers = [(user, population.group_id) for user in range(sessions - 1)]
    return [(0, population.group_id), *receivers]


def _pairs(population: Population, sessions: int) -> Peers:
    return [(user, population.single_ids[user // 2]) for user in range(sessions)]


def _alone(population: Population, sessions: int) -> Peers:
    return [(user, 0) for user in range(sessions)]


def _cpu_per(key: str) -> Callable[[Result], float]:
    return lambda result: float(result["cpu_s"] * 1e6 / result[key])


def _throughput(key: str) -> Callable[[Result], str]:
    def details(result: Result) -> str:
        share = result["cpu_s"] / result["wall_s"]
        spent = result["user_s"] + result["system_s"]
        kernel = result["system_s"] / spent if spent else 0.0
        return f"{result[key] / result['wall_s']:,.0f} {key}/s, CPU {share:.0%} busy, {kernel:.0%} of it in the kernel"

    return details


def _latency(result: Result) -> str:
    quantiles = ", ".join(
        f"{label} {result[key]:.2f}"
        for label, key in (("p50", "p50_ms"), ("p90", "p90_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"))
    )
    cpu_us = result["cpu_s"] * 1e6 / result["messages"]
    return (
        f"{quantiles}, max {result['max_ms']:.2f} ms; {cpu_us:.1f} µs CPU a message "
        f"(generator at most {result['late_ms']:.1f} ms late, counted)"
    )


def _connects(result: Result) -> str:
    cpu_us = result["cpu_s"] * 1e6 / result["sessions"]
    return f"{cpu_us:.0f} µs CPU each, p99 {result['p99_ms']:.1f} ms with 64 at a time"


def _memory(result: Result) -> str:
    return (
        f"PSS {result['pss_bytes']:,.0f} B a session, {result['rss_full'] / 2**20:.0f} MiB RSS in all; "
        f"kernel, both ends: {result['kernel_bytes']:,.0f} B a connection"
    )


SCENARIOS: Final = (
    Scenario(
        name="fan",
        title=f"fan-out of one 150-byte message to {RECEIVERS} sessions",
        mode="fan",
        sessions=RECEIVERS + 1,
        quick_sessions=RECEIVERS + 1,
        options={"messages": 500},
        quick_options={"messages": 100},
        peers=_group,
        variant="each",
        unit="µs CPU/delivery",
        digits=2,
        figure=_cpu_per("deliveries"),
        details=_throughput("deliveries"),
        target=Target(1.3, "ratio"),
    ),
    Scenario(
        name="burst",
        title=f"the same in bursts of ten to {RECEIVERS} sessions",
        mode="fan",
        sessions=RECEIVERS + 1,
        quick_sessions=RECEIVERS + 1,
        options={"messages": 2000, "burst": 10},
        quick_options={"messages": 500, "burst": 10},
        peers=_group,
        variant="joined",
        unit="µs CPU/delivery",
        digits=3,
        figure=_cpu_per("deliveries"),
        details=_throughput("deliveries"),
        target=Target(1.6, "ratio"),
    ),
    Scenario(
        name="send",
        title="durable send, ack and one delivery: 200 connections, window 8",
        mode="send",
        sessions=200,
        quick_sessions=200,
        options={"messages": 60_000, "window": 8, "warm-up": 20},
        quick_options={"messages": 10_000, "window": 8, "warm-up": 5},
        peers=_pairs,
        variant="joined",
        unit="µs CPU/message",
        digits=1,
        figure=_cpu_per("messages"),
        details=_throughput("messages"),
        target=Target(60, "figure"),
    ),
    Scenario(
        name="idle",
        title="memory of idle authenticated sessions",
        mode="idle",
        sessions=10_000,
        quick_sessions=1_000,
        options={"base": 100},
        quick_options={"base": 100},
        peers=_alone,
        variant="each",
        unit="bytes/session",
        digits=0,
        figure=lambda result: float(result["rss_bytes"]),
        details=_memory,
        target=Target(4096, "figure"),
    ),
    Scenario(
        name="rate",
        title="p99 at the receiver, 2,000 durable messages/s over 500 sessions",
        mode="rate",
        sessions=500,
        quick_sessions=500,
        options={"rate": 2000, "seconds": 10},
        quick_options={"rate": 2000, "seconds": 2},
        peers=_pairs,
        variant="each",
        unit="ms",
        digits=2,
        figure=lambda result: float(result["p99_ms"]),
        details=_latency,
        target=Target(25, "figure"),
    ),
    Scenario(
        name="connect",
        title="connections a second, from SYN to welcome",
        mode="connect",
        sessions=2_000,
        quick_sessions=1_000,
        options={"inflight": 64},
        quick_options={"inflight": 64},
        peers=_alone,
        variant="each",
        unit="connections/s",
        digits=0,
        figure=lambda result: float(result["sessions"] / result["wall_s"]),
        details=_connects,
    ),
)

BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


def needed(scenarios: list[Scenario], quick: bool) -> dict[str, int]:
    """Arguments of `seed.populate` for these scenarios."""
    of = {kind: [s.sessions_for(quick) for s in scenarios if s.peers is kind] for kind in (_group, _pairs, _alone)}
    return {
        "users": max(of[_alone], default=0),
        "group_size": MAX_MEMBERS if of[_group] else 0,
        "singles": max(of[_pairs], default=0) // 2,
    }
