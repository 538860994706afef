"""How the model looks in messenger: ISO 8601 times, every field always there."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain.accounts import TokenPair
from domain.model import (
    CallRecord,
    Conversation,
    ConversationKind,
    ConversationStatus,
    ConversationView,
    FileRef,
    Member,
    MemberView,
    Message,
    MessageState,
    Profile,
    User,
)
from domain.ports import ReadCursor
from domain.records import Contact, ContactView, StoredFile
from protocol.times import iso_time, iso_time_or_none

FILES_PATH: Final = "/api/files/"
CHAT_TYPES: Final[Mapping[ConversationKind, str]] = {
    ConversationKind.GROUP: "group",
    ConversationKind.SINGLE: "private",
}


def public_user(who: Profile | User, *, is_online: bool, last_seen_ms: int | None) -> dict[str, Any]:
    """messenger API, another user."""
    return {
        "id": who.id,
        "username": who.username,
        "nickname": who.nickname,
        "avatar": who.avatar,
        "online": is_online,
        "last_seen": iso_time_or_none(last_seen_ms),
    }


def login_user(who: User, *, is_online: bool, last_seen_ms: int) -> dict[str, Any]:
    """messenger API, login and registration."""
    return {"phone": who.phone or ""} | public_user(who, is_online=is_online, last_seen_ms=last_seen_ms)


def own_user(who: User, *, is_online: bool, last_seen_ms: int) -> dict[str, Any]:
    """messenger API, the own profile."""
    return login_user(who, is_online=is_online, last_seen_ms=last_seen_ms) | {
        "bio": who.bio,
        "language": who.language,
        "theme": who.theme,
        "created_at": iso_time(who.created_at_ms),
        "updated_at": iso_time(who.updated_at_ms),
    }


def tokens(pair: TokenPair) -> dict[str, Any]:
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "expires_in": pair.expires_in_s,
    }


def contact(row: Contact) -> dict[str, Any]:
    """messenger API, a contact that was added. `contact_id` is the other user's id."""
    return {
        "id": row.id,
        "user_id": row.user_id,
        "contact_id": row.contact_id,
        "nickname": row.remark,
        "is_blocked": row.is_blocked,
        "is_muted": row.is_muted,
        "created_at": iso_time(row.created_at_ms),
    }


def contact_item(view: ContactView, is_online: bool) -> dict[str, Any]:
    """messenger API, the list of contacts."""
    who = view.profile
    about = {"id": who.id, "username": who.username, "nickname": who.nickname, "avatar": who.avatar}
    return contact(view.contact) | {"contact": about | {"online": is_online}}


def chat(what: Conversation, member: Member, other: Profile | None) -> dict[str, Any]:
    """messenger API, a chat; `other` is the other side of a private one."""
    return {
        "id": what.id,
        "name": what.name or (other.nickname if other else ""),
        "description": what.description or "",
        "avatar": what.avatar or (other.avatar if other else ""),
        "type": CHAT_TYPES[what.kind],
        "is_active": what.status is ConversationStatus.ACTIVE,
        "is_pinned": member.is_pinned,
        "is_muted": member.is_muted,
        "members_count": what.member_count,
        "created_at": iso_time(what.created_at_ms),
        "updated_at": iso_time(what.updated_at_ms),
    }


def chat_item(view: ConversationView) -> dict[str, Any]:
    """messenger API, the list of chats; `unread_count` is an extra."""
    single = view.conversation.kind is ConversationKind.SINGLE
    last = view.last_message
    shown = None
    if last is not None:
        shown = {
            "id": last.id,
            "content": last.content,
            "type": last.kind.value,
            "sender_id": last.sender_id,
            "created_at": iso_time(last.created_at_ms),
        }
    other = view.participants[0] if single and view.participants else None
    return chat(view.conversation, view.member, other) | {"last_message": shown, "unread_count": view.unread_count}


