"""A process that does nothing but append: the log of `storage` without a server around it. `bench.append` starts it.

    python -m bench.appender ORDER

ORDER is JSON (class Order). Says "ready" when the stores are open and the first batches went through, and begins when
it reads a line. Two batches are on their way at any time: one in flight, the next one waiting, as in a server that is
asked for more than it can do. Prints one line of JSON. Exit status: 1 if a message was refused.
"""

import asyncio
import gc
import itertools
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from domain.errors import DomainError
from domain.model import Draft
from domain.ports import Appended
from storage import open_stores
from storage.sql.mysql import MysqlStores

IN_TURN: Final = 2


class Order(msgspec.Struct, frozen=True):
    """`database` is a URL or the path of an SQLite file; `places` are conversations, each with a member of it."""

    database: str
    places: list[tuple[int, int]]
    batch: int
    messages: int
    warm_up: int
    name: str
    """In its keys of messages, so that processes differ."""


class Appender:
    """Keeps `IN_TURN` batches on their way until `messages` are stored."""

    def __init__(self, stores: object, order: Order) -> None:
        self._log = stores.log  # type: ignore[attr-defined]
        self._batch = order.batch
        self._loop = asyncio.get_running_loop()
        # Made before anything is measured: in a server they come from the sessions.
        self._drafts = iter([_draft(order, number) for number in range(order.warm_up + order.messages)])

    async def append(self, messages: int) -> None:
        """DomainError: one was refused."""
        self._left = messages
        self._wanted = messages
        self._done: asyncio.Future[None] = self._loop.create_future()
        for _ in range(IN_TURN):
            # Not in one go: the second batch waits for the first.
            self._submit()
            await asyncio.sleep(0)
        await self._done

    def _submit(self) -> None:
        pending = min(self._batch, self._left)
        self._left -= pending

        def answered(outcome: Appended | DomainError) -> None:
            nonlocal pending
            pending -= 1
            self._wanted -= 1
            if isinstance(outcome, Exception):
                if not self._done.done():
                    self._done.set_exception(outcome)
            elif not pending:
                if self._left:
                    # After the batch that waits has been taken: it would swallow this one.
                    self._loop.call_soon(self._submit)
                elif not self._wanted:
                    self._done.set_result(None)

        for draft in list(itertools.islice(self._drafts, pending)):
            self._log.append(draft, answered)


def _draft(order: Order, number: int) -> Draft:
    conversation_id, sender_id = order.places[number % len(order.places)]
    return Draft(
        conversation_id=conversation_id,
        sender_id=sender_id,
        client_msg_id=f"{order.name}-{number:012x}",
        content=f"{number:020d} ".ljust(150, "x"),
    )


async def main(order: Order) -> dict[str, float]:
    stores = open_stores(order.database if "://" in order.database else Path(order.database))
    await stores.start()
    try:
        appender = Appender(stores, order)
        await appender.append(order.warm_up)
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        batches, cpu_s, began_s = stores.log.stats.batches, time.process_time(), time.monotonic()
        await appender.append(order.messages)
        result = {"began_s": began_s, "ended_s": time.monotonic(), "cpu_s": time.process_time() - cpu_s}
        deadlocks = sum(writer.deadlocks for writer in stores.writers) if isinstance(stores, MysqlStores) else 0
        return result | {"batches": stores.log.stats.batches - batches, "deadlocks": deadlocks}
    finally:
        await stores.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(msgspec.json.encode(runner.run(main(msgspec.json.decode(sys.argv[1], type=Order)))).decode())
