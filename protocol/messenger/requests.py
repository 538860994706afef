"""The request models of messenger."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from domain.contacts import MAX_REMARK_CHARS
from domain.conversations import MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS
from domain.messages import MAX_TTL_S
from domain.model import MAX_ID, ConversationKind, MessageKind
from protocol.commands import MAX_CONTENT_CHARS
from protocol.fields import (
    ClientMsgId,
    GivenPassword,
    Id,
    IsoTime,
    NotBlank,
    Offset,
    Password,
    QueryInt,
    RequestModel,
)

_PHONE = re.compile(r"\+?[0-9]{5,15}", re.ASCII)
KINDS = {
    "text": MessageKind.TEXT,
    "image": MessageKind.IMAGE,
    "video": MessageKind.VIDEO,
    "audio": MessageKind.AUDIO,
    "file": MessageKind.FILE,
    "document": MessageKind.FILE,
    "location": MessageKind.LOCATION,
    "system": MessageKind.SYSTEM,
}
CHAT_KINDS = {
    "group": ConversationKind.GROUP,
    "private": ConversationKind.SINGLE,
    "single": ConversationKind.SINGLE,
}


def _phone(text: str) -> str:
    bare = re.sub(r"[ ()-]", "", text)
    if _PHONE.fullmatch(bare) is None:
        raise ValueError("a phone number is 5 to 15 digits, perhaps after a +")
    return bare


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Phone = Annotated[str, StringConstraints(max_length=32), AfterValidator(_phone)]
"""Digits; blanks, hyphens and brackets between them are dropped."""
Username = Annotated[str, StringConstraints(min_length=1, max_length=50), NotBlank]
Nickname = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS), NotBlank]
Code = Annotated[str, StringConstraints(min_length=1, max_length=16)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Link = Annotated[str, StringConstraints(max_length=1024, pattern=r"^(https?://[^\s]+|/[^\s/][^\s]*)?$")]
"""An http or https URL, or a path on this server; empty for none."""
CallPayload = Annotated[str, StringConstraints(max_length=64 * 1024)]


class LoginBody(RequestModel):
    """messenger API, login: by password or by code."""

    phone: Phone
    code: Annotated[Code | None, BeforeValidator(_empty_is_none)] = None
    password: Annotated[GivenPassword | None, BeforeValidator(_empty_is_none)] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.code is None and self.password is None:
            raise ValueError("a password or a code is required")
        return self


class CodeRequest(RequestModel):
    """`POST /api/auth/code`, an extra."""

    phone: Phone


class Register(RequestModel):
    """messenger API, registration."""

    phone: Phone
    username: Username
    password: Password
    nickname: Annotated[Nickname | None, BeforeValidator(_empty_is_none)] = None


class Refresh(RequestModel):
    """messenger API, refresh."""

    refresh_token: Token


class ProfileUpdate(RequestModel):
    """messenger API, own profile: what is left out stays. `language` and `theme` are extras."""

    nickname: Nickname | None = None
    bio: Annotated[str, StringConstraints(max_length=500)] | None = None
    avatar: Link | None = None
    language: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=16)] | None
    ) = None
    theme: Literal["auto", "light", "dark"] | None = None

    def changes(self) -> dict[str, Any]:
        return {name: value for name, value in self.model_dump().items() if value is not None}


class ContactAdd(RequestModel):
    """messenger API, contacts."""

    phone: Phone
    nickname: Annotated[str, StringConstraints(max_length=MAX_REMARK_CHARS)] = ""


class PageQuery(RequestModel):
    """messenger API, chats."""

    limit: Annotated[QueryInt, Field(ge=1, le=100)] = 50
    offset: Offset = 0


class ChatCreate(RequestModel):
    """messenger API, chats: a private one has one other member and needs no name."""

    type: Literal["group", "private", "single"] = "group"
    name: Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS)] | None = None
    description: Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARS)] | None = None
    avatar: Annotated[str, StringConstraints(max_length=500)] | None = None
    members: Annotated[list[Id], Field(max_length=1000, default_factory=list)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if CHAT_KINDS[self.type] is ConversationKind.SINGLE:
            if len(set(self.members)) != 1:
                raise ValueError("a private chat has one other member")
        elif self.name is None or not self.name.strip():
            raise ValueError("a group needs a name")
        return self


class MessagesQuery(RequestModel):
    """messenger API, messages: `before` and `after` are message ids."""

    limit: Annotated[QueryInt, Field(ge=1, le=100)] = 50
    offset: Offset = 0
    before: Annotated[QueryInt, Field(ge=1, le=MAX_ID)] | None = None
    after: Annotated[QueryInt, Field(ge=1, le=MAX_ID)] | None = None
    search: Annotated[str, StringConstraints(max_length=100)] | None = None
    type: Literal["text", "image", "video", "audio", "file", "document", "location", "system"] | None = None


class MessageSend(RequestModel):
    """messenger API, sending; `file_id` and `client_msg_id` are extras. With `forward_from` the message says what that
    one says."""

    content: Annotated[str, StringConstraints(max_length=MAX_CONTENT_CHARS)] = ""
    type: Literal["text", "image", "video", "audio", "file", "document", "location"] = "text"
    file_name: Annotated[str, StringConstraints(max_length=255)] = ""
    file_size: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    file_url: Link = ""
    thumbnail: Link = ""
    file_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    reply_to_id: Id | None = None
    forward_from: Id | None = None
    ttl: Annotated[int, Field(ge=0, le=MAX_TTL_S)] = 0
    send_at: IsoTime | None = None
    is_silent: bool = False
    client_msg_id: ClientMsgId | None = None


class MessageEdit(RequestModel):
    """messenger API, editing."""

    content: Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT_CHARS)]


class FileUpload(RequestModel):
    """messenger API, files: without a `type` the bytes decide."""

    type: Literal["image", "video", "audio", "document"] | None = None


class SocketSend(MessageSend):
    """`message.send`: the fields of the POST, and the chat."""

    chat_id: Id


class SocketTyping(RequestModel):
    """`typing`."""

    chat_id: Id
    is_typing: bool = True


class SocketRead(RequestModel):
    """`message.read`."""

    message_id: Id


CallId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]


class CallOffer(RequestModel):
    """`call.offer`: without a `call_id` the server gives one."""

    call_id: CallId | None = None
    to_user_id: Id
    call_type: Literal["audio", "video"] = "audio"
    sdp: CallPayload


class CallAnswer(RequestModel):
    """`call.answer`."""

    call_id: CallId
    sdp: CallPayload


class CallIce(RequestModel):
    """`call.ice`."""

    call_id: CallId
    candidate: CallPayload


class CallEnd(RequestModel):
    """`call.end`."""

    call_id: CallId
