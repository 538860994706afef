"""What clients report: kept, and shown to those whom it concerns."""

import pytest

from domain.client_events import MAX_DATA_BYTES
from domain.errors import Forbidden, InvalidValue
from domain.model import Profile
from tests.domain.conftest import People
from tests.world import START_MS, Rules


async def find(rules: Rules, asker: Profile, **filters: int | str) -> list[str]:
    found, total = await rules.client_events.find(asker, offset=0, limit=50, **filters)  # type: ignore[arg-type]
    assert total == len(found)
    return [event.data for event in found]


async def test_events_are_found_by_type_time_and_user(rules: Rules, people: People) -> None:
    alice, bob, root = await people("alice", "bob", "root")
    await rules.accounts.set_admin("root", True)
    root = await rules.profiles.get(root.id)
    kept = await rules.client_events.report(alice, "check_in", "1")
    assert (kept.user_id, kept.occurred_at_ms, kept.created_at_ms) == (alice.id, START_MS, START_MS)
    await rules.client_events.report(alice, "alarm", "2", START_MS - 10)
    await rules.client_events.report(alice, "check_in", "3", START_MS + 10)
    await rules.client_events.report(bob, "check_in", "4")
    assert await find(rules, alice) == ["3", "1", "2"]
    assert await find(rules, alice, event_type="check_in") == ["3", "1"]
    assert await find(rules, alice, start_ms=START_MS, end_ms=START_MS) == ["1"]
    assert await find(rules, alice, end_ms=START_MS - 1) == ["2"]
    assert await find(rules, alice, user_id=alice.id) == ["3", "1", "2"]
    assert await find(rules, root) == ["3", "4", "1", "2"]
    assert await find(rules, root, user_id=bob.id) == ["4"]
    assert await find(rules, root, event_type="nothing") == []
    with pytest.raises(Forbidden):
        await find(rules, alice, user_id=bob.id)
    page, total = await rules.client_events.find(root, offset=1, limit=2)
    assert ([event.data for event in page], total) == (["4", "1"], 4)


async def test_refused_reports(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    for event_type, data in (("", "1"), (" ", "1"), ("x" * 65, "1"), ("x", "密" * MAX_DATA_BYTES)):
        with pytest.raises(InvalidValue):
            await rules.client_events.report(alice, event_type, data)
    assert await find(rules, alice) == []
