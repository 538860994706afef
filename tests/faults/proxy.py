"""A TCP proxy on one link that delays, limits, blackholes and cuts what passes. It has a thread of its own, so a busy
test does not add faults of its own."""

import asyncio
import random
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Final

CHUNK_BYTES: Final = 16 * 1024
CHUNKS_UNDER_WAY: Final = 64
"""In one direction of a connection; then the sender is no longer read."""

RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Conditions:
    """How the link is. A blackhole takes connections and bytes and delivers nothing until it ends."""

    delay_s: float = 0.0
    bytes_per_s: float = 0.0
    """In each direction of each connection; 0: unlimited."""

    is_blackhole: bool = False


GOOD: Final = Conditions()


class Proxy:
    """Forwards connections to its `port` to another port. All methods may be called from any thread."""

    def __init__(self, target_port: int = 0) -> None:
        """`target_port` may also be set later."""
        self.target_port = target_port
        self.port = 0
        self.conditions = GOOD
        self._loop = asyncio.new_event_loop()
        self._is_started = threading.Event()
        self._passable = asyncio.Event()
        self._ways: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._is_started.wait()

    def close(self) -> None:
        if self._is_started.is_set():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        else:
            self._loop.close()

    def behave(self, conditions: Conditions) -> None:
        """From now on, for connections that stand too."""
        self._loop.call_soon_threadsafe(self._behave, conditions)

    def cut(self) -> None:
        """Resets all connections."""
        self._loop.call_soon_threadsafe(self._cut, None)

    def cut_one(self, dice: random.Random) -> None:
        """Resets a connection of chance."""
        self._loop.call_soon_threadsafe(self._cut, dice.random())

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._is_started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._stop())
        self._loop.close()

    async def _listen(self) -> None:
        self._passable.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _behave(self, conditions: Conditions) -> None:
        self.conditions = conditions
        if conditions.is_blackhole:
            self._passable.clear()
        else:
            self._passable.set()

    def _cut(self, which: float | None) -> None:
        ways = list(self._ways)
        if which is not None:
            ways = ways[int(which * len(ways)) :][:1]
        for way in ways:
            for writer in way:
                _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._passable.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
            self._tasks.discard(task)
            return
        way = (writer, far_writer)
        self._ways.add(way)
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer)),
            asyncio.create_task(self._pump(far_reader, writer)),
        ]
        try:
            await asyncio.wait(pumps)
        except asyncio.CancelledError:
            pass  # The proxy closes.
        finally:
            for each in pumps:
                each.cancel()
            for end in way:
                end.close()
            self._ways.discard(way)
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction. What was taken arrives in order and not before it is due, under the conditions of then."""
        chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_UNDER_WAY)
        filling = asyncio.create_task(self._fill(reader, chunks))
        try:
            while True:
                due, data = await chunks.get()
                await asyncio.sleep(due - self._loop.time())
                await self._passable.wait()
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            _reset(writer)
        finally:
            filling.cancel()

    async def _fill(self, reader: asyncio.StreamReader, chunks: "asyncio.Queue[tuple[float, bytes]]") -> None:
        due = 0.0
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK_BYTES)
            except OSError:
                data = b""
            now = self._loop.time()
            due = max(due, now + self.conditions.delay_s)
            if self.conditions.bytes_per_s:
                due += len(data) / self.conditions.bytes_per_s
            await chunks.put((due, data))


def _reset(writer: asyncio.StreamWriter) -> None:
    """RST, not FIN: as a middle box does, or a machine that has forgotten the connection."""
    if not writer.transport.is_closing():
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()
