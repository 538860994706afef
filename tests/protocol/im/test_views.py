"""im's shapes, field by field."""

from typing import Any

from domain.model import Location, Message, MessageKind, Profile
from protocol.im import views

NOW_MS = 1_736_337_600_000


def message(**fields: Any) -> Message:
    defaults: dict[str, Any] = {"id": 1, "conversation_id": 1, "seq": 1, "sender_id": 1}
    return Message(**(defaults | fields), created_at_ms=NOW_MS, updated_at_ms=NOW_MS)


def test_messages_have_the_documented_fields() -> None:
    shown = views.message(message(content="Hello, world!", reply_to_id=10), Profile(1, "user123", "用户名"))
    assert shown == {
        "id": 1,
        "conversation_id": 1,
        "sender_id": 1,
        "message_type": "text",
        "content": "Hello, world!",
        "status": "sent",
        "reply_to_id": 10,
        "created_at": "2025-01-08T12:00:00Z",
        "updated_at": "2025-01-08T12:00:00Z",
        "sender_name": "用户名",
        "sender_standard_id": "user123",
        "seq": 1,
        "client_msg_id": None,
        "is_silent": False,
    }


def test_location_messages_show_the_place() -> None:
    place = Location("39.9042", "116.4074", "北京市朝阳区")
    shown = views.message(message(kind=MessageKind.LOCATION, attachment=place), None)
    assert (shown["message_type"], shown["latitude"], shown["longitude"], shown["address"]) == (
        "location",
        "39.9042",
        "116.4074",
        "北京市朝阳区",
    )


def test_page_number_follows_from_skip() -> None:
    assert views.conversation_list([], 0, skip=40, limit=20)["page"] == 3
