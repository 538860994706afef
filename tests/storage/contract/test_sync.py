"""Contract of SyncStore, with and without so much news that the store looks for it by conversation."""

import asyncio
from collections.abc import Mapping

import pytest

from domain.events import (
    ConversationCreated,
    ConversationDeleted,
    Event,
    MemberRemoved,
    MembersAdded,
    MessageEdited,
    MessagePinned,
    MessageRecalled,
    ReceiptMarked,
)
from domain.model import (
    Conversation,
    ConversationKind,
    ConversationStatus,
    MemberStatus,
    Message,
    MessageState,
    Profile,
    Role,
)
from domain.ports import Missed, News, Recorded
from storage.sql.sync import SCANNED_ROWS
from tests.storage.world import World

ANN = Profile(1, "ann", "ann")


@pytest.fixture(params=["little news", "much news"])
async def noise(request: pytest.FixtureRequest, world: World) -> bool:
    """Whether so much happens elsewhere that reading all that is new is not the way."""
    return bool(request.param == "much news")


class Resuming:
    """A user who has been away since `start`."""

    def __init__(self, world: World, user_id: int) -> None:
        self.world = world
        self.user_id = user_id
        self.position = ""

    async def start(self) -> "Resuming":
        self.position = await self.world.stores.sync.position()
        return self

    async def missed(self, cursors: Mapping[int, int] | None = None, limit: int = 100) -> Missed | None:
        return await self.world.stores.sync.missed(self.user_id, self.position, cursors or {}, limit)

    async def news(self, cursors: Mapping[int, int] | None = None) -> tuple[list[Message], list[Event]]:
        missed = await self.missed(cursors)
        assert missed is not None
        self.position = missed.position
        return list(missed.messages), list(missed.events)


async def make_noise(world: World, wanted: bool) -> None:
    """More new rows of every kind than are scanned, none of which concerns anybody of the test."""
    if not wanted:
        return
    loud, other = (await world.user("loud")).id, (await world.user("other")).id
    group = await world.group(loud, [other])
    await world.send_all(group.id, loud, ["noise"] * (SCANNED_ROWS + 1))
    async with world.stores.conversations.edit(group.id) as edit:
        for _ in range(SCANNED_ROWS + 1):
            await edit.record(ConversationCreated(group, ANN, (loud, other)))
    await asyncio.gather(*(world.mark(group.id, other, (seq, seq)) for seq in range(1, SCANNED_ROWS + 2)))


async def edit_message(world: World, message: Message, text: str) -> Message:
    async with world.stores.messages.edit(message.id) as edit:
        return edit.set(lambda new: MessageEdited(new, ANN), content=text, state=MessageState.EDITED)


async def remove(world: World, conversation: Conversation, user_id: int) -> Event:
    event = MemberRemoved(conversation.id, conversation.creator_id, user_id, MemberStatus.REMOVED, (), 5)
    async with world.stores.conversations.edit(conversation.id) as edit:
        await edit.set_member(user_id, status=MemberStatus.REMOVED)
        await edit.record(event)
    return event


async def test_nothing_new(world: World) -> None:
    [one] = await world.users(1)
    away = await Resuming(world, one).start()
    assert await away.news() == ([], [])


async def test_messages_events_and_receipts_since_then(world: World, noise: bool) -> None:
    one, two, three = await world.users(3)
    single, group = await world.single(one, two), await world.group(two, [one, three])
    foreign = await world.group(two, [three])
    old = await world.send(single.id, one)
    away = await Resuming(world, one).start()
    await make_noise(world, noise)
    in_group = await world.send_all(group.id, two, "abc")
    in_single = await world.send_all(single.id, two, ["x"] * 40)
    await world.send(foreign.id, two)
    await world.send(single.id, two, send_at_ms=10**15)
    edited = await edit_message(world, old, "new text")
    created = await world.group(three, [one])
    await world.mark(single.id, two, (1, 1))
    await world.mark(group.id, three, (2, 2))
    await world.mark(group.id, three, (3, 3))
    await world.mark(group.id, one, (1, 1))

    messages, events = await away.news()
    assert messages == [*in_single, *in_group]
    marked = {event for event in events if isinstance(event, ReceiptMarked)}
    assert [event for event in events if event not in marked] == [
        MessageEdited(edited, ANN),
        ConversationCreated(created, Profile(three, "creator", "creator"), (three, one)),
    ]
    at_ms = world.clock.time_ms
    assert marked == {
        ReceiptMarked(single.id, two, 1, 0, at_ms),
        ReceiptMarked(group.id, three, 3, 0, at_ms),
        ReceiptMarked(group.id, one, 1, 0, at_ms),
    }
    assert await away.news() == ([], [])


