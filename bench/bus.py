"""Events from one process to another over Redis: the CPU of both ends, and how long it takes."""

from dataclasses import dataclass
from typing import Final

from bench import courier
from bench.runs import Bench
from bench.scenario import Result, Round, RunError, Scenario
from bench.workers import run_together

USERS: Final = 100
"""Who have sessions on the receiving node; each event is for one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusScenario(Scenario):
    """What a server does with an event before and after is not in it. There is nothing in C beside it."""

    events: int
    quick_events: int
    batch: int
    """Published in one tick."""
    batches_per_s: int
    programs: tuple[str, ...] = ()

    def measure(self, bench: Bench) -> Round:
        events = self.quick_events if bench.quick else self.events
        orders = [
            courier.Order(bench.databases.redis.url, publishes, events, self.batch, self.batches_per_s, USERS)
            for publishes in (False, True)
        ]
        received, published = run_together("bench.courier", orders, bench.work)
        if received["disordered"]:
            raise RunError(f"{self.name}: {received['disordered']} events were out of order")
        both = {"published_cpu_s": published["cpu_s"], "received_cpu_s": received["cpu_s"]}
        cpu_s = published["cpu_s"] + received["cpu_s"]
        return received | {"events": events, "wall_s": published["wall_s"], "cpu_s": cpu_s} | both, None


def details(result: Result) -> str:
    out, into = (result[f"{part}_cpu_s"] * 1e6 / result["events"] for part in ("published", "received"))
    return (
        f"{result['events'] / result['wall_s']:,.0f} a second, {out:.1f} µs out and {into:.1f} µs in; "
        f"p50 {result['p50_ms']:.2f}, p99 {result['p99_ms']:.2f}, max {result['max_ms']:.2f} ms for the last of a tick"
    )
