"""What the gateway and the append log count, for Prometheus."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.ports import MessageLog
from gateway.stats import GatewayStats


class GatewayCollector(Collector):
    """Reads plain integers when asked, so that counting costs the hot path nothing."""

    def __init__(self, stats: GatewayStats, log: MessageLog) -> None:
        self._stats = stats
        self._log = log

    def collect(self) -> Iterable[Metric]:
        stats = self._stats
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
        yield GaugeMetricFamily("feige_append_queued", "Messages that wait for their commit", self._log.queued)


def registry_for(stats: GatewayStats, log: MessageLog) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(GatewayCollector(stats, log))
    return registry
