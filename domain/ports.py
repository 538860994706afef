"""What the domain needs from outside. Each port says what it guarantees; one contract suite per port runs against every
implementation. Every method may raise `Unavailable` when the backing service cannot be reached.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

import msgspec

from domain.errors import DomainError
from domain.events import Event
from domain.model import (
    Conversation,
    ConversationView,
    Draft,
    Login,
    Member,
    MemberView,
    Message,
    MessageKind,
    Profile,
    Receipt,
    Role,
    User,
)
from domain.records import (
    Broadcast,
    Call,
    CallEnd,
    Channel,
    ClientEvent,
    Contact,
    ContactView,
    DeadLetter,
    DueDelivery,
    FanOut,
    FriendRequest,
    FriendRequestView,
    GroupApplication,
    GroupApplicationView,
    GroupNotice,
    GroupNoticeView,
    GroupStats,
    InviteCode,
    LogEntry,
    NoticeKind,
    Notification,
    NotificationKind,
    NotificationRecord,
    NotificationStats,
    NotificationTemplate,
    NotificationView,
    Outcome,
    PlannedDelivery,
    Recipient,
    RecordFilter,
    RecordView,
    RequestStatus,
    StoredFile,
    StreamInfo,
)


class Appended(msgspec.Struct, frozen=True, gc=False):
    """A message that is on disk. `duplicate`: its `client_msg_id` had been appended before, this is the first
    message."""

    message: Message
    duplicate: bool


AppendDone = Callable[[Appended | DomainError], None]


class MessageLog(Protocol):
    """The append path: one group-committing writer per process.

    Order: seqs of a conversation grow by one without gaps, across all processes. `done` is called once for each
    draft, on the event loop, after its commit is durable (it survives a power cut), and for one conversation in
    the order of the seqs. Idempotency: of all drafts with the same `(sender_id, client_msg_id)`, in any process
    and at any time, one is stored; the others answer it with `duplicate=True`. A draft for a conversation that is
    missing or dissolved gets `ConversationNotFound`, one whose `reply_to_id` is no message of the conversation
    with a seq above `visible_after_seq` gets `MessageNotFound`. A draft with a `file_id` gets what
    `domain.files.attachment_for` answers or raises; message and share are stored together, and the file exists when
    they are. Drafts are refused with `Unavailable` when the store stays out of reach; then nothing was stored,
    unless the store was lost for good between a commit and its answer: that error says that the outcome is not
    known.
    """

    @property
    def queued(self) -> int:
        """Drafts that were accepted and are not answered yet; sessions stop reading when it is too high."""
        ...

    def append(self, draft: Draft, done: AppendDone) -> None: ...


class Mark(msgspec.Struct, frozen=True, gc=False):
    """`user_id` has read the messages in `read` (inclusive seq ranges) and received everything up to `delivered_seq`.

    The cursors move to the highest seq named, never back and never beyond the last message."""

    conversation_id: int
    user_id: int
    read: tuple[tuple[int, int], ...] = ()
    delivered_seq: int = 0


class Marked(msgspec.Struct, frozen=True, gc=False):
    """The cursors after a mark, and whether it moved them."""

    read_seq: int
    delivered_seq: int
    read_moved: bool
    delivered_moved: bool


class MarkLog(Protocol):
    """Receipts, group-committed as messages are. `done` is called once, on the loop, after the commit."""

    def mark(self, mark: Mark, done: Callable[[Marked | DomainError], None]) -> None: ...


class MessageEdit(Protocol):
    """One message, locked until the surrounding block ends."""

    message: Message

    def set(self, event: Callable[[Message], Event] | None, /, **fields: Any) -> Message:
        """Replaces fields of the message; `event(new message)` is recorded for resuming clients in the same
        transaction."""
        ...


class MessageStore(Protocol):
    """Messages at rest. Only numbered messages (seq of 1 and more) are found, unless a method says otherwise; a reader
    (`user_id`) does not see what they have hidden."""

    async def get(self, message_id: int) -> Message | None: ...

    async def hide(self, user_id: int, message: Message, event: Event) -> None:
        """Hides a message from one user for good and keeps the event for their resuming clients."""
        ...

    async def is_hidden(self, user_id: int, message: Message) -> bool: ...

    async def get_many(self, conversation_id: int, message_ids: Collection[int]) -> list[Message]:
        """Those of the ids that are messages of this conversation, in seq order."""
        ...

    async def history(
        self,
        user_id: int,
        conversation_id: int,
        *,
        after_seq: int = 0,
        before_seq: int | None = None,
        limit: int,
        newest: bool,
    ) -> tuple[list[Message], bool]:
        """At most `limit` messages with after_seq < seq < before_seq in ascending order, the newest of them or the
        oldest, and whether there are more in that direction."""
        ...

    async def history_page(
        self, user_id: int, conversation_id: int, *, after_seq: int, offset: int, limit: int
    ) -> list[Message]:
        """Ascending messages with seq > after_seq, without the first `offset`."""
        ...

    async def page(
        self,
        user_id: int,
        conversation_id: int,
        *,
        after_seq: int,
        before_seq: int | None = None,
        offset: int,
        limit: int,
        text: str | None = None,
        kind: MessageKind | None = None,
    ) -> tuple[list[Message], int]:
        """Messages with after_seq < seq < before_seq that hold the text (literally, without case) and are of the kind:
        in ascending order the newest `limit` but for the newest `offset`, and how many there are in all."""
        ...

    async def scheduled(self, sender_id: int, conversation_id: int) -> list[Message]:
        """The sender's messages that wait for their time, in the order in which they will be delivered."""
        ...

    def edit(self, message_id: int) -> AbstractAsyncContextManager[MessageEdit]:
        """Locks the message, which may be a scheduled one; commits when the block ends, rolls back when it raises.
        MessageNotFound."""
        ...

    async def unread(self, user_id: int, conversation_id: int | None = None) -> int:
        """Messages after the member's read cursor that count: others' messages, visible to the member and not hidden,
        not recalled or deleted, not silent."""
        ...

    async def receipts(self, message: Message) -> list[Receipt]:
        """Who has read this message and when, without its sender, oldest first."""
        ...


