"""Durable appends by the log of `storage` alone, in one process and in two, beside a C client of the same database."""

import asyncio
import contextlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from app.data_dir import DATABASE_FILE, DataDir
from bench import appender
from bench.databases import PASSWORD, USER, MariaDb
from bench.runs import LOAD_TIMEOUT_S, Bench, Process, RunError
from bench.scenario import Result, Round, Scenario
from bench.seed import Needs, fill
from bench.servers import ROOT
from storage import open_mysql

SCHEMA: Final = "appends"
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

    def measure(self, bench: Bench) -> Round:
        messages = self.quick_messages if bench.quick else self.messages
        if not self.driver:
            return self._on_sqlite(bench, messages), None
        limit = self._in_c(bench, messages)
        return self._on_mysql(bench, messages), limit

    def _in_c(self, bench: Bench, messages: int) -> Result:
        mariadb = bench.databases.mariadb
        _empty(mariadb)
        warm_up = WARM_UP_BATCHES * self.batch
        place = {"port": mariadb.port, "user": USER, "password": PASSWORD, "database": SCHEMA}
        numbers = {"batch": self.batch, "messages": messages, "warm-up": warm_up}
        result = bench.generate("append", "sql", place | numbers, pin=False)
        _check(mariadb, result["messages"] + warm_up)
        return result

    def _on_mysql(self, bench: Bench, messages: int) -> Result:
        mariadb = bench.databases.mariadb
        _empty(mariadb)
        url = mariadb.url(SCHEMA).replace("mysql:", f"mysql+{self.driver}:")
        places = mariadb.run(_PLACES_OF.format(schema=f"{SCHEMA}."))
        result = self._append(bench, url, list(places), messages)
        _check(mariadb, self.processes * (messages + WARM_UP_BATCHES * self.batch))
        return result

    def _on_sqlite(self, bench: Bench, messages: int) -> Result:
        data_dir = bench.work / "data"
        shutil.copytree(bench.population.data_dir, data_dir)
        try:
            database = data_dir / DATABASE_FILE
            with contextlib.closing(sqlite3.connect(database)) as connection:
                wanted = set(bench.population.single_ids)
                places = [row for row in connection.execute(_PLACES_OF.format(schema="")) if row[0] in wanted]
            return self._append(bench, str(database), places, messages)
        finally:
            shutil.rmtree(data_dir)

    def _append(self, bench: Bench, database: str, places: list[Any], messages: int) -> Result:
        """All processes begin at once. RunError."""
        with contextlib.ExitStack() as running:
            processes = []
            for number in range(self.processes):
                order = appender.Order(
                    database, places, self.batch, messages, WARM_UP_BATCHES * self.batch, f"process{number}"
                )
                processes.append(running.enter_context(_started(order, bench.work / f"appender{number}.log")))
            for process in processes:
                _hear(process)
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            results = [msgspec.json.decode(_hear(process)) for process in processes]
        if any(result["deadlocks"] for result in results):
            raise RunError(f"{self.name}: there were deadlocks")
        return {
            "messages": messages * self.processes,
            "batches": sum(result["batches"] for result in results),
            "wall_s": max(each["ended_s"] for each in results) - min(each["began_s"] for each in results),
            "cpu_s": sum(result["cpu_s"] for result in results),
        }


_PLACES_OF: Final = (
    "SELECT conversation_id, MIN(user_id) FROM {schema}members GROUP BY conversation_id ORDER BY conversation_id"
)


def details(result: Result) -> str:
    rows = result["messages"] / result["batches"]
    return f"{rows:.0f} messages a commit, CPU {result['cpu_s'] / result['wall_s']:.0%} busy"


def _empty(mariadb: MariaDb) -> None:
    """Conversations without messages, in a schema that is made the first time."""
    if not mariadb.run(f"SHOW DATABASES LIKE '{SCHEMA}'"):
        mariadb.run(f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4")
        with tempfile.TemporaryDirectory() as scratch:
            asyncio.run(fill(open_mysql(mariadb.url(SCHEMA)), DataDir(scratch), PLACES))
    mariadb.run(f"TRUNCATE {SCHEMA}.messages", f"UPDATE {SCHEMA}.conversations SET last_seq=0, newest_message_id=0")


def _check(mariadb: MariaDb, stored: int) -> None:
    """Everything is there, numbered without a gap. RunError."""
    gaps = mariadb.run(
        f"SELECT c.id FROM {SCHEMA}.conversations c LEFT JOIN {SCHEMA}.messages m ON m.conversation_id=c.id"
        " GROUP BY c.id, c.last_seq HAVING COUNT(m.seq)<>c.last_seq OR MAX(m.seq)<>c.last_seq"
    )
    ((count,),) = mariadb.run(f"SELECT COUNT(*) FROM {SCHEMA}.messages")
    if gaps or count != stored:
        raise RunError(f"append: {count} messages of {stored} are stored, {len(gaps)} conversations have gaps")


@contextlib.contextmanager
def _started(order: appender.Order, log: Path) -> Iterator[Process]:
    command = [sys.executable, "-m", "bench.appender", msgspec.json.encode(order).decode()]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, text=True
        )
    with process:
        try:
            yield process
            if process.wait(LOAD_TIMEOUT_S):
                raise RunError(f"an appender ended with status {process.returncode}:\n{log.read_text()[-2000:]}")
        finally:
            process.kill()


def _hear(process: Process) -> str:
    """A line; empty if it failed, and then its status tells."""
    assert process.stdout is not None
    return process.stdout.readline()
