"""Contract of SearchStore: whatever is indexed, a search finds what a comparison of all messages finds."""

import random
from typing import Any

import pytest

from domain.events import Event, MessageDeleted, MessageEdited
from domain.model import FileRef, Location, Message, MessageKind, MessageState, Profile, Role
from storage.sql.search import COUNTED, LEASE_MS, SqlSearchStore
from storage.sql.search_terms import SEGMENT_SIZE
from tests.storage.world import World

ALPHABET = "ab会议 %_Ａß"


async def find(world: World, user_id: int, keyword: str, **options: Any) -> list[str]:
    wanted = {"conversation_id": None, "kind": None, "limit": 100} | options
    found, total = await world.stores.search.find(user_id, keyword, **wanted)
    assert total >= len(found)
    return [message.content for message in found]


async def index_all(world: World) -> int:
    steps = 0
    while await world.stores.search.index_next():
        steps += 1
    return steps


async def change(world: World, message: Message, **fields: Any) -> None:
    who = Profile(message.sender_id, "a", "a")

    def event(new: Message) -> Event:
        return MessageDeleted(new, who.id, True, 1) if new.is_gone else MessageEdited(new, who)

    async with world.stores.messages.edit(message.id) as edit:
        edit.set(event, **fields)


async def filled(world: World, *contents: str) -> tuple[int, int, list[Message]]:
    """A segment's worth of messages and more, with the contents in its middle."""
    alice, bob = await world.users(2)
    conversation = await world.single(alice, bob)
    before = [f"before {number}" for number in range(SEGMENT_SIZE // 2)]
    after = [f"after {number}" for number in range(SEGMENT_SIZE)]
    sent = await world.send_all(conversation.id, alice, [*before, *contents, *after])
    return alice, bob, sent[len(before) : len(before) + len(contents)]


async def test_a_message_is_found_at_once_and_after_it_was_indexed(world: World) -> None:
    alice, bob, _ = await filled(world, "明天下午开会议", "The Quick Brown fox", "100% _sure_")
    for is_indexed in (False, True):
        assert not is_indexed or await index_all(world) == 1
        for user in (alice, bob):
            assert await find(world, user, "会议") == ["明天下午开会议"]
            assert await find(world, user, "开") == ["明天下午开会议"]
            assert await find(world, user, "quick b") == ["The Quick Brown fox"]
            assert await find(world, user, "ＱＵＩＣＫ") == ["The Quick Brown fox"]
            assert await find(world, user, "0% _") == ["100% _sure_"]
            assert await find(world, user, "%") == ["100% _sure_"]
            assert await find(world, user, "a%o") == []
            assert await find(world, user, "quick fox") == []
            assert await find(world, user, "before 7", limit=3) == ["before 79", "before 78", "before 77"]


async def test_only_what_the_caller_sees(world: World) -> None:
    alice, bob, carol, dora = await world.users(4)
    single = await world.single(alice, bob)
    group = await world.group(carol, [dora])
    await world.send_all(single.id, alice, ["needle in the single"] + ["hay"] * SEGMENT_SIZE)
    await world.send_all(group.id, carol, ["needle in the group", "older needle"])
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.add([bob], Role.MEMBER, 1, 1)
    expected = {
        alice: ["needle in the single"],
        bob: ["older needle", "needle in the single"],
        dora: ["older needle", "needle in the group"],
    }
    for _ in range(2):
        for user, contents in expected.items():
            assert await find(world, user, "needle") == contents
        assert await find(world, bob, "needle", conversation_id=group.id) == ["older needle"]
        assert await find(world, alice, "needle", conversation_id=group.id) == []
        await index_all(world)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.set(status="dissolved")
    assert await find(world, dora, "needle") == []


async def test_edits_and_deletions_reach_it(world: World) -> None:
    alice, _, (edited, deleted) = await filled(world, "old words", "secret words")
    await index_all(world)
    await change(world, edited, content="fresh words", state=MessageState.EDITED)
    await change(world, deleted, content="", state=MessageState.DELETED)
    for is_indexed in (False, True):
        assert not is_indexed or await index_all(world) == 1
        assert await find(world, alice, "words") == ["fresh words"]
        assert await find(world, alice, "fresh") == ["fresh words"]
        assert await find(world, alice, "old w") == await find(world, alice, "secret") == []
    assert await index_all(world) == 0


async def test_files_and_places_are_found_by_name_and_address(world: World) -> None:
    alice, bob = await world.users(2)
    single = await world.single(alice, bob)
    file = FileRef(1, "f1", "季度报告.PDF", "/f1", 3, "application/pdf")
    await world.send(single.id, alice, "see", kind=MessageKind.FILE, attachment=file)
    await world.send(single.id, alice, "here", kind=MessageKind.LOCATION, attachment=Location("1", "2", "朝阳区"))
    assert await find(world, bob, "报告.pdf") == ["see"]
    assert await find(world, bob, "朝阳") == ["here"]
    assert await find(world, bob, "朝阳", kind=MessageKind.FILE) == []
    assert await find(world, bob, "e", kind=MessageKind.FILE) == ["see"]


async def test_scheduled_and_hidden_messages_are_not_found(world: World) -> None:
    alice, bob = await world.users(2)
    single = await world.single(alice, bob)
    await world.send(single.id, alice, "needle later", send_at_ms=world.clock.time_ms + 1000)
    shown = await world.send(single.id, alice, "needle now")
    assert await find(world, alice, "needle") == ["needle now"]
    await world.stores.messages.hide(bob, shown, MessageDeleted(shown, bob, False, 1))
    assert await find(world, bob, "needle") == []
    assert await find(world, alice, "needle") == ["needle now"]


@pytest.mark.slow
async def test_matches_are_counted_up_to_a_thousand(world: World) -> None:
    alice, bob = await world.users(2)
    single = await world.single(alice, bob)
    await world.send_all(single.id, alice, [f"same {number}" for number in range(COUNTED + SEGMENT_SIZE)])
    for _ in range(2):
        found, total = await world.stores.search.find(bob, "same", conversation_id=None, kind=None, limit=2)
        assert total == COUNTED
        assert [each.content for each in found] == [f"same {COUNTED + SEGMENT_SIZE - number}" for number in (1, 2)]
        await index_all(world)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_it_finds_what_a_comparison_of_everything_finds(world: World, seed: int) -> None:
    chance = random.Random(seed)
    users = await world.users(3)
    singles = [await world.single(users[0], other) for other in users[1:]]
    sent: list[Message] = []
    for round_ in range(3):
        for conversation in singles:
            contents = ["".join(chance.choices(ALPHABET, k=chance.randint(1, 12))) for _ in range(400)]
            sent += await world.send_all(conversation.id, users[0], contents)
        if round_:
            await index_all(world)
        for index in chance.sample(range(len(sent)), 3):
            content = "".join(chance.choices(ALPHABET, k=8))
            await change(world, sent[index], content=content, state=MessageState.EDITED)
        contents = {each.id: each for each in await _all(world, sent)}
        for _ in range(12):
            keyword = "".join(chance.choices(ALPHABET, k=chance.randint(1, 3)))
            key = keyword.replace("Ａ", "a").replace("ß", "ss")
            wanted = [
                each.content
                for _, each in sorted(contents.items(), reverse=True)
                if key in each.content.replace("Ａ", "a").replace("ß", "ss")
            ]
            assert (await find(world, users[0], keyword, limit=COUNTED)) == wanted[:COUNTED], keyword


async def _all(world: World, sent: list[Message]) -> list[Message]:
    by_conversation: dict[int, list[int]] = {}
    for message in sent:
        by_conversation.setdefault(message.conversation_id, []).append(message.id)
    found: list[Message] = []
    for conversation_id, ids in by_conversation.items():
        found += await world.stores.messages.get_many(conversation_id, ids)
    return found


class _Interrupted(Exception):
    pass


async def test_an_indexer_that_died_leaves_nothing_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, _, _ = await filled(world, "needle")
    store = world.stores.search
    assert isinstance(store, SqlSearchStore)
    write = store._write
    written = 0

    async def interrupted(*args: Any) -> None:
        nonlocal written
        if written == 1:
            raise _Interrupted
        written += 1
        await write(*args)

    monkeypatch.setattr(store, "_write", interrupted)
    with pytest.raises(_Interrupted):
        await store.index_next()
    assert await find(world, alice, "needle") == ["needle"]
    # Another process: it waits until the lease has run out.
    other = SqlSearchStore(world.stores.database, store._writer, store._gate)
    assert not await other.index_next()
    world.clock.time_ms += LEASE_MS + 1
    assert await other.index_next()
    assert not await other.index_next()
    assert await find(world, alice, "needle") == ["needle"]


async def test_an_indexer_that_was_overtaken_gives_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alice, _, _ = await filled(world, "needle")
    store = world.stores.search
    assert isinstance(store, SqlSearchStore)
    other = SqlSearchStore(world.stores.database, store._writer, store._gate)
    write = store._write

    async def stopped_for_long(*args: Any) -> None:
        monkeypatch.setattr(store, "_write", write)
        world.clock.time_ms += LEASE_MS + 1
        assert await other.index_next()
        await write(*args)

    monkeypatch.setattr(store, "_write", stopped_for_long)
    assert not await store.index_next()
    assert not await store.index_next()
    assert await find(world, alice, "needle") == ["needle"]


async def test_every_kind_of_text_is_compared_as_it_is(world: World) -> None:
    """Of the index, of the texts beside it, and of those that are too long to stand there."""
    odd = [
        "".join(map(chr, range(1, 32))) + "odd",
        'a "quoted" \\ back/slash odd',
        "🕊️ odd \u2028 end",
        "x" * 3000 + " odd",
    ]
    alice, bob, _ = await filled(world, *odd)
    for is_indexed in (False, True):
        assert not is_indexed or await index_all(world) == 1
        for user in (alice, bob):
            assert await find(world, user, "odd") == odd[::-1]
            assert await find(world, user, '"quoted" \\ b') == [odd[1]]
            assert await find(world, user, "\x07\x08") == [odd[0]]
            assert await find(world, user, "🕊️ o") == [odd[2]]
            assert await find(world, user, "xx odd") == [odd[3]]