class DueMessages(Protocol):
    """Messages whose time has come, locked until the surrounding block ends. What is neither delivered nor removed
    stays due."""

    scheduled: Sequence[Message]
    expired: Sequence[Message]

    async def deliver(
        self, messages: Sequence[Message], now_ms: int, event: Callable[[Message], Event]
    ) -> list[Message]:
        """Numbers and stamps scheduled messages, in this order; `event(new message)` is recorded for resuming clients.
        Those whose conversation was dissolved are removed instead."""
        ...

    async def remove(
        self, messages: Sequence[Message], now_ms: int, event: Callable[[Message], Event] | None
    ) -> list[Message]:
        """Deletes messages for everyone; they keep their place. Answers those that were not gone before."""
        ...


class TimerStore(Protocol):
    """Messages that something happens to later. Any process may work on them, and each of them is worked on once."""

    async def next_due_ms(self) -> int | None:
        """When the first of them is due."""
        ...

    def due(self, now_ms: int, limit: int) -> AbstractAsyncContextManager[DueMessages]:
        """At most `limit` of those that are due and that no other process has locked, earliest first. Commits when the
        block ends, rolls back when it raises."""
        ...


class SearchStore(Protocol):
    """Search in messages. The index is made off the hot path; what it does not hold yet is found all the same."""

    async def find(
        self, user_id: int, keyword: str, *, conversation_id: int | None, kind: MessageKind | None, limit: int
    ) -> tuple[list[Message], int]:
        """Messages whose content, file name or address contains the keyword, literally and without case or width
        (NFKC), in the user's active conversations and what they see of them: the newest first, by id, and how many
        there are, counted up to 1,000. Every change that was committed before the call counts."""
        ...

    async def index_next(self) -> bool:
        """One step of work on the index, of some ten milliseconds. False if there is nothing to do, or another process
        does it. It may be ended at any moment, by kill -9 too."""
        ...


class ConversationEdit(Protocol):
    """One conversation, locked until the surrounding block ends. Reads see the changes made before."""

    conversation: Conversation

    async def member(self, user_id: int) -> Member | None:
        """The membership, if active."""
        ...

    async def member_ids(self) -> tuple[int, ...]:
        """Active members, in the order they joined."""
        ...

    async def owner_id(self) -> int: ...

    async def add(self, user_ids: Sequence[int], role: Role, now_ms: int, visible_after_seq: int) -> None:
        """Adds members that are not active; one who had left comes back with fresh state."""
        ...

    async def set_member(self, user_id: int, **fields: Any) -> Member: ...

    async def set(self, **fields: Any) -> Conversation: ...

    async def record(self, event: Event, only_for: int | None = None) -> None:
        """Keeps the event for resuming clients (all members', or one user's), in the same transaction."""
        ...

    async def note(
        self, kind: NoticeKind, operator_id: int, target_id: int, recipient_ids: Sequence[int], now_ms: int
    ) -> GroupNotice:
        """Keeps a notice of what happened in the group for these users, in the same transaction."""
        ...

    async def administrator_ids(self) -> tuple[int, ...]:
        """The owner and the admins."""
        ...

    async def pending_applications(self, user_ids: Sequence[int]) -> list[GroupApplication]:
        """Those of these users."""
        ...

    async def add_application(self, user_id: int, reason: str, now_ms: int) -> GroupApplication: ...

    async def close_application(
        self, application: GroupApplication, status: RequestStatus, handled_by_id: int, now_ms: int
    ) -> GroupApplication: ...


