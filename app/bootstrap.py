"""Puts a server together, starts it and stops it, in the one order that loses nothing."""

import asyncio
import gc
import resource
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from socket import socket
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from app.clock import SystemClock
from app.config import Config
from app.data_dir import DataDir
from app.doctor import clock_warnings
from app.edges import gateway_edge, socket_endpoints, web_app
from app.errors import SetupError
from app.file_service import FileService
from app.metrics import LoopLag, registry_for
from app.node import Node
from app.readiness import Readiness
from app.sockets import BACKLOG, Sockets, port_of, unusable
from app.stores import shared_over_redis, shared_within_process, start_stores
from app.tasks import Tasks
from app.use_cases import UseCases
from domain.cascade_feed import CascadeFeed
from domain.ports import EventHandler
from gateway.hub import Hub
from gateway.listener import Reception
from gateway.stats import GatewayStats
from http_api.handover import Handover
from http_api.loopback import Loopback
from http_api.server import build_probes_app
from protocol.framing.http_head import MAX_HEAD_BYTES

log = structlog.get_logger("server")

LOOK_FOR_DUE_EVERY_S: Final = 0.25
"""For scheduled messages: it reads one entry of an index."""

NOTIFY_EVERY_S: Final = 1.0
"""Of messages to those who are away: a conversation costs one query a turn, however many it has."""

SWEEP_CALLS_EVERY_S: Final = 1.0
FORGET_EVERY_S: Final = 600.0

HTTP_DRAIN_S: Final = 10.0
"""For requests under way when the server stops; longer uploads and downloads are broken off."""

RESERVED_FDS: Final = 64
"""For databases, files and HTTP when all other descriptors are connections."""

MIN_FDS: Final = 256


