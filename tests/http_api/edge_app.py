"""A small application over the registry: routes that show what a handler was given."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from pydantic import Field, StringConstraints

from domain.accounts import Identity
from domain.errors import (
    AccountDisabled,
    ConversationNotFound,
    DomainError,
    Forbidden,
    InvalidValue,
    RateLimited,
    TokenExpired,
    TokenInvalid,
    Unauthenticated,
    Unavailable,
    UsernameTaken,
)
from domain.model import DialectName, Profile
from domain.ports import RateLimiter
from domain.tokens import Claims
from http_api.config import HttpConfig
from http_api.edge import DetailEdge
from http_api.registry import Access, Call, Route, RouteGroup, Settled
from http_api.server import build_app
from protocol.fields import Id, QueryId, QueryInt, RequestModel

EDGE = DetailEdge(
    "probe",
    {
        DomainError: 400,
        Unauthenticated: 401,
        Forbidden: 403,
        ConversationNotFound: 404,
        RateLimited: 429,
        Unavailable: 503,
    },
)
MAX_BODY_BYTES = 4096


class Body(RequestModel):
    number: Id
    text: Annotated[str, StringConstraints(max_length=5)] = "none"
    many: list[Id] = Field(default_factory=list)


class Query(RequestModel):
    limit: Annotated[QueryInt, Field(ge=1, le=50)] = 10
    ids: Annotated[tuple[QueryId, ...], Field(strict=False)] = ()


class Form(RequestModel):
    username: str
    password: str


ERRORS: Mapping[str, Callable[[], Exception]] = {
    "taken": UsernameTaken,
    "value": lambda: InvalidValue("name", "too long"),
    "missing": ConversationNotFound,
    "limited": lambda: RateLimited(1.2),
    "unavailable": Unavailable,
    "bug": lambda: RuntimeError("password=hunter2"),
}


async def echo(call: Call[Any, Any]) -> Any:
    return {
        "user": call.identity.profile.id if call.identity else None,
        "ids": call.ids,
        "names": call.names,
        "body": call.body.model_dump() if call.body else None,
        "query": call.query.model_dump() if call.query else None,
        "address": call.address,
    }


async def nothing(call: Call[Any, Any]) -> None:
    return None


async def fail(call: Call[Any, Any]) -> Any:
    error = ERRORS[call.names["kind"]]()
    raise error


async def authenticate(token: str) -> Identity:
    """Tokens are `user`, `admin`, `disabled` and `expired`."""
    if token == "expired":
        raise TokenExpired
    if token == "disabled":
        raise AccountDisabled
    if token not in ("user", "admin"):
        raise TokenInvalid
    user_id = 1 if token == "user" else 2
    profile = Profile(user_id, token, token, is_admin=token == "admin")
    return Identity(profile, Claims(user_id, "login", "token", DialectName.IM, 0))


GROUP = RouteGroup(
    edge=EDGE,
    prefix="/probe",
    routes=(
        Route(method="GET", path="/open", handler=echo, summary="open", access=Access.PUBLIC, query=Query),
        Route(method="GET", path="/mine", handler=echo, summary="mine", returns={"user": 1}),
        Route(method="GET", path="/admin", handler=echo, summary="admin", access=Access.ADMINISTRATOR),
        Route(method="GET", path="/records/{record_id:only_uuid}", handler=echo, summary="by UUID"),
        Route(method="GET", path="/records/{record_id:id}", handler=echo, summary="by id"),
        Route(method="GET", path="/names/{name:str}", handler=echo, summary="by name"),
        Route(method="POST", path="/body", handler=echo, summary="body", access=Access.PUBLIC, body=Body),
        Route(
            method="POST",
            path="/optional",
            handler=echo,
            summary="optional body",
            access=Access.PUBLIC,
            body=Body,
            body_optional=True,
        ),
        Route(method="POST", path="/form", handler=echo, summary="form", access=Access.PUBLIC, form=Form),
        Route(method="POST", path="/secret", handler=echo, summary="a body behind a token", body=Body),
        Route(
            method="DELETE",
            path="/nothing",
            handler=nothing,
            summary="nothing",
            access=Access.PUBLIC,
            status=204,
        ),
        Route(method="GET", path="/fail/{kind:str}", handler=fail, summary="fails", access=Access.PUBLIC),
        Route(
            method="GET",
            path="/other/{kind:str}",
            handler=fail,
            summary="fails in its own way",
            access=Access.PUBLIC,
            overrides={UsernameTaken: 409},
        ),
    ),
)


async def ready() -> list[str]:
    return []


async def settled() -> None:
    """Of a single process."""


def edge_app(
    limiter: RateLimiter,
    readiness: Callable[[], Awaitable[list[str]]] = ready,
    settled: Settled = settled,
    **config: Any,
) -> web.Application:
    return build_app(
        config=HttpConfig(**({"max_body_bytes": MAX_BODY_BYTES} | config)),
        groups=(GROUP,),
        edges={"/": EDGE},
        authenticate=authenticate,
        settled=settled,
        limiter=limiter,
        readiness=readiness,
        metrics=CollectorRegistry(),
        version="1.0.0",
    )
