"""A process with a bus and nothing else: publishes events, or is the node that they are for. `bench.bus` starts both.

    python -m bench.courier ORDER

ORDER is JSON (class Order). Says "ready" when it knows the other node, and begins when it reads a line. Prints one line
of JSON: its CPU time from there on, until the last event went out, or came in.
"""

import asyncio
import gc
import sys
import time
from typing import Final

import msgspec
import uvloop

from app.clock import SystemClock
from domain.events import Event, MessageSent
from domain.model import Message, MessageKind, Profile
from domain.ports import Audience
from storage.redis import RedisServices

TIMEOUT_S: Final = 60.0
LAST_WORDS_S: Final = 0.1
"""For what the publisher's process still does after the last event."""


class Order(msgspec.Struct, frozen=True):
    redis: str
    publishes: bool
    events: int
    batch: int
    batches_per_s: int
    users: int
    """Each has a session on the receiving node."""


async def publish(services: RedisServices, order: Order) -> dict[str, float]:
    """The last event of each batch says when it was published."""
    audiences = [Audience((user, order.users + user), user) for user in range(1, order.users + 1)]
    sender = Profile(order.users + 1, "sender", "Sender", "", False)
    texts = [f"{number:020d} ".ljust(150, "x") for number in range(order.batch - 1)]
    while not all(map(services.presence.is_online, range(1, order.users + 1))):
        await asyncio.sleep(0.01)
    await _begin()
    loop, cpu_s = asyncio.get_running_loop(), time.process_time()
    began_s, number = loop.time(), 0
    for batch in range(order.events // order.batch):
        await asyncio.sleep(began_s + batch / order.batches_per_s - loop.time())
        for text in (*texts, str(time.monotonic_ns())):
            user = number % order.users + 1
            number += 1
            event = MessageSent(_message(number, user, text), sender, user)
            services.bus.publish(event, audiences[user - 1])
    wall_s = loop.time() - began_s
    await asyncio.sleep(LAST_WORDS_S)
    return {"cpu_s": time.process_time() - cpu_s, "wall_s": wall_s}


def _message(number: int, conversation_id: int, text: str) -> Message:
    return Message(
        id=number,
        conversation_id=conversation_id,
        seq=number,
        sender_id=conversation_id,
        kind=MessageKind.TEXT,
        content=text,
        created_at_ms=number,
        updated_at_ms=number,
    )


class Receiver:
    """Counts what comes, and how old the last of each batch is."""

    def __init__(self, order: Order) -> None:
        self._wanted = order.events
        self._last_id = 0
        self._ages_ms: list[float] = []
        self._all = asyncio.Event()
        self.disordered = 0

    def on_event(self, event: Event, audience: Audience, origin: object | None) -> None:
        if not isinstance(event, MessageSent):
            return
        message = event.message
        self.disordered += message.id != self._last_id + 1
        self._last_id = message.id
        if len(message.content) < 150:
            self._ages_ms.append((time.monotonic_ns() - int(message.content)) / 1e6)
        if message.id == self._wanted:
            self._all.set()

    async def receive(self, services: RedisServices, order: Order) -> dict[str, float]:
        for user in range(1, order.users + 1):
            await services.presence.arriving(user)
            services.presence.connected(user)
        await _begin()
        cpu_s = time.process_time()
        async with asyncio.timeout(TIMEOUT_S):
            await self._all.wait()
        self._ages_ms.sort()
        count = len(self._ages_ms)
        ages = {f"p{share}_ms": self._ages_ms[min(share * count // 100, count - 1)] for share in (50, 99)}
        return {
            "cpu_s": time.process_time() - cpu_s,
            "batches": services.bus.stats.batches_received,
            "disordered": self.disordered,
            "max_ms": self._ages_ms[-1],
            **ages,
        }


async def _begin() -> None:
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def main(order: Order) -> dict[str, float]:
    services = RedisServices(order.redis, "publisher" if order.publishes else "receiver", SystemClock())
    receiver = Receiver(order)
    if not order.publishes:
        services.bus.subscribe(receiver.on_event)
    await services.start()
    try:
        return await (publish(services, order) if order.publishes else receiver.receive(services, order))
    finally:
        await services.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(main(msgspec.json.decode(sys.argv[1], type=Order)))).decode())
