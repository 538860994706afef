"""messenger over WebSockets: its frames as commands, events and replies as its frames (messenger API, events)."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from pydantic import ValidationError

from domain import events
from domain.errors import InvalidValue
from domain.events import Event
from domain.model import DialectName
from domain.records import CallType
from protocol import commands, replies
from protocol.commands import Command
from protocol.messenger import errors, requests, views
from protocol.messenger.drafts import draft_of
from protocol.replies import Failure, Reply
from protocol.times import iso_time


class MessengerSocket:
    """Implements `protocol.dialect.Dialect`."""

    name: Final = DialectName.MESSENGER
    is_binary: Final = False

    def decode(self, payload: bytes) -> Sequence[Command | Failure]:
        try:
            frame = orjson.loads(payload)
        except orjson.JSONDecodeError:
            frame = None
        if not isinstance(frame, dict):
            return (Failure(None, "malformed", "the frame is not a JSON object in UTF-8"),)
        kind = frame.get("type")
        read = _COMMANDS.get(kind) if isinstance(kind, str) else None
        if read is None:
            return (Failure(None, "unknown_type", f"type is one of {', '.join(_COMMANDS)}"),)
        data = {} if frame.get("data") is None else frame["data"]
        if not isinstance(data, dict):
            return (Failure(None, "invalid_value", "data: must be an object"),)
        key = data.get("client_msg_id")
        client_msg_id = key if isinstance(key, str) else None
        try:
            return (read(data),)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
            texts = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in faults]
            return (Failure(None, "invalid_value", "; ".join(texts), client_msg_id=client_msg_id),)
        except InvalidValue as error:
            return (Failure(None, error.code, str(error), client_msg_id=client_msg_id),)

    def encode(self, item: Event | Reply) -> bytes | None:
        shape = _SHAPES.get(type(item))
        return None if shape is None else orjson.dumps(shape(item))


def _send(data: dict[str, Any]) -> Command:
    body = requests.SocketSend.model_validate(data)
    return commands.SendDraft(draft_of(body, body.chat_id, 0))


def _typing(data: dict[str, Any]) -> Command:
    body = requests.SocketTyping.model_validate(data)
    return commands.SetTyping(body.chat_id, body.is_typing)


def _read(data: dict[str, Any]) -> Command:
    return commands.ReadMessage(requests.SocketRead.model_validate(data).message_id)


def _offer(data: dict[str, Any]) -> Command:
    body = requests.CallOffer.model_validate(data)
    return commands.OfferCall(body.to_user_id, body.sdp, CallType(body.call_type), body.call_id)


def _answer(data: dict[str, Any]) -> Command:
    body = requests.CallAnswer.model_validate(data)
    return commands.AnswerCall(body.call_id, body.sdp)


def _ice(data: dict[str, Any]) -> Command:
    body = requests.CallIce.model_validate(data)
    return commands.SendCandidate(body.call_id, body.candidate)


def _end(data: dict[str, Any]) -> Command:
    return commands.EndCall(requests.CallEnd.model_validate(data).call_id)


_COMMANDS: Final[dict[str, Callable[[dict[str, Any]], Command]]] = {
    "message.send": _send,
    "message.read": _read,
    "typing": _typing,
    "call.offer": _offer,
    "call.answer": _answer,
    "call.ice": _ice,
    "call.end": _end,
    "ping": lambda data: commands.Ping(),
}


def _frame(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "data": data}


def _message_sent(event: events.MessageSent) -> dict[str, Any]:
    return _frame("message.new", views.message(event.message, event.sender, is_read=False))


def _message_edited(event: events.MessageEdited) -> dict[str, Any]:
    message = event.message
    return _frame(
        "message.edit",
        {
            "id": message.id,
            "chat_id": message.conversation_id,
            "content": message.content,
            "updated_at": iso_time(message.updated_at_ms),
        },
    )


def _message_gone(event: events.MessageRecalled | events.MessageDeleted) -> dict[str, Any]:
    message = event.message
    data = {"id": message.id, "chat_id": message.conversation_id, "deleted_at": iso_time(event.at_ms)}
    return _frame("message.delete", data)


def _typing_set(event: events.Typing) -> dict[str, Any]:
    return _frame(
        "typing",
        {
            "chat_id": event.conversation_id,
            "user_id": event.user_id,
            "is_typing": event.is_typing,
            "timestamp": iso_time(event.at_ms),
        },
    )


def _presence_changed(event: events.PresenceChanged) -> dict[str, Any]:
    data = {"user_id": event.user_id, "is_online": event.is_online, "timestamp": iso_time(event.at_ms)}
    return _frame("presence", data)


def _call_signalled(event: events.CallSignalled) -> dict[str, Any]:
    data: dict[str, Any] = {"call_id": event.call_id}
    if event.step == "end":
        data |= {"reason": event.reason, "duration": event.duration_s}
    else:
        data |= {"from_user_id": event.from_user_id, "to_user_id": event.to_user_id}
    if event.step == "offer":
        data["call_type"] = event.call_type
    if event.step != "end":
        data["candidate" if event.step == "ice" else "sdp"] = event.payload
    return _frame(f"call.{event.step}", data | {"timestamp": iso_time(event.at_ms)})


def _call_offered(reply: replies.CallOffered) -> dict[str, Any]:
    at = {"timestamp": iso_time(reply.at_ms)}
    if reply.reason:
        return _frame("call.end", {"call_id": reply.call_id, "reason": reply.reason, "duration": 0} | at)
    return _frame("call.ringing", {"call_id": reply.call_id, "to_user_id": reply.to_user_id} | at)


def _welcome(reply: replies.Welcome) -> dict[str, Any]:
    return _frame("connect", {"status": "connected", "timestamp": iso_time(reply.server_time_ms)})


def _pong(reply: replies.Pong) -> dict[str, Any]:
    return _frame("pong", {"timestamp": iso_time(reply.server_time_ms)})


def _ack(reply: replies.Ack) -> dict[str, Any]:
    return _frame(
        "message.sent",
        {
            "id": reply.message_id,
            "chat_id": reply.conversation_id,
            "client_msg_id": reply.client_msg_id or "",
            "seq": reply.seq,
            "created_at": iso_time(reply.created_at_ms),
        },
    )


def _failure(reply: Failure) -> dict[str, Any]:
    code = errors.code_named(reply.code)
    data: dict[str, Any] = {"code": code, "message": errors.message(code), "error": reply.text}
    if reply.client_msg_id is not None:
        data["client_msg_id"] = reply.client_msg_id
    return _frame("error", data)


_SHAPES: Final[dict[type, Callable[[Any], dict[str, Any]]]] = {
    events.MessageSent: _message_sent,
    events.MessageEdited: _message_edited,
    events.MessageRecalled: _message_gone,
    events.MessageDeleted: _message_gone,
    events.Typing: _typing_set,
    events.PresenceChanged: _presence_changed,
    events.CallSignalled: _call_signalled,
    replies.Welcome: _welcome,
    replies.Pong: _pong,
    replies.Ack: _ack,
    replies.CallOffered: _call_offered,
    Failure: _failure,
}
"""The items that messenger has a frame for; the others are not sent to its clients."""
