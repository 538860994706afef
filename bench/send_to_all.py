"""A notification to everybody while others chat: how long it takes, what memory it costs, and what chat feels of it."""

import asyncio
import dataclasses
import http.client
import json
import shutil
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bench.machine import memory_of
from bench.runs import Bench
from bench.scenario import Result, Round, RunError, Scenario, quantiles
from bench.seed import Needs, Population, populate
from bench.servers import Running
from bench.sockets import pairs, write_peers

SETTLE_S: Final = 2.0
"""From the start of the load to the sending: sessions have come by then."""

LOOK_EVERY_S: Final = 0.25
"""At the server's memory."""

LOOKS: Final = 8
"""At memory, to one at the progress."""

LIMIT_S: Final = 90.0
TABLES: Final = ("notifications", "notification_records", "notification_deliveries", "notification_fan_outs", "changes")
"""What a round leaves behind."""

PATH: Final = "/api/v1/admin/notifications"


class Administrator:
    """Asks a running server."""

    def __init__(self, running: Running, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=LIMIT_S)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """RunError."""
        self._connection.request(method, path, None if body is None else json.dumps(body), self._headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise RunError(f"{method} {path}: {response.status} {text.decode()}")
        return json.loads(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendToAllScenario(Scenario):
    """`crowd` users besides the sessions, which send `rate` messages a second for `seconds`."""

    crowd: int
    quick_crowd: int
    sessions: int = 100
    rate: int = 500
    seconds: int
    quick_seconds: int
    programs: tuple[str, ...] = ("load",)

    def files(self, quick: bool) -> int:
        return self.sessions

    def measure(self, bench: Bench) -> Round:
        wanted = Needs(singles=self.sessions // 2, crowd=self.quick_crowd if bench.quick else self.crowd)
        with self.server(bench, wanted) as (running, population):
            return self._load(bench, running, population, wanted.crowd + self.sessions), None

    @abstractmethod
    def server(self, bench: Bench, wanted: Needs) -> AbstractContextManager[tuple[Running, Population]]:
        """A server with such people. RunError, ServerError."""

    def _load(self, bench: Bench, running: Running, population: Population, everybody: int) -> Result:
        peers = write_peers(bench.work / "peers", pairs(population, self.sessions), population.tokens, qualified=False)
        numbers = {"rate": self.rate, "seconds": self.quick_seconds if bench.quick else self.seconds}
        places = {"port": running.port, "pid": running.pid, "peers": peers, "sessions": self.sessions}
        administrator = Administrator(running, population.tokens[0])
        return bench.generate("load", "rate", {**places, **numbers}, lambda _: _send(administrator, running, everybody))


def _send(administrator: Administrator, running: Running, everybody: int) -> dict[str, Any]:
    time.sleep(SETTLE_S)
    made = administrator.ask("POST", PATH, {"type": "announcement", "title": "bench", "content": "to everybody"})
    before, most = memory_of(running.pid).rss, 0
    started = time.monotonic()
    administrator.ask("POST", f"{PATH}/{made['id']}/send", {"send_to_all": True})
    while True:
        for _ in range(LOOKS):
            most = max(most, memory_of(running.pid).rss)
            time.sleep(LOOK_EVERY_S)
        (state,) = administrator.ask("GET", f"{PATH}/{made['id']}/progress")["send_to_all"]
        took_s = time.monotonic() - started
        if state["is_done"]:
            break
        if took_s > LIMIT_S:
            raise RunError(f"after {took_s:.0f} s {state['sent']} of {everybody} have got it")
    if state["sent"] != everybody:
        raise RunError(f"{state['sent']} of {everybody} have got it")
    return {"users": everybody, "send_s": took_s, "added_bytes": max(most, memory_of(running.pid).rss) - before}


class OnSqlite(SendToAllScenario):
    @contextmanager
    def server(self, bench: Bench, wanted: Needs) -> Iterator[tuple[Running, Population]]:
        folder = bench.work / "crowd"
        try:
            population = asyncio.run(populate(folder, wanted))
            with dataclasses.replace(bench, population=population).feige() as running:
                yield running, population
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class OnMariaDb(SendToAllScenario):
    @contextmanager
    def server(self, bench: Bench, wanted: Needs) -> Iterator[tuple[Running, Population]]:
        schema = bench.schemas.get(wanted)
        schema.run(*(f"TRUNCATE {name}" for name in TABLES))
        with bench.nodes(1, schema) as (running,):
            yield running, schema.population


def details(result: Result) -> str:
    return (
        f"{result['users'] / result['send_s']:,.0f} users/s; meanwhile chat: {quantiles(result, 'p50', 'p99')}; "
        f"the sending took {result['send_s']:.1f} of {result['wall_s']:.1f} s of chat"
    )
