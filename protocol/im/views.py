"""How domain objects look in im: plain dictionaries, field by field as im API 1 to 7 shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.model import (
    CallRecord,
    Conversation,
    ConversationView,
    FileRef,
    Location,
    MemberView,
    Message,
    Profile,
    Receipt,
    User,
)
from domain.records import GroupStats, StoredFile
from protocol.times import iso_time, iso_time_or_none

Json = dict[str, Any]


def user(who: User | Profile) -> Json:
    """im API 2.1."""
    return {"id": who.id, "standard_id": who.username, "name": who.nickname, "is_active": who.is_active}


def statuses(states: Mapping[int, bool]) -> Json:
    """im API 2.4."""
    return {"statuses": {str(user_id): is_online for user_id, is_online in states.items()}}


def conversation(what: Conversation) -> Json:
    """im API 3.1; the last five fields are extras."""
    return {
        "id": what.id,
        "name": what.name,
        "type": what.kind.value,
        "description": what.description,
        "avatar": what.avatar,
        "max_members": what.max_members,
        "allow_invite": what.allow_invite,
        "allow_member_modify": what.allow_member_modify,
        "status": what.status.value,
        "creator_id": what.creator_id,
        "created_at": iso_time(what.created_at_ms),
        "updated_at": iso_time(what.updated_at_ms),
        "member_count": what.member_count,
        "is_public": what.is_public,
        "history_visible": what.history_visible,
        "watermark_text": what.watermark_text,
        "last_seq": what.last_seq,
    }


def conversation_item(view: ConversationView) -> Json:
    """One item of im API 3.3. The participants leave out the viewer."""
    what = view.conversation
    return {
        "id": what.id,
        "name": what.name,
        "type": what.kind.value,
        "status": what.status.value,
        "creator_id": what.creator_id,
        "created_at": iso_time(what.created_at_ms),
        "updated_at": iso_time(what.updated_at_ms),
        "member_count": what.member_count,
        "unread_count": view.unread_count,
        "last_message_at": iso_time_or_none(what.last_message_at_ms),
        "participants": [
            {"id": each.id, "standard_id": each.username, "name": each.nickname} for each in view.participants
        ],
        "avatar": what.avatar,
        "last_seq": what.last_seq,
        "read_seq": view.member.read_seq,
        "is_pinned": view.member.is_pinned,
        "is_muted": view.member.is_muted,
    }


def conversation_list(views: Sequence[ConversationView], total: int, *, skip: int, limit: int) -> Json:
    """im API 3.3."""
    return {
        "conversations": [conversation_item(view) for view in views],
        "total": total,
        "page": skip // limit + 1,
        "page_size": limit,
    }


def group_item(what: Conversation) -> Json:
    """One item of im API 7.5."""
    return {
        "id": what.id,
        "name": what.name,
        "description": what.description,
        "member_count": what.member_count,
        "avatar": what.avatar,
    }


def group_stats(stats: GroupStats) -> Json:
    """im API 7.4."""
    return {
        "member_count": stats.member_count,
        "message_count": stats.message_count,
        "active_members": stats.active_members,
        "created_at": iso_time(stats.created_at_ms),
    }


def member(view: MemberView) -> Json:
    """One item of im API 3.7."""
    who = view.member
    return {
        "id": who.id,
        "conversation_id": who.conversation_id,
        "user_id": who.user_id,
        "role": who.role.value,
        "status": who.status.value,
        "joined_at": iso_time(who.joined_at_ms),
        "user_name": view.profile.nickname,
        "user_standard_id": view.profile.username,
        "nickname": who.nickname,
        "muted_until": iso_time_or_none(who.muted_until_ms),
    }


def members(views: Sequence[MemberView]) -> Json:
    """im API 3.7."""
    return {"members": [member(view) for view in views], "total": len(views)}


def file_info(file: FileRef) -> Json:
    """im API 4.2."""
    return {
        "id": file.id,
        "file_id": file.file_id,
        "name": file.name,
        "path": file.path,
        "size": file.size,
        "type": file.mime,
    }


def attachment(what: Message) -> Json:
    """The fields that a file, a location or a call record adds to a message."""
    match what.attachment:
        case Location(latitude=latitude, longitude=longitude, address=address):
            return {"latitude": latitude, "longitude": longitude, "address": address}
        case FileRef() as file:
            return {"file_id": file.file_id, "file_info": file_info(file)}
        case CallRecord() as call:
            return {
                "call_id": call.call_id,
                "call_type": call.call_type,
                "reason": call.reason,
                "duration": call.duration_s,
            }
    return {}


def message(what: Message, sender: Profile | None) -> Json:
    """im API 4.1 to 4.3; `seq` and what follows are extras. `sender` is None if the account is gone."""
    return {
        "id": what.id,
        "conversation_id": what.conversation_id,
        "sender_id": what.sender_id,
        "message_type": what.kind.value,
        "content": what.content,
        "status": what.state.value,
        "reply_to_id": what.reply_to_id,
        "created_at": iso_time(what.created_at_ms),
        "updated_at": iso_time(what.updated_at_ms),
        "sender_name": sender.nickname if sender else "",
        "sender_standard_id": sender.username if sender else "",
        **attachment(what),
        "seq": what.seq,
        "client_msg_id": what.client_msg_id,
        "is_silent": what.is_silent,
    }


def history(messages: Sequence[Message], senders: Mapping[int, Profile], *, has_more: bool, limit: int) -> Json:
    """im API 4.6."""
    return {
        "messages": [message(each, senders.get(each.sender_id)) for each in messages],
        "has_more": has_more,
        "limit": limit,
    }


def found_messages(messages: Sequence[Message], senders: Mapping[int, Profile], *, total: int, limit: int) -> Json:
    """im API 4.4."""
    return {
        "messages": [message(each, senders.get(each.sender_id)) for each in messages],
        "total": total,
        "limit": limit,
    }


def receipts(found: Sequence[Receipt]) -> Json:
    """im API 4.11."""
    return {
        "receipts": [
            {
                "id": each.id,
                "message_id": each.message_id,
                "user_id": each.user_id,
                "read_at": iso_time(each.read_at_ms),
            }
            for each in found
        ],
        "total": len(found),
    }


def uploaded_file(file: StoredFile) -> Json:
    """im API 5.1; the last four fields are extras."""
    return {
        "id": file.id,
        "file_id": file.file_id,
        "file_name": file.name,
        "file_path": _file_path(file),
        "file_size": file.size,
        "file_type": file.mime,
        "uploaded_at": iso_time(file.created_at_ms),
        "uploader_id": file.uploader_id,
        "is_public": file.is_public,
        "description": file.description,
        "etag": file.etag,
        "thumbnail": file.thumbnail_id,
    }


def file_details(file: StoredFile) -> Json:
    """im API 5.3; the last three fields are extras."""
    return {
        "file_id": file.file_id,
        "file_name": file.name,
        "file_path": _file_path(file),
        "file_size": file.size,
        "file_type": file.mime,
        "is_public": file.is_public,
        "uploader_id": file.uploader_id,
        "uploaded_at": iso_time(file.created_at_ms),
        "download_count": file.download_count,
        "description": file.description,
        "etag": file.etag,
        "thumbnail": file.thumbnail_id,
    }


def file_list(files: Sequence[StoredFile], total: int, *, page: int, page_size: int) -> Json:
    """im API 5.4."""
    shown = [
        {
            "file_id": file.file_id,
            "file_name": file.name,
            "file_size": file.size,
            "file_type": file.mime,
            "uploaded_at": iso_time(file.created_at_ms),
        }
        for file in files
    ]
    return {"files": shown, "total": total, "page": page, "page_size": page_size}


def file_download(file: StoredFile) -> Json:
    """im API 5.6."""
    return {
        "file_id": file.file_id,
        "file_name": file.name,
        "file_size": file.size,
        "file_type": file.mime,
        "download_url": f"/api/v1/files/download/{file.file_id}",
    }


def _file_path(file: StoredFile) -> str:
    return f"/uploads/{file.path}"


def user_status(user_id: int, is_online: bool, last_seen_at_ms: int | None) -> Json:
    """im API 6.2; `last_seen` is null for somebody who was never connected."""
    return {"user_id": user_id, "is_online": is_online, "last_seen": iso_time_or_none(last_seen_at_ms)}
