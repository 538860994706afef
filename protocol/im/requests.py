"""The request models of im, in the order of im API 1 to 10."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from domain.conversations import (
    DEFAULT_MAX_MEMBERS,
    MAX_DESCRIPTION_CHARS,
    MAX_MEMBERS,
    MAX_NAME_CHARS,
    MIN_MEMBERS,
)
from domain.files import MAX_DESCRIPTION_CHARS as MAX_DESCRIPTION
from domain.model import MAX_ID
from protocol.commands import MAX_CONTENT_CHARS, MAX_FILE_ID_CHARS
from protocol.fields import (
    MAX_OFFSET,
    ClientMsgId,
    GivenPassword,
    Id,
    Ids,
    IsoTime,
    NotBlank,
    Offset,
    Password,
    QueryBool,
    QueryId,
    QueryInt,
    RequestModel,
)


def _printable(text: str) -> str:
    if not text.strip().isprintable():
        raise ValueError("must be printable")
    return text


StandardId = Annotated[str, StringConstraints(min_length=1, max_length=20), NotBlank, AfterValidator(_printable)]
PersonName = Annotated[str, StringConstraints(min_length=1, max_length=100), NotBlank]
Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT_CHARS)]
FileId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_FILE_ID_CHARS)]
Degrees = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[+-]?[0-9]+(\.[0-9]+)?$")]
"""Decimal degrees as text; whether they are on Earth is a question of the value, not of the form."""
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS), NotBlank]
Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARS)]
Url = Annotated[str, StringConstraints(max_length=500)]
Watermark = Annotated[str, StringConstraints(max_length=200)]
MaxMembers = Annotated[int, Field(ge=MIN_MEMBERS, le=MAX_MEMBERS)]
PageSize = Annotated[QueryInt, Field(ge=1, le=200)]
HistorySize = Annotated[QueryInt, Field(ge=1, le=200)]
RoleName = Literal["owner", "admin", "member"]
KindName = Literal["text", "image", "file", "audio", "video", "location", "system"]
StatusName = Literal["active", "left", "removed"]


class LoginForm(RequestModel):
    """im API 1.1."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    password: GivenPassword


class UserCreate(RequestModel):
    """im API 2.1."""

    standard_id: StandardId
    name: PersonName
    password: Password


class UserSearch(RequestModel):
    """im API 2.3."""

    keyword: Annotated[str, StringConstraints(max_length=100)] = ""
    limit: Annotated[QueryInt, Field(ge=1, le=50)] = 10


class UserStatuses(RequestModel):
    """im API 2.4."""

    user_ids: Ids


class SingleCreate(RequestModel):
    """im API 3.1."""

    target_user_id: Id


class GroupCreate(RequestModel):
    """im API 3.2; `is_public` and `history_visible` are extras."""

    name: GroupName
    description: Description | None = None
    member_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    max_members: MaxMembers = DEFAULT_MAX_MEMBERS
    allow_invite: bool = True
    allow_member_modify: bool = False
    is_public: bool = True
    history_visible: bool = True


class ConversationQuery(RequestModel):
    """im API 3.3."""

    skip: Offset = 0
    limit: PageSize = 20


class ConversationUpdate(RequestModel):
    """im API 3.5. What is left out stays; a null clears a description, an avatar or a watermark. The last
    three are extras."""

    name: GroupName | None = None
    description: Description | None = None
    avatar: Url | None = None
    max_members: MaxMembers | None = None
    allow_invite: bool | None = None
    allow_member_modify: bool | None = None
    is_public: bool | None = None
    history_visible: bool | None = None
    watermark_text: Watermark | None = None

    def changes(self) -> dict[str, Any]:
        """The fields to set."""
        clearable = {"description", "avatar", "watermark_text"}
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in given.items() if value is not None or name in clearable}


class MembersAdd(RequestModel):
    """im API 3.8."""

    user_ids: Annotated[list[Id], Field(min_length=1, max_length=1000)]
    role: RoleName = "member"


