"""Puts a server together, starts it and stops it, in the one order that loses nothing."""

import asyncio
import gc
import re
import resource
from typing import Final

import structlog
from aiohttp import web

from app.clock import SystemClock
from app.config import Config
from app.data_dir import DataDir
from app.errors import SetupError
from app.file_service import FileService
from app.metrics import registry_for
from app.tasks import Tasks
from app.version import VERSION
from delivery.codes import LogCodeSender, WebhookCodeSender
from domain.accounts import Accounts, Revocations
from domain.applications import Applications
from domain.calls import Calls
from domain.contacts import Contacts
from domain.conversations import Conversations
from domain.errors import Unavailable
from domain.login_codes import LoginCodes
from domain.message_timers import MessageTimers
from domain.messages import Messages
from domain.passwords import Passwords
from domain.presence import Presence
from domain.profiles import Profiles
from domain.rosters import Rosters
from domain.tokens import Tokens
from gateway.dispatch import Commands
from gateway.edge import Edge
from gateway.hub import Hub
from gateway.listener import Endpoint, Reception
from gateway.stats import GatewayStats
from gateway.wire import over_tcp, over_websocket
from http_api.edges import EDGES
from http_api.im.routes import im_groups
from http_api.inbox.routes import inbox_groups
from http_api.messenger.routes import messenger_groups
from http_api.server import build_app
from http_api.social.routes import social_groups
from protocol.im.socket import ImSocket
from protocol.messenger.socket import MessengerSocket
from protocol.native.binary_codec import NativeBinary
from protocol.native.json_codec import NativeJson
from protocol.social.socket import SocialSocket
from storage import open_sqlite
from storage.inprocess.bus import InProcessBus
from storage.inprocess.codes import InProcessShortCodes
from storage.inprocess.limits import InProcessRateLimiter
from storage.inprocess.presence import InProcessPresenceDirectory

log = structlog.get_logger("server")

LOOK_FOR_DUE_EVERY_S: Final = 0.25
"""For scheduled messages: it reads one entry of an index."""

SWEEP_CALLS_EVERY_S: Final = 1.0

BACKLOG: Final = 4096
"""Connections that the kernel may queue while the loop is busy; a restart brings all clients back at once."""

RESERVED_FDS: Final = 64
"""For databases, files and HTTP when all other descriptors are connections."""

MIN_FDS: Final = 256

HTTP_DRAIN_S: Final = 10.0
"""For requests under way when the server stops; longer uploads and downloads are broken off."""