class RosterRow(msgspec.Struct, frozen=True, gc=False):
    user_id: int
    role: Role
    muted_until_ms: int | None
    visible_after_seq: int


class RosterData(msgspec.Struct, frozen=True):
    """What the send path must know of a conversation. Of a single one: the members who block the other, and whether
    the two are friends."""

    conversation: Conversation
    rows: Sequence[RosterRow]
    blockers: frozenset[int]
    are_friends: bool = False


class ReadCursor(msgspec.Struct, frozen=True, gc=False):
    user_id: int
    read_seq: int


class ConversationStore(Protocol):
    async def create_single(self, creator_id: int, other_id: int, now_ms: int) -> tuple[Conversation, bool]:
        """The single conversation of two users, and whether this call made it. Two concurrent calls get the same
        one. If the creator had hidden it, it is shown again (with `visible_after_seq` unchanged)."""
        ...

    def create_group(
        self, conversation: Conversation, member_ids: Sequence[int]
    ) -> AbstractAsyncContextManager[ConversationEdit]:
        """Stores a group (its `id` is given by the store); the creator becomes its owner, the others members. Commits
        when the block ends, rolls back when it raises."""
        ...

    async def get(self, conversation_id: int) -> Conversation | None:
        """Also a dissolved one: its status tells."""
        ...

    async def member(self, conversation_id: int, user_id: int) -> Member | None:
        """The membership, if active."""
        ...

    async def roster(self, conversation_id: int) -> RosterData | None:
        """None if it is missing or dissolved."""
        ...

    async def list_for(
        self, user_id: int, *, offset: int, limit: int, pinned_first: bool = False
    ) -> tuple[list[ConversationView], int]:
        """The member's conversations that are active and not hidden, newest message first, and how many there are. The
        last message is the newest that the member sees. The number of queries does not depend on the number of
        conversations."""
        ...

    async def groups_of(self, user_id: int) -> list[Conversation]:
        """Active groups of the member, hidden ones too, in the order in which they joined."""
        ...

    async def owners(self, conversation_ids: Collection[int]) -> dict[int, int]:
        """Who owns which of these groups now."""
        ...

    async def single_of(self, one_id: int, other_id: int) -> int | None:
        """The id of the single conversation of two users, if there is one."""
        ...

    async def furthest_readers(self, conversation_id: int) -> list[ReadCursor]:
        """The two members who have read furthest."""
        ...

    async def members(self, conversation_id: int) -> list[MemberView]:
        """Active members in the order they joined."""
        ...

    def edit(self, conversation_id: int) -> AbstractAsyncContextManager[ConversationEdit]:
        """Locks the conversation; commits when the block ends, rolls back when it raises. ConversationNotFound if it is
        missing or dissolved."""
        ...

    async def watchers(self, user_ids: Collection[int]) -> dict[int, set[int]]:
        """For each user those who hear of their presence: friends, contacts, and partners of single conversations."""
        ...


class CallStore(Protocol):
    """Calls, under way and past. Every change is atomic, so that of two processes one makes it."""

    async def start(self, call: Call, ringing_since_ms: int) -> bool:
        """Stores a call, unless one of its parties is in another that has been answered, or that has been ringing since
        `ringing_since_ms` or later: then False. InvalidValue: the id was used before."""
        ...

    async def get(self, call_id: str) -> Call | None: ...

    async def answer(self, call_id: str, now_ms: int) -> Call | None:
        """The answered call; None if it had been answered, or was over."""
        ...

    async def end(self, call_id: str, reason: CallEnd, now_ms: int) -> Call | None:
        """The ended call; None if it was over."""
        ...

    async def under_way(self) -> list[Call]:
        """All that are not over."""
        ...


class ApplicationStore(Protocol):
    """Applications to join groups, and the notices of what happened in groups. Both change with `ConversationEdit`."""

    async def application(self, application_id: int) -> GroupApplication | None: ...

    async def waiting_for(self, user_id: int) -> list[GroupApplicationView]:
        """Unanswered applications to the active groups that the user owns or administrates, newest first."""
        ...

    async def count_waiting_for(self, user_id: int) -> int: ...

    async def notices(self, user_id: int, limit: int) -> list[GroupNoticeView]:
        """Newest first."""
        ...

    async def read_notices(self, user_id: int, up_to_id: int) -> None: ...


