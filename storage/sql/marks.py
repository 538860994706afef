"""Read marks: cursors and receipts of a batch, in one transaction of few statements."""

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import BigInteger, and_, select

from domain.errors import ConversationNotFound, DomainError, NotAMember
from domain.model import ConversationStatus, MemberStatus
from domain.ports import Mark, Marked
from storage.sql.dialects import BulkInsert, BulkUpdate, Query, Turn, given
from storage.sql.gate import WriteGate
from storage.sql.group_commit import CommitStats, GroupCommitter
from storage.sql.plan import Plan, Writer
from storage.sql.tables import conversations, members, receipts

Outcome = Marked | DomainError
Pair = tuple[int, int]
Range = tuple[int, int]

_pairs = given("pairs", conversation_id=BigInteger(), user_id=BigInteger())
_LOCK: Final = Query(
    select(
        _pairs.c.conversation_id,
        _pairs.c.user_id,
        select(conversations.c.last_seq)
        .where(
            conversations.c.id == _pairs.c.conversation_id, conversations.c.status == ConversationStatus.ACTIVE.value
        )
        .scalar_subquery(),
        members.c.id,
        members.c.read_seq,
        members.c.delivered_seq,
        members.c.visible_after_seq,
        members.c.receipts_through_seq,
    )
    .select_from(_pairs)
    .outerjoin(
        members,
        and_(
            members.c.conversation_id == _pairs.c.conversation_id,
            members.c.user_id == _pairs.c.user_id,
            members.c.status == MemberStatus.ACTIVE.value,
        ),
    )
    .with_for_update()
)
"""Locks members in the order of the pairs, and no conversations: those are being appended to."""

_spans = given("spans", conversation_id=BigInteger(), user_id=BigInteger(), from_seq=BigInteger(), to_seq=BigInteger())
_COVERED: Final = Query(
    select(receipts.c.conversation_id, receipts.c.user_id, receipts.c.from_seq, receipts.c.to_seq)
    .select_from(_spans)
    .join(
        receipts,
        and_(
            receipts.c.conversation_id == _spans.c.conversation_id,
            receipts.c.user_id == _spans.c.user_id,
            receipts.c.to_seq >= _spans.c.from_seq,
            receipts.c.from_seq <= _spans.c.to_seq,
        ),
    )
)

TURN: Final = Turn(receipts)
_INSERT: Final = BulkInsert(
    receipts,
    receipts.c.conversation_id,
    receipts.c.user_id,
    receipts.c.from_seq,
    receipts.c.to_seq,
    receipts.c.read_at_ms,
)
_MOVE: Final = BulkUpdate(
    members, members.c.id, members.c.read_seq, members.c.delivered_seq, members.c.receipts_through_seq
)


class Coverage:
    """The seqs that a member has receipts for: all up to `through`, and the ranges that are known beyond it."""

    __slots__ = ("_ranges", "through")

    def __init__(self, through: int) -> None:
        self.through = through
        self._ranges: list[Range] = []

    def know(self, first: int, last: int) -> None:
        """Adds a range, which does not overlap with others."""
        self._ranges.append((first, last))
        self._ranges.sort()
        while self._ranges and self._ranges[0][0] <= self.through + 1:
            self.through = max(self.through, self._ranges.pop(0)[1])

    def cover(self, first: int, last: int) -> list[Range]:
        """Adds a range and returns the parts of it that were not covered, ascending."""
        first = max(first, self.through + 1)
        missing: list[Range] = []
        for low, high in [*self._ranges, (last + 1, last + 1)]:
            if high < first:
                continue
            if low > last + 1:
                low = last + 1
            if first < low:
                missing.append((first, low - 1))
            first = max(first, high + 1)
            if first > last:
                break
        for part in missing:
            self.know(*part)
        return missing


