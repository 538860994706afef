"""Which packet an event or a reply becomes, and that none is forgotten."""

from typing import Any

import pytest

from domain import events
from domain.events import Event
from domain.model import (
    CallRecord,
    Conversation,
    ConversationKind,
    ConversationView,
    FileRef,
    Location,
    Member,
    MemberStatus,
    Message,
    MessageKind,
    Profile,
    Role,
)
from domain.records import FriendRequest, GroupNotice, NoticeKind
from protocol import replies
from protocol.commands import Send
from protocol.native import packets
from protocol.native.binary_codec import NativeBinary
from protocol.native.json_codec import NativeJson
from protocol.native.outbound import message_packet, to_packet
from protocol.native.schema import SERVER_PACKETS
from protocol.replies import Failure, Reply

AT_MS = 1_736_330_450_123
ALICE = Profile(7, "alice", "Alice", is_admin=True)
CONVERSATION = Conversation(
    id=42, kind=ConversationKind.GROUP, creator_id=7, max_members=500, created_at_ms=AT_MS, updated_at_ms=AT_MS
)
MESSAGE = Message(
    id=9,
    conversation_id=42,
    seq=3,
    sender_id=7,
    content="hi",
    created_at_ms=AT_MS,
    updated_at_ms=AT_MS + 5,
    is_pinned=True,
)
REQUEST = FriendRequest(id=1, from_user_id=7, to_user_id=8, created_at_ms=AT_MS, updated_at_ms=AT_MS)

EVENTS: list[tuple[Event, type[packets.ServerPacket] | None]] = [
    (events.MessageSent(MESSAGE, ALICE), packets.MessagePacket),
    (events.MessageEdited(MESSAGE, ALICE), packets.MessageEditedPacket),
    (events.MessageRecalled(MESSAGE, 7, AT_MS), packets.MessageRecalledPacket),
    (events.MessageDeleted(MESSAGE, 7, True, AT_MS), packets.MessageDeletedPacket),
    (events.MessagePinned(MESSAGE, 7, AT_MS), packets.MessagePinnedPacket),
    (events.ReceiptMarked(42, 7, 3, 0, AT_MS), packets.ReceiptPacket),
    (events.Typing(42, 7, True, AT_MS), packets.TypingPacket),
    (events.PresenceChanged(7, True, AT_MS), packets.PresencePacket),
    (events.LocationUpdated(7, 31.2, 121.4, None, AT_MS), packets.LocationPacket),
    (events.ConversationCreated(CONVERSATION, ALICE, (7, 8)), packets.ConversationCreatedPacket),
    (events.ConversationUpdated(CONVERSATION, 7, ("name",), (7, 8), AT_MS), packets.ConversationUpdatedPacket),
    (
        events.ConversationDeleted(42, ConversationKind.GROUP, 7, (7, 8), AT_MS),
        packets.ConversationDeletedPacket,
    ),
    (events.MembersAdded(CONVERSATION, 7, (ALICE,), (7, 8), AT_MS), packets.MembersAddedPacket),
    (
        events.MemberRemoved(42, 7, 8, MemberStatus.REMOVED, (7, 8), AT_MS),
        packets.MemberRemovedPacket,
    ),
    (events.RoleChanged(42, 7, 8, Role.MEMBER, Role.ADMIN, (7, 8), AT_MS), packets.RoleChangedPacket),
    (events.MemberUpdated(42, 7, 8, "bo", None, AT_MS), packets.MemberUpdatedPacket),
    (events.ProfileChanged(ALICE), packets.ProfileChangedPacket),
    (events.ContactChanged(7, 8, events.Relation.FRIEND, AT_MS), packets.ContactChangedPacket),
    (events.FriendRequested(REQUEST, ALICE), packets.FriendRequestPacket),
    (events.FriendRequestAnswered(REQUEST, ALICE), packets.FriendRequestAnsweredPacket),
    (
        events.GroupNoted(
            GroupNotice(
                id=3, kind=NoticeKind.KICKED, conversation_id=42, operator_id=7, target_id=8, created_at_ms=AT_MS
            ),
            ALICE,
            ALICE,
            "g",
        ),
        packets.GroupNoticePacket,
    ),
    (events.NotificationArrived(5, "order", "t", "c", "high", None, AT_MS), packets.NotificationPacket),
    (events.CallSignalled("c", "offer", 7, 8, "video", "sdp", "", 0, AT_MS), packets.CallPacket),
    (events.BroadcastSent(3, "t", "c", "high", AT_MS), packets.BroadcastPacket),
    (events.LoginRevoked(7, "login", AT_MS), None),
    (events.UserDeactivated(7), None),
    (events.PasswordChanged(AT_MS), None),
    (events.RefreshTokenReused(AT_MS), None),
]
REPLIES: list[tuple[Reply, type[packets.ServerPacket]]] = [
    (replies.Welcome(1, "s", 7, "e", "p", AT_MS, 30, 65536, 5000, "1"), packets.WelcomePacket),
    (replies.Pong(1, AT_MS, ""), packets.PongPacket),
    (replies.Heartbeat(AT_MS), packets.HeartbeatPacket),
    (replies.Ack(1, "m", 9, 42, 3, AT_MS, False), packets.AckPacket),
    (replies.CallOffered(1, "c", 8, AT_MS, "busy"), packets.CallOfferedPacket),
    (replies.Done(1), packets.DonePacket),
    (replies.Synced(1, True, "e", "p"), packets.SyncedPacket),
    (replies.HistoryPage(1, 42, (MESSAGE,), False), packets.HistoryPagePacket),
    (
        replies.ConversationList(
            1,
            (
                ConversationView(
                    conversation=CONVERSATION,
                    member=Member(id=1, conversation_id=42, user_id=7, joined_at_ms=AT_MS, updated_at_ms=AT_MS),
                    unread_count=2,
                    participants=(ALICE,),
                    last_message=MESSAGE,
                ),
            ),
            1,
        ),
        packets.ConversationListPacket,
    ),
    (replies.Opened(1, CONVERSATION, 8), packets.OpenedPacket),
    (replies.PresenceState(1, {7: True, 8: False}), packets.PresenceStatePacket),
    (Failure(1, "muted", "muted", True, 5, "m"), packets.ErrorPacket),
    (replies.GoAway("restarting", 5), packets.GoAwayPacket),
]


