"""The nouns around the conversation: contacts, requests, files, notifications, broadcasts, client events.

Same conventions as `domain/model.py`: immutable, times in milliseconds since the Unix epoch.
"""

from enum import StrEnum
from typing import Final

import msgspec

from domain.file_types import FileCategory, category
from domain.model import Conversation, FileRef, Profile, Role

THUMBNAIL_PREFIX: Final = "thumb_"


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of a relation. A friendship is two rows with `is_friend`; a messenger contact is one row."""

    id: int
    user_id: int
    contact_id: int
    remark: str = ""
    is_friend: bool = False
    is_blocked: bool = False
    is_muted: bool = False
    created_at_ms: int
    updated_at_ms: int


class RequestStatus(StrEnum):
    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class FriendRequest(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    from_user_id: int
    to_user_id: int
    message: str = ""
    answer: str = ""
    status: RequestStatus = RequestStatus.PENDING
    created_at_ms: int
    updated_at_ms: int


class ContactView(msgspec.Struct, frozen=True):
    """A contact as its owner sees it."""

    contact: Contact
    profile: Profile


class FriendRequestView(msgspec.Struct, frozen=True):
    request: FriendRequest
    sender: Profile
    recipient: Profile


class CallType(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"


class CallEnd(StrEnum):
    """Why a call is over (messenger API, call events)."""

    BUSY = "busy"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    REJECTED = "rejected"
    USER_HANGUP = "user_hangup"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Two users who talk, or try to. Signals are passed on and never stored."""

    id: str
    caller_id: int
    callee_id: int
    call_type: CallType
    reason: CallEnd | None = None
    started_at_ms: int
    answered_at_ms: int | None = None
    ended_at_ms: int | None = None

    def other(self, user_id: int) -> int:
        return self.callee_id if user_id == self.caller_id else self.caller_id

    @property
    def parties(self) -> tuple[int, int]:
        return self.caller_id, self.callee_id

    @property
    def duration_s(self) -> int:
        """Seconds from the answer to the end."""
        if self.answered_at_ms is None or self.ended_at_ms is None:
            return 0
        return max(0, self.ended_at_ms - self.answered_at_ms) // 1000


