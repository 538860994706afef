"""The cache of memberships: fresh, bounded, and no trap for those who wait for it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.errors import ConversationNotFound, Unavailable
from domain.model import Draft
from domain.ports import RosterData
from domain.rosters import Rosters
from tests.domain.conftest import People
from tests.world import NOBODY, Rules

Load = Callable[[int], Awaitable[RosterData | None]]


async def test_a_roster_that_changes_while_it_is_loaded_is_loaded_again(
    rules: Rules, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    group = await rules.conversations.create_group(alice, [bob.id], name="g")
    load: Load = rules.stores.conversations.roster
    loads = 0

    async def overtaken(conversation_id: int) -> RosterData | None:
        nonlocal loads
        loads += 1
        data = await load(conversation_id)
        if loads == 1:
            await rules.conversations.add_members(alice, group.id, [carol.id])
            await rules.conversations.remove_member(alice, group.id, bob.id)
        return data

    monkeypatch.setattr(rules.stores.conversations, "roster", overtaken)
    assert set((await rules.rosters.get(group.id)).seats) == {alice.id, carol.id}
    assert loads == 2


async def test_a_failure_that_nobody_expected_answers_those_who_wait(
    rules: Rules, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await rules.conversations.open_single(alice, bob.id)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    async def fail(conversation_id: int) -> RosterData | None:
        raise LookupError("a mistake")

    draft = Draft(conversation_id=conversation.id, sender_id=alice.id, content="x")
    with monkeypatch.context() as patch:
        patch.setattr(rules.stores.conversations, "roster", fail)
        sends = (rules.messages.send(alice, draft) for _ in range(3))
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert (await rules.messages.send(alice, draft)).message.seq == 1


async def test_the_least_used_rosters_are_dropped(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    groups = [await rules.conversations.create_group(alice, [bob.id], name=name) for name in "abc"]
    rosters = Rosters(rules.stores.conversations, rules.spawn, max_seats=4)
    for number in (0, 1, 0, 2):
        await rosters.get(groups[number].id)
    assert [rosters.peek(group.id) is not None for group in groups] == [True, False, True]


async def test_what_does_not_exist_is_not_kept(rules: Rules, people: People) -> None:
    for _ in range(2):
        with pytest.raises(ConversationNotFound):
            await rules.rosters.get(NOBODY)
    assert rules.rosters.peek(NOBODY) is None
