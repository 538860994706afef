"""Which messages are news, and from where to resume: against a simple model."""

from hypothesis import given
from hypothesis import strategies as st

from client.progress import Progress


def started() -> Progress:
    progress = Progress()
    progress.start("epoch", "p1")
    return progress


def test_a_message_is_news_once() -> None:
    progress = started()
    assert [progress.received(1, seq) for seq in (5, 6, 6, 5, 7)] == [True, True, False, False, True]
    assert progress.sync(9, 100).cursors == [(1, 7)]


def test_an_ack_may_overtake_somebody_elses_message() -> None:
    progress = started()
    assert progress.received(1, 1)
    progress.acknowledged(1, 3)
    assert progress.sync(9, 100).cursors == [(1, 1)], "2 is missing: the cursor must not pass it"
    assert progress.received(1, 2)
    assert progress.sync(9, 100).cursors == [(1, 3)]
    assert not progress.received(1, 3)


def test_an_ack_in_a_conversation_that_is_new_hides_nothing() -> None:
    progress = started()
    progress.acknowledged(1, 8)
    assert progress.sync(9, 100).cursors == []
    assert progress.received(1, 7)
    assert not progress.received(1, 8)
    assert progress.sync(9, 100).cursors == [(1, 8)]


def test_conversations_that_have_long_been_quiet_are_forgotten() -> None:
    """Not at once, however many positions come: what was seen before a position came may be later than it."""
    progress = started()
    progress.received(1, 1)
    progress.advance("p2", 100)
    for number in range(10):
        progress.received(2, number + 1)
        progress.advance(f"q{number}", 101 + number)
    assert sorted(progress.sync(9, 100).cursors) == [(1, 1), (2, 10)]
    assert not progress.received(1, 1)
    progress.advance("p3", 161)
    progress.received(2, 11)
    progress.advance("p3", 300)
    progress.advance("", 300)
    progress.advance("p4", 222)
    sync = progress.sync(9, 100)
    assert (sync.position, sync.cursors) == ("p4", [(2, 11)])


def test_the_latest_cursors_fit_into_the_frame() -> None:
    progress = started()
    for conversation_id in (1, 2, 3, 1):
        progress.received(conversation_id, 9)
    assert progress.sync(9, 2).cursors == [(3, 9), (1, 9)]


def test_what_was_said_while_one_had_left_is_not_waited_for_for_ever() -> None:
    progress = started()
    progress.received(1, 3)
    for seq in range(9, 200):
        assert progress.received(1, seq)
        progress.advance(f"q{seq}", seq)
    ((_, cursor),) = progress.sync(9, 100).cursors
    assert cursor == 199
    assert not progress.received(1, 150)


@given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11)))
def test_any_order_gives_each_message_once_and_a_cursor_without_gaps(order: list[int], mine: set[int]) -> None:
    progress = started()
    assert progress.received(1, 1)
    news = {1}
    for seq in order:
        if seq in mine:
            progress.acknowledged(1, seq)
        elif progress.received(1, seq):
            assert seq not in news
            news.add(seq)
        have = news | {each for each in order[: order.index(seq) + 1] if each in mine}
        ((_, cursor),) = progress.sync(9, 100).cursors
        assert set(range(1, cursor + 1)) <= have
        assert cursor + 1 not in have
    assert news | mine == set(range(1, 12)) | {1}
