"""Places in the content of a message, for dialects that have no fields of their own for them."""

import re
from typing import Final

import orjson

from domain.errors import InvalidValue
from domain.model import Location

_PLACE: Final = re.compile(r"\s*(-?[0-9.]{1,20})\s*[,，]\s*(-?[0-9.]{1,20})\s*", re.ASCII)


def place_in(content: str) -> Location:
    """Of `{"latitude", "longitude", "address"?}` or `latitude,longitude`. InvalidValue."""
    match = _PLACE.fullmatch(content)
    if match is not None:
        return Location(match[1], match[2])
    try:
        value = orjson.loads(content)
        place = {name: str(value[name]) for name in ("latitude", "longitude")}
        address = value.get("address")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InvalidValue("content", "a location needs latitude and longitude") from error
    return Location(place["latitude"], place["longitude"], None if address is None else str(address))
