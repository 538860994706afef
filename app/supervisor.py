"""The parent of the workers: starts them, starts those that die again, replaces them one after another, stops them.

It holds the listening sockets, so what the kernel has accepted for the last worker is served by the next one; where
others live, they get what a dead one would have got. A worker says `ready` over its channel when it serves, or why it
does not, and stops when the channel ends: then the parent is gone.
"""

import asyncio
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec
import structlog

from app.config import STOP_WITHIN_S
from app.errors import SetupError
from app.notify import notify
from app.sockets import Sockets

READY_WITHIN_S: Final = 60.0
LONGEST_PAUSE_S: Final = 10.0
MAX_DEATHS: Final = 10
DEATHS_WINDOW_S: Final = 120.0
"""A worker that dies more often than `MAX_DEATHS` in this time will not get well: the service ends, and whoever started
it hears of that."""

READY: Final = b"ready\n"
MAX_LAST_WORDS: Final = 4096

log = structlog.get_logger("supervisor")


class WorkerOrder(msgspec.Struct, frozen=True):
    """What a worker gets from its parent, on its command line: descriptors that it inherits."""

    number: int
    node: str
    is_first: bool
    """It prepares the database for all."""
    channel: int
    sockets: dict[str, list[int]]


class Worker:
    """A process that serves, or will. Made by `start`."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self.pid = process.pid
        self.is_told = False
        self.last_words = ""
        """Why it cannot serve, if it said so."""
        self._process = process
        self._channel = channel

    @classmethod
    async def start(
        cls, command: Sequence[str], number: int, node: str, sockets: Sockets, *, is_first: bool
    ) -> "Worker":
        ours, theirs = socket.socketpair()
        with theirs:
            descriptors = sockets.descriptors()
            order = WorkerOrder(number, node, is_first, theirs.fileno(), descriptors)
            process = await asyncio.create_subprocess_exec(
                *command,
                "--worker",
                msgspec.json.encode(order).decode(),
                pass_fds=[theirs.fileno(), *(fd for group in descriptors.values() for fd in group)],
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C goes to the whole group of the terminal, but the end of a worker is the parent's affair.
                process_group=0,
            )
        ours.setblocking(False)
        return cls(process, ours)

    async def is_ready(self) -> bool:
        """Waits until it serves; False if it ends or takes too long."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                said = await asyncio.get_running_loop().sock_recv(self._channel, MAX_LAST_WORDS)
        except TimeoutError:
            self.last_words = f"it does not get ready within {READY_WITHIN_S:.0f} seconds"
            return False
        except OSError:
            return False
        if said != READY:
            self.last_words = said.decode()
        return said == READY

    async def wait(self) -> str:
        """How it ended."""
        status = await self._process.wait()
        try:
            self.last_words = self._channel.recv(MAX_LAST_WORDS).removeprefix(READY).decode() or self.last_words
        except OSError:
            pass  # it said nothing, or it was heard before
        self._channel.close()
        return self.last_words or (signal.Signals(-status).name if status < 0 else f"exit status {status}")

    def tell(self) -> None:
        """To stop. Once: a second signal would cut its farewells short."""
        if not self.is_told and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        self.is_told = True

    async def stop(self) -> bool:
        """Tells it to stop and waits for its end; False if it had to be killed."""
        self.tell()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await self.wait()
        except TimeoutError:
            log.error("worker did not stop in time", pid=self.pid)
            self._process.kill()
            await self.wait()
            return False
        return True


class Slot:
    """A worker's place: its sockets and number outlive the process in it."""

    def __init__(self, number: int, sockets: Sockets) -> None:
        self.number = number
        self.sockets = sockets
        self.lock = asyncio.Lock()
        """Held while the process is replaced."""
        self.worker: Worker | None = None
        self.deaths: deque[float] = deque()
        self.started = 0


