"""Notifications that come of what happens."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import TokenInvalid
from domain.model import DialectName, Draft, Role, User
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


async def test_several_at_once_tell_once(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    await say(rules, (await rules.conversations.open_single(alice.profile, bob.id)).id, alice)
    await rules.contacts.ask(alice.profile, bob.id)
    await rules.conversations.create_group(alice.profile, [bob.id], name="g")
    await asyncio.gather(*(rules.triggers.work() for _ in range(4)))
    assert sorted(await kinds(rules, bob)) == ["friend_request", "group_invite", "message"]


async def test_what_one_process_did_not_tell_the_next_one_tells(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    await say(rules, (await rules.conversations.open_single(alice.profile, bob.id)).id, alice)
    await rules.contacts.ask(alice.profile, bob.id)
    # The first is not asked any more, as if it had been killed.
    second = Rules(rules.stores.path)
    await second.start()
    assert sorted(await kinds(second, bob)) == ["friend_request", "message"]
    await second.close()


async def test_scheduled_messages_are_told_when_they_are_delivered(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    single = (await rules.conversations.open_single(alice.profile, bob.id)).id
    at_ms = rules.clock.at_ms + 60_000
    draft = Draft(conversation_id=single, sender_id=alice.id, content="later", send_at_ms=at_ms)
    await rules.messages.send(alice.profile, draft)
    assert await kinds(rules, bob) == []
    rules.clock.at_ms += 61_000
    await rules.timers.work()
    assert await kinds(rules, bob) == [NotificationKind.MESSAGE]


async def test_what_happens_to_somebody_in_a_group(rules: Rules, people: list[User]) -> None:
    alice, bob, carol = people
    group = (await rules.conversations.create_group(alice.profile, [bob.id, carol.id], name="队")).id
    await rules.triggers.work()
    await rules.conversations.update_member(alice.profile, group, bob.id, role=Role.ADMIN)
    await rules.conversations.remove_member(alice.profile, group, bob.id)
    first, second, _ = await found(rules, bob)
    assert {first.notification.title, second.notification.title} == {"群组角色变更", "移出群组"}
    assert all("Alice" in each.notification.content and "队" in each.notification.content for each in (first, second))
    assert first.notification.kind is NotificationKind.SYSTEM
    assert await kinds(rules, carol) == [NotificationKind.GROUP_INVITE]
    assert await kinds(rules, alice) == []


async def test_broadcasts_reach_those_who_want_to_know_and_were_there(rules: Rules, people: list[User]) -> None:
    alice, bob, carol = people
    await rules.notifications.set_preferences(bob.id, system_enabled=False)
    await rules.broadcasts.send(alice.profile, title="维护\n今晚", content="c")
    await rules.broadcasts.send(alice.profile, title="only", content="c", target_user_ids=[carol.id, bob.id])
    rules.clock.at_ms += 1000
    late = await rules.accounts.register(username="late", password=PASSWORD)
    await rules.triggers.work()
    while await rules.sending.work():
        pass
    assert await found(rules, bob) == await found(rules, late) == []
    assert sorted(view.notification.title for view in await found(rules, carol)) == ["only", "维护 今晚"]
    assert await kinds(rules, alice) == [NotificationKind.ANNOUNCEMENT]


async def test_what_endangers_an_account_is_told_once(rules: Rules, people: list[User]) -> None:
    alice, bob, _ = people
    _, pair = await rules.accounts.login(DialectName.IM, PASSWORD, username="bob")
    await rules.accounts.refresh(pair.refresh_token)
    for _ in range(2):
        with pytest.raises(TokenInvalid):
            await rules.accounts.refresh(pair.refresh_token)
    assert [view.notification.title for view in await found(rules, bob)] == ["登录异常"]
    await rules.accounts.set_password(bob.id, "a new password")
    newest, _ = await found(rules, bob)
    assert (newest.notification.title, newest.notification.kind) == ("密码已修改", NotificationKind.SYSTEM)
    await rules.notifications.set_preferences(alice.id, system_enabled=False)
    await rules.accounts.set_password(alice.id, "a new password")
    assert await found(rules, alice) == []
