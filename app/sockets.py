"""Listening sockets, bound before anything else is done: for one process, or for workers that share ports."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from app.config import ServerConfig
from app.errors import SetupError

BACKLOG: Final = 4096
"""Connections that the kernel may queue while the loop is busy; a restart brings all clients back at once."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """Bound, and not yet listening. A host name may stand for several addresses, each with a socket."""

    http: list[socket.socket]
    tcp: list[socket.socket] = field(default_factory=list)
    metrics: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        return port_of(self.http)

    def descriptors(self) -> dict[str, list[int]]:
        """For a process that inherits them: see `inherited`."""
        return {name: [each.fileno() for each in group] for name, group in self._groups()}

    def _groups(self) -> list[tuple[str, list[socket.socket]]]:
        return [("http", self.http), ("tcp", self.tcp), ("metrics", self.metrics)]

    @property
    def is_listening(self) -> bool:
        """Whether the kernel accepts connections for them, in whatever process."""
        return all(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for each in self.http)

    def renewed(self) -> "Sockets":
        """Instead of those of a worker that died: these get no connections until its successor listens, so the others
        get them all. What waits for the dead one is reset (with `net.ipv4.tcp_migrate_req` the kernel gives it to the
        others), and need not wait until a process has started."""
        return Sockets(
            http=[_bound_again(each) for each in self.http],
            tcp=[_bound_again(each) for each in self.tcp],
            metrics=self.metrics,
        )

    def close(self) -> None:
        for _, group in self._groups():
            for each in group:
                each.close()


def inherited(descriptors: dict[str, list[int]]) -> Sockets:
    """The sockets behind `Sockets.descriptors` of the process that started this one."""
    return Sockets(**{name: [socket.socket(fileno=fd) for fd in fds] for name, fds in descriptors.items()})


def port_of(sockets: list[socket.socket]) -> int:
    return int(sockets[0].getsockname()[1])


def bind(config: ServerConfig) -> Sockets:
    """For one process. SetupError."""
    return _bind(config, lambda port, flag: [_bind_port(config.host, port, flag)])[0]


def bind_for_workers(config: ServerConfig) -> list[Sockets]:
    """For each worker sockets of its own on the same ports (SO_REUSEPORT): the kernel spreads the connections evenly.
    SetupError."""

    def bind_shared(port: int, flag: str) -> list[list[socket.socket]]:
        # SO_REUSEPORT would let us in beside another server of the same user, so whether the port is free must be
        # found out without it.
        probe = _bind_port(config.host, port, flag)
        port = port_of(probe)
        for each in probe:
            each.close()
        return [_bind_port(config.host, port, flag, share=True) for _ in range(config.workers)]

    return _bind(config, bind_shared)


def _bind(config: ServerConfig, bind_group: Callable[[int, str], list[list[socket.socket]]]) -> list[Sockets]:
    groups: dict[str, list[list[socket.socket]]] = {"http": bind_group(config.port, "--port")}
    workers = len(groups["http"])
    if config.tcp_port >= 0 and config.role != "http":
        groups["tcp"] = bind_group(config.tcp_port, "--tcp-port")
    if config.metrics_port >= 0:
        groups["metrics"] = [
            _bind_port(config.host, config.metrics_port + (number if config.metrics_port else 0), "--metrics-port")
            for number in range(workers)
        ]
    return [Sockets(**{name: group[number] for name, group in groups.items()}) for number in range(workers)]


def _bound_again(listener: socket.socket) -> socket.socket:
    again = socket.socket(listener.family, listener.type, listener.proto)
    _prepare(again, share=True)
    again.bind(listener.getsockname())
    listener.close()
    return again


def _bind_port(host: str, port: int, flag: str, *, share: bool = False) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SetupError(
            f"the host {host!r} cannot be looked up: {error.strerror}; choose another with --host"
        ) from error
    bound: list[socket.socket] = []
    for family, kind, protocol, _, address in dict.fromkeys(found):
        listener = socket.socket(family, kind, protocol)
        bound.append(listener)
        try:
            _prepare(listener, share=share)
            # All addresses of a host get the same port, also where the first one chose it.
            listener.bind((address[0], port or port_of(bound), *address[2:]) if bound[1:] else address)
        except OSError as error:
            for each in bound:
                each.close()
            raise unusable(host, port, flag, error) from error
    return bound


def _prepare(listener: socket.socket, *, share: bool) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if listener.family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def unusable(host: str, port: int, flag: str, error: OSError) -> SetupError:
    reason = f"port {port} on {host} cannot be used: {error.strerror or error}"
    return SetupError(f"{reason}; stop what uses it, or choose another with {flag}")
