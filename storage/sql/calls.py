"""Calls, under way and past: the steps of a batch, in one transaction of few statements."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import bindparam, select, union_all

from domain.answer import answer
from domain.errors import DomainError, InvalidValue
from domain.records import Call, CallEnd, CallType
from storage.sql import rows
from storage.sql.database import Database
from storage.sql.dialects import BulkInsert, BulkUpdate, Lock, Query, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.gate import WriteGate
from storage.sql.group_commit import CommitStats, GroupCommitter
from storage.sql.plan import Plan, Writer
from storage.sql.tables import calls, users

_COLUMNS: Final = tuple(calls.c[name] for name in Call.__struct_fields__)
_calls: Final = select(*_COLUMNS)
_is_under_way: Final = calls.c.ended_at_ms.is_(None)
_BY_ID: Final = Query(_calls.where(calls.c.id == bindparam("id")))
_UNDER_WAY: Final = Query(_calls.where(_is_under_way).order_by(calls.c.started_at_ms))

_LOCK_PARTIES: Final = Lock(users, one_of(users.c.id, "user_ids"))
"""Two calls with a party in common start one after the other."""

_LOCK_CALLS: Final = Lock(calls, one_of(calls.c.id, "ids"))
_concerned: Final = union_all(
    _calls.where(one_of(calls.c.id, "ids")),
    _calls.where(one_of(calls.c.caller_id, "user_ids"), _is_under_way),
    _calls.where(one_of(calls.c.callee_id, "user_ids"), _is_under_way),
).subquery()
_CONCERNED: Final = Query(select(*_concerned.c), is_packed=True)
"""After the locks, so that it sees what was committed while they were waited for. A call may come more than once."""

_INSERT: Final = BulkInsert(calls, *_COLUMNS)
_UPDATE: Final = BulkUpdate(calls, calls.c.id, calls.c.reason, calls.c.answered_at_ms, calls.c.ended_at_ms)

MAX_ATTEMPTS: Final = 8
"""Of one batch against ids that other processes store meanwhile."""


class _Start(msgspec.Struct, frozen=True):
    call: Call
    ringing_since_ms: int


class _Answer(msgspec.Struct, frozen=True):
    call_id: str
    now_ms: int


class _End(msgspec.Struct, frozen=True):
    call_id: str
    reason: CallEnd
    if_answered: CallEnd | None
    now_ms: int


_Step = _Start | _Answer | _End
_Outcome = Call | None | DomainError


class _Board:
    """The calls that a batch is about, as they are while it is worked through."""

    def __init__(self, stored: Sequence[Call]) -> None:
        self.calls: dict[str, Call] = {}
        self._under_way: dict[int, set[str]] = {}
        for call in stored:
            self._put(call)

    def _put(self, call: Call) -> Call:
        self.calls[call.id] = call
        if call.ended_at_ms is None:
            for user_id in call.parties:
                self._under_way.setdefault(user_id, set()).add(call.id)
        return call

    def take(self, step: _Step) -> _Outcome:
        match step:
            case _Start():
                return self._start(step)
            case _Answer():
                call = self.calls.get(step.call_id)
                if call is None or call.ended_at_ms is not None or call.answered_at_ms is not None:
                    return None
                return self._put(msgspec.structs.replace(call, answered_at_ms=step.now_ms))
            case _End():
                return self._end(step)

    def _start(self, step: _Start) -> _Outcome:
        if step.call.id in self.calls:
            return InvalidValue("call_id", "was used before")
        for user_id in step.call.parties:
            for other in map(self.calls.__getitem__, self._under_way.get(user_id, ())):
                if other.ended_at_ms is None and (
                    other.answered_at_ms is not None or other.started_at_ms >= step.ringing_since_ms
                ):
                    return None
        return self._put(step.call)

    def _end(self, step: _End) -> _Outcome:
        call = self.calls.get(step.call_id)
        if call is None or call.ended_at_ms is not None:
            return None
        reason = step.reason if call.answered_at_ms is None else step.if_answered
        if reason is None:
            return None
        return self._put(msgspec.structs.replace(call, reason=reason, ended_at_ms=step.now_ms))


def _plan(steps: Sequence[_Step]) -> Plan[list[_Outcome]]:
    """Takes the steps, in order; an outcome for each. The caller runs it in a transaction."""
    starts = [step.call for step in steps if isinstance(step, _Start)]
    parties = [[user_id] for user_id in sorted({user_id for call in starts for user_id in call.parties})]
    changing = sorted({step.call_id for step in steps if not isinstance(step, _Start)})
    if parties:
        yield _LOCK_PARTIES, {"user_ids": parties}
    if changing:
        yield _LOCK_CALLS, {"ids": [[call_id] for call_id in changing]}
    ids = [[call_id] for call_id in changing] + [[call.id] for call in starts]
    board = _Board([_call(row) for row in (yield _CONCERNED, {"ids": ids, "user_ids": parties})])
    stored = dict(board.calls)
    outcomes = [board.take(step) for step in steps]
    new = [call for call_id, call in board.calls.items() if call_id not in stored]
    if new:
        yield _INSERT, [_row(call) for call in new]
    changed = [call for call_id, call in board.calls.items() if stored.get(call_id, call) is not call]
    if changed:
        yield _UPDATE, [(call.id, call.reason, call.answered_at_ms, call.ended_at_ms) for call in changed]
    return outcomes


def _call(row: rows.Row) -> Call:
    return Call(
        id=row[0],
        caller_id=row[1],
        callee_id=row[2],
        call_type=CallType(row[3]),
        reason=None if row[4] is None else CallEnd(row[4]),
        started_at_ms=row[5],
        answered_at_ms=row[6],
        ended_at_ms=row[7],
    )


def _row(call: Call) -> tuple[object, ...]:
    """The values of `_COLUMNS`."""
    return msgspec.structs.astuple(call)


class SqlCallStore:
    """Implements `domain.ports.CallStore`."""

    def __init__(self, database: Database, writer: Writer, gate: WriteGate) -> None:
        self._database = database
        self._writer = writer
        self._committer: GroupCommitter[_Step, Call | None] = GroupCommitter(self._commit, gate, "calls")

    @property
    def stats(self) -> CommitStats:
        return self._committer.stats

    async def start(self, call: Call, ringing_since_ms: int) -> bool:
        return await self._take(_Start(call, ringing_since_ms)) is not None

    async def get(self, call_id: str) -> Call | None:
        found = await self._database.query(_BY_ID, id=call_id)
        return _call(found[0]) if found else None

    async def answer(self, call_id: str, now_ms: int) -> Call | None:
        return await self._take(_Answer(call_id, now_ms))

    async def end(self, call_id: str, reason: CallEnd, now_ms: int, *, if_answered: CallEnd | None) -> Call | None:
        return await self._take(_End(call_id, reason, if_answered, now_ms))

    async def under_way(self) -> list[Call]:
        return [_call(row) for row in await self._database.query(_UNDER_WAY)]

    async def _take(self, step: _Step) -> Call | None:
        return await answer(partial(self._committer.submit, step))

    async def _commit(self, steps: Sequence[_Step]) -> Sequence[_Outcome]:
        for attempt in range(MAX_ATTEMPTS):
            try:
                return await self._writer.write(partial(_plan, steps))
            except UniqueViolation:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    async def close(self) -> None:
        await self._committer.close()
