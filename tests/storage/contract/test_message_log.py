"""Contract of MessageLog."""

import asyncio
import random

import pytest

from domain.errors import ConversationNotFound, DomainError, InvalidValue, MessageNotFound, Unavailable
from domain.model import ConversationStatus, Draft, FileRef, Location, MessageKind
from domain.ports import Appended
from tests.storage.world import World


async def test_a_message_comes_back_as_it_was_sent(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    drafts = [
        Draft(conversation_id=conversation.id, sender_id=one, content="a\x00b 飞鸽 🕊 \"'\\ \u2028", client_msg_id="k"),
        Draft(
            conversation_id=conversation.id,
            sender_id=two,
            kind=MessageKind.LOCATION,
            attachment=Location("52.5", "13.4", "柏林"),
            is_silent=True,
            ttl_s=60,
        ),
        Draft(
            conversation_id=conversation.id,
            sender_id=two,
            kind=MessageKind.FILE,
            attachment=FileRef(1, "f", "name", "/p", 5, "text/plain"),
            forward_from_id=1,
        ),
    ]
    sent = [(await world.append(draft)).message for draft in drafts]
    assert [message.seq for message in sent] == [1, 2, 3]
    stored, more = await world.stores.messages.history(1, conversation.id, limit=10, newest=True)
    assert stored == sent
    assert not more
    for draft, message in zip(drafts, stored, strict=True):
        for name in draft.__struct_fields__:
            if name not in ("visible_after_seq", "file_id"):
                assert getattr(message, name) == getattr(draft, name)
        assert message.created_at_ms == message.updated_at_ms == world.clock.time_ms
    fresh = await world.stores.conversations.get(conversation.id)
    assert fresh is not None
    assert (fresh.last_seq, fresh.last_message_at_ms) == (3, world.clock.time_ms)


async def test_answers_come_once_each_in_order_of_seq_and_without_gaps(world: World) -> None:
    one, two, three = await world.users(3)
    ids = [(await world.single(one, two)).id, (await world.single(one, three)).id, (await world.group(one)).id]
    answers: list[Appended] = []
    finished = asyncio.Event()

    def done(outcome: Appended | DomainError) -> None:
        assert isinstance(outcome, Appended)
        answers.append(outcome)
        if len(answers) == 1500:
            finished.set()

    for number in range(1500):
        draft = Draft(conversation_id=ids[number % 3], sender_id=one, content=str(number))
        world.stores.log.append(draft, done)
    assert world.stores.log.queued == 1500
    await finished.wait()
    assert world.stores.log.queued == 0
    assert [outcome.message.content for outcome in answers] == [str(number) for number in range(1500)]
    for conversation_id in ids:
        seqs = [item.message.seq for item in answers if item.message.conversation_id == conversation_id]
        assert seqs == list(range(1, 501))
    message_ids = [outcome.message.id for outcome in answers]
    assert message_ids == sorted(set(message_ids))


async def test_a_client_msg_id_is_stored_once_in_and_across_batches(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    group = await world.group(one, [two])
    draft = Draft(conversation_id=conversation.id, sender_id=one, content="first", client_msg_id="k")
    outcomes = await asyncio.gather(*(world.append(draft) for _ in range(10)))
    assert [outcome.duplicate for outcome in outcomes] == [False] + [True] * 9
    again = await world.append(Draft(conversation_id=group.id, sender_id=one, content="again", client_msg_id="k"))
    assert again.duplicate
    assert {outcome.message for outcome in [*outcomes, again]} == {outcomes[0].message}
    other = await world.append(Draft(conversation_id=conversation.id, sender_id=two, content="b", client_msg_id="k"))
    assert (other.duplicate, other.message.seq) == (False, 2)


async def test_a_duplicate_does_not_disturb_the_others_of_its_batch(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    first = await world.send(conversation.id, one, "first", client_msg_id="k")
    drafts = [
        Draft(conversation_id=conversation.id, sender_id=one, content="a", client_msg_id="a"),
        Draft(conversation_id=conversation.id, sender_id=one, content="x", client_msg_id="k"),
        Draft(conversation_id=conversation.id, sender_id=one, content="b"),
    ]
    a, duplicate, b = await asyncio.gather(*(world.append(draft) for draft in drafts))
    assert (duplicate.message, duplicate.duplicate) == (first, True)
    assert [(a.message.seq, a.duplicate), (b.message.seq, b.duplicate)] == [(2, False), (3, False)]


@pytest.mark.parametrize("seed", range(4))
async def test_random_duplicates_from_many_tasks(world: World, seed: int) -> None:
    rng = random.Random(seed)
    one, two, three = await world.users(3)
    ids = [(await world.single(one, two)).id, (await world.group(one, [two, three])).id]
    keys = [(rng.choice((one, two)), f"key{number}") for number in range(60)]

    async def sender() -> list[tuple[tuple[int, str], Appended]]:
        found = []
        for _ in range(25):
            key = rng.choice(keys)
            draft = Draft(conversation_id=rng.choice(ids), sender_id=key[0], content="x", client_msg_id=key[1])
            found.append((key, await world.append(draft)))
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
        return found

    answers = [item for found in await asyncio.gather(*(sender() for _ in range(20))) for item in found]
    by_key: dict[tuple[int, str], list[Appended]] = {}
    for key, outcome in answers:
        by_key.setdefault(key, []).append(outcome)
    for outcomes in by_key.values():
        assert len({outcome.message for outcome in outcomes}) == 1
        assert [outcome.duplicate for outcome in outcomes].count(False) == 1
    stored = []
    for conversation_id in ids:
        page, _ = await world.stores.messages.history(1, conversation_id, limit=1000, newest=False)
        assert [message.seq for message in page] == list(range(1, len(page) + 1))
        stored += page
    assert set(stored) == {outcomes[0].message for outcomes in by_key.values()}
    assert len(stored) == len(by_key)


async def test_missing_and_dissolved_conversations_are_refused(world: World) -> None:
    one, two = await world.users(2)
    group = await world.group(one, [two])
    sent = await world.send(group.id, one, client_msg_id="before")
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.set(status=ConversationStatus.DISSOLVED)
    for conversation_id in (group.id, 10**15):
        with pytest.raises(ConversationNotFound):
            await world.send(conversation_id, one)
        with pytest.raises(ConversationNotFound):
            await world.send(conversation_id, one, client_msg_id="new")
    # What was stored is answered even now.
    again = await world.append(Draft(conversation_id=group.id, sender_id=one, client_msg_id="before"))
    assert (again.message, again.duplicate) == (sent, True)


async def test_a_refused_draft_does_not_use_up_its_key(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    bad = Draft(conversation_id=10**15, sender_id=one, client_msg_id="k")
    good = Draft(conversation_id=conversation.id, sender_id=one, client_msg_id="k")
    outcomes = await asyncio.gather(*(world.append(draft) for draft in (bad, good)), return_exceptions=True)
    assert isinstance(outcomes[0], ConversationNotFound)
    assert isinstance(outcomes[1], Appended)
    assert not outcomes[1].duplicate


async def test_replies_name_a_visible_message_of_the_conversation(world: World) -> None:
    one, two, three = await world.users(3)
    conversation, other = await world.single(one, two), await world.single(one, three)
    first = await world.send(conversation.id, one)
    elsewhere = await world.send(other.id, one)
    scheduled = await world.send(conversation.id, one, send_at_ms=10**15)
    reply = await world.send(conversation.id, two, reply_to_id=first.id)
    assert reply.reply_to_id == first.id
    for reply_to_id, visible_after_seq in ((elsewhere.id, 0), (10**15, 0), (first.id, 1), (scheduled.id, 0)):
        with pytest.raises(MessageNotFound):
            await world.send(conversation.id, two, reply_to_id=reply_to_id, visible_after_seq=visible_after_seq)


async def test_a_scheduled_message_takes_no_seq_and_is_not_found(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    scheduled = await world.send(conversation.id, one, send_at_ms=10**15, client_msg_id="later")
    sent = await world.send(conversation.id, one)
    assert scheduled.seq < 0
    assert sent.seq == 1
    assert sent.id > scheduled.id
    assert await world.stores.messages.get(scheduled.id) is None
    assert await world.stores.messages.history(1, conversation.id, limit=5, newest=True) == ([sent], False)
    again = await world.append(Draft(conversation_id=conversation.id, sender_id=one, client_msg_id="later"))
    assert (again.message, again.duplicate) == (scheduled, True)


async def test_a_draft_that_cannot_be_stored_does_not_take_others_with_it(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    texts = ["good", "\ud800", "good too"]
    drafts = [Draft(conversation_id=conversation.id, sender_id=one, content=text) for text in texts]
    outcomes = await asyncio.gather(*(world.append(draft) for draft in drafts), return_exceptions=True)
    assert isinstance(outcomes[1], InvalidValue)
    page, _ = await world.stores.messages.history(1, conversation.id, limit=5, newest=True)
    assert [message.content for message in page] == ["good", "good too"]
    with pytest.raises(InvalidValue):
        await world.send(conversation.id, one, client_msg_id="\ud800")


async def test_time_does_not_go_back(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    first = await world.send(conversation.id, one)
    world.clock.time_ms -= 5000
    second = await world.send(conversation.id, one)
    assert second.created_at_ms == first.created_at_ms


async def test_a_callback_that_fails_does_not_stop_the_others(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)

    def fails(outcome: Appended | DomainError) -> None:
        raise RuntimeError

    draft = Draft(conversation_id=conversation.id, sender_id=one, content="x")
    world.stores.log.append(draft, fails)
    assert (await world.append(draft)).message.seq == 2
    assert world.stores.log.queued == 0


async def test_closing_answers_what_was_accepted_and_refuses_the_rest(world: World) -> None:
    one, two = await world.users(2)
    conversation = await world.single(one, two)
    answers: list[Appended | DomainError] = []
    for number in range(1200):
        world.stores.log.append(
            Draft(conversation_id=conversation.id, sender_id=one, content=str(number)), answers.append
        )
    await world.stores.close()
    assert len(answers) == 1200
    assert all(isinstance(outcome, Appended) for outcome in answers)
    with pytest.raises(Unavailable):
        await world.send(conversation.id, one)
