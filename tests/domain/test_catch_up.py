"""Which positions of the store are complete, and when it is read. Without a bus, a store or a clock."""

from typing import Any

import pytest

from domain.catch_up import CatchUp
from domain.delivered import Delivered
from domain.errors import Unavailable
from domain.ports import MissedListener, News

TURNS = 3


class Bench:
    """A bus and a store that the test plays."""

    def __init__(self) -> None:
        self.trouble: str | None = None
        self.hears_all = True
        self.complete: list[str] = []
        self.read_since: list[str] = []
        self.everything = 0
        self.time = 0
        self.is_away = False
        self.while_reading: Any = None
        self.catch_up = CatchUp(
            bus=self,  # type: ignore[arg-type]
            sync=self,  # type: ignore[arg-type]
            accounts=self,  # type: ignore[arg-type]
            rosters=self,  # type: ignore[arg-type]
            profiles=self,  # type: ignore[arg-type]
            stored=self,  # type: ignore[arg-type]
            delivered=Delivered(lambda event, audience, origin: None),
            here=lambda: (),
            resync=lambda: None,
            settled_turns=TURNS,
        )

    def when_missed(self, listener: MissedListener) -> None:
        self.missed = listener

    def complete_up_to(self, position: str) -> None:
        self.complete.append(position)

    async def position(self) -> str:
        if self.is_away:
            raise Unavailable
        self.time += 1
        if self.while_reading is not None:
            self.while_reading()
        return f"p{self.time}"

    async def news(self, since: str, limit: int) -> News:
        self.read_since.append(since)
        self.time += 1
        return News([], [], f"p{self.time}")

    async def relearn_revocations(self) -> None:
        self.everything += 1

    def forget(self, conversation_ids: object = None) -> None:
        pass

    async def turns(self, count: int) -> list[str]:
        """The position after each."""
        found = []
        for _ in range(count):
            await self.catch_up.turn()
            found.append(self.catch_up.position())
        return found


@pytest.fixture
async def bench() -> Bench:
    bench = Bench()
    await bench.catch_up.start()
    return bench


async def test_a_position_is_complete_after_some_turns_however_long_they_take(bench: Bench) -> None:
    """A process that was stopped finds its clock far ahead and its events unread: no turn went by meanwhile."""
    assert await bench.turns(6) == ["p1", "p1", "p1", "p2", "p3", "p4"]
    assert bench.complete == ["p1", "p1", "p1", "p2", "p3", "p4"]
    assert bench.read_since == []


async def test_after_trouble_the_store_is_read_from_what_was_complete_before(bench: Bench) -> None:
    await bench.turns(5)
    bench.trouble = "no bus"
    assert await bench.turns(2) == ["p7", "p8"], "what was just read is complete"
    assert bench.read_since == ["p3", "p7"]
    bench.trouble = None
    assert await bench.turns(5) == ["p8", "p8", "p8", "p9", "p10"]
    assert bench.complete[-5:] == ["p8", "p8", "p8", "p9", "p10"]


async def test_while_another_node_does_not_know_who_is_here_the_store_is_read(bench: Bench) -> None:
    bench.hears_all = False
    await bench.turns(3)
    assert bench.read_since == ["p1", "p2", "p3"]
    assert bench.complete == []


async def test_what_another_node_asks_for_moves_no_position(bench: Bench) -> None:
    await bench.turns(5)
    bench.missed("p0", 0.0)
    bench.missed("p3", 0.0)
    assert await bench.turns(1) == ["p7"]
    assert bench.read_since == ["p3", "p0"]


async def test_whoever_asks_has_everything_read(bench: Bench) -> None:
    """Also what no recorded change covers, and though it was read a moment ago: nobody may ask again."""
    for count in (1, 2, 3):
        bench.missed(None, 0.0)
        await bench.turns(1)
        assert bench.everything == count
    bench.trouble = "no bus"
    await bench.turns(2)
    assert bench.everything == 3


async def test_a_position_that_was_being_read_when_trouble_showed_is_not_taken(bench: Bench) -> None:
    await bench.turns(2)
    bench.while_reading = lambda: bench.missed(None, 0.0)
    assert await bench.turns(1) == ["p1"]
    bench.while_reading = None
    await bench.turns(1)
    assert bench.read_since == ["p1"]


async def test_a_store_that_cannot_be_read_is_read_again(bench: Bench) -> None:
    bench.is_away = True
    with pytest.raises(Unavailable):
        await bench.turns(1)
    bench.is_away = False
    assert await bench.turns(1) == ["p1"]
