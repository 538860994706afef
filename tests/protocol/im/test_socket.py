"""im over WebSockets: frames in, frames out, as im API 8 and its list of events show them."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import events
from domain.events import Event
from domain.model import (
    Conversation,
    ConversationKind,
    FileRef,
    Location,
    MemberStatus,
    Message,
    MessageKind,
    MessageState,
    Profile,
    Role,
)
from protocol import commands, replies
from protocol.im.socket import ImSocket
from protocol.replies import Failure, Reply

SOCKET = ImSocket()
AT_MS = 1_736_352_000_999
AT = "2025-01-08T16:00:00Z"
ALICE = Profile(1, "alice", "管理员")
GROUP = Conversation(
    id=5,
    kind=ConversationKind.GROUP,
    name="新群组",
    creator_id=1,
    max_members=500,
    watermark_text="保密信息，请勿外传",
    created_at_ms=AT_MS,
    updated_at_ms=AT_MS,
)


def message(**fields: Any) -> Message:
    defaults: dict[str, Any] = {
        "id": 18,
        "conversation_id": 20,
        "seq": 3,
        "sender_id": 1,
        "content": "Hello!",
        "created_at_ms": AT_MS,
        "updated_at_ms": AT_MS,
    }
    return Message(**(defaults | fields))


def shown(item: Event | Reply) -> Any:
    payload = SOCKET.encode(item)
    assert payload is not None
    return orjson.loads(payload)


def decoded(value: Any) -> Any:
    (command,) = SOCKET.decode(orjson.dumps(value))
    return command


TEXT_DATA = {
    "message_id": 18,
    "conversation_id": 20,
    "sender_id": 1,
    "content": "Hello!",
    "message_type": "text",
    "timestamp": AT,
    "seq": 3,
}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, TEXT_DATA),
        (
            {"reply_to_id": 7, "client_msg_id": "c-1"},
            TEXT_DATA | {"reply_to_id": 7, "client_msg_id": "c-1"},
        ),
        (
            {"kind": MessageKind.LOCATION, "attachment": Location("39.9042", "116.4074", "北京市朝阳区")},
            TEXT_DATA
            | {
                "message_type": "location",
                "latitude": "39.9042",
                "longitude": "116.4074",
                "address": "北京市朝阳区",
            },
        ),
        (
            {
                "kind": MessageKind.FILE,
                "attachment": FileRef(456, "d4b6", "重要文档.pdf", "2025/d4b6.pdf", 2048000, "application/pdf"),
            },
            TEXT_DATA
            | {
                "message_type": "file",
                "file_id": "d4b6",
                "file_info": {
                    "id": 456,
                    "file_id": "d4b6",
                    "name": "重要文档.pdf",
                    "path": "2025/d4b6.pdf",
                    "size": 2048000,
                    "type": "application/pdf",
                },
            },
        ),
    ],
)
def test_new_message(extra: dict[str, Any], expected: dict[str, Any]) -> None:
    assert shown(events.MessageSent(message(**extra), ALICE)) == {"type": "new_message", "data": expected}


EVENTS: list[tuple[Event | Reply, dict[str, Any]]] = [
    (
        events.ConversationCreated(GROUP, ALICE, (1, 2, 3)),
        {
            "type": "conversation_created",
            "data": {
                "conversation_id": 5,
                "conversation_type": "group",
                "conversation_name": "新群组",
                "creator_id": 1,
                "creator_name": "管理员",
                "participant_ids": [1, 2, 3],
                "created_at": AT,
            },
        },
    ),
    (
        events.PresenceChanged(2, True, AT_MS),
        {"type": "user_status_changed", "data": {"user_id": 2, "is_online": True, "timestamp": AT}},
    ),
    (
        events.BroadcastSent(456, "系统公告", "系统将于今晚进行维护", "high", AT_MS),
        {
            "type": "broadcast_received",
            "data": {
                "broadcast_id": 456,
                "title": "系统公告",
                "content": "系统将于今晚进行维护",
                "priority": "high",
                "sent_at": AT,
            },
        },
    ),
    (
        events.ConversationUpdated(GROUP, 2, ("name",), (1, 2, 3), AT_MS),
        {
            "type": "conversation_updated",
            "data": {
                "conversation_id": 5,
                "updater_id": 2,
                "update_type": "name_updated",
                "fields": ["name"],
                "participant_ids": [1, 2, 3],
                "timestamp": AT,
            },
        },
    ),
    (
        events.MembersAdded(GROUP, 1, (Profile(4, "d", "d"), Profile(5, "e", "e")), (1, 2, 3, 4, 5), AT_MS),
        {
            "type": "member_added",
            "data": {
                "conversation_id": 5,
                "operator_id": 1,
                "added_user_ids": [4, 5],
                "participant_ids": [1, 2, 3, 4, 5],
                "timestamp": AT,
            },
        },
    ),
    (
        events.MemberRemoved(5, 1, 3, MemberStatus.REMOVED, (1, 2), AT_MS),
        {
            "type": "member_removed",
            "data": {
                "conversation_id": 5,
                "operator_id": 1,
                "removed_user_id": 3,
                "participant_ids": [1, 2],
                "is_self_exit": False,
                "timestamp": AT,
            },
        },
    ),
    (
        events.ConversationDeleted(5, ConversationKind.GROUP, 1, (1, 2, 3), AT_MS),
        {
            "type": "conversation_deleted",
            "data": {
                "conversation_id": 5,
                "operator_id": 1,
                "conversation_type": "group",
                "participant_ids": [1, 2, 3],
                "timestamp": AT,
            },
        },
    ),
    (
        events.RoleChanged(5, 1, 2, Role.MEMBER, Role.ADMIN, (1, 2, 3), AT_MS),
        {
            "type": "role_changed",
            "data": {
                "conversation_id": 5,
                "operator_id": 1,
                "target_user_id": 2,
                "old_role": "member",
                "new_role": "admin",
                "participant_ids": [1, 2, 3],
                "timestamp": AT,
            },
        },
    ),
    (
        events.ConversationUpdated(GROUP, 1, ("watermark_text",), (1, 2, 3), AT_MS),
        {
            "type": "watermark_updated",
            "data": {
                "conversation_id": 5,
                "operator_id": 1,
                "watermark_text": "保密信息，请勿外传",
                "participant_ids": [1, 2, 3],
                "timestamp": AT,
            },
        },
    ),
    (
        events.LocationUpdated(1, 39.908815, 116.397527, 10.5, AT_MS),
        {
            "type": "location_updated",
            "data": {
                "user_id": 1,
                "latitude": 39.908815,
                "longitude": 116.397527,
                "accuracy": 10.5,
                "timestamp": AT,
            },
        },
    ),
    (
        events.Typing(1, 2, True, AT_MS),
        {
            "type": "typing_indicator",
            "data": {"conversation_id": 1, "sender_id": 2, "is_typing": True, "timestamp": AT},
        },
    ),
    (
        replies.Welcome(None, "uuid-123", 1, "epoch", "0", AT_MS, 30, 65536, 5000, "1.0.0"),
        {"type": "connection_established", "connection_id": "uuid-123", "user_id": 1, "timestamp": AT},
    ),
    (replies.Heartbeat(AT_MS), {"type": "heartbeat", "timestamp": AT}),
    (replies.Pong(None, AT_MS, ""), {"type": "pong", "timestamp": AT}),
    (
        replies.Ack(None, "msg-123", 9, 1, 4, AT_MS, False),
        {
            "type": "message_status",
            "data": {
                "messageId": "msg-123",
                "status": "sent",
                "timestamp": AT,
                "message_id": 9,
                "conversation_id": 1,
                "seq": 4,
            },
        },
    ),
    (
        events.MessageEdited(message(content="neu", state=MessageState.EDITED), ALICE),
        {
            "type": "message_updated",
            "data": TEXT_DATA | {"content": "neu", "status": "edited"},
        },
    ),
    (
        events.MessageRecalled(message(content="", state=MessageState.RECALLED), 2, AT_MS),
        {
            "type": "message_recalled",
            "data": {
                "message_id": 18,
                "conversation_id": 20,
                "sender_id": 1,
                "operator_id": 2,
                "status": "recalled",
                "timestamp": AT,
                "seq": 3,
            },
        },
    ),
    (
        Failure(None, "muted", "muted in this conversation", client_msg_id="c-1"),
        {
            "type": "error",
            "data": {"code": "muted", "detail": "muted in this conversation", "client_msg_id": "c-1"},
        },
    ),
    (
        Failure(None, "rate_limited", "too many requests", True, 1500),
        {
            "type": "error",
            "data": {"code": "rate_limited", "detail": "too many requests", "retry_after_ms": 1500},
        },
    ),
]


@pytest.mark.parametrize(("item", "expected"), EVENTS, ids=[frame["type"] for _, frame in EVENTS])
def test_frames_out(item: Event | Reply, expected: dict[str, Any]) -> None:
    assert shown(item) == expected


def test_acknowledgement_without_client_id_names_the_servers() -> None:
    assert shown(replies.Ack(None, None, 9, 1, 4, AT_MS, False))["data"]["messageId"] == "9"


def test_several_changed_fields_are_named() -> None:
    data = shown(events.ConversationUpdated(GROUP, 2, ("name", "description"), (1, 2), AT_MS))["data"]
    assert (data["update_type"], data["fields"]) == ("info_updated", ["name", "description"])


@pytest.mark.parametrize(
    "item",
    [
        replies.Done(None),
        replies.GoAway("draining", 100),
        events.LoginRevoked(1, "login", AT_MS),
        events.UserDeactivated(1),
        events.ContactChanged(1, 2, "friend", AT_MS),
        events.PasswordChanged(AT_MS),
        events.RefreshTokenReused(AT_MS),
    ],
)
def test_items_without_a_frame(item: Event | Reply) -> None:
    assert SOCKET.encode(item) is None


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        (
            {"type": "message", "conversation_id": 1, "content": "Hello!", "message_type": "text"},
            commands.Send(1, "Hello!"),
        ),
        (
            {"type": "message", "conversation_id": 1, "content": "a", "client_msg_id": "c", "reply_to_id": 2},
            commands.Send(1, "a", client_msg_id="c", reply_to_id=2),
        ),
        (
            {
                "type": "message",
                "conversation_id": 1,
                "message_type": "location",
                "latitude": "39.9",
                "longitude": "116.4",
                "address": "北京",
            },
            commands.Send(1, kind=MessageKind.LOCATION, latitude="39.9", longitude="116.4", address="北京"),
        ),
        ({"type": "ping"}, commands.Ping()),
        ({"type": "typing", "conversation_id": 1}, commands.SetTyping(1, True)),
        ({"type": "typing", "conversation_id": 1, "is_typing": False}, commands.SetTyping(1, False)),
        ({"type": "read", "conversation_id": 1, "message_ids": [3, 4]}, commands.MarkMessages(1, [3, 4])),
        (
            {"type": "location", "latitude": 39.9, "longitude": 116, "accuracy": 10.5},
            commands.UpdateLocation(39.9, 116.0, 10.5),
        ),
        ({"type": "ping", "unknown": [1, {"x": None}]}, commands.Ping()),
    ],
)
def test_frames_in(frame: dict[str, Any], command: commands.Command) -> None:
    assert decoded(frame) == command


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "message", "conversation_id": 0, "content": "a"},
        {"type": "message", "conversation_id": 2**53, "content": "a"},
        {"type": "message", "conversation_id": "1", "content": "a"},
        {"type": "message", "conversation_id": True, "content": "a"},
        {"type": "message", "conversation_id": 1.5, "content": "a"},
        {"type": "message", "conversation_id": 1, "content": "a" * 5001},
        {"type": "message", "conversation_id": 1, "content": "a", "message_type": "system"},
        {"type": "message", "conversation_id": 1, "content": "a", "client_msg_id": "x" * 65},
        {"type": "message", "content": "a"},
        {"type": "read", "conversation_id": 1, "message_ids": list(range(1, 1002))},
        {"type": "location", "latitude": 91, "longitude": 0},
        {"type": "location", "latitude": "1", "longitude": 0},
        {},
        [],
        "ping",
        None,
    ],
)
def test_refused_frames(frame: Any) -> None:
    failure = decoded(frame)
    assert isinstance(failure, Failure)
    assert failure.code == "invalid_value"


@pytest.mark.parametrize(
    ("key", "shown_key"), [('"k"', "k"), ("5", None), ('""', None), ('"' + "x" * 65 + '"', None), ('"k', None)]
)
def test_a_refusal_names_the_message(key: str, shown_key: str | None) -> None:
    (failure,) = SOCKET.decode(b'{"type":"message","conversation_id":0,"client_msg_id":%s}' % key.encode())
    assert isinstance(failure, Failure)
    assert failure.client_msg_id == shown_key


@pytest.mark.parametrize("kind", ["admin", "Message", "", "x" * 10_000, 1, None, ["ping"]])
def test_unknown_types(kind: Any) -> None:
    failure = decoded({"type": kind})
    assert isinstance(failure, Failure)
    assert failure.code == "unknown_type"
    assert len(failure.text) <= 120


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"NaN",
        b"\xff\xfe",
        b'{"type":"ping"',
        b'{"type":"message","conversation_id":1,"content":"\\ud800"}',
        b'{"type":"message","conversation_id":1,"content":"\xed\xa0\x80"}',
        b'{"type":"ping","x":' + b"[" * 100_000,
        b'{"type":"ping"} {"type":"ping"}',
    ],
)
def test_malformed_frames(payload: bytes) -> None:
    (failure,) = SOCKET.decode(payload)
    assert isinstance(failure, Failure)
    assert failure.code == "malformed"


@given(st.binary(max_size=64) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr).map(str.encode))
def test_decode_never_raises(payload: bytes) -> None:
    (item,) = SOCKET.decode(payload)
    assert isinstance(item, commands.Command | Failure)


def test_received_text_can_always_be_sent_on() -> None:
    """Whatever text a peer gets past the decoder, the encoder can write."""
    command = decoded({"type": "message", "conversation_id": 1, "content": "\x00\u2028😀"})
    assert shown(events.MessageSent(message(content=command.content), ALICE))["data"]["content"] == "\x00\u2028😀"
