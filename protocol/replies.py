"""What the server answers over a socket, in every dialect. Each dialect encodes these its own way, or not at all."""

from collections.abc import Mapping, Sequence

import msgspec

from domain.model import Conversation, ConversationView, Message, MessageState


class Reply(msgspec.Struct, frozen=True, gc=False):
    """Base of all replies. `id` echoes the request's."""


class Welcome(Reply, frozen=True, gc=False):
    """The session is authenticated. `position` is where a later `sync` may start from."""

    id: int | None
    session_id: str
    user_id: int
    epoch: str
    position: str
    server_time_ms: int
    heartbeat_s: int
    max_frame_bytes: int
    max_content_chars: int
    version: str


class Pong(Reply, frozen=True, gc=False):
    """`position` lets a client move its resume point forward; every few pongs carry one, the others an empty string."""

    id: int | None
    server_time_ms: int
    position: str


class Heartbeat(Reply, frozen=True, gc=False):
    """A sign of life that the server sends unasked."""

    server_time_ms: int


class Ack(Reply, frozen=True, gc=False):
    """The message is committed. Also says what it was about, for dialects that echo it."""

    id: int | None
    client_msg_id: str | None
    message_id: int
    conversation_id: int
    seq: int
    created_at_ms: int
    duplicate: bool
    state: MessageState = MessageState.SENT


class CallOffered(Reply, frozen=True, gc=False):
    """An offer was accepted; the call rings, or `reason` says why it is over already."""

    id: int | None
    call_id: str
    to_user_id: int
    at_ms: int
    reason: str = ""


class Done(Reply, frozen=True, gc=False):
    """A request without a result of its own was carried out."""

    id: int | None


class Synced(Reply, frozen=True, gc=False):
    """Comes after the replayed packets. `recovered` of False: more was missed than can be replayed, or the epoch
    changed; load the conversation list and histories anew."""

    id: int | None
    recovered: bool
    epoch: str
    position: str


class HistoryPage(Reply, frozen=True, gc=False):
    id: int | None
    conversation_id: int
    messages: Sequence[Message]
    has_more: bool


class ConversationList(Reply, frozen=True, gc=False):
    id: int | None
    conversations: Sequence[ConversationView]
    total: int


class Opened(Reply, frozen=True, gc=False):
    id: int | None
    conversation: Conversation
    other_id: int


class PresenceState(Reply, frozen=True, gc=False):
    """Online or not, for each user that was asked for."""

    id: int | None
    states: Mapping[int, bool]


class Failure(Reply, frozen=True, gc=False):
    """A request was refused. `retry_after_ms` is 0 where waiting does not help."""

    id: int | None
    code: str
    text: str
    temporary: bool = False
    retry_after_ms: int = 0
    client_msg_id: str | None = None


class GoAway(Reply, frozen=True, gc=False):
    """The server is about to close this connection; come back after `retry_after_ms`."""

    reason: str
    retry_after_ms: int
