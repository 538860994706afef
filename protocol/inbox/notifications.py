"""Notifications in inbox (inbox API, 站内信): requests and shapes. Ids are UUIDs."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from domain.notification_sending import MAX_ACTION_URL_CHARS, MAX_CONTENT_CHARS, MAX_TITLE_CHARS, Wording
from domain.records import (
    DeadLetter,
    FanOut,
    NotificationKind,
    NotificationView,
    Priority,
    RecordFilter,
    RecordView,
)
from protocol.fields import IsoTime, NotBlank, QueryBool, QueryInt, RequestModel
from protocol.times import iso_time, iso_time_or_none

Json = dict[str, Any]

_PRIORITIES: Final = (Priority.NORMAL, Priority.HIGH, Priority.URGENT)
_NUMBERS: Final = {Priority.LOW: 0} | {priority: number for number, priority in enumerate(_PRIORITIES)}


def _uuid(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be a UUID")
    return str(UUID(value))


Uuid = Annotated[str, BeforeValidator(_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]
Kind = Annotated[NotificationKind, Field(strict=False)]
KindFilter = Annotated[
    NotificationKind,
    Field(strict=False),
    WithJsonSchema({"type": "string", "enum": [kind.value for kind in NotificationKind]}),
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_CHARS), NotBlank]
Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT_CHARS), NotBlank]
ActionUrl = Annotated[str, StringConstraints(max_length=MAX_ACTION_URL_CHARS)]
PriorityNumber = Annotated[int, Field(ge=0, le=2)]
MAX_USERS: Final = 1000


class NotificationQuery(RequestModel):
    """inbox API, user 1."""

    is_read: QueryBool | None = None
    notification_type: KindFilter | None = None
    page: Annotated[QueryInt, Field(ge=1)] = 1
    page_size: Annotated[QueryInt, Field(ge=1, le=100)] = 20

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size

    def filter(self) -> RecordFilter:
        return RecordFilter(is_read=self.is_read, kind=self.notification_type)


class ContentCreate(RequestModel):
    """inbox API, administration 1."""

    type: Kind
    title: Title
    content: Content
    action_url: ActionUrl | None = None
    priority: PriorityNumber = 0
    expires_at: IsoTime | None = None

    def wording(self) -> Wording:
        return Wording(kind=self.type, title=self.title, content=self.content)

    def fields(self) -> Json:
        return {
            "action_url": self.action_url,
            "priority": _PRIORITIES[self.priority],
            "expires_at_ms": self.expires_at,
        }


class ContentQuery(RequestModel):
    """inbox API, administration 2."""

    skip: Annotated[QueryInt, Field(ge=0)] = 0
    limit: Annotated[QueryInt, Field(ge=1, le=100)] = 20


class ContentUpdate(RequestModel):
    """inbox API, administration 4. What is left out stays; a null clears the URL or the expiry."""

    type: Kind | None = None
    title: Title | None = None
    content: Content | None = None
    action_url: ActionUrl | None = None
    priority: PriorityNumber | None = None
    expires_at: IsoTime | None = None

    def changes(self) -> Json:
        names = {"type": "kind", "expires_at": "expires_at_ms"}
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if self.priority is not None:
            given["priority"] = _PRIORITIES[self.priority]
        clearable = {"action_url", "expires_at"}
        return {names.get(name, name): value for name, value in given.items() if value is not None or name in clearable}


class ContentSend(RequestModel):
    """inbox API, administration 6. Whatever `user_ids` are, they are ignored with `send_to_all`."""

    user_ids: Annotated[list[Uuid], Field(max_length=MAX_USERS)] = Field(default_factory=list)
    send_to_all: bool = False

    @model_validator(mode="before")
    @classmethod
    def _to_all(cls, given: Any) -> Any:
        return {"send_to_all": True} if given.get("send_to_all") is True else given


def content(view: NotificationView | RecordView) -> Json:
    """inbox API, administration 1."""
    what = view.notification
    return {
        "id": what.uuid,
        "type": what.kind.value,
        "title": what.title,
        "content": what.content,
        "action_url": what.action_url,
        "priority": _NUMBERS[what.priority],
        "created_by": view.creator_uuid,
        "created_at": iso_time(what.created_at_ms),
        "expires_at": iso_time_or_none(what.expires_at_ms),
    }


def contents(found: Sequence[NotificationView], total: int) -> Json:
    """inbox API, administration 2."""
    return {"total": total, "items": [content(view) for view in found]}


def record(view: RecordView) -> Json:
    """inbox API, user 3."""
    return {
        "id": view.record.uuid,
        "notification": content(view),
        "is_read": view.record.is_read,
        "read_at": iso_time_or_none(view.record.read_at_ms),
        "created_at": iso_time(view.record.created_at_ms),
    }


def records(found: Sequence[RecordView], total: int, unread: int) -> Json:
    """inbox API, user 1."""
    return {"total": total, "unread_count": unread, "items": [record(view) for view in found]}


def sent(count: int, unknown: Sequence[str]) -> Json:
    """inbox API, administration 6; `errors` is an extra."""
    return {
        "message": f"成功发送给 {count} 个用户",
        "errors": [{"user_id": each, "detail": "no such user"} for each in unknown],
    }


def fanned_out(fan_out: FanOut) -> Json:
    """inbox API, administration 6, to everybody. What takes long goes on afterwards."""
    if fan_out.is_done:
        return sent(fan_out.sent, ())
    return {"message": f"正在发送给 {fan_out.total} 个用户，已发送 {fan_out.sent} 个", "errors": []}


def dead_letters(found: Sequence[DeadLetter], total: int) -> Json:
    """Deliveries that were given up, newest first."""
    return {
        "total": total,
        "items": [
            {
                "id": each.id,
                "channel": each.channel.value,
                "tries": each.tries,
                "error": each.error or "",
                "failed_at": iso_time(each.failed_at_ms),
                "notification_id": each.notification_uuid,
                "user_id": each.user_uuid,
            }
            for each in found
        ],
    }


def progress(fan_outs: Sequence[FanOut], deliveries: Mapping[tuple[str, str], int]) -> Json:
    """How far sending to everybody has come, and what became of the deliveries, by channel."""
    channels: dict[str, dict[str, int]] = {}
    for (channel, state), count in sorted(deliveries.items()):
        channels.setdefault(channel, {})[state] = count
    return {
        "send_to_all": [
            {
                "total": each.total,
                "sent": each.sent,
                "is_done": each.is_done,
                "created_at": iso_time(each.created_at_ms),
            }
            for each in fan_outs
        ],
        "deliveries": channels,
    }
