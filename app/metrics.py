"""What this process measures, for Prometheus."""

import asyncio
import platform
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from app.stores import Shared, Stores
from app.version import VERSION
from gateway.edge import Edge
from storage.sql.append import SqlMessageLog
from storage.sql.group_commit import CommitStats
from storage.sql.marks import SqlMarkLog

COMMIT_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
BATCH_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)
LAG_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
LAG_EVERY_S: Final = 0.25


class GatewayCollector(Collector):
    """Reads plain integers when asked, so that counting costs the hot path nothing."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def collect(self) -> Iterable[Metric]:
        stats = self._edge.stats
        yield GaugeMetricFamily("feige_connections", "Open gateway connections", stats.connections)
        sessions = GaugeMetricFamily("feige_sessions", "Authenticated sessions", labels=["dialect"])
        for dialect, count in stats.sessions.items():
            sessions.add_metric([dialect], count)
        yield sessions
        yield CounterMetricFamily("feige_frames_received", "Frames received", stats.frames_in)
        yield CounterMetricFamily("feige_deliveries", "Events put into outboxes", stats.deliveries)
        for name, text, label, counts in (
            ("feige_drops", "Packets not delivered to slow sessions", "kind", stats.drops),
            ("feige_disconnects", "Ended connections", "code", stats.disconnects),
            ("feige_handshakes_refused", "Refused requests at the listener", "status", stats.handshakes_refused),
            ("feige_resumes", "Resumes", "outcome", stats.resumes),
        ):
            family = CounterMetricFamily(name, text, labels=[label])
            for value, count in counts.items():
                family.add_metric([str(value)], count)
            yield family
        congested, waiting_bytes = self._edge.outboxes()
        yield GaugeMetricFamily("feige_congested_connections", "Connections whose socket takes no more", congested)
        yield GaugeMetricFamily("feige_outbox_bytes", "Bytes that wait for congested connections", waiting_bytes)


class LogCollector(Collector):
    """The group-committed logs."""

    def __init__(self, messages: SqlMessageLog, marks: SqlMarkLog) -> None:
        self._messages = messages
        self._marks = marks

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("feige_append_queued", "Messages that wait for their commit", self._messages.queued)
        failed = CounterMetricFamily("feige_append_failed", "Items that could not be stored", labels=["log"])
        failed.add_metric(["messages"], self._messages.stats.failed)
        failed.add_metric(["marks"], self._marks.stats.failed)
        yield failed


class BusCollector(Collector):
    """Events between processes; within one there is nothing to count."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def collect(self) -> Iterable[Metric]:
        is_up = self._shared.bus.trouble is None
        yield GaugeMetricFamily("feige_bus_up", "Whether events cross between processes", int(is_up))
        if self._shared.redis is None:
            return
        stats = self._shared.redis.bus.stats
        yield GaugeMetricFamily("feige_bus_nodes", "Other processes that this one knows", stats.peers)
        for name, text, sent, received in (
            ("feige_bus_events", "Events to and from other processes", stats.events_sent, stats.events_received),
            ("feige_bus_batches", "Batches of events", stats.batches_sent, stats.batches_received),
        ):
            family = CounterMetricFamily(name, text, labels=["direction"])
            family.add_metric(["sent"], sent)
            family.add_metric(["received"], received)
            yield family
        for name, text, count in (
            ("feige_bus_dropped", "Events that waited for Redis too long", stats.dropped),
            ("feige_bus_left_out", "Events of processes that did not know all users here", stats.left_out),
            ("feige_bus_gaps", "Times that batches of another process were missing", stats.gaps),
            ("feige_bus_catch_ups", "Times that the database was asked for what was missed", stats.catch_ups),
            ("feige_bus_reconnects", "Connections to Redis that were made again", stats.reconnects),
        ):
            yield CounterMetricFamily(name, text, count)


class BuildCollector(Collector):
    """What runs here: of several workers each has its own `node` and `worker`."""

    def __init__(self, labels: dict[str, str]) -> None:
        self._labels = labels

    def collect(self) -> Iterable[Metric]:
        versions = {"version": VERSION, "python": platform.python_version()}
        yield InfoMetricFamily("feige_build", "What runs here", versions | self._labels)


class LoopLag:
    """Samples how late the event loop is. `close` it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "feige_event_loop_lag_seconds",
            "How late the event loop calls what is due",
            buckets=LAG_BUCKETS_S,
            registry=registry,
        )
        self._loop = asyncio.get_running_loop()
        self._next()

    def _next(self) -> None:
        due = self._loop.time() + LAG_EVERY_S
        self._timer = self._loop.call_at(due, self._sample, due)

    def _sample(self, due: float) -> None:
        self._seconds.observe(max(0.0, self._loop.time() - due))
        self._next()

    def close(self) -> None:
        self._timer.cancel()


def watch_commits(stats: dict[str, CommitStats], registry: CollectorRegistry) -> None:
    """Sizes and times of the logs' batches."""
    seconds = Histogram(
        "feige_append_commit_seconds", "Time of a group commit", ("log",), buckets=COMMIT_BUCKETS_S, registry=registry
    )
    rows = Histogram(
        "feige_append_batch_rows", "Items in a group commit", ("log",), buckets=BATCH_BUCKETS, registry=registry
    )
    for name, counts in stats.items():
        its_seconds, its_rows = seconds.labels(name), rows.labels(name)

        def observe(took_s: float, count: int, seconds: Histogram = its_seconds, rows: Histogram = its_rows) -> None:
            seconds.observe(took_s)
            rows.observe(count)

        counts.observe = observe


def watch_bus(shared: Shared, registry: CollectorRegistry) -> None:
    if shared.redis is not None:
        lag = Histogram(
            "feige_bus_lag_seconds",
            "From the publishing of an event to its handling in another process",
            buckets=LAG_BUCKETS_S,
            registry=registry,
        )
        shared.redis.bus.stats.observe = lag.observe


def registry_for(edge: Edge, stores: Stores, shared: Shared, labels: dict[str, str]) -> CollectorRegistry:
    """All of it; `labels` say which process this is."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for collector in (
        GatewayCollector(edge),
        LogCollector(stores.log, stores.marks),
        BusCollector(shared),
        BuildCollector(labels),
    ):
        registry.register(collector)
    watch_commits({"messages": stores.log.stats, "marks": stores.marks.stats}, registry)
    watch_bus(shared, registry)
    return registry
