"""Processes of the bench's own that do one part of a server's work, and begin together."""

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.runs import LOAD_TIMEOUT_S, Process
from bench.scenario import RunError
from bench.servers import ROOT


def run_together(module: str, orders: Sequence[msgspec.Struct], work: Path) -> list[dict[str, Any]]:
    """Starts `python -m module ORDER` for each order, lets all begin when all are ready, and returns what each found.
    RunError."""
    with contextlib.ExitStack() as running:
        workers = [
            running.enter_context(_Worker(module, order, work / f"worker{number}.log"))
            for number, order in enumerate(orders)
        ]
        for worker in workers:
            worker.hear()
        for worker in workers:
            worker.begin()
        return [msgspec.json.decode(worker.hear()) for worker in workers]


class _Worker:
    """A process that says `ready`, waits for a line, and answers with one."""

    def __init__(self, module: str, order: msgspec.Struct, log: Path) -> None:
        self._log = log
        command = [sys.executable, "-m", module, msgspec.json.encode(order).decode()]
        with log.open("w") as errors:
            self._process: Process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, text=True
            )

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, problem: type[BaseException] | None, *_: object) -> None:
        """All have answered and end by themselves, unless there was a problem."""
        with self._process:
            try:
                if problem is None:
                    self._process.wait(LOAD_TIMEOUT_S)
            finally:
                self._process.kill()

    def begin(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """The next line. RunError: it ended without one."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait(LOAD_TIMEOUT_S)
            raise RunError(f"a worker ended with status {status}:\n{self._log.read_text()[-2000:]}")
        return line
