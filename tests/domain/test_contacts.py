"""Friend requests, contacts and blocks."""

import asyncio
from pathlib import Path

import pytest

from domain.errors import (
    Blocked,
    Conflict,
    DomainError,
    Forbidden,
    InvalidState,
    InvalidValue,
    NotFriends,
    RecordNotFound,
    UserNotFound,
)
from domain.events import ContactChanged, Event, FriendRequestAnswered, FriendRequested, Relation
from domain.messages import MessageLimits
from domain.model import Draft, Profile
from domain.records import RequestStatus
from tests.domain.conftest import People
from tests.world import NOBODY, PASSWORD, Rules


def told(rules: Rules) -> list[tuple[Event, set[int]]]:
    """What is published from now on, and to whom."""
    heard: list[tuple[Event, set[int]]] = []
    rules.bus.subscribe(lambda event, audience, *_: heard.append((event, set(audience.user_ids))))
    return heard


async def befriend(rules: Rules, one: Profile, other: Profile) -> None:
    request = await rules.contacts.ask(one, other.id)
    await rules.contacts.answer(other, request.id, True)


async def friends_of(rules: Rules, user: Profile) -> list[int]:
    return [view.profile.id for view in await rules.contacts.friends(user.id)]


async def test_asking_and_accepting_makes_two_friends(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    heard = told(rules)
    request = await rules.contacts.ask(alice, bob.id, "hi")
    assert heard == [(FriendRequested(request, alice), {bob.id})]
    assert await rules.contacts.unanswered(bob.id) == 1
    assert await friends_of(rules, alice) == []
    heard.clear()
    answered = await rules.contacts.answer(bob, request.id, True, "ok")
    now_ms = rules.clock.at_ms
    assert heard == [
        (FriendRequestAnswered(answered, bob), {alice.id}),
        (ContactChanged(bob.id, alice.id, Relation.FRIEND, now_ms), {bob.id}),
        (ContactChanged(alice.id, bob.id, Relation.FRIEND, now_ms), {alice.id}),
    ]
    assert (await friends_of(rules, alice), await friends_of(rules, bob)) == ([bob.id], [alice.id])
    assert await rules.contacts.unanswered(bob.id) == 0
    (view,) = await rules.contacts.requests(bob.id)
    assert (view.request, view.sender, view.recipient) == (answered, alice, bob)
    assert (answered.status, answered.message, answered.answer) == (RequestStatus.ACCEPTED, "hi", "ok")


async def test_a_rejected_request_may_be_made_again_and_is_answered_once(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    request = await rules.contacts.ask(alice, bob.id)
    with pytest.raises(InvalidState):
        await rules.contacts.ask(alice, bob.id)
    with pytest.raises(Forbidden):
        await rules.contacts.answer(carol, request.id, True)
    with pytest.raises(Forbidden):
        await rules.contacts.answer(alice, request.id, True)
    await rules.contacts.answer(bob, request.id, False)
    with pytest.raises(InvalidState):
        await rules.contacts.answer(bob, request.id, True)
    with pytest.raises(RecordNotFound):
        await rules.contacts.answer(bob, NOBODY, True)
    assert await friends_of(rules, alice) == []
    await rules.contacts.ask(alice, bob.id)
    assert await rules.contacts.unanswered(bob.id) == 1


async def test_crossed_requests_make_friends_once(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    requests = await asyncio.gather(rules.contacts.ask(alice, bob.id), rules.contacts.ask(bob, alice.id))
    assert sorted(request.status for request in requests) == [RequestStatus.ACCEPTED, RequestStatus.PENDING]
    assert (await friends_of(rules, alice), await friends_of(rules, bob)) == ([bob.id], [alice.id])
    assert await rules.contacts.unanswered(alice.id) == await rules.contacts.unanswered(bob.id) == 0
    with pytest.raises(InvalidState, match="friend already"):
        await rules.contacts.ask(alice, bob.id)


async def test_whom_one_cannot_ask(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    with pytest.raises(InvalidValue):
        await rules.contacts.ask(alice, alice.id)
    with pytest.raises(UserNotFound):
        await rules.contacts.ask(alice, NOBODY)
    with pytest.raises(InvalidValue, match="500"):
        await rules.contacts.ask(alice, bob.id, "x" * 501)
    await rules.contacts.block(bob, alice.id)
    with pytest.raises(Blocked):
        await rules.contacts.ask(alice, bob.id)
    with pytest.raises(InvalidState, match="unblock"):
        await rules.contacts.ask(bob, alice.id)


async def test_a_block_holds_for_messages_and_survives_the_end_of_the_friendship(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    single = await rules.conversations.open_single(alice, bob.id)
    await befriend(rules, alice, bob)
    bobs = Draft(conversation_id=single.id, sender_id=bob.id, content="hi")
    await rules.messages.send(bob, bobs)
    await rules.contacts.block(alice, bob.id)
    with pytest.raises(Blocked):
        await rules.messages.send(bob, bobs)
    await rules.messages.send(alice, Draft(conversation_id=single.id, sender_id=alice.id, content="bye"))
    assert await friends_of(rules, alice) == []
    assert [view.profile.id for view in await rules.contacts.blocked(alice.id)] == [bob.id]
    await rules.contacts.unfriend(bob, alice.id)
    with pytest.raises(Blocked):
        await rules.messages.send(bob, bobs)
    await rules.contacts.unblock(alice, bob.id)
    await rules.messages.send(bob, bobs)
    assert await friends_of(rules, alice) == []
    with pytest.raises(RecordNotFound):
        await rules.contacts.unblock(alice, bob.id)


async def test_ending_a_friendship_ends_it_for_both(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    await befriend(rules, alice, bob)
    heard = told(rules)
    await rules.contacts.remove(alice, bob.id)
    now_ms = rules.clock.at_ms
    assert heard == [
        (ContactChanged(alice.id, bob.id, Relation.NONE, now_ms), {alice.id}),
        (ContactChanged(bob.id, alice.id, Relation.NONE, now_ms), {bob.id}),
    ]
    assert await rules.contacts.all(alice.id) == await rules.contacts.all(bob.id) == []
    for end in (rules.contacts.remove, rules.contacts.unfriend):
        with pytest.raises(RecordNotFound):
            await end(alice, bob.id)


async def test_a_contact_is_added_without_asking(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    contact = await rules.contacts.add(alice, bob.id, "Bobby")
    assert (contact.remark, contact.is_friend) == ("Bobby", False)
    assert await rules.contacts.all(bob.id) == await rules.contacts.friends(alice.id) == []
    with pytest.raises(Conflict):
        await rules.contacts.add(alice, bob.id)
    with pytest.raises(RecordNotFound):
        await rules.contacts.unfriend(alice, bob.id)
    with pytest.raises(InvalidValue):
        await rules.contacts.add(alice, alice.id)
    with pytest.raises(UserNotFound):
        await rules.contacts.add(alice, NOBODY)


async def test_a_remark_is_the_owner_s_alone(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    with pytest.raises(RecordNotFound):
        await rules.contacts.set_remark(alice, bob.id, "x")
    await befriend(rules, alice, bob)
    await rules.contacts.set_remark(alice, bob.id, "小博")
    assert [view.contact.remark for view in await rules.contacts.friends(alice.id)] == ["小博"]
    assert [view.contact.remark for view in await rules.contacts.friends(bob.id)] == [""]
    with pytest.raises(InvalidValue):
        await rules.contacts.set_remark(alice, bob.id, "x" * 101)


async def test_a_server_of_friends_only(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "feige.db", message_limits=MessageLimits(require_friendship=True))
    await rules.start()
    try:
        alice, bob = [
            (await rules.accounts.register(username=name, password=PASSWORD)).profile for name in ("alice", "bob")
        ]
        single = await rules.conversations.open_single(alice, bob.id)
        group = await rules.conversations.create_group(alice, [bob.id], name="g")
        draft = Draft(conversation_id=single.id, sender_id=alice.id, content="hi")
        with pytest.raises(NotFriends):
            await rules.messages.send(alice, draft)
        await rules.messages.send(alice, Draft(conversation_id=group.id, sender_id=alice.id, content="hi"))
        await befriend(rules, alice, bob)
        await rules.messages.send(alice, draft)
        await rules.contacts.remove(bob, alice.id)
        with pytest.raises(NotFriends):
            await rules.messages.send(alice, draft)
    finally:
        await rules.close()


async def test_many_ask_and_answer_at_once(rules: Rules, people: People) -> None:
    """However they cross, a pair ends as friends on both sides or on none, and nothing stays open."""
    everyone = await people(*(f"user{number}" for number in range(5)))

    async def ask(one: Profile, other: Profile) -> None:
        try:
            request = await rules.contacts.ask(one, other.id)
            if request.status is RequestStatus.PENDING:
                await rules.contacts.answer(other, request.id, True)
        except DomainError:
            pass

    await asyncio.gather(*(ask(one, other) for one in everyone for other in everyone if one is not other))
    for one in everyone:
        assert sorted(await friends_of(rules, one)) == sorted(other.id for other in everyone if other is not one)
        assert await rules.contacts.unanswered(one.id) == 0
