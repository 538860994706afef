"""A process whose sessions send messages that are all due in the same second. `bench.scheduled` starts it.

    python -m bench.appointments ORDER

ORDER is JSON (class Order). First it stores messages that are due in months, then it lets every session send its part
of those that are due together, and waits for them at the other member of each conversation. Every one must come, once,
and none before its time. Prints one line of JSON.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from bench.talkers import Refused, Talker, begin, connect, cpu_s, quantiles_ms
from domain.model import Draft
from domain.ports import Appended
from protocol.commands import Send
from protocol.native.packets import AckPacket, MessagePacket, ServerPacket
from storage import open_stores

LEAD_S: Final = 3.0
"""From the last acknowledgement to the moment, which is a full second, at least."""

MONTHS_MS: Final = 200 * 86_400_000
STORED_AT_ONCE: Final = 2_000
TIMEOUT_S: Final = 60.0


class Order(msgspec.Struct, frozen=True):
    """`database`: the servers'. `peers`: a file with the token and the conversation of a session on each line, as
    `bench.sockets` writes it; neighbours share a conversation."""

    database: str
    ports: list[int]
    pids: list[int]
    peers: str
    messages: int
    pending: int


class Appointments:
    def __init__(self, order: Order) -> None:
        self._order = order
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._talkers: list[Talker] = []
        self._places: list[int] = []
        self._unacked = 0
        self._all_acked = asyncio.Event()
        self._due_ms = 0
        self._late_s: list[float] = []
        self._seen: set[int] = set()
        self._all_seen = asyncio.Event()

    async def start(self) -> None:
        order = self._order
        lines = [line.split() for line in Path(order.peers).read_text().splitlines()]
        self._places = [int(place) for _, place in lines]
        self._talkers = await connect(order.ports, [token for token, _ in lines], self._heard, self._failed)

    def _failed(self, error: Exception) -> None:
        if not self._failure.done():
            self._failure.set_exception(error)

    async def _wait(self, event: asyncio.Event) -> None:
        """Refused, TimeoutError."""
        waiting = self._loop.create_task(event.wait())
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.wait((waiting, self._failure), return_when=asyncio.FIRST_COMPLETED)
        if self._failure.done():
            await self._failure

    async def fill(self) -> None:
        """Stores what is due in months. Refused."""
        stores = open_stores(self._order.database)
        await stores.start()
        try:
            due_ms = int(time.time() * 1000) + MONTHS_MS
            for first in range(0, self._order.pending, STORED_AT_ONCE):
                answers = []
                for number in range(first, min(first + STORED_AT_ONCE, self._order.pending)):
                    at = number % len(self._talkers)
                    answer = self._loop.create_future()
                    answers.append(answer)
                    draft = Draft(
                        conversation_id=self._places[at],
                        sender_id=self._talkers[at].user_id,
                        content=f"later {number}",
                        send_at_ms=due_ms + number,
                    )
                    stores.log.append(draft, answer.set_result)
                for outcome in await asyncio.gather(*answers):
                    if not isinstance(outcome, Appended):
                        raise Refused(f"a message that is due later: {outcome}")
        finally:
            await stores.close()

    async def send(self) -> None:
        """Every session its part, one after the other. Refused."""
        # All are under way within LEAD_S, and due in one second.
        self._due_ms = (int(time.time() + 2 * LEAD_S) + 1) * 1000
        for first in range(0, self._order.messages, len(self._talkers)):
            together = list(zip(self._talkers, self._places, strict=True))[: self._order.messages - first]
            self._unacked = len(together)
            self._all_acked.clear()
            for talker, place in together:
                talker.say(Send(place, f"now {first}", send_at_ms=self._due_ms, id=2))
            await self._wait(self._all_acked)
        if self._due_ms < (time.time() + LEAD_S) * 1000:
            raise Refused("the server took too long to store what is to be delivered")

    async def receive(self) -> dict[str, float]:
        """Refused, TimeoutError."""
        await asyncio.sleep(self._due_ms / 1000 - time.time() - 0.5)
        before_s, began_s = cpu_s(self._order.pids), time.monotonic()
        await self._wait(self._all_seen)
        wall_s = time.monotonic() - began_s
        found = {"messages": self._order.messages, "pending": self._order.pending, "wall_s": wall_s}
        first = {"cpu_s": cpu_s(self._order.pids) - before_s, "first_ms": 1000 * min(self._late_s)}
        return found | first | quantiles_ms(self._late_s)

    def _heard(self, talker: Talker, packet: ServerPacket) -> None:
        if isinstance(packet, AckPacket):
            self._unacked -= 1
            if not self._unacked:
                self._all_acked.set()
        elif isinstance(packet, MessagePacket) and packet.sender_id != talker.user_id:
            late_s = time.time() - self._due_ms / 1000
            if late_s < 0 or packet.message_id in self._seen:
                self._failed(Refused(f"a message came {-late_s:.3f} s early, or twice"))
            self._seen.add(packet.message_id)
            self._late_s.append(late_s)
            if len(self._seen) == self._order.messages:
                self._all_seen.set()

    def close(self) -> None:
        for talker in self._talkers:
            talker.close()


async def main(order: Order) -> dict[str, float]:
    appointments = Appointments(order)
    await appointments.start()
    try:
        await appointments.fill()
        await appointments.send()
        await begin()
        return await appointments.receive()
    finally:
        appointments.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(main(msgspec.json.decode(sys.argv[1], type=Order)))).decode())
