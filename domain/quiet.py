"""When a user may be disturbed: switches, do-not-disturb, quiet hours, and when e-mail goes out."""

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.records import (
    Channel,
    DeliveryState,
    EmailFrequency,
    Notification,
    NotificationKind,
    NotificationPreferences,
    PlannedDelivery,
    Priority,
    Recipient,
)

NEVER_MS: Final = 1 << 52
"""Later than any time: held back until the preferences change."""
DAILY_DIGEST_HOUR: Final = 8
"""In the user's time zone."""


def zone(name: str) -> ZoneInfo:
    """UTC for a name that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def is_kind_wanted(preferences: NotificationPreferences, kind: NotificationKind) -> bool:
    """By the switch of its type. Invitations and requests have none."""
    match kind:
        case NotificationKind.MESSAGE:
            return preferences.message_enabled
        case NotificationKind.GROUP_MESSAGE:
            return preferences.group_message_enabled
        case NotificationKind.GROUP_INVITE | NotificationKind.FRIEND_REQUEST:
            return True
    return preferences.system_enabled


def is_channel_wanted(preferences: NotificationPreferences, channel: Channel) -> bool:
    match channel:
        case Channel.WEBSOCKET:
            return preferences.websocket_enabled
        case Channel.EMAIL:
            return preferences.email_enabled and preferences.email_frequency is not EmailFrequency.NEVER
        case Channel.PUSH:
            return preferences.push_enabled


def quiet_until_ms(preferences: NotificationPreferences, time_zone: str, at_ms: int) -> int:
    """The first moment, `at_ms` or later, at which the user may be disturbed.

    Quiet hours are read off a clock on the user's wall: they begin and end when it shows their times, also on days on
    which it is put forward or back. From a time to the same time is no quiet at all.
    """
    if preferences.do_not_disturb:
        return NEVER_MS
    if not preferences.quiet_hours_start or not preferences.quiet_hours_end:
        return at_ms
    start, end = time.fromisoformat(preferences.quiet_hours_start), time.fromisoformat(preferences.quiet_hours_end)
    local = datetime.fromtimestamp(at_ms / 1000, zone(time_zone))
    shown = local.time()
    is_quiet = start <= shown < end if start <= end else shown >= start or shown < end
    if not is_quiet:
        return at_ms
    day = local.date() if shown < end else local.date() + timedelta(days=1)
    # In an hour that comes twice, the end that belongs to the one of the two that it is now.
    return max(at_ms, _ms(datetime.combine(day, end.replace(fold=local.fold), local.tzinfo)))


def email_due_ms(frequency: EmailFrequency, time_zone: str, at_ms: int) -> int:
    """When e-mail of that moment goes out: at once, at the next full hour, or at the next eight o'clock."""
    if frequency is EmailFrequency.HOURLY:
        return -(-at_ms // 3_600_000) * 3_600_000
    if frequency is EmailFrequency.DAILY:
        local = datetime.fromtimestamp(at_ms / 1000, zone(time_zone))
        for days in (0, 1):
            day = local.date() + timedelta(days=days)
            due_ms = _ms(datetime.combine(day, time(DAILY_DIGEST_HOUR), local.tzinfo))
            if due_ms >= at_ms:
                return due_ms
    return at_ms


def _ms(local: datetime) -> int:
    return int(local.astimezone(UTC).timestamp() * 1000)


def due_ms(notification: Notification, to: Recipient, channel: Channel, at_ms: int) -> int:
    """When a delivery that could begin at `at_ms` may: urgent ones pass all quiet and wait for no digest."""
    if notification.priority is Priority.URGENT:
        return at_ms
    if channel is Channel.EMAIL:
        at_ms = email_due_ms(to.preferences.email_frequency, to.time_zone, at_ms)
    return quiet_until_ms(to.preferences, to.time_zone, at_ms)


def due_again_ms(notification: Notification, to: Recipient, channel: Channel, visible_at_ms: int, now_ms: int) -> int:
    """As `due_ms`, for one whose time has come by what was wanted when it was planned; what is wanted may have
    changed."""
    if notification.priority is Priority.URGENT:
        return now_ms
    at_ms = now_ms
    if channel is Channel.EMAIL:
        at_ms = max(now_ms, email_due_ms(to.preferences.email_frequency, to.time_zone, visible_at_ms))
    return quiet_until_ms(to.preferences, to.time_zone, at_ms)


def plan(
    notification: Notification, to: Recipient, available: Collection[Channel], now_ms: int
) -> tuple[PlannedDelivery, ...]:
    """The deliveries of a notification to a user, by what is wanted now. Those to sockets that are due now are done by
    telling the sessions, so they count as delivered."""
    if not is_kind_wanted(to.preferences, notification.kind):
        return ()
    start_ms = max(now_ms, notification.scheduled_at_ms or 0)
    planned = []
    for channel in notification.channels:
        has_address = channel is not Channel.EMAIL or to.email is not None
        if channel in available and has_address and is_channel_wanted(to.preferences, channel):
            at_ms = due_ms(notification, to, channel, start_ms)
            is_told_now = channel is Channel.WEBSOCKET and at_ms <= now_ms
            state = DeliveryState.DELIVERED if is_told_now else DeliveryState.PENDING
            planned.append(PlannedDelivery(channel, state, at_ms))
    return tuple(planned)
