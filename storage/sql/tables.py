"""The tables of accounts, conversations and messages, declared once for SQLite, MySQL 8 and MariaDB 10.11.

Text is compared byte by byte, spaces at its end too; what must be found without case has a normalised `…_key` column
beside it. There are no foreign keys: nothing is deleted that others refer to, and a check for each appended row would
cost the hot path.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Id: Final = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite gives out numbers of its own only in a column declared INTEGER."""

LongText: Final = Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")
"""TEXT ends at 64 KiB in MySQL; an event may list the 5000 members of a group."""


def id_column(name: str = "id") -> Column[int]:
    return Column(name, Id, primary_key=True, autoincrement=True)


def ref(name: str, *, nullable: bool = False) -> Column[int]:
    """The id of a row of another table."""
    return Column(name, BigInteger, nullable=nullable)


def ms(name: str, *, nullable: bool = False) -> Column[int]:
    """Milliseconds since the Unix epoch."""
    return Column(name, BigInteger, nullable=nullable)


def number(name: str, default: int = 0) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text(str(default)))


def flag(name: str, default: bool = False) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=true() if default else false())


def string(name: str, length: int, *, nullable: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, String(length), nullable=nullable, server_default=default)


EXACT_COLLATIONS: Final = {"mysql": "utf8mb4_0900_bin", "mariadb": "utf8mb4_nopad_bin"}
"""Of text whose bytes are compared. `utf8mb4_bin`, which both have, takes "a" and "a " for the same key."""

_ON_MYSQL: Final[dict[str, Any]] = {
    f"{name}_{option}": value
    for name, collation in EXACT_COLLATIONS.items()
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", collation))
}


def table(name: str, *items: Any, **options: Any) -> Table:
    return Table(name, metadata, *items, **_ON_MYSQL, **options)


meta = table(
    "meta",
    Column("name", String(64), primary_key=True),
    string("value", 255),
)
"""Facts about the database itself; `epoch` names its line of history."""

writers = table(
    "writers",
    Column("id", String(36), primary_key=True),
    number("batch"),
    ms("used_at_ms"),
)
"""On MySQL: the last transaction that each writing connection committed."""

users = table(
    "users",
    id_column(),
    string("uuid", 36),
    string("username", 150),
    string("username_key", 255),
    string("nickname", 150),
    string("nickname_key", 255),
    string("email", 254, nullable=True),
    string("email_key", 255, nullable=True),
    string("phone", 32, nullable=True),
    string("password_hash", 255),
    string("avatar", 1024, default=""),
    string("bio", 2000, default=""),
    string("language", 16, default="zh-CN"),
    string("theme", 16, default="auto"),
    string("time_zone", 64, default="UTC"),
    flag("is_active", True),
    flag("is_admin"),
    ms("last_login_at_ms", nullable=True),
    ms("last_seen_at_ms", nullable=True),
    ms("created_at_ms"),
    ms("updated_at_ms"),
    UniqueConstraint("uuid"),
    UniqueConstraint("username_key"),
    UniqueConstraint("email_key"),
    UniqueConstraint("phone"),
)

logins = table(
    "logins",
    Column("id", String(64), primary_key=True),
    ref("user_id"),
    string("dialect", 16),
    string("refresh_id", 64),
    ms("created_at_ms"),
    ms("expires_at_ms"),
    ms("revoked_at_ms", nullable=True),
    Index(None, "user_id"),
    Index(None, "revoked_at_ms"),
)

login_codes = table(
    "login_codes",
    Column("phone", String(32), primary_key=True),
    string("code_hash", 255),
    number("tries"),
    ms("expires_at_ms"),
)

conversations = table(
    "conversations",
    id_column(),
    string("kind", 16),
    string("single_key", 48, nullable=True),
    string("name", 255, nullable=True),
    string("name_key", 255, nullable=True),
    Column("description", Text, nullable=True),
    string("avatar", 1024, nullable=True),
    ref("creator_id"),
    Column("max_members", Integer, nullable=False),
    flag("allow_invite", True),
    flag("allow_member_modify"),
    flag("is_public", True),
    flag("history_visible", True),
    string("watermark_text", 255, nullable=True),
    string("status", 16),
    number("member_count"),
    number("last_seq"),
    number("newest_message_id"),
    ms("last_message_at_ms", nullable=True),
    ms("created_at_ms"),
    ms("updated_at_ms"),
    UniqueConstraint("single_key"),
)
"""`single_key` is "low:high" of the two users of a single conversation, so that there is one. `newest_message_id` is
the largest id of its numbered messages: whether it has news for a resuming client."""