class GroupStore(Protocol):
    """Invite codes, statistics, and the search for groups that anybody may find."""

    async def add_code(self, code: InviteCode, keep: int) -> None:
        """Keeps it, and of its creator's codes for the group the newest `keep`; those of anybody that have expired by
        then are dropped."""
        ...

    async def code(self, code: str) -> InviteCode | None:
        """As it was made, expired or not."""
        ...

    async def stats(self, conversation_id: int, since_ms: int) -> GroupStats | None:
        """None if there is no such active conversation. Active members are those who joined, read or wrote since
        then; of the messages only the newest 10,000 are looked at."""
        ...

    async def search(self, keyword: str, *, offset: int, limit: int) -> tuple[list[Conversation], int]:
        """Active public groups whose name contains the keyword, literally and without case, the largest first; and how
        many there are."""
        ...


class BroadcastStore(Protocol):
    async def add(self, broadcast: Broadcast, event: Callable[[Broadcast], Event]) -> Broadcast:
        """Keeps it under an id of its own; `event(broadcast)` is kept for its recipients' resuming clients in the same
        transaction."""
        ...

    async def list_for(self, user_id: int, *, offset: int, limit: int) -> tuple[list[Broadcast], int]:
        """Those that were meant for the user: for everybody since the account exists, or for the user by name. Newest
        first, and how many there are. Of the targets only the user is named."""
        ...


class ClientEventStore(Protocol):
    async def add(self, event: ClientEvent) -> ClientEvent:
        """Keeps it under an id of its own."""
        ...

    async def find(
        self, *, user_id: int | None, event_type: str | None, start_ms: int, end_ms: int, offset: int, limit: int
    ) -> tuple[list[ClientEvent], int]:
        """With start_ms <= occurred_at_ms <= end_ms, the latest first, and how many there are."""
        ...


class EventLog(Protocol):
    """Everything that was committed, as the database has it: messages, events, receipts, and what clients reported. A
    position is an opaque string."""

    async def head(self) -> str:
        """The newest position. Rows that were numbered and not yet committed when this was called may be before it."""
        ...

    async def after(self, position: str, head: str, limit: int) -> tuple[list[LogEntry], str]:
        """What was committed between two positions, oldest first within each kind, at most `limit` of a kind, and the
        position that covers it: `head` once there is no more."""
        ...

    async def fed(self) -> str | None:
        """The position that was saved last."""
        ...

    async def save(self, position: str) -> None:
        """Durable when this returns."""
        ...


class EventStream(Protocol):
    """The stream from which other systems read messages and events."""

    async def lead(self, for_s: float) -> bool:
        """Whether this process is the one that feeds the stream, and stays it for so long: of all processes one is."""
        ...

    async def append(self, entries: Sequence[LogEntry]) -> None:
        """All of them, in this order, or none; the oldest of the stream go when it is too long."""
        ...

    async def info(self) -> StreamInfo: ...


class NotificationTemplateStore(Protocol):
    """A name that is taken raises Conflict."""

    async def create(self, template: NotificationTemplate) -> NotificationTemplate:
        """Keeps it under an id of its own."""
        ...

    async def get(self, template_id: int) -> NotificationTemplate | None: ...

    async def list_all(
        self, *, kind: NotificationKind | None, active_only: bool, offset: int, limit: int
    ) -> tuple[list[NotificationTemplate], int]:
        """Newest first, and how many there are."""
        ...

    async def update(
        self, template_id: int, check: Callable[[NotificationTemplate], None], **fields: Any
    ) -> NotificationTemplate | None:
        """The template as changed; None without one. What `check` raises of it undoes the change."""
        ...

    async def delete(self, template_id: int) -> bool:
        """Whether there was one."""
        ...


