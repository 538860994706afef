"""The system under test: server processes and stores, with a proxy on each link between them."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.server import ServerProcess
from tests.faults.proxy import Proxy

SETTINGS = {"gateway_heartbeat_s": 1}
"""A session is silent for too long after 2.5 s."""


@dataclass(frozen=True, slots=True)
class Process:
    """What faults do to a process. All block, `start` until it serves again."""

    kill: Callable[[], object]
    start: Callable[[], object]
    freeze: Callable[[], object]
    thaw: Callable[[], object]


class System:
    """One server process on SQLite. `links` and `processes` are what faults can name."""

    def __init__(self, folder: Path) -> None:
        self.links = {"clients": Proxy()}
        self.server = self._make_server(folder)
        self.processes = {"server": _server(self.server)}

    def _make_server(self, folder: Path) -> ServerProcess:
        return ServerProcess(folder / "data", **SETTINGS)

    async def start(self) -> None:
        for link in self.links.values():
            link.start()
        await self.server.start()
        self.links["clients"].target_port = self.server.port

    async def stop(self) -> None:
        try:
            await self.server.stop()
        finally:
            for link in self.links.values():
                await asyncio.to_thread(link.close)

    @property
    def ws_url(self) -> str:
        """Through the proxy."""
        return f"ws://127.0.0.1:{self.links['clients'].port}"

    async def restart(self) -> None:
        """As an operator does it."""
        assert await self.server.stop() == 0
        await self.server.start()


def _server(server: ServerProcess) -> Process:
    def kill() -> None:
        server.signal(signal.SIGKILL)
        assert server.process is not None
        server.process.wait()

    return Process(kill, server.launch, lambda: server.signal(signal.SIGSTOP), lambda: server.signal(signal.SIGCONT))
