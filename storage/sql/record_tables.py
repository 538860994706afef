"""The tables around the conversation: requests, applications, files, notifications, broadcasts, client events."""

from sqlalchemy import BigInteger, Column, Index, String, Text, UniqueConstraint

from storage.sql.tables import LongText, flag, id_column, ms, number, ref, string, table

friend_requests = table(
    "friend_requests",
    id_column(),
    ref("from_user_id"),
    ref("to_user_id"),
    string("message", 500, default=""),
    string("answer", 500, default=""),
    string("status", 16),
    ms("created_at_ms"),
    ms("updated_at_ms"),
    Index(None, "from_user_id", "to_user_id"),
    Index(None, "to_user_id", "status"),
)

group_applications = table(
    "group_applications",
    id_column(),
    ref("conversation_id"),
    ref("user_id"),
    string("reason", 500, default=""),
    string("status", 16),
    ref("handled_by_id", nullable=True),
    ms("created_at_ms"),
    ms("updated_at_ms"),
    Index(None, "conversation_id", "status"),
    Index(None, "user_id"),
)

invite_codes = table(
    "invite_codes",
    Column("code", String(64), primary_key=True),
    ref("conversation_id"),
    ref("creator_id"),
    ms("created_at_ms"),
    ms("expires_at_ms"),
    Index(None, "conversation_id"),
    Index(None, "expires_at_ms"),
)

group_notices = table(
    "group_notices",
    id_column(),
    string("kind", 16),
    ref("conversation_id"),
    ref("operator_id"),
    ref("target_id"),
    flag("is_told"),
    ms("created_at_ms"),
    Index(None, "is_told"),
)
"""`is_told`: notifications have been made of it."""

group_notice_recipients = table(
    "group_notice_recipients",
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("notice_id", BigInteger, primary_key=True, autoincrement=False),
    flag("is_read"),
)

files = table(
    "files",
    id_column(),
    string("file_id", 64),
    ref("uploader_id"),
    string("name", 255),
    Column("size", BigInteger, nullable=False),
    string("mime", 127),
    string("path", 1024),
    string("sha256", 64),
    string("etag", 32),
    string("blob", 80),
    string("thumbnail_blob", 80, nullable=True),
    Column("description", Text, nullable=True),
    flag("is_public"),
    number("download_count"),
    ms("expires_at_ms", nullable=True),
    ms("created_at_ms"),
    UniqueConstraint("file_id"),
    Index(None, "uploader_id"),
    Index(None, "sha256"),
    Index(None, "blob"),
    Index(None, "thumbnail_blob"),
    Index(None, "expires_at_ms"),
)

file_shares = table(
    "file_shares",
    Column("file_id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
)
"""The messages that carry a file (`files.id`), written with them: who sees one of them may read the file."""

notifications = table(
    "notifications",
    id_column(),
    string("uuid", 36),
    string("kind", 32),
    string("title", 255),
    Column("content", Text, nullable=False),
    string("action_url", 500, nullable=True),
    string("priority", 16),
    string("channels", 255),
    ref("created_by_id", nullable=True),
    ms("scheduled_at_ms", nullable=True),
    ms("expires_at_ms", nullable=True),
    ms("created_at_ms"),
    ms("updated_at_ms"),
    UniqueConstraint("uuid"),
    Index(None, "created_by_id"),
)

notification_records = table(
    "notification_records",
    id_column(),
    string("uuid", 36),
    ref("notification_id"),
    ref("user_id"),
    ms("read_at_ms", nullable=True),
    ms("deleted_at_ms", nullable=True),
    ms("visible_at_ms"),
    ms("hidden_at_ms"),
    ref("open_conversation_id", nullable=True),
    ms("created_at_ms"),
    UniqueConstraint("uuid"),
    UniqueConstraint("notification_id", "user_id"),
    UniqueConstraint("open_conversation_id", "user_id"),
    Index("ix_notification_records_unread", "user_id", "deleted_at_ms", "read_at_ms", "visible_at_ms", "hidden_at_ms"),
    Index("ix_notification_records_listed", "user_id", "deleted_at_ms", "visible_at_ms"),
)
"""Listed from `visible_at_ms` until `hidden_at_ms`, copies of when the notification is due and expires: counting
what is unread reads one index. `open_conversation_id` is the conversation whose messages an unread record tells of."""

notification_deliveries = table(
    "notification_deliveries",
    id_column(),
    ref("record_id"),
    ref("user_id"),
    string("channel", 16),
    string("state", 16),
    ms("due_at_ms"),
    number("tries"),
    string("last_error", 500, nullable=True),
    ms("updated_at_ms"),
    UniqueConstraint("record_id", "channel"),
    Index(None, "state", "channel", "due_at_ms", "user_id"),
    Index(None, "user_id", "state"),
)
"""The outbox: what is to be delivered when, and what became of it."""

notification_fan_outs = table(
    "notification_fan_outs",
    id_column(),
    ref("notification_id"),
    ref("reached_user_id"),
    ref("up_to_user_id"),
    number("total"),
    number("sent"),
    flag("is_done"),
    ms("created_at_ms"),
    Index(None, "notification_id"),
    Index(None, "is_done"),
)
"""Notifications on their way to everybody."""

notification_causes = table(
    "notification_causes",
    id_column(),
    ref("user_id", nullable=True),
    Column("event", LongText, nullable=False),
    flag("is_told"),
    Index(None, "is_told"),
    sqlite_autoincrement=True,
)
"""Recorded events that are still to become notifications, of a user or (without) of everybody; added with them, removed
after that is done. In the resume log they would have to be looked for among everything else. An id is never used again:
another process may still hold what it read under it."""

notification_templates = table(
    "notification_templates",
    id_column(),
    string("name", 150),
    string("kind", 32),
    string("title_template", 255),
    Column("content_template", Text, nullable=False),
    flag("is_active", True),
    ms("created_at_ms"),
    ms("updated_at_ms"),
    UniqueConstraint("name"),
)

notification_preferences = table(
    "notification_preferences",
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    flag("message_enabled", True),
    flag("group_message_enabled", True),
    flag("system_enabled", True),
    flag("websocket_enabled", True),
    flag("email_enabled", True),
    flag("push_enabled", True),
    flag("do_not_disturb"),
    string("quiet_hours_start", 5, nullable=True),
    string("quiet_hours_end", 5, nullable=True),
    string("email_frequency", 16, default="immediate"),
)

broadcasts = table(
    "broadcasts",
    id_column(),
    ref("sender_id"),
    string("title", 255),
    Column("content", Text, nullable=False),
    string("priority", 16),
    flag("is_for_all"),
    ms("created_at_ms"),
)

broadcast_targets = table(
    "broadcast_targets",
    Column("broadcast_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Index(None, "user_id"),
)

client_events = table(
    "client_events",
    id_column(),
    ref("user_id"),
    string("event_type", 64),
    Column("data", LongText, nullable=False),
    ms("occurred_at_ms"),
    ms("created_at_ms"),
    Index(None, "user_id", "occurred_at_ms"),
    Index(None, "occurred_at_ms"),
)
