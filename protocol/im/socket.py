"""im over WebSockets: its frames as commands, events and replies as its frames (im API 8, events)."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson

from domain import events
from domain.events import Event
from domain.model import DialectName, MessageKind
from protocol import commands, replies
from protocol.commands import Command
from protocol.im import views
from protocol.replies import Failure, Reply
from protocol.times import iso_time, iso_time_or_none

MAX_READ_IDS: Final = 1000
MAX_TEXT_CHARS: Final = 120
"""Longer texts of refusals are cut: they may quote what the client sent."""


class _Message(msgspec.Struct, tag_field="type", tag="message"):
    conversation_id: commands.Id
    content: commands.Content = ""
    message_type: Literal["text", "location", "file", "image", "audio", "video"] | None = None
    latitude: commands.Degrees | None = None
    longitude: commands.Degrees | None = None
    address: commands.ShortText | None = None
    file_id: commands.FileId | None = None
    reply_to_id: commands.Id | None = None
    client_msg_id: commands.ClientMsgId = None
    is_silent: bool = False

    def command(self) -> Command:
        return commands.Send(
            conversation_id=self.conversation_id,
            content=self.content,
            client_msg_id=self.client_msg_id,
            kind=self._kind(),
            reply_to_id=self.reply_to_id,
            is_silent=self.is_silent,
            latitude=self.latitude,
            longitude=self.longitude,
            address=self.address,
            file_id=self.file_id,
        )

    def _kind(self) -> MessageKind:
        if self.message_type is not None:
            return MessageKind(self.message_type)
        return MessageKind.TEXT if self.file_id is None else MessageKind.FILE


class _Ping(msgspec.Struct, tag_field="type", tag="ping"):
    def command(self) -> Command:
        return commands.Ping()


class _Typing(msgspec.Struct, tag_field="type", tag="typing"):
    conversation_id: commands.Id
    is_typing: bool = True

    def command(self) -> Command:
        return commands.SetTyping(self.conversation_id, self.is_typing)


class _Read(msgspec.Struct, tag_field="type", tag="read"):
    conversation_id: commands.Id
    message_ids: Annotated[list[commands.Id], msgspec.Meta(max_length=MAX_READ_IDS)]

    def command(self) -> Command:
        return commands.MarkMessages(self.conversation_id, self.message_ids)


class _Location(msgspec.Struct, tag_field="type", tag="location"):
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    accuracy: Annotated[float, msgspec.Meta(ge=0)] | None = None

    def command(self) -> Command:
        return commands.UpdateLocation(self.latitude, self.longitude, self.accuracy)


class _Named(msgspec.Struct):
    """All that matters of a frame that is refused."""

    client_msg_id: commands.ClientMsgId = None


_Frame = _Message | _Ping | _Typing | _Read | _Location


class ImSocket:
    """Implements `protocol.dialect.Dialect`."""

    name: Final = DialectName.IM
    is_binary: Final = False

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_Frame)
        self._named = msgspec.json.Decoder(_Named)

    def decode(self, payload: bytes) -> Sequence[Command | Failure]:
        try:
            return (self._decoder.decode(payload).command(),)
        except msgspec.ValidationError as error:
            text = str(error)
            code = "unknown_type" if text.endswith("`$.type`") else "invalid_value"
            return (Failure(None, code, text[:MAX_TEXT_CHARS], client_msg_id=self._client_msg_id(payload)),)
        except (ValueError, RecursionError):
            return (Failure(None, "malformed", "the frame is not a JSON object in UTF-8"),)

    def _client_msg_id(self, payload: bytes) -> str | None:
        try:
            return self._named.decode(payload).client_msg_id
        except (ValueError, RecursionError):
            return None

    def encode(self, item: Event | Reply) -> bytes | None:
        shape = _SHAPES.get(type(item))
        return None if shape is None else orjson.dumps(shape(item))


def _frame(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "data": data}


def _message_sent(event: events.MessageSent) -> dict[str, Any]:
    message = event.message
    data = {
        "message_id": message.id,
        "conversation_id": message.conversation_id,
        "sender_id": message.sender_id,
        "content": message.content,
        "message_type": message.kind.value,
        "timestamp": iso_time(message.created_at_ms),
        "seq": message.seq,
    }
    if message.attachment is not None:
        data.update(views.attachment(message))
    if message.reply_to_id is not None:
        data["reply_to_id"] = message.reply_to_id
    if message.client_msg_id is not None:
        data["client_msg_id"] = message.client_msg_id
    return _frame("new_message", data)


def _message_edited(event: events.MessageEdited) -> dict[str, Any]:
    message = event.message
    return _frame(
        "message_updated",
        {
            "message_id": message.id,
            "conversation_id": message.conversation_id,
            "sender_id": message.sender_id,
            "content": message.content,
            "message_type": message.kind.value,
            "status": message.state.value,
            "timestamp": iso_time(message.updated_at_ms),
            "seq": message.seq,
        },
    )


def _message_recalled(event: events.MessageRecalled) -> dict[str, Any]:
    return _frame(
        "message_recalled",
        {
            "message_id": event.message.id,
            "conversation_id": event.message.conversation_id,
            "sender_id": event.message.sender_id,
            "operator_id": event.operator_id,
            "status": event.message.state.value,
            "timestamp": iso_time(event.at_ms),
            "seq": event.message.seq,
        },
    )


def _message_deleted(event: events.MessageDeleted) -> dict[str, Any]:
    return _frame(
        "message_deleted",
        {
            "message_id": event.message.id,
            "conversation_id": event.message.conversation_id,
            "operator_id": event.operator_id,
            "for_everyone": event.for_everyone,
            "timestamp": iso_time(event.at_ms),
            "seq": event.message.seq,
        },
    )


def _receipt_marked(event: events.ReceiptMarked) -> dict[str, Any]:
    return _frame(
        "message_read",
        {
            "conversation_id": event.conversation_id,
            "user_id": event.user_id,
            "read_seq": event.read_seq,
            "delivered_seq": event.delivered_seq,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _typing(event: events.Typing) -> dict[str, Any]:
    return _frame(
        "typing_indicator",
        {
            "conversation_id": event.conversation_id,
            "sender_id": event.user_id,
            "is_typing": event.is_typing,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _presence_changed(event: events.PresenceChanged) -> dict[str, Any]:
    return _frame(
        "user_status_changed",
        {"user_id": event.user_id, "is_online": event.is_online, "timestamp": iso_time(event.at_ms)},
    )


def _location_updated(event: events.LocationUpdated) -> dict[str, Any]:
    return _frame(
        "location_updated",
        {
            "user_id": event.user_id,
            "latitude": event.latitude,
            "longitude": event.longitude,
            "accuracy": event.accuracy,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _conversation_created(event: events.ConversationCreated) -> dict[str, Any]:
    return _frame(
        "conversation_created",
        {
            "conversation_id": event.conversation.id,
            "conversation_type": event.conversation.kind.value,
            "conversation_name": event.conversation.name,
            "creator_id": event.creator.id,
            "creator_name": event.creator.nickname,
            "participant_ids": event.participant_ids,
            "created_at": iso_time(event.conversation.created_at_ms),
        },
    )


def _conversation_updated(event: events.ConversationUpdated) -> dict[str, Any]:
    about = {
        "conversation_id": event.conversation.id,
        "participant_ids": event.participant_ids,
        "timestamp": iso_time(event.at_ms),
    }
    if event.fields == ("watermark_text",):
        watermark = {
            "operator_id": event.operator_id,
            "watermark_text": event.conversation.watermark_text or "",
        }
        return _frame("watermark_updated", about | watermark)
    update = {
        "updater_id": event.operator_id,
        "update_type": f"{event.fields[0]}_updated" if len(event.fields) == 1 else "info_updated",
        "fields": event.fields,
    }
    return _frame("conversation_updated", about | update)


def _conversation_deleted(event: events.ConversationDeleted) -> dict[str, Any]:
    return _frame(
        "conversation_deleted",
        {
            "conversation_id": event.conversation_id,
            "operator_id": event.operator_id,
            "conversation_type": event.kind.value,
            "participant_ids": event.participant_ids,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _members_added(event: events.MembersAdded) -> dict[str, Any]:
    return _frame(
        "member_added",
        {
            "conversation_id": event.conversation.id,
            "operator_id": event.operator_id,
            "added_user_ids": [profile.id for profile in event.added],
            "participant_ids": event.participant_ids,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _member_removed(event: events.MemberRemoved) -> dict[str, Any]:
    return _frame(
        "member_removed",
        {
            "conversation_id": event.conversation_id,
            "operator_id": event.operator_id,
            "removed_user_id": event.user_id,
            "participant_ids": event.participant_ids,
            "is_self_exit": event.is_self_exit,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _role_changed(event: events.RoleChanged) -> dict[str, Any]:
    return _frame(
        "role_changed",
        {
            "conversation_id": event.conversation_id,
            "operator_id": event.operator_id,
            "target_user_id": event.user_id,
            "old_role": event.old_role.value,
            "new_role": event.new_role.value,
            "participant_ids": event.participant_ids,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _member_updated(event: events.MemberUpdated) -> dict[str, Any]:
    return _frame(
        "member_updated",
        {
            "conversation_id": event.conversation_id,
            "operator_id": event.operator_id,
            "target_user_id": event.user_id,
            "nickname": event.nickname,
            "muted_until": iso_time_or_none(event.muted_until_ms),
            "timestamp": iso_time(event.at_ms),
        },
    )


def _notification_arrived(event: events.NotificationArrived) -> dict[str, Any]:
    return _frame(
        "notification",
        {
            "id": event.record_id,
            "type": event.kind,
            "title": event.title,
            "content": event.content,
            "priority": event.priority,
            "action_url": event.action_url,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _broadcast_sent(event: events.BroadcastSent) -> dict[str, Any]:
    return _frame(
        "broadcast_received",
        {
            "broadcast_id": event.broadcast_id,
            "title": event.title,
            "content": event.content,
            "priority": event.priority,
            "sent_at": iso_time(event.at_ms),
        },
    )


def _welcome(reply: replies.Welcome) -> dict[str, Any]:
    return {
        "type": "connection_established",
        "connection_id": reply.session_id,
        "user_id": reply.user_id,
        "timestamp": iso_time(reply.server_time_ms),
    }


def _heartbeat(reply: replies.Heartbeat) -> dict[str, Any]:
    return {"type": "heartbeat", "timestamp": iso_time(reply.server_time_ms)}


def _pong(reply: replies.Pong) -> dict[str, Any]:
    return {"type": "pong", "timestamp": iso_time(reply.server_time_ms)}


def _ack(reply: replies.Ack) -> dict[str, Any]:
    return _frame(
        "message_status",
        {
            "messageId": reply.client_msg_id or str(reply.message_id),
            "status": reply.state.value,
            "timestamp": iso_time(reply.created_at_ms),
            "message_id": reply.message_id,
            "conversation_id": reply.conversation_id,
            "seq": reply.seq,
        },
    )


def _failure(reply: Failure) -> dict[str, Any]:
    data: dict[str, Any] = {"code": reply.code, "detail": reply.text}
    if reply.client_msg_id is not None:
        data["client_msg_id"] = reply.client_msg_id
    if reply.retry_after_ms:
        data["retry_after_ms"] = reply.retry_after_ms
    return _frame("error", data)


_SHAPES: Final[dict[type, Callable[[Any], dict[str, Any]]]] = {
    events.MessageSent: _message_sent,
    events.MessageEdited: _message_edited,
    events.MessageRecalled: _message_recalled,
    events.MessageDeleted: _message_deleted,
    events.ReceiptMarked: _receipt_marked,
    events.Typing: _typing,
    events.PresenceChanged: _presence_changed,
    events.LocationUpdated: _location_updated,
    events.ConversationCreated: _conversation_created,
    events.ConversationUpdated: _conversation_updated,
    events.ConversationDeleted: _conversation_deleted,
    events.MembersAdded: _members_added,
    events.MemberRemoved: _member_removed,
    events.RoleChanged: _role_changed,
    events.MemberUpdated: _member_updated,
    events.NotificationArrived: _notification_arrived,
    events.BroadcastSent: _broadcast_sent,
    replies.Welcome: _welcome,
    replies.Heartbeat: _heartbeat,
    replies.Pong: _pong,
    replies.Ack: _ack,
    Failure: _failure,
}
"""The items that im has a frame for; the others are not sent to its clients."""
