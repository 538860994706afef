"""From the events and replies of the server to native packets: one table, by type."""

from collections.abc import Callable
from typing import Any, Final

from domain import events
from domain.events import Event
from domain.model import Attachment as StoredAttachment
from domain.model import (
    CallRecord,
    Conversation,
    ConversationView,
    FileRef,
    Location,
    Message,
    Profile,
)
from protocol import replies
from protocol.native import packets
from protocol.native.packets import (
    Attachment,
    CallAttachment,
    ConversationEntry,
    ConversationInfo,
    FileAttachment,
    LocationAttachment,
    MessagePacket,
    ProfileInfo,
    ServerPacket,
)
from protocol.replies import Reply


def profile_info(profile: Profile) -> ProfileInfo:
    return ProfileInfo(profile.id, profile.username, profile.nickname, profile.avatar, profile.is_active)


def conversation_info(conversation: Conversation) -> ConversationInfo:
    return ConversationInfo(
        conversation_id=conversation.id,
        kind=conversation.kind,
        creator_id=conversation.creator_id,
        max_members=conversation.max_members,
        created_at_ms=conversation.created_at_ms,
        updated_at_ms=conversation.updated_at_ms,
        name=conversation.name,
        description=conversation.description,
        avatar=conversation.avatar,
        member_count=conversation.member_count,
        last_seq=conversation.last_seq,
        last_message_at_ms=conversation.last_message_at_ms,
        allow_invite=conversation.allow_invite,
        allow_member_modify=conversation.allow_member_modify,
        is_public=conversation.is_public,
        history_visible=conversation.history_visible,
        watermark_text=conversation.watermark_text,
        status=conversation.status,
    )


def message_packet(message: Message) -> MessagePacket:
    attachment = message.attachment
    updated_at_ms = message.updated_at_ms
    # Positional: keywords cost 0.3 µs more, on the fan-out path.
    return MessagePacket(
        message.id,
        message.conversation_id,
        message.seq,
        message.sender_id,
        message.created_at_ms,
        message.content,
        message.client_msg_id,
        message.kind,
        message.reply_to_id,
        None if attachment is None else attachment_info(attachment),
        message.forward_from_id,
        message.is_silent,
        message.state,
        None if updated_at_ms == message.created_at_ms else updated_at_ms,
        message.is_pinned,
        message.ttl_s,
        message.send_at_ms,
    )


def attachment_info(attachment: StoredAttachment) -> Attachment:
    match attachment:
        case Location():
            return LocationAttachment(attachment.latitude, attachment.longitude, attachment.address)
        case FileRef():
            return FileAttachment(
                attachment.id,
                attachment.file_id,
                attachment.name,
                attachment.path,
                attachment.size,
                attachment.mime,
                attachment.thumbnail,
            )
        case CallRecord():
            return CallAttachment(attachment.call_id, attachment.call_type, attachment.reason, attachment.duration_s)


def conversation_entry(view: ConversationView) -> ConversationEntry:
    member = view.member
    return ConversationEntry(
        conversation=conversation_info(view.conversation),
        role=member.role,
        joined_at_ms=member.joined_at_ms,
        unread_count=view.unread_count,
        read_seq=member.read_seq,
        delivered_seq=member.delivered_seq,
        visible_after_seq=member.visible_after_seq,
        nickname=member.nickname,
        muted_until_ms=member.muted_until_ms,
        is_pinned=member.is_pinned,
        is_muted=member.is_muted,
        participants=[profile_info(profile) for profile in view.participants],
        last_message=None if view.last_message is None else message_packet(view.last_message),
    )


def _ack(ack: replies.Ack) -> ServerPacket:
    return packets.AckPacket(
        ack.message_id,
        ack.conversation_id,
        ack.seq,
        ack.created_at_ms,
        ack.client_msg_id,
        ack.duplicate,
        ack.state,
        ack.id,
    )


