"""Several processes as one service: workers under a supervisor, roles behind nginx."""

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from client import Client
from protocol.native.packets import MessagePacket
from tests.e2e import wire
from tests.e2e.server import ROOT, Person, ServerProcess
from tests.servers.redis import free_port

pytestmark = pytest.mark.slow

KEY = "a key of the tests that has enough characters"


def children(server: ServerProcess) -> list[int]:
    """Process ids of the workers."""
    assert server.process is not None
    pid = server.process.pid
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@asynccontextmanager
async def workers(tmp_path: Path, stores: dict[str, str], **settings: object) -> AsyncIterator[ServerProcess]:
    server = ServerProcess(tmp_path / "data", workers=2, **stores, **settings)
    await server.start()
    yield server
    assert await server.stop() == 0, server.errors
    assert "Traceback" not in server.errors, server.errors


async def test_people_on_different_workers_talk(tmp_path: Path, shared_stores: dict[str, str]) -> None:
    async with workers(tmp_path, shared_stores, metrics_port=0) as server:
        alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
        conversation = await alice.single(bob)
        # Ten sessions of two workers: some of them are not alice's.
        async with wire.native(server, alice) as hers:
            sessions = [wire.native(server, bob) for _ in range(10)]
            his = [await session.__aenter__() for session in sessions]
            await hers.tell(type="send", id=1, conversation_id=conversation, content="to all devices")
            for session in his:
                assert (await session.wait("message"))["content"] == "to all devices"
            for session in sessions:
                await session.__aexit__(None, None, None)


async def test_nothing_is_lost_or_doubled_across_a_rolling_restart(
    tmp_path: Path, shared_stores: dict[str, str]
) -> None:
    async with workers(tmp_path, shared_stores, log_level="info") as server:
        alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
        conversation = await alice.single(bob)
        before = set(children(server))
        url = f"{server.ws_url}/gateway"
        async with Client(url, alice.token) as hers, Client(url, bob.token) as his:
            heard: list[str] = []

            async def listen() -> None:
                async for packet in his.events():
                    heard.extend([packet.content] if isinstance(packet, MessagePacket) else [])

            async def ask() -> None:
                """REST meanwhile: nothing is refused."""
                while True:
                    await alice.request("GET", "/api/v1/users/me")
                    await asyncio.sleep(0.02)

            listening, asking = asyncio.create_task(listen()), asyncio.create_task(ask())
            server.signal(signal.SIGHUP)
            sent = 0
            async with asyncio.timeout(50):
                while "rolling restart done" not in server.errors:
                    await hers.send(conversation, f"message {sent}")
                    sent += 1
                while len(heard) < sent:
                    await asyncio.sleep(0.01)
            assert not asking.done(), asking.exception()
            asking.cancel()
            listening.cancel()
        assert not before & set(children(server))
        assert heard == [f"message {number}" for number in range(sent)]
        history = await alice.request("GET", f"/api/v1/messages/conversation/{conversation}?limit=1")
        assert history["messages"][0]["seq"] == sent


async def test_the_users_of_a_killed_worker_go_on(tmp_path: Path, shared_stores: dict[str, str]) -> None:
    async with workers(tmp_path, shared_stores) as server:
        alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
        conversation = await alice.single(bob)
        url = f"{server.ws_url}/gateway"
        async with Client(url, alice.token) as hers, Client(url, bob.token) as his:
            events = his.events()
            for number, worker in enumerate(children(server)):
                os.kill(worker, signal.SIGKILL)
                await hers.send(conversation, f"after {number}")
                async with asyncio.timeout(20):
                    while True:
                        packet = await anext(events)
                        if isinstance(packet, MessagePacket):
                            assert packet.content == f"after {number}"
                            break


async def test_workers_end_with_a_killed_parent(tmp_path: Path, shared_stores: dict[str, str]) -> None:
    server = ServerProcess(tmp_path / "data", workers=2, **shared_stores)
    await server.start()
    pids = children(server)
    await server.kill()
    async with asyncio.timeout(20):
        while any(Path(f"/proc/{pid}").exists() for pid in pids):
            await asyncio.sleep(0.05)
    # The ports are free again, and the names too.
    await server.start()
    assert await server.stop() == 0


