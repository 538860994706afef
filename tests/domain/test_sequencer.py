"""One order of a conversation whatever the order in which nodes tell of it. A seeded model, and the cases by name."""

import random
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

import pytest

from domain.delivered import Delivered
from domain.errors import Unavailable
from domain.events import Event, MessageSent, Typing
from domain.model import Message, Profile
from domain.ports import Audience
from domain.sequencer import LOOKS, Sequencer

SENDER = Profile(1, "sender", "sender")


def sent(seq: int, conversation_id: int = 7, at_ms: int = 1000) -> MessageSent:
    message = Message(
        id=conversation_id * 1000 + seq,
        conversation_id=conversation_id,
        seq=seq,
        sender_id=1,
        created_at_ms=at_ms,
        updated_at_ms=at_ms,
    )
    return MessageSent(message, SENDER)


class Timer:
    """Rings when the test says so."""

    def __init__(self, callback: Any, arguments: tuple[object, ...]) -> None:
        self.callback = callback
        self.arguments = arguments
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Bench:
    """A sequencer whose store, timers and tasks belong to the test."""

    def __init__(self, stored: Sequence[MessageSent] = (), *, here_since_ms: int | None = 0, known: int = 100) -> None:
        self.stored = {(event.message.conversation_id, event.message.seq): event for event in stored}
        self.here_since_ms = here_since_ms
        self.heard: list[Event] = []
        self.audiences: list[Audience] = []
        self.timers: list[Timer] = []
        self.looks: list[Coroutine[Any, Any, None]] = []
        self.is_away = False
        self.fails_with: Exception | None = None
        self.visible_after_seq = 0
        self.pages = 0
        self.delivered = Delivered(self._hear)
        self.sequencer = Sequencer(
            self.delivered.on_event,
            store=self,  # type: ignore[arg-type]
            late=self,
            here_since_ms=self._here_since_ms,
            scheduler=self,
            spawn=self._spawn,
            max_known=known,
        )

    def _spawn(self, look: Coroutine[Any, Any, None]) -> None:
        self.looks.append(look)

    def _hear(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        self.heard.append(event)
        self.audiences.append(audience)

    def _here_since_ms(self, user_ids: Collection[int]) -> int | None:
        return self.here_since_ms

    def call_later(self, delay_s: float, callback: Any, *arguments: object) -> Timer:
        timer = Timer(callback, arguments)
        self.timers.append(timer)
        return timer

    async def history(
        self, user_id: int, conversation_id: int, *, after_seq: int, before_seq: int, limit: int, newest: bool
    ) -> tuple[list[Message], bool]:
        assert newest
        if self.is_away:
            raise Unavailable
        if self.fails_with is not None:
            raise self.fails_with
        self.pages += 1
        found = [self.stored.get((conversation_id, seq)) for seq in range(after_seq + 1, before_seq)]
        messages = [event.message for event in found if event is not None]
        return messages[-limit:], len(messages) > limit

    async def events(self, messages: Sequence[Message]) -> list[tuple[MessageSent, Audience]]:
        return [
            (MessageSent(message, SENDER), Audience((5,), message.conversation_id))
            for message in messages
            if message.seq > self.visible_after_seq
        ]

    async def look(self) -> None:
        looks, self.looks = self.looks, []
        for each in looks:
            await each

    def ring(self) -> None:
        timers, self.timers = self.timers, []
        for timer in timers:
            if not timer.is_cancelled:
                timer.callback(*timer.arguments)

    def tell(self, event: Event, conversation_id: int = 7) -> None:
        self.sequencer.on_event(event, Audience((5,), conversation_id))

    @property
    def seqs(self) -> list[int]:
        return [event.message.seq for event in self.heard if isinstance(event, MessageSent)]


async def test_what_comes_in_order_goes_on_at_once() -> None:
    bench = Bench()
    for seq in (1, 2, 3):
        bench.tell(sent(seq))
    assert bench.seqs == [1, 2, 3]
    assert (bench.timers, bench.looks) == ([], [])


async def test_a_message_waits_for_the_one_before_it_and_what_follows_waits_behind() -> None:
    bench = Bench([sent(seq) for seq in range(1, 5)])
    typing = Typing(7, 5, True, 1)
    for event in (sent(1), sent(3), typing, sent(4)):
        bench.tell(event)
    await bench.look()
    assert bench.heard == [sent(1)]
    bench.tell(sent(9, conversation_id=8), 8)
    await bench.look()
    assert bench.heard[1:] == [sent(9, conversation_id=8)], "another conversation does not wait"
    bench.tell(sent(2))
    assert bench.heard[2:] == [sent(2), sent(3), typing, sent(4)]
    assert all(timer.is_cancelled for timer in bench.timers)
    await bench.look()


async def test_what_does_not_come_is_read_from_the_store() -> None:
    bench = Bench([sent(seq) for seq in range(1, 6)])
    for seq in (1, 5):
        bench.tell(sent(seq))
    await bench.look()
    bench.tell(sent(3))
    bench.ring()
    assert bench.seqs == [1, 2, 3, 4, 5]
    bench.tell(sent(2))
    assert bench.seqs == [1, 2, 3, 4, 5], "too late"
    bench.tell(sent(6))
    assert bench.seqs[-1] == 6


async def test_a_slow_store_is_waited_for() -> None:
    bench = Bench([sent(1), sent(2), sent(3)])
    bench.tell(sent(1))
    bench.tell(sent(3))
    bench.ring()
    assert bench.seqs == [1]
    await bench.look()
    assert bench.seqs == [1, 2, 3]


async def test_while_the_store_cannot_be_read_what_follows_waits() -> None:
    bench = Bench([sent(1), sent(2), sent(3)])
    bench.is_away = True
    bench.tell(sent(1))
    bench.tell(sent(3))
    for _ in range(3):
        await bench.look()
        bench.ring()
    assert bench.seqs == [1], "2 would come after 3"
    bench.is_away = False
    await bench.look()
    assert bench.seqs == [1, 2, 3]


async def test_without_the_store_messages_go_on_in_the_end() -> None:
    bench = Bench()
    bench.is_away = True
    for seq in (1, 3, 4):
        bench.tell(sent(seq))
    for _ in range(LOOKS):
        assert bench.seqs == [1]
        await bench.look()
        bench.ring()
    assert bench.seqs == [1, 3, 4]
    assert not bench.looks


async def test_a_look_that_fails_holds_nothing_back() -> None:
    bench = Bench()
    bench.fails_with = ValueError("a defect")
    bench.tell(sent(1))
    bench.tell(sent(3))
    bench.ring()
    with pytest.raises(ValueError, match="a defect"):
        await bench.look()
    assert bench.seqs == [1, 3]


async def test_a_long_hole_is_filled_whole_however_old_it_is() -> None:
    """A node that was stopped comes back to hundreds of messages, some from before."""
    bench = Bench([sent(seq, at_ms=seq * 100) for seq in range(1, 1001)])
    bench.tell(sent(1, at_ms=100))
    bench.tell(sent(1000, at_ms=100_000))
    await bench.look()
    bench.ring()
    assert bench.seqs == list(range(1, 1001))


async def test_of_a_hole_only_what_is_for_those_who_are_here_is_waited_for() -> None:
    bench = Bench([sent(seq) for seq in range(1, 1001)])
    bench.visible_after_seq = 998
    bench.tell(sent(1))
    bench.tell(sent(1000))
    await bench.look()
    assert bench.seqs == [1]
    bench.ring()
    assert bench.seqs == [1, 999, 1000]
    assert bench.pages == 1
    bench.visible_after_seq = 1100
    bench.tell(sent(1200))
    await bench.look()
    assert bench.seqs[-1] == 1200, "nothing is missing"


async def test_who_looks_too_late_changes_nothing() -> None:
    bench = Bench([sent(1), sent(2), sent(3), sent(4), sent(5), sent(6)])
    for seq in (1, 3, 2):
        bench.tell(sent(seq))
    assert bench.seqs == [1, 2, 3]
    late, bench.looks = bench.looks, []
    bench.tell(sent(6))
    for each in late:
        await each
    assert bench.seqs == [1, 2, 3]
    await bench.look()
    bench.ring()
    assert bench.seqs == [1, 2, 3, 4, 5, 6]


async def test_what_was_sent_before_anybody_was_here_is_not_waited_for() -> None:
    bench = Bench([sent(seq, at_ms=seq * 10_000) for seq in range(1, 10)], here_since_ms=72_000)
    bench.tell(sent(8, at_ms=80_000))
    await bench.look()
    assert bench.seqs == []
    bench.ring()
    assert bench.seqs == [7, 8]
    alone = Bench([sent(1), sent(2)], here_since_ms=None)
    alone.tell(sent(3))
    assert (alone.seqs, alone.looks) == ([3], [])


async def test_before_the_first_that_is_heard_of_a_conversation_old_holes_are_no_holes() -> None:
    bench = Bench([sent(1, at_ms=0), sent(2, at_ms=1)])
    bench.tell(sent(3, at_ms=60_000))
    await bench.look()
    assert bench.seqs == [3]


async def test_the_members_of_then_hear_what_was_held_back() -> None:
    bench = Bench([sent(1), sent(2), sent(3)])
    seats = {5: None, 6: None}
    bench.tell(sent(1))
    bench.sequencer.on_event(sent(3), Audience(seats.keys(), 7))
    del seats[6]
    bench.tell(sent(2))
    assert list(bench.audiences[-1].user_ids) == [5, 6]
    await bench.look()


async def test_the_memory_is_bounded() -> None:
    bench = Bench(known=10)
    for conversation_id in range(100):
        bench.tell(sent(1, conversation_id), conversation_id)
    assert len(bench.sequencer._last) + len(bench.sequencer._last_before) <= 22


@pytest.mark.parametrize("seed", range(40))
async def test_any_crossing_of_two_nodes_is_put_in_order(seed: int) -> None:
    """Two nodes commit to a few conversations. Their events arrive in their own order, crossed at random, some twice,
    some never; timers ring and the store answers at any time."""
    chance = random.Random(seed)
    conversations = (7, 8, 9)
    committed: dict[int, int] = dict.fromkeys(conversations, 0)
    nodes: tuple[list[MessageSent], list[MessageSent]] = ([], [])
    for _ in range(60):
        conversation_id = chance.choice(conversations)
        committed[conversation_id] += 1
        event = sent(committed[conversation_id], conversation_id)
        if chance.random() < 0.9:
            nodes[chance.random() < 0.5].append(event)
    bench = Bench([sent(seq, each) for each in conversations for seq in range(1, committed[each] + 1)])
    streams = [list(node) for node in nodes]
    while any(streams):
        stream = chance.choice([stream for stream in streams if stream])
        for event in [stream.pop(0) for _ in range(min(len(stream), chance.randint(1, 8)))]:
            for _ in range(1 + (chance.random() < 0.1)):
                bench.tell(event, event.message.conversation_id)
        if chance.random() < 0.5:
            await bench.look()
        if chance.random() < 0.1:
            bench.ring()
    while bench.looks or bench.sequencer._held:
        await bench.look()
        bench.ring()
    for conversation_id in conversations:
        seqs = [
            event.message.seq
            for event in bench.heard
            if isinstance(event, MessageSent) and event.message.conversation_id == conversation_id
        ]
        assert seqs == list(range(1, len(seqs) + 1)), f"conversation {conversation_id}"
        told = [
            event.message.seq for node in nodes for event in node if event.message.conversation_id == conversation_id
        ]
        assert len(seqs) >= max(told, default=0)
