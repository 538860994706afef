"""What the domain asks of the stores of notifications, templates and deliveries, and of what sends them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from domain.events import Event, GroupNoted
from domain.records import (
    Channel,
    DeadLetter,
    DueDelivery,
    FanOut,
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
)


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

    async def delete(self, user_id: int, record_ids: Collection[int], now_ms: int) -> int:
        """The user's own among these; how many were there: of several who delete one at once, one does it. What is
        still to be delivered of them is not."""
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
    ) -> list[NotificationRecord] | None:
        """A record and its deliveries for each user (by id) who has no record of it yet; those records. With an id of 0
        the notification is added first. What is delivered at once is kept, as `event` of it, for clients that resume.
        None if the notification is gone.
        """
        ...

    async def start_fan_out(self, notification_id: int, now_ms: int) -> FanOut:
        """To all active users that there are now."""
        ...

    async def advance(
        self,
        fan_out_id: int,
        limit: int,
        now_ms: int,
        plan: Callable[[Notification, Sequence[Recipient]], Mapping[int, Sequence[PlannedDelivery]]],
        event: Callable[[Notification, NotificationRecord], Event],
    ) -> tuple[FanOut, Notification, list[NotificationRecord]] | None:
        """Sends it, as `send`, to those whom `plan` names of the next active users, in the order of their ids, and
        moves the fan-out, in one transaction. As far as it has come then. None if it is done or gone, or another
        process is just doing this. `plan` may be called in a thread, and again if the transaction is tried again."""
        ...

    async def fan_out(self, fan_out_id: int) -> FanOut | None: ...

    async def unfinished_fan_out(self) -> FanOut | None:
        """The oldest."""
        ...

    async def fan_outs(self, notification_id: int) -> list[FanOut]: ...

    async def delivery_counts(self, notification_id: int) -> dict[tuple[str, str], int]:
        """How many of its deliveries are in which state: by channel and state."""
        ...


class Spoken(msgspec.Struct, frozen=True):
    """A conversation in which somebody spoke: of each sender the newest seq, and the members who have not muted it and
    whom no unread record tells of it, each with what they have read."""

    conversation_id: int
    is_group: bool
    senders: Mapping[int, int]
    waiting: Sequence[tuple[int, int]]


class Happened(msgspec.Struct, frozen=True):
    """What was committed since a position and may be worth a notification. `events` were recorded for a user, or for
    everybody (None); `notices` have their recipients with them."""

    since: str
    position: str
    spoken: Sequence[Spoken]
    events: Sequence[tuple[Event, int | None]]
    notices: Sequence[tuple[GroupNoted, Sequence[int]]]
    cause_ids: Sequence[int]
    """The store's, of the events."""
    is_all: bool
    """Whether there was nothing more."""


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """A new notification with the deliveries to each of its recipients. About a conversation: to those who have no
    unread record about it. `up_to_user_id`: everybody up to this user is sent it, in time."""

    notification: Notification
    planned: Mapping[int, Sequence[PlannedDelivery]] = {}
    conversation_id: int | None = None
    up_to_user_id: int = 0


class NotificationFeed(Protocol):
    """What happened, from the database: nothing that was committed is missed, and each thing is settled once, by one of
    all processes. The first start begins with what is committed from then on."""

    async def next(self, now_ms: int) -> Happened | None:
        """What comes next, None if there is nothing. Records about conversations that their users have read since are
        read then."""
        ...

    async def tell(
        self,
        happened: Happened,
        dispatches: Sequence[Dispatch],
        now_ms: int,
        event: Callable[[Notification, NotificationRecord], Event],
        *,
        is_settled: bool,
    ) -> list[tuple[Notification, NotificationRecord]] | None:
        """Sends the dispatches, and with `is_settled` moves the position, in one transaction. The records that were
        made; None, and nothing is done, if another process was first."""
        ...

    async def newest_user_id(self, at_ms: int) -> int:
        """The last user who was there at that time; 0 if there was none."""
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
