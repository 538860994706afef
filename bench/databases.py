"""What is behind several processes: a MariaDB and a Redis of the bench's own, in temporary folders on free ports."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymysql

from bench.servers import ServerError, end_of, free_port

USER: Final = "feige"
PASSWORD: Final = "bench"
START_TIMEOUT_S: Final = 60.0

MARIADB_OPTIONS: Final = (
    "--no-defaults",
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=256M",
    "--performance-schema=OFF",
    "--max-connections=200",
)
"""Durable, and with room for all that is measured."""


@dataclass(frozen=True, slots=True)
class MariaDb:
    pid: int
    port: int

    def url(self, database: str) -> str:
        return f"mysql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str) -> Any:
        """The rows of the last statement."""
        connection = pymysql.connect(host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, autocommit=True)
        with contextlib.closing(connection), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()


@dataclass(frozen=True, slots=True)
class Redis:
    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class Databases:
    """Each is started when it is first asked for, on the disk that is measured. Use it in a `with`."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._started = contextlib.ExitStack()
        self._mariadb: MariaDb | None = None
        self._redis: Redis | None = None

    def __enter__(self) -> "Databases":
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()

    @property
    def mariadb(self) -> MariaDb:
        """ServerError."""
        if self._mariadb is None:
            self._mariadb = self._started.enter_context(mariadb(self._work / "mariadb"))
        return self._mariadb

    @property
    def redis(self) -> Redis:
        """ServerError."""
        if self._redis is None:
            self._redis = self._started.enter_context(redis(self._work / "redis"))
        return self._redis


def binary(name: str, package: str) -> str:
    """ServerError: it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServerError(f"{name} was not found: install it (Debian, Ubuntu: apt-get install {package})")
    return found


@contextlib.contextmanager
def mariadb(folder: Path) -> Iterator[MariaDb]:
    """ServerError."""
    server = binary("mariadbd", "mariadb-server")
    install = binary("mariadb-install-db", "mariadb-server")
    data, log, port = folder / "data", folder / "log", free_port()
    folder.mkdir()
    as_root = ["--user=root"] if os.geteuid() == 0 else []  # it refuses unless told to
    made = subprocess.run(
        [install, "--no-defaults", *as_root, f"--datadir={data}", "--skip-test-db"],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode:
        raise ServerError(f"mariadb-install-db failed:\n{(made.stderr or made.stdout)[-2000:]}")
    accounts = folder / "accounts.sql"  # a statement on each line
    accounts.write_text(
        f"CREATE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO '{USER}'@'127.0.0.1';\n"
    )
    # A socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="feige-bench-") as sockets:
        options = [*MARIADB_OPTIONS, *as_root, f"--datadir={data}", f"--port={port}", f"--socket={sockets}/socket"]
        options.append(f"--init-file={accounts}")
        with _running([server, *options], log) as process:
            found = MariaDb(process.pid, port)
            _wait_until_answers(process, log, lambda: found.run("SELECT 1"), pymysql.Error)
            yield found


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Redis]:
    """Keeps nothing on disk. ServerError."""
    server, port = binary("redis-server", "redis-server"), free_port()
    log = folder / "log"
    folder.mkdir()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    with _running([server, *options], log) as process:

        def ping() -> None:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64) != b"+PONG\r\n":
                    raise ConnectionError

        _wait_until_answers(process, log, ping, OSError)
        yield Redis(process.pid, port)


@contextlib.contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_answers(
    process: "subprocess.Popen[bytes]", log: Path, ask: Callable[[], object], refusal: type[Exception]
) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            ask()
        except refusal:
            if process.poll() is not None or time.monotonic() > until:
                raise ServerError(f"a database did not start{end_of(log)}") from None
            time.sleep(0.1)
        else:
            return
