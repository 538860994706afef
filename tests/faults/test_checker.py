"""The checker finds every violation it promises to find, and nothing where all is well."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.checker import check
from tests.faults.record import Acked, Break, Changed, Counted, Edit, Marks, Record, Sent, SessionLog, Shown

ALICE, BOB, ROOM = 1, 2, 42


def shown(seq: int, sender: int = ALICE, content: str = "") -> Shown:
    return Shown(ROOM, seq, 100 + seq, sender, f"k{seq}", content or f"body {seq}")


def acked(seq: int) -> Acked:
    return Acked(f"k{seq}", ROOM, seq, 100 + seq)


def world() -> Record:
    """Alice sent 1, 2, 4; Bob sent 3 and edited it; he resumes on one session, and looks in on another."""
    history = [shown(1), shown(2), shown(3, BOB, "edited"), shown(4)]
    record = Record()
    for message in (shown(1), shown(2), shown(3, BOB), shown(4)):
        assert message.key
        record.sent[message.key] = Sent(message.key, message.sender_id, ROOM, message.content, message.seq)
    record.edits["k3"] = [Edit("edited", is_acked=True)]
    change = Changed(ROOM, 3, 103, "edited")
    record.sessions = [
        SessionLog("alice", ALICE, True, [acked(1), acked(2), shown(3, BOB), change, acked(4)]),
        SessionLog("bob", BOB, True, [shown(1), shown(2), acked(3), change, shown(4)]),
        SessionLog("web", BOB, False, [Break(0.5), shown(1), shown(2), Break(2.5), shown(3, BOB), change, shown(4)]),
    ]
    record.histories = {(ALICE, ROOM): history, (BOB, ROOM): list(history)}
    record.marks[BOB, ROOM] = Marks(tried_seq=2, acked_seq=2)
    record.counted = {(ALICE, ROOM): Counted(0, 1), (BOB, ROOM): Counted(2, 1)}
    return record


def test_all_is_well() -> None:
    assert check(world()) == []


def _heard(name: str, *heard: object) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        session = next(each for each in record.sessions if each.name == name)
        session.heard[:] = heard  # type: ignore[assignment]

    return change


def _stored(*history: Shown) -> Callable[[Record], None]:
    def change(record: Record) -> None:
        for place in record.histories:
            record.histories[place] = list(history)

    return change


def _complain(record: Record) -> None:
    record.sessions[0].complaints.append("refused")


def _forget_sent(record: Record) -> None:
    del record.sent["k4"]


EDITED = shown(3, BOB, "edited")
CHANGE = Changed(ROOM, 3, 103, "edited")
VIOLATIONS: dict[str, tuple[str, Callable[[Record], None]]] = {
    "an acknowledged message is lost": ("acked", _stored(shown(1), shown(2), EDITED)),
    "another is in its place": (
        "acked",
        _stored(shown(1), replace(shown(4), seq=2), EDITED, replace(shown(2), seq=4)),
    ),
    "acknowledged twice, differently": (
        "acked",
        _heard("alice", acked(1), replace(acked(1), seq=2), acked(2), EDITED, acked(4)),
    ),
    "stored twice": (
        "stored",
        _stored(shown(1), shown(2), EDITED, shown(4), replace(shown(4), seq=5, message_id=9999)),
    ),
    "a gap in the store": ("stored", _stored(shown(1), shown(2), EDITED, replace(shown(4), seq=5))),
    "ids that do not grow": ("stored", _stored(replace(shown(1), message_id=104), shown(2), EDITED, shown(4))),
    "members read different things": (
        "stored",
        lambda record: record.histories.update({(BOB, ROOM): [shown(1), shown(2), EDITED]}),
    ),
    "stored, but never sent": ("invented", _forget_sent),
    "stored under another sender": ("invented", _stored(shown(1), shown(2), EDITED, replace(shown(4), sender_id=BOB))),
    "stored with other words": ("invented", _stored(shown(1), shown(2), EDITED, replace(shown(4), content="?"))),
    "stored without its key": ("invented", _stored(shown(1), shown(2), EDITED, replace(shown(4), key=None))),
    "heard, but not stored": ("invented", _heard("web", Break(), *map(shown, (1, 2)), EDITED, shown(4), shown(5))),
    "heard with other words": ("invented", _heard("web", replace(shown(1), content="?"), Break(), shown(4))),
    "heard in another place": (
        "order",
        _heard("web", replace(shown(2), seq=1, message_id=102), Break(), shown(4)),
    ),
    "heard twice": ("order", _heard("bob", shown(1), shown(1), shown(2), acked(3), shown(4))),
    "heard twice after a resume": ("order", _heard("bob", shown(1), shown(2), acked(3), shown(4), shown(2))),
    "heard in another order": ("order", _heard("bob", shown(2), shown(1), acked(3), shown(4))),
    "a gap in the middle": ("gap", _heard("bob", shown(1), acked(3), shown(4))),
    "a gap at the beginning": ("gap", _heard("bob", shown(2), acked(3), shown(4))),
    "a gap at the end": ("gap", _heard("bob", shown(1), shown(2), acked(3))),
    "nothing at all": ("gap", _heard("bob", acked(3))),
    "a gap within a connection": ("gap", _heard("web", Break(0.5), shown(1), EDITED, Break(3.5), shown(4))),
    "a gap at the end of the last connection": ("gap", _heard("web", Break(0.5), shown(1), Break(1.5), shown(2))),
    "an edit that was acknowledged is gone": ("edits", _stored(shown(1), shown(2), shown(3, BOB), shown(4))),
    "an edit that did not arrive": ("edits", _heard("alice", acked(1), acked(2), shown(3, BOB), acked(4))),
    "an edit undone by an older text": ("edits", _heard("web", EDITED, shown(4), replace(CHANGE, content="body 3"))),
    "unread too many": ("unread", lambda record: record.counted.update({(BOB, ROOM): Counted(2, 2)})),
    "a mark that was acknowledged is gone": (
        "unread",
        lambda record: record.counted.update({(BOB, ROOM): Counted(1, 2)}),
    ),
    "a mark that nobody made": ("unread", lambda record: record.counted.update({(ALICE, ROOM): Counted(3, 0)})),
    "told what should never be": ("told", _complain),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_it_finds(name: str) -> None:
    rule, spoil = VIOLATIONS[name]
    record = world()
    spoil(record)
    assert rule in {violation.rule for violation in check(record)}


def test_a_gap_that_was_told_is_none() -> None:
    """After `Resynchronise` a session that resumes may have missed something, but hears all from there on."""
    record = world()
    _heard("bob", shown(1), acked(3), Break(2.5), EDITED, shown(4))(record)
    assert check(record) == []
    _heard("bob", Break(1.5), shown(1), EDITED, shown(4))(record)
    assert {violation.rule for violation in check(record)} == {"gap"}


def test_an_edit_whose_fate_is_unknown_may_have_been_made() -> None:
    record = world()
    record.edits["k3"].append(Edit("edited again"))
    assert check(record) == []
    again = replace(EDITED, content="edited again")
    _stored(shown(1), shown(2), again, shown(4))(record)
    for session in record.sessions:
        session.heard.append(replace(CHANGE, content="edited again"))
    assert check(record) == []


def test_a_session_that_does_not_resume_is_to_hear_what_is_sent_while_it_is_there() -> None:
    record = world()
    _heard("web", Break(0.5), shown(1), shown(2), Break(3.5), shown(4), shown(2))(record)
    assert check(record) == [], "an old message may come late, to one who was not there when it was sent"
    _heard("web", Break(0.5), shown(2), shown(1), Break(3.5), shown(4))(record)
    assert {violation.rule for violation in check(record)} == {"order"}
    _heard("web", Break(0.5), shown(1), shown(2), Break(3.5), shown(2), shown(4), shown(2))(record)
    assert {violation.rule for violation in check(record)} == {"order"}, "but not twice"
    _heard("web", Break(0.5), shown(1), shown(2), Break(2.5), shown(4))(record)
    assert {violation.rule for violation in check(record)} == {"gap"}
    _heard("web", Break(0.5), shown(1), shown(2), Break(3.5))(record)
    assert {violation.rule for violation in check(record)} == {"gap"}
