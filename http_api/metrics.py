"""Counts and times requests for Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Histogram

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class HttpMetrics:
    """`feige_http_request_seconds` by method, route (its template, so ids make no new series) and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "feige_http_request_seconds",
            "Time to answer an HTTP request",
            ("method", "route", "status"),
            buckets=BUCKETS_S,
            registry=registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._seconds.labels(method, route, str(status)).observe(seconds)
