"""Messages that are delivered later, and messages that delete themselves."""

from typing import Any

import pytest

from domain.errors import InvalidValue, MessageNotFound, NotAMember
from domain.events import Event, MessageDeleted, MessageSent
from domain.model import Conversation, Draft, Message, MessageState, Profile
from domain.ports import Missed
from tests.domain.conftest import People
from tests.world import Rules


async def say(rules: Rules, sender: Profile, conversation: Conversation, content: str = "hi", **fields: Any) -> Message:
    draft = Draft(conversation_id=conversation.id, sender_id=sender.id, content=content, **fields)
    return (await rules.messages.send(sender, draft)).message


async def texts(rules: Rules, reader: Profile, conversation: Conversation) -> list[str]:
    page, _ = await rules.messages.history(reader.id, conversation.id, limit=50)
    return [message.content for message in page]


def told(rules: Rules) -> list[tuple[Event, set[int]]]:
    heard: list[tuple[Event, set[int]]] = []
    rules.bus.subscribe(lambda event, audience, *_: heard.append((event, set(audience.user_ids))))
    return heard


async def work(rules: Rules) -> None:
    while await rules.timers.work():
        pass


async def test_a_scheduled_message_is_nobody_s_until_its_time(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    single = await rules.conversations.open_single(alice, bob.id)
    heard = told(rules)
    later = await say(rules, alice, single, "later", send_at_ms=rules.clock.at_ms + 60_000, ttl_s=10)
    assert later.is_scheduled
    await say(rules, bob, single, "now")
    await work(rules)
    assert [event.message.content for event, _ in heard if isinstance(event, MessageSent)] == ["now"]
    assert await texts(rules, alice, single) == await texts(rules, bob, single) == ["now"]
    for reader in (alice, bob):
        with pytest.raises(MessageNotFound):
            await rules.messages.visible(reader.id, later.id)
    assert await rules.stores.messages.scheduled(alice.id, single.id) == [later]
    position = await rules.stores.sync.position()
    heard.clear()

    rules.clock.at_ms += 60_000
    await work(rules)
    ((sent, audience),) = heard
    assert isinstance(sent, MessageSent)
    assert (sent.message.id, sent.message.seq, sent.recipient_id) == (later.id, 2, bob.id)
    assert (sent.message.created_at_ms, audience) == (rules.clock.at_ms, {alice.id, bob.id})
    assert await texts(rules, bob, single) == ["now", "later"]
    missed = await rules.stores.sync.missed(bob.id, position, {}, 100)
    assert missed == Missed([], [sent], missed.position if missed else "")
    assert await rules.messages.unread(bob.id) == 1
    await say(rules, bob, single, "after")
    assert await texts(rules, bob, single) == ["now", "later", "after"]

    heard.clear()
    rules.clock.at_ms += 10_000
    await work(rules)
    ((gone, audience),) = heard
    assert isinstance(gone, MessageDeleted)
    assert (gone.message.id, gone.operator_id, audience) == (later.id, alice.id, {alice.id, bob.id})
    assert await texts(rules, bob, single) == ["now", "", "after"]
    assert await rules.timers.work() is False


async def test_what_is_said_by_its_sender_before_its_time(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await rules.conversations.create_group(bob, [alice.id], name="g")
    at_ms = rules.clock.at_ms + 5000
    edited, dropped = [await say(rules, alice, group, text, send_at_ms=at_ms) for text in ("draft", "regret")]
    heard = told(rules)
    for change in (rules.messages.recall, rules.messages.delete):
        with pytest.raises(MessageNotFound):
            await change(bob, edited.id)
    await rules.messages.edit(alice, edited.id, "better")
    await rules.messages.delete(alice, dropped.id)
    assert heard == []
    rules.clock.at_ms = at_ms
    await work(rules)
    (message,), _ = await rules.messages.history(bob.id, group.id, limit=10)
    assert (message.content, message.state, message.seq) == ("better", MessageState.SENT, 1)


async def test_an_old_appointment_does_not_speak_for_who_may_not(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    group = await rules.conversations.create_group(alice, [bob.id, carol.id], name="g")
    dissolved = await rules.conversations.create_group(alice, [bob.id], name="gone")
    at_ms = rules.clock.at_ms + 5000
    for sender, conversation in ((bob, group), (carol, group), (alice, dissolved)):
        await say(rules, sender, conversation, sender.username, send_at_ms=at_ms)
    await rules.conversations.remove_member(alice, group.id, bob.id)
    await rules.conversations.delete(alice, dissolved.id)
    rules.clock.at_ms = at_ms
    heard = told(rules)
    await work(rules)
    assert [event.message.content for event, _ in heard if isinstance(event, MessageSent)] == ["carol"]
    assert await texts(rules, alice, group) == ["carol"]
    with pytest.raises(NotAMember):
        await texts(rules, bob, group)


async def test_messages_due_together_keep_their_order(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    single = await rules.conversations.open_single(alice, bob.id)
    start_ms = rules.clock.at_ms
    for number in (3, 1, 2):
        await say(rules, alice, single, str(number), send_at_ms=start_ms + number * 1000)
    rules.clock.at_ms += 10_000
    await work(rules)
    page, _ = await rules.messages.history(bob.id, single.id, limit=10)
    assert [(message.seq, message.content) for message in page] == [(1, "1"), (2, "2"), (3, "3")]


async def test_a_clock_that_is_set_back_delivers_nothing_twice(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    single = await rules.conversations.open_single(alice, bob.id)
    await say(rules, alice, single, "once", send_at_ms=rules.clock.at_ms + 1000)
    for step_ms in (2000, -3_600_000, 3_600_000):
        rules.clock.at_ms += step_ms
        await work(rules)
    assert await texts(rules, bob, single) == ["once"]


@pytest.mark.parametrize("fields", [{"ttl_s": -1}, {"ttl_s": 10**9}, {"send_at": 0}, {"send_at": -1}, {"send_at": 366}])
async def test_times_that_are_refused(rules: Rules, people: People, fields: dict[str, int]) -> None:
    alice, bob = await people("alice", "bob")
    single = await rules.conversations.open_single(alice, bob.id)
    days = fields.pop("send_at", None)
    times: dict[str, int] = fields if days is None else {"send_at_ms": rules.clock.at_ms + days * 86_400_000}
    with pytest.raises(InvalidValue):
        await say(rules, alice, single, **times)


async def test_the_log_says_once_what_is_sent_twice(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    single = await rules.conversations.open_single(alice, bob.id)
    later = {"send_at_ms": rules.clock.at_ms + 1000, "client_msg_id": "m1"}
    first = await say(rules, alice, single, **later)
    assert await say(rules, alice, single, **later) == first
    rules.clock.at_ms += 1000
    await work(rules)
    assert await texts(rules, bob, single) == ["hi"]