class NotificationStore(Protocol):
    """What users find in their lists. A record that its user deleted, that is not visible yet or whose notification has
    expired is in no list and no count."""

    async def list_for(
        self, user_id: int, wanted: RecordFilter, now_ms: int, *, offset: int, limit: int
    ) -> tuple[list[RecordView], int]:
        """The latest visible first, and how many there are."""
        ...

    async def unread(self, user_id: int, now_ms: int) -> int:
        """Reads one index: its cost grows with the unread ones alone."""
        ...

    async def stats(self, user_id: int, now_ms: int) -> NotificationStats: ...

    async def record(self, *, record_id: int | None = None, uuid: str | None = None) -> RecordView | None:
        """By one of the two, also if it is not visible yet; None if its user deleted it."""
        ...

    async def mark_read(self, user_id: int, record_ids: Collection[int] | None, now_ms: int) -> int:
        """The user's own among these, or all that is listed; how many were unread."""
        ...

    async def mark_unread(self, user_id: int, record_ids: Collection[int]) -> None:
        """The user's own among these."""
        ...

    async def delete(self, user_id: int, record_ids: Collection[int], now_ms: int) -> None:
        """The user's own among these. What is still to be delivered of them is not."""
        ...

    async def without_word(self, conversation_id: int, user_ids: Collection[int]) -> list[int]:
        """The members among these who have not muted the conversation and have no unread record about it."""
        ...

    async def conversations_read(self, pairs: Collection[tuple[int, int]], now_ms: int) -> None:
        """Marks the unread records about conversations as read: of `(conversation_id, user_id)` each."""
        ...

    async def recipients(self, user_ids: Collection[int]) -> list[Recipient]:
        """Those that exist, with the default preferences where a user set none."""
        ...

    async def set_preferences(self, user_id: int, now_ms: int, **fields: Any) -> None:
        """What waits for the user is looked at again at `now_ms`."""
        ...


class NotificationContents(Protocol):
    """Contents, and sending them."""

    async def add(self, draft: Notification) -> NotificationView:
        """Keeps it under an id of its own."""
        ...

    async def get(self, uuid: str) -> NotificationView | None: ...

    async def content(self, notification_id: int) -> Notification | None: ...

    async def list_all(self, *, offset: int, limit: int) -> tuple[list[NotificationView], int]:
        """Those that somebody created, newest first, and how many there are."""
        ...

    async def update(self, notification_id: int, now_ms: int, **fields: Any) -> NotificationView | None:
        """It shows in all records at once; a new time moves what is pending. None without one."""
        ...

    async def delete(self, notification_id: int) -> bool:
        """With its records and deliveries. Whether there was one."""
        ...

    async def user_ids(self, uuids: Collection[str]) -> dict[str, int]:
        """Of those that exist."""
        ...

    async def send(
        self,
        notification: Notification,
        planned: Mapping[int, Sequence[PlannedDelivery]],
        now_ms: int,
        event: Callable[[Notification, NotificationRecord], Event],
        step: tuple[FanOut, int] | None = None,
        conversation_id: int | None = None,
    ) -> list[NotificationRecord] | None:
        """A record and its deliveries for each user (by id) who has no record of it yet; those records. With an id of 0
        the notification is added first. What is delivered at once is kept, as `event` of it, for clients that resume.

        With `step`, a fan-out and the user id that it has come to, all of this happens only if the fan-out is still
        where it was, and moves it. None if somebody else moved it, or the notification is gone. With `conversation_id`,
        who has an unread record about that conversation gets no other.
        """
        ...

    async def start_fan_out(self, notification_id: int, now_ms: int) -> FanOut:
        """To all active users that there are now."""
        ...

    async def fan_out_page(self, fan_out: FanOut, limit: int) -> list[Recipient]:
        """The next active users, in the order of their ids."""
        ...

    async def fan_out(self, fan_out_id: int) -> FanOut | None: ...

    async def unfinished_fan_out(self) -> FanOut | None:
        """The oldest."""
        ...

    async def fan_outs(self, notification_id: int) -> list[FanOut]: ...

    async def delivery_counts(self, notification_id: int) -> dict[tuple[str, str], int]:
        """How many of its deliveries are in which state: by channel and state."""
        ...


class DeliveryStore(Protocol):
    """The outbox of notifications: what is pending stays until somebody settles it."""

    async def claim(self, channel: Channel, now_ms: int, until_ms: int, limit: int) -> list[DueDelivery]:
        """Takes on deliveries that are due, the longest due first: nobody else gets them before `until_ms`. Who neither
        settles them nor lives until then has lost them to the next."""
        ...

    async def settle(
        self, outcomes: Sequence[Outcome], until_ms: int, now_ms: int, told: Sequence[tuple[int, Event]] = ()
    ) -> None:
        """Those that were claimed with `until_ms` and are still the caller's. `told`, to users by id, is kept for
        clients that resume, in the same transaction."""
        ...

    async def dead_letters(self, *, offset: int, limit: int) -> tuple[list[DeadLetter], int]:
        """Newest first, and how many there are."""
        ...


class NotificationSender(Protocol):
    """Brings notifications to a person outside."""

    async def send(self, to: Recipient, items: Sequence[tuple[NotificationRecord, Notification]]) -> None:
        """All of them in one go. Unavailable: perhaps later. Any other refusal is for good."""
        ...


