"""What a client may ask for over a socket, in every dialect. Each dialect decodes its frames into these.

The native JSON codec decodes straight into these structs (msgspec checks types and limits in C), so field names
and limits are those of PROTOCOL.md. Unknown fields are ignored. `id` is the request id that the reply echoes; None
asks for no reply where one is not essential. Whose command it is comes from the session, never from the frame.
"""

from typing import Annotated, Final

import msgspec

from domain.model import MAX_ID, Draft, MessageKind
from domain.records import CallType

MAX_CONTENT_CHARS: Final = 5000
"""im API 4.1; the other documents name no limit."""

MAX_CLIENT_MSG_ID_CHARS: Final = 64
MAX_CALL_PAYLOAD_CHARS: Final = 64 * 1024
MAX_FILE_ID_CHARS: Final = 64
MAX_HISTORY: Final = 200
MAX_PRESENCE_USERS: Final = 500
MAX_SYNC_CURSORS: Final = 10_000

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)]
RequestId = Annotated[int, msgspec.Meta(ge=0, le=MAX_ID)] | None
Content = Annotated[str, msgspec.Meta(max_length=MAX_CONTENT_CHARS)]
ClientMsgId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CLIENT_MSG_ID_CHARS)] | None
CallId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
CallPayload = Annotated[str, msgspec.Meta(max_length=MAX_CALL_PAYLOAD_CHARS)]
FileId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_FILE_ID_CHARS)]
UserIds = Annotated[list[Id], msgspec.Meta(max_length=MAX_PRESENCE_USERS)]
Degrees = Annotated[str, msgspec.Meta(max_length=32)]
ShortText = Annotated[str, msgspec.Meta(max_length=255)]


class Command(msgspec.Struct, frozen=True, gc=False, tag_field="type", omit_defaults=True):
    """Base of all commands."""


class Hello(Command, frozen=True, gc=False, tag="hello"):
    """First packet of a native session. `token` may be left out where the handshake carried it. `device` names the
    device class (at most 32 characters) for the policy of one session per class."""

    token: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    device: Annotated[str, msgspec.Meta(max_length=32)] = ""
    id: RequestId = None


class Ping(Command, frozen=True, gc=False, tag="ping"):
    id: RequestId = None


class Send(Command, frozen=True, gc=False, tag="send"):
    """With `forward_from_id` it says what that message says."""

    conversation_id: Id
    content: Content = ""
    client_msg_id: ClientMsgId = None
    kind: MessageKind = MessageKind.TEXT
    reply_to_id: Id | None = None
    is_silent: bool = False
    latitude: Degrees | None = None
    longitude: Degrees | None = None
    address: ShortText | None = None
    forward_from_id: Id | None = None
    ttl_s: Seq = 0
    send_at_ms: Seq | None = None
    file_id: FileId | None = None
    id: RequestId = None


class SendDraft(Command, frozen=True, gc=False, tag="send_draft"):
    """A message of a dialect whose requests are not those of `Send`. `user_id` or `group_id` names the conversation
    where its clients do not know the id; the sender is the session's user."""

    draft: Draft
    user_id: Id | None = None
    group_id: Id | None = None

    @property
    def client_msg_id(self) -> str | None:
        return self.draft.client_msg_id


class Edit(Command, frozen=True, gc=False, tag="edit"):
    message_id: Id
    content: Content
    id: RequestId = None


class Recall(Command, frozen=True, gc=False, tag="recall"):
    message_id: Id
    id: RequestId = None


class Delete(Command, frozen=True, gc=False, tag="delete"):
    """Deletes for everyone (allowed to whoever may recall, without the time limit)."""

    message_id: Id
    id: RequestId = None


class Pin(Command, frozen=True, gc=False, tag="pin"):
    message_id: Id
    pinned: bool = True
    id: RequestId = None


class MarkUpTo(Command, frozen=True, gc=False, tag="mark"):
    """Read, or received, everything up to a seq. Zero leaves that cursor; cursors never move back."""

    conversation_id: Id
    read_seq: Seq = 0
    delivered_seq: Seq = 0
    id: RequestId = None


class MarkMessages(Command, frozen=True, gc=False, tag="mark_messages"):
    """Read these messages (and, for the unread count, all before them)."""

    conversation_id: Id
    message_ids: Annotated[list[Id], msgspec.Meta(max_length=1000)]
    id: RequestId = None


class ReadMessage(Command, frozen=True, gc=False, tag="read_message"):
    """`MarkMessages` for dialects that name a message without its conversation."""

    message_id: Id


class SetTyping(Command, frozen=True, gc=False, tag="typing"):
    conversation_id: Id
    is_typing: bool = True
    id: RequestId = None


class OfferCall(Command, frozen=True, gc=False, tag="call_offer"):
    """Without a `call_id` the server gives one."""

    to_user_id: Id
    sdp: CallPayload
    call_type: CallType = CallType.AUDIO
    call_id: CallId | None = None
    id: RequestId = None


class AnswerCall(Command, frozen=True, gc=False, tag="call_answer"):
    call_id: CallId
    sdp: CallPayload
    id: RequestId = None


class SendCandidate(Command, frozen=True, gc=False, tag="call_ice"):
    """An ICE candidate for the other party of a call."""

    call_id: CallId
    candidate: CallPayload
    id: RequestId = None


class EndCall(Command, frozen=True, gc=False, tag="call_end"):
    call_id: CallId
    id: RequestId = None


class SubscribePresence(Command, frozen=True, gc=False, tag="subscribe"):
    """Answers the present state of the users and pushes their changes, until the session ends or unsubscribes."""

    user_ids: UserIds
    id: RequestId = None


class UnsubscribePresence(Command, frozen=True, gc=False, tag="unsubscribe"):
    user_ids: UserIds
    id: RequestId = None


class UpdateLocation(Command, frozen=True, gc=False, tag="location"):
    """The user's own place, shown to those who hear of their presence; never stored."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    accuracy: Annotated[float, msgspec.Meta(ge=0)] | None = None
    id: RequestId = None


class Sync(Command, frozen=True, gc=False, tag="sync"):
    """Asks for what was missed since `position` of `epoch`. `cursors` holds `[conversation_id, seq]` for the
    conversations in which the client has seen messages since that position."""

    epoch: Annotated[str, msgspec.Meta(max_length=64)]
    position: Annotated[str, msgspec.Meta(max_length=128)]
    cursors: Annotated[list[tuple[Id, Seq]], msgspec.Meta(max_length=MAX_SYNC_CURSORS)] = []
    id: RequestId = None


class History(Command, frozen=True, gc=False, tag="history"):
    """A page in ascending order: the newest before `before_seq` (or of all), or the oldest after `after_seq`."""

    conversation_id: Id
    before_seq: Seq | None = None
    after_seq: Seq | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_HISTORY)] = 50
    id: RequestId = None


class ListConversations(Command, frozen=True, gc=False, tag="conversations"):
    offset: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    id: RequestId = None


class Open(Command, frozen=True, gc=False, tag="open"):
    """The single conversation with a user, made if there is none."""

    user_id: Id
    id: RequestId = None
