"""Sending, recall, deletion, reading: the rules and their limits."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import insert

from domain.errors import (
    Blocked,
    ConversationNotFound,
    DomainError,
    FileNotFound,
    Forbidden,
    InvalidState,
    InvalidValue,
    MessageNotFound,
    Muted,
    NotAMember,
    NotFriends,
    RecallWindowOver,
    Unavailable,
    UnsupportedType,
)
from domain.events import ContactChanged, Event, MessageDeleted, MessageSent, ReceiptMarked, Relation
from domain.messages import MessageLimits
from domain.model import Draft, Location, Message, MessageKind, MessageState, Profile, Role
from domain.ports import Appended, Audience
from storage.sql.tables import contacts
from tests.domain.conftest import People
from tests.world import PASSWORD, Rules


async def say(rules: Rules, who: Profile, conversation_id: int, content: str = "x", **fields: object) -> Message:
    draft = Draft(conversation_id=conversation_id, sender_id=who.id, content=content, **fields)  # type: ignore[arg-type]
    return (await rules.messages.send(who, draft)).message


async def test_messages_keep_the_order_in_which_they_were_submitted(rules: Rules, people: People) -> None:
    """Also where the roster must be loaded first, and the first of them waits for it."""
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    outcomes: list[Appended | DomainError] = []
    for number in range(50):
        draft = Draft(conversation_id=conversation.id, sender_id=alice.id, content=str(number))
        rules.messages.submit(alice, draft, outcomes.append)
    async with asyncio.timeout(10):
        while len(outcomes) < 50:
            await asyncio.sleep(0.001)
    messages = [outcome.message for outcome in outcomes if isinstance(outcome, Appended)]
    assert [message.content for message in messages] == [str(number) for number in range(50)]
    assert [message.seq for message in messages] == list(range(1, 51))


async def test_the_acknowledgement_comes_before_the_fan_out(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    order: list[str] = []

    def heard(event: Event, audience: Audience, origin: object | None) -> None:
        if isinstance(event, MessageSent):
            order.append(f"event of {origin} to {sorted(audience.user_ids)}")

    rules.bus.subscribe(heard)
    done = asyncio.Event()

    def acked(outcome: Appended | DomainError) -> None:
        order.append("ack")
        done.set()

    draft = Draft(conversation_id=conversation.id, sender_id=alice.id, content="x")
    rules.messages.submit(alice, draft, acked, "session")
    await done.wait()
    assert order == ["ack", f"event of session to {[alice.id, bob.id]}"]


async def test_who_may_send(rules: Rules, people: People) -> None:
    alice, bob, eve = await people("alice", "bob", "eve")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    with pytest.raises(NotAMember):
        await say(rules, eve, group.id)
    with pytest.raises(ConversationNotFound):
        await say(rules, alice, 10**9)
    muted_until_ms = rules.clock.at_ms + 60_000
    await rules.conversations.update_member(alice, group.id, bob.id, muted_until_ms=muted_until_ms)
    with pytest.raises(Muted):
        await say(rules, bob, group.id)
    rules.clock.at_ms = muted_until_ms
    await say(rules, bob, group.id)
    await rules.conversations.delete(alice, group.id)
    with pytest.raises(ConversationNotFound):
        await say(rules, alice, group.id)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"content": ""}, InvalidValue),
        ({"content": "x" * 5001}, InvalidValue),
        ({"content": "x", "client_msg_id": ""}, InvalidValue),
        ({"content": "x", "client_msg_id": "x" * 65}, InvalidValue),
        ({"kind": MessageKind.LOCATION}, InvalidValue),
        ({"kind": MessageKind.LOCATION, "attachment": Location("91", "0")}, InvalidValue),
        ({"kind": MessageKind.LOCATION, "attachment": Location("nan", "0")}, InvalidValue),
        ({"kind": MessageKind.LOCATION, "attachment": Location("１", "0")}, InvalidValue),
        ({"kind": MessageKind.SYSTEM, "content": "x"}, UnsupportedType),
        ({"kind": MessageKind.FILE}, InvalidValue),
        ({"kind": MessageKind.FILE, "file_id": "none"}, FileNotFound),
        ({"content": "x", "file_id": "none"}, InvalidValue),
        ({"content": "x", "reply_to_id": 10**9}, MessageNotFound),
    ],
)
async def test_what_may_not_be_sent(
    rules: Rules, people: People, fields: dict[str, object], error: type[DomainError]
) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    with pytest.raises(error):
        await rules.messages.send(
            alice,
            Draft(conversation_id=conversation.id, sender_id=alice.id, **fields),  # type: ignore[arg-type]
        )
    assert (await say(rules, alice, conversation.id)).seq == 1, "a refusal takes no number"


async def test_a_reply_stays_in_its_conversation(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    ours = await rules.conversations.open_single(alice, bob.id)
    theirs = await rules.conversations.open_single(alice, carol.id)
    message = await say(rules, alice, ours.id)
    assert (await say(rules, bob, ours.id, reply_to_id=message.id)).reply_to_id == message.id
    with pytest.raises(MessageNotFound):
        await say(rules, alice, theirs.id, reply_to_id=message.id)


async def test_recall_has_a_window_for_the_sender_and_none_for_owner_and_admins(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    group = await rules.conversations.create_group(alice, [bob.id, carol.id], name="g")
    message = await say(rules, bob, group.id, "oops")
    with pytest.raises(Forbidden):
        await rules.messages.recall(carol, message.id)
    rules.clock.at_ms = message.created_at_ms + 120_000
    other = await say(rules, bob, group.id, "late")
    recalled = await rules.messages.recall(bob, message.id)
    assert (recalled.state, recalled.content, recalled.seq) == (MessageState.RECALLED, "", message.seq)
    assert await rules.messages.recall(bob, message.id) == recalled, "twice changes nothing"
    rules.clock.at_ms = other.created_at_ms + 120_001
    with pytest.raises(RecallWindowOver):
        await rules.messages.recall(bob, other.id)
    await rules.messages.recall(alice, other.id)
    with pytest.raises(InvalidState):
        await rules.messages.edit(bob, other.id, "x")


async def test_nobody_recalls_the_others_messages_in_a_single_conversation(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    message = await say(rules, bob, conversation.id)
    for attempt in (rules.messages.recall, rules.messages.delete):
        with pytest.raises(Forbidden):
            await attempt(alice, message.id)


async def test_only_the_sender_edits_and_only_text(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    message = await say(rules, bob, group.id, "teh")
    with pytest.raises(Forbidden):
        await rules.messages.edit(alice, message.id, "the")
    edited = await rules.messages.edit(bob, message.id, "the")
    assert (edited.content, edited.state) == ("the", MessageState.EDITED)
    place = await say(rules, bob, group.id, "", kind=MessageKind.LOCATION, attachment=Location("1", "2"))
    with pytest.raises(InvalidState):
        await rules.messages.edit(bob, place.id, "x")


async def test_unread_leaves_out_own_recalled_and_silent_messages(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    messages = [await say(rules, alice, conversation.id, str(number)) for number in range(5)]
    await say(rules, bob, conversation.id)
    await say(rules, alice, conversation.id, is_silent=True)
    assert await rules.messages.unread(bob.id) == 5, "one's own message reads nothing"
    await rules.messages.recall(alice, messages[4].id)
    assert await rules.messages.unread(bob.id, conversation.id) == 4
    await rules.messages.mark_messages(bob.id, conversation.id, [messages[1].id])
    assert await rules.messages.unread(bob.id, conversation.id) == 2, "reading up to a message reads all before it"
    assert [len(await rules.messages.receipts(alice.id, message.id)) for message in messages[:3]] == [0, 1, 0]
    await rules.messages.mark_messages(bob.id, conversation.id, [messages[0].id])
    assert await rules.messages.unread(bob.id, conversation.id) == 2, "never back"


async def test_a_mark_of_what_does_not_exist_moves_nothing(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    elsewhere = await rules.conversations.create_group(alice, [bob.id], name="g")
    other = await say(rules, alice, elsewhere.id)
    await say(rules, alice, conversation.id)
    marks: list[Event] = []
    rules.bus.subscribe(lambda event, *_: marks.append(event) if isinstance(event, ReceiptMarked) else None)
    marked = await rules.messages.mark_messages(bob.id, conversation.id, [other.id, 10**9])
    assert (marked.read_seq, marked.read_moved) == (0, False)
    assert marks == []
    assert await rules.messages.unread(bob.id, conversation.id) == 1


async def test_somebody_who_joins_without_history_sees_nothing_before(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    group = await rules.conversations.create_group(alice, [bob.id], name="g", history_visible=False)
    before = await say(rules, alice, group.id, "before")
    await rules.conversations.add_members(alice, group.id, [carol.id])
    after = await say(rules, alice, group.id, "after")
    messages, has_more = await rules.messages.history(carol.id, group.id, limit=10)
    assert ([message.id for message in messages], has_more) == ([after.id], False)
    for attempt in (
        rules.messages.visible(carol.id, before.id),
        rules.messages.receipts(carol.id, before.id),
        rules.messages.pin(carol, before.id, True),
        say(rules, carol, group.id, reply_to_id=before.id),
    ):
        with pytest.raises(MessageNotFound):
            await attempt
    with pytest.raises(InvalidValue):
        await rules.messages.place(carol.id, group.id, before.id)
    assert await rules.messages.unread(carol.id) == 1


async def test_pinning(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    message = await say(rules, alice, group.id)
    assert (await rules.messages.pin(bob, message.id, True)).is_pinned
    assert not (await rules.messages.pin(bob, message.id, False)).is_pinned
    await rules.conversations.update_member(alice, group.id, bob.id, role=Role.ADMIN)
    await rules.messages.delete(bob, message.id)
    with pytest.raises(InvalidState):
        await rules.messages.pin(alice, message.id, True)


async def test_who_may_not_send_may_not_edit_but_may_recall(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    message = await say(rules, bob, group.id, "something rude")
    await rules.conversations.update_member(alice, group.id, bob.id, muted_until_ms=rules.clock.at_ms + 60_000)
    with pytest.raises(Muted):
        await rules.messages.edit(bob, message.id, "something ruder")
    await rules.messages.recall(bob, message.id)
    single = await rules.conversations.open_single(alice, bob.id)
    message = await say(rules, bob, single.id, "a letter")
    async with rules.stores.database.writing() as connection:
        row = {"user_id": alice.id, "contact_id": bob.id, "is_blocked": True, "created_at_ms": 1, "updated_at_ms": 1}
        await connection.execute(insert(contacts).values(**row))
    relation = ContactChanged(alice.id, bob.id, Relation.BLOCKED, rules.clock.at_ms)
    rules.bus.publish(relation, Audience((alice.id,), single.id))
    with pytest.raises(Blocked):
        await rules.messages.edit(bob, message.id, "another letter")
    with pytest.raises(Blocked):
        await say(rules, bob, single.id)
    await say(rules, alice, single.id, "the blocker may write")


@pytest.mark.parametrize("key", ["", "x" * 65, "a\0b"])
async def test_keys_that_no_retry_would_find(rules: Rules, people: People, key: str) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    with pytest.raises(InvalidValue, match="client_msg_id"):
        await say(rules, alice, conversation.id, client_msg_id=key)


async def test_the_same_key_of_two_senders_is_two_messages(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    first, again, other = [
        await say(rules, who, conversation.id, "x", client_msg_id="飞鸽-1") for who in (alice, alice, bob)
    ]
    assert first == again
    assert (first.seq, other.seq) == (1, 2)


async def test_hiding_a_message_from_oneself(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    conversation = await rules.conversations.open_single(alice, bob.id)
    message = await say(rules, alice, conversation.id)
    heard: list[tuple[Event, set[int]]] = []
    rules.bus.subscribe(lambda event, audience, *_: heard.append((event, set(audience.user_ids))))
    with pytest.raises(NotAMember):
        await rules.messages.hide(carol, message.id)
    await rules.messages.hide(bob, message.id)
    assert heard == [(MessageDeleted(message, bob.id, False, rules.clock.at_ms), {bob.id})]
    with pytest.raises(MessageNotFound):
        await rules.messages.visible(bob.id, message.id)
    with pytest.raises(MessageNotFound):
        await rules.messages.hide(bob, message.id)
    assert (await rules.messages.visible(alice.id, message.id)) == message


async def test_a_private_message_names_its_recipient(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    heard: list[Event] = []
    rules.bus.subscribe(lambda event, *_: heard.append(event))
    single = await rules.conversations.open_single(alice, bob.id)
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    heard.clear()
    await say(rules, alice, single.id)
    await say(rules, bob, single.id)
    await say(rules, bob, group.id)
    assert [event.recipient_id for event in heard if isinstance(event, MessageSent)] == [bob.id, alice.id, None]


async def test_a_message_to_a_former_friend_is_not_edited_nor_delivered_late(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "friends.db", message_limits=MessageLimits(require_friendship=True))
    await rules.start()
    try:
        alice, bob = [
            (await rules.accounts.register(username=name, password=PASSWORD)).profile for name in ("alice", "bob")
        ]
        request = await rules.contacts.ask(alice, bob.id)
        await rules.contacts.answer(bob, request.id, True)
        single = await rules.conversations.open_single(alice, bob.id)
        message = await say(rules, alice, single.id, "friendly")
        await say(rules, alice, single.id, "later", send_at_ms=rules.clock.at_ms + 1000)
        await rules.contacts.remove(bob, alice.id)
        with pytest.raises(NotFriends):
            await rules.messages.edit(alice, message.id, "unfriendly")
        rules.clock.at_ms += 1000
        await rules.timers.work()
        page, _ = await rules.messages.history(bob.id, single.id, limit=10)
        assert [each.content for each in page] == ["friendly"]
    finally:
        await rules.close()


async def test_each_change_of_a_message_is_later_than_the_one_before(rules: Rules, people: People) -> None:
    """Whatever the clock says: who hears of several changes, from several nodes, must know the newest."""
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    states = [await say(rules, alice, conversation.id)]
    states.append(await rules.messages.edit(alice, states[0].id, "y"))
    rules.clock.at_ms -= 1000
    states.append(await rules.messages.pin(bob, states[0].id, True))
    states.append(await rules.messages.edit(alice, states[0].id, "z"))
    states.append(await rules.messages.recall(alice, states[0].id))
    times = [state.updated_at_ms for state in states]
    assert times == sorted(set(times))


async def test_what_was_committed_is_told_though_the_members_of_now_cannot_be_read(
    rules: Rules, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To those of a moment before: nothing would make up for it."""
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    await say(rules, alice, conversation.id)
    heard: list[tuple[type[Event], set[int]]] = []

    def hear(event: Event, audience: Audience, origin: object | None) -> None:
        heard.append((type(event), set(audience.user_ids)))

    async def fail(conversation_id: int) -> None:
        raise Unavailable

    def acknowledged(outcome: object) -> None:
        rules.rosters.forget()

    rules.bus.subscribe(hear)
    monkeypatch.setattr(rules.stores.conversations, "roster", fail)
    draft = Draft(conversation_id=conversation.id, sender_id=alice.id, content="x")
    rules.messages.submit(alice, draft, acknowledged)
    async with asyncio.timeout(5):
        while not heard:
            await asyncio.sleep(0.001)
    assert heard == [(MessageSent, {alice.id, bob.id})]
    assert rules.rosters.peek(conversation.id) is None
