"""Runs `run.py serve` as a process of its own, as an operator would, and ends it in any way a test asks for."""

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
QUICK = {
    "FEIGE_PASSWORDS_ROUNDS": "4",
    "FEIGE_GATEWAY_RATE_PER_S": "0",
    "FEIGE_GATEWAY_DRAIN_S": "0.2",
    "FEIGE_HTTP_REQUESTS_PER_ADDRESS": "0",
    "FEIGE_HTTP_REQUESTS_PER_USER": "0",
    "FEIGE_LOG_LEVEL": "warning",
}
START_TIMEOUT_S = 120
"""Workers start one after the other, beside other tests."""

SERVING = re.compile(rb"http://127\.0\.0\.1:(\d+)(?: and tcp://127\.0\.0\.1:(\d+))?")


class ServerProcess:
    """`async with ServerProcess(data_dir) as server`. `settings` are FEIGE_… variables without the prefix."""

    def __init__(self, data_dir: Path, **settings: object) -> None:
        self.data_dir = data_dir
        self.settings = {f"FEIGE_{key.upper()}": str(value) for key, value in settings.items()}
        self.port = 0
        self.tcp_port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._log = data_dir.parent / f"{data_dir.name}.log"

    async def __aenter__(self) -> "ServerProcess":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts, or starts again on the same ports, and waits until it serves."""
        async with asyncio.timeout(START_TIMEOUT_S):
            await asyncio.to_thread(self.launch)

    def launch(self) -> None:
        """`start` for those who have no event loop."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command("serve", "--port", str(self.port), "--tcp-port", str(self.tcp_port)),
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        with self.process.stdout:
            line = self.process.stdout.readline()
        serving = SERVING.search(line)
        assert serving, f"the server did not start: {line!r} {self.errors}"
        self.port, self.tcp_port = int(serving[1]), int(serving[2] or -1)

    def command(self, *words: str, status: int = 0) -> str:
        """What another command says on the same data."""
        result = subprocess.run(
            self._command(*words), env=self._environment(), capture_output=True, text=True, timeout=30
        )
        assert result.returncode == status, result
        return result.stdout + result.stderr

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, str(ROOT / "run.py"), *words, "--data-dir", str(self.data_dir)]

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FEIGE_")}
        return clean | QUICK | self.settings

    @property
    def errors(self) -> str:
        """What the server wrote to standard error."""
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        """As a power cut: no handler runs."""
        self.signal(signal.SIGKILL)
        await self.wait()

    async def stop(self) -> int:
        """As an operator: SIGTERM. Returns the exit status."""
        return await asyncio.to_thread(self.terminate)

    async def wait(self) -> int:
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, 30)

    def terminate(self) -> int:
        """`stop` for those who have no event loop."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


_numbers = itertools.count(1)


class Person:
    """An account of a running server, with its token. Its user name is made unique, so tests may share a server."""

    def __init__(self, server: ServerProcess, name: str, user_id: int, token: str, refresh_token: str) -> None:
        self.server = server
        self.name = name
        self.id = user_id
        self.token = token
        self.refresh_token = refresh_token

    @classmethod
    async def register(cls, server: ServerProcess, name: str, password: str = "secret-1") -> "Person":
        name = f"{name}-{next(_numbers)}"
        async with aiohttp.ClientSession(server.url) as http:
            body = {"standard_id": name, "name": name.title(), "password": password}
            async with http.post("/api/v1/users/", json=body) as response:
                assert response.status == 200, await response.text()
        return await cls.login(server, name, password)

    @classmethod
    async def login(cls, server: ServerProcess, name: str, password: str) -> "Person":
        """Of an account that exists."""
        async with aiohttp.ClientSession(server.url) as http:
            form = {"username": name, "password": password}
            async with http.post("/api/v1/auth/login/access-token", data=form) as response:
                assert response.status == 200, await response.text()
                login = await response.json()
        person = cls(server, name, 0, login["access_token"], login["refresh_token"])
        person.id = (await person.request("GET", "/api/v1/users/me"))["id"]
        return person

    async def request(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """One REST call; asserts its status and returns the decoded body, None without one."""
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        async with aiohttp.ClientSession(self.server.url, headers=headers) as http:
            async with http.request(method, path, **options) as response:
                text = await response.text()
                assert response.status == status, f"{method} {path}: {response.status} {text}"
                return await response.json() if text else None

    async def single(self, other: "Person") -> int:
        conversation = await self.request("POST", "/api/v1/conversations/single", json={"target_user_id": other.id})
        return int(conversation["id"])

    async def group(self, *others: "Person", **fields: object) -> int:
        body = {"name": "group", "member_ids": [other.id for other in others]} | fields
        return int((await self.request("POST", "/api/v1/conversations/group", json=body))["id"])
