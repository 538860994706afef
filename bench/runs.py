"""One run: a fresh server, a load generator against it, and its result."""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench import servers
from bench.databases import Databases
from bench.scenario import RunError
from bench.schemas import Schema, Schemas
from bench.seed import Population
from bench.servers import Cpus, Running

LOAD_TIMEOUT_S: Final = 120
INCONSISTENCIES: Final = ("lost", "duplicates", "disordered")

Process = subprocess.Popen[str]


@dataclass(frozen=True, slots=True)
class Bench:
    """All that runs have in common. `work` is on the disk that is measured."""

    programs: Mapping[str, Path]
    population: Population
    databases: Databases
    schemas: Schemas
    work: Path
    cpus: Cpus
    quick: bool

    @contextlib.contextmanager
    def limit(self, *variant: str) -> Iterator[Running]:
        """The C yardstick. ServerError."""
        with servers.limit(self.programs["limit"], variant, self.cpus.server, self.work / "limit.log") as running:
            yield running

    @contextlib.contextmanager
    def feige(self) -> Iterator[Running]:
        """A server on a copy of what was seeded. RunError, ServerError."""
        data_dir, log = self.work / "data", self.work / "feige.log"
        shutil.copytree(self.population.data_dir, data_dir)
        try:
            with servers.feige(data_dir, self.cpus.server, log) as running:
                yield running
        finally:
            shutil.rmtree(data_dir)
        _check_log(log)

    @contextlib.contextmanager
    def nodes(self, count: int, schema: Schema) -> Iterator[list[Running]]:
        """So many servers of one service, each on a port of its own, on whatever CPU is free. RunError, ServerError."""
        shared = ("--database", schema.url, "--redis", self.databases.redis.url)
        logs = [self.work / f"node{number}.log" for number in range(count)]
        with contextlib.ExitStack() as started:
            yield [
                started.enter_context(
                    servers.feige(schema.population.data_dir, None, log, *shared, "--node", f"bench-{number}")
                )
                for number, log in enumerate(logs)
            ]
        for log in logs:
            _check_log(log)

    def generate(
        self,
        program: str,
        mode: str,
        options: Mapping[str, object],
        watch: Callable[[Process], Mapping[str, Any]] = lambda process: {},
        *,
        pin: bool = True,
    ) -> dict[str, Any]:
        """Runs a load generator; its line of JSON and what `watch` found meanwhile. RunError."""
        command = [str(self.programs[program]), mode, "--timeout", str(LOAD_TIMEOUT_S)]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        with servers.pinned(self.cpus.load if pin else None):
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        with process:
            try:
                extra = watch(process)
                output, errors = process.communicate(timeout=LOAD_TIMEOUT_S + 10)
            except BaseException:
                process.kill()
                raise
        return parse(f"{program} {mode}", process.returncode, output, errors) | extra


def _check_log(log: Path) -> None:
    text = log.read_text("utf-8", "replace")
    if "Traceback" in text:
        raise RunError(f"the server logged an exception:\n{text[-3000:]}")


def parse(name: str, status: int, output: str, errors: str) -> dict[str, Any]:
    """The line of JSON of a load generator. RunError unless all arrived, once and in order."""
    if status or not output.startswith("{"):
        raise RunError(f"{name}: ended with status {status}: {(errors or output).strip()}")
    result: dict[str, Any] = json.loads(output)
    if any(result.get(key) for key in INCONSISTENCIES):
        found = ", ".join(f"{result[key]} {key}" for key in INCONSISTENCIES)
        raise RunError(f"{name}: messages were {found}")
    return result
