"""Starts the two servers, each pinned to its CPU, and ends them."""

import contextlib
import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

FEIGE_ENVIRONMENT: Final = {
    # one session sends faster than any person
    "FEIGE_GATEWAY_RATE_PER_S": "0",
    "FEIGE_PASSWORDS_ROUNDS": "4",
    "FEIGE_HTTP_REQUESTS_PER_ADDRESS": "0",
    "FEIGE_HTTP_REQUESTS_PER_USER": "0",
    "FEIGE_GATEWAY_DRAIN_S": "0.2",
    "FEIGE_LOG_LEVEL": "warning",
}
"""All that differs from a server as it comes."""

START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 15.0


class ServerError(Exception):
    """A server did not start, or did not stop; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Cpus:
    """The CPU of the server under test and that of the load; None where there is only one."""

    server: int | None
    load: int | None

    @classmethod
    def choose(cls) -> "Cpus":
        usable = sorted(os.sched_getaffinity(0))
        return cls(usable[0], usable[1]) if len(usable) >= 2 else cls(None, None)


@contextlib.contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """A process that is started meanwhile runs on this CPU, with all its threads."""
    before = os.sched_getaffinity(0)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_file_limit() -> int:
    """What may be open in this process and those it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Running:
    pid: int
    port: int
    tcp_port: int = 0
    """Of raw TCP; the C server has none."""


@contextlib.contextmanager
def limit(program: Path, variant: Sequence[str], cpu: int | None, log: Path) -> Iterator[Running]:
    """The C yardstick. `variant`: the arguments after its port. ServerError."""
    port = free_port()
    with _process([str(program), str(port), *variant], cpu, log, dict(os.environ)) as process:
        _wait_until(lambda: _accepts(port), process, log)
        yield Running(process.pid, port)


@contextlib.contextmanager
def feige(data_dir: Path, cpu: int | None, log: Path, *options: str) -> Iterator[Running]:
    """The real thing, as an operator starts it, with these options besides. ServerError."""
    port, tcp_port = free_port(), free_port()
    command = [sys.executable, str(ROOT / "run.py"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--tcp-port", str(tcp_port), "--data-dir", str(data_dir), *options]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FEIGE_")}
    with _process(command, cpu, log, clean | FEIGE_ENVIRONMENT) as process:
        _wait_until(lambda: _is_ready(port), process, log)
        yield Running(process.pid, port, tcp_port)


@contextlib.contextmanager
def _process(
    command: Sequence[str], cpu: int | None, log: Path, environment: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as errors, pinned(cpu):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            env=environment,
            cwd=ROOT,
        )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServerError(f"{command[0]} did not stop in {STOP_TIMEOUT_S} s{end_of(log)}") from None


def _wait_until(is_up: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while not is_up():
        if process.poll() is not None:
            raise ServerError(f"the server ended with status {process.returncode}{end_of(log)}")
        if time.monotonic() > until:
            raise ServerError(f"the server was not ready in {START_TIMEOUT_S} s{end_of(log)}")
        time.sleep(0.05)


def end_of(log: Path) -> str:
    text = log.read_text("utf-8", "replace").strip()
    return f":\n{text[-2000:]}" if text else ""


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
