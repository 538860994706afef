"""Broadcasts, client events and the cascade in im (its older list): requests and shapes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import orjson
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from domain.broadcasts import MAX_CONTENT_CHARS, MAX_TITLE_CHARS
from domain.cascade import Outcome, UserRow
from domain.client_events import MAX_TYPE_CHARS
from domain.errors import DomainError, InvalidValue
from domain.records import Broadcast, ClientEvent, Priority, StreamInfo
from protocol.fields import Id, IsoTime, NotBlank, QueryId, QueryInt, RequestModel
from protocol.im.requests import PersonName, StandardId
from protocol.times import iso_time

Json = dict[str, Any]
MAX_USERS: Final = 1000
"""In one synchronisation."""

Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_CHARS), NotBlank]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT_CHARS), NotBlank]
EventType = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TYPE_CHARS), NotBlank]


def _encodable(data: Json) -> Json:
    try:
        orjson.dumps(data)
    except orjson.JSONEncodeError as error:
        raise ValueError("nested too deeply") from error
    return data


class BroadcastQuery(RequestModel):
    """im API 6.3."""

    message: Text
    broadcast_type: Title = "system"


class BroadcastCreate(RequestModel):
    title: Title
    content: Text
    priority: Annotated[Priority, Field(strict=False)] = Priority.NORMAL
    target_user_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)] | None = None


class PageQuery(RequestModel):
    page: Annotated[QueryInt, Field(ge=1, le=10_000)] = 1
    page_size: Annotated[QueryInt, Field(ge=1, le=100)] = 20

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size


class EventReport(RequestModel):
    event_type: EventType
    data: Annotated[Json, AfterValidator(_encodable)]
    occurred_at: IsoTime | None = None


class EventQuery(PageQuery):
    event_type: EventType | None = None
    user_id: QueryId | None = None
    start: IsoTime | None = None
    end: IsoTime | None = None


class UserSync(RequestModel):
    """A row of a synchronisation, which is refused on its own."""

    standard_id: StandardId
    name: PersonName
    is_active: bool = True


class UsersSync(RequestModel):
    users: Annotated[list[Any], Field(max_length=MAX_USERS)]

    def rows(self) -> list[UserRow | DomainError]:
        return [_row(each) for each in self.users]


def _row(given: Any) -> UserRow | DomainError:
    try:
        row = UserSync.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return InvalidValue(str(first["loc"][0]) if first["loc"] else "row", first["msg"])
    return UserRow(row.standard_id, row.name, row.is_active)


def broadcast(what: Broadcast) -> Json:
    return {
        "id": what.id,
        "title": what.title,
        "content": what.content,
        "priority": what.priority.value,
        "sender_id": what.sender_id,
        "created_at": iso_time(what.created_at_ms),
    }


def client_event(what: ClientEvent) -> Json:
    return {
        "id": what.id,
        "user_id": what.user_id,
        "event_type": what.event_type,
        "data": orjson.loads(what.data),
        "occurred_at": iso_time(what.occurred_at_ms),
        "created_at": iso_time(what.created_at_ms),
    }


def page(name: str, items: Sequence[Json], total: int, query: PageQuery) -> Json:
    return {name: items, "total": total, "page": query.page, "page_size": query.page_size}


def sync_outcome(outcome: Outcome, given: Sequence[Any]) -> Json:
    errors = [
        {"index": index, "standard_id": _standard_id(given[index]), "detail": str(error)}
        for index, error in outcome.errors.items()
    ]
    return {"created": outcome.created, "updated": outcome.updated, "errors": errors}


def _standard_id(given: Any) -> str | None:
    value = given.get("standard_id") if isinstance(given, Mapping) else None
    return value[:50] if isinstance(value, str) else None


def stream_info(info: StreamInfo | None) -> Json:
    if info is None:
        return {"enabled": False}
    return {
        "enabled": True,
        "type": "redis-streams",
        "url": info.url,
        "stream": info.stream,
        "length": info.length,
        "last_id": info.last_id,
        "consumer_groups": list(info.groups),
    }
