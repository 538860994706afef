"""Notifications in im (im API 9): requests and shapes. The integer id is the record's."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from domain.notification_sending import MAX_ACTION_URL_CHARS, MAX_CONTENT_CHARS, MAX_TITLE_CHARS, Sent, Wording
from domain.notification_templates import (
    MAX_CONTENT_TEMPLATE_CHARS,
    MAX_NAME_CHARS,
    MAX_PLACEHOLDER_CHARS,
    MAX_TITLE_TEMPLATE_CHARS,
    placeholders,
)
from domain.records import (
    Channel,
    EmailFrequency,
    NotificationKind,
    NotificationStats,
    NotificationTemplate,
    Priority,
    Recipient,
    RecordFilter,
    RecordView,
)
from protocol.fields import Id, Ids, IsoTime, NotBlank, QueryBool, QueryInt, RequestModel
from protocol.times import iso_time, iso_time_or_none

Json = dict[str, Any]
MAX_VARIABLES: Final = 100


def _plain(variables: dict[str, Any]) -> dict[str, Any]:
    """Checked as a whole: the place of a refusal inside would repeat the input."""
    if len(variables) > MAX_VARIABLES or not all(
        0 < len(name) <= MAX_PLACEHOLDER_CHARS and isinstance(value, (str, bool, int, float))
        for name, value in variables.items()
    ):
        raise ValueError(f"at most {MAX_VARIABLES} names of texts, numbers or booleans")
    return variables


Kind = Annotated[NotificationKind, Field(strict=False)]
KindFilter = Annotated[
    NotificationKind,
    Field(strict=False),
    WithJsonSchema({"type": "string", "enum": [kind.value for kind in NotificationKind]}),
]
Urgency = Annotated[Priority, Field(strict=False)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_CHARS), NotBlank]
Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT_CHARS), NotBlank]
ActionUrl = Annotated[str, StringConstraints(max_length=MAX_ACTION_URL_CHARS)]
Channels = Annotated[list[Annotated[Channel, Field(strict=False)]], Field(min_length=1, max_length=3)]
Variables = Annotated[
    dict[str, Any],
    AfterValidator(_plain),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
]
TemplateName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS), NotBlank]
TitleTemplate = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_TEMPLATE_CHARS), NotBlank]
ContentTemplate = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT_TEMPLATE_CHARS), NotBlank]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Page(RequestModel):
    page: Annotated[QueryInt, Field(ge=1)] = 1
    size: Annotated[QueryInt, Field(ge=1, le=100)] = 20

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size


class NotificationQuery(Page):
    """im API 9.1."""

    unread_only: QueryBool = False
    notification_type: KindFilter | None = None

    def filter(self) -> RecordFilter:
        return RecordFilter(is_read=False if self.unread_only else None, kind=self.notification_type)


class _Wording(RequestModel):
    """What 9.2 and 9.7 have in common. `template_id` with `variables` may take the place of title and content."""

    title: Title | None = None
    content: Content | None = None
    type: Kind | None = None
    priority: Urgency = Priority.NORMAL
    channels: Channels | None = None
    action_url: ActionUrl | None = None
    scheduled_at: IsoTime | None = None
    expires_at: IsoTime | None = None
    template_id: Id | None = None
    variables: Variables | None = None

    def missing(self) -> list[str]:
        """The fields that must be there without a template."""
        if self.template_id is not None:
            return []
        return [name for name in ("title", "content") if getattr(self, name) is None]

    def wording(self) -> Wording:
        return Wording(
            kind=self.type,
            title=self.title,
            content=self.content,
            template_id=self.template_id,
            variables=self.variables or {},
        )

    def fields(self) -> Json:
        """The rest of a notification."""
        fields: Json = {
            "priority": self.priority,
            "action_url": self.action_url,
            "scheduled_at_ms": self.scheduled_at,
            "expires_at_ms": self.expires_at,
        }
        if self.channels is not None:
            fields["channels"] = tuple(dict.fromkeys(self.channels))
        return fields


class NotificationCreate(_Wording):
    """im API 9.2. Without `user_id` it is for oneself."""

    user_id: Id | None = None


class NotificationSend(_Wording):
    """im API 9.7."""

    user_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]


class NotificationUpdate(RequestModel):
    """im API 9.5. What is left out stays; a null clears a URL or a time. `status` is the reader's own."""

    title: Title | None = None
    content: Content | None = None
    type: Kind | None = None
    priority: Urgency | None = None
    action_url: ActionUrl | None = None
    scheduled_at: IsoTime | None = None
    expires_at: IsoTime | None = None
    status: Literal["read", "unread"] | None = None

    def content_changes(self) -> Json:
        return content_changes(self, {"type": "kind", "scheduled_at": "scheduled_at_ms", "expires_at": "expires_at_ms"})


def content_changes(body: RequestModel, names: Mapping[str, str]) -> Json:
    """The fields of a notification to set; `names` are those that are called otherwise in it."""
    clearable = {"action_url", "scheduled_at", "expires_at"}
    given = {name: getattr(body, name) for name in body.model_fields_set if name != "status"}
    return {names.get(name, name): value for name, value in given.items() if value is not None or name in clearable}


