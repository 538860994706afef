"""Durable appends by the log of `storage` alone, in one process and in two, beside a C client of the same database."""

import contextlib
import shutil
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from app.data_dir import DATABASE_FILE
from bench import appender
from bench.databases import PASSWORD, USER
from bench.runs import Bench
from bench.scenario import Result, Round, RunError, Scenario
from bench.seed import Needs
from bench.workers import run_together

PLACES: Final = Needs(singles=100)
"""Two messages of a batch are in the same conversation, as when 200 people talk in pairs."""

WARM_UP_BATCHES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendScenario(Scenario):
    driver: str
    """For MySQL; empty: SQLite, and no C client."""
    processes: int = 1
    batch: int = 200
    messages: int
    quick_messages: int
    """Of each process."""
    programs: tuple[str, ...] = ("append",)

    def measure(self, bench: Bench) -> Round:
        messages = self.quick_messages if bench.quick else self.messages
        if not self.driver:
            return self._on_sqlite(bench, messages), None
        limit = self._in_c(bench, messages)
        return self._on_mysql(bench, messages), limit

    def _in_c(self, bench: Bench, messages: int) -> Result:
        schema, warm_up = bench.schemas.get(PLACES), WARM_UP_BATCHES * self.batch
        place = {"port": schema.mariadb.port, "user": USER, "password": PASSWORD, "database": schema.name}
        numbers = {"batch": self.batch, "messages": messages, "warm-up": warm_up}
        result = bench.generate("append", "sql", place | numbers, pin=False)
        schema.check(result["messages"] + warm_up)
        return result

    def _on_mysql(self, bench: Bench, messages: int) -> Result:
        schema = bench.schemas.get(PLACES)
        url = schema.url.replace("mysql:", f"mysql+{self.driver}:")
        result = self._append(bench, url, list(schema.run(_PLACES_OF)), messages)
        schema.check(self.processes * (messages + WARM_UP_BATCHES * self.batch))
        return result

    def _on_sqlite(self, bench: Bench, messages: int) -> Result:
        data_dir = bench.work / "data"
        shutil.copytree(bench.population.data_dir, data_dir)
        try:
            database = data_dir / DATABASE_FILE
            with contextlib.closing(sqlite3.connect(database)) as connection:
                wanted = set(bench.population.single_ids)
                places = [row for row in connection.execute(_PLACES_OF) if row[0] in wanted]
            return self._append(bench, str(database), places, messages)
        finally:
            shutil.rmtree(data_dir)

    def _append(self, bench: Bench, database: str, places: list[Any], messages: int) -> Result:
        """All processes begin at once. RunError."""
        warm_up = WARM_UP_BATCHES * self.batch
        orders = [
            appender.Order(database, places, self.batch, messages, warm_up, f"process{number}")
            for number in range(self.processes)
        ]
        results = run_together("bench.appender", orders, bench.work)
        if any(result["deadlocks"] for result in results):
            raise RunError(f"{self.name}: there were deadlocks")
        return {
            "messages": messages * self.processes,
            "batches": sum(result["batches"] for result in results),
            "wall_s": max(each["ended_s"] for each in results) - min(each["began_s"] for each in results),
            "cpu_s": sum(result["cpu_s"] for result in results),
        }


_PLACES_OF: Final = (
    "SELECT conversation_id, MIN(user_id) FROM members GROUP BY conversation_id ORDER BY conversation_id"
)


def details(result: Result) -> str:
    rows = result["messages"] / result["batches"]
    return f"{rows:.0f} messages a commit, CPU {result['cpu_s'] / result['wall_s']:.0%} busy"
