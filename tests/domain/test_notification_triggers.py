"""Notifications that come of what happens."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.model import Draft, User
from domain.records import NotificationKind, RecordFilter, RecordView
from tests.domain.test_notification_delivery import work
from tests.world import PASSWORD, Rules


@pytest.fixture
async def rules(database: Path) -> AsyncIterator[Rules]:
    rules = Rules(database)
    await rules.start()
    yield rules
    await rules.close()


@pytest.fixture
async def people(rules: Rules) -> list[User]:
    return [
        await rules.accounts.register(username=name, password=PASSWORD, nickname=name.title())
        for name in ("alice", "bob", "carol")
    ]


async def found(rules: Rules, user: User) -> list[RecordView]:
    await rules.triggers.work()
    views, _, _ = await rules.notifications.list_for(user.id, RecordFilter(), offset=0, limit=99)
    return views


async def kinds(rules: Rules, user: User) -> list[NotificationKind]:
    return [view.notification.kind for view in await found(rules, user)]


async def say(rules: Rules, conversation_id: int, sender: User, *, is_silent: bool = False) -> int:
    draft = Draft(conversation_id=conversation_id, sender_id=sender.id, content="secret", is_silent=is_silent)
    return (await rules.messages.send(sender.profile, draft)).message.id


async def test_messages_to_somebody_without_a_session_are_one_until_read(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    single = (await rules.conversations.open_single(alice.profile, bob.id)).id
    await say(rules, single, alice)
    (first,) = await found(rules, bob)
    assert first.notification.kind is NotificationKind.MESSAGE
    assert "Alice" in first.notification.title
    assert "secret" not in first.notification.title + first.notification.content
    await say(rules, single, alice)
    assert len(await found(rules, bob)) == 1
    await rules.notifications.read(bob.profile, record_id=first.record.id)
    newest = await say(rules, single, alice)
    assert len(await found(rules, bob)) == 2
    # Reading the conversation reads what tells of it.
    await rules.messages.read(bob.id, newest)
    assert [view.record.is_read for view in await found(rules, bob)] == [True, True]
    assert await found(rules, alice) == []


async def test_what_was_read_at_once_is_not_told(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    single = (await rules.conversations.open_single(alice.profile, bob.id)).id
    await rules.messages.read(bob.id, await say(rules, single, alice))
    assert await found(rules, bob) == []


async def test_who_is_connected_or_has_muted_it_is_not_told_and_silent_ones_tell_nobody(
    rules: Rules, people: list[User]
) -> None:
    alice, bob, carol = people
    group = (await rules.conversations.create_group(alice.profile, [bob.id, carol.id], name="g")).id
    await rules.triggers.work()
    await say(rules, group, alice, is_silent=True)
    assert await kinds(rules, bob) == [NotificationKind.GROUP_INVITE]
    rules.directory.connected(bob.id)
    await rules.conversations.arrange(carol.profile, group, is_muted=True)
    await say(rules, group, alice)
    assert await kinds(rules, bob) == await kinds(rules, carol) == [NotificationKind.GROUP_INVITE]
    await rules.conversations.arrange(carol.profile, group, is_muted=False)
    await say(rules, group, alice)
    assert (await kinds(rules, carol))[0] is NotificationKind.GROUP_MESSAGE


async def test_friend_requests_and_invitations(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    await rules.contacts.ask(alice.profile, bob.id)
    await rules.conversations.create_group(alice.profile, [bob.id], name="队")
    requests = await found(rules, bob)
    assert {view.notification.kind for view in requests} == {
        NotificationKind.FRIEND_REQUEST,
        NotificationKind.GROUP_INVITE,
    }
    assert all("Alice" in view.notification.content for view in requests)
    assert await rules.sending.list_all(offset=0, limit=9) == ([], 0)


async def test_switches_decide_whether_there_are_any(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    await rules.notifications.set_preferences(bob.id, message_enabled=False)
    single = (await rules.conversations.open_single(alice.profile, bob.id)).id
    await say(rules, single, alice)
    assert await found(rules, bob) == []


async def test_they_go_out_over_push(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    single = (await rules.conversations.open_single(alice.profile, bob.id)).id
    await say(rules, single, alice)
    await rules.triggers.work()
    await work(rules)
    assert [user_id for sender in rules.senders.values() for user_id, _ in sender.sent] == [bob.id]