class MemberUpdate(RequestModel):
    """im API 3.10. What is left out stays; a null `muted_until` ends a mute."""

    role: RoleName | None = None
    nickname: Annotated[str, StringConstraints(max_length=100)] | None = None
    status: StatusName | None = None
    muted_until: IsoTime | None = None

    def mute(self) -> int | None:
        """Milliseconds since the epoch, 0 to end a mute, None to leave it."""
        return (self.muted_until or 0) if "muted_until" in self.model_fields_set else None


class TextSend(RequestModel):
    """im API 4.1; `client_msg_id` and `is_silent` are extras."""

    conversation_id: Id
    content: Content
    reply_to_id: Id | None = None
    client_msg_id: ClientMsgId | None = None
    is_silent: bool = False


class FileSend(RequestModel):
    """im API 4.2. Name and size of the stored file count, not those given here; `message_type`, `client_msg_id` and
    `is_silent` are extras."""

    conversation_id: Id
    file_id: FileId
    file_name: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    file_size: Annotated[int, Field(ge=0, le=MAX_ID)]
    content: Annotated[str, StringConstraints(max_length=MAX_CONTENT_CHARS)] | None = None
    reply_to_id: Id | None = None
    message_type: Literal["file", "image", "audio", "video"] = "file"
    client_msg_id: ClientMsgId | None = None
    is_silent: bool = False


class LocationSend(RequestModel):
    """im API 4.3; `content`, `client_msg_id` and `is_silent` are extras."""

    conversation_id: Id
    latitude: Degrees
    longitude: Degrees
    address: Annotated[str, StringConstraints(max_length=255)] | None = None
    reply_to_id: Id | None = None
    content: Annotated[str, StringConstraints(max_length=MAX_CONTENT_CHARS)] = ""
    client_msg_id: ClientMsgId | None = None
    is_silent: bool = False


class MessageSearch(RequestModel):
    """im API 4.4."""

    keyword: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    conversation_id: QueryId | None = None
    message_type: KindName | None = None
    limit: PageSize = 20


class UnreadQuery(RequestModel):
    """im API 4.5."""

    conversation_id: QueryId | None = None


class HistoryQuery(RequestModel):
    """im API 4.6. A cursor is a message id in text; `skip` is the older list's."""

    limit: HistorySize = 20
    before_cursor: QueryId | None = None
    after_cursor: QueryId | None = None
    skip: Offset | None = None


class MessageUpdate(RequestModel):
    """im API 4.8. `status` is accepted and says nothing: an edited message is `edited`."""

    content: Content | None = None
    status: Literal["edited"] | None = None


class MarkRead(RequestModel):
    """im API 4.10."""

    conversation_id: Id
    message_ids: Ids


class TypingSet(RequestModel):
    """im API 4.12."""

    conversation_id: Id
    is_typing: bool = True


class FileUpload(RequestModel):
    """im API 5.1; the form has the `file` beside these."""

    description: Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION)] | None = None
    is_public: QueryBool = False


class FileQuery(RequestModel):
    """im API 5.4."""

    page: Annotated[QueryInt, Field(ge=1, le=MAX_OFFSET)] = 1
    page_size: PageSize = 20


class GroupMembersQuery(RequestModel):
    """im API 7.1: `?user_ids=2&user_ids=3`, as many as a request line holds."""

    user_ids: Annotated[tuple[QueryId, ...], Field(max_length=200, strict=False)] = ()


class GroupMembersBody(RequestModel):
    """The older list's form of 7.1."""

    user_ids: Ids = Field(default_factory=list)


class GroupSearch(RequestModel):
    """im API 7.5; `skip` is an extra."""

    keyword: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    limit: Annotated[QueryInt, Field(ge=1, le=50)] = 10
    skip: Offset = 0


class GroupJoin(RequestModel):
    """`POST /groups/join`, an extra."""

    invite_code: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class AttackQuery(RequestModel):
    """im API 10.6."""

    attack_type: Annotated[str, StringConstraints(min_length=1, max_length=50)]
