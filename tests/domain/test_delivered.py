"""Nothing is heard twice, nobody is left out, and no event brings an older state of a message back."""

from typing import Any

import pytest

from domain.delivered import MAX_CHANGED, Delivered
from domain.events import (
    ConversationUpdated,
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageRecalled,
    MessageSent,
)
from domain.model import Conversation, ConversationKind, Message, MessageState, Profile
from domain.ports import Audience

SENDER = Profile(1, "sender", "sender")


def message(at_ms: int = 0, message_id: int = 70, **fields: Any) -> Message:
    return Message(
        id=message_id, conversation_id=7, seq=3, sender_id=1, created_at_ms=1000, updated_at_ms=1000 + at_ms, **fields
    )


SENT = MessageSent(message(content="first"), SENDER)
EDITED = MessageEdited(message(1, content="second", state=MessageState.EDITED), SENDER)
EDITED_AGAIN = MessageEdited(message(2, content="third", state=MessageState.EDITED), SENDER)
PINNED = MessagePinned(message(3, content="third", state=MessageState.EDITED, is_pinned=True), 1, 3)
RECALLED = MessageRecalled(message(2, state=MessageState.RECALLED), 1, 2)
DELETED = MessageDeleted(message(2, state=MessageState.DELETED), 1, True, 2)


class Bench:
    def __init__(self) -> None:
        self.heard: list[tuple[Event, list[int]]] = []
        self.delivered = Delivered(lambda event, audience, origin: self.heard.append((event, [*audience.user_ids])))

    def tell(self, *events: Event, user_ids: tuple[int, ...] = (5,)) -> None:
        for event in events:
            self.delivered.on_event(event, Audience(user_ids, 7))

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(type(event).__name__, event.message.content) for event, _ in self.heard]  # type: ignore[attr-defined]


def test_a_message_goes_once_to_each() -> None:
    bench = Bench()
    bench.tell(SENT, user_ids=(5,))
    bench.tell(SENT, user_ids=(5, 6))
    bench.tell(SENT, user_ids=(6,))
    assert bench.heard == [(SENT, [5]), (SENT, [6])]
    assert bench.delivered.duplicates == 1


def test_what_was_told_to_nobody_was_not_heard() -> None:
    """Another node's change of a roster changes ours, and its hearers are told from the store."""
    bench = Bench()
    conversation = Conversation(
        id=7, kind=ConversationKind.GROUP, creator_id=1, max_members=9, created_at_ms=1, updated_at_ms=1
    )
    event = ConversationUpdated(conversation, 1, ("name",), (5,), 1)
    bench.tell(event, user_ids=())
    assert not bench.delivered.has_heard(event)
    bench.tell(event)
    assert bench.delivered.has_heard(event)
    assert bench.heard == [(event, []), (event, [5])]


def test_in_order_everything_goes_on_as_it_is() -> None:
    bench = Bench()
    bench.tell(SENT, EDITED, EDITED_AGAIN, PINNED)
    assert [event for event, _ in bench.heard] == [SENT, EDITED, EDITED_AGAIN, PINNED]


@pytest.mark.parametrize("change", [EDITED, RECALLED, DELETED, PINNED])
def test_a_message_that_comes_after_its_change_shows_it(change: Any) -> None:
    bench = Bench()
    bench.tell(change, SENT)
    assert bench.heard == [(change, [5]), (MessageSent(change.message, SENDER), [5])]


def test_an_older_edit_undoes_no_newer_one() -> None:
    bench = Bench()
    bench.tell(EDITED_AGAIN, EDITED)
    assert bench.told == [("MessageEdited", "third"), ("MessageEdited", "third")]
    pinned = Bench()
    pinned.tell(PINNED, EDITED)
    assert pinned.told == [("MessagePinned", "third"), ("MessageEdited", "third")]


@pytest.mark.parametrize("end", [RECALLED, DELETED])
def test_what_is_gone_stays_gone_whatever_the_clocks_say(end: Any) -> None:
    bench = Bench()
    bench.tell(end, EDITED, EDITED_AGAIN, PINNED, SENT)
    assert bench.heard == [(end, [5]), (MessageSent(end.message, SENDER), [5])]


def test_a_changed_message_of_the_store_is_the_newer_one() -> None:
    stored = MessageSent(EDITED.message, SENDER)
    bench = Bench()
    bench.tell(stored, user_ids=(5,))
    bench.tell(SENT, user_ids=(5, 6))
    assert bench.heard == [(stored, [5]), (stored, [6])]
    assert bench.told[-1] == ("MessageSent", "second")


def test_hiding_a_message_for_oneself_changes_it_for_nobody() -> None:
    hidden = MessageDeleted(message(content="first"), 5, False, 9)
    bench = Bench()
    bench.tell(hidden, SENT)
    bench.tell(EDITED, hidden)
    assert bench.heard[0] == (hidden, [5])
    assert bench.heard[1] == (SENT, [5])
    assert bench.heard[-1] == (hidden, [5])


def test_a_change_of_the_store_is_told_though_it_has_to_wait_and_its_late_copy_is_not() -> None:
    bench = Bench()
    bench.tell(SENT)
    bench.delivered.catches(EDITED)
    assert bench.delivered.has_heard(EDITED), "it is on its way"
    bench.tell(EDITED)
    bench.tell(EDITED)
    assert bench.heard == [(SENT, [5]), (EDITED, [5])]
    assert bench.delivered.duplicates == 1


def test_the_memory_of_changes_is_bounded() -> None:
    bench = Bench()
    for number in range(3 * MAX_CHANGED):
        bench.tell(MessageEdited(message(1, number, content="x"), SENDER))
    states = bench.delivered._states
    assert len(states._young) + len(states._old) <= 2 * MAX_CHANGED + 1
