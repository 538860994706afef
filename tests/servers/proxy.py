"""A TCP proxy that stands between a client and a server and breaks what a test tells it to break."""

import asyncio
from collections.abc import Awaitable, Callable

Sent = Callable[[bytes], Awaitable[bool]]
"""Sees what a client sends before the server does; False: both sides are cut off, and the server gets nothing."""


class Proxy:
    """`async with Proxy(port) as proxy`: connects `proxy.port` with a port of this machine."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._tasks: set[asyncio.Task[None]] = set()
        self._links: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._dead: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.port = 0
        self.on_sent: Sent | None = None
        self.answers_pass = True
        """Whether clients hear what the servers says; what is withheld is lost."""

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Closes all connections, on both sides."""
        for link in list(self._links):
            self._drop(link)

    def cut_clients(self) -> None:
        """Closes what clients have opened; to the servers nothing has happened yet."""
        for client, _ in list(self._links):
            client.transport.abort()

    def _drop(self, link: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        for writer in link:
            writer.transport.abort()
        self._links.discard(link)
        self._dead.discard(link)

    def blackhole(self) -> None:
        """Nothing passes any more, in either direction, and nobody is told."""
        self._flowing.clear()

    def forget(self) -> None:
        """What is sent on the connections of now is lost; new ones work."""
        self._dead |= self._links

    def flow(self) -> None:
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        link = (writer, there)
        self._links.add(link)
        for pump in (self._pump(reader, there, link, True), self._pump(there_reader, writer, link, False)):
            task = asyncio.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        link: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        is_sent: bool,
    ) -> None:
        try:
            while data := await reader.read(1 << 20):
                await self._flowing.wait()
                if is_sent and self.on_sent is not None and not await self.on_sent(data):
                    break
                if link not in self._dead and (is_sent or self.answers_pass):
                    writer.write(data)
        except ConnectionError:
            pass
        finally:
            self._drop(link)
