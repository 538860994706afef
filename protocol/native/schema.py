"""The numbers of the binary codec. They are pinned: one that was given is never changed or given again.

The rest of a packet's layout is its struct: the fields in their order, the required ones first (`layout`).
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Union

import msgspec

from domain.model import ConversationKind, ConversationStatus, MemberStatus, MessageKind, MessageState, Role
from domain.records import CallType
from protocol import commands
from protocol.commands import Command
from protocol.native import packets
from protocol.native.packets import ServerPacket

COMMANDS: Final[Mapping[int, type[Command]]] = {
    1: commands.Hello,
    2: commands.Ping,
    3: commands.Send,
    4: commands.Edit,
    5: commands.Recall,
    6: commands.Delete,
    7: commands.Pin,
    8: commands.MarkUpTo,
    9: commands.MarkMessages,
    10: commands.SetTyping,
    11: commands.SubscribePresence,
    12: commands.UnsubscribePresence,
    13: commands.UpdateLocation,
    14: commands.Sync,
    15: commands.History,
    16: commands.ListConversations,
    17: commands.Open,
    18: commands.OfferCall,
    19: commands.AnswerCall,
    20: commands.SendCandidate,
    21: commands.EndCall,
}
"""59 stays free: with the flag for a request id its first byte would be `{`, which means JSON on raw TCP."""

SERVER_PACKETS: Final[Mapping[int, type[ServerPacket]]] = {
    1: packets.WelcomePacket,
    2: packets.PongPacket,
    3: packets.HeartbeatPacket,
    4: packets.AckPacket,
    5: packets.DonePacket,
    6: packets.SyncedPacket,
    7: packets.HistoryPagePacket,
    8: packets.ConversationListPacket,
    9: packets.OpenedPacket,
    10: packets.PresenceStatePacket,
    11: packets.ErrorPacket,
    12: packets.GoAwayPacket,
    13: packets.CallOfferedPacket,
    16: packets.MessagePacket,
    17: packets.MessageEditedPacket,
    18: packets.MessageRecalledPacket,
    19: packets.MessageDeletedPacket,
    20: packets.MessagePinnedPacket,
    21: packets.ReceiptPacket,
    22: packets.TypingPacket,
    23: packets.PresencePacket,
    24: packets.LocationPacket,
    25: packets.ConversationCreatedPacket,
    26: packets.ConversationUpdatedPacket,
    27: packets.ConversationDeletedPacket,
    28: packets.MembersAddedPacket,
    29: packets.MemberRemovedPacket,
    30: packets.RoleChangedPacket,
    31: packets.MemberUpdatedPacket,
    32: packets.ProfileChangedPacket,
    33: packets.ContactChangedPacket,
    34: packets.NotificationPacket,
    35: packets.CallPacket,
    36: packets.BroadcastPacket,
    37: packets.FriendRequestPacket,
    38: packets.FriendRequestAnsweredPacket,
    39: packets.GroupNoticePacket,
}

ENUMS: Final[Mapping[type[Enum], tuple[Enum, ...]]] = {
    MessageKind: (
        MessageKind.TEXT,
        MessageKind.IMAGE,
        MessageKind.FILE,
        MessageKind.AUDIO,
        MessageKind.VIDEO,
        MessageKind.LOCATION,
        MessageKind.SYSTEM,
    ),
    MessageState: (MessageState.SENT, MessageState.EDITED, MessageState.RECALLED, MessageState.DELETED),
    ConversationKind: (ConversationKind.SINGLE, ConversationKind.GROUP),
    ConversationStatus: (ConversationStatus.ACTIVE, ConversationStatus.DISSOLVED),
    Role: (Role.OWNER, Role.ADMIN, Role.MEMBER),
    CallType: (CallType.AUDIO, CallType.VIDEO),
    MemberStatus: (MemberStatus.ACTIVE, MemberStatus.LEFT, MemberStatus.REMOVED),
}
"""A member's wire number is its place, from 0."""

ALTERNATIVES: Final[Mapping[type[msgspec.Struct], int]] = {
    packets.LocationAttachment: 0,
    packets.FileAttachment: 1,
    packets.CallAttachment: 2,
}
"""The number before a record that may be one of several kinds."""


def union_of(table: Mapping[int, type[msgspec.Struct]]) -> Any:
    """The type that decoders of any packet of the table take."""
    return Union[tuple(table.values())]  # noqa: UP007 - made at run time


def tag_of(packet: type[msgspec.Struct]) -> str:
    """The `type` of a packet in JSON."""
    return str(packet.__struct_config__.tag)
