"""social over WebSockets: its frames as commands, events and replies as its frames (social API 9)."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from pydantic import ValidationError

from domain import events
from domain.errors import InvalidValue
from domain.events import Event
from domain.model import DialectName
from domain.records import GroupNoticeView, NotificationKind
from protocol import commands, replies
from protocol.commands import Command
from protocol.replies import Failure, Reply
from protocol.social import errors, views
from protocol.social.drafts import draft_of
from protocol.social.requests import ChatSend
from protocol.times import iso_time


class SocialSocket:
    """Implements `protocol.dialect.Dialect`."""

    name: Final = DialectName.SOCIAL
    is_binary: Final = False

    def decode(self, payload: bytes) -> Sequence[Command | Failure]:
        try:
            frame = orjson.loads(payload)
        except orjson.JSONDecodeError:
            frame = None
        if not isinstance(frame, dict):
            return (Failure(None, "malformed", "the frame is not a JSON object in UTF-8"),)
        kind = frame.get("type")
        if kind == "ping":
            return (commands.Ping(),)
        if kind == "message":
            return (_message(frame.get("data")),)
        return (Failure(None, "unknown_type", "type is message or ping"),)

    def encode(self, item: Event | Reply) -> bytes | None:
        shape = _SHAPES.get(type(item))
        if shape is None or (isinstance(item, events.NotificationArrived) and item.kind in _TOLD_ALREADY):
            return None
        return orjson.dumps(shape(item))


def _message(data: Any) -> Command | Failure:
    if not isinstance(data, dict):
        return Failure(None, "invalid_value", "data: must be an object")
    key = data.get("client_msg_id")
    client_msg_id = key if isinstance(key, str) else None
    try:
        body = ChatSend.model_validate(data)
        draft = draft_of(body, 0, 0)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        texts = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in faults]
        return Failure(None, "invalid_value", "; ".join(texts), client_msg_id=client_msg_id)
    except InvalidValue as error:
        return Failure(None, error.code, str(error), client_msg_id=client_msg_id)
    target_id, is_group = body.target
    return commands.SendDraft(draft, user_id=None if is_group else target_id, group_id=target_id if is_group else None)


def _frame(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "data": data}


def _notification(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """`event` says which of the lists of social API 6 the rest is an item of."""
    return _frame("notification", {"event": kind} | data)


def _message_sent(event: events.MessageSent) -> dict[str, Any]:
    message = event.message
    is_group = event.recipient_id is None
    data = {
        "message_id": message.id,
        "sender_id": message.sender_id,
        "receiver_id": message.conversation_id if is_group else event.recipient_id,
        "receiver_type": "group" if is_group else "user",
        "content": message.content,
        "message_type": message.kind.value,
        "timestamp": iso_time(message.created_at_ms),
        "seq": message.seq,
    }
    if message.client_msg_id is not None:
        data["client_msg_id"] = message.client_msg_id
    return _frame("message", data)


def _gone(event: events.MessageRecalled | events.MessageDeleted) -> dict[str, Any]:
    return _notification(
        "message_recalled" if isinstance(event, events.MessageRecalled) else "message_deleted",
        {
            "message_id": event.message.id,
            "conversation_id": event.message.conversation_id,
            "sender_id": event.message.sender_id,
            "operator_id": event.operator_id,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _edited(event: events.MessageEdited) -> dict[str, Any]:
    return _notification(
        "message_edited",
        {
            "message_id": event.message.id,
            "conversation_id": event.message.conversation_id,
            "sender_id": event.message.sender_id,
            "content": event.message.content,
            "timestamp": iso_time(event.message.updated_at_ms),
        },
    )


def _friend_requested(event: events.FriendRequested) -> dict[str, Any]:
    sender = {"from_nickname": event.sender.nickname, "from_avatar": event.sender.avatar}
    return _notification("friend_request", views.request(event.request) | sender)


def _friend_request_answered(event: events.FriendRequestAnswered) -> dict[str, Any]:
    recipient = {"to_nickname": event.recipient.nickname, "to_avatar": event.recipient.avatar}
    return _notification("friend_request_answered", views.request(event.request) | recipient)


def _group_noted(event: events.GroupNoted) -> dict[str, Any]:
    view = GroupNoticeView(event.notice, event.operator, event.target, event.group_name)
    return _notification("group", views.notice(view))


def _notification_arrived(event: events.NotificationArrived) -> dict[str, Any]:
    return _notification(
        event.kind,
        {
            "id": event.record_id,
            "title": event.title,
            "content": event.content,
            "priority": event.priority,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _pong(reply: replies.Pong) -> dict[str, Any]:
    return {"type": "pong", "timestamp": iso_time(reply.server_time_ms)}


def _ack(reply: replies.Ack) -> dict[str, Any]:
    return _frame(
        "message_sent",
        {
            "message_id": reply.message_id,
            "client_msg_id": reply.client_msg_id or "",
            "seq": reply.seq,
            "timestamp": iso_time(reply.created_at_ms),
        },
    )


def _failure(reply: Failure) -> dict[str, Any]:
    status = 503 if reply.code == "unavailable" else 400
    data: dict[str, Any] = {"code": errors.code_of(status), "message": errors.message(status, reply.text)}
    if reply.client_msg_id is not None:
        data["client_msg_id"] = reply.client_msg_id
    return _frame("error", data)


_TOLD_ALREADY: Final = frozenset({NotificationKind.FRIEND_REQUEST, NotificationKind.GROUP_INVITE})
"""Notifications of what social's clients hear of in its own form."""
_SHAPES: Final[dict[type, Callable[[Any], dict[str, Any]]]] = {
    events.MessageSent: _message_sent,
    events.MessageEdited: _edited,
    events.MessageRecalled: _gone,
    events.MessageDeleted: _gone,
    events.FriendRequested: _friend_requested,
    events.FriendRequestAnswered: _friend_request_answered,
    events.GroupNoted: _group_noted,
    events.NotificationArrived: _notification_arrived,
    replies.Pong: _pong,
    replies.Ack: _ack,
    Failure: _failure,
}
"""The items that social has a frame for; the others are not sent to its clients."""
