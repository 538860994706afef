"""Announcements: who gets them, and who finds them later."""

import pytest

from domain.errors import InvalidValue
from domain.events import BroadcastSent, Event
from domain.records import Broadcast, Priority
from tests.domain.conftest import People
from tests.world import NOBODY, Rules


async def listed(rules: Rules, user_id: int) -> list[str]:
    found, total = await rules.broadcasts.list_for(user_id, offset=0, limit=100)
    assert len(found) == total
    return [broadcast.title for broadcast in found]


async def test_everybody_who_is_connected_gets_it_and_all_find_it(rules: Rules, people: People) -> None:
    admin, bob, carol = await people("admin", "bob", "carol")
    rules.directory.connected(bob.id)
    rules.directory.connected(bob.id)
    rules.directory.connected(admin.id)
    heard: list[tuple[Event, set[int]]] = []
    rules.bus.subscribe(lambda event, audience, *_: heard.append((event, set(audience.user_ids))))
    sent, connected = await rules.broadcasts.send(admin, title="t", content="c", priority=Priority.HIGH)
    assert isinstance(sent, Broadcast)
    assert connected == 2
    assert heard == [(BroadcastSent(sent.id, "t", "c", "high", rules.clock.now_ms()), {admin.id, bob.id})]
    for user in (admin, bob, carol):
        assert await listed(rules, user.id) == ["t"]
    rules.clock.at_ms += 1
    (late,) = await people("late")
    assert await listed(rules, late.id) == []


async def test_targets_alone_get_it(rules: Rules, people: People) -> None:
    admin, bob, carol = await people("admin", "bob", "carol")
    for user in (admin, bob, carol):
        rules.directory.connected(user.id)
    heard: list[set[int]] = []
    rules.bus.subscribe(lambda event, audience, *_: heard.append(set(audience.user_ids)))
    sent, connected = await rules.broadcasts.send(
        admin, title="t", content="c", target_user_ids=[carol.id, bob.id, bob.id]
    )
    assert (sent.target_user_ids, connected, heard) == ((carol.id, bob.id), 2, [{bob.id, carol.id}])
    assert [await listed(rules, user.id) for user in (admin, bob, carol)] == [[], ["t"], ["t"]]


async def test_refused_ones_reach_nobody(rules: Rules, people: People) -> None:
    admin, bob = await people("admin", "bob")
    for title, content, targets in (
        ("", "c", None),
        ("x" * 256, "c", None),
        ("t", " ", None),
        ("t", "x" * 5001, None),
        ("t", "c", []),
        ("t", "c", [bob.id, NOBODY]),
    ):
        with pytest.raises(InvalidValue):
            await rules.broadcasts.send(admin, title=title, content=content, target_user_ids=targets)
    assert await listed(rules, bob.id) == []


async def test_who_was_away_gets_it_when_resuming(rules: Rules, people: People) -> None:
    admin, bob, carol = await people("admin", "bob", "carol")
    position = await rules.stores.sync.position()
    await rules.broadcasts.send(admin, title="all", content="c")
    await rules.broadcasts.send(admin, title="bob", content="c", target_user_ids=[bob.id])
    for user, titles in ((bob, ["all", "bob"]), (carol, ["all"])):
        missed = await rules.stores.sync.missed(user.id, position, {}, 10)
        assert missed is not None
        assert [event.title for event in missed.events if isinstance(event, BroadcastSent)] == titles
