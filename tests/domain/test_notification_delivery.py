"""Delivering notifications: what waits, what is tried again, what is given up."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidValue, Unavailable
from domain.events import NotificationArrived
from domain.model import User
from domain.notification_delivery import BATCH, LEASE_MS, MAX_TRIES, retry_after_ms
from domain.notification_sending import Wording
from domain.records import Channel, EmailFrequency, Priority, RecordFilter
from tests.world import PASSWORD, START_MS, Rules

HOUR_MS = 3_600_000


@pytest.fixture
async def rules(database: Path) -> AsyncIterator[Rules]:
    rules = Rules(database)
    await rules.start()
    yield rules
    await rules.close()


@pytest.fixture
async def alice(rules: Rules) -> User:
    return await rules.accounts.register(username="alice", password=PASSWORD, email="alice@example.com")


async def make(rules: Rules, user: User, title: str = "t", **fields: Any) -> None:
    fields = {"channels": tuple(Channel)} | fields
    await rules.sending.create_for(user.profile, user.id, Wording(title=title, content="c"), **fields)


async def work(rules: Rules) -> None:
    for channel in rules.delivery.channels:
        await rules.delivery.work(channel)


def heard(rules: Rules, user: User) -> list[str]:
    """The titles that the user's session is told of from now on."""
    titles: list[str] = []
    rules.directory.connected(user.id)
    rules.bus.subscribe(
        lambda event, audience, origin: titles.append(event.title) if isinstance(event, NotificationArrived) else None
    )
    return titles


def sent(rules: Rules, channel: Channel) -> list[list[str]]:
    return [titles for _, titles in rules.senders[channel].sent]


async def test_each_channel_delivers_once(rules: Rules, alice: User) -> None:
    told = heard(rules, alice)
    await make(rules, alice, "one")
    await work(rules)
    await work(rules)
    assert told == ["one"]
    assert sent(rules, Channel.EMAIL) == sent(rules, Channel.PUSH) == [["one"]]


async def test_what_is_scheduled_is_delivered_then(rules: Rules, alice: User) -> None:
    told = heard(rules, alice)
    await make(rules, alice, scheduled_at_ms=START_MS + 1000)
    await work(rules)
    assert (told, sent(rules, Channel.PUSH)) == ([], [])
    rules.clock.at_ms += 1000
    await work(rules)
    assert (told, sent(rules, Channel.PUSH)) == (["t"], [["t"]])


async def test_what_expired_meanwhile_is_not_delivered(rules: Rules, alice: User) -> None:
    told = heard(rules, alice)
    await make(rules, alice, scheduled_at_ms=START_MS + 1000, expires_at_ms=START_MS + 2000)
    rules.clock.at_ms += 2000
    await work(rules)
    assert (told, sent(rules, Channel.PUSH), sent(rules, Channel.EMAIL)) == ([], [], [])


async def test_quiet_hours_hold_back_all_but_urgent_ones_until_they_end(rules: Rules, alice: User) -> None:
    told = heard(rules, alice)
    await rules.notifications.set_preferences(alice.id, quiet_hours_start="11:00", quiet_hours_end="13:00")
    await make(rules, alice, "quiet")
    await make(rules, alice, "urgent", priority=Priority.URGENT)
    await work(rules)
    assert told == ["urgent"]
    rules.clock.at_ms += HOUR_MS - 1
    await work(rules)
    assert told == ["urgent"]
    rules.clock.at_ms += 1
    await work(rules)
    assert told == ["urgent", "quiet"]
    assert sent(rules, Channel.PUSH) == [["urgent"], ["quiet"]]


async def test_do_not_disturb_ends_when_it_is_switched_off(rules: Rules, alice: User) -> None:
    told = heard(rules, alice)
    await rules.notifications.set_preferences(alice.id, do_not_disturb=True)
    await make(rules, alice)
    rules.clock.at_ms += 1000 * HOUR_MS
    await work(rules)
    assert told == []
    await rules.notifications.set_preferences(alice.id, do_not_disturb=False)
    await work(rules)
    assert (told, sent(rules, Channel.EMAIL)) == (["t"], [["t"]])


async def test_what_is_switched_off_meanwhile_is_not_delivered(rules: Rules, alice: User) -> None:
    await rules.notifications.set_preferences(alice.id, do_not_disturb=True)
    await make(rules, alice)
    await rules.notifications.set_preferences(alice.id, do_not_disturb=False, push_enabled=False)
    await work(rules)
    assert (sent(rules, Channel.PUSH), sent(rules, Channel.EMAIL)) == ([], [["t"]])


