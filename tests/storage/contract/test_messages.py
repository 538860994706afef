"""Contract of MessageStore and MessageEdit."""

import asyncio

import pytest

from domain.errors import MessageNotFound
from domain.events import MessageDeleted, MessageEdited, MessageRecalled
from domain.model import ConversationStatus, Location, MemberStatus, MessageKind, MessageState, Profile
from storage.sql.messages import UNREAD_COUNTED
from tests.storage.world import World

SOMEBODY = Profile(1, "one", "one")


async def recall(world: World, message_id: int) -> None:
    async with world.stores.messages.edit(message_id) as edit:
        edit.set(
            lambda message: MessageRecalled(message, 1, 5), content="", attachment=None, state=MessageState.RECALLED
        )


async def test_history_pages_in_both_directions(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    other = await world.group(one)
    await world.send(other.id, one)
    sent = await world.send_all(conversation.id, one, "abcdefg")
    store = world.stores.messages

    async def page(**bounds: int | bool) -> tuple[list[int], bool]:
        found, more = await store.history(one, conversation.id, **bounds)  # type: ignore[arg-type]
        assert found == [sent[message.seq - 1] for message in found]
        return [message.seq for message in found], more

    assert await page(limit=3, newest=True) == ([5, 6, 7], True)
    assert await page(limit=3, newest=False) == ([1, 2, 3], True)
    assert await page(limit=7, newest=True) == ([1, 2, 3, 4, 5, 6, 7], False)
    assert await page(before_seq=4, limit=2, newest=True) == ([2, 3], True)
    assert await page(before_seq=4, after_seq=1, limit=2, newest=True) == ([2, 3], False)
    assert await page(after_seq=5, limit=3, newest=False) == ([6, 7], False)
    assert await page(after_seq=7, limit=3, newest=False) == ([], False)
    offset = await store.history_page(one, conversation.id, after_seq=2, offset=3, limit=5)
    assert [message.seq for message in offset] == [6, 7]


async def test_messages_are_found_by_id_within_their_conversation(world: World) -> None:
    one, two = await world.users(2)
    conversation, other = await world.single(one, two), await world.group(one)
    first, second = await world.send_all(conversation.id, one, "ab")
    elsewhere = await world.send(other.id, one)
    store = world.stores.messages
    assert await store.get(second.id) == second
    assert await store.get(10**15) is None
    wanted = [second.id, elsewhere.id, first.id, first.id, 10**15]
    assert await store.get_many(conversation.id, wanted) == [first, second]
    assert await store.get_many(conversation.id, []) == []


async def test_an_edit_is_stored_when_its_block_ends_and_not_when_it_raises(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    message = await world.send(
        conversation.id, one, "old", kind=MessageKind.LOCATION, attachment=Location("1", "2"), is_silent=True
    )
    store = world.stores.messages
    with pytest.raises(ZeroDivisionError):
        async with store.edit(message.id) as edit:
            edit.set(lambda new: MessageEdited(new, SOMEBODY), content="never")
            raise ZeroDivisionError
    assert await store.get(message.id) == message
    async with store.edit(message.id) as edit:
        assert edit.message == message
        changed = edit.set(
            lambda new: MessageEdited(new, SOMEBODY),
            content="new",
            state=MessageState.EDITED,
            attachment=Location("3", "4"),
            is_pinned=True,
            updated_at_ms=9,
        )
        assert edit.message == changed
    assert await store.get(message.id) == changed
    assert (changed.content, changed.attachment, changed.is_pinned) == ("new", Location("3", "4"), True)
    scheduled = await world.send(conversation.id, one, send_at_ms=10**15)
    async with store.edit(scheduled.id) as edit:
        edit.set(None, content="later")
    assert [message.content for message in await store.scheduled(one, conversation.id)] == ["later"]
    with pytest.raises(MessageNotFound):
        async with store.edit(10**15):
            pass


async def test_edits_of_one_message_see_each_other(world: World) -> None:
    one, two = await world.users(2)
    message = await world.send((await world.single(one, two)).id, one, "")

    async def add(letter: str) -> None:
        async with world.stores.messages.edit(message.id) as edit:
            await asyncio.sleep(0)
            edit.set(lambda new: MessageEdited(new, SOMEBODY), content=edit.message.content + letter)

    await asyncio.gather(*(add(letter) for letter in "abcdef"))
    changed = await world.stores.messages.get(message.id)
    assert changed is not None
    assert sorted(changed.content) == list("abcdef")


async def test_what_counts_as_unread(world: World) -> None:
    one, two, three = await world.users(3)
    group, single = await world.group(one, [two, three]), await world.single(one, two)
    sent = await world.send_all(group.id, one, "abcdef")
    await world.send(group.id, two)
    await world.send(group.id, one, is_silent=True)
    await world.send(group.id, one, send_at_ms=10**15)
    await world.send(single.id, one)
    unread = world.stores.messages.unread
    assert [await unread(user_id, group.id) for user_id in (one, two, three)] == [1, 6, 7]
    assert [await unread(user_id) for user_id in (one, two, three)] == [1, 7, 7]
    await recall(world, sent[4].id)
    await world.mark(group.id, two, (2, 2))
    assert (await unread(two, group.id), await unread(two)) == (3, 4)
    await world.mark(group.id, two, (1, 8))
    assert (await unread(two, group.id), await unread(two)) == (0, 1)
    assert await unread(10**15) == 0


async def test_nobody_who_left_has_unread_messages(world: World) -> None:
    one, two = await world.users(2)
    left, dissolved = await world.group(one, [two]), await world.group(one, [two])
    for group in (left, dissolved):
        await world.send(group.id, one)
    async with world.stores.conversations.edit(left.id) as edit:
        await edit.set_member(two, status=MemberStatus.LEFT)
    assert await world.stores.messages.unread(two) == 1
    async with world.stores.conversations.edit(dissolved.id) as edit:
        await edit.set(status=ConversationStatus.DISSOLVED)
    assert await world.stores.messages.unread(two) == 0


async def test_a_hidden_message_is_gone_for_one_user_everywhere(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    first, second, third = await world.send_all(conversation.id, one, "abc")
    store, conversations = world.stores.messages, world.stores.conversations

    async def sees(user_id: int) -> list[str]:
        page, _ = await store.history(user_id, conversation.id, limit=10, newest=True)
        listed = await store.history_page(user_id, conversation.id, after_seq=0, offset=0, limit=10)
        assert listed == page
        return [message.content for message in page]

    async def last(user_id: int) -> str | None:
        ((view,), _) = await conversations.list_for(user_id, offset=0, limit=10)
        return view.last_message and view.last_message.content

    for hidden in (third, first, third):
        await store.hide(two, hidden, MessageDeleted(hidden, two, False, 5))
    assert (await sees(one), await sees(two)) == (["a", "b", "c"], ["b"])
    assert (await last(one), await last(two)) == ("c", "b")
    assert await store.unread(two) == await store.unread(two, conversation.id) == 1
    assert (await store.is_hidden(two, third), await store.is_hidden(one, third)) == (True, False)
    missed = await world.stores.sync.missed(two, "0-0-0", {}, 100)
    assert missed is not None
    assert [event for event in missed.events if isinstance(event, MessageDeleted)] == [
        MessageDeleted(third, two, False, 5),
        MessageDeleted(first, two, False, 5),
    ]
    await store.hide(two, second, MessageDeleted(second, two, False, 5))
    assert (await sees(two), await last(two)) == ([], None)
    await world.send(conversation.id, one, "d")
    assert (await sees(two), await last(two)) == (["d"], "d")


async def test_pages_by_number_leave_out_what_was_hidden(world: World) -> None:
    """Against counting by hand."""
    one, other = await world.users(2)
    conversation = await world.single(one, other)
    sent = await world.send_all(conversation.id, other, [f"{number}" for number in range(24)])
    await world.send(conversation.id, other, "later", send_at_ms=world.clock.time_ms + 1000)
    for seq in (1, 2, 5, 9, 10, 11, 20, 24):
        await world.stores.messages.hide(one, sent[seq - 1], MessageDeleted(sent[seq - 1], one, False, 5))
    store = world.stores.messages
    for user_id, after_seq, before_seq in ((one, 0, None), (one, 4, 21), (one, 5, 10), (other, 3, None), (one, 8, 12)):
        hidden = {1, 2, 5, 9, 10, 11, 20, 24} if user_id == one else set()
        seqs = [seq for seq in range(after_seq + 1, before_seq or 25) if seq not in hidden]
        for offset in (0, 1, 2, 3, 7, 8, 15, 16, 40):
            page, total = await store.page(
                user_id, conversation.id, after_seq=after_seq, before_seq=before_seq, offset=offset, limit=4
            )
            assert total == len(seqs)
            assert [message.seq for message in page] == seqs[: max(0, len(seqs) - offset)][-4:]
            page, total = await store.page(
                user_id,
                conversation.id,
                after_seq=after_seq,
                before_seq=before_seq,
                offset=offset,
                limit=4,
                newest=False,
            )
            assert total == len(seqs)
            assert [message.seq for message in page] == seqs[offset : offset + 4]
            if before_seq is None:
                page = await store.history_page(user_id, conversation.id, after_seq=after_seq, offset=offset, limit=4)
                assert [message.seq for message in page] == seqs[offset : offset + 4]


@pytest.mark.slow
async def test_an_endless_backlog_is_counted_up_to_its_newest_10_000(world: World) -> None:
    one, other = await world.users(2)
    conversation = await world.single(one, other)
    store = world.stores.messages
    await world.send_all(conversation.id, other, ["x"] * (UNREAD_COUNTED - 1))
    assert await store.unread(one, conversation.id) == UNREAD_COUNTED - 1
    await world.send_all(conversation.id, other, ["x"] * 30)
    await world.send(conversation.id, one)
    (listed,), _ = await world.stores.conversations.list_for(one, offset=0, limit=1)
    assert listed.unread_count == await store.unread(one) == UNREAD_COUNTED - 1
    await world.mark(conversation.id, one, (1, 40))
    assert await store.unread(one) == UNREAD_COUNTED - 11
