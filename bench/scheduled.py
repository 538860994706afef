"""Scheduled messages that are due at once, while many others wait: when the first and the last are delivered."""

from dataclasses import dataclass

from app.data_dir import DATABASE_FILE
from bench import appointments, sockets
from bench.calls import PAIRS
from bench.runs import Bench
from bench.scenario import Result, Round, RunError, Scenario, cpu_per
from bench.seed import Needs, Population
from bench.servers import Running, pinned
from bench.workers import run_together


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledScenario(Scenario):
    """There is nothing in C beside it."""

    nodes: int
    """On MariaDB and Redis, neighbours on different ones; 0: one server on SQLite."""
    messages: int
    quick_messages: int
    pending: int
    quick_pending: int
    needs: Needs = PAIRS
    programs: tuple[str, ...] = ()

    def files(self, quick: bool) -> int:
        return 2 * self.needs.singles

    def measure(self, bench: Bench) -> Round:
        if not self.nodes:
            with bench.feige() as running:
                database = str(bench.work / "data" / DATABASE_FILE)
                return self._deliver(bench, [running], bench.population, database), None
        schema = bench.schemas.get(self.needs)
        with bench.nodes(self.nodes, schema) as several:
            result = self._deliver(bench, several, schema.population, schema.url)
        ((waiting,),) = schema.run("SELECT COUNT(*) FROM message_timers")
        ((delivered,),) = schema.run("SELECT COUNT(*) FROM messages WHERE seq>0")
        if (waiting, delivered) != (result["pending"], result["messages"]):
            raise RunError(f"{self.name}: {delivered} messages were delivered, and {waiting} wait")
        return result, None

    def _deliver(self, bench: Bench, running: list[Running], population: Population, database: str) -> Result:
        peers = sockets.pairs(population, 2 * self.needs.singles)
        file = sockets.write_peers(bench.work / "peers", peers, population.tokens, qualified=False)
        order = appointments.Order(
            database,
            [each.tcp_port for each in running],
            [each.pid for each in running],
            str(file),
            self.quick_messages if bench.quick else self.messages,
            self.quick_pending if bench.quick else self.pending,
        )
        with pinned(bench.cpus.load):
            (result,) = run_together("bench.appointments", [order], bench.work)
        return result


def details(result: Result) -> str:
    return (
        f"{result['messages']:,} delivered, {result['pending']:,} others pending: the first {result['first_ms']:.0f}, "
        f"p50 {result['p50_ms']:.0f}, the last {result['max_ms']:.0f} ms after they were due; "
        f"{cpu_per('messages')(result):.0f} µs CPU a message, two deliveries each"
    )
