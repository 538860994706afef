"""What an operator's machines ask: is it alive, is it ready, what does it measure."""

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from http_api.registry import json_response

Readiness = Callable[[], Awaitable[Sequence[str]]]
"""The reasons why the server should get no traffic now; none if it is ready."""


class Probes:
    def __init__(self, readiness: Readiness, metrics: CollectorRegistry) -> None:
        self._readiness = readiness
        self._metrics = metrics

    def bind(self, router: web.UrlDispatcher) -> None:
        router.add_get("/healthz", self._alive)
        router.add_get("/readyz", self._ready)
        router.add_get("/metrics", self._measurements)

    async def _alive(self, request: web.Request) -> web.Response:
        return json_response({"status": "alive"})

    async def _ready(self, request: web.Request) -> web.Response:
        reasons = list(await self._readiness())
        return json_response({"status": "unready" if reasons else "ready", "reasons": reasons}, 503 if reasons else 200)

    async def _measurements(self, request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})