class MarkNotifications(RequestModel):
    """im API 9.8."""

    notification_ids: Ids


class BatchAction(RequestModel):
    """im API 9.9."""

    notification_ids: Ids
    action: Literal["mark_read", "mark_unread", "delete"]


class PreferencesUpdate(RequestModel):
    """im API 9.11. What is left out stays; a null ends the quiet hours. `system_enabled` and `time_zone` are extras."""

    message_enabled: bool | None = None
    group_message_enabled: bool | None = None
    system_enabled: bool | None = None
    websocket_enabled: bool | None = None
    email_enabled: bool | None = None
    push_enabled: bool | None = None
    do_not_disturb: bool | None = None
    quiet_hours_start: TimeOfDay | None = None
    quiet_hours_end: TimeOfDay | None = None
    email_frequency: Annotated[EmailFrequency, Field(strict=False)] | None = None
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None

    def changes(self) -> Json:
        clearable = {"quiet_hours_start", "quiet_hours_end"}
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in given.items() if value is not None or name in clearable}


class TemplateQuery(Page):
    """im API 9.12."""

    notification_type: KindFilter | None = None
    active_only: QueryBool = False


class TemplateCreate(RequestModel):
    """im API 9.13."""

    name: TemplateName
    type: Kind
    title_template: TitleTemplate
    content_template: ContentTemplate
    is_active: bool = True

    def fields(self) -> Json:
        return _template_fields(self)


class TemplateUpdate(RequestModel):
    """im API 9.15."""

    name: TemplateName | None = None
    type: Kind | None = None
    title_template: TitleTemplate | None = None
    content_template: ContentTemplate | None = None
    is_active: bool | None = None

    def fields(self) -> Json:
        return {name: value for name, value in _template_fields(self).items() if value is not None}


def _template_fields(body: TemplateCreate | TemplateUpdate) -> Json:
    return {"kind" if name == "type" else name: value for name, value in body}


def notification(view: RecordView) -> Json:
    """im API 9.1; what follows `created_at` are extras."""
    record, content = view.record, view.notification
    return {
        "id": record.id,
        "title": content.title,
        "content": content.content,
        "type": content.kind.value,
        "status": "read" if record.is_read else "unread",
        "priority": content.priority.value,
        "created_at": iso_time(record.created_at_ms),
        "user_id": record.user_id,
        "channels": [channel.value for channel in content.channels],
        "action_url": content.action_url,
        "scheduled_at": iso_time_or_none(content.scheduled_at_ms),
        "expires_at": iso_time_or_none(content.expires_at_ms),
        "read_at": iso_time_or_none(record.read_at_ms),
        "updated_at": iso_time(content.updated_at_ms),
    }


def notifications(found: Sequence[RecordView], total: int, unread: int, query: Page) -> Json:
    """im API 9.1."""
    return {
        "notifications": [notification(view) for view in found],
        "total": total,
        "unread_count": unread,
        "page": query.page,
        "size": query.size,
    }


def stats(what: NotificationStats) -> Json:
    """im API 9.3."""
    return {
        "total_notifications": what.total,
        "unread_count": what.unread,
        "read_count": what.total - what.unread,
        "by_type": {kind.value: count for kind, count in what.by_kind.items()},
        "by_priority": {priority.value: count for priority, count in what.by_priority.items()},
    }


def sent(what: Sent) -> Json:
    """im API 9.7. An error names its user."""
    return {
        "total_sent": len(what.records) + len(what.unknown),
        "successful": len(what.records),
        "failed": len(what.unknown),
        "notification_ids": [record.id for record in what.records],
        "errors": [{"user_id": user_id, "detail": "no such user"} for user_id in what.unknown],
    }


def preferences(of: Recipient) -> Json:
    """im API 9.10; the last two fields are extras. There is one set for each user, with the user's id."""
    what = of.preferences
    return {
        "id": of.user_id,
        "user_id": of.user_id,
        "message_enabled": what.message_enabled,
        "group_message_enabled": what.group_message_enabled,
        "websocket_enabled": what.websocket_enabled,
        "email_enabled": what.email_enabled,
        "push_enabled": what.push_enabled,
        "do_not_disturb": what.do_not_disturb,
        "quiet_hours_start": what.quiet_hours_start,
        "quiet_hours_end": what.quiet_hours_end,
        "email_frequency": what.email_frequency.value,
        "system_enabled": what.system_enabled,
        "time_zone": of.time_zone,
    }


def template(what: NotificationTemplate) -> Json:
    """im API 9.14."""
    return {
        "id": what.id,
        "name": what.name,
        "type": what.kind.value,
        "title_template": what.title_template,
        "content_template": what.content_template,
        "is_active": what.is_active,
        "variables": sorted(placeholders(what.title_template) | placeholders(what.content_template)),
        "created_at": iso_time(what.created_at_ms),
        "updated_at": iso_time(what.updated_at_ms),
    }


def templates(found: Sequence[NotificationTemplate], total: int, query: Page) -> Json:
    """im API 9.12."""
    return {
        "templates": [template(each) for each in found],
        "total": total,
        "page": query.page,
        "size": query.size,
    }
