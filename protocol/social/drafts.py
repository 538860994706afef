"""From a message as social's clients send it, over REST or a socket, to a draft."""

import re
from typing import Final

import orjson

from domain.errors import InvalidValue
from domain.model import Draft, Location, MessageKind
from protocol.social.requests import ChatSend

_PLACE: Final = re.compile(r"\s*(-?[0-9.]{1,20})\s*[,，]\s*(-?[0-9.]{1,20})\s*", re.ASCII)


def draft_of(body: ChatSend, conversation_id: int, sender_id: int) -> Draft:
    """InvalidValue: a location without a place."""
    return Draft(
        conversation_id=conversation_id,
        sender_id=sender_id,
        kind=body.kind,
        content=body.content,
        client_msg_id=body.client_msg_id,
        attachment=_place_of(body) if body.kind is MessageKind.LOCATION else None,
    )


def _place_of(body: ChatSend) -> Location:
    """From its own fields, or from the content: `{"latitude", "longitude", "address"?}` or `latitude,longitude`."""
    if body.latitude is not None and body.longitude is not None:
        return Location(body.latitude, body.longitude, body.address)
    match = _PLACE.fullmatch(body.content)
    if match is not None:
        return Location(match[1], match[2], body.address)
    try:
        value = orjson.loads(body.content)
        place = {name: str(value[name]) for name in ("latitude", "longitude")}
        address = value.get("address", body.address)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InvalidValue("content", "a location needs latitude and longitude") from error
    return Location(place["latitude"], place["longitude"], None if address is None else str(address))