def chat_detail(what: Conversation, members: Sequence[MemberView], viewer_id: int) -> dict[str, Any]:
    """messenger API, one chat with its members."""
    own = next(view.member for view in members if view.member.user_id == viewer_id)
    others = [view.profile for view in members if view.member.user_id != viewer_id]
    single = what.kind is ConversationKind.SINGLE
    return chat(what, own, others[0] if single and others else None) | {
        "members": [
            {
                "id": view.profile.id,
                "username": view.profile.username,
                "nickname": view.profile.nickname,
                "avatar": view.profile.avatar,
                "role": view.member.role.value,
                "joined_at": iso_time(view.member.joined_at_ms),
            }
            for view in members
        ]
    }


def sender(who: Profile) -> dict[str, Any]:
    return {"id": who.id, "username": who.username, "nickname": who.nickname, "avatar": who.avatar}


def message(stored: Message, who: Profile, *, is_read: bool) -> dict[str, Any]:
    """messenger API, messages. `is_read`: somebody other than its sender has read it."""
    file = stored.attachment if isinstance(stored.attachment, FileRef) else None
    shown = {
        "id": stored.id,
        "chat_id": stored.conversation_id,
        "sender_id": stored.sender_id,
        "content": stored.content,
        "type": stored.kind.value,
        "file_name": file.name if file else "",
        "file_size": file.size if file else 0,
        "file_url": file_url(file) if file else "",
        "thumbnail": thumbnail_url(file) if file else "",
        "is_read": is_read,
        "is_edited": stored.state is MessageState.EDITED,
        "is_deleted": stored.is_gone,
        "is_pinned": stored.is_pinned,
        "reply_to_id": stored.reply_to_id,
        "forward_from": stored.forward_from_id,
        "ttl": stored.ttl_s,
        "send_at": iso_time_or_none(stored.send_at_ms),
        "is_silent": stored.is_silent,
        "created_at": iso_time(stored.created_at_ms),
        "updated_at": iso_time(stored.updated_at_ms),
        "sender": sender(who),
    }
    if stored.client_msg_id is not None:
        shown["client_msg_id"] = stored.client_msg_id
    if isinstance(stored.attachment, CallRecord):
        shown["call"] = call(stored.attachment)
    return shown


def call(record: CallRecord) -> dict[str, Any]:
    """What a system message says of a call that is over; an extra."""
    return {
        "call_id": record.call_id,
        "call_type": record.call_type,
        "reason": record.reason,
        "duration": record.duration_s,
    }


def file_url(file: FileRef) -> str:
    return f"{FILES_PATH}{file.file_id}" if file.file_id else file.path


def thumbnail_url(file: FileRef) -> str:
    return f"{FILES_PATH}{file.thumbnail}" if file.file_id and file.thumbnail else file.thumbnail


def uploaded(file: StoredFile) -> dict[str, Any]:
    """messenger API, files."""
    return {
        "id": file.file_id,
        "name": file.name,
        "size": file.size,
        "type": file.category.value,
        "url": file_url(file.ref),
        "thumbnail": thumbnail_url(file.ref),
        "created_at": iso_time(file.created_at_ms),
    }


def messages(
    found: Sequence[Message],
    senders: Mapping[int, Profile],
    cursors: Sequence[ReadCursor],
    *,
    total: int,
    has_more: bool,
) -> dict[str, Any]:
    """messenger API, the list of messages."""
    return {
        "messages": [
            message(
                each, senders.get(each.sender_id) or Profile(each.sender_id, "", ""), is_read=was_read(each, cursors)
            )
            for each in found
        ],
        "total": total,
        "has_more": has_more,
    }


def was_read(stored: Message, cursors: Sequence[ReadCursor]) -> bool:
    """`cursors`: those of the two members who have read most."""
    return not stored.is_scheduled and any(
        cursor.read_seq >= stored.seq for cursor in cursors if cursor.user_id != stored.sender_id
    )
