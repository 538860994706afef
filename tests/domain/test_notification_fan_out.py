"""Sending to everybody goes on where it was left, in any process."""

import asyncio
from pathlib import Path

import pytest

import domain.notification_sending
from domain.notification_sending import Wording
from domain.records import RecordFilter
from tests.world import PASSWORD, Rules

USERS = 7


async def test_another_process_goes_on_and_nobody_is_reached_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain.notification_sending, "MIN_BATCH", 2)
    monkeypatch.setattr(domain.notification_sending, "MAX_BATCH", 2)
    first = Rules(tmp_path / "feige.db")
    await first.start()
    users = [await first.accounts.register(username=f"user{number}", password=PASSWORD) for number in range(USERS)]
    view = await first.sending.create(users[0].profile, Wording(title="t", content="c"))
    fan_out = await first.sending.send_to_all(view.notification.uuid)
    fan_out = await first.sending.advance(fan_out)
    assert (fan_out.sent, fan_out.is_done) == (2, False)
    await first.close()

    second = Rules(tmp_path / "feige.db")
    await second.start()
    steps = await asyncio.gather(*(second.sending.work() for _ in range(3)))
    assert all(steps)
    while await second.sending.work():
        pass
    (done,), counts = await second.sending.progress(view.notification.uuid)
    assert (done.sent, done.total, done.is_done) == (USERS, USERS, True)
    assert counts == {("websocket", "delivered"): USERS}
    for user in users:
        found, total, _ = await second.notifications.list_for(user.id, RecordFilter(), offset=0, limit=9)
        assert (len(found), total) == (1, 1)
    await second.close()
