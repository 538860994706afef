"""Contract of NotificationFeed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from uuid import uuid4

import msgspec
import pytest

from domain.errors import UserNotFound
from domain.events import (
    BroadcastSent,
    Event,
    FriendRequested,
    MessageEdited,
    MessageSent,
    PasswordChanged,
    RefreshTokenReused,
)
from domain.model import DialectName, Login, MessageState, Profile
from domain.notification_sending import arrived
from domain.ports import Dispatch, Happened
from domain.records import (
    Broadcast,
    Channel,
    DeliveryState,
    FriendRequest,
    NoticeKind,
    Notification,
    NotificationKind,
    NotificationRecord,
    PlannedDelivery,
    RecordFilter,
)
from storage.sql.notification_feed import MAX_EVENTS
from tests.storage.world import Clock, Stores, World
from tests.world import NOBODY

TOLD = (PlannedDelivery(Channel.WEBSOCKET, DeliveryState.DELIVERED, 5),)
ALICE = Profile(1, "alice", "Alice")

Made = list[tuple[Notification, NotificationRecord]]


@pytest.fixture
async def process(world: World) -> World:
    """One that has begun to look, after something was said and read."""
    one, two = await world.user("early one"), await world.user("early two")
    single = await world.single(one.id, two.id)
    await world.send(single.id, one.id)
    await world.mark(single.id, two.id, (1, 1))
    assert await world.stores.notification_feed.next(world.clock.time_ms) is None
    return world


@pytest.fixture
async def other(process: World, opener: Callable[[Clock], Stores]) -> AsyncIterator[World]:
    """Another process on the same database."""
    stores = opener(process.clock)
    await stores.start()
    yield World(stores, process.clock)
    await stores.close()


def dispatch(user_ids: Collection[int], conversation_id: int | None = None, title: str = "t") -> Dispatch:
    draft = Notification(
        id=0,
        uuid=str(uuid4()),
        kind=NotificationKind.MESSAGE,
        title=title,
        content="c",
        created_at_ms=5,
        updated_at_ms=5,
    )
    return Dispatch(notification=draft, planned=dict.fromkeys(user_ids, TOLD), conversation_id=conversation_id)


def of(happened: Happened) -> list[Dispatch]:
    """A notification of each thing that happened, to each whom it concerns."""
    dispatches = [
        dispatch([each for each, _ in it.waiting if each not in it.senders], it.conversation_id, "spoken")
        for it in happened.spoken
    ]
    dispatches += [dispatch([user_id], title="event") for _, user_id in happened.events if user_id is not None]
    return dispatches + [dispatch(user_ids, title="notice") for _, user_ids in happened.notices]


async def look(world: World) -> Happened:
    happened = await world.stores.notification_feed.next(world.clock.time_ms)
    assert happened is not None
    return happened


async def tell(world: World, happened: Happened, *, is_settled: bool = True) -> Made | None:
    return await world.stores.notification_feed.tell(happened, of(happened), 5, arrived, is_settled=is_settled)


async def is_at_end(world: World) -> bool:
    return await world.stores.notification_feed.next(world.clock.time_ms) is None


async def titles(world: World, user_id: int) -> list[str]:
    found, _ = await world.stores.notifications.list_for(user_id, RecordFilter(), 10**15, offset=0, limit=999)
    return sorted(view.notification.title for view in found)


async def broadcast(world: World, *user_ids: int) -> None:
    draft = Broadcast(id=0, sender_id=1, title="t", content="c", target_user_ids=user_ids or None, created_at_ms=1)
    await world.stores.broadcasts.add(draft, lambda new: BroadcastSent(new.id, "t", "c", "normal", 1))


async def ask(world: World, group_id: int, sender_id: int, recipient_id: int) -> FriendRequested:
    request = FriendRequest(id=1, from_user_id=sender_id, to_user_id=recipient_id, created_at_ms=1, updated_at_ms=1)
    event = FriendRequested(request, ALICE)
    async with world.stores.conversations.edit(group_id) as edit:
        await edit.record(event, only_for=recipient_id)
    return event


async def happen(world: World) -> tuple[int, int]:
    """Something of every kind, from the first to the second."""
    one, two = await world.users(2)
    group = await world.group(one, [two])
    await world.send(group.id, one)
    await broadcast(world, two)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.note(NoticeKind.INVITED, one, two, [two], 1)
    return one, two


async def test_the_first_look_begins_with_what_comes_from_then_on(world: World) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    await world.send(single.id, one, "before")
    assert await is_at_end(world)
    sent = await world.send(single.id, one, "after")
    (spoken,) = (await look(world)).spoken
    assert spoken.senders == {one: sent.seq}


async def test_what_was_said_and_who_has_not_heard_of_it(process: World) -> None:
    one, two, muted, reader, left_out = await process.users(5)
    group = await process.group(one, [two, muted, reader])
    await process.single(one, left_out)
    async with process.stores.conversations.edit(group.id) as edit:
        await edit.set_member(muted, is_muted=True)
    await process.send(group.id, one)
    recalled = await process.send(group.id, two)
    await process.send(group.id, one)
    await process.send(group.id, two, is_silent=True)
    await process.send(group.id, two, send_at_ms=10**15)
    async with process.stores.messages.edit(recalled.id) as message:
        message.set(lambda new: MessageEdited(new, ALICE), content="", state=MessageState.RECALLED)
    await process.mark(group.id, reader, (1, 4))
    happened = await look(process)
    (spoken,) = happened.spoken
    assert (spoken.conversation_id, spoken.is_group, spoken.senders) == (group.id, True, {one: 3})
    # Who wrote something themselves may have read nothing of it.
    assert {user_id for user_id, _ in spoken.waiting} == {one, two}
    assert await tell(process, happened) is not None
    assert await is_at_end(process)
    await process.send(group.id, one)
    assert [[user_id for user_id, _ in each.waiting] for each in (await look(process)).spoken] == [[one, reader]]


async def test_a_scheduled_message_comes_when_it_is_delivered(process: World) -> None:
    one, two = await process.users(2)
    single = await process.single(one, two)
    waiting = await process.send(single.id, one, "later", send_at_ms=10**15)
    await process.send(single.id, two, "now")
    assert await tell(process, await look(process)) is not None
    sent = MessageSent(msgspec.structs.replace(waiting, seq=2), ALICE)
    async with process.stores.conversations.edit(single.id) as edit:
        await edit.record(sent)
    happened = await look(process)
    assert [each.senders for each in happened.spoken] == [{one: 2}]
    assert [user_id for user_id, _ in happened.spoken[0].waiting] == [two]


async def test_events_and_notices_with_those_whom_they_concern(process: World) -> None:
    one, two = await happen(process)
    group = await process.group(one)
    asked = await ask(process, group.id, one, two)
    await broadcast(process)
    happened = await look(process)
    assert [(type(event), user_id) for event, user_id in happened.events] == [
        (BroadcastSent, two),
        (FriendRequested, two),
        (BroadcastSent, None),
    ]
    assert happened.events[1][0] == asked
    (noted, recipients) = happened.notices[0]
    assert (noted.notice.kind, noted.operator.id, noted.target.id, noted.group_name) == (
        NoticeKind.INVITED,
        one,
        two,
        "group",
    )
    assert list(recipients) == [two]
    assert happened.is_all


async def test_what_endangers_an_account_is_kept_with_the_change(process: World) -> None:
    one, two = await process.users(2)
    for login_id, user_id in (("first", one), ("second", one), ("third", two)):
        login = Login(
            id=login_id, user_id=user_id, dialect=DialectName.IM, refresh_id="r", created_at_ms=1, expires_at_ms=9
        )
        await process.stores.logins.create(login)
    await process.stores.logins.revoke(["third"], 5)
    reused, changed = RefreshTokenReused(5), PasswordChanged(6)
    everyone = ["first", "second", "third"]
    await asyncio.gather(*(process.stores.logins.revoke(everyone, 5, reused) for _ in range(3)))
    await process.stores.users.update(two, cause=changed, password_hash="new")
    with pytest.raises(UserNotFound):
        await process.stores.users.update(NOBODY, cause=changed, password_hash="new")
    assert (await look(process)).events == [(reused, one), (changed, two)]
    assert await process.stores.logins.alive(one) == []


async def test_reading_the_conversation_reads_what_tells_of_it(process: World) -> None:
    one, two = await process.users(2)
    single = await process.single(one, two)
    await process.send(single.id, one)
    assert await tell(process, await look(process)) is not None
    assert await process.stores.notifications.unread(two, process.clock.time_ms) == 1
    await process.mark(single.id, two, (1, 1))
    assert await tell(process, await look(process)) == []
    assert await process.stores.notifications.unread(two, process.clock.time_ms) == 0
    await process.send(single.id, one)
    assert [each.waiting[-1] for each in (await look(process)).spoken] == [(two, 1)]


async def test_of_two_processes_one_tells(process: World, other: World) -> None:
    one, two = await happen(process)
    for attempt in range(1, 4):
        seen = await asyncio.gather(look(process), look(other))
        made = await asyncio.gather(tell(process, seen[0]), tell(other, seen[1]))
        assert sorted(each is None for each in made) == [False, True]
        assert await titles(process, two) == sorted([*["event"] * attempt, "notice", "spoken"])
        assert await is_at_end(process)
        assert await is_at_end(other)
        # An event alone does not move the position.
        await broadcast(process, two)
    assert await titles(process, one) == []


async def test_what_another_process_has_told_says_nothing_of_what_came_since(process: World, other: World) -> None:
    _, two = await process.users(2)
    await broadcast(process, two)
    seen = await look(process)
    assert await tell(other, await look(other)) is not None
    await broadcast(process, two)
    assert await tell(process, seen) is None
    assert len((await look(process)).events) == 1


async def test_what_was_told_and_read_meanwhile_is_not_told_again(process: World, other: World) -> None:
    one, two = await process.users(2)
    await process.send((await process.single(one, two)).id, one)
    seen = await look(process)
    assert await tell(other, await look(other)) is not None
    assert await process.stores.notifications.mark_read(two, None, process.clock.time_ms) == 1
    assert await tell(process, seen) is None
    assert await titles(process, two) == ["spoken"]


async def test_a_turn_that_ends_early_is_made_again_whole(process: World, other: World) -> None:
    _, two = await happen(process)

    class Crash(Exception):
        pass

    def crash(notification: Notification, record: NotificationRecord) -> Event:
        raise Crash

    seen = await look(process)
    with pytest.raises(Crash):
        await process.stores.notification_feed.tell(seen, of(seen), 5, crash, is_settled=True)
    assert await titles(process, two) == []
    assert await look(process) == await look(other) == seen
    assert await tell(other, await look(other)) is not None
    assert await titles(process, two) == ["event", "notice", "spoken"]
    assert await tell(process, seen) is None


async def test_a_part_of_a_turn_is_told_once(process: World) -> None:
    one, two = await happen(process)
    seen = await look(process)
    about = [each for each in of(seen) if each.conversation_id is not None]
    feed = process.stores.notification_feed
    assert await feed.tell(seen, about, 5, arrived, is_settled=False)
    again = await look(process)
    assert [[user_id for user_id, _ in each.waiting] for each in again.spoken] == [[one]]
    assert (again.events, again.notices) == (seen.events, seen.notices)
    # As one would who saw it before.
    assert await tell(process, seen) is not None
    assert await titles(process, two) == ["event", "notice", "spoken"]
    assert await is_at_end(process)


async def test_more_than_one_look_can_hold(process: World) -> None:
    ids = await process.users(MAX_EVENTS + 1)
    await broadcast(process, *ids)
    first = await look(process)
    assert not first.is_all
    assert await tell(process, first) is not None
    second = await look(process)
    assert second.is_all
    assert await tell(process, second) is not None
    assert await is_at_end(process)
    assert [user_id for each in (first, second) for _, user_id in each.events] == ids


async def test_nothing_is_lost_or_told_twice_while_several_write_and_look(process: World, other: World) -> None:
    """What a look ends with is all that can come before it: nothing older is committed later."""
    crowd = await process.users(12)
    pairs = [(await process.single(crowd[0], each), each) for each in crowd[1:]]
    made: list[tuple[int, str]] = []
    is_over = False

    async def write(world: World, mine: int) -> None:
        for conversation, user_id in pairs[mine::2]:
            await asyncio.gather(world.send(conversation.id, crowd[0]), broadcast(world, user_id))

    async def work(world: World) -> None:
        while True:
            # Before the look: what was written then is seen by it.
            is_last = is_over
            happened = await world.stores.notification_feed.next(world.clock.time_ms)
            if happened is not None:
                told = await tell(world, happened)
                made.extend((record.user_id, notification.title) for notification, record in told or ())
            elif is_last:
                return

    async with asyncio.TaskGroup() as group, asyncio.timeout(30):
        for world in (process, other):
            group.create_task(work(world))
        await asyncio.gather(write(process, 0), write(other, 1))
        is_over = True
    assert sorted(made) == sorted((user_id, title) for user_id in crowd[1:] for title in ("event", "spoken"))
    for user_id in crowd[1:]:
        assert await titles(process, user_id) == ["event", "spoken"]


async def test_the_last_user_at_a_time(world: World) -> None:
    feed, at_ms = world.stores.notification_feed, world.clock.time_ms
    assert await feed.newest_user_id(at_ms) == 0
    [one] = await world.users(1)
    world.clock.time_ms += 1
    late = await world.user("late")
    assert (await feed.newest_user_id(at_ms), await feed.newest_user_id(at_ms + 1)) == (one, late.id)
