"""Builds the aiohttp application from its dependencies."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from domain.ports import RateLimiter
from http_api.config import HttpConfig
from http_api.edge import Edge
from http_api.metrics import HttpMetrics
from http_api.middleware import RequestLimits, request_middleware, response_headers
from http_api.openapi import openapi_document
from http_api.pages import DocumentationPages
from http_api.probes import Probes, Readiness
from http_api.registry import Authenticate, Endpoint, Gate, RouteGroup, Settled

TITLE: Final = "Feige"


def build_app(
    *,
    config: HttpConfig,
    groups: Sequence[RouteGroup],
    edges: Mapping[str, Edge],
    authenticate: Authenticate,
    settled: Settled,
    limiter: RateLimiter,
    readiness: Readiness,
    metrics: CollectorRegistry,
    version: str,
) -> web.Application:
    """Run it with `web.AppRunner(app, access_log=None)`: the access log is its own.

    `edges` maps path prefixes to the dialect that answers where no route does; it needs an entry for `/`. Without
    `groups` there is nothing to document, and only the probes are served. ValueError for a trusted proxy that is no
    network.
    """
    limits = RequestLimits(limiter, config)
    app = web.Application(
        client_max_size=config.max_body_bytes,
        middlewares=[request_middleware(config, limits, edges, HttpMetrics(metrics))],
    )
    app.on_response_prepare.append(response_headers(config))
    gate = Gate(
        authenticate=authenticate,
        check_user=limits.check_user,
        settled=settled,
        body_timeout_s=config.body_timeout_s,
    )
    for group in groups:
        for route in group.routes:
            Endpoint(gate, group, route).bind(app.router)
    Probes(readiness, metrics).bind(app.router)
    if groups:
        DocumentationPages(partial(openapi_document, groups, title=TITLE, version=version)).bind(app.router)
    return app


def build_probes_app(readiness: Readiness, metrics: CollectorRegistry) -> web.Application:
    """The probes alone, for a port that only the operator's machines reach."""
    app = web.Application()
    Probes(readiness, metrics).bind(app.router)
    return app
