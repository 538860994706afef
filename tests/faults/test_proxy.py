"""The proxy passes everything, and makes the faults it is told to make."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.faults.proxy import GOOD, Conditions, Proxy


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[Proxy]:
    link = Proxy(echo)
    link.start()
    yield link
    await asyncio.to_thread(link.close)


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def test_it_passes_all_bytes_and_the_end(proxy: Proxy) -> None:
    body = random.Random(1).randbytes(3_000_000)
    async with connected(proxy) as (reader, writer):
        async with asyncio.timeout(10):

            async def send() -> None:
                writer.write(body)
                await writer.drain()
                writer.write_eof()

            sending = asyncio.create_task(send())
            assert await reader.read(-1) == body
            await sending


async def test_delay_and_limit(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    async with connected(proxy) as (reader, writer):
        for conditions, least_s in ((Conditions(delay_s=0.1), 0.2), (Conditions(bytes_per_s=20_000), 0.1)):
            proxy.behave(conditions)
            since = loop.time()
            writer.write(b"x" * 1000)
            assert await reader.readexactly(1000)
            assert loop.time() - since >= least_s


async def test_a_blackhole_holds_and_lets_go(proxy: Proxy) -> None:
    async with connected(proxy) as (reader, writer):
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        proxy.behave(Conditions(is_blackhole=True))
        writer.write(b"within")
        async with connected(proxy) as (other, their):
            their.write(b"new")
            for each in (reader, other):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await each.read(1)
            proxy.behave(GOOD)
            async with asyncio.timeout(5):
                assert await reader.readexactly(6) == b"within"
                assert await other.readexactly(3) == b"new"


async def test_cuts_reset(proxy: Proxy) -> None:
    async with connected(proxy) as (first, a), connected(proxy) as (second, b):
        for reader, writer in ((first, a), (second, b)):
            writer.write(b"x")
            await reader.readexactly(1)
        proxy.cut_one(random.Random(1))
        async with asyncio.timeout(5):
            readings = [asyncio.create_task(each.read(1)) for each in (first, second)]
            done, left = await asyncio.wait(readings, return_when=asyncio.FIRST_COMPLETED)
            assert len(done) == 1
            proxy.cut()
            await asyncio.wait(left)
        assert all(isinstance(each.exception(), ConnectionResetError) for each in readings)


async def test_a_target_that_is_not_there_resets(proxy: Proxy) -> None:
    proxy.target_port = 1
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionResetError):
            async with connected(proxy) as (reader, _):
                await reader.read(1)