_TABLE: Final[dict[type[Event | Reply], Callable[[Any], ServerPacket]]] = {
    replies.Welcome: lambda it: packets.WelcomePacket(
        it.session_id,
        it.user_id,
        it.epoch,
        it.position,
        it.server_time_ms,
        it.heartbeat_s,
        it.max_frame_bytes,
        it.max_content_chars,
        it.version,
        it.id,
    ),
    replies.Pong: lambda it: packets.PongPacket(it.server_time_ms, it.position, it.id),
    replies.Heartbeat: lambda it: packets.HeartbeatPacket(it.server_time_ms),
    replies.Ack: _ack,
    replies.CallOffered: lambda it: packets.CallOfferedPacket(it.call_id, it.to_user_id, it.at_ms, it.reason, it.id),
    replies.Done: lambda it: packets.DonePacket(it.id),
    replies.Synced: lambda it: packets.SyncedPacket(it.recovered, it.epoch, it.position, it.id),
    replies.HistoryPage: lambda it: packets.HistoryPagePacket(
        it.conversation_id, [message_packet(message) for message in it.messages], it.has_more, it.id
    ),
    replies.ConversationList: lambda it: packets.ConversationListPacket(
        [conversation_entry(view) for view in it.conversations], it.total, it.id
    ),
    replies.Opened: lambda it: packets.OpenedPacket(conversation_info(it.conversation), it.other_id, it.id),
    replies.PresenceState: lambda it: packets.PresenceStatePacket(dict(it.states), it.id),
    replies.Failure: lambda it: packets.ErrorPacket(
        it.code, it.text, it.temporary, it.retry_after_ms, it.client_msg_id, it.id
    ),
    replies.GoAway: lambda it: packets.GoAwayPacket(it.reason, it.retry_after_ms),
    events.MessageSent: lambda it: message_packet(it.message),
    events.MessageEdited: lambda it: packets.MessageEditedPacket(
        it.message.id,
        it.message.conversation_id,
        it.message.seq,
        it.message.sender_id,
        it.message.content,
        it.message.updated_at_ms,
    ),
    events.MessageRecalled: lambda it: packets.MessageRecalledPacket(
        it.message.id, it.message.conversation_id, it.message.seq, it.operator_id, it.at_ms
    ),
    events.MessageDeleted: lambda it: packets.MessageDeletedPacket(
        it.message.id, it.message.conversation_id, it.message.seq, it.operator_id, it.for_everyone, it.at_ms
    ),
    events.MessagePinned: lambda it: packets.MessagePinnedPacket(
        it.message.id,
        it.message.conversation_id,
        it.message.seq,
        it.operator_id,
        it.message.is_pinned,
        it.at_ms,
    ),
    events.ReceiptMarked: lambda it: packets.ReceiptPacket(
        it.conversation_id, it.user_id, it.at_ms, it.read_seq, it.delivered_seq
    ),
    events.Typing: lambda it: packets.TypingPacket(it.conversation_id, it.user_id, it.is_typing),
    events.PresenceChanged: lambda it: packets.PresencePacket(it.user_id, it.is_online, it.at_ms),
    events.LocationUpdated: lambda it: packets.LocationPacket(
        it.user_id, it.latitude, it.longitude, it.at_ms, it.accuracy
    ),
    events.ConversationCreated: lambda it: packets.ConversationCreatedPacket(
        conversation_info(it.conversation), profile_info(it.creator), list(it.participant_ids)
    ),
    events.ConversationUpdated: lambda it: packets.ConversationUpdatedPacket(
        conversation_info(it.conversation), it.operator_id, list(it.fields), it.at_ms
    ),
    events.ConversationDeleted: lambda it: packets.ConversationDeletedPacket(
        it.conversation_id, it.kind, it.operator_id, it.at_ms
    ),
    events.MembersAdded: lambda it: packets.MembersAddedPacket(
        conversation_info(it.conversation),
        it.operator_id,
        [profile_info(profile) for profile in it.added],
        it.at_ms,
    ),
    events.MemberRemoved: lambda it: packets.MemberRemovedPacket(
        it.conversation_id, it.user_id, it.operator_id, it.status, it.at_ms
    ),
    events.RoleChanged: lambda it: packets.RoleChangedPacket(
        it.conversation_id, it.user_id, it.operator_id, it.old_role, it.new_role, it.at_ms
    ),
    events.MemberUpdated: lambda it: packets.MemberUpdatedPacket(
        it.conversation_id, it.user_id, it.operator_id, it.at_ms, it.nickname, it.muted_until_ms
    ),
    events.ProfileChanged: lambda it: packets.ProfileChangedPacket(profile_info(it.profile)),
    events.ContactChanged: lambda it: packets.ContactChangedPacket(it.contact_id, it.relation.value, it.at_ms),
    events.FriendRequested: lambda it: packets.FriendRequestPacket(
        it.request.id, profile_info(it.sender), it.request.message, it.request.created_at_ms
    ),
    events.FriendRequestAnswered: lambda it: packets.FriendRequestAnsweredPacket(
        it.request.id,
        profile_info(it.recipient),
        it.request.status.value,
        it.request.answer,
        it.request.updated_at_ms,
    ),
    events.GroupNoted: lambda it: packets.GroupNoticePacket(
        it.notice.id,
        it.notice.kind.value,
        it.notice.conversation_id,
        it.group_name,
        profile_info(it.operator),
        profile_info(it.target),
        it.notice.created_at_ms,
    ),
    events.NotificationArrived: lambda it: packets.NotificationPacket(
        it.record_id, it.kind, it.title, it.content, it.priority, it.at_ms, it.action_url
    ),
    events.CallSignalled: lambda it: packets.CallPacket(
        it.call_id,
        it.step,
        it.from_user_id,
        it.to_user_id,
        it.call_type,
        it.at_ms,
        it.payload,
        it.reason,
        it.duration_s,
    ),
    events.BroadcastSent: lambda it: packets.BroadcastPacket(
        it.broadcast_id, it.title, it.content, it.priority, it.at_ms
    ),
}
"""LoginRevoked and UserDeactivated are not here: to a client they are the end of its connection. Nor are those
that come as notifications."""


def to_packet(item: Event | Reply) -> ServerPacket | None:
    """The packet that tells a client of the item; None if there is nothing to tell."""
    show = _TABLE.get(type(item))
    return None if show is None else show(item)