class Supervisor:
    """`run` it. `command` is the command line of this process, which the workers' is made from."""

    def __init__(
        self,
        sockets: Sequence[Sockets],
        node: str,
        command: Sequence[str],
        on_serving: Callable[[], None],
        max_deaths: int = MAX_DEATHS,
    ) -> None:
        self._slots = [Slot(number, each) for number, each in enumerate(sockets)]
        self._node = node
        self._command = command
        self._on_serving = on_serving
        self._max_deaths = max_deaths
        self._told = asyncio.Event()
        self._renew = asyncio.Event()
        self._running: set[Worker] = set()

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. SetupError if the workers cannot be kept alive."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told.set)
        loop.add_signal_handler(signal.SIGHUP, self._renew.set)
        tasks = [asyncio.create_task(self._told.wait()), asyncio.create_task(self._keep_serving())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._stop(tasks)
        serving = tasks[1]
        if not serving.cancelled():
            serving.result()

    async def _keep_serving(self) -> None:
        first, *others = self._slots
        # Alone: what is wrong with the configuration is said once.
        await self._start_first(first)
        await asyncio.gather(*(self._start_first(slot) for slot in others))
        self._on_serving()
        notify("READY=1")
        await _all_until_one_fails([*(self._tend(slot) for slot in self._slots), self._renew_when_told()])

    async def _start_first(self, slot: Slot) -> None:
        worker = slot.worker = await self._start(slot)
        if not await worker.is_ready():
            raise SetupError(worker.last_words or f"worker {slot.number} did not start: {await worker.wait()}")
        log.info("worker ready", worker=slot.number, pid=slot.worker.pid)

    async def _start(self, slot: Slot) -> Worker:
        slot.started += 1
        # While a worker is replaced there are two of its number, and both are nodes.
        node = f"{self._node}.{slot.number}.{slot.started}"
        is_first = not self._running
        worker = await Worker.start(self._command, slot.number, node, slot.sockets, is_first=is_first)
        self._running.add(worker)
        log.info("worker started", worker=slot.number, pid=worker.pid)
        return worker

    async def _tend(self, slot: Slot) -> None:
        """Fills the slot again whenever its worker ends without being told."""
        while True:
            worker = slot.worker
            assert worker is not None
            reason = await worker.wait()
            self._running.discard(worker)
            if not worker.is_told:
                if any(other.worker in self._running and other.sockets.is_listening for other in self._slots):
                    slot.sockets = slot.sockets.renewed()
                await asyncio.sleep(self._pause_after_death(slot, worker, reason))
            async with slot.lock:
                if slot.worker is worker:
                    slot.worker = await self._start(slot)

    def _pause_after_death(self, slot: Slot, worker: Worker, reason: str) -> float:
        now = time.monotonic()
        slot.deaths.append(now)
        while slot.deaths[0] < now - DEATHS_WINDOW_S:
            slot.deaths.popleft()
        count = len(slot.deaths)
        if count > self._max_deaths:
            raise SetupError(
                f"worker {slot.number} ended {count} times in {DEATHS_WINDOW_S:.0f} seconds, at last: {reason}; "
                "the service gives up"
            )
        # At once after the first.
        pause_s = min(LONGEST_PAUSE_S, 0.25 * 2**count) if count > 1 else 0.0
        log.error("worker died", worker=slot.number, pid=worker.pid, reason=reason, restart_in_s=pause_s)
        return pause_s

    async def _renew_when_told(self) -> None:
        while True:
            await self._renew.wait()
            self._renew.clear()
            log.info("rolling restart")
            for slot in self._slots:
                if not await self._replace(slot):
                    log.error("rolling restart given up", worker=slot.number)
                    break
            else:
                log.info("rolling restart done")

    async def _replace(self, slot: Slot) -> bool:
        """Both serve until the new one is ready, so nobody is refused."""
        async with slot.lock:
            new, old = await self._start(slot), slot.worker
            if not await new.is_ready():
                await new.stop()
                self._running.discard(new)
                log.error("new worker did not start", worker=slot.number, pid=new.pid, reason=await new.wait())
                return False
            slot.worker = new
        log.info("worker ready", worker=slot.number, pid=new.pid)
        if old is not None:
            await old.stop()
            self._running.discard(old)
        return True

    async def _stop(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        notify("STOPPING=1")
        log.info("stopping", workers=len(self._running))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.gather(*(worker.stop() for worker in self._running))
        for slot in self._slots:
            slot.sockets.close()


async def _all_until_one_fails(coroutines: Sequence[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def own_command() -> list[str]:
    """How this process was started, to start another like it."""
    return [sys.executable, *sys.orig_argv[1:]]