def _subclasses(base: type[Any]) -> set[type[Any]]:
    return {each for each in base.__subclasses__() if each.__module__ == base.__module__}


@pytest.mark.parametrize("codec", [NativeJson(), NativeBinary()], ids=["json", "binary"])
@pytest.mark.parametrize(("item", "shown"), [*EVENTS, *REPLIES], ids=lambda value: type(value).__name__)
def test_both_codecs_show_the_packet_of_an_item(
    codec: NativeJson | NativeBinary, item: Event | Reply, shown: type[packets.ServerPacket] | None
) -> None:
    frame = codec.encode(item)
    if shown is None:
        assert frame is None
    else:
        assert frame is not None
        (packet,) = codec.decode_packets(frame)
        assert type(packet) is shown
        assert packet == to_packet(item)


def test_no_event_reply_or_packet_is_forgotten() -> None:
    assert {type(item) for item, _ in EVENTS} == _subclasses(Event)
    assert {type(item) for item, _ in REPLIES} == _subclasses(Reply)
    assert {shown for _, shown in [*EVENTS, *REPLIES]} - {None} == set(SERVER_PACKETS.values())


def test_fields_go_where_they_belong() -> None:
    assert to_packet(events.MessageRecalled(MESSAGE, 7, 1)) == packets.MessageRecalledPacket(9, 42, 3, 7, 1)
    assert to_packet(events.MessageDeleted(MESSAGE, 7, False, 1)) == packets.MessageDeletedPacket(9, 42, 3, 7, False, 1)
    assert to_packet(events.MessagePinned(MESSAGE, 7, 1)) == packets.MessagePinnedPacket(9, 42, 3, 7, True, 1)
    assert to_packet(events.ReceiptMarked(42, 7, 0, 3, 1)) == packets.ReceiptPacket(42, 7, 1, delivered_seq=3)
    assert to_packet(events.MemberUpdated(42, 8, 7, "al", 2, 1)) == packets.MemberUpdatedPacket(42, 7, 8, 1, "al", 2)
    assert to_packet(events.MemberRemoved(42, 8, 7, MemberStatus.LEFT, (), 1)) == (
        packets.MemberRemovedPacket(42, 7, 8, MemberStatus.LEFT, 1)
    )
    assert to_packet(events.CallSignalled("c", "end", 7, 8, "audio", "", "busy", 3, 1)) == (
        packets.CallPacket("c", "end", 7, 8, "audio", 1, reason="busy", duration_s=3)
    )
    refused = Failure(1, "muted", "quiet", True, 5, "m")
    assert to_packet(refused) == packets.ErrorPacket("muted", "quiet", True, 5, "m", 1)


def test_a_message_shows_what_differs_from_the_usual() -> None:
    shown = message_packet(MESSAGE)
    assert (shown.message_id, shown.updated_at_ms, shown.is_pinned) == (9, AT_MS + 5, True)
    unchanged = Message(
        id=9, conversation_id=42, seq=3, sender_id=7, content="hi", created_at_ms=AT_MS, updated_at_ms=AT_MS
    )
    assert NativeJson().encode(events.MessageSent(unchanged, ALICE)) == (
        b'{"type":"message","message_id":9,"conversation_id":42,"seq":3,"sender_id":7,'
        b'"created_at_ms":1736330450123,"content":"hi"}'
    )


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        (Location("1", "2", "here"), packets.LocationAttachment("1", "2", "here")),
        (
            FileRef(1, "f", "n", "/p", 5, "text/plain", "/t"),
            packets.FileAttachment(1, "f", "n", "/p", 5, "text/plain", "/t"),
        ),
        (CallRecord("c", "audio", "busy", 0), packets.CallAttachment("c", "audio", "busy", 0)),
    ],
)
def test_attachments(stored: Any, shown: packets.Attachment) -> None:
    message = Message(
        id=9,
        conversation_id=42,
        seq=3,
        sender_id=7,
        kind=MessageKind.SYSTEM,
        created_at_ms=1,
        updated_at_ms=1,
        attachment=stored,
    )
    assert message_packet(message).attachment == shown


def test_a_send_is_what_a_client_means_by_it() -> None:
    assert list(NativeJson().decode(b'{"type":"send","conversation_id":42,"content":"hi"}')) == [Send(42, "hi")]
