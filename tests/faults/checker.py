"""Whether what a run saw is consistent: pure, so that it can itself be tested with violations.

The promises (PROTOCOL.md section 5): what was acknowledged is stored once, as it was sent; nothing is stored or shown
that nobody sent; a conversation counts 1, 2, 3 … for everybody; a session hears it in that order, without a double and
without a gap, across reconnects too if it resumes; an edit that was acknowledged stays; unread counts are right.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TypeVar

from tests.faults.record import Acked, Break, Changed, Heard, Record, SessionLog, Shown

H = TypeVar("H", Shown, Acked)
MAX_LISTED = 5
"""Of the seqs that a violation names."""


@dataclass(frozen=True, slots=True)
class Violation:
    """`rule` is one of: stored, acked, invented, order, gap, edits, unread, told."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


def check(record: Record) -> list[Violation]:
    """Everything that is wrong; empty if nothing is."""
    stored = _stored(record)
    return [
        *_histories_agree(record, stored),
        *_stored_as_sent(record, stored),
        *_acked_is_stored(record, stored),
        *_edits_stay(record, stored),
        *_unread_is_right(record, stored),
        *(each for session in record.sessions for each in _session_is_right(session, record, stored)),
    ]


Stored = dict[int, dict[int, Shown]]
"""Messages by conversation and seq."""


def _stored(record: Record) -> Stored:
    stored: Stored = {}
    for (_, conversation_id), history in record.histories.items():
        if conversation_id not in stored:
            stored[conversation_id] = {message.seq: message for message in history}
    return stored


def _histories_agree(record: Record, stored: Stored) -> Iterator[Violation]:
    for (user_id, conversation_id), history in record.histories.items():
        where = f"conversation {conversation_id}, read by {user_id}"
        seqs = [message.seq for message in history]
        if seqs != list(range(1, len(seqs) + 1)):
            yield Violation("stored", f"{where}: seqs are not 1 to {len(seqs)}: {_odd(seqs)}")
        if {message.seq: message for message in history} != stored[conversation_id]:
            yield Violation("stored", f"{where}: not what another member reads")
        ids = [message.message_id for message in history]
        if ids != sorted(set(ids)):
            yield Violation("stored", f"{where}: message ids do not grow with seq")


def _odd(seqs: list[int]) -> list[int]:
    """The first that are not one more than the one before."""
    return [seq for before, seq in zip([0, *seqs], seqs, strict=False) if seq != before + 1][:MAX_LISTED]


def _stored_as_sent(record: Record, stored: Stored) -> Iterator[Violation]:
    seen: set[str] = set()
    for messages in stored.values():
        for message in messages.values():
            yield from _is_as_sent("stored", message, record)
            if message.key is not None:
                if message.key in seen:
                    yield Violation("stored", f"{message.key} is stored twice")
                seen.add(message.key)


def _is_as_sent(where: str, message: Shown, record: Record) -> Iterator[Violation]:
    sent = record.sent.get(message.key or "")
    if sent is None:
        yield Violation("invented", f"{where}: {message} was never sent")
        return
    if (sent.user_id, sent.conversation_id) != (message.sender_id, message.conversation_id):
        yield Violation("invented", f"{where}: {message} is by another, or elsewhere, than {sent}")
    if message.content != sent.content and message.content not in _contents(record, sent.key):
        yield Violation("invented", f"{where}: {message} says what nobody wrote")


def _contents(record: Record, key: str) -> list[str]:
    return [edit.content for edit in record.edits.get(key, ())]


def _acked_is_stored(record: Record, stored: Stored) -> Iterator[Violation]:
    places: dict[str, tuple[int, int, int]] = {}
    for session in record.sessions:
        for ack in _of(session.heard, Acked):
            place = (ack.conversation_id, ack.seq, ack.message_id)
            if places.setdefault(ack.key, place) != place:
                yield Violation("acked", f"{ack.key}: acknowledged as {places[ack.key]} and as {place}")
            message = stored.get(ack.conversation_id, {}).get(ack.seq)
            if message is None:
                yield Violation("acked", f"{session.name}: {ack} is lost")
            elif (message.key, message.message_id) != (ack.key, ack.message_id):
                yield Violation("acked", f"{session.name}: in the place of {ack} is {message}")


def _of(heard: Iterable[Heard], kind: type[H]) -> Iterator[H]:
    return (each for each in heard if isinstance(each, kind))


def _edits_stay(record: Record, stored: Stored) -> Iterator[Violation]:
    contents = {message.key: message.content for messages in stored.values() for message in messages.values()}
    for key, edits in record.edits.items():
        acked = [number for number, edit in enumerate(edits) if edit.is_acked]
        if acked:
            allowed = [edit.content for edit in edits[acked[-1] :]]
            if contents.get(key) not in allowed:
                yield Violation("edits", f"{key} is {contents.get(key)!r} after an acknowledged {allowed[0]!r}")