async def test_what_the_client_has_seen_is_left_out(world: World, noise: bool) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    away = await Resuming(world, one).start()
    await make_noise(world, noise)
    sent = await world.send_all(single.id, two, "abcd")
    assert (await away.missed({single.id: 3}, limit=1)) is not None
    messages, _ = await away.news({single.id: 3, 10**15: 5})
    assert messages == sent[3:]


async def test_too_much_is_said_plainly(world: World, noise: bool) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    away = await Resuming(world, one).start()
    await make_noise(world, noise)
    await world.send_all(single.id, two, ["x"] * 20)
    assert await away.missed(limit=19) is None
    assert await away.missed(limit=20) is not None
    calm = await Resuming(world, one).start()
    for text in "abc":
        await edit_message(world, (await world.stores.messages.history(1, single.id, limit=1, newest=True))[0][0], text)
    assert await calm.missed(limit=2) is None
    assert await calm.missed(limit=3) is not None


@pytest.mark.parametrize(
    "position", ["", "x", "1-2", "1-2-3-4", "-1-0-0", "g-0-0", "0-0-1", "f" * 20 + "-0-0", "١-0-0"]
)
async def test_a_position_that_says_nothing(world: World, position: str) -> None:
    [one] = await world.users(1)
    assert await world.stores.sync.missed(one, position, {}, 10) is None


async def test_a_member_reads_nothing_from_before_the_own_time(world: World, noise: bool) -> None:
    one, two, three = await world.users(3)
    group = await world.group(one, [three])
    away = await Resuming(world, two).start()
    await make_noise(world, noise)
    early, pinned = await world.send_all(group.id, one, "ab")
    await edit_message(world, early, "edited before")
    joined = MembersAdded(group, one, (ANN,), (one, two, three), 5)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.add([two], Role.MEMBER, 5, 2)
        await edit.record(joined)
    await edit_message(world, early, "edited after")
    async with world.stores.messages.edit(pinned.id) as edit_pin:
        edit_pin.set(lambda new: MessagePinned(new, one, 5), is_pinned=True)
    late = await world.send(group.id, one)
    edited = await edit_message(world, late, "late")
    messages, events = await away.news()
    assert messages == [edited]
    assert events == [joined, MessageEdited(edited, ANN)]


async def test_the_removed_hear_of_it_and_then_nothing(world: World, noise: bool) -> None:
    one, two, three = await world.users(3)
    group = await world.group(one, [two, three])
    away, member = await Resuming(world, two).start(), await Resuming(world, three).start()
    await make_noise(world, noise)
    sent = await world.send(group.id, one, "before")
    removed = await remove(world, group, two)
    after = await world.send(group.id, one, "after")
    edited = await edit_message(world, after, "edited")
    await world.mark(group.id, three, (1, 2))
    assert await away.news() == ([], [removed])
    receipt = ReceiptMarked(group.id, three, 2, 0, world.clock.time_ms)
    assert await member.news() == ([sent, edited], [removed, MessageEdited(edited, ANN), receipt])
    await edit_message(world, after, "again")
    assert await away.news() == ([], [])


async def test_one_who_came_back_hears_of_both(world: World, noise: bool) -> None:
    one, two = await world.users(2)
    group = await world.group(one, [two])
    away = await Resuming(world, two).start()
    await make_noise(world, noise)
    removed = await remove(world, group, two)
    meanwhile = await world.send(group.id, one, "meanwhile")
    await edit_message(world, meanwhile, "edited meanwhile")
    joined = MembersAdded(group, one, (ANN,), (one, two), 5)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.add([two], Role.MEMBER, 5, 1)
        await edit.record(joined)
    after = await world.send(group.id, one, "after")
    assert await away.news() == ([after], [removed, joined])


async def test_what_is_for_one_user_reaches_that_user_alone(world: World, noise: bool) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    first, second = await Resuming(world, one).start(), await Resuming(world, two).start()
    await make_noise(world, noise)
    hidden = ConversationDeleted(single.id, ConversationKind.SINGLE, one, (one, two), 5)
    async with world.stores.conversations.edit(single.id) as edit:
        await edit.record(hidden, only_for=one)
    assert await first.news() == ([], [hidden])
    assert await second.news() == ([], [])


