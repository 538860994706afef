"""Sessions of a load generator in Python, over raw TCP: for what takes several packets of both sides.

Its own CPU is not the server's, and each of these tells how late it was itself.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, cast

from protocol.commands import Command, Hello
from protocol.framing import tcp
from protocol.native.json_codec import NativeJson
from protocol.native.packets import ErrorPacket, ServerPacket, WelcomePacket

CONNECT_TIMEOUT_S: Final = 30.0
AT_A_TIME: Final = 32
MAX_FRAME_BYTES: Final = 1 << 20

_CPUCLOCK_SCHED: Final = 2
_codec: Final = NativeJson()

Heard = Callable[["Talker", ServerPacket], None]


class Refused(Exception):
    """A server said no, or closed."""


class Talker(asyncio.Protocol):
    """One session. `heard` gets what comes after the welcome; `failed` is called once, if it fails."""

    def __init__(self, token: str, heard: Heard, failed: Callable[[Exception], None]) -> None:
        self.user_id = 0
        self.welcomed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._token = token
        self._heard = heard
        self._failed = failed
        self._reader = tcp.TcpReader(MAX_FRAME_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.say(Hello(token=self._token, id=1))

    def data_received(self, data: bytes) -> None:
        for _, payload in self._reader.feed(data):
            for packet in _codec.decode_packets(payload):
                if isinstance(packet, ErrorPacket):
                    self._fail(Refused(f"the server says {packet.code}: {packet.text}"))
                elif isinstance(packet, WelcomePacket):
                    self.user_id = packet.user_id
                    self.welcomed.set_result(None)
                else:
                    self._heard(self, packet)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or Refused("the server closed a connection"))

    def _fail(self, error: Exception) -> None:
        if not self.welcomed.done():
            self.welcomed.set_exception(error)
        self._failed(error)

    def say(self, command: Command) -> None:
        self._transport.write(tcp.encode(_codec.encode_command(command)))

    def close(self) -> None:
        self._failed = lambda error: None
        self._transport.close()


async def connect(
    ports: Sequence[int], tokens: Sequence[str], heard: Heard, failed: Callable[[Exception], None]
) -> list[Talker]:
    """A welcomed session for each token, on the ports in turn. Refused, OSError."""
    loop = asyncio.get_running_loop()
    free = asyncio.Semaphore(AT_A_TIME)

    async def one(number: int, token: str) -> Talker:
        async with free:
            _, talker = await loop.create_connection(
                lambda: Talker(token, heard, failed), "127.0.0.1", ports[number % len(ports)]
            )
            await talker.welcomed
            return talker

    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        return await asyncio.gather(*(one(number, token) for number, token in enumerate(tokens)))


def cpu_s(pids: Sequence[int]) -> float:
    """CPU time of processes, all their threads together. OSError if one is gone."""
    return sum(time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED) for pid in pids)


def quantiles_ms(samples_s: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and the longest."""
    ordered = sorted(samples_s)
    last = len(ordered) - 1
    found = {f"p{share}_ms": 1000 * ordered[min(share * len(ordered) // 100, last)] for share in (50, 90, 99)}
    return found | {"max_ms": 1000 * ordered[last]}


async def begin() -> None:
    """Says that all is prepared, and waits for a line (`bench.workers`)."""
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