class ContactEdit(Protocol):
    """What two users are to each other, locked until the surrounding block ends. Reads see the changes made before."""

    single_id: int | None
    """Their single conversation, if there is one."""

    async def contact(self, user_id: int) -> Contact | None:
        """The row of one of the two about the other."""
        ...

    async def put(self, user_id: int, now_ms: int, **fields: Any) -> Contact:
        """Makes that row, or changes it."""
        ...

    async def drop(self, user_id: int) -> None: ...

    async def pending_from(self, user_id: int) -> FriendRequest | None:
        """The open request of one of the two to the other."""
        ...

    async def add_request(self, from_user_id: int, message: str, now_ms: int) -> FriendRequest: ...

    async def close_request(
        self, request: FriendRequest, status: RequestStatus, answer: str, now_ms: int
    ) -> FriendRequest: ...

    async def record(self, event: Event, only_for: int) -> None:
        """Keeps the event for that user's resuming clients, in the same transaction."""
        ...


class ContactStore(Protocol):
    """Friends, contacts, blocks and friend requests."""

    async def get(self, user_id: int, contact_id: int) -> Contact | None: ...

    async def list_for(self, user_id: int) -> list[ContactView]:
        """The user's rows, oldest first, each with the other's profile."""
        ...

    async def request(self, request_id: int) -> FriendRequest | None: ...

    async def requests_to(self, user_id: int) -> list[FriendRequestView]:
        """Newest first, of every status."""
        ...

    async def pending_to(self, user_id: int) -> int:
        """How many requests wait for the user's answer."""
        ...

    def edit(self, one_id: int, other_id: int) -> AbstractAsyncContextManager[ContactEdit]:
        """Locks the pair; commits when the block ends, rolls back when it raises. UserNotFound if one does not
        exist."""
        ...


class UserStore(Protocol):
    async def create(
        self,
        *,
        username: str,
        nickname: str,
        password_hash: str,
        now_ms: int,
        email: str | None = None,
        phone: str | None = None,
        avatar: str = "",
        is_admin: bool = False,
    ) -> User:
        """UsernameTaken, EmailTaken, PhoneTaken. User names and e-mail addresses are compared without case."""
        ...

    async def get(self, user_id: int) -> User | None: ...

    async def profiles(self, user_ids: Collection[int]) -> dict[int, Profile]:
        """Those that exist."""
        ...

    async def find(
        self, *, username: str | None = None, email: str | None = None, phone: str | None = None
    ) -> User | None:
        """By exactly one of the three."""
        ...

    async def password_hash(self, user_id: int) -> str | None: ...

    async def search(self, keyword: str, limit: int) -> list[User]:
        """Active users whose user name or nickname contains the keyword, literally and without case; by id."""
        ...

    async def update(self, user_id: int, **fields: Any) -> User:
        """UserNotFound, EmailTaken, PhoneTaken. `password_hash` may be among the fields."""
        ...

    async def administrators(self) -> list[User]: ...

    async def seen(self, times_ms: Mapping[int, int]) -> None:
        """Records when users were last seen, in one transaction."""
        ...


class LoginStore(Protocol):
    """Token families. A rotation or revocation that returned is durable."""

    async def create(self, login: Login) -> None: ...

    async def get(self, login_id: str) -> Login | None: ...

    async def rotate(self, login_id: str, old_refresh_id: str, new_refresh_id: str, expires_at_ms: int) -> bool:
        """Replaces the refresh token if `old_refresh_id` is the one that works and the login is not revoked;
        atomic, so of two concurrent rotations one fails."""
        ...

    async def revoke(self, login_ids: Collection[str], now_ms: int) -> None: ...

    async def alive(self, user_id: int) -> list[str]:
        """Logins of the user that are not revoked."""
        ...

    async def revoked_since(self, since_ms: int) -> list[tuple[str, int]]:
        """Logins revoked since then, and when."""
        ...


class FileAccess(msgspec.Struct, frozen=True, gc=False):
    """A file and what it is to one user. `is_held`: a message that is not recalled or deleted carries it; `is_seen`:
    the user sees such a message."""

    file: StoredFile
    is_held: bool
    is_seen: bool