async def test_a_dissolved_group_ends_with_its_event(world: World, noise: bool) -> None:
    one, two = await world.users(2)
    group = await world.group(one, [two])
    away = await Resuming(world, two).start()
    await make_noise(world, noise)
    await world.send(group.id, one)
    await world.mark(group.id, one, (1, 1))
    deleted = ConversationDeleted(group.id, ConversationKind.GROUP, one, (one, two), 5)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.set(status=ConversationStatus.DISSOLVED)
        await edit.record(deleted)
    assert await away.news() == ([], [deleted])


async def test_a_recalled_text_is_not_replayed(world: World, noise: bool) -> None:
    one, two = await world.users(2)
    single = await world.single(one, two)
    message = await world.send(single.id, one, "secret")
    away = await Resuming(world, two).start()
    await make_noise(world, noise)
    await edit_message(world, message, "another secret")
    async with world.stores.messages.edit(message.id) as edit:
        gone = edit.set(lambda new: MessageRecalled(new, one, 5), content="", state=MessageState.RECALLED)
    assert await away.news() == ([], [MessageRecalled(gone, one, 5)])


async def test_the_epoch_lasts_and_differs(world: World) -> None:
    epoch = await world.stores.sync.epoch()
    assert len(epoch) >= 8
    assert await world.stores.sync.epoch() == epoch


async def test_a_node_learns_all_that_was_committed_anywhere(world: World) -> None:
    one, two, three = await world.users(3)
    single, group = await world.single(one, two), await world.group(one, [two, three])
    old = await world.send(single.id, one)
    position = await world.stores.sync.position()
    assert await world.stores.sync.news(position, 10) == News([], [], position)
    messages = [await world.send(where.id, one) for where in (group, single, group)]
    await world.send(single.id, one, send_at_ms=10**15)
    edited = await edit_message(world, old, "new text")
    removed = await remove(world, group, three)
    await world.mark(group.id, two, (1, 1))
    await world.mark(group.id, two, (2, 2))
    news = await world.stores.sync.news(position, 10)
    assert news is not None
    assert news.messages == messages
    *recorded, marked = news.events
    assert recorded == [
        Recorded(MessageEdited(edited, ANN), single.id, None),
        Recorded(removed, group.id, None),
        Recorded(removed, group.id, three),
    ]
    assert (marked.conversation_id, marked.only_for) == (group.id, None)
    assert isinstance(marked.event, ReceiptMarked)
    assert (marked.event.user_id, marked.event.read_seq) == (two, 2)
    assert await world.stores.sync.news(news.position, 10) == News([], [], news.position)
    assert await world.stores.sync.news(position, 2) is None
    assert await world.stores.sync.news("nonsense", 10) is None
    assert await world.stores.sync.news("ffffffffff-0-0", 10) is None


async def test_what_was_forgotten_is_not_passed_over_in_silence(world: World, noise: bool) -> None:
    alice, bob = await world.users(2)
    conversation = await world.single(alice, bob)
    message = await world.send(conversation.id, alice)

    async def pin(pinned: bool) -> None:
        async with world.stores.messages.edit(message.id) as edit:
            edit.set(lambda new: MessagePinned(new, alice, 1), is_pinned=pinned)

    sync = world.stores.sync
    at_first = await Resuming(world, bob).start()
    for number in range(4):
        world.clock.time_ms += 100
        if number == 2:
            later = await Resuming(world, bob).start()
        await pin(number % 2 == 0)
    await make_noise(world, noise)
    assert await sync.prune(world.clock.time_ms - 250, 10) == 1
    assert await sync.prune(world.clock.time_ms - 100, 1) == 1
    assert await at_first.missed() is None
    assert await sync.news(at_first.position, 1000) is None
    _, events = await later.news()
    assert [event.message.is_pinned for event in events if isinstance(event, MessagePinned)] == [True, False]
    assert await sync.news(later.position, 1000) is not None
    # The newest row names positions.
    newest = await sync.position()
    assert await sync.prune(2**62, 1000) > 0
    assert await sync.prune(2**62, 1000) == 0
    assert await sync.position() == newest
    assert await later.missed() is not None
