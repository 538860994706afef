"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ON_MYSQL: dict[str, Any] = {
    f"{name}_{option}": value
    for name, collation in (("mysql", "utf8mb4_0900_bin"), ("mariadb", "utf8mb4_nopad_bin"))
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", collation))
}


def upgrade() -> None:
    op.create_table(
        "broadcast_targets",
        sa.Column("broadcast_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("broadcast_id", "user_id", name=op.f("pk_broadcast_targets")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_broadcast_targets_user_id"), "broadcast_targets", ["user_id"], unique=False)
    op.create_table(
        "broadcasts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("sender_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("is_for_all", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcasts")),
        **ON_MYSQL,
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("caller_id", sa.BigInteger(), nullable=False),
        sa.Column("callee_id", sa.BigInteger(), nullable=False),
        sa.Column("call_type", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=True),
        sa.Column("started_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("answered_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_calls_callee_id_ended_at_ms"), "calls", ["callee_id", "ended_at_ms"], unique=False)
    op.create_index(op.f("ix_calls_caller_id_ended_at_ms"), "calls", ["caller_id", "ended_at_ms"], unique=False)
    op.create_index(op.f("ix_calls_ended_at_ms"), "calls", ["ended_at_ms"], unique=False)
    op.create_table(
        "changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "event",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        **ON_MYSQL,
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_changes_conversation_id"), "changes", ["conversation_id"], unique=False)
    op.create_index(op.f("ix_changes_user_id"), "changes", ["user_id"], unique=False)
    op.create_table(
        "client_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.String(length=64), nullable=False),
        sa.Column(
            "data",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.Column("occurred_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_events")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_client_events_occurred_at_ms"), "client_events", ["occurred_at_ms"], unique=False)
    op.create_index(
        op.f("ix_client_events_user_id_occurred_at_ms"), "client_events", ["user_id", "occurred_at_ms"], unique=False
    )
    op.create_table(
        "contacts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("remark", sa.String(length=150), server_default="", nullable=False),
        sa.Column("is_friend", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_blocked", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_muted", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("user_id", "contact_id", name=op.f("uq_contacts_user_id_contact_id")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_contacts_contact_id"), "contacts", ["contact_id"], unique=False)
    op.create_table(
        "conversations",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("single_key", sa.String(length=48), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("name_key", sa.String(length=255), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("avatar", sa.String(length=1024), nullable=True),
        sa.Column("creator_id", sa.BigInteger(), nullable=False),
        sa.Column("max_members", sa.Integer(), nullable=False),
        sa.Column("allow_invite", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("allow_member_modify", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_public", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("history_visible", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("watermark_text", sa.String(length=255), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("member_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("newest_message_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_message_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("single_key", name=op.f("uq_conversations_single_key")),
        **ON_MYSQL,
    )
    op.create_table(
        "file_shares",
        sa.Column("file_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("file_id", "message_id", name=op.f("pk_file_shares")),
        **ON_MYSQL,
    )
    op.create_table(
        "files",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("file_id", sa.String(length=64), nullable=False),
        sa.Column("uploader_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("mime", sa.String(length=127), nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("etag", sa.String(length=32), nullable=False),
        sa.Column("blob", sa.String(length=80), nullable=False),
        sa.Column("thumbnail_blob", sa.String(length=80), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_public", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("download_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
        sa.UniqueConstraint("file_id", name=op.f("uq_files_file_id")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_files_blob"), "files", ["blob"], unique=False)
    op.create_index(op.f("ix_files_expires_at_ms"), "files", ["expires_at_ms"], unique=False)
    op.create_index(op.f("ix_files_sha256"), "files", ["sha256"], unique=False)
    op.create_index(op.f("ix_files_thumbnail_blob"), "files", ["thumbnail_blob"], unique=False)
    op.create_index(op.f("ix_files_uploader_id"), "files", ["uploader_id"], unique=False)
    op.create_table(
        "friend_requests",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("from_user_id", sa.BigInteger(), nullable=False),
        sa.Column("to_user_id", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.String(length=500), server_default="", nullable=False),
        sa.Column("answer", sa.String(length=500), server_default="", nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_friend_requests")),
        **ON_MYSQL,
    )
    op.create_index(
        op.f("ix_friend_requests_from_user_id_to_user_id"),
        "friend_requests",
        ["from_user_id", "to_user_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_friend_requests_to_user_id_status"), "friend_requests", ["to_user_id", "status"], unique=False
    )
    op.create_table(
        "group_applications",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), server_default="", nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("handled_by_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_applications")),
        **ON_MYSQL,
    )
    op.create_index(
        op.f("ix_group_applications_conversation_id_status"),
        "group_applications",
        ["conversation_id", "status"],
        unique=False,
    )
    op.create_index(op.f("ix_group_applications_user_id"), "group_applications", ["user_id"], unique=False)
    op.create_table(
        "group_notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("operator_id", sa.BigInteger(), nullable=False),
        sa.Column("target_id", sa.BigInteger(), nullable=False),
        sa.Column("is_told", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_notices")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_group_notices_is_told"), "group_notices", ["is_told"], unique=False)
    op.create_table(
        "group_notice_recipients",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("notice_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("is_read", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "notice_id", name=op.f("pk_group_notice_recipients")),
        **ON_MYSQL,
    )
    op.create_table(
        "hidden_messages",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "conversation_id", "seq", name=op.f("pk_hidden_messages")),
        **ON_MYSQL,
    )
    op.create_table(
        "invite_codes",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("creator_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_invite_codes")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_invite_codes_conversation_id"), "invite_codes", ["conversation_id"], unique=False)
    op.create_index(op.f("ix_invite_codes_expires_at_ms"), "invite_codes", ["expires_at_ms"], unique=False)
    op.create_table(
        "login_codes",
        sa.Column("phone", sa.String(length=32), nullable=False),
        sa.Column("code_hash", sa.String(length=255), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_login_codes")),
        **ON_MYSQL,
    )
    op.create_table(
        "logins",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("dialect", sa.String(length=16), nullable=False),
        sa.Column("refresh_id", sa.String(length=64), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logins")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_logins_revoked_at_ms"), "logins", ["revoked_at_ms"], unique=False)
    op.create_index(op.f("ix_logins_user_id"), "logins", ["user_id"], unique=False)
    op.create_table(
        "members",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("nickname", sa.String(length=150), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("joined_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("muted_until_ms", sa.BigInteger(), nullable=True),
        sa.Column("read_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivered_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("visible_after_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("hidden_at_seq", sa.BigInteger(), nullable=True),
        sa.Column("is_pinned", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_muted", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("receipts_through_seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("since_change_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("conversation_id", "user_id", name=op.f("uq_members_conversation_id_user_id")),
        **ON_MYSQL,
    )
    op.create_index(
        op.f("ix_members_conversation_id_status_joined_at_ms"),
        "members",
        ["conversation_id", "status", "joined_at_ms"],
        unique=False,
    )
    op.create_index(op.f("ix_members_user_id"), "members", ["user_id"], unique=False)
    op.create_table(
        "message_timers",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("due_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_timers")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_message_timers_due_at_ms"), "message_timers", ["due_at_ms"], unique=False)
    op.create_table(
        "messages",
        sa.Column("conversation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("sender_id", sa.BigInteger(), nullable=False),
        sa.Column("client_msg_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column(
            "content",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mariadb").with_variant(mysql.MEDIUMTEXT(), "mysql"),
            nullable=False,
        ),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("reply_to_id", sa.BigInteger(), nullable=True),
        sa.Column("forward_from_id", sa.BigInteger(), nullable=True),
        sa.Column("attachment", sa.Text(), nullable=True),
        sa.Column("is_silent", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_pinned", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("ttl_s", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("send_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("conversation_id", "seq", name=op.f("pk_messages")),
        sa.UniqueConstraint("id", name=op.f("uq_messages_id")),
        sa.UniqueConstraint("sender_id", "client_msg_id", name=op.f("uq_messages_sender_id_client_msg_id")),
        **ON_MYSQL,
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
        **ON_MYSQL,
    )
    op.create_table(
        "notification_causes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("event", sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("is_told", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_causes")),
        **ON_MYSQL,
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notification_causes_is_told"), "notification_causes", ["is_told"], unique=False)
    op.create_table(
        "notification_deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("record_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_deliveries")),
        sa.UniqueConstraint("record_id", "channel", name=op.f("uq_notification_deliveries_record_id_channel")),
        **ON_MYSQL,
    )
    op.create_index(
        op.f("ix_notification_deliveries_state_channel_due_at_ms_user_id"),
        "notification_deliveries",
        ["state", "channel", "due_at_ms", "user_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_notification_deliveries_user_id_state"), "notification_deliveries", ["user_id", "state"], unique=False
    )
    op.create_table(
        "notification_fan_outs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("notification_id", sa.BigInteger(), nullable=False),
        sa.Column("reached_user_id", sa.BigInteger(), nullable=False),
        sa.Column("up_to_user_id", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("sent", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_done", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_fan_outs")),
        **ON_MYSQL,
    )
    op.create_index(
        op.f("ix_notification_fan_outs_notification_id"), "notification_fan_outs", ["notification_id"], unique=False
    )
    op.create_index(op.f("ix_notification_fan_outs_is_done"), "notification_fan_outs", ["is_done"], unique=False)
    op.create_table(
        "notification_preferences",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("message_enabled", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("group_message_enabled", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("system_enabled", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("websocket_enabled", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("email_enabled", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("push_enabled", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("do_not_disturb", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("quiet_hours_start", sa.String(length=5), nullable=True),
        sa.Column("quiet_hours_end", sa.String(length=5), nullable=True),
        sa.Column("email_frequency", sa.String(length=16), server_default="immediate", nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_notification_preferences")),
        **ON_MYSQL,
    )
    op.create_table(
        "notification_records",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("notification_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("read_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("visible_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("hidden_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("open_conversation_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_records")),
        sa.UniqueConstraint("uuid", name=op.f("uq_notification_records_uuid")),
        sa.UniqueConstraint("notification_id", "user_id", name=op.f("uq_notification_records_notification_id_user_id")),
        sa.UniqueConstraint(
            "open_conversation_id", "user_id", name=op.f("uq_notification_records_open_conversation_id_user_id")
        ),
        **ON_MYSQL,
    )
    op.create_index(
        "ix_notification_records_unread",
        "notification_records",
        ["user_id", "deleted_at_ms", "read_at_ms", "visible_at_ms", "hidden_at_ms"],
        unique=False,
    )
    op.create_index(
        "ix_notification_records_listed",
        "notification_records",
        ["user_id", "deleted_at_ms", "visible_at_ms"],
        unique=False,
    )
    op.create_table(
        "notification_templates",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=150), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title_template", sa.String(length=255), nullable=False),
        sa.Column("content_template", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_templates")),
        sa.UniqueConstraint("name", name=op.f("uq_notification_templates_name")),
        **ON_MYSQL,
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("action_url", sa.String(length=500), nullable=True),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("channels", sa.String(length=255), nullable=False),
        sa.Column("created_by_id", sa.BigInteger(), nullable=True),
        sa.Column("scheduled_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("uuid", name=op.f("uq_notifications_uuid")),
        **ON_MYSQL,
    )
    op.create_index(op.f("ix_notifications_created_by_id"), "notifications", ["created_by_id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("from_seq", sa.BigInteger(), nullable=False),
        sa.Column("to_seq", sa.BigInteger(), nullable=False),
        sa.Column("read_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        **ON_MYSQL,
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_receipts_conversation_id"), "receipts", ["conversation_id"], unique=False)
    op.create_index(
        op.f("ix_receipts_conversation_id_user_id_to_seq"),
        "receipts",
        ["conversation_id", "user_id", "to_seq"],
        unique=False,
    )
    op.create_table(
        "search_marks",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_marks")),
        **ON_MYSQL,
    )
    op.create_table(
        "search_postings",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("places", sa.String(length=258), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_postings")),
        **ON_MYSQL,
    )
    op.create_table(
        "search_texts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_texts")),
        **ON_MYSQL,
    )
    op.create_table(
        "search_segments",
        sa.Column("segment", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column(
            "conversation_ids",
            sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("segment", name=op.f("pk_search_segments")),
        **ON_MYSQL,
    )
    op.create_table(
        "users",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("username", sa.String(length=150), nullable=False),
        sa.Column("username_key", sa.String(length=255), nullable=False),
        sa.Column("nickname", sa.String(length=150), nullable=False),
        sa.Column("nickname_key", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("email_key", sa.String(length=255), nullable=True),
        sa.Column("phone", sa.String(length=32), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("avatar", sa.String(length=1024), server_default="", nullable=False),
        sa.Column("bio", sa.String(length=2000), server_default="", nullable=False),
        sa.Column("language", sa.String(length=16), server_default="zh-CN", nullable=False),
        sa.Column("theme", sa.String(length=16), server_default="auto", nullable=False),
        sa.Column("time_zone", sa.String(length=64), server_default="UTC", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("1"), nullable=False),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_login_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_seen_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
        sa.UniqueConstraint("phone", name=op.f("uq_users_phone")),
        sa.UniqueConstraint("username_key", name=op.f("uq_users_username_key")),
        sa.UniqueConstraint("uuid", name=op.f("uq_users_uuid")),
        **ON_MYSQL,
    )
    op.create_table(
        "writers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("batch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("used_at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_writers")),
        **ON_MYSQL,
    )


def downgrade() -> None:
    op.drop_table("writers")
    op.drop_table("users")
    op.drop_table("search_texts")
    op.drop_table("search_segments")
    op.drop_table("search_postings")
    op.drop_table("search_marks")
    op.drop_index(op.f("ix_receipts_conversation_id_user_id_to_seq"), table_name="receipts")
    op.drop_index(op.f("ix_receipts_conversation_id"), table_name="receipts")
    op.drop_table("receipts")
    op.drop_index(op.f("ix_notifications_created_by_id"), table_name="notifications")
    op.drop_table("notifications")
    op.drop_table("notification_templates")
    op.drop_index("ix_notification_records_unread", table_name="notification_records")
    op.drop_index("ix_notification_records_listed", table_name="notification_records")
    op.drop_table("notification_records")
    op.drop_table("notification_preferences")
    op.drop_index(op.f("ix_notification_fan_outs_notification_id"), table_name="notification_fan_outs")
    op.drop_index(op.f("ix_notification_fan_outs_is_done"), table_name="notification_fan_outs")
    op.drop_table("notification_fan_outs")
    op.drop_index(
        op.f("ix_notification_deliveries_state_channel_due_at_ms_user_id"), table_name="notification_deliveries"
    )
    op.drop_index(op.f("ix_notification_deliveries_user_id_state"), table_name="notification_deliveries")
    op.drop_table("notification_deliveries")
    op.drop_index(op.f("ix_notification_causes_is_told"), table_name="notification_causes")
    op.drop_table("notification_causes")
    op.drop_table("meta")
    op.drop_table("messages")
    op.drop_index(op.f("ix_message_timers_due_at_ms"), table_name="message_timers")
    op.drop_table("message_timers")
    op.drop_index(op.f("ix_members_user_id"), table_name="members")
    op.drop_index(op.f("ix_members_conversation_id_status_joined_at_ms"), table_name="members")
    op.drop_table("members")
    op.drop_index(op.f("ix_logins_user_id"), table_name="logins")
    op.drop_index(op.f("ix_logins_revoked_at_ms"), table_name="logins")
    op.drop_table("logins")
    op.drop_table("login_codes")
    op.drop_index(op.f("ix_invite_codes_expires_at_ms"), table_name="invite_codes")
    op.drop_index(op.f("ix_invite_codes_conversation_id"), table_name="invite_codes")
    op.drop_table("invite_codes")
    op.drop_table("hidden_messages")
    op.drop_table("group_notice_recipients")
    op.drop_index(op.f("ix_group_notices_is_told"), table_name="group_notices")
    op.drop_table("group_notices")
    op.drop_index(op.f("ix_group_applications_user_id"), table_name="group_applications")
    op.drop_index(op.f("ix_group_applications_conversation_id_status"), table_name="group_applications")
    op.drop_table("group_applications")
    op.drop_index(op.f("ix_friend_requests_to_user_id_status"), table_name="friend_requests")
    op.drop_index(op.f("ix_friend_requests_from_user_id_to_user_id"), table_name="friend_requests")
    op.drop_table("friend_requests")
    op.drop_index(op.f("ix_files_uploader_id"), table_name="files")
    op.drop_index(op.f("ix_files_thumbnail_blob"), table_name="files")
    op.drop_index(op.f("ix_files_sha256"), table_name="files")
    op.drop_index(op.f("ix_files_expires_at_ms"), table_name="files")
    op.drop_index(op.f("ix_files_blob"), table_name="files")
    op.drop_table("files")
    op.drop_table("file_shares")
    op.drop_table("conversations")
    op.drop_index(op.f("ix_contacts_contact_id"), table_name="contacts")
    op.drop_table("contacts")
    op.drop_index(op.f("ix_client_events_user_id_occurred_at_ms"), table_name="client_events")
    op.drop_index(op.f("ix_client_events_occurred_at_ms"), table_name="client_events")
    op.drop_table("client_events")
    op.drop_index(op.f("ix_changes_user_id"), table_name="changes")
    op.drop_index(op.f("ix_changes_conversation_id"), table_name="changes")
    op.drop_table("changes")
    op.drop_index(op.f("ix_calls_ended_at_ms"), table_name="calls")
    op.drop_index(op.f("ix_calls_caller_id_ended_at_ms"), table_name="calls")
    op.drop_index(op.f("ix_calls_callee_id_ended_at_ms"), table_name="calls")
    op.drop_table("calls")
    op.drop_table("broadcasts")
    op.drop_index(op.f("ix_broadcast_targets_user_id"), table_name="broadcast_targets")
    op.drop_table("broadcast_targets")
