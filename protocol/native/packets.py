"""What the server says to native clients: every packet as a struct whose fields are those of PROTOCOL.md.

The order of the fields is the binary layout (`schema`): new fields go to the end of the optional ones. `id` echoes the
request and always comes last. Optional fields are absent on the wire while they hold their default. What clients say is
`protocol.commands`.
"""

import msgspec

from domain.model import ConversationKind, ConversationStatus, MemberStatus, MessageKind, MessageState, Role


class Item(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Base of what packets are made of."""


class ProfileInfo(Item, frozen=True, gc=False):
    user_id: int
    username: str
    nickname: str
    avatar: str = ""
    is_active: bool = True


class ConversationInfo(Item, frozen=True, gc=False):
    conversation_id: int
    kind: ConversationKind
    creator_id: int
    max_members: int
    created_at_ms: int
    updated_at_ms: int
    name: str | None = None
    description: str | None = None
    avatar: str | None = None
    member_count: int = 0
    last_seq: int = 0
    last_message_at_ms: int | None = None
    allow_invite: bool = True
    allow_member_modify: bool = False
    is_public: bool = True
    history_visible: bool = True
    watermark_text: str | None = None
    status: ConversationStatus = ConversationStatus.ACTIVE


class LocationAttachment(Item, frozen=True, gc=False, tag="location"):
    """Decimal degrees, as the sender wrote them."""

    latitude: str
    longitude: str
    address: str | None = None


class FileAttachment(Item, frozen=True, gc=False, tag="file"):
    """`size` in bytes; `path` and `thumbnail` are paths of the HTTP port."""

    id: int
    file_id: str
    name: str
    path: str
    size: int
    mime: str
    thumbnail: str = ""


class CallAttachment(Item, frozen=True, gc=False, tag="call"):
    call_id: str
    call_type: str
    reason: str
    duration_s: int


Attachment = LocationAttachment | FileAttachment | CallAttachment


class ServerPacket(msgspec.Struct, frozen=True, gc=False, tag_field="type", omit_defaults=True):
    """Base of all packets from the server."""


# Replies


class WelcomePacket(ServerPacket, frozen=True, gc=False, tag="welcome"):
    session_id: str
    user_id: int
    epoch: str
    position: str
    server_time_ms: int
    heartbeat_s: int
    max_frame_bytes: int
    max_content_chars: int
    version: str
    id: int | None = None


class PongPacket(ServerPacket, frozen=True, gc=False, tag="pong"):
    server_time_ms: int
    position: str = ""
    id: int | None = None


class HeartbeatPacket(ServerPacket, frozen=True, gc=False, tag="heartbeat"):
    server_time_ms: int


class AckPacket(ServerPacket, frozen=True, gc=False, tag="ack"):
    message_id: int
    conversation_id: int
    seq: int
    created_at_ms: int
    client_msg_id: str | None = None
    duplicate: bool = False
    state: MessageState = MessageState.SENT
    id: int | None = None


class CallOfferedPacket(ServerPacket, frozen=True, gc=False, tag="call_offered"):
    call_id: str
    to_user_id: int
    at_ms: int
    reason: str = ""
    id: int | None = None


class DonePacket(ServerPacket, frozen=True, gc=False, tag="done"):
    id: int | None = None


class SyncedPacket(ServerPacket, frozen=True, gc=False, tag="synced"):
    recovered: bool
    epoch: str
    position: str
    id: int | None = None


class MessagePacket(ServerPacket, frozen=True, gc=False, tag="message"):
    """A message, wherever it stands: pushed, replayed, in a history page or as a conversation's last one."""

    message_id: int
    conversation_id: int
    seq: int
    sender_id: int
    created_at_ms: int
    content: str
    client_msg_id: str | None = None
    kind: MessageKind = MessageKind.TEXT
    reply_to_id: int | None = None
    attachment: Attachment | None = None
    forward_from_id: int | None = None
    is_silent: bool = False
    state: MessageState = MessageState.SENT
    updated_at_ms: int | None = None
    is_pinned: bool = False
    ttl_s: int = 0
    send_at_ms: int | None = None


class HistoryPagePacket(ServerPacket, frozen=True, gc=False, tag="history_page"):
    conversation_id: int
    messages: list[MessagePacket]
    has_more: bool
    id: int | None = None


class ConversationEntry(Item, frozen=True, gc=False):
    """A conversation in the list of one member: what belongs to that member stands beside it."""

    conversation: ConversationInfo
    role: Role
    joined_at_ms: int
    unread_count: int = 0
    read_seq: int = 0
    delivered_seq: int = 0
    visible_after_seq: int = 0
    nickname: str | None = None
    muted_until_ms: int | None = None
    is_pinned: bool = False
    is_muted: bool = False
    participants: list[ProfileInfo] = []
    last_message: MessagePacket | None = None


class ConversationListPacket(ServerPacket, frozen=True, gc=False, tag="conversation_list"):
    conversations: list[ConversationEntry]
    total: int
    id: int | None = None


class OpenedPacket(ServerPacket, frozen=True, gc=False, tag="opened"):
    conversation: ConversationInfo
    other_id: int
    id: int | None = None


class PresenceStatePacket(ServerPacket, frozen=True, gc=False, tag="presence_state"):
    states: dict[int, bool]
    id: int | None = None


class ErrorPacket(ServerPacket, frozen=True, gc=False, tag="error"):
    code: str
    text: str
    temporary: bool = False
    retry_after_ms: int = 0
    client_msg_id: str | None = None
    id: int | None = None


class GoAwayPacket(ServerPacket, frozen=True, gc=False, tag="go_away"):
    reason: str
    retry_after_ms: int = 0


# Pushes


class MessageEditedPacket(ServerPacket, frozen=True, gc=False, tag="message_edited"):
    message_id: int
    conversation_id: int
    seq: int
    sender_id: int
    content: str
    updated_at_ms: int


class MessageRecalledPacket(ServerPacket, frozen=True, gc=False, tag="message_recalled"):
    message_id: int
    conversation_id: int
    seq: int
    operator_id: int
    at_ms: int


class MessageDeletedPacket(ServerPacket, frozen=True, gc=False, tag="message_deleted"):
    message_id: int
    conversation_id: int
    seq: int
    operator_id: int
    for_everyone: bool
    at_ms: int


class MessagePinnedPacket(ServerPacket, frozen=True, gc=False, tag="message_pinned"):
    message_id: int
    conversation_id: int
    seq: int
    operator_id: int
    is_pinned: bool
    at_ms: int


class ReceiptPacket(ServerPacket, frozen=True, gc=False, tag="receipt"):
    conversation_id: int
    user_id: int
    at_ms: int
    read_seq: int = 0
    delivered_seq: int = 0


class TypingPacket(ServerPacket, frozen=True, gc=False, tag="typing"):
    conversation_id: int
    user_id: int
    is_typing: bool


class PresencePacket(ServerPacket, frozen=True, gc=False, tag="presence"):
    user_id: int
    is_online: bool
    at_ms: int


class LocationPacket(ServerPacket, frozen=True, gc=False, tag="location"):
    user_id: int
    latitude: float
    longitude: float
    at_ms: int
    accuracy: float | None = None


class ConversationCreatedPacket(ServerPacket, frozen=True, gc=False, tag="conversation_created"):
    conversation: ConversationInfo
    creator: ProfileInfo
    participant_ids: list[int]


class ConversationUpdatedPacket(ServerPacket, frozen=True, gc=False, tag="conversation_updated"):
    conversation: ConversationInfo
    operator_id: int
    fields: list[str]
    at_ms: int


class ConversationDeletedPacket(ServerPacket, frozen=True, gc=False, tag="conversation_deleted"):
    conversation_id: int
    kind: ConversationKind
    operator_id: int
    at_ms: int


class MembersAddedPacket(ServerPacket, frozen=True, gc=False, tag="members_added"):
    conversation: ConversationInfo
    operator_id: int
    added: list[ProfileInfo]
    at_ms: int


class MemberRemovedPacket(ServerPacket, frozen=True, gc=False, tag="member_removed"):
    conversation_id: int
    user_id: int
    operator_id: int
    status: MemberStatus
    at_ms: int


class RoleChangedPacket(ServerPacket, frozen=True, gc=False, tag="role_changed"):
    conversation_id: int
    user_id: int
    operator_id: int
    old_role: Role
    new_role: Role
    at_ms: int


class MemberUpdatedPacket(ServerPacket, frozen=True, gc=False, tag="member_updated"):
    conversation_id: int
    user_id: int
    operator_id: int
    at_ms: int
    nickname: str | None = None
    muted_until_ms: int | None = None


class ProfileChangedPacket(ServerPacket, frozen=True, gc=False, tag="profile_changed"):
    profile: ProfileInfo


class ContactChangedPacket(ServerPacket, frozen=True, gc=False, tag="contact_changed"):
    contact_id: int
    relation: str
    at_ms: int


class FriendRequestPacket(ServerPacket, frozen=True, gc=False, tag="friend_request"):
    request_id: int
    sender: ProfileInfo
    message: str
    at_ms: int


class FriendRequestAnsweredPacket(ServerPacket, frozen=True, gc=False, tag="friend_request_answered"):
    request_id: int
    recipient: ProfileInfo
    status: str
    answer: str
    at_ms: int


class GroupNoticePacket(ServerPacket, frozen=True, gc=False, tag="group_notice"):
    notice_id: int
    kind: str
    conversation_id: int
    group_name: str
    operator: ProfileInfo
    target: ProfileInfo
    at_ms: int


class NotificationPacket(ServerPacket, frozen=True, gc=False, tag="notification"):
    record_id: int
    kind: str
    title: str
    content: str
    priority: str
    at_ms: int
    action_url: str | None = None


class CallPacket(ServerPacket, frozen=True, gc=False, tag="call"):
    call_id: str
    step: str
    from_user_id: int
    to_user_id: int
    call_type: str
    at_ms: int
    payload: str = ""
    reason: str = ""
    duration_s: int = 0


class BroadcastPacket(ServerPacket, frozen=True, gc=False, tag="broadcast"):
    broadcast_id: int
    title: str
    content: str
    priority: str
    at_ms: int
