"""The group committer."""

import asyncio
from collections.abc import Sequence

import pytest

from domain.errors import DomainError, InvalidValue, Unavailable
from storage.sql.gate import WriteGate
from storage.sql.group_commit import MAX_BATCH, GroupCommitter


class Disk:
    """Commits when told to; refuses what is negative."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.error: Exception | None = None

    async def commit(self, items: Sequence[int]) -> Sequence[str | DomainError]:
        self.batches.append(list(items))
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        if min(items) < 0:
            raise InvalidValue("item", "is negative")
        return [str(item) for item in items]


async def until(committer: "GroupCommitter[int, str]") -> None:
    async with asyncio.timeout(5):
        while committer.queued:
            await asyncio.sleep(0)


async def test_what_comes_while_a_commit_is_in_flight_is_the_next_batch() -> None:
    disk, answers = Disk(), list[str | DomainError]()
    committer: GroupCommitter[int, str] = GroupCommitter(disk.commit, WriteGate(), "test")
    disk.go_on.clear()
    committer.submit(0, answers.append)
    while not disk.batches:
        await asyncio.sleep(0)
    for number in range(1, MAX_BATCH + 11):
        committer.submit(number, answers.append)
    assert committer.queued == MAX_BATCH + 11
    disk.go_on.set()
    await until(committer)
    assert [len(batch) for batch in disk.batches] == [1, MAX_BATCH, 10]
    assert answers == [str(number) for number in range(MAX_BATCH + 11)]
    assert (committer.stats.batches, committer.stats.rows, committer.stats.last_batch) == (3, MAX_BATCH + 11, 10)


async def test_others_come_in_between_batches() -> None:
    disk, gate, order = Disk(), WriteGate(), list[str]()
    committer: GroupCommitter[int, str] = GroupCommitter(disk.commit, gate, "test")
    disk.go_on.clear()
    committer.submit(1, lambda _: order.append("first"))
    while not disk.batches:
        await asyncio.sleep(0)

    async def crud() -> None:
        async with gate:
            order.append("crud")
            await asyncio.sleep(0)

    task = asyncio.create_task(crud())
    await asyncio.sleep(0)
    committer.submit(2, lambda _: order.append("second"))
    disk.go_on.set()
    await task
    await until(committer)
    assert order == ["first", "crud", "second"]


async def test_a_bad_item_fails_alone_and_an_outage_fails_all() -> None:
    disk, answers = Disk(), list[str | DomainError]()
    committer: GroupCommitter[int, str] = GroupCommitter(disk.commit, WriteGate(), "test")
    for number in (1, -1, 2):
        committer.submit(number, answers.append)
    await until(committer)
    assert [answers[0], answers[2]] == ["1", "2"]
    assert isinstance(answers[1], InvalidValue)
    answers.clear()
    for error, expected in ((Unavailable(), Unavailable), (ZeroDivisionError(), Unavailable)):
        disk.error = error
        for number in (1, 2):
            committer.submit(number, answers.append)
        await until(committer)
        assert [type(answer) for answer in answers] == [expected, expected]
        answers.clear()
    disk.error = None
    committer.submit(3, answers.append)
    await until(committer)
    assert answers == ["3"]


@pytest.mark.parametrize("waiting", [0, 3])
async def test_closing_waits_for_what_was_accepted(waiting: int) -> None:
    disk, answers = Disk(), list[str | DomainError]()
    committer: GroupCommitter[int, str] = GroupCommitter(disk.commit, WriteGate(), "test")
    for number in range(waiting):
        committer.submit(number, answers.append)
    await committer.close()
    assert answers == [str(number) for number in range(waiting)]
    committer.submit(9, answers.append)
    assert isinstance(answers.pop(), Unavailable)
