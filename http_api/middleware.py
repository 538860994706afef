"""What every request passes: id, limits, CORS, access log, the last resort for errors, security headers."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import structlog
from aiohttp import hdrs, web

from domain.errors import RateLimited, Unavailable
from domain.ports import RateLimiter
from http_api.address import ClientAddress
from http_api.config import HttpConfig
from http_api.edge import Edge
from http_api.metrics import HttpMetrics
from http_api.registry import ADDRESS, USER_ID, error_response, json_response

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID_HEADER: Final = "X-Request-ID"
UNLIMITED_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Probes come from the operator's machines, often, and must not be refused when the server is busy."""

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    hdrs.CACHE_CONTROL: "no-store",
}
"""Defaults: a handler may set its own value of each."""

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS: Final = "Authorization, Content-Type, If-None-Match, If-Range, Range, X-Request-ID"
_EXPOSED_HEADERS: Final = (
    f"{REQUEST_ID_HEADER}, {hdrs.RETRY_AFTER}, {hdrs.CONTENT_DISPOSITION}, {hdrs.CONTENT_RANGE}, {hdrs.ETAG}"
)
REQUEST_ID: Final = web.RequestKey("request_id", str)

log = structlog.get_logger("feige.http")


class RequestLimits:
    """Requests per user and per address. When the limiter cannot be reached, requests pass: a limit is no
    reason to be down."""

    def __init__(self, limiter: RateLimiter, config: HttpConfig) -> None:
        self._limiter = limiter
        self._config = config

    async def check_user(self, user_id: int) -> None:
        """RateLimited."""
        await self._check(f"http:user:{user_id}", self._config.requests_per_user)

    async def check_address(self, address: str) -> None:
        """RateLimited."""
        await self._check(f"http:address:{address}", self._config.requests_per_address)

    async def _check(self, key: str, limit: int) -> None:
        try:
            wait_s = await self._limiter.hit(key, limit, self._config.requests_window_s)
        except Unavailable:
            return
        if wait_s:
            raise RateLimited(wait_s)


def edge_for(path: str, edges: Mapping[str, Edge]) -> Edge:
    """The dialect of the longest path prefix that fits; `edges` must have an entry for `/`."""
    return edges[max((prefix for prefix in edges if path.startswith(prefix)), key=len)]


def request_middleware(
    config: HttpConfig, limits: RequestLimits, edges: Mapping[str, Edge], metrics: HttpMetrics
) -> Any:
    """Everything that surrounds a handler. `edges` (prefix to dialect) shapes what happens outside of
    routes."""
    client_address = ClientAddress(config.trusted_proxies)

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _is_preflight(request):
            return web.Response(status=204)
        edge = edge_for(request.path, edges)
        try:
            if request.path not in UNLIMITED_PATHS:
                await limits.check_address(request[ADDRESS])
            return await handler(request)
        except RateLimited as error:
            return error_response(edge, error, {})
        except web.HTTPException as error:
            return _http_error(edge, error)
        except Exception:
            log.exception("request failed", method=request.method, path=request.rel_url.raw_path)
            return json_response(edge.refusal(500, "Internal Server Error"), 500)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        request_id = request.headers.get(REQUEST_ID_HEADER, "")
        if _SANE_REQUEST_ID.fullmatch(request_id) is None:
            request_id = uuid4().hex
        request[ADDRESS] = client_address.of(request)
        request[REQUEST_ID] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = await answer(request, handler)
            seconds = time.perf_counter() - started
            resource = request.match_info.route.resource
            route = resource.canonical if resource is not None else "unknown"
            metrics.observe(_known_method(request.method), route, response.status, seconds)
            log.info(
                "request",
                method=request.method,
                path=request.rel_url.raw_path,
                status=response.status,
                ms=round(seconds * 1000, 1),
                address=request[ADDRESS],
                user_id=request.get(USER_ID),
            )
        return response

    return middleware


def response_headers(config: HttpConfig) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """A signal, not a middleware, so that no response can miss them: a streamed one has begun when its handler
    returns."""

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.popall(hdrs.SERVER, None)
        if REQUEST_ID in request:
            response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
        _allow_origin(config, request, response)

    return add


def _http_error(edge: Edge, error: web.HTTPException) -> web.Response:
    text = HTTPStatus(error.status).phrase
    headers = {"Allow": error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else None
    return json_response(edge.refusal(error.status, text), error.status, headers)


def _known_method(method: str) -> str:
    return method if method in hdrs.METH_ALL else "other"


def _is_preflight(request: web.Request) -> bool:
    return (
        request.method == hdrs.METH_OPTIONS
        and hdrs.ORIGIN in request.headers
        and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
    )


def _allow_origin(config: HttpConfig, request: web.Request, response: web.StreamResponse) -> None:
    """CORS without credentials: tokens travel in a header that the page's script sets."""
    if not config.cors_origins:
        return
    any_origin = "*" in config.cors_origins
    if not any_origin:
        response.headers.add(hdrs.VARY, hdrs.ORIGIN)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is None or not (any_origin or origin in config.cors_origins):
        return
    response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*" if any_origin else origin
    response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED_HEADERS
    if _is_preflight(request):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = _METHODS
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _REQUEST_HEADERS
        response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = str(config.cors_max_age_s)