class Server:
    """One process of the service: construct, `start`, `stop`."""

    def __init__(self, config: Config, data_dir: DataDir) -> None:
        self.config = config
        self._data_dir = data_dir
        self._tasks = Tasks()
        self._stopping = False
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        """SetupError, or an error of the store with a sentence of its own."""
        config = self.config
        loop = asyncio.get_running_loop()
        fd_limit = raise_fd_limit()
        self._data_dir.lock()
        clock = SystemClock()
        stores = self._stores = open_sqlite(self._data_dir.database)
        await stores.start()

        bus = InProcessBus()
        stats = GatewayStats()
        hub = Hub(loop, stats)
        limiter = InProcessRateLimiter()
        profiles = Profiles(stores.users)
        rosters = Rosters(stores.conversations, self._tasks.spawn)
        revocations = Revocations(clock)
        for handler in (hub.before, rosters.on_event, profiles.on_event, revocations.on_event, hub.on_event):
            bus.subscribe(handler)
        self._passwords = Passwords(config.passwords.rounds, config.passwords.threads)
        secret = config.server.secret_key.encode() or self._data_dir.secret_key()
        accounts = Accounts(
            users=stores.users,
            logins=stores.logins,
            profiles=profiles,
            passwords=self._passwords,
            tokens=Tokens(secret, clock, config.tokens),
            revocations=revocations,
            limiter=limiter,
            bus=bus,
            clock=clock,
            limits=config.accounts,
        )
        contacts = Contacts(store=stores.contacts, profiles=profiles, bus=bus, clock=clock)
        applications = Applications(
            store=stores.applications,
            conversations=stores.conversations,
            profiles=profiles,
            bus=bus,
            clock=clock,
        )
        sender = (
            WebhookCodeSender(config.codes.webhook_url, config.codes.webhook_secret)
            if config.codes.webhook_url
            else LogCodeSender()
        )
        codes = LoginCodes(codes=InProcessShortCodes(), sender=sender, limiter=limiter, limits=config.codes)
        conversations = Conversations(
            store=stores.conversations, profiles=profiles, rosters=rosters, bus=bus, clock=clock
        )
        messages = Messages(
            log=stores.log,
            marks=stores.marks,
            store=stores.messages,
            rosters=rosters,
            bus=bus,
            clock=clock,
            limits=config.messages,
        )
        timers = MessageTimers(store=stores.timers, messages=messages, rosters=rosters, profiles=profiles, clock=clock)
        self._file_service = FileService(config, self._data_dir, stores.files, clock)
        presence = self._presence = Presence(
            directory=InProcessPresenceDirectory(),
            store=stores.conversations,
            users=stores.users,
            bus=bus,
            clock=clock,
            scheduler=loop,
            spawn=self._tasks.spawn,
        )
        calls = Calls(
            store=stores.calls,
            profiles=profiles,
            rosters=rosters,
            conversations=conversations,
            messages=messages,
            presence=presence,
            bus=bus,
            clock=clock,
            spawn=self._tasks.spawn,
            limits=config.calls,
        )
        bus.subscribe(calls.on_event)
        json, binary = NativeJson(), NativeBinary()
        edge = self._edge = Edge(
            loop=loop,
            config=config.gateway,
            max_connections=min(config.gateway.max_connections or fd_limit, fd_limit - RESERVED_FDS),
            accounts=accounts,
            presence=presence,
            commands=Commands(
                messages=messages,
                conversations=conversations,
                presence=presence,
                profiles=profiles,
                sync=stores.sync,
                calls=calls,
                clock=clock,
            ),
            log_port=stores.log,
            sync=stores.sync,
            hub=hub,
            stats=stats,
            clock=clock,
            spawn=self._tasks.spawn,
            tcp_wires=(over_tcp(json, presence_on_request=True), over_tcp(binary, presence_on_request=True)),
            version=VERSION,
        )
        native_json = over_websocket(json, presence_on_request=True)
        native_binary = over_websocket(binary, presence_on_request=True)
        im, social = over_websocket(ImSocket()), over_websocket(SocialSocket())
        messenger = over_websocket(MessengerSocket())
        endpoints = [
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
        app = build_app(
            config=config.http,
            groups=[
                *im_groups(
                    accounts=accounts,
                    profiles=profiles,
                    conversations=conversations,
                    messages=messages,
                    files=self._file_service.files,
                    presence=presence,
                    connection_count=lambda: stats.connections,
                    clock=clock,
                    version=VERSION,
                ),
                *inbox_groups(accounts=accounts, presence=presence),
                *social_groups(
                    accounts=accounts,
                    contacts=contacts,
                    applications=applications,
                    conversations=conversations,
                    messages=messages,
                    files=self._file_service.files,
                    presence=presence,
                    clock=clock,
                ),
                *messenger_groups(
                    accounts=accounts,
                    codes=codes,
                    profiles=profiles,
                    contacts=contacts,
                    conversations=conversations,
                    messages=messages,
                    files=self._file_service.files,
                    presence=presence,
                    clock=clock,
                ),
            ],
            edges=EDGES,
            authenticate=accounts.authenticate,
            limiter=limiter,
            readiness=self._unready,
            metrics=registry_for(stats, stores.log),
            version=VERSION,
        )
        self._bus = bus
        self._sync = stores.sync
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=HTTP_DRAIN_S)
        await accounts.start()
        await bus.start()
        await self._file_service.start()
        if config.server.admin_password:
            await accounts.ensure_admin(config.server.admin_password)
        await edge.start()
        await self._runner.setup()
        http = self._runner.server
        assert http is not None
        await self._listen(
            lambda: Reception(edge, endpoints, http, accounts, self._tasks.spawn), config.server.port, "--port"
        )
        if config.server.tcp_port >= 0:
            await self._listen(edge.tcp, config.server.tcp_port, "--tcp-port")
        self._tasks.repeat(timers.work, LOOK_FOR_DUE_EVERY_S, "scheduled messages")
        self._tasks.repeat(calls.sweep, SWEEP_CALLS_EVERY_S, "calls")
        tune_interpreter()
        log.info("serving", url=f"http://{config.server.host}:{self.port}", tcp_port=self.tcp_port)

    async def _listen(self, factory: type[asyncio.Protocol] | object, port: int, flag: str) -> None:
        host = self.config.server.host
        try:
            server = await asyncio.get_running_loop().create_server(factory, host, port, backlog=BACKLOG)  # type: ignore[arg-type]
        except OSError as error:
            reason = f"port {port} on {host} cannot be used: {error.strerror or error}"
            raise SetupError(f"{reason}; stop what uses it, or choose another with {flag}") from error
        self._servers.append(server)

    @property
    def port(self) -> int:
        return int(self._servers[0].sockets[0].getsockname()[1])

    @property
    def tcp_port(self) -> int | None:
        return int(self._servers[1].sockets[0].getsockname()[1]) if len(self._servers) > 1 else None

    async def _unready(self) -> list[str]:
        if self._stopping:
            return ["the server is stopping"]
        reasons = []
        try:
            async with asyncio.timeout(2):
                await self._sync.position()
        except (Unavailable, TimeoutError) as error:
            reasons.append(f"database: {error or 'no answer'}")
        trouble = await self._bus.healthy()
        if trouble is not None:
            reasons.append(f"bus: {trouble}")
        return reasons

    async def stop(self) -> None:
        """Readiness fails, the listeners close, what was accepted is committed and acknowledged, the clients are
        sent away, then the stores close."""
        self._stopping = True
        for server in self._servers:
            server.close()
        await self._edge.drain()
        await self._runner.cleanup()
        await self._tasks.close(self.config.gateway.close_timeout_s)
        await self._presence.close()
        await self._file_service.close()
        await self._stores.close()
        self._edge.close()
        self._passwords.close()
        await self._bus.close()
        self._data_dir.unlock()


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
