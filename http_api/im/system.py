"""The health check and the root (im API 11)."""

from typing import Any

from domain.ports import Clock
from http_api.im.edge import IM
from http_api.registry import Access, Call, Route, RouteGroup
from protocol.times import iso_time


class SystemRoutes:
    def __init__(self, clock: Clock, version: str) -> None:
        self._clock = clock
        self._version = version

    async def health(self, call: Call[None, None]) -> Any:
        return {"status": "healthy", "timestamp": iso_time(self._clock.now_ms()), "version": self._version}

    async def root(self, call: Call[None, None]) -> Any:
        return {"message": "Instant Messaging System API", "version": self._version, "docs_url": "/docs"}

    def groups(self) -> list[RouteGroup]:
        routes = [
            Route(
                method="GET",
                path="/health",
                handler=self.health,
                summary="11.1 健康检查",
                access=Access.PUBLIC,
                returns={"status": "healthy", "timestamp": "2025-01-08T16:00:00Z", "version": "1.0.0"},
            ),
            Route(
                method="GET",
                path="/",
                handler=self.root,
                summary="11.2 根路径",
                access=Access.PUBLIC,
                returns={"message": "Instant Messaging System API", "version": "1.0.0", "docs_url": "/docs"},
            ),
        ]
        return [RouteGroup(edge=IM, prefix="", routes=routes)]
