"""`serve`: one process, or workers under a supervisor."""

import asyncio
import secrets
import signal
import socket
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog
import uvloop

from app.config import Config, ServerConfig
from app.data_dir import DataDir
from app.errors import SetupError
from app.notify import notify
from app.sockets import Sockets, bind, bind_for_workers, inherited, port_of
from app.supervisor import READY, Supervisor, WorkerOrder, own_command
from app.version import VERSION
from domain.errors import DomainError

# What a server is made of is imported where one is started: the parent of workers stays small.

log = structlog.get_logger("server")


def serve(config: Config, order: str) -> int:
    """Until a signal; the exit status. `order` is a supervisor's, if this process is one of its workers. SetupError,
    DomainError."""
    if order:
        return _serve_as_worker(config, msgspec.json.decode(order, type=WorkerOrder))
    if config.server.workers > 1:
        groups = bind_for_workers(config.server)
        node = node_name(config.server, groups[0])
        supervisor = Supervisor(groups, node, own_command(), lambda: announce(config.server, groups[0]))
        asyncio.run(supervisor.run())
        return 0
    data_dir = DataDir(config.server.data_dir)
    sockets = bind(config.server)
    if not config.database.is_mysql:
        data_dir.lock()
    try:
        _run(_serve_alone(config, data_dir, sockets))
    finally:
        data_dir.unlock()
    return 0


def _serve_as_worker(config: Config, order: WorkerOrder) -> int:
    channel = socket.socket(fileno=order.channel)
    try:
        _run(_work(config, order, channel))
    except (SetupError, DomainError) as error:
        # The parent says it, once.
        channel.setblocking(True)
        channel.sendall(str(error).encode())
        return 1
    return 0


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def _serve_alone(config: Config, data_dir: DataDir, sockets: Sockets) -> None:
    told = asyncio.Event()
    # A terminal that is closed sends SIGHUP.
    _on_signals(told, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    from app.bootstrap import Server

    if config.server.admin_password:
        from app.accounts import prepare

        await prepare(config, data_dir)
    server = Server(config, data_dir, sockets, node_name(config.server, sockets))
    await server.start()
    announce(config.server, sockets)
    notify("READY=1")
    await told.wait()
    notify("STOPPING=1")
    await server.stop()


async def _work(config: Config, order: WorkerOrder, channel: socket.socket) -> None:
    from app.accounts import prepare
    from app.bootstrap import Server

    told = asyncio.Event()
    _on_signals(told, signal.SIGTERM)
    data_dir = DataDir(config.server.data_dir)
    if order.is_first:
        await prepare(config, data_dir)
    server = Server(config, data_dir, inherited(order.sockets), order.node, order.number)
    await server.start()
    channel.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(channel, READY)
    parent = asyncio.create_task(_outlive(channel, told))
    await told.wait()
    parent.cancel()
    await server.stop()


async def _outlive(channel: socket.socket, told: asyncio.Event) -> None:
    """The parent never says a thing, so what comes is the end of the channel."""
    await asyncio.get_running_loop().sock_recv(channel, 1)
    log.error("the parent process is gone")
    told.set()


def _on_signals(told: asyncio.Event, *numbers: signal.Signals) -> None:
    """The first one is heard; a second one kills."""
    loop = asyncio.get_running_loop()

    def tell() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
        told.set()

    for number in numbers:
        loop.add_signal_handler(number, tell)


def node_name(config: ServerConfig, sockets: Sockets) -> str:
    """Without a name of its own a process gets one that no other has, so that it need not wait at start until a former
    one is known to be dead."""
    return config.node or f"{socket.gethostname()}:{sockets.port}-{secrets.token_hex(2)}"


def announce(config: ServerConfig, sockets: Sockets) -> None:
    """For people: where it is. One line on standard output."""
    tcp = f" and tcp://{config.host}:{port_of(sockets.tcp)}" if sockets.tcp else ""
    print(f"Feige {VERSION} on http://{config.host}:{sockets.port}{tcp} (documentation: /docs)", flush=True)  # noqa: T201
