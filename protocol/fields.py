"""Types of request fields that every dialect's pydantic models share: strict where JSON is loose.

Body fields take JSON values of exactly their type: an id is a JSON integer, never `true`, `1.0`, `"1"` or
`"１"`. Query fields
arrive as text and take decimal ASCII digits only.
"""

import re
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from domain.model import MAX_ID
from domain.passwords import MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS
from protocol.times import parse_iso_time

_INTEGER = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}

MAX_OFFSET: Final = 100_000
"""How deep a listing may be skipped into; beyond it a cursor or a search is the tool."""


class RequestModel(BaseModel):
    """Base of all request models. Unknown fields are ignored: what is not declared cannot be assigned."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


def _integer_text(value: Any) -> Any:
    if isinstance(value, str):
        if _INTEGER.fullmatch(value) is None:
            raise ValueError("must be decimal digits")
        return int(value)
    return value


def _boolean_text(value: Any) -> Any:
    if isinstance(value, str):
        if value.lower() not in _BOOLEANS:
            raise ValueError("must be true or false")
        return _BOOLEANS[value.lower()]
    return value


def _fits_bcrypt(password: str) -> str:
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise ValueError(f"at most {MAX_PASSWORD_BYTES} bytes in UTF-8")
    return password


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _iso_time(value: Any) -> Any:
    if isinstance(value, str):
        return parse_iso_time(value)
    raise ValueError("must be an ISO 8601 time")


Id = Annotated[int, Field(ge=1, le=MAX_ID)]
Ids = Annotated[list[Id], Field(max_length=1000)]
QueryInt = Annotated[int, BeforeValidator(_integer_text)]
QueryId = Annotated[Id, BeforeValidator(_integer_text)]
QueryBool = Annotated[bool, BeforeValidator(_boolean_text)]
Offset = Annotated[QueryInt, Field(ge=0, le=MAX_OFFSET)]
NotBlank = AfterValidator(_not_blank)
Password = Annotated[str, StringConstraints(min_length=MIN_PASSWORD_CHARS), AfterValidator(_fits_bcrypt)]
"""A new password: 6 characters to 72 bytes."""
GivenPassword = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
"""A password that is compared: whatever it is, it is only right or wrong."""
IsoTime = Annotated[int, BeforeValidator(_iso_time), WithJsonSchema({"type": "string", "format": "date-time"})]
"""ISO 8601 text on the wire, milliseconds since the Unix epoch in the model."""
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+$"),
]
"""Has a local part, an `@` and a dotted domain; only a message that arrives proves more."""
Url = Annotated[str, StringConstraints(max_length=1024, pattern=r"^https?://[^\s\x00-\x1f/?#]+[^\s\x00-\x1f]*$")]
"""Absolute, http or https."""
ClientMsgId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
