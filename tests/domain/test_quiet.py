"""When users may be disturbed: the arithmetic against a clock on the wall that is looked at minute by minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.quiet import NEVER_MS, email_due_ms, plan, quiet_until_ms, zone
from domain.records import (
    Channel,
    DeliveryState,
    EmailFrequency,
    Notification,
    NotificationKind,
    NotificationPreferences,
    Priority,
    Recipient,
)

MINUTE_MS = 60_000
START = datetime(2025, 1, 1, tzinfo=UTC)
MINUTES = st.integers(0, 365 * 24 * 60).map(
    lambda minutes: int((START + timedelta(minutes=minutes)).timestamp()) * 1000
)
TIMES = st.tuples(st.integers(0, 23), st.sampled_from([0, 1, 29, 30, 59])).map(lambda it: f"{it[0]:02}:{it[1]:02}")
CHANGING_ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"])
# In 2025, UTC.
CHANGES = (
    datetime(2025, 3, 30, 1, tzinfo=UTC),
    datetime(2025, 10, 26, 1, tzinfo=UTC),
    datetime(2025, 3, 9, 7, tzinfo=UTC),
    datetime(2025, 11, 2, 6, tzinfo=UTC),
    datetime(2025, 4, 5, 15, tzinfo=UTC),
    datetime(2025, 10, 4, 15, 30, tzinfo=UTC),
    datetime(2025, 4, 6, 3, tzinfo=UTC),
    datetime(2025, 9, 7, 4, tzinfo=UTC),
)
AROUND_CHANGES = st.tuples(st.sampled_from(CHANGES), st.integers(-1500, 1500)).map(
    lambda it: int((it[0] + timedelta(minutes=it[1])).timestamp()) * 1000
)
# Shown once on every day in these zones.
DAYTIMES = TIMES.filter(lambda shown: "04" <= shown < "23")
FIXED_ZONES = st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kathmandu", "Pacific/Honolulu"])


def wall(time_zone: str, at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone(time_zone)).strftime("%H:%M")


def is_quiet(start: str, end: str, shown: str) -> bool:
    return start <= shown < end if start <= end else not end <= shown < start


@given(start=TIMES, end=TIMES, time_zone=FIXED_ZONES, at_ms=MINUTES)
def test_quiet_ends_when_the_wall_clock_says_so(start: str, end: str, time_zone: str, at_ms: int) -> None:
    preferences = NotificationPreferences(user_id=1, quiet_hours_start=start, quiet_hours_end=end)
    expected = at_ms
    while is_quiet(start, end, wall(time_zone, expected)):
        expected += MINUTE_MS
    assert quiet_until_ms(preferences, time_zone, at_ms) == expected


@given(start=DAYTIMES, end=DAYTIMES, time_zone=CHANGING_ZONES, at_ms=AROUND_CHANGES)
def test_quiet_ends_when_the_wall_clock_says_so_whenever_it_is_changed(
    start: str, end: str, time_zone: str, at_ms: int
) -> None:
    preferences = NotificationPreferences(user_id=1, quiet_hours_start=start, quiet_hours_end=end)
    expected = at_ms
    while is_quiet(start, end, wall(time_zone, expected)):
        expected += MINUTE_MS
    assert quiet_until_ms(preferences, time_zone, at_ms) == expected


@pytest.mark.parametrize(
    ("now", "end"), [("00:10", "00:30"), ("00:40", "00:40"), ("01:10", "01:30"), ("01:40", "01:40")]
)
def test_quiet_that_ends_in_an_hour_that_comes_twice(now: str, end: str) -> None:
    """From 00:00 to 02:00 UTC, clocks in Berlin showed 02:00 to 03:00 twice."""
    preferences = NotificationPreferences(user_id=1, quiet_hours_start="22:00", quiet_hours_end="02:30")
    now_ms, end_ms = (
        int(datetime.fromisoformat(f"2025-10-26T{time}:00+00:00").timestamp()) * 1000 for time in (now, end)
    )
    assert quiet_until_ms(preferences, "Europe/Berlin", now_ms) == end_ms


@given(start=TIMES, end=TIMES, at_ms=MINUTES)
def test_quiet_is_never_longer_than_a_day_and_never_in_the_past(start: str, end: str, at_ms: int) -> None:
    preferences = NotificationPreferences(user_id=1, quiet_hours_start=start, quiet_hours_end=end)
    for time_zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
        until_ms = quiet_until_ms(preferences, time_zone, at_ms)
        assert at_ms <= until_ms <= at_ms + 25 * 60 * MINUTE_MS


def test_do_not_disturb_has_no_end_and_half_an_interval_is_none() -> None:
    assert quiet_until_ms(NotificationPreferences(user_id=1, do_not_disturb=True), "UTC", 5) == NEVER_MS
    assert quiet_until_ms(NotificationPreferences(user_id=1, quiet_hours_start="00:00"), "UTC", 5) == 5
    assert quiet_until_ms(NotificationPreferences(user_id=1), "no/zone", 5) == 5


@given(time_zone=FIXED_ZONES, at_ms=MINUTES)
def test_digests(time_zone: str, at_ms: int) -> None:
    assert email_due_ms(EmailFrequency.IMMEDIATE, time_zone, at_ms) == at_ms
    hourly = email_due_ms(EmailFrequency.HOURLY, time_zone, at_ms)
    assert 0 <= hourly - at_ms < 60 * MINUTE_MS
    assert hourly % (60 * MINUTE_MS) == 0
    daily = email_due_ms(EmailFrequency.DAILY, time_zone, at_ms)
    assert 0 <= daily - at_ms < 24 * 60 * MINUTE_MS
    assert wall(time_zone, daily) == "08:00"


NOW_MS = 1_736_337_600_000


def notification(**fields: object) -> Notification:
    values: dict[str, object] = {
        "id": 1,
        "uuid": "u",
        "kind": NotificationKind.SYSTEM,
        "title": "t",
        "content": "c",
        "channels": tuple(Channel),
        "created_at_ms": NOW_MS,
        "updated_at_ms": NOW_MS,
    }
    return Notification(**values | fields)  # type: ignore[arg-type]


def planned(
    what: Notification, email: str | None = "a@example.com", **preferences: object
) -> dict[Channel, tuple[DeliveryState, int]]:
    to = Recipient(1, "u", "n", email, "UTC", NotificationPreferences(user_id=1, **preferences))  # type: ignore[arg-type]
    return {each.channel: (each.state, each.due_at_ms - NOW_MS) for each in plan(what, to, Channel, NOW_MS)}


def test_what_is_due_now() -> None:
    pending = DeliveryState.PENDING, 0
    told = DeliveryState.DELIVERED, 0
    assert planned(notification()) == {
        Channel.WEBSOCKET: told,
        Channel.EMAIL: pending,
        Channel.PUSH: pending,
    }
    assert planned(notification(channels=(Channel.PUSH,))) == {Channel.PUSH: pending}
    assert Channel.EMAIL not in planned(notification(), email=None)


@pytest.mark.parametrize(
    ("kind", "switch"),
    [
        (NotificationKind.MESSAGE, "message_enabled"),
        (NotificationKind.GROUP_MESSAGE, "group_message_enabled"),
        (NotificationKind.SYSTEM, "system_enabled"),
        (NotificationKind.BUSINESS, "system_enabled"),
        (NotificationKind.REMINDER, "system_enabled"),
        (NotificationKind.ANNOUNCEMENT, "system_enabled"),
    ],
)
def test_switches(kind: NotificationKind, switch: str) -> None:
    assert planned(notification(kind=kind), **{switch: False}) == {}
    others = {"message_enabled": False, "group_message_enabled": False, "system_enabled": False} | {switch: True}
    assert len(planned(notification(kind=kind), **others)) == 3


def test_channels_that_are_switched_off() -> None:
    for channel in Channel:
        assert planned(notification(), **{f"{channel.value}_enabled": False}).keys() == set(Channel) - {channel}
    assert Channel.EMAIL not in planned(notification(), email_frequency=EmailFrequency.NEVER)


def test_what_is_held_back() -> None:
    quiet = {"quiet_hours_start": "11:00", "quiet_hours_end": "13:00"}
    until = DeliveryState.PENDING, 60 * MINUTE_MS
    assert planned(notification(), **quiet) == dict.fromkeys(Channel, until)
    urgent = planned(notification(priority=Priority.URGENT), **quiet, email_frequency=EmailFrequency.DAILY)
    assert [due for _, due in urgent.values()] == [0, 0, 0]
    scheduled = planned(notification(scheduled_at_ms=NOW_MS + 5))
    assert scheduled == dict.fromkeys(Channel, (DeliveryState.PENDING, 5))
    assert planned(notification(), do_not_disturb=True)[Channel.PUSH] == (DeliveryState.PENDING, NEVER_MS - NOW_MS)
