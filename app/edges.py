"""The edges over the use cases: which dialects are spoken on which paths."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry

from app.config import Config
from app.stores import Shared, Stores
from app.use_cases import UseCases
from app.version import VERSION
from domain.ports import Clock
from gateway.dispatch import Commands
from gateway.edge import Edge
from gateway.hub import Hub
from gateway.listener import Endpoint
from gateway.stats import GatewayStats
from gateway.wire import over_tcp, over_websocket
from http_api.edges import EDGES
from http_api.im.routes import im_groups
from http_api.inbox.routes import inbox_groups
from http_api.loopback import Loopback
from http_api.messenger.routes import messenger_groups
from http_api.probes import Readiness
from http_api.server import build_app
from http_api.social.routes import social_groups
from protocol.im.socket import ImSocket
from protocol.messenger.socket import MessengerSocket
from protocol.native.binary_codec import NativeBinary
from protocol.native.json_codec import NativeJson
from protocol.social.socket import SocialSocket


def gateway_edge(
    *,
    config: Config,
    max_connections: int,
    stores: Stores,
    use_cases: UseCases,
    hub: Hub,
    stats: GatewayStats,
    clock: Clock,
    spawn: Callable[[Coroutine[Any, Any, None]], object],
) -> Edge:
    return Edge(
        loop=asyncio.get_running_loop(),
        config=config.gateway,
        max_connections=max_connections,
        accounts=use_cases.accounts,
        presence=use_cases.presence,
        commands=Commands(
            messages=use_cases.messages,
            conversations=use_cases.conversations,
            presence=use_cases.presence,
            profiles=use_cases.profiles,
            sync=stores.sync,
            calls=use_cases.calls,
            clock=clock,
        ),
        log_port=stores.log,
        sync=stores.sync,
        hub=hub,
        stats=stats,
        clock=clock,
        spawn=spawn,
        tcp_wires=(
            over_tcp(NativeJson(), presence_on_request=True),
            over_tcp(NativeBinary(), presence_on_request=True),
        ),
        version=VERSION,
    )


def socket_endpoints() -> list[Endpoint]:
    """The WebSocket paths. `deploy/nginx.conf` sends the same ones to the gateways."""
    native_json = over_websocket(NativeJson(), presence_on_request=True)
    native_binary = over_websocket(NativeBinary(), presence_on_request=True)
    im, social = over_websocket(ImSocket()), over_websocket(SocialSocket())
    messenger = over_websocket(MessengerSocket())
    return [
        Endpoint(
            pattern=re.compile("/gateway"),
            wires={"feige.bin.v1": native_binary, "feige.json.v1": native_json},
            default=native_json,
            token_required=False,
        ),
        Endpoint(re.compile("/ws/(?P<user_id>[0-9]+)"), {}, im, token_required=True),
        Endpoint(re.compile("/api/v1/realtime/ws"), {}, im, token_required=True),
        Endpoint(
            pattern=re.compile("/ws"),
            wires={},
            default=messenger,
            token_required=True,
            by_dialect={"social": social, "messenger": messenger},
        ),
    ]


def web_app(
    *,
    config: Config,
    use_cases: UseCases,
    shared: Shared,
    stats: GatewayStats,
    clock: Clock,
    loopback: Loopback,
    readiness: Readiness,
    metrics: CollectorRegistry,
) -> web.Application:
    """What is asked over HTTP. A gateway has the probes alone."""
    groups = []
    if config.server.role != "gateway":
        im = im_groups(
            accounts=use_cases.accounts,
            profiles=use_cases.profiles,
            conversations=use_cases.conversations,
            groups=use_cases.groups,
            messages=use_cases.messages,
            search=use_cases.search,
            files=use_cases.files,
            broadcasts=use_cases.broadcasts,
            client_events=use_cases.client_events,
            cascade=use_cases.cascade,
            notifications=use_cases.notifications,
            sending=use_cases.sending,
            templates=use_cases.templates,
            presence=use_cases.presence,
            connection_count=lambda: stats.connections,
            limiter=shared.limiter,
            loopback=loopback,
            http=config.http,
            limits=config.accounts,
            clock=clock,
            version=VERSION,
        )
        social = social_groups(
            accounts=use_cases.accounts,
            contacts=use_cases.contacts,
            applications=use_cases.applications,
            conversations=use_cases.conversations,
            groups=use_cases.groups,
            messages=use_cases.messages,
            files=use_cases.files,
            presence=use_cases.presence,
            clock=clock,
        )
        messenger = messenger_groups(
            accounts=use_cases.accounts,
            codes=use_cases.codes,
            profiles=use_cases.profiles,
            contacts=use_cases.contacts,
            conversations=use_cases.conversations,
            messages=use_cases.messages,
            files=use_cases.files,
            presence=use_cases.presence,
        )
        inbox = inbox_groups(
            accounts=use_cases.accounts,
            notifications=use_cases.notifications,
            sending=use_cases.sending,
            delivery=use_cases.delivery,
            presence=use_cases.presence,
        )
        groups = [*inbox, *im, *social, *messenger]
    return build_app(
        config=config.http,
        groups=groups,
        edges=EDGES,
        authenticate=use_cases.accounts.authenticate,
        settled=shared.bus.settled,
        limiter=shared.limiter,
        readiness=readiness,
        metrics=metrics,
        version=VERSION,
    )
