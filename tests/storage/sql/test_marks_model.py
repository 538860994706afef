"""Marks against a model: a member is a set of read seqs."""

import asyncio
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from storage.sql.marks import Coverage
from tests.storage.world import Clock, Stores, World

LAST_SEQ = 12

ranges = st.tuples(st.integers(-2, LAST_SEQ + 3), st.integers(-2, LAST_SEQ + 3))
marks = st.tuples(st.lists(ranges, max_size=4), st.integers(0, LAST_SEQ + 3))


@given(st.integers(0, 5), st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=12))
def test_coverage_returns_what_was_missing(through: int, parts: list[tuple[int, int]]) -> None:
    coverage, covered = Coverage(through), set(range(1, through + 1))
    for first, last in parts:
        wanted = set(range(first, last + 1))
        missing = coverage.cover(first, last)
        assert [seq for low, high in missing for seq in range(low, high + 1)] == sorted(wanted - covered)
        assert all(low <= high for low, high in missing)
        covered |= wanted
        assert set(range(1, coverage.through + 1)) <= covered
        assert coverage.through + 1 not in covered


def test_cursors_and_receipts_follow_the_model(open_any: Callable[[Clock], Stores]) -> None:
    with asyncio.Runner() as runner:
        stores = open_any(Clock())
        runner.run(stores.start())
        world = World(stores, Clock())
        one, two = runner.run(world.users(2))

        @settings(max_examples=60, deadline=None)
        @given(st.lists(st.lists(marks, min_size=1, max_size=4), max_size=5), st.integers(0, 4))
        def check(batches: list[list[tuple[list[tuple[int, int]], int]]], visible_after_seq: int) -> None:
            runner.run(follow(world, one, two, batches, visible_after_seq))

        check()
        runner.run(stores.close())


async def follow(
    world: World,
    sender: int,
    reader: int,
    batches: list[list[tuple[list[tuple[int, int]], int]]],
    visible_after_seq: int,
) -> None:
    group = await world.group(sender, [reader])
    messages = await world.send_all(group.id, sender, ["x"] * LAST_SEQ)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.set_member(reader, visible_after_seq=visible_after_seq)
    read: set[int] = set()
    read_seq = delivered_seq = 0
    for batch in batches:
        answers = await asyncio.gather(
            *(world.mark(group.id, reader, *parts, delivered_seq=delivered) for parts, delivered in batch)
        )
        for (parts, delivered), marked in zip(batch, answers, strict=True):
            seqs = {seq for first, last in parts for seq in range(first, last + 1)}
            seqs &= set(range(visible_after_seq + 1, LAST_SEQ + 1))
            before = (read_seq, delivered_seq)
            read |= seqs
            read_seq = max({read_seq, *seqs})
            delivered_seq = max(delivered_seq, min(delivered, LAST_SEQ))
            assert (marked.read_seq, marked.delivered_seq) == (read_seq, delivered_seq)
            assert (marked.read_moved, marked.delivered_moved) == (read_seq > before[0], delivered_seq > before[1])
    for message in messages:
        receipts = await world.stores.messages.receipts(message)
        assert len(receipts) == (message.seq in read)
    member = await world.stores.conversations.member(group.id, reader)
    assert member is not None
    assert (member.read_seq, member.delivered_seq) == (read_seq, delivered_seq)
    unread = await world.stores.messages.unread(reader, group.id)
    assert unread == LAST_SEQ - max(read_seq, visible_after_seq)
