"""How the model looks in social: integer Unix seconds, numbers for roles and kinds, and every field always there."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from domain.accounts import TokenPair
from domain.model import (
    Conversation,
    ConversationKind,
    ConversationView,
    MemberView,
    Message,
    Profile,
    Role,
    User,
)
from domain.records import (
    Contact,
    ContactView,
    FriendRequest,
    FriendRequestView,
    GroupApplication,
    GroupApplicationView,
    GroupNoticeView,
    NoticeKind,
    RequestStatus,
    StoredFile,
)
from protocol.social.requests import GROUP, KIND_NUMBERS, PRIVATE

ROLES: Final[Mapping[Role, int]] = {Role.MEMBER: 0, Role.ADMIN: 1, Role.OWNER: 2}
REQUEST_STATUSES: Final[Mapping[RequestStatus, int]] = {
    RequestStatus.PENDING: 1,
    RequestStatus.ACCEPTED: 2,
    RequestStatus.REJECTED: 3,
}
NOTICE_TYPES: Final[Mapping[NoticeKind, int]] = {kind: number for number, kind in enumerate(NoticeKind, 1)}
NOTICE_TEXTS: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.INVITED: "'{operator}' 邀请您加入群聊 '{group}'",
    NoticeKind.APPLIED: "'{operator}' 申请加入群聊 '{group}'",
    NoticeKind.APPROVED: "'{operator}' 同意了您加入群聊 '{group}' 的申请",
    NoticeKind.REJECTED: "'{operator}' 拒绝了您加入群聊 '{group}' 的申请",
    NoticeKind.LEFT: "'{target}' 已退出群聊 '{group}'",
    NoticeKind.KICKED: "您已被 '{operator}' 移出群聊 '{group}'",
    NoticeKind.ROLE_SET: "'{operator}' 更改了您在群聊 '{group}' 中的角色",
    NoticeKind.TRANSFERRED: "您已被 '{operator}' 设置为群聊 '{group}' 的新群主",
    NoticeKind.DISMISSED: "群聊 '{group}' 已被 '{operator}' 解散",
    NoticeKind.MUTED: "您在群聊 '{group}' 中已被 '{operator}' 禁言",
    NoticeKind.UNMUTED: "您在群聊 '{group}' 中已被 '{operator}' 解除禁言",
}
ACTIVE, INACTIVE = 1, 0
FRIEND, BLOCKED = 1, 2
"""`status` of a user or group, and of a friend."""


def seconds(at_ms: int | None) -> int:
    return 0 if at_ms is None else at_ms // 1000


def user(who: User) -> dict[str, Any]:
    """social API 2.1."""
    return {
        "id": who.id,
        "username": who.username,
        "email": who.email or "",
        "nickname": who.nickname,
        "avatar": who.avatar,
        "status": ACTIVE if who.is_active else INACTIVE,
        "create_at": seconds(who.created_at_ms),
        "update_at": seconds(who.updated_at_ms),
    }


def tokens(pair: TokenPair) -> dict[str, Any]:
    """social API 1.2 and 1.3; `expires_in` (seconds) is an extra."""
    return {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "expires_in": pair.expires_in_s,
    }


def group(conversation: Conversation, owner_id: int) -> dict[str, Any]:
    """social API 5.2 and 5.3."""
    return {
        "id": conversation.id,
        "name": conversation.name or "",
        "description": conversation.description or "",
        "avatar": conversation.avatar or "",
        "owner_id": owner_id,
        "member_count": conversation.member_count,
        "max_member_count": conversation.max_members,
        "status": ACTIVE,
        "create_at": seconds(conversation.created_at_ms),
        "update_at": seconds(conversation.updated_at_ms),
    }


def groups(found: Iterable[Conversation], owners: Mapping[int, int]) -> list[dict[str, Any]]:
    return [group(each, owners.get(each.id, each.creator_id)) for each in found]


def member(view: MemberView) -> dict[str, Any]:
    """social API 5, the list of members; `mute_until` is an extra."""
    return {
        "id": view.member.id,
        "group_id": view.member.conversation_id,
        "user_id": view.member.user_id,
        "role": ROLES[view.member.role],
        "nickname": view.member.nickname or view.profile.nickname,
        "join_time": seconds(view.member.joined_at_ms),
        "update_at": seconds(view.member.updated_at_ms),
        "mute_until": seconds(view.member.muted_until_ms),
    }


def member_info(view: MemberView) -> dict[str, Any]:
    """social API 5.14."""
    shown = member(view)
    about = {name: shown[name] for name in ("group_id", "user_id", "role", "nickname", "join_time")}
    who = view.profile
    user_info = {"id": who.id, "username": who.username, "nickname": who.nickname, "avatar": who.avatar}
    return {"member_info": {"member_info": about, "user_info": user_info}}


def contact(row: Contact) -> dict[str, Any]:
    """social API 4.6."""
    return {
        "id": row.id,
        "user_id": row.user_id,
        "friend_id": row.contact_id,
        "remark": row.remark,
        "status": BLOCKED if row.is_blocked else FRIEND,
        "create_at": seconds(row.created_at_ms),
        "update_at": seconds(row.updated_at_ms),
    }


def friend(view: ContactView, is_online: bool) -> dict[str, Any]:
    """social API 4.3."""
    return contact(view.contact) | {
        "nickname": view.profile.nickname,
        "avatar": view.profile.avatar,
        "online_status": int(is_online),
    }


def request(row: FriendRequest) -> dict[str, Any]:
    return {
        "id": row.id,
        "from_user_id": row.from_user_id,
        "to_user_id": row.to_user_id,
        "message": row.message,
        "status": REQUEST_STATUSES[row.status],
        "create_at": seconds(row.created_at_ms),
        "update_at": seconds(row.updated_at_ms),
    }


def friend_request(view: FriendRequestView) -> dict[str, Any]:
    """social API 6.1."""
    return request(view.request) | {
        "from_nickname": view.sender.nickname,
        "from_avatar": view.sender.avatar,
        "to_nickname": view.recipient.nickname,
        "to_avatar": view.recipient.avatar,
    }


def application(row: GroupApplication) -> dict[str, Any]:
    return {
        "id": row.id,
        "group_id": row.conversation_id,
        "user_id": row.user_id,
        "reason": row.reason,
        "apply_time": seconds(row.created_at_ms),
        "status": REQUEST_STATUSES[row.status],
    }


def group_application(view: GroupApplicationView) -> dict[str, Any]:
    """social API 6.4; `status` is an extra."""
    return application(view.application) | {
        "user_nickname": view.applicant.nickname,
        "user_avatar": view.applicant.avatar,
        "group_name": view.group.name or "",
        "group_avatar": view.group.avatar or "",
    }


def notice(view: GroupNoticeView) -> dict[str, Any]:
    """social API 6.3."""
    row = view.notice
    names = {"operator": view.operator.nickname, "target": view.target.nickname, "group": view.group_name}
    return {
        "id": row.id,
        "type": NOTICE_TYPES[row.kind],
        "group_id": row.conversation_id,
        "operator_id": row.operator_id,
        "target_user_id": row.target_id,
        "message": NOTICE_TEXTS[row.kind].format_map(names),
        "timestamp": seconds(row.created_at_ms),
        "is_read": view.is_read,
        "operator_nickname": view.operator.nickname,
        "operator_avatar": view.operator.avatar,
        "target_user_nickname": view.target.nickname,
        "target_user_avatar": view.target.avatar,
    }


def file(stored: StoredFile) -> dict[str, Any]:
    """social API 7.4; `expire_at` of 0: it does not."""
    return {
        "file_id": stored.file_id,
        "file_name": stored.name,
        "file_size": stored.size,
        "content_type": stored.mime,
        "user_id": stored.uploader_id,
        "created_at": seconds(stored.created_at_ms),
        "expire_at": seconds(stored.expires_at_ms),
        "etag": stored.etag,
        "file_type": stored.category.value,
    }


def message(stored: Message, recipient_id: int | None) -> dict[str, Any]:
    """social API 8.2, with the fields that tell private and group messages apart. `recipient_id` is the other side of a
    private chat, None in a group."""
    shown = {
        "id": stored.id,
        "from_user_id": stored.sender_id,
        "to_user_id": recipient_id or 0,
        "content": stored.content,
        "create_at": seconds(stored.created_at_ms),
        "type": KIND_NUMBERS[stored.kind],
        "chat_type": GROUP if recipient_id is None else PRIVATE,
        "group_id": stored.conversation_id if recipient_id is None else 0,
        "seq": stored.seq,
        "is_recalled": stored.is_gone,
    }
    if stored.client_msg_id is not None:
        shown["client_msg_id"] = stored.client_msg_id
    return shown


def history(messages: Sequence[Message], pair: tuple[int, int] | None, has_more: bool) -> dict[str, Any]:
    """social API 8.2. `pair` are the two of a private chat."""
    return {
        "hasMore": has_more,
        "messages": [message(each, None if pair is None else other_of(pair, each.sender_id)) for each in messages],
    }


def other_of(pair: tuple[int, int], user_id: int) -> int:
    return pair[1] if user_id == pair[0] else pair[0]


def conversation(view: ConversationView) -> dict[str, Any]:
    """social API 8.6; `is_pinned` and `unread_count` are extras."""
    about, last = view.conversation, view.last_message
    is_group = about.kind is ConversationKind.GROUP
    other = next(iter(view.participants), None)
    target = other or Profile(0, "", "")
    return {
        "id": about.id,
        "user_id": view.member.user_id,
        "target_id": about.id if is_group else target.id,
        "type": GROUP if is_group else PRIVATE,
        "last_message_id": 0 if last is None else last.id,
        "last_message": "" if last is None else last.content,
        "last_message_time": 0 if last is None else seconds(last.created_at_ms),
        "create_at": seconds(about.created_at_ms),
        "update_at": seconds(about.last_message_at_ms or about.updated_at_ms),
        "target_name": (about.name or "") if is_group else target.nickname,
        "target_avatar": (about.avatar or "") if is_group else target.avatar,
        "is_pinned": view.member.is_pinned,
        "unread_count": view.unread_count,
    }
