"""From rows to notifications, records, templates and recipients, and back."""

from typing import Any, Final

from domain.records import (
    Channel,
    EmailFrequency,
    Notification,
    NotificationKind,
    NotificationPreferences,
    NotificationRecord,
    NotificationTemplate,
    NotificationView,
    Priority,
    Recipient,
    RecordView,
)
from storage.sql.record_tables import (
    notification_preferences,
    notification_records,
    notification_templates,
    notifications,
)
from storage.sql.rows import Row
from storage.sql.tables import users

NO_END_MS: Final = 1 << 52
"""`hidden_at_ms` of what does not expire."""

CONTENT_COLUMNS: Final = tuple(notifications.c[name] for name in Notification.__struct_fields__)
RECORD_COLUMNS: Final = tuple(notification_records.c[name] for name in NotificationRecord.__struct_fields__)
TEMPLATE_COLUMNS: Final = tuple(notification_templates.c[name] for name in NotificationTemplate.__struct_fields__)
_PREFERENCE_COLUMNS: Final = tuple(
    notification_preferences.c[name] for name in NotificationPreferences.__struct_fields__
)
RECIPIENT_COLUMNS: Final = (
    users.c.id,
    users.c.uuid,
    users.c.nickname,
    users.c.email,
    users.c.time_zone,
    *_PREFERENCE_COLUMNS,
)
"""Of users, outer joined with their preferences."""

_FLAGS: Final = frozenset(
    name for name in NotificationPreferences.__struct_fields__ if name.endswith("_enabled") or name == "do_not_disturb"
)


def hidden_at_ms(expires_at_ms: int | None) -> int:
    return NO_END_MS if expires_at_ms is None else expires_at_ms


def content(row: Row) -> Notification:
    values: dict[str, Any] = dict(zip(Notification.__struct_fields__, row, strict=False))
    values["kind"] = NotificationKind(values["kind"])
    values["priority"] = Priority(values["priority"])
    values["channels"] = tuple(Channel(name) for name in values["channels"].split(","))
    return Notification(**values)


def content_values(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a notification as its table has them."""
    values = dict(fields)
    for name in ("kind", "priority"):
        if name in values:
            values[name] = values[name].value
    if "channels" in values:
        values["channels"] = ",".join(channel.value for channel in values["channels"])
    return values


def view(row: Row) -> NotificationView:
    """Of CONTENT_COLUMNS and the creator's UUID."""
    return NotificationView(content(row), row[len(CONTENT_COLUMNS)])


def record(row: Row) -> NotificationRecord:
    return NotificationRecord(**dict(zip(NotificationRecord.__struct_fields__, row, strict=False)))


def record_view(row: Row) -> RecordView:
    """Of RECORD_COLUMNS, CONTENT_COLUMNS and the creator's UUID."""
    rest = row[len(RECORD_COLUMNS) :]
    return RecordView(record(row), content(rest), rest[len(CONTENT_COLUMNS)])


def template(row: Row) -> NotificationTemplate:
    values = dict(zip(NotificationTemplate.__struct_fields__, row, strict=True))
    return NotificationTemplate(
        **values | {"kind": NotificationKind(values["kind"]), "is_active": bool(values["is_active"])}
    )


def recipient(row: Row) -> Recipient:
    values = dict(zip(NotificationPreferences.__struct_fields__, row[5:], strict=False))
    if values["user_id"] is None:
        preferences = NotificationPreferences(user_id=row[0])
    else:
        flags = {name: bool(values[name]) for name in _FLAGS}
        frequency = EmailFrequency(values["email_frequency"])
        preferences = NotificationPreferences(**values | flags | {"email_frequency": frequency})
    return Recipient(row[0], row[1], row[2], row[3], row[4], preferences)
