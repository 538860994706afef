"""Packets of every type, with and without their optional fields, for the golden vectors.

`python -m tests.protocol.native.samples` writes protocol/vectors/ anew; do so only for packets that are new.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from domain.model import ConversationKind, ConversationStatus, MemberStatus, MessageKind, MessageState, Role
from protocol.commands import Command
from protocol.native import packets
from protocol.native.binary_codec import NativeBinary
from protocol.native.json_codec import NativeJson
from protocol.native.packets import ServerPacket
from protocol.native.schema import COMMANDS, SERVER_PACKETS, tag_of

FOLDER: Final = Path(__file__).parents[3] / "protocol" / "vectors"

LOCATION = packets.LocationAttachment("31.2304", "121.4737", "人民广场")
FILE = packets.FileAttachment(
    12, "f3a9", "report.pdf", "/api/v1/files/f3a9/download", 70_000, "application/pdf", "/thumbnails/f3a9.png"
)
CALL = packets.CallAttachment("c-1", "video", "user_hangup", 95)
PROFILE = packets.ProfileInfo(7, "alice", "爱丽丝", "/avatars/7.png", False)
CONVERSATION = packets.ConversationInfo(
    conversation_id=42,
    kind=ConversationKind.GROUP,
    creator_id=7,
    max_members=500,
    created_at_ms=1_736_330_400_000,
    updated_at_ms=1_736_330_460_000,
    name="项目组",
    description="all about the project",
    avatar="/avatars/g42.png",
    member_count=3,
    last_seq=118,
    last_message_at_ms=1_736_330_450_123,
    allow_invite=False,
    allow_member_modify=True,
    is_public=False,
    history_visible=False,
    watermark_text="机密",
    status=ConversationStatus.DISSOLVED,
)
PLAIN_CONVERSATION = packets.ConversationInfo(300, ConversationKind.SINGLE, 8, 2, 1_736_330_400_000, 1_736_330_400_000)
MESSAGE = packets.MessagePacket(9_000_001, 42, 118, 7, 1_736_330_450_123, "你好, world")
FILE_MESSAGE = msgspec.structs.replace(MESSAGE, seq=119, kind=MessageKind.FILE, content="", attachment=FILE)
ENTRY = packets.ConversationEntry(
    conversation=CONVERSATION,
    role=Role.ADMIN,
    joined_at_ms=1_736_330_400_000,
    unread_count=2,
    read_seq=116,
    delivered_seq=118,
    visible_after_seq=5,
    nickname="小爱",
    muted_until_ms=1_736_340_000_000,
    is_pinned=True,
    is_muted=True,
    participants=[PROFILE, packets.ProfileInfo(8, "bob", "Bob")],
    last_message=MESSAGE,
)

VALUES: Final[dict[str, Any]] = {
    "accuracy": 12.5,
    "action_url": "/orders/5",
    "added": [PROFILE, packets.ProfileInfo(8, "bob", "Bob")],
    "address": "人民广场",
    "after_seq": 0,
    "answer": "好的",
    "at_ms": 1_736_330_450_500,
    "attachment": LOCATION,
    "before_seq": 118,
    "broadcast_id": 3,
    "call_id": "c-1",
    "call_type": "video",
    "candidate": "candidate:1 1 UDP 2113667326 127.0.0.1 54400 typ host",
    "client_msg_id": "m-1",
    "code": "not_a_member",
    "contact_id": 8,
    "content": "你好, world",
    "conversation": CONVERSATION,
    "conversation_id": 42,
    "conversations": [ENTRY, packets.ConversationEntry(PLAIN_CONVERSATION, Role.MEMBER, 1_736_330_400_000)],
    "created_at_ms": 1_736_330_450_123,
    "creator": PROFILE,
    "cursors": [(42, 118), (300, 0)],
    "delivered_seq": 118,
    "device": "phone",
    "duplicate": True,
    "duration_s": 95,
    "epoch": "e5f1",
    "fields": ["name", "avatar"],
    "file_id": "f3a9",
    "for_everyone": True,
    "forward_from_id": 8_000_000,
    "from_user_id": 7,
    "has_more": True,
    "heartbeat_s": 30,
    "group_name": "飞鸽",
    "is_online": True,
    "is_pinned": True,
    "is_silent": True,
    "is_typing": False,
    "latitude": 31.2304,
    "limit": 20,
    "longitude": 121.4737,
    "max_content_chars": 5000,
    "max_frame_bytes": 65_536,
    "message": "我是 alice",
    "message_id": 9_000_001,
    "message_ids": [9_000_001, 9_000_002],
    "messages": [MESSAGE, FILE_MESSAGE],
    "muted_until_ms": 1_736_340_000_000,
    "new_role": Role.ADMIN,
    "notice_id": 66,
    "nickname": "小爱",
    "offset": 50,
    "old_role": Role.MEMBER,
    "operator": PROFILE,
    "operator_id": 7,
    "other_id": 8,
    "participant_ids": [7, 8, 70_000],
    "payload": "v=0 o=- 0 0 IN IP4 127.0.0.1",
    "pinned": False,
    "position": "118:7",
    "priority": "high",
    "profile": PROFILE,
    "read_seq": 117,
    "reason": "restarting",
    "record_id": 55,
    "recipient": PROFILE,
    "recovered": True,
    "relation": "friend",
    "reply_to_id": 8_999_999,
    "request_id": 44,
    "retry_after_ms": 1500,
    "send_at_ms": 1_736_330_450_000,
    "sender": PROFILE,
    "sender_id": 7,
    "sdp": "v=0 o=- 0 0 IN IP4 127.0.0.1",
    "seq": 118,
    "server_time_ms": 1_736_330_400_000,
    "session_id": "s-1",
    "states": {7: True, 8: False},
    "status": "accepted",
    "step": "offer",
    "target": PROFILE,
    "temporary": True,
    "text": "not a member of this conversation",
    "title": "order shipped",
    "to_user_id": 8,
    "token": "eyJ.e30.c2ln",
    "total": 2,
    "ttl_s": 3600,
    "updated_at_ms": 1_736_330_460_000,
    "user_id": 7,
    "user_ids": [7, 70_000],
    "version": "1.0.0",
    "id": 77,
}
SPECIAL: Final[dict[tuple[str, str], Any]] = {
    ("conversation_deleted", "kind"): ConversationKind.GROUP,
    ("member_removed", "status"): MemberStatus.REMOVED,
    ("message", "kind"): MessageKind.LOCATION,
    ("message", "state"): MessageState.EDITED,
    ("ack", "state"): MessageState.RECALLED,
    ("notification", "kind"): "order",
    ("group_notice", "kind"): "kicked",
    ("send", "kind"): MessageKind.LOCATION,
    ("send", "latitude"): "31.2304",
    ("send", "longitude"): "121.4737",
}


def _build(cls: type[msgspec.Struct], *, optional: bool) -> msgspec.Struct:
    def value(name: str) -> Any:
        return SPECIAL.get((tag_of(cls), name), VALUES.get(name))

    return cls(**{field.name: value(field.name) for field in msgspec.structs.fields(cls) if optional or field.required})


def samples(table: dict[int, type[msgspec.Struct]]) -> dict[str, msgspec.Struct]:
    """By name: `send` with every field, `send (plain)` with the required ones only."""
    named: dict[str, msgspec.Struct] = {}
    for cls in table.values():
        full, plain = _build(cls, optional=True), _build(cls, optional=False)
        named[tag_of(cls)] = full
        if plain != full:
            named[f"{tag_of(cls)} (plain)"] = plain
    return named


def command_samples() -> dict[str, msgspec.Struct]:
    return samples(dict(COMMANDS))


def server_samples() -> dict[str, msgspec.Struct]:
    named = samples(dict(SERVER_PACKETS))
    named["message (file)"] = FILE_MESSAGE
    named["message (call)"] = msgspec.structs.replace(MESSAGE, kind=MessageKind.SYSTEM, content="", attachment=CALL)
    return named


def vectors(direction: str) -> list[dict[str, Any]]:
    json_codec, binary_codec = NativeJson(), NativeBinary()
    chosen = command_samples() if direction == "client" else server_samples()
    made = []
    for name, packet in chosen.items():
        if isinstance(packet, Command):
            text, data = json_codec.encode_command(packet), binary_codec.encode_command(packet)
        else:
            assert isinstance(packet, ServerPacket)
            text, data = json_codec.encode_packet(packet), binary_codec.encode_packet(packet)
        made.append({"name": name, "direction": direction, "json": json.loads(text), "binary_hex": data.hex()})
    return made


def main() -> None:
    for direction in ("client", "server"):
        rows = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in vectors(direction))
        (FOLDER / f"{direction}.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