async def test_a_digest_goes_out_at_the_full_hour(rules: Rules, alice: User) -> None:
    await rules.notifications.set_preferences(alice.id, email_frequency=EmailFrequency.HOURLY)
    rules.clock.at_ms += 1
    for title in ("one", "two"):
        await make(rules, alice, title)
    await make(rules, alice, "now", priority=Priority.URGENT)
    await work(rules)
    assert sent(rules, Channel.EMAIL) == [["now"]]
    # A change of something else does not send it early.
    await rules.notifications.set_preferences(alice.id, push_enabled=False)
    await work(rules)
    assert sent(rules, Channel.EMAIL) == [["now"]]
    rules.clock.at_ms = START_MS + HOUR_MS + 250
    await work(rules)
    assert sent(rules, Channel.EMAIL) == [["now"], ["one", "two"]]


async def test_a_daily_digest_goes_out_in_the_morning_of_its_reader(rules: Rules, alice: User) -> None:
    await rules.accounts.update_profile(alice.id, time_zone="Asia/Shanghai")
    await rules.notifications.set_preferences(alice.id, email_frequency=EmailFrequency.DAILY)
    for title in ("one", "two"):
        await make(rules, alice, title, channels=(Channel.EMAIL,))
    # It is 20:00 there.
    rules.clock.at_ms += 12 * HOUR_MS - 1
    await work(rules)
    assert sent(rules, Channel.EMAIL) == []
    rules.clock.at_ms += 1
    await work(rules)
    await work(rules)
    assert sent(rules, Channel.EMAIL) == [["one", "two"]]


async def test_failures_are_tried_again_ever_later_and_then_given_up(rules: Rules, alice: User) -> None:
    push = rules.senders[Channel.PUSH]
    push.refusal = Unavailable("the webhook answered 500")
    await make(rules, alice)
    for tries in range(1, MAX_TRIES + 1):
        await work(rules)
        rules.clock.at_ms += retry_after_ms(tries)
    push.refusal = None
    await work(rules)
    assert push.sent == []
    (letter,), total = await rules.delivery.dead_letters(offset=0, limit=9)
    assert (total, letter.channel, letter.tries, letter.error) == (
        1,
        Channel.PUSH,
        MAX_TRIES,
        "the webhook answered 500",
    )
    assert letter.user_uuid == alice.uuid


async def test_one_that_comes_back_gets_it_and_not_before_its_time(rules: Rules, alice: User) -> None:
    push = rules.senders[Channel.PUSH]
    push.refusal = Unavailable()
    await make(rules, alice)
    await work(rules)
    push.refusal = None
    rules.clock.at_ms += retry_after_ms(1) - 1
    await work(rules)
    assert push.sent == []
    rules.clock.at_ms += 1
    await work(rules)
    assert push.sent == [(alice.id, ["t"])]


async def test_what_is_refused_for_good_is_not_tried_again(rules: Rules, alice: User) -> None:
    rules.senders[Channel.EMAIL].refusal = InvalidValue("email", "refused")
    await make(rules, alice, channels=(Channel.EMAIL,))
    await work(rules)
    _, total = await rules.delivery.dead_letters(offset=0, limit=9)
    assert total == 1


async def test_who_dies_with_a_delivery_loses_it_to_the_next(rules: Rules, alice: User) -> None:
    await make(rules, alice)
    store, now_ms = rules.stores.deliveries, rules.clock.now_ms()
    assert len(await store.claim(Channel.PUSH, now_ms, now_ms + LEASE_MS, 9)) == 1
    await work(rules)
    assert sent(rules, Channel.PUSH) == []
    rules.clock.at_ms += LEASE_MS
    await work(rules)
    assert sent(rules, Channel.PUSH) == [["t"]]


async def test_what_is_deleted_is_not_delivered(rules: Rules, alice: User) -> None:
    await make(rules, alice, scheduled_at_ms=START_MS + 1)
    rules.clock.at_ms += 1
    found, _, _ = await rules.notifications.list_for(alice.id, RecordFilter(), offset=0, limit=9)
    await rules.notifications.delete(alice.profile, record_id=found[0].record.id)
    await work(rules)
    assert sent(rules, Channel.PUSH) == []


async def test_batches(rules: Rules, alice: User) -> None:
    for _ in range(3):
        await make(rules, alice, scheduled_at_ms=START_MS + 1, channels=(Channel.WEBSOCKET,))
    told = heard(rules, alice)
    rules.clock.at_ms += 1
    assert not await rules.delivery.work(Channel.WEBSOCKET)
    assert len(told) == 3 < BATCH