class GroupApplication(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    conversation_id: int
    user_id: int
    reason: str = ""
    status: RequestStatus = RequestStatus.PENDING
    handled_by_id: int | None = None
    created_at_ms: int
    updated_at_ms: int


class InviteCode(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    conversation_id: int
    creator_id: int
    created_at_ms: int
    expires_at_ms: int


class GroupStats(msgspec.Struct, frozen=True, kw_only=True):
    """`message_count` has the recalled ones too, which keep their place. `active_members` have joined, read or written
    lately."""

    member_count: int
    message_count: int
    active_members: int
    created_at_ms: int


class GroupApplicationView(msgspec.Struct, frozen=True):
    application: GroupApplication
    applicant: Profile
    group: Conversation


class NoticeKind(StrEnum):
    """What happened in a group, in the order of social's numbers (social API 6.3)."""

    INVITED = "invited"
    APPLIED = "applied"
    APPROVED = "approved"
    REJECTED = "rejected"
    LEFT = "left"
    KICKED = "kicked"
    ROLE_SET = "role_set"
    TRANSFERRED = "transferred"
    DISMISSED = "dismissed"
    MUTED = "muted"
    UNMUTED = "unmuted"


class GroupNotice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened in a group, for those whom it concerns. `target_id` is whom it happened to."""

    id: int
    kind: NoticeKind
    conversation_id: int
    operator_id: int
    target_id: int
    created_at_ms: int


class GroupNoticeView(msgspec.Struct, frozen=True):
    """A notice as one of its recipients sees it."""

    notice: GroupNotice
    operator: Profile
    target: Profile
    group_name: str
    is_read: bool = False


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """An upload. `file_id` is its public name, `sha256` and `etag` (the MD5, social API 7.4) are digests of its bytes.
    `blob` is where they are kept; equal files may share it."""

    id: int
    file_id: str
    uploader_id: int
    name: str
    size: int
    mime: str
    path: str
    sha256: str
    etag: str
    blob: str
    thumbnail_blob: str | None = None
    description: str | None = None
    is_public: bool = False
    download_count: int = 0
    expires_at_ms: int | None = None
    created_at_ms: int

    @property
    def category(self) -> FileCategory:
        return category(self.mime)

    @property
    def thumbnail_id(self) -> str:
        """The name by which the thumbnail is downloaded; empty without one."""
        return f"{THUMBNAIL_PREFIX}{self.file_id}" if self.thumbnail_blob else ""

    @property
    def ref(self) -> FileRef:
        """What a message keeps of it."""
        return FileRef(self.id, self.file_id, self.name, self.path, self.size, self.mime, self.thumbnail_id)


class NotificationKind(StrEnum):
    MESSAGE = "message"
    GROUP_MESSAGE = "group_message"
    GROUP_INVITE = "group_invite"
    FRIEND_REQUEST = "friend_request"
    SYSTEM = "system"
    BUSINESS = "business"
    REMINDER = "reminder"
    ANNOUNCEMENT = "announcement"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Channel(StrEnum):
    """A way to a user."""

    WEBSOCKET = "websocket"
    EMAIL = "email"
    PUSH = "push"


class EmailFrequency(StrEnum):
    IMMEDIATE = "immediate"
    HOURLY = "hourly"
    DAILY = "daily"
    NEVER = "never"


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """The content; who received it is in `NotificationRecord`. One without a creator came from the server itself."""

    id: int
    uuid: str
    kind: NotificationKind
    title: str
    content: str
    action_url: str | None = None
    priority: Priority = Priority.NORMAL
    channels: tuple[Channel, ...] = (Channel.WEBSOCKET,)
    created_by_id: int | None = None
    scheduled_at_ms: int | None = None
    expires_at_ms: int | None = None
    created_at_ms: int
    updated_at_ms: int


class NotificationView(msgspec.Struct, frozen=True):
    notification: Notification
    creator_uuid: str | None


class NotificationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One recipient's copy: read state and soft deletion. It is listed from `visible_at_ms` on."""

    id: int
    uuid: str
    notification_id: int
    user_id: int
    read_at_ms: int | None = None
    visible_at_ms: int
    created_at_ms: int

    @property
    def is_read(self) -> bool:
        return self.read_at_ms is not None


class RecordView(msgspec.Struct, frozen=True):
    """A record with what it is a record of."""

    record: NotificationRecord
    notification: Notification
    creator_uuid: str | None


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which of a user's records to list; None does not narrow."""

    is_read: bool | None = None
    kind: NotificationKind | None = None


class NotificationStats(msgspec.Struct, frozen=True, kw_only=True):
    total: int
    unread: int
    by_kind: dict[NotificationKind, int]
    by_priority: dict[Priority, int]


class NotificationTemplate(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    name: str
    kind: NotificationKind
    title_template: str
    content_template: str
    is_active: bool = True
    created_at_ms: int
    updated_at_ms: int


class NotificationPreferences(msgspec.Struct, frozen=True, kw_only=True):
    """`quiet_hours_…` are "HH:MM" in the user's time zone and may span midnight; both or neither count."""

    user_id: int
    message_enabled: bool = True
    group_message_enabled: bool = True
    system_enabled: bool = True
    websocket_enabled: bool = True
    email_enabled: bool = True
    push_enabled: bool = True
    do_not_disturb: bool = False
    quiet_hours_start: str | None = None
    quiet_hours_end: str | None = None
    email_frequency: EmailFrequency = EmailFrequency.IMMEDIATE


class Recipient(msgspec.Struct, frozen=True):
    """What deciding on deliveries to a user takes."""

    user_id: int
    uuid: str
    nickname: str
    email: str | None
    time_zone: str
    preferences: NotificationPreferences


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up after the last try: the dead letters."""
    EXPIRED = "expired"
    """The notification expired, was deleted, or its channel was switched off before its time came."""


class PlannedDelivery(msgspec.Struct, frozen=True):
    channel: Channel
    state: DeliveryState
    due_at_ms: int


class DueDelivery(msgspec.Struct, frozen=True):
    """A delivery that somebody has taken on. `tries` counts this one."""

    id: int
    channel: Channel
    tries: int
    record: NotificationRecord
    notification: Notification
    to: Recipient


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a delivery; `due_at_ms` is the next try of one that is pending."""

    delivery_id: int
    state: DeliveryState
    due_at_ms: int
    tries: int
    error: str | None = None


class DeadLetter(msgspec.Struct, frozen=True):
    """A delivery that was given up."""

    id: int
    channel: Channel
    tries: int
    error: str | None
    failed_at_ms: int
    notification_uuid: str
    user_uuid: str


class FanOut(msgspec.Struct, frozen=True, kw_only=True):
    """Sending a notification to everybody: users up to `up_to_user_id`, in the order of their ids; done up to
    `reached_user_id`."""

    id: int
    notification_id: int
    reached_user_id: int
    up_to_user_id: int
    total: int
    sent: int
    created_at_ms: int

    @property
    def is_done(self) -> bool:
        return self.reached_user_id >= self.up_to_user_id


class Broadcast(msgspec.Struct, frozen=True, kw_only=True):
    """An administrator's announcement. `target_user_ids` of None means everybody."""

    id: int
    sender_id: int
    title: str
    content: str
    priority: Priority = Priority.NORMAL
    target_user_ids: tuple[int, ...] | None = None
    created_at_ms: int


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something a client reported (check-in, alarm, …); `data` is its JSON text."""

    id: int
    user_id: int
    event_type: str
    data: str
    occurred_at_ms: int
    created_at_ms: int


class LogEntry(msgspec.Struct, frozen=True):
    """Something that was committed. `id` is the same whenever it is read ("message:18"); `kind` is message, event or
    client_event; `body` its JSON."""

    id: str
    kind: str
    body: str


class StreamInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where other systems read what happens here. `url` has no password; `last_id` is the newest entry's, `groups` the
    names of the consumer groups that there are."""

    url: str
    stream: str
    length: int
    last_id: str
    groups: tuple[str, ...] = ()


class MemberChange(msgspec.Struct, frozen=True, kw_only=True):
    """What may be changed of a member by others; None leaves a field as it is. `muted_until_ms` of 0 ends a mute."""

    role: Role | None = None
    nickname: str | None = None
    muted_until_ms: int | None = None