def _unread_is_right(record: Record, stored: Stored) -> Iterator[Violation]:
    for (user_id, conversation_id), counted in record.counted.items():
        where = f"user {user_id} in conversation {conversation_id}"
        messages = stored.get(conversation_id, {}).values()
        expected = sum(each.seq > counted.read_seq and each.sender_id != user_id for each in messages)
        if counted.unread != expected:
            yield Violation("unread", f"{where}: {counted.unread} instead of {expected}")
        marks = record.marks.get((user_id, conversation_id))
        tried, acked = (marks.tried_seq, marks.acked_seq) if marks else (0, 0)
        if not acked <= counted.read_seq <= tried:
            yield Violation("unread", f"{where}: read to {counted.read_seq}, marked {acked} to {tried}")


def _session_is_right(session: SessionLog, record: Record, stored: Stored) -> Iterator[Violation]:
    yield from (Violation("told", f"{session.name}: {complaint}") for complaint in session.complaints)
    mine = {(ack.conversation_id, ack.seq) for ack in _of(session.heard, Acked)}
    conversations = [conversation_id for user_id, conversation_id in record.histories if user_id == session.user_id]
    segments = _segments(session)
    for segment in segments:
        is_last = segment is segments[-1]
        for conversation_id in conversations:
            where = f"{session.name} in conversation {conversation_id}"
            seqs = [message.seq for message in _of(segment.heard, Shown) if message.conversation_id == conversation_id]
            messages = stored[conversation_id]
            last = max(messages if is_last else seqs, default=0)
            current = {seq for seq, message in messages.items() if _sent_at(record, message) > segment.since_s}
            expected = {seq for seq in current if seq <= last and (conversation_id, seq) not in mine}
            yield from _seqs_are_right(where, seqs, current, expected)
        for message in _of(segment.heard, Shown):
            if message.key is None or stored.get(message.conversation_id, {}).get(message.seq) != message:
                yield from _is_shown_rightly(session.name, message, record, stored)
    yield from _views_agree(session, segments[-1].heard, stored)


@dataclass(slots=True)
class _Segment:
    """What was heard between two breaks. What was sent later than `since_s` should have been."""

    since_s: float
    heard: list[Heard]


def _segments(session: SessionLog) -> list[_Segment]:
    segments = [_Segment(-inf if session.is_resuming else inf, [])]
    for each in session.heard:
        if isinstance(each, Break):
            segments.append(_Segment(each.at_s, []))
        else:
            segments[-1].heard.append(each)
    return segments


def _sent_at(record: Record, message: Shown) -> float:
    sent = record.sent.get(message.key or "")
    return sent.at_s if sent is not None else -inf


def _seqs_are_right(where: str, seqs: list[int], current: set[int], expected: set[int]) -> Iterator[Violation]:
    """None twice, none missing, and what was sent while the session was there ascending: an older one may come late.
    What the session sent itself came as an acknowledgement, and is not expected."""
    doubles = [seq for seq, count in Counter(seqs).items() if count > 1]
    if doubles:
        yield Violation("order", f"{where}: heard twice: {doubles[:MAX_LISTED]}")
    late = [seq for before, seq in pairwise(seq for seq in seqs if seq in current) if seq < before]
    if late:
        yield Violation("order", f"{where}: after later ones came {late[:MAX_LISTED]}")
    missing = sorted(expected.difference(seqs))
    if missing:
        yield Violation("gap", f"{where}: {len(missing)} never came: {missing[:MAX_LISTED]}")


def _is_shown_rightly(name: str, message: Shown, record: Record, stored: Stored) -> Iterator[Violation]:
    """It differs from what is stored: by an edit, or by a mistake."""
    yield from _is_as_sent(name, message, record)
    kept = stored.get(message.conversation_id, {}).get(message.seq)
    if kept is None:
        yield Violation("invented", f"{name}: heard {message}, which is not stored")
    elif (kept.message_id, kept.key) != (message.message_id, message.key):
        yield Violation("order", f"{name}: heard {message}; others hear {kept}")


def _views_agree(session: SessionLog, segment: list[Heard], stored: Stored) -> Iterator[Violation]:
    """Who applies what comes, in order, sees at the end what is stored."""
    view: dict[tuple[int, int], str] = {}
    for each in segment:
        if isinstance(each, Shown) or (isinstance(each, Changed) and (each.conversation_id, each.seq) in view):
            view[each.conversation_id, each.seq] = each.content
    for (conversation_id, seq), content in view.items():
        kept = stored.get(conversation_id, {}).get(seq)
        if kept is not None and kept.content != content:
            yield Violation("edits", f"{session.name}: shows {content!r} for {kept}")
