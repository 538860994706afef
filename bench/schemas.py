"""Databases on the bench's MariaDB that are filled once and emptied of messages before each run."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.data_dir import DataDir
from bench.databases import Databases, MariaDb
from bench.scenario import RunError
from bench.seed import Needs, Population, fill
from storage import open_mysql


@dataclass(frozen=True, slots=True)
class Schema:
    mariadb: MariaDb
    name: str
    population: Population
    """Its `data_dir` holds the key of the tokens, and no database."""

    @property
    def url(self) -> str:
        return self.mariadb.url(self.name)

    def run(self, *statements: str) -> Any:
        """The rows of the last statement."""
        return self.mariadb.run(f"USE {self.name}", *statements)

    def empty(self) -> None:
        emptied = [f"TRUNCATE {table}" for table in ("messages", "message_timers", "calls")]
        self.run(*emptied, "UPDATE conversations SET last_seq=0, newest_message_id=0")

    def check(self, at_least: int) -> None:
        """So many messages are stored, and every conversation is numbered without a gap. RunError."""
        gaps = self.run(
            "SELECT c.id FROM conversations c LEFT JOIN messages m ON m.conversation_id=c.id"
            " GROUP BY c.id, c.last_seq HAVING COUNT(m.seq)<>c.last_seq OR COALESCE(MAX(m.seq), 0)<>c.last_seq"
        )
        ((count,),) = self.run("SELECT COUNT(*) FROM messages")
        if gaps or count < at_least:
            raise RunError(f"{count} messages of {at_least} are stored, {len(gaps)} conversations have gaps")


class Schemas:
    """Each is made when it is first asked for."""

    def __init__(self, databases: Databases, work: Path) -> None:
        self.databases = databases
        self._work = work
        self._made: dict[Needs, Schema] = {}

    def get(self, needs: Needs) -> Schema:
        """Without messages. ServerError."""
        if needs not in self._made:
            self._made[needs] = self._make(needs, f"bench{len(self._made) + 1}")
        schema = self._made[needs]
        schema.empty()
        return schema

    def _make(self, needs: Needs, name: str) -> Schema:
        mariadb = self.databases.mariadb
        # What is seeded needs no durability.
        mariadb.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4", "SET GLOBAL innodb_flush_log_at_trx_commit=0")
        population = asyncio.run(fill(open_mysql(mariadb.url(name)), DataDir(str(self._work / name)), needs))
        mariadb.run("SET GLOBAL innodb_flush_log_at_trx_commit=1")
        return Schema(mariadb, name, population)
