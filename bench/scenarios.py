"""What is measured: one entry for each scenario, with its sizes, its figures and their targets."""

from collections.abc import Callable
from typing import Any, Final

from bench import append, bus, calls, reads, rest, scheduled, send_to_all, sockets
from bench.append import AppendScenario
from bench.bus import BusScenario
from bench.calls import CallsScenario
from bench.nodes import NodesScenario
from bench.rest import RestScenario
from bench.scenario import Figure, Result, Scenario, Target, busy, cpu_per, quantiles, rate_of
from bench.scheduled import ScheduledScenario
from bench.seed import MAX_MEMBERS, Needs
from bench.send_to_all import OnMariaDb, OnSqlite
from bench.sockets import SocketScenario

RECEIVERS: Final = 1000
"""The group has as many members as the API allows, 1000: the sender's second device is the thousandth receiver."""

REST_CONNECTIONS: Final = 64
TALKS: Final = Needs(talks=REST_CONNECTIONS // 2, messages=200)


def _append_figures(at_least: float | None) -> tuple[Figure, ...]:
    """`at_least`: the part of what the C client stores."""
    target = None if at_least is None else Target(at_least, "ratio", "at least")
    return (
        Figure("messages/s", 0, rate_of("messages"), target),
        Figure("µs CPU/message", 1, cpu_per("messages"), Target(10) if target else None),
    )


def _throughput(key: str) -> Callable[[Result], str]:
    return lambda result: f"{result[key] / result['wall_s']:,.0f} {key}/s, {busy(result)}"


def _latency(result: Result) -> str:
    return (
        f"{quantiles(result, 'p50', 'p90', 'p99', 'p999')}; {cpu_per('messages')(result):.1f} µs CPU a message "
        f"(generator at most {result['late_ms']:.1f} ms late, counted)"
    )


def _connects(result: Result) -> str:
    return f"{cpu_per('sessions')(result):.0f} µs CPU each, p99 {result['p99_ms']:.1f} ms with 64 at a time"


def _memory(result: Result) -> str:
    return (
        f"PSS {result['pss_bytes']:,.0f} B a session, {result['rss_full'] / 2**20:.0f} MiB RSS in all; "
        f"kernel, both ends: {result['kernel_bytes']:,.0f} B a connection"
    )


def _rest_figures() -> tuple[Figure, ...]:
    """The latency is that of a server with time to spare; with all connections asking all the time it is the length of
    their queue, which the rate says too."""
    return (
        Figure("ms p50 at 800/s", 2, lambda result: float(result["paced_p50_ms"]), Target(8)),
        Figure("requests/s", 0, rate_of("requests"), Target(800, is_met="at least")),
        Figure("µs CPU/request", 0, cpu_per("requests")),
    )


_NODES_SEND: Final[dict[str, Any]] = {
    "mode": "send",
    "sessions": 200,
    "quick_sessions": 200,
    "options": {"messages": 40_000, "window": 8, "warm-up": 20},
    "quick_options": {"messages": 8_000, "window": 8, "warm-up": 5},
    "needs": Needs(singles=250),
    "peers": sockets.pairs,
    "variant": "joined",
    "figures": (Figure("messages/s", 0, rate_of("messages")), Figure("µs CPU/message", 1, cpu_per("messages"))),
    "details": _throughput("messages"),
}

_SEND_TO_ALL: Final[dict[str, Any]] = {
    "crowd": 100_000,
    "quick_crowd": 5_000,
    "seconds": 20,
    "quick_seconds": 4,
    "figures": (
        Figure("s", 1, lambda result: float(result["send_s"]), Target(30)),
        Figure("MiB more", 1, lambda result: result["added_bytes"] / 2**20, Target(50)),
        Figure("ms p99 of chat", 2, lambda result: float(result["p99_ms"]), Target(50)),
    ),
    "details": send_to_all.details,
}

_CALLS: Final[dict[str, Any]] = {
    "rate": 200,
    "seconds": 10,
    "quick_seconds": 2,
    "figures": (
        Figure("ms p99", 2, lambda result: float(result["p99_ms"]), Target(20)),
        Figure("ms CPU/call", 2, lambda result: cpu_per("calls")(result) / 1000),
    ),
    "details": calls.details,
}

_SCHEDULED: Final[dict[str, Any]] = {
    "messages": 5_000,
    "quick_messages": 500,
    "pending": 100_000,
    "quick_pending": 5_000,
    "figures": (
        Figure("ms to the last", 0, lambda result: float(result["max_ms"]), Target(2000)),
        Figure("µs CPU/message", 0, cpu_per("messages")),
    ),
    "details": scheduled.details,
}

SCENARIOS: Final[tuple[Scenario, ...]] = (
    SocketScenario(
        name="fan",
        title=f"fan-out of one 150-byte message to {RECEIVERS} sessions",
        mode="fan",
        sessions=RECEIVERS + 1,
        quick_sessions=RECEIVERS + 1,
        options={"messages": 500},
        quick_options={"messages": 100},
        needs=Needs(group_size=MAX_MEMBERS),
        peers=sockets.group,
        variant="each",
        figures=(Figure("µs CPU/delivery", 2, cpu_per("deliveries"), Target(1.3, "ratio")),),
        details=_throughput("deliveries"),
    ),
    SocketScenario(
        name="burst",
        title=f"the same in bursts of ten to {RECEIVERS} sessions",
        mode="fan",
        sessions=RECEIVERS + 1,
        quick_sessions=RECEIVERS + 1,
        options={"messages": 2000, "burst": 10},
        quick_options={"messages": 500, "burst": 10},
        needs=Needs(group_size=MAX_MEMBERS),
        peers=sockets.group,
        variant="joined",
        figures=(Figure("µs CPU/delivery", 3, cpu_per("deliveries"), Target(1.6, "ratio")),),
        details=_throughput("deliveries"),
    ),
    SocketScenario(
        name="send",
        title="durable send, ack and one delivery: 200 connections, window 8",
        mode="send",
        sessions=200,
        quick_sessions=200,
        options={"messages": 60_000, "window": 8, "warm-up": 20},
        quick_options={"messages": 10_000, "window": 8, "warm-up": 5},
        needs=Needs(singles=100),
        peers=sockets.pairs,
        variant="joined",
        figures=(Figure("µs CPU/message", 1, cpu_per("messages"), Target(60)),),
        details=_throughput("messages"),
    ),
    SocketScenario(
        name="idle",
        title="memory of idle authenticated sessions",
        mode="idle",
        sessions=10_000,
        quick_sessions=1_000,
        options={"base": 100},
        quick_options={"base": 100},
        needs=Needs(users=10_000),
        quick_needs=Needs(users=1_000),
        peers=sockets.alone,
        variant="each",
        figures=(Figure("bytes/session", 0, lambda result: float(result["rss_bytes"]), Target(4096)),),
        details=_memory,
    ),
    SocketScenario(
        name="rate",
        title="p99 at the receiver, 2,000 durable messages/s over 500 sessions",
        mode="rate",
        sessions=500,
        quick_sessions=500,
        options={"rate": 2000, "seconds": 10},
        quick_options={"rate": 2000, "seconds": 2},
        needs=Needs(singles=250),
        peers=sockets.pairs,
        variant="each",
        figures=(Figure("ms", 2, lambda result: float(result["p99_ms"]), Target(25)),),
        details=_latency,
    ),
    SocketScenario(
        name="connect",
        title="connections a second, from SYN to welcome",
        mode="connect",
        sessions=2_000,
        quick_sessions=1_000,
        options={"inflight": 64},
        quick_options={"inflight": 64},
        needs=Needs(users=2_000),
        quick_needs=Needs(users=1_000),
        peers=sockets.alone,
        variant="each",
        figures=(Figure("connections/s", 0, rate_of("sessions")),),
        details=_connects,
    ),
    RestScenario(
        name="rest-send",
        title=f"REST: a text is sent, committed and answered, {REST_CONNECTIONS} keep-alive connections",
        connections=REST_CONNECTIONS,
        request=rest.send_text,
        count=10_000,
        quick_count=2_000,
        rate=800,
        needs=TALKS,
        figures=_rest_figures(),
        details=rest.details,
    ),
    RestScenario(
        name="rest-history",
        title=f"REST: a history page of 50 messages, {REST_CONNECTIONS} keep-alive connections",
        connections=REST_CONNECTIONS,
        request=rest.history,
        count=10_000,
        quick_count=2_000,
        rate=800,
        needs=TALKS,
        figures=_rest_figures(),
        details=rest.details,
    ),
    RestScenario(
        name="rest-list",
        title="REST: a page of 100 of 200 conversations, one after the other",
        connections=1,
        request=rest.conversation_list,
        count=500,
        quick_count=100,
        needs=Needs(contacts=200),
        figures=(
            Figure("ms p50", 2, lambda result: float(result["p50_ms"]), Target(25)),
            Figure("µs CPU/request", 0, cpu_per("requests")),
        ),
        details=rest.details,
    ),
    AppendScenario(
        name="append",
        title="durable appends on MariaDB in batches of 200, one process; C: the same rows through libmariadb",
        driver="aiomysql",
        messages=40_000,
        quick_messages=8_000,
        figures=_append_figures(0.3),
        details=append.details,
    ),
    AppendScenario(
        name="append-asyncmy",
        title="the same with the other driver",
        driver="asyncmy",
        messages=40_000,
        quick_messages=8_000,
        figures=_append_figures(0.3),
        details=append.details,
    ),
    AppendScenario(
        name="append-two",
        title="the same by two processes into the same conversations; C: one client",
        driver="aiomysql",
        processes=2,
        messages=20_000,
        quick_messages=4_000,
        figures=_append_figures(0.5),
        details=append.details,
    ),
    AppendScenario(
        name="append-sqlite",
        title="the same on SQLite",
        driver="",
        messages=40_000,
        quick_messages=8_000,
        programs=(),
        needs=append.PLACES,
        figures=_append_figures(None),
        details=append.details,
    ),
    BusScenario(
        name="bus",
        title="events to another process over Redis, 50 in a tick, 100 ticks a second",
        events=50_000,
        quick_events=10_000,
        batch=50,
        batches_per_s=100,
        figures=(Figure("µs CPU/event", 1, cpu_per("events"), Target(25)),),
        details=bus.details,
    ),
    NodesScenario(
        name="nodes-rate",
        title="p99 at a receiver on another node, 2,000 durable messages/s over 500 sessions, MariaDB and Redis",
        nodes=2,
        mode="rate",
        sessions=500,
        quick_sessions=500,
        options={"rate": 2000, "seconds": 10},
        quick_options={"rate": 2000, "seconds": 2},
        needs=Needs(singles=250),
        peers=sockets.pairs,
        variant="each",
        figures=(
            Figure("ms", 2, lambda result: float(result["p99_ms"]), Target(40)),
            Figure("µs CPU/message", 1, cpu_per("messages")),
        ),
        details=_latency,
    ),
    NodesScenario(
        name="nodes-one",
        title="durable send, ack and one delivery on MariaDB and Redis, one node; 200 connections, window 8",
        nodes=1,
        **_NODES_SEND,
    ),
    NodesScenario(name="nodes-two", title="the same, every message to the other of two nodes", nodes=2, **_NODES_SEND),
    OnSqlite(
        name="send-to-all",
        title="a notification to 100,000 users beside 500 durable messages/s over 100 sessions, SQLite",
        **_SEND_TO_ALL,
    ),
    OnMariaDb(name="send-to-all-mysql", title="the same on MariaDB and Redis", **_SEND_TO_ALL),
    *reads.SCENARIOS,
    CallsScenario(
        name="calls",
        title="200 calls a second to users of another node, offer to ring, MariaDB and Redis",
        nodes=2,
        **_CALLS,
    ),
    CallsScenario(name="calls-sqlite", title="the same on one server, SQLite", nodes=0, **_CALLS),
    ScheduledScenario(
        name="scheduled",
        title="5,000 messages that are due in one second, two nodes, MariaDB and Redis",
        nodes=2,
        **_SCHEDULED,
    ),
    ScheduledScenario(name="scheduled-sqlite", title="the same on one server, SQLite", nodes=0, **_SCHEDULED),
)

BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


def needed(scenarios: list[Scenario], quick: bool) -> Needs:
    """What all of these want to find."""
    together = Needs()
    for scenario in scenarios:
        together |= scenario.needs_for(quick)
    return together
