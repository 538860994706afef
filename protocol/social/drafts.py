"""From a message as social's clients send it, over REST or a socket, to a draft."""

from domain.model import Draft, Location, MessageKind
from protocol.places import place_in
from protocol.social.requests import ChatSend


def draft_of(body: ChatSend, conversation_id: int, sender_id: int) -> Draft:
    """InvalidValue: a location without a place."""
    return Draft(
        conversation_id=conversation_id,
        sender_id=sender_id,
        kind=body.kind,
        content=body.content,
        client_msg_id=body.client_msg_id,
        attachment=_place_of(body) if body.kind is MessageKind.LOCATION else None,
        file_id=body.file_id,
    )


def _place_of(body: ChatSend) -> Location:
    if body.latitude is not None and body.longitude is not None:
        return Location(body.latitude, body.longitude, body.address)
    return place_in(body.content)
