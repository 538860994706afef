"""What happened: the typed facts that travel from a use case over the bus to every session they concern.

An event is published after the change it tells of is committed. Events about one conversation are published in the
order of their commits by the process that made them. `at_ms` is when it happened.
"""

from enum import StrEnum

import msgspec

from domain.model import Conversation, ConversationKind, MemberStatus, Message, Profile, Role
from domain.records import FriendRequest, GroupNotice


class Event(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Base of all events."""


class MessageSent(Event, frozen=True, gc=False):
    """A message was committed. Of its sender's sessions the one that sent it gets its acknowledgement instead."""

    message: Message
    sender: Profile
    recipient_id: int | None = None
    """The other user of a single conversation."""


class MessageEdited(Event, frozen=True, gc=False):
    message: Message
    sender: Profile


class MessageRecalled(Event, frozen=True, gc=False):
    message: Message
    """The message as it is now, without content."""
    operator_id: int
    at_ms: int


class MessageDeleted(Event, frozen=True, gc=False):
    """Gone for everyone, or (to the sessions of one user) hidden by that user."""

    message: Message
    operator_id: int
    for_everyone: bool
    at_ms: int


class MessagePinned(Event, frozen=True, gc=False):
    message: Message
    operator_id: int
    at_ms: int


class ReceiptMarked(Event, frozen=True, gc=False):
    """`user_id` has read, or received, everything up to a seq. Zero: that mark did not move."""

    conversation_id: int
    user_id: int
    read_seq: int
    delivered_seq: int
    at_ms: int


class Typing(Event, frozen=True, gc=False):
    conversation_id: int
    user_id: int
    is_typing: bool
    at_ms: int


class PresenceChanged(Event, frozen=True, gc=False):
    user_id: int
    is_online: bool
    at_ms: int


class LocationUpdated(Event, frozen=True, gc=False):
    user_id: int
    latitude: float
    longitude: float
    accuracy: float | None
    at_ms: int


class ConversationCreated(Event, frozen=True, gc=False):
    conversation: Conversation
    creator: Profile
    participant_ids: tuple[int, ...]


class ConversationUpdated(Event, frozen=True, gc=False):
    """`fields` names what changed (`name`, `description`, `avatar`, `max_members`, `watermark_text`, …)."""

    conversation: Conversation
    operator_id: int
    fields: tuple[str, ...]
    participant_ids: tuple[int, ...]
    at_ms: int


class ConversationDeleted(Event, frozen=True, gc=False):
    """A group was dissolved for all, or a single conversation was hidden by one of its two (and only that one
    hears)."""

    conversation_id: int
    kind: ConversationKind
    operator_id: int
    participant_ids: tuple[int, ...]
    at_ms: int


class MembersAdded(Event, frozen=True, gc=False):
    conversation: Conversation
    operator_id: int
    added: tuple[Profile, ...]
    participant_ids: tuple[int, ...]
    at_ms: int


class MemberRemoved(Event, frozen=True, gc=False):
    """The last event of the group that the removed member hears."""

    conversation_id: int
    operator_id: int
    user_id: int
    status: MemberStatus
    participant_ids: tuple[int, ...]
    at_ms: int

    @property
    def is_self_exit(self) -> bool:
        return self.operator_id == self.user_id


class RoleChanged(Event, frozen=True, gc=False):
    conversation_id: int
    operator_id: int
    user_id: int
    old_role: Role
    new_role: Role
    participant_ids: tuple[int, ...]
    at_ms: int


class MemberUpdated(Event, frozen=True, gc=False):
    """Nickname or mute of a member changed."""

    conversation_id: int
    operator_id: int
    user_id: int
    nickname: str | None
    muted_until_ms: int | None
    at_ms: int


class ProfileChanged(Event, frozen=True, gc=False):
    profile: Profile


class Relation(StrEnum):
    """What somebody is to a user."""

    NONE = "none"
    CONTACT = "contact"
    FRIEND = "friend"
    BLOCKED = "blocked"


class ContactChanged(Event, frozen=True, gc=False):
    """To the sessions of `user_id`: their relation to `contact_id` is now this."""

    user_id: int
    contact_id: int
    relation: Relation
    at_ms: int


class FriendRequested(Event, frozen=True, gc=False):
    """To the sessions of the one who is asked."""

    request: FriendRequest
    sender: Profile


class FriendRequestAnswered(Event, frozen=True, gc=False):
    """To the sessions of the one who asked."""

    request: FriendRequest
    recipient: Profile


class GroupNoted(Event, frozen=True, gc=False):
    """Something happened in a group, to those whom it concerns and to nobody else."""

    notice: GroupNotice
    operator: Profile
    target: Profile
    group_name: str


class NotificationArrived(Event, frozen=True, gc=False):
    record_id: int
    kind: str
    title: str
    content: str
    priority: str
    action_url: str | None
    at_ms: int


class CallSignalled(Event, frozen=True, gc=False):
    """One step of a call, to one of its two parties. `step` is offer, answer, ice or end; `payload` the SDP or
    candidate."""

    call_id: str
    step: str
    from_user_id: int
    to_user_id: int
    call_type: str
    payload: str
    reason: str
    duration_s: int
    at_ms: int


class BroadcastSent(Event, frozen=True, gc=False):
    broadcast_id: int
    title: str
    content: str
    priority: str
    at_ms: int


class LoginRevoked(Event, frozen=True, gc=False):
    """A login ended: its access tokens stop working at once and its sockets are closed."""

    user_id: int
    login_id: str
    expires_at_ms: int
    """When the last access token of the login would have expired: after that nobody needs to remember the
    revocation."""


class UserDeactivated(Event, frozen=True, gc=False):
    user_id: int


class PasswordChanged(Event, frozen=True, gc=False):
    """Not published: the user is notified of it."""

    at_ms: int


class RefreshTokenReused(Event, frozen=True, gc=False):
    """A refresh token came twice, so somebody else may have it: its login was revoked. Not published: the user is
    notified of it."""

    at_ms: int