class Server:
    """One process of the service: construct, `start`, `stop`.

    `node` names it among the processes that share a Redis; `worker` is its number among those that share its ports.
    """

    def __init__(self, config: Config, data_dir: DataDir, sockets: Sockets, node: str, worker: int = 0) -> None:
        self.config = config
        self.sockets = sockets
        self._data_dir = data_dir
        self._node = node
        self._worker = worker
        self._tasks = Tasks()
        self._readiness: Readiness | None = None
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        """SetupError; then what was opened is closed again."""
        async with AsyncExitStack() as opened:
            await self._start(opened)
            self._opened = opened.pop_all()
        for warning in await clock_warnings(self.config):
            log.warning("clocks differ", warning=warning)
        tune_interpreter()
        log.info("serving", node=self._node, role=self.config.server.role, port=self.sockets.port)

    async def _start(self, opened: AsyncExitStack) -> None:
        """`opened` is closed in reverse: see `stop`."""
        config = self.config
        loop = asyncio.get_running_loop()
        fd_limit = raise_fd_limit()
        clock = SystemClock()
        shared = shared_over_redis(config, self._node, clock) if config.redis.url else shared_within_process()
        opened.push_async_callback(shared.close)
        stores = await start_stores(config, self._data_dir, migrate=config.database.migrate)
        opened.push_async_callback(stores.close)
        files = FileService(config, self._data_dir, stores.files, clock)
        opened.push_async_callback(files.close)
        use_cases = UseCases(
            config=config,
            secret_key=config.server.secret_key.encode() or self._data_dir.secret_key(),
            stores=stores,
            shared=shared,
            files=files.files,
            clock=clock,
            spawn=self._tasks.spawn,
        )
        opened.callback(use_cases.passwords.close)
        stats = GatewayStats()
        hub = Hub(loop, stats)
        edge = gateway_edge(
            config=config,
            max_connections=min(config.gateway.max_connections or fd_limit, fd_limit - RESERVED_FDS),
            stores=stores,
            use_cases=use_cases,
            hub=hub,
            stats=stats,
            clock=clock,
            spawn=self._tasks.spawn,
        )
        opened.callback(edge.close)
        opened.push_async_callback(use_cases.presence.close)
        opened.push_async_callback(self._tasks.close, config.gateway.close_timeout_s)
        node: Node | None = None
        deliver: EventHandler = hub.on_event
        if shared.redis is not None:
            node = Node(redis=shared.redis, stores=stores, use_cases=use_cases, edge=edge, spawn=self._tasks.spawn)
            opened.push_async_callback(node.close)
            deliver = node.on_event
        for handler in (hub.before, *use_cases.caches, use_cases.calls.on_event, deliver):
            shared.bus.subscribe(handler)

        self._readiness = readiness = Readiness(
            stores.sync, shared.bus, self._data_dir.path, config.server.min_free_disk_bytes
        )
        labels = {"node": self._node, "worker": str(self._worker), "role": config.server.role}
        registry = registry_for(edge, stores, shared, labels)
        opened.callback(LoopLag(registry).close)
        loopback = Loopback()
        app = web_app(
            config=config,
            use_cases=use_cases,
            shared=shared,
            stats=stats,
            clock=clock,
            loopback=loopback,
            readiness=readiness,
            metrics=registry,
        )
        handover = Handover()
        app.middlewares.insert(0, handover.middleware)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=HTTP_DRAIN_S,
            # The listener has refused what is longer, in words of ours.
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
        )
        await runner.setup()
        opened.push_async_callback(runner.cleanup)
        opened.push_async_callback(edge.drain)

        await use_cases.accounts.start()
        await shared.start()
        await files.start()
        if shared.stream is not None:
            feed = CascadeFeed(log=stores.event_log, stream=shared.stream, settle_s=0.0)
            feeding = self._tasks.spawn(feed.run())
            opened.push_async_callback(asyncio.wait, [feeding])
            opened.callback(feed.stop)
        self._tasks.spawn(use_cases.search.keep_index())
        opened.callback(use_cases.search.close)
        await edge.start()
        if node is not None:
            await node.start()
        http = runner.server
        assert http is not None
        loopback.attach(http)
        endpoints = [] if config.server.role == "http" else socket_endpoints()

        def reception() -> Reception:
            return Reception(edge, endpoints, http, use_cases.accounts, self._tasks.spawn)

        handover.attach(reception, lambda path: any(each.pattern.fullmatch(path) for each in endpoints))
        await self._listen_for_metrics(opened, readiness, registry)
        await self._listen(opened, reception, self.sockets.http, "--port")
        await self._listen(opened, edge.tcp, self.sockets.tcp, "--tcp-port")
        self._tasks.repeat(use_cases.timers.work, LOOK_FOR_DUE_EVERY_S, "scheduled messages")
        self._tasks.repeat(use_cases.sending.work, LOOK_FOR_DUE_EVERY_S, "notifications to everybody")
        self._tasks.repeat(use_cases.triggers.work, NOTIFY_EVERY_S, "notifications of what happened")
        for channel in use_cases.delivery.channels:
            work = partial(use_cases.delivery.work, channel)
            self._tasks.repeat(work, LOOK_FOR_DUE_EVERY_S, f"notifications by {channel}")
        self._tasks.repeat(use_cases.calls.sweep, SWEEP_CALLS_EVERY_S, "calls")
        self._tasks.repeat(use_cases.retention.work, FORGET_EVERY_S, "the end of the resume log")

    async def _listen_for_metrics(
        self, opened: AsyncExitStack, readiness: Readiness, registry: CollectorRegistry
    ) -> None:
        if self.sockets.metrics:
            runner = web.AppRunner(build_probes_app(readiness, registry), access_log=None, handle_signals=False)
            await runner.setup()
            opened.push_async_callback(runner.cleanup)
            assert runner.server is not None
            await self._listen(opened, runner.server, self.sockets.metrics, "--metrics-port")

    async def _listen(
        self, opened: AsyncExitStack, factory: Callable[[], asyncio.Protocol], sockets: list[socket], flag: str
    ) -> None:
        for each in sockets:
            try:
                server = await asyncio.get_running_loop().create_server(factory, sock=each, backlog=BACKLOG)
            except OSError as error:
                raise unusable(self.config.server.host, port_of([each]), flag, error) from error
            opened.callback(server.close)

    async def stop(self) -> None:
        """Readiness fails, the listeners close, clients are sent away, requests end, what was accepted is committed and
        acknowledged, then the stores and the bus close."""
        if self._readiness is not None:
            self._readiness.is_stopping = True
        await self._opened.aclose()


def raise_fd_limit() -> int:
    """Takes all the file descriptors that the system allows; returns how many. SetupError if they are too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft < MIN_FDS:
        raise SetupError(
            f"the limit of open files is {soft}, which leaves no room for clients; raise it to {MIN_FDS} or more "
            "(ulimit -n)"
        )
    return soft


def tune_interpreter() -> None:
    """What lives as long as the server is not looked at again, and full collections come rarely: sessions are no
    cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
