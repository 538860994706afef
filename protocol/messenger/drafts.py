"""From a message as messenger's clients send it, over REST or a socket, to a draft."""

from domain.model import Attachment, Draft, FileRef, MessageKind
from protocol.messenger.requests import KINDS, MessageSend
from protocol.messenger.views import FILES_PATH
from protocol.places import place_in


def draft_of(body: MessageSend, chat_id: int, sender_id: int) -> Draft:
    """InvalidValue: a location without a place."""
    kind = KINDS[body.type]
    file_id = body.file_id or _file_id_in(body.file_url)
    attachment: Attachment | None = None
    if kind is MessageKind.LOCATION:
        attachment = place_in(body.content)
    elif body.file_url and body.forward_from is None and file_id is None:
        attachment = FileRef(0, "", body.file_name, body.file_url, body.file_size, "", body.thumbnail)
    return Draft(
        conversation_id=chat_id,
        sender_id=sender_id,
        kind=kind,
        content=body.content,
        client_msg_id=body.client_msg_id,
        reply_to_id=body.reply_to_id,
        forward_from_id=body.forward_from,
        attachment=attachment,
        file_id=None if body.forward_from is not None else file_id,
        is_silent=body.is_silent,
        ttl_s=body.ttl,
        send_at_ms=body.send_at,
    )


def _file_id_in(url: str) -> str | None:
    """An upload is named by the URL that the upload answered."""
    return url.removeprefix(FILES_PATH) if url.startswith(FILES_PATH) else None
