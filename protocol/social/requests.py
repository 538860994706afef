"""The request models of social: limits as its document gives them, and nothing that is not declared."""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from domain.contacts import MAX_REMARK_CHARS, MAX_REQUEST_CHARS
from domain.conversations import MAX_DESCRIPTION_CHARS, MAX_NAME_CHARS
from domain.model import MAX_ID, MessageKind
from protocol.commands import MAX_CONTENT_CHARS
from protocol.fields import (
    ClientMsgId,
    Email,
    GivenPassword,
    Id,
    NotBlank,
    Password,
    QueryId,
    QueryInt,
    RequestModel,
    Url,
)

MAX_MUTE_S = 10 * 365 * 86_400
KINDS = (
    MessageKind.TEXT,
    MessageKind.IMAGE,
    MessageKind.FILE,
    MessageKind.AUDIO,
    MessageKind.VIDEO,
    MessageKind.LOCATION,
)
"""By their number in `type` (social API 8.1)."""
KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)} | {MessageKind.SYSTEM: len(KINDS)}
PRIVATE, GROUP = 0, 1
"""`chat_type` (social API 8.1)."""


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


NewPassword = Annotated[Password, StringConstraints(max_length=50)]
Nickname = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS), NotBlank]
OptionalNickname = Annotated[Nickname | None, BeforeValidator(_empty_is_none)]
OptionalUrl = Annotated[Url | None, BeforeValidator(_empty_is_none)]
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS), NotBlank]
Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARS)]
GroupAvatar = Annotated[str, StringConstraints(max_length=500)]
ChatType = Literal[0, 1]
Content = Annotated[str, StringConstraints(max_length=MAX_CONTENT_CHARS)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class Register(RequestModel):
    """social API 1.1."""

    username: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=20)]
    password: NewPassword
    email: Email
    nickname: OptionalNickname = None
    avatar: OptionalUrl = None


