"""A process whose sessions call each other. `bench.calls` starts it.

    python -m bench.caller ORDER

ORDER is JSON (class Order). An open loop: calls are due at a rate, and what rings late counts from the moment at which
the call was due, also if all pairs were still in a call then. The callee answers at once; `talk_s` after the answer
came, caller and callee in turn hang up. Each call must ring, be answered, end and leave its message with both, and
nobody may be busy. Prints one line of JSON.
"""

import asyncio
import sys
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from bench.talkers import Refused, Talker, begin, connect, cpu_s, quantiles_ms
from domain.records import CallType
from protocol.commands import AnswerCall, EndCall, OfferCall
from protocol.native.packets import CallAttachment, CallOfferedPacket, CallPacket, MessagePacket, ServerPacket

SDP: Final = "v=0\r\n" + "a=candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host\r\n" * 25
"""1.5 KB, as browsers offer for sound."""

TIMEOUT_S: Final = 60.0
SEEN_BY_BOTH: Final = 2


class Order(msgspec.Struct, frozen=True):
    """`peers`: a file with the token of a session on each line, callers and callees in turn, as `bench.sockets` writes
    it. They are connected to the ports in turn."""

    ports: list[int]
    pids: list[int]
    peers: str
    rate: int
    seconds: int
    talk_s: float


class _Pair:
    """One call at a time."""

    __slots__ = ("callee", "caller", "calls", "due_s", "messages", "state")

    def __init__(self, caller: Talker, callee: Talker) -> None:
        self.caller = caller
        self.callee = callee
        self.calls = 0
        self.due_s = 0.0
        self.state = "over"
        self.messages = 0
        """Of the last call, seen by how many."""


class Callers:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._pair_of: dict[Talker, _Pair] = {}
        self.pairs: list[_Pair] = []
        self._free: deque[_Pair] = deque()
        self._waiting: deque[float] = deque()
        """When calls were due for which there was no pair."""
        self._rings_s: list[float] = []
        self._answers_s: list[float] = []
        self._late_s = 0.0
        self._over = 0
        self._wanted = 0
        self._all_over = asyncio.Event()

    async def start(self) -> None:
        order = self._order
        tokens = [line.split()[0] for line in Path(order.peers).read_text().splitlines()]
        talkers = await connect(order.ports, tokens, self._heard, self._failed)
        for caller, callee in zip(talkers[::2], talkers[1::2], strict=True):
            pair = _Pair(caller, callee)
            self.pairs.append(pair)
            self._pair_of[caller] = self._pair_of[callee] = pair
        self._free.extend(self.pairs)

    def _failed(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    async def call(self, count: int) -> dict[str, float]:
        """So many calls, the pairs taking turns. Refused, TimeoutError."""
        self._rings_s.clear()
        self._answers_s.clear()
        self._late_s, self._over, self._wanted = 0.0, 0, count
        self._all_over.clear()
        before_s, began_s = cpu_s(self._order.pids), time.monotonic()
        offering = self._loop.create_task(self._offer(began_s, count))
        over = self._loop.create_task(self._all_over.wait())
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.wait((over, self._failure), return_when=asyncio.FIRST_COMPLETED)
        if self._failure.done():
            await self._failure
        await offering
        result = {"calls": count, "wall_s": time.monotonic() - began_s, "late_ms": 1000 * self._late_s}
        answers = {f"answer_{name}": value for name, value in quantiles_ms(self._answers_s).items()}
        return result | {"cpu_s": cpu_s(self._order.pids) - before_s} | quantiles_ms(self._rings_s) | answers

    async def _offer(self, began_s: float, count: int) -> None:
        for number in range(count):
            due_s = began_s + number / self._order.rate
            wait_s = due_s - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self._late_s = max(self._late_s, time.monotonic() - due_s)
            self._waiting.append(due_s)
            self._ring()

    def _ring(self) -> None:
        while self._waiting and self._free:
            pair = self._free.popleft()
            pair.state, pair.due_s, pair.messages = "offered", self._waiting.popleft(), 0
            pair.calls += 1
            pair.caller.say(OfferCall(pair.callee.user_id, SDP, CallType.AUDIO, id=2))

    def _heard(self, talker: Talker, packet: ServerPacket) -> None:
        pair = self._pair_of[talker]
        if isinstance(packet, CallPacket):
            self._signalled(talker, pair, packet)
        elif isinstance(packet, CallOfferedPacket) and packet.reason:
            self._failed(Refused(f"a call was over at once: {packet.reason}"))
        elif isinstance(packet, MessagePacket) and isinstance(packet.attachment, CallAttachment):
            pair.messages += 1
            if pair.messages == SEEN_BY_BOTH:
                pair.state = "over"
                self._free.append(pair)
                self._ring()
                self._over += 1
                if self._over == self._wanted:
                    self._all_over.set()

    def _signalled(self, talker: Talker, pair: _Pair, packet: CallPacket) -> None:
        step = (packet.step, pair.state, talker is pair.caller)
        now_s = time.monotonic()
        if step == ("offer", "offered", False):
            self._rings_s.append(now_s - pair.due_s)
            pair.state, pair.due_s = "rings", now_s
            talker.say(AnswerCall(packet.call_id, SDP, id=3))
        elif step == ("answer", "rings", True):
            self._answers_s.append(now_s - pair.due_s)
            pair.state = "talk"
            who = pair.caller if pair.calls % 2 else pair.callee
            self._loop.call_later(self._order.talk_s, who.say, EndCall(packet.call_id, id=4))
        elif packet.step != "end" or packet.reason != "user_hangup":
            self._failed(Refused(f"{packet.step} {packet.reason} came to a call that is {pair.state}"))

    def close(self) -> None:
        for pair in self.pairs:
            pair.caller.close()
            pair.callee.close()


async def main(order: Order) -> dict[str, float]:
    callers = Callers(order)
    await callers.start()
    try:
        # Everybody once: whom a server knows is cached then.
        await callers.call(len(callers.pairs))
        await begin()
        return await callers.call(order.rate * order.seconds)
    finally:
        callers.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(main(msgspec.json.decode(sys.argv[1], type=Order)))).decode())