class _Cursors:
    """One member's marks while a batch is worked through."""

    __slots__ = ("coverage", "delivered_seq", "last_seq", "member_id", "read_seq", "visible_after_seq")

    def __init__(self, row: Sequence[int]) -> None:
        self.last_seq, self.member_id, self.read_seq, self.delivered_seq, self.visible_after_seq, through = row
        # What the member may not see needs no receipt.
        self.coverage = Coverage(max(through, self.visible_after_seq))

    def clip(self, ranges: Sequence[Range]) -> list[Range]:
        """What of the ranges exists and is visible to the member."""
        clipped = ((max(first, self.visible_after_seq + 1), min(last, self.last_seq)) for first, last in ranges)
        return [(first, last) for first, last in clipped if first <= last]

    def apply(self, mark: Mark) -> tuple[Marked, list[Range]]:
        """The answer, and the ranges that need receipts."""
        ranges = self.clip(mark.read)
        read_seq = max([self.read_seq, *(last for _, last in ranges)])
        delivered_seq = max(self.delivered_seq, min(mark.delivered_seq, self.last_seq))
        marked = Marked(read_seq, delivered_seq, read_seq > self.read_seq, delivered_seq > self.delivered_seq)
        self.read_seq, self.delivered_seq = read_seq, delivered_seq
        return marked, [part for item in ranges for part in self.coverage.cover(*item)]


def mark_plan(marks: Sequence[Mark], now_ms: int) -> Plan[list[Outcome]]:
    """Applies the marks, in order; an outcome for each. The caller runs it in a transaction."""
    pairs = sorted({(mark.conversation_id, mark.user_id) for mark in marks})
    found: dict[Pair, _Cursors | None] = {}
    for row in (yield _LOCK, {"pairs": pairs}):
        if row[2] is not None:
            found[row[0], row[1]] = None if row[3] is None else _Cursors(row[2:])

    spans: dict[Pair, Range] = {}
    for mark in marks:
        pair = (mark.conversation_id, mark.user_id)
        cursors = found.get(pair)
        for first, last in cursors.clip(mark.read) if cursors else ():
            low, high = spans.get(pair, (first, last))
            spans[pair] = (min(first, low), max(last, high))
    if spans:
        # One message further, so that a range that touches is known and the prefix grows over it.
        known = [
            (*pair, max(low, cursors.coverage.through + 1), high + 1)
            for pair, (low, high) in spans.items()
            if (cursors := found[pair]) is not None
        ]
        for conversation_id, user_id, first, last in (yield _COVERED, {"spans": known}):
            cursors = found[conversation_id, user_id]
            assert cursors is not None
            cursors.coverage.know(first, last)

    outcomes: list[Outcome] = []
    new: list[tuple[int, int, int, int, int]] = []
    moved: dict[int, _Cursors] = {}
    for mark in marks:
        pair = (mark.conversation_id, mark.user_id)
        cursors = found.get(pair)
        if cursors is None:
            outcomes.append(NotAMember() if pair in found else ConversationNotFound())
            continue
        marked, ranges = cursors.apply(mark)
        new += [(*pair, first, last, now_ms) for first, last in ranges]
        if ranges or marked.read_moved or marked.delivered_moved:
            moved[cursors.member_id] = cursors
        outcomes.append(marked)
    if moved:
        yield (
            _MOVE,
            [(key, item.read_seq, item.delivered_seq, item.coverage.through) for key, item in moved.items()],
        )
    if new:
        yield TURN, ()
        yield _INSERT, new
    return outcomes


class SqlMarkLog:
    """Implements `domain.ports.MarkLog`."""

    def __init__(self, writer: Writer, gate: WriteGate, now_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._now_ms = now_ms
        self._committer: GroupCommitter[Mark, Marked] = GroupCommitter(self._commit, gate, "marks")

    @property
    def stats(self) -> CommitStats:
        return self._committer.stats

    def mark(self, mark: Mark, done: Callable[[Outcome], None]) -> None:
        self._committer.submit(mark, done)

    async def close(self) -> None:
        await self._committer.close()

    async def _commit(self, marks: Sequence[Mark]) -> Sequence[Outcome]:
        now_ms = self._now_ms()
        return await self._writer.write(lambda: mark_plan(marks, now_ms))