members = table(
    "members",
    id_column(),
    ref("conversation_id"),
    ref("user_id"),
    string("role", 16),
    string("nickname", 150, nullable=True),
    string("status", 16),
    ms("joined_at_ms"),
    ms("updated_at_ms"),
    ms("muted_until_ms", nullable=True),
    number("read_seq"),
    number("delivered_seq"),
    number("visible_after_seq"),
    Column("hidden_at_seq", BigInteger, nullable=True),
    flag("is_pinned"),
    flag("is_muted"),
    number("receipts_through_seq"),
    number("since_change_id"),
    UniqueConstraint("conversation_id", "user_id"),
    Index(None, "user_id"),
    Index(None, "conversation_id", "status", "joined_at_ms"),
)
"""`hidden_at_seq` was the conversation's last seq when the member hid it: a newer message shows it again without a
write. Every message up to `receipts_through_seq` has a receipt or needs none. Changes up to `since_change_id` were
before the member's time."""

messages = table(
    "messages",
    Column("conversation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    ref("id"),
    ref("sender_id"),
    string("client_msg_id", 64, nullable=True),
    string("kind", 16),
    Column("content", LongText, nullable=False),
    string("state", 16),
    ms("created_at_ms"),
    ms("updated_at_ms"),
    ref("reply_to_id", nullable=True),
    ref("forward_from_id", nullable=True),
    Column("attachment", Text, nullable=True),
    flag("is_silent"),
    flag("is_pinned"),
    number("ttl_s"),
    ms("send_at_ms", nullable=True),
    UniqueConstraint("id"),
    UniqueConstraint("sender_id", "client_msg_id"),
)
"""A scheduled message has the seq `-id`. In SQLite a rowid table on purpose: WITHOUT ROWID cost 20 to 30% more CPU per
append. InnoDB clusters by the primary key anyway."""

message_timers = table(
    "message_timers",
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    string("action", 16),
    ms("due_at_ms"),
    Index(None, "due_at_ms"),
)
"""Messages that something happens to later (`deliver`, `expire`); apart from them, so that the others pay nothing."""

hidden_messages = table(
    "hidden_messages",
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("conversation_id", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
)
"""Messages that one user deleted for themselves."""

receipts = table(
    "receipts",
    id_column(),
    ref("conversation_id"),
    ref("user_id"),
    Column("from_seq", BigInteger, nullable=False),
    Column("to_seq", BigInteger, nullable=False),
    ms("read_at_ms"),
    Index(None, "conversation_id", "user_id", "to_seq"),
    Index(None, "conversation_id"),
    sqlite_autoincrement=True,
)
"""Ranges of messages that a user read at one time; those of a user do not overlap. Both databases keep the primary key
in an index, so the one by conversation finds what is newer than an id."""

changes = table(
    "changes",
    id_column(),
    ref("conversation_id", nullable=True),
    ref("user_id", nullable=True),
    Column("event", LongText, nullable=False),
    ms("at_ms"),
    Index(None, "conversation_id"),
    Index(None, "user_id"),
    sqlite_autoincrement=True,
)
"""The resume log: events other than new messages and receipts. With a `user_id` for that user alone, with a
`conversation_id` of 0 for everybody."""

search_segments = table(
    "search_segments",
    Column("segment", Id, primary_key=True, autoincrement=False),
    Column("conversation_ids", LongText, nullable=False),
)
"""Runs of messages whose search index is whole, and the conversation of each of their messages, as a JSON array."""

search_postings = table(
    "search_postings",
    Column("id", Id, primary_key=True, autoincrement=False),
    string("places", 258),
)
"""The search index: in which messages of a segment a term is. The id is made of both."""

search_texts = table(
    "search_texts",
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
)
"""What messages of those segments are compared by. The id is the message's; not all are here."""

search_marks = table(
    "search_marks",
    id_column(),
    ref("message_id"),
)
"""Messages whose texts changed after they were stored: added in the same transaction, removed by the indexer."""

contacts = table(
    "contacts",
    id_column(),
    ref("user_id"),
    ref("contact_id"),
    string("remark", 150, default=""),
    flag("is_friend"),
    flag("is_blocked"),
    flag("is_muted"),
    ms("created_at_ms"),
    ms("updated_at_ms"),
    UniqueConstraint("user_id", "contact_id"),
    Index(None, "contact_id"),
)

calls = table(
    "calls",
    Column("id", String(64), primary_key=True),
    ref("caller_id"),
    ref("callee_id"),
    string("call_type", 16),
    string("reason", 32, nullable=True),
    ms("started_at_ms"),
    ms("answered_at_ms", nullable=True),
    ms("ended_at_ms", nullable=True),
    Index(None, "ended_at_ms"),
    Index(None, "caller_id", "ended_at_ms"),
    Index(None, "callee_id", "ended_at_ms"),
)
