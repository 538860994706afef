"""The resume log ends somewhere."""

import pytest

from domain import retention
from domain.retention import DAY_MS, Retention, RetentionLimits
from tests.domain.conftest import People
from tests.world import Rules


async def test_what_is_too_old_goes_in_batches_and_clients_from_before_it_load_afresh(
    rules: Rules, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    alice, bob = await people("alice", "bob")
    sync = rules.stores.sync

    def keeping(days: int) -> Retention:
        return Retention(store=sync, clock=rules.clock, limits=RetentionLimits(days))

    before = await sync.position()
    for number in range(5):
        await rules.conversations.create_group(alice, [bob.id], name=f"group {number}")
    rules.clock.at_ms += 29 * DAY_MS
    assert not await keeping(30).work()
    assert await sync.missed(bob.id, before, {}, 100) is not None
    rules.clock.at_ms += 2 * DAY_MS
    assert not await keeping(0).work()
    assert await sync.missed(bob.id, before, {}, 100) is not None
    steps = 1
    while await keeping(30).work():
        steps += 1
    assert steps >= 2
    assert await sync.missed(bob.id, before, {}, 100) is None
    now = await sync.missed(bob.id, await sync.position(), {}, 100)
    assert now is not None
    assert now.events == []