class Nginx:
    """`deploy/nginx.conf` as it is, but for the addresses."""

    def __init__(self, folder: Path, gateways: list[ServerProcess], http: ServerProcess) -> None:
        self.port = free_port()
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        for number, gateway in enumerate(gateways, 1):
            text = text.replace(f"gateway-{number}:8000", f"127.0.0.1:{gateway.port}")
        text = text.replace("server http:8000", f"server 127.0.0.1:{http.port}")
        text = text.replace("listen 80 ", f"listen 127.0.0.1:{self.port} ")
        text = text.replace("/dev/stdout", str(folder / "access.log")).replace("/dev/stderr", str(folder / "error.log"))
        self._folder = folder
        (folder / "nginx.conf").write_text(text)

    async def __aenter__(self) -> "Nginx":
        binary = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        assert binary is not None, "nginx is not installed: apt-get install nginx-light"
        command = [binary, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]
        command += ["-g", f"daemon off; pid {self._folder}/pid;"]
        subprocess.run([*command, "-t"], check=True, capture_output=True)
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return self

    async def __aexit__(self, *exc: object) -> None:
        self._process.terminate()
        await asyncio.to_thread(self._process.wait)

    @property
    def access_log(self) -> str:
        return (self._folder / "access.log").read_text()


async def test_roles_behind_nginx(tmp_path: Path, shared_stores: dict[str, str]) -> None:
    common: dict[str, Any] = shared_stores | {"secret_key": KEY, "http_trusted_proxies": "127.0.0.1/32"}
    async with (
        ServerProcess(tmp_path / "g1", role="gateway", **common) as first,
        ServerProcess(tmp_path / "g2", role="gateway", **common) as second,
        ServerProcess(tmp_path / "http", role="http", **common) as http,
        Nginx(tmp_path, [first, second], http) as nginx,
    ):
        assert http.tcp_port == -1
        proxy = ServerProcess(tmp_path / "unused")
        proxy.port = nginx.port
        alice, bob = await Person.register(proxy, "alice"), await Person.register(proxy, "bob")
        conversation = await alice.single(bob)
        gateways = itertools.cycle((first, second))
        async with wire.native(proxy, alice) as hers, wire.native(proxy, bob) as his, wire.im(proxy, bob) as old:
            await hers.tell(type="send", id=1, conversation_id=conversation, content="by socket")
            assert (await his.wait("message"))["content"] == "by socket"
            # An HTTP process publishes to the gateways.
            body = {"conversation_id": conversation, "content": "by REST"}
            await alice.request("POST", "/api/v1/messages/text", json=body)
            assert (await his.wait("message"))["content"] == "by REST"
            assert "by REST" in str([await old.wait("new_message") for _ in range(2)])
            online = (await alice.request("GET", "/api/v1/realtime/online-users"))["online_users"]
            assert {alice.id, bob.id} <= set(online)
        async with aiohttp.ClientSession() as session:
            for path in ("/metrics", "/readyz"):
                async with session.get(f"{proxy.url}{path}") as response:
                    assert response.status == 404
            async with session.get(f"{next(gateways).url}/api/v1/users/me") as response:
                assert response.status == 404
            async with session.get(f"{next(gateways).url}/readyz") as response:
                assert (await response.json()) == {"status": "ready", "reasons": []}
            async with session.get(f"{http.url}/gateway") as response:
                assert response.status == 404
        # One gateway less: the other one takes the sockets.
        await first.stop()
        async with wire.native(proxy, bob) as his:
            await his.nothing_but("presence")
        await first.start()
        assert alice.token not in nginx.access_log


async def test_two_processes_with_one_name(tmp_path: Path, shared_stores: dict[str, str]) -> None:
    async with ServerProcess(tmp_path / "one", node="same", **shared_stores):
        other = ServerProcess(tmp_path / "two", node="same", **shared_stores)
        said = other.command("serve", "--port", "0", "--tcp-port", "0", status=1)
        assert "node name 'same'" in said
        assert len(said.splitlines()) == 1, said
