"""The system under test: server processes and stores, with a proxy on each link between them."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.server import ServerProcess
from tests.faults.proxy import Proxy
from tests.servers.mariadb import MariaDb
from tests.servers.redis import RedisServer

SETTINGS = {"gateway_heartbeat_s": 1}
"""A session is silent for too long after 2.5 s."""

ROLLED_WITHIN_S = 180


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
        self.links["clients"].start()
        await self.server.start()
        self.links["clients"].target_port = self.server.port

    async def stop(self) -> None:
        """Also what was only half started."""
        try:
            if self.server.process is not None:
                await self.server.stop()
        finally:
            for link in self.links.values():
                await asyncio.to_thread(link.close)

    async def __aenter__(self) -> "System":
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def ws_url(self) -> str:
        """Through the proxy."""
        return f"ws://127.0.0.1:{self.links['clients'].port}"

    @property
    def mistakes(self) -> str:
        """What the server wrote, if there is anything in it that no fault excuses."""
        written = self.server.errors
        return written if "Traceback" in written or "never retrieved" in written else ""

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


class MariaDbSystem(System):
    """One server process on MariaDB."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.mariadb = MariaDb()
        self.links["database"] = Proxy(self.mariadb.port)
        self.processes["mariadb"] = Process(
            self.mariadb.kill, self.mariadb.start, self.mariadb.pause, self.mariadb.resume
        )

    async def start(self) -> None:
        link = self.links["database"]
        link.start()
        await asyncio.to_thread(self.mariadb.start)
        url = self.mariadb.url(self.mariadb.empty_schema())
        self.server.settings["FEIGE_DATABASE_URL"] = url.replace(f":{self.mariadb.port}/", f":{link.port}/")
        await super().start()

    async def stop(self) -> None:
        try:
            await super().stop()
        finally:
            await asyncio.to_thread(self.mariadb.close)


class Cluster(MariaDbSystem):
    """Two workers under a supervisor, on MariaDB and Redis."""

    WORKERS = 2

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.redis = RedisServer()
        self.links["redis"] = Proxy(self.redis.port)
        self.processes["redis"] = Process(self.redis.kill, self.redis.start, self.redis.stop, self.redis.go_on)
        self.processes["worker"] = self._one_worker()

    async def start(self) -> None:
        link = self.links["redis"]
        link.start()
        await asyncio.to_thread(self.redis.start)
        self.server.settings["FEIGE_REDIS_URL"] = self.redis.url.replace(f":{self.redis.port}/", f":{link.port}/")
        self.server.settings["FEIGE_WORKERS"] = str(self.WORKERS)
        await super().start()

    async def stop(self) -> None:
        try:
            await super().stop()
        finally:
            await asyncio.to_thread(self.redis.close)

    async def flush(self) -> None:
        """Redis forgets everything."""
        assert (await asyncio.to_thread(self.redis.ask, "FLUSHALL")).startswith(b"+OK")

    async def restart(self) -> None:
        """One worker after the other, while the service goes on."""
        before = self._workers()
        self.server.signal(signal.SIGHUP)
        async with asyncio.timeout(ROLLED_WITHIN_S):
            while len(self._workers()) != self.WORKERS or self._workers() & before:
                await asyncio.sleep(0.1)

    def _workers(self) -> set[int]:
        assert self.server.process is not None
        pid = self.server.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    def _one_worker(self) -> Process:
        """The oldest. The supervisor starts another when it is killed."""
        chosen: list[int] = []

        def send(number: signal.Signals) -> None:
            os.kill(min(self._workers()), number)

        def freeze() -> None:
            chosen.append(min(self._workers()))
            os.kill(chosen[-1], signal.SIGSTOP)

        return Process(
            kill=lambda: send(signal.SIGKILL),
            start=lambda: None,
            freeze=freeze,
            thaw=lambda: os.kill(chosen.pop(), signal.SIGCONT),
        )
