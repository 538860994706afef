"""The supervisor over real processes: what dies comes back, what is replaced refuses nobody, what ends is gone."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.config import ServerConfig
from app.errors import SetupError
from app.sockets import bind, bind_for_workers, port_of

PROGRAM = Path(__file__).with_name("supervised.py")


class Service:
    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def ask(self, question: str = "who") -> tuple[int, str]:
        """Process id and node of the worker that got the connection; 0 if it died."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"{question}\n".encode())
            pid, _, node = (await reader.readline()).decode().partition(" ")
            return int(pid or 0), node.strip()
        except ConnectionError:
            return 0, ""
        finally:
            writer.close()

    async def workers(self, count: int = 40) -> set[tuple[int, str]]:
        return set(await asyncio.gather(*(self.ask() for _ in range(count))))

    async def until(self, condition: Callable[[set[tuple[int, str]]], bool]) -> set[tuple[int, str]]:
        async with asyncio.timeout(20):
            while True:
                workers = await self.workers()
                if condition(workers):
                    return workers

    async def end(self) -> tuple[int, str]:
        """Waits for it; exit status and what it said."""
        assert self.process.stderr is not None
        async with asyncio.timeout(20):
            said = (await self.process.stderr.read()).decode()
            return await self.process.wait(), said


@asynccontextmanager
async def service(max_deaths: int = 10, **environment: str) -> AsyncIterator[Service]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), str(max_deaths)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        if not environment:
            assert await process.stdout.readline() == b"serving\n"
        yield Service(process, port)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)


async def test_workers_share_a_port_and_end_with_their_parent() -> None:
    async with service() as running:
        workers = await running.workers()
        assert {node.split()[-1] for _, node in workers} == {"0", "1"}
        assert len({node for _, node in workers}) == 2
        running.process.terminate()
        status, said = await running.end()
        assert status == 0, said
        for pid, _ in workers:
            await gone(pid)


@pytest.mark.slow
async def test_a_worker_that_dies_is_started_again_and_the_others_serve_until_then(tmp_path: Path) -> None:
    go = tmp_path / "go"
    async with service(SUCCESSORS_WAIT_FOR=str(go)) as running:
        assert running.process.stdout is not None
        assert await running.process.stdout.readline() == b"serving\n"
        before = await running.workers()
        assert await running.ask("die") == (0, "")
        # A connection that the kernel gave to the dead one before its parent knew is reset.
        (survivor,) = await running.until(lambda workers: len(workers) == 1 and (0, "") not in workers)
        assert survivor in before
        go.touch()
        after = await running.until(lambda workers: len(workers) == 2)
        assert survivor in after


@pytest.mark.slow
async def test_a_worker_that_goes_on_dying_ends_the_service() -> None:
    async with service(max_deaths=2) as running:
        async with asyncio.timeout(20):
            while running.process.returncode is None:
                try:
                    await running.ask("die")
                except ConnectionError:
                    break
        status, said = await running.end()
        assert status == 1
        assert "SIGKILL" in said
        assert "gives up" in said
        assert "Traceback" not in said


async def test_workers_that_cannot_start_end_it_at_once() -> None:
    async with service(FAILING="1") as running:
        status, said = await running.end()
        assert status == 1
        assert "worker 0 did not start: exit status 3" in said


@pytest.mark.slow
async def test_a_rolling_restart_refuses_nobody() -> None:
    async with service() as running:
        before = {pid for pid, _ in await running.workers()}
        running.process.send_signal(signal.SIGHUP)
        # Every question on the way there was answered by somebody: `workers` would raise or hold a 0.
        seen = set()
        async with asyncio.timeout(20):
            while True:
                now = await running.workers()
                seen |= now
                if not before & {pid for pid, _ in now}:
                    break
        assert (0, "") not in seen
        assert len({pid for pid, _ in now}) == 2
        assert not {node for pid, node in seen if pid in before} & {node for _, node in now}, "a node name twice"


@pytest.mark.slow
async def test_workers_end_when_their_parent_is_killed() -> None:
    async with service() as running:
        workers = await running.workers()
        running.process.kill()
        for pid, _ in workers:
            await gone(pid)


def test_a_port_of_another_service_is_not_shared() -> None:
    first = bind_for_workers(ServerConfig(port=0, tcp_port=-1, workers=2))
    first[0].http[0].listen()
    port = first[0].port
    for attempt in (bind, bind_for_workers):
        with pytest.raises(SetupError, match=str(port)):
            attempt(ServerConfig(port=port, tcp_port=-1, workers=2))
    for sockets in first:
        sockets.close()


def test_each_worker_has_a_metrics_port_of_its_own() -> None:
    both = bind_for_workers(ServerConfig(port=0, tcp_port=0, metrics_port=0, workers=2))
    assert len({each.port for each in both}) == len({port_of(each.tcp) for each in both}) == 1
    assert len({port_of(each.metrics) for each in both}) == 2
    for sockets in both:
        sockets.close()
