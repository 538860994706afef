"""What waits for an acknowledgement: bounded by those who wait."""

import asyncio

from client.outbox import Outbox, Pending


async def test_sends_that_were_given_up_leave_nothing_behind() -> None:
    """A program that tries with a time limit while the server is away must not grow."""
    outbox = Outbox()
    for number in range(1000):
        pending = Pending(number, str(number), b"")
        outbox.add(pending)
        outbox.drop(pending)
    assert len(outbox) == 0
    assert not outbox._unsent
    assert outbox.next(asyncio.get_running_loop().time()) is None
