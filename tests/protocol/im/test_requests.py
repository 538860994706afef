"""im's request models: strict where JSON is loose, and nothing undeclared gets in."""

from typing import Any

import pytest
from pydantic import ValidationError

from protocol.im import requests


@pytest.mark.parametrize("value", [0, -1, 2**53, 2**64, 1.0, True, "1", "１", None, [1], {}])
def test_ids_are_json_integers_in_range(value: Any) -> None:
    with pytest.raises(ValidationError):
        requests.SingleCreate.model_validate({"target_user_id": value})


@pytest.mark.parametrize("value", [1, 2**53 - 1])
def test_ids_reach_the_largest_exact_integer(value: int) -> None:
    assert requests.SingleCreate.model_validate({"target_user_id": value}).target_user_id == value


@pytest.mark.parametrize(
    ("password", "fits"),
    [
        ("12345", False),
        ("123456", True),
        ("x" * 72, True),
        ("x" * 73, False),
        ("密" * 24, True),
        ("密" * 25, False),
        (123456, False),
    ],
)
def test_password_limits_count_bytes(password: Any, fits: bool) -> None:
    fields = {"standard_id": "alice", "name": "Alice", "password": password}
    if fits:
        assert requests.UserCreate.model_validate(fields).password == password
    else:
        with pytest.raises(ValidationError):
            requests.UserCreate.model_validate(fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("standard_id", ""),
        ("standard_id", "x" * 21),
        ("standard_id", "   "),
        ("name", ""),
        ("name", "x" * 101),
    ],
)
def test_user_field_lengths(field: str, value: str) -> None:
    fields = {"standard_id": "alice", "name": "Alice", "password": "secret123"}
    with pytest.raises(ValidationError):
        requests.UserCreate.model_validate(fields | {field: value})


def test_undeclared_fields_are_ignored() -> None:
    fields = {"standard_id": "alice", "name": "Alice", "password": "secret123", "is_admin": True, "id": 1}
    assert requests.UserCreate.model_validate(fields).model_dump().keys() == {
        "standard_id",
        "name",
        "password",
    }


@pytest.mark.parametrize("value", ["１", "1_0", "+1", " 1", "1.0", "0x1", "1e1", "", "9" * 17, "-1", "0", "51"])
def test_query_integers_are_decimal_ascii_in_range(value: str) -> None:
    with pytest.raises(ValidationError):
        requests.UserSearch.model_validate({"limit": value})


def test_only_given_fields_change_a_conversation() -> None:
    update = requests.ConversationUpdate.model_validate({"description": None, "name": None, "allow_invite": False})
    assert update.changes() == {"description": None, "allow_invite": False}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"muted_until": None}, 0),
        ({"muted_until": "2025-01-10T10:00:00Z"}, 1_736_503_200_000),
        ({"muted_until": "2025-01-10T18:00:00+08:00"}, 1_736_503_200_000),
        ({"muted_until": "2025-01-10T10:00:00"}, 1_736_503_200_000),
    ],
)
def test_mute_times(fields: dict[str, Any], expected: int | None) -> None:
    assert requests.MemberUpdate.model_validate(fields).mute() == expected


@pytest.mark.parametrize(
    "value",
    [
        "tomorrow",
        1_736_503_200,
        "",
        "2025-13-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_refused_times(value: Any) -> None:
    with pytest.raises(ValidationError):
        requests.MemberUpdate.model_validate({"muted_until": value})


@pytest.mark.parametrize("value", ["yes", 1, "true", None])
def test_booleans_are_json_booleans(value: Any) -> None:
    with pytest.raises(ValidationError):
        requests.TypingSet.model_validate({"conversation_id": 1, "is_typing": value})
