"""A real redis-server in a temporary folder, which tests may kill, stop and start again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

URL_VARIABLE = "FEIGE_TEST_REDIS_URL"
START_TIMEOUT_S = 10.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RedisServer:
    """One server on a free port. `arguments` are added to its command line."""

    def __init__(self, *arguments: str, port: int = 0) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            raise RuntimeError(
                "redis-server is not installed: install the package redis-server of your system, or name a server that "
                f"tests may empty in {URL_VARIABLE}"
            )
        self._binary = binary
        self._arguments = arguments
        self._folder = Path(tempfile.mkdtemp(prefix="feige-redis-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port or free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "RedisServer":
        """Returns when it answers. With the data that it saved, if any."""
        log = (self._folder / "redis.log").open("ab")
        self._process = subprocess.Popen(
            [
                self._binary,
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)),
                *("--save", "", "--appendonly", "no", "--daemonize", "no", "--loglevel", "warning"),
                *self._arguments,
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        log.close()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"redis-server does not start: {(self._folder / 'redis.log').read_text()[-2000:]}")
            time.sleep(0.01)
        return self

    def _answers(self) -> bool:
        try:
            return self.ask("PING").startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def ask(self, *words: str) -> bytes:
        """One command on a connection of its own; what came back first."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(65536)

    def kill(self) -> None:
        """As a crash or a power cut would: nothing is saved."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """It hangs (SIGSTOP) until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def save(self) -> None:
        """So that a start after `kill` finds the data of now."""
        assert self.ask("SAVE").startswith(b"+OK")

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def shared_url() -> str | None:
    """The server that the environment names for the tests."""
    return os.environ.get(URL_VARIABLE)


def empty(url: str) -> None:
    """FLUSHALL, by a URL without TLS."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout=5) as connection:
        if parts.password:
            connection.sendall(f"AUTH {parts.username or 'default'} {parts.password}\r\n".encode())
            assert connection.recv(100).startswith(b"+OK")
        connection.sendall(b"FLUSHALL\r\n")
        assert connection.recv(100).startswith(b"+OK")
