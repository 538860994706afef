"""Online and offline: counted by session, told to partners, and when somebody was last seen."""

import asyncio

from domain.events import Event, PresenceChanged
from domain.ports import Audience
from tests.domain.conftest import People
from tests.world import START_MS, Rules


class Announced:
    """The presence events of a bus. Changes are announced in batches, in order; a later one proves that an earlier one
    would have come."""

    def __init__(self, rules: Rules) -> None:
        self.heard: list[tuple[int, bool, set[int]]] = []
        rules.bus.subscribe(self._hear)

    def _hear(self, event: Event, audience: Audience, origin: object | None) -> None:
        if isinstance(event, PresenceChanged):
            self.heard.append((event.user_id, event.is_online, set(audience.user_ids)))

    async def until(self, count: int) -> list[tuple[int, bool, set[int]]]:
        async with asyncio.timeout(5):
            while len(self.heard) < count:
                await asyncio.sleep(0.005)
        return self.heard


async def test_partners_of_single_conversations_hear_and_groups_do_not(rules: Rules, people: People) -> None:
    alice, bob, carol = await people("alice", "bob", "carol")
    await rules.conversations.open_single(alice, bob.id)
    await rules.conversations.create_group(alice, [bob.id, carol.id], name="g")
    announced = Announced(rules)
    rules.presence.connected(alice.id)
    await announced.until(1)
    rules.presence.disconnected(alice.id)
    assert await announced.until(2) == [(alice.id, True, {bob.id}), (alice.id, False, {bob.id})]


async def test_only_the_first_and_the_last_session_count(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    announced = Announced(rules)
    for _ in range(3):
        rules.presence.connected(alice.id)
    await announced.until(1)
    for _ in range(2):
        rules.presence.disconnected(alice.id)
    rules.presence.connected(bob.id)
    assert [event[:2] for event in await announced.until(2)] == [(alice.id, True), (bob.id, True)]
    assert rules.presence.states([alice.id, bob.id]) == {alice.id: True, bob.id: True}
    assert rules.presence.session_count() == 2
    rules.presence.disconnected(alice.id)
    assert [event[:2] for event in await announced.until(3)][2:] == [(alice.id, False)]
    assert rules.presence.online() == [bob.id]


async def test_a_reconnect_makes_no_noise(rules: Rules, people: People) -> None:
    alice, bob = await people("alice", "bob")
    announced = Announced(rules)
    rules.presence.connected(alice.id)
    await announced.until(1)
    rules.presence.disconnected(alice.id)
    assert rules.presence.is_online(alice.id), "not away yet"
    rules.presence.connected(alice.id)
    rules.presence.connected(bob.id)
    assert [event[:2] for event in await announced.until(2)] == [(alice.id, True), (bob.id, True)]


async def test_one_disconnect_too_many_counts_nothing(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    rules.presence.disconnected(alice.id)
    rules.presence.connected(alice.id)
    assert rules.presence.is_online(alice.id)
    assert rules.presence.session_count() == 1


async def test_last_seen(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    assert await rules.presence.last_seen_ms(alice.id) is None
    announced = Announced(rules)
    rules.presence.connected(alice.id)
    await announced.until(1)
    rules.clock.at_ms += 60_000
    assert await rules.presence.last_seen_ms(alice.id) == START_MS + 60_000, "online is now"
    rules.presence.disconnected(alice.id)
    rules.clock.at_ms += 60_000
    assert await rules.presence.last_seen_ms(alice.id) == START_MS + 60_000
    await rules.presence.close()
    assert (await rules.accounts.get(alice.id)).last_seen_at_ms == START_MS + 60_000
