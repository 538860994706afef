"""Calls between users: how long it takes from the offer until it rings, and the CPU of a whole call."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench import caller, sockets
from bench.runs import Bench
from bench.scenario import Result, Round, Scenario, cpu_per, quantiles
from bench.seed import Needs, Population
from bench.servers import Running, pinned
from bench.workers import run_together

PAIRS: Final = Needs(singles=250)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsScenario(Scenario):
    """A caller and a callee of each pair; with two nodes on different ones. There is nothing in C beside it."""

    nodes: int
    """On MariaDB and Redis; 0: one server on SQLite."""
    rate: int
    seconds: int
    quick_seconds: int
    talk_s: float = 0.3
    needs: Needs = PAIRS
    programs: tuple[str, ...] = ()

    def files(self, quick: bool) -> int:
        return 2 * self.needs.singles

    def measure(self, bench: Bench) -> Round:
        seconds = self.quick_seconds if bench.quick else self.seconds
        with self._servers(bench) as (running, population):
            peers = sockets.pairs(population, 2 * self.needs.singles)
            file = sockets.write_peers(bench.work / "peers", peers, population.tokens, qualified=False)
            places = [each.tcp_port for each in running], [each.pid for each in running]
            order = caller.Order(*places, str(file), self.rate, seconds, self.talk_s)
            with pinned(bench.cpus.load):
                (result,) = run_together("bench.caller", [order], bench.work)
        return result, None

    @contextlib.contextmanager
    def _servers(self, bench: Bench) -> Iterator[tuple[list[Running], Population]]:
        """And who uses them. Afterwards every call must have left its message."""
        if not self.nodes:
            with bench.feige() as running:
                yield [running], bench.population
            return
        schema = bench.schemas.get(self.needs)
        with bench.nodes(self.nodes, schema) as several:
            yield several, schema.population
        schema.check(self.needs.singles)


def details(result: Result) -> str:
    return (
        f"offer to ring {quantiles(result, 'p50', 'p90', 'p99')}; answer to caller p50 {result['answer_p50_ms']:.2f}, "
        f"p99 {result['answer_p99_ms']:.2f} ms; {cpu_per('calls')(result) / 1000:.2f} ms CPU a call, "
        f"{result['cpu_s'] / result['wall_s']:.0%} of one CPU "
        f"(generator at most {result['late_ms']:.1f} ms late, counted)"
    )