class FileStore(Protocol):
    """Rows of files. A row names a blob that is stored already, so a power cut leaves blobs without rows at worst."""

    async def create(self, file: StoredFile, quota_bytes: int) -> StoredFile | None:
        """Stores the row (its `id` is given by the store). With an empty `blob` it shares those of a row with equal
        bytes; None if there is none, and then nothing was stored. Atomic: rows of one user created in parallel, by
        whatever processes, never sum up to more than `quota_bytes` (0 is no limit): QuotaExceeded. A shared blob is
        not one that a concurrent `delete` hands out."""
        ...

    async def access(self, file_id: str, user_id: int) -> FileAccess | None:
        """Also one that has expired."""
        ...

    async def used_bytes(self, uploader_id: int) -> int: ...

    async def list_for(self, uploader_id: int, now_ms: int, *, offset: int, limit: int) -> tuple[list[StoredFile], int]:
        """The user's files that have not expired or are held, newest first, and how many there are."""
        ...

    async def count_download(self, file: StoredFile) -> None: ...

    async def delete(self, file: StoredFile) -> list[str]:
        """Deletes the row, if it is there; answers the blobs that no row names any more, nor ever will."""
        ...

    async def delete_expired(self, now_ms: int, limit: int) -> tuple[int, list[str]]:
        """`delete` for at most `limit` files that have expired and are not held; how many they were, and blobs."""
        ...

    async def unreferenced(self, blobs: Collection[str]) -> list[str]:
        """Those of the blobs that no row names."""
        ...

    async def claim_cleaning(self, now_ms: int, until_ms: int) -> bool:
        """True for one of all processes that ask; the others get False until `until_ms`."""
        ...


class Digest(msgspec.Struct, frozen=True, gc=False):
    """Of bytes that were received. `head` is their beginning, at most `file_types.HEAD_BYTES`."""

    sha256: str
    md5: str
    size: int
    head: bytes


class Incoming(Protocol):
    """Bytes on their way into a blob store, in a local temporary file."""

    @property
    def path(self) -> str:
        """The temporary file, for those who must read it before it is stored."""
        ...

    @property
    def size(self) -> int: ...

    async def write(self, chunk: bytes) -> None: ...

    async def digest(self) -> Digest:
        """Nothing is written after it."""
        ...

    async def store(self, key: str) -> None:
        """Makes the bytes a blob; when this returns it survives a power cut. Once, after `digest`."""
        ...


class BlobStore(Protocol):
    """Immutable byte strings by key (hexadecimal digits, dashes). Memory does not grow with their size, and disks are
    not waited for on the event loop. A blob is there whole or not at all."""

    def incoming(self) -> AbstractAsyncContextManager[Incoming]:
        """What is not stored when the block ends leaves nothing behind."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """A small one; durable when this returns."""
        ...

    async def size(self, key: str) -> int | None:
        """In bytes; None if there is no such blob."""
        ...

    def read(self, key: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to `stop`, in chunks. FileNotFound before the first one, if it is missing."""
        ...

    async def delete(self, keys: Collection[str]) -> None:
        """Those that are missing are no error."""
        ...

    def stored_before(self, time_ms: int) -> AsyncIterator[str]:
        """The keys of blobs that were stored before a time."""
        ...

    async def discard_unfinished(self, time_ms: int) -> int:
        """Removes temporary files that nobody has written to since then; how many they were."""
        ...


class Thumbnails(Protocol):
    async def make(self, path: str) -> bytes | None:
        """A small WebP of the image in a file; None if it cannot be decoded in reasonable time and memory. TooLarge if
        its header announces more pixels than are accepted; then nothing was decoded."""
        ...


class Missed(msgspec.Struct, frozen=True):
    """What a resuming client has not seen: messages (ascending seq within a conversation) and then other events,
    in order. A client that applies them twice is where it was. `position` covers them."""

    messages: Sequence[Message]
    events: Sequence[Event]
    position: str


EVERYBODY: Final = 0
"""The `conversation_id` of recorded events that are for all users."""


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """An event that is kept for resuming clients: of a conversation's members, of one user, or of everybody."""

    event: Event
    conversation_id: int | None
    only_for: int | None


class News(msgspec.Struct, frozen=True):
    """What was committed on the whole server: messages in the order of their ids, recorded events in their order, and
    read marks (a `ReceiptMarked` for each reader of a conversation). `position` covers them."""

    messages: Sequence[Message]
    events: Sequence[Recorded]
    position: str


class SyncStore(Protocol):
    """Resume. A position is an opaque string that names a moment of the store: all that was committed before it, by any
    process, and nothing that may still be committed or rolled back."""

    async def epoch(self) -> str:
        """Changes when the database is restored from a backup: positions of another epoch mean nothing."""
        ...

    async def position(self) -> str: ...

    async def missed(self, user_id: int, position: str, cursors: Mapping[int, int], limit: int) -> Missed | None:
        """What was committed after `position` in the user's conversations, without messages up to
        `cursors[conversation_id]` that the client has seen since. None if it cannot tell or if it is more than
        `limit` messages or events. The cost grows with the news, not with the number of conversations."""
        ...

    async def news(self, position: str, limit: int) -> News | None:
        """All that was committed after `position`, in whatever conversation: for a node that lost its bus. None if it
        cannot tell or if it is more than `limit` messages, changes or read marks."""
        ...


