"""Routes as declarations: from one table come routing, validation, permission and the OpenAPI document."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel

from domain.accounts import Identity
from domain.errors import DomainError, Forbidden, RateLimited, Unauthenticated
from domain.model import Profile
from http_api.binding import Invalid, PathTemplate, QueryBinder, bind_form, bind_json
from http_api.downloads import FileAnswer, RangeNotSatisfiable, send_file
from http_api.edge import Edge, Fault, Statuses
from http_api.uploads import Receive, ReceivedFile, expect_later, read_form, send_continue

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")

ADDRESS: Final = web.RequestKey("address", str)
"""The client's address, set by the middleware for every request."""
USER_ID: Final = web.RequestKey("user_id", int)
"""Set once a request is authenticated, for the access log."""


class Access(Enum):
    PUBLIC = "public"
    USER = "user"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT, QueryT]):
    """What a handler is given: checked values only. `ids` and `names` are the path's parameters, integers
    and texts. `received` is the file of a form that has one."""

    identity: Identity | None
    address: str
    ids: Mapping[str, int]
    names: Mapping[str, str]
    body: BodyT
    query: QueryT
    received: ReceivedFile | None = None

    @property
    def caller(self) -> Profile:
        return self.proven.profile

    @property
    def proven(self) -> Identity:
        """Unauthenticated on a route that asks for no token."""
        if self.identity is None:
            raise Unauthenticated
        return self.identity

    @property
    def file(self) -> ReceivedFile:
        """On a route that receives one."""
        assert self.received is not None
        return self.received


Handler = Callable[[Call[Any, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint. The handler answers a value for the dialect's envelope, None for a response without
    content, a `FileAnswer` to send a file, or a whole
    `web.StreamResponse`. `path` has parameters like `{message_id:id}` (see `binding.CONVERTERS`)."""

    method: str
    path: str
    handler: Handler
    summary: str
    access: Access = Access.USER
    body: type[BaseModel] | None = None
    form: type[BaseModel] | None = None
    receives: Receive | None = None
    """The form comes with a file (multipart/form-data), which is streamed into this."""
    sends_file: bool = False
    """The response is a file."""
    body_optional: bool = False
    query: type[BaseModel] | None = None
    query_in_body: bool = False
    """Whether what the query leaves out may stand in a JSON body instead."""
    status: int = 200
    overrides: Statuses = field(default_factory=dict)
    """Statuses of errors where this endpoint's document differs from the dialect's table."""
    errors: tuple[int, ...] = ()
    """Documented statuses beyond those that follow from the declaration (401, 403 for administrators,
    422)."""
    sends: Any = None
    """An example of the request body."""
    returns: Any = None
    """An example of the response, before the envelope; its schema is inferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteGroup:
    """The routes of one module of a dialect; `prefix` stands before their paths."""

    edge: Edge
    prefix: str
    routes: Sequence[Route]


Authenticate = Callable[[str], Awaitable[Identity]]
CheckUser = Callable[[int], Awaitable[None]]
Settled = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What stands around every handler. `check_user` raises RateLimited. `settled` is awaited before a change is
    answered: who asks another process next finds it there."""

    authenticate: Authenticate
    check_user: CheckUser
    settled: Settled
    body_timeout_s: float

    async def identify(self, request: web.Request, access: Access) -> Identity | None:
        """Unauthenticated, Forbidden, RateLimited, and what `authenticate` raises."""
        if access is Access.PUBLIC:
            return None
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated
        identity = await self.authenticate(token.strip())
        request[USER_ID] = identity.profile.id
        await self.check_user(identity.profile.id)
        if access is Access.ADMINISTRATOR and not identity.profile.is_admin:
            raise Forbidden("administrators only")
        return identity


class Endpoint:
    """A route in service: who asks is settled before anything of the request is looked at."""

    def __init__(self, gate: Gate, group: RouteGroup, route: Route) -> None:
        self._gate = gate
        self._edge = group.edge
        self._route = route
        self._path = PathTemplate(group.prefix + route.path)
        self._query = QueryBinder(route.query) if route.query else None

    def bind(self, router: web.UrlDispatcher) -> None:
        resource = router.add_resource(self._path.pattern)
        resource.add_route(self._route.method, self.serve, expect_handler=expect_later)
        if self._route.method == hdrs.METH_GET:
            resource.add_route(hdrs.METH_HEAD, self.serve, expect_handler=expect_later)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        response = await self._answer(request)
        if self._route.method != hdrs.METH_GET:
            await self._gate.settled()
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            identity = await self._gate.identify(request, self._route.access)
            result = await self._result(request, identity)
            if isinstance(result, FileAnswer):
                return await send_file(request, result)
        except DomainError as error:
            return error_response(self._edge, error, self._route.overrides)
        except Invalid as error:
            status, value = self._edge.invalid(error.faults)
            return json_response(value, status)
        except RangeNotSatisfiable as error:
            text = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE.phrase
            return json_response(self._edge.refusal(416, text), 416, {hdrs.CONTENT_RANGE: f"bytes */{error.size}"})
        if isinstance(result, web.StreamResponse):
            return result
        value = self._edge.success(result)
        return web.Response(status=self._route.status) if value is None else json_response(value, self._route.status)

    async def _result(self, request: web.Request, identity: Identity | None) -> Any:
        faults: list[Fault] = []
        parameters = self._path.bind(request.match_info, faults)
        query = None
        if self._query:
            rest = await self._read(request) if self._route.query_in_body else b""
            query = self._query.bind(request.query, faults, rest)
        ids = {name: value for name, value in parameters.items() if isinstance(value, int)}
        names = {name: value for name, value in parameters.items() if isinstance(value, str)}
        address = request[ADDRESS]
        route = self._route
        if route.receives is None:
            body = await self._body(request, faults)
            if faults:
                raise Invalid(faults)
            return await route.handler(Call(identity, address, ids, names, body, query))
        if identity is None:
            raise Unauthenticated
        assert route.form is not None
        # The handler runs while the file is at hand: what it does not keep is gone afterwards.
        async with route.receives(identity.profile.id, request.content_length) as upload:
            body, received = await read_form(request, route.form, upload, faults, self._gate.body_timeout_s)
            if faults:
                raise Invalid(faults)
            return await route.handler(Call(identity, address, ids, names, body, query, received))

    async def _body(self, request: web.Request, faults: list[Fault]) -> BaseModel | None:
        route = self._route
        if route.body is None and route.form is None:
            return None
        payload = await self._read(request)
        if route.form is not None:
            return bind_form(route.form, request.content_type, payload, faults)
        assert route.body is not None
        if not payload and route.body_optional:
            return None
        return bind_json(route.body, payload, faults)

    async def _read(self, request: web.Request) -> bytes:
        try:
            async with asyncio.timeout(self._gate.body_timeout_s):
                await send_continue(request)
                return await request.read()
        except TimeoutError as error:
            raise web.HTTPRequestTimeout from error


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(value),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def error_response(edge: Edge, error: DomainError, overrides: Statuses) -> web.Response:
    """With `Retry-After` where waiting helps and the challenge that RFC 6750 wants with a 401."""
    status, value = edge.failure(error, overrides)
    headers: dict[str, str] = {}
    if isinstance(error, RateLimited):
        headers[hdrs.RETRY_AFTER] = str(max(1, math.ceil(error.retry_after_s)))
    if status == 401:
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return json_response(value, status, headers)