class Login(RequestModel):
    """social API 1.2."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    password: GivenPassword


class Refresh(RequestModel):
    """social API 1.3."""

    refresh_token: Token


class UserQuery(RequestModel):
    """social API 2.2."""

    user_id: QueryId


class ProfileUpdate(RequestModel):
    """social API 2.3: what is left out stays."""

    nickname: Nickname | None = None
    avatar: Url | Literal[""] | None = None
    email: Email | None = None


class PasswordUpdate(RequestModel):
    """social API 2.4."""

    old_password: GivenPassword
    new_password: NewPassword


class SearchQuery(RequestModel):
    """social API 3.1."""

    keyword: Annotated[str, StringConstraints(min_length=1, max_length=100), NotBlank]


class FriendRequestSend(RequestModel):
    """social API 4.1."""

    to_user_id: Id
    message: Annotated[str, StringConstraints(max_length=MAX_REQUEST_CHARS)] = ""


class FriendRequestHandle(RequestModel):
    """social API 4.2: action 2 accepts, 3 rejects."""

    request_id: Id
    action: Literal[2, 3]
    message: Annotated[str, StringConstraints(max_length=MAX_REQUEST_CHARS)] = ""


class FriendNamed(RequestModel):
    """social API 4.4 and 4.5."""

    friend_id: Id


class RemarkUpdate(RequestModel):
    """social API 4.7."""

    user_id: Id
    remark: Annotated[str, StringConstraints(max_length=MAX_REMARK_CHARS)]


class GroupCreate(RequestModel):
    """social API 5.1."""

    group_name: GroupName
    description: Description = ""
    avatar: GroupAvatar = ""


class GroupQuery(RequestModel):
    """social API 5.2 and the list of members."""

    group_id: QueryId


class GroupNamed(RequestModel):
    """social API 5.10 and 5.11."""

    group_id: Id


class GroupUpdate(RequestModel):
    """social API 5.5: what is left out stays."""

    group_id: Id
    name: GroupName | None = None
    description: Description | None = None
    avatar: GroupAvatar | None = None


class RoleSet(RequestModel):
    """social API 5.6: 0 member, 1 admin, 2 owner (which transfers the group)."""

    group_id: Id
    user_id: Id
    role: Annotated[int, Field(ge=0, le=2)]


class MemberMute(RequestModel):
    """social API 5.7: seconds, 0 ends it."""

    group_id: Id
    user_id: Id
    duration: Annotated[int, Field(ge=0, le=MAX_MUTE_S)]


class Invite(RequestModel):
    """social API 5.8."""

    group_id: Id
    user_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]


class Join(RequestModel):
    """social API 5.9."""

    group_id: Id
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class Transfer(RequestModel):
    """social API 5.12."""

    group_id: Id
    new_owner_id: Id


class MemberNamed(RequestModel):
    """social API 5.13."""

    group_id: Id
    user_id: Id


class MemberQuery(RequestModel):
    """social API 5.14."""

    group_id: QueryId
    user_id: QueryId


class OwnMemberUpdate(RequestModel):
    """social API 5.15."""

    group_id: Id
    nickname: Annotated[str, StringConstraints(max_length=MAX_NAME_CHARS)]


class ApplicationHandle(RequestModel):
    """social API 5.16."""

    application_id: Id
    approve: bool


class FileUpload(RequestModel):
    """social API 7.1: the file is all there is."""


class FileQuery(RequestModel):
    """social API 7.2 to 7.4."""

    file_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class ChatSend(RequestModel):
    """social API 8.1, in both documented forms; `file_id`, the place and `client_msg_id` are extras."""

    to_user_id: Id | None = None
    group_id: Id | None = None
    type: Annotated[int, Field(ge=0, lt=len(KINDS))] | None = None
    chat_type: ChatType | None = None
    receiver_id: Id | None = None
    receiver_type: Literal["user", "group"] | None = None
    message_type: Literal["text", "image", "file", "audio", "video", "location"] | None = None
    content: Content
    file_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    latitude: Annotated[str, StringConstraints(max_length=32)] | None = None
    longitude: Annotated[str, StringConstraints(max_length=32)] | None = None
    address: Annotated[str, StringConstraints(max_length=255)] | None = None
    client_msg_id: ClientMsgId | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        numbered = [self.to_user_id, self.group_id, self.type, self.chat_type]
        named = [self.receiver_id, self.receiver_type, self.message_type]
        if any(value is not None for value in named):
            if any(value is not None for value in numbered):
                raise ValueError("take receiver_id, receiver_type and message_type, or the other form, but not both")
            if any(value is None for value in named):
                raise ValueError("receiver_id, receiver_type and message_type are required")
            return self
        if self.type is None or self.chat_type is None:
            raise ValueError("type and chat_type are required")
        wanted, other = (
            (self.group_id, self.to_user_id) if self.chat_type == GROUP else (self.to_user_id, self.group_id)
        )
        if wanted is None or other is not None:
            raise ValueError("chat_type 0 needs to_user_id, chat_type 1 needs group_id, and nothing else")
        return self

    @property
    def kind(self) -> MessageKind:
        return KINDS[self.type] if self.type is not None else MessageKind(self.message_type or "text")

    @property
    def target(self) -> tuple[int, bool]:
        """The id, and whether it is a group's."""
        if self.receiver_id is not None:
            return self.receiver_id, self.receiver_type == "group"
        return (self.group_id or self.to_user_id or 0), self.chat_type == GROUP


class ChatQuery(RequestModel):
    """social API 8.2, from the query or from a JSON body; `before_id` and `limit` are extras."""

    target_id: QueryId
    chat_type: Annotated[QueryInt, Field(ge=0, le=1)]
    before_id: Annotated[QueryInt, Field(ge=0, le=MAX_ID)] = 0
    limit: Annotated[QueryInt, Field(ge=1, le=100)] = 20


class ChatNamed(RequestModel):
    """social API 8.3."""

    target_id: Id
    chat_type: ChatType


class MessageNamed(RequestModel):
    """social API 8.4 and 8.5."""

    message_id: Id


class ConversationDelete(RequestModel):
    """social API 8.7: an integer, or a string of one."""

    conversation_id: QueryId


class ConversationPin(RequestModel):
    """social API 8.8."""

    target_id: Id
    chat_type: ChatType
    is_pinned: bool