class Audience(msgspec.Struct, frozen=True, gc=False):
    """Whom an event is for: these users, but not `without` (somebody who need not hear of their own doing).
    `conversation_id` lets a bus send one id instead of a list of members between processes."""

    user_ids: Collection[int]
    conversation_id: int | None = None
    without: int | None = None


EventHandler = Callable[[Event, Audience, object | None], None]


MissedListener = Callable[[str | None, float], None]
"""`(since, for_s)`: events of other processes may not have arrived, those after the position `since` of the store
(None: the last that this process knows to be complete), and more may go missing in the next `for_s` seconds."""


class Publisher(Protocol):
    """The side of a bus that use cases see."""

    def publish(self, event: Event, audience: Audience, origin: object | None = None) -> None: ...


class Bus(Protocol):
    """Carries events to every process: those that change what a process remembers to all, those for sessions only to
    the ones that have sessions of the audience, there with the part of the audience that is there.

    Order: events published by one process are handled everywhere in the order of publishing. Delivery: once, while the
    processes and the way between them live; what may not have arrived is told to those who asked with `when_missed`,
    and then events may also come twice. Handlers of this process run before `publish` returns, which never waits.
    `origin` is a token of this process (the session that caused the event), None elsewhere.
    """

    @property
    def trouble(self) -> str | None:
        """Why events do not cross between processes now, in a sentence; None while they do."""
        ...

    def publish(self, event: Event, audience: Audience, origin: object | None = None) -> None: ...

    def publish_here(self, event: Event, audience: Audience) -> None:
        """Runs the handlers of this process alone."""
        ...

    def when_missed(self, listener: MissedListener) -> None: ...

    def complete_up_to(self, position: str) -> None:
        """All that was committed before this position of the store has been published or heard here. After trouble the
        other processes are told the last one, for events of this process may not have reached them."""
        ...

    def subscribe(self, handler: EventHandler) -> None: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def healthy(self) -> str | None:
        """None, or the sentence that says what is wrong; found out with a round trip."""
        ...


class PresenceDirectory(Protocol):
    """Which users have sessions, on all nodes. Reads are local and cost no round trip."""

    async def arriving(self, user_id: int) -> None:
        """A session of the user is about to be opened on this node. When this returns, the user's events come here:
        what is committed later cannot be missed, what was committed before can be read."""
        ...

    def connected(self, user_id: int) -> bool:
        """A session of the user was opened on this node. True if it is the user's first anywhere, and no other node
        still waits for the user to come back."""
        ...

    def disconnected(self, user_id: int) -> bool:
        """A session was closed on this node. True if it was the user's last anywhere: then this node is the one to tell
        of it, sooner or later, and calls `left` when it has."""
        ...

    def left(self, user_id: int) -> None:
        """The user has not come back to this node."""
        ...

    def when_lost(self, listener: Callable[[Collection[int]], None]) -> None:
        """`listener` gets users whose last session ended with a node that died. Of all nodes one is told, and it is the
        one to tell of it, as after `disconnected`."""
        ...

    def is_online(self, user_id: int) -> bool: ...

    def online(self) -> Iterable[int]: ...

    @property
    def session_count(self) -> int: ...


class RateLimiter(Protocol):
    async def hit(self, key: str, limit: int, window_s: float, cost: int = 1) -> float:
        """Counts `cost` against `key`. 0 if within `limit` per window, else the seconds to wait. A limit of 0 is
        off. A call with cost 0 only asks. A refused hit does not count."""
        ...

    async def refund(self, key: str, limit: int, window_s: float) -> None:
        """Takes back one hit that turned out not to count."""
        ...


class ShortCodes(Protocol):
    """Codes that are valid for minutes and work once, such as those that are sent to a phone."""

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        """Replaces an earlier code of the key, and forgets the tries that it had."""
        ...

    async def take(self, key: str, value: str, max_tries: int) -> bool:
        """True for the right value, once: of two concurrent calls one succeeds, and then the code is gone. It is gone
        as well after `max_tries` wrong ones, whoever tried."""
        ...


class CodeSender(Protocol):
    """Brings a login code to a phone."""

    async def send(self, phone: str, code: str, valid_s: int) -> None:
        """Unavailable if it cannot be sent now."""
        ...


class Timer(Protocol):
    def cancel(self) -> None: ...


class Scheduler(Protocol):
    def call_later(self, delay_s: float, callback: Callable[..., object], *args: object) -> Timer: ...


class Clock(Protocol):
    def now_ms(self) -> int: ...
