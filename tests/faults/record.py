"""What a run of the load sent, was told and saw: the input of the checker. Plain data."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sent:
    """`key` is the client_msg_id; no two messages of a run share one."""

    key: str
    user_id: int
    conversation_id: int
    content: str
    at_s: float = 0.0
    """When, by the clock of the loop."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a session or a history showed it. `key` is None if it came without."""

    conversation_id: int
    seq: int
    message_id: int
    sender_id: int
    key: str | None
    content: str


@dataclass(frozen=True, slots=True)
class Acked:
    key: str
    conversation_id: int
    seq: int
    message_id: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A message was edited."""

    conversation_id: int
    seq: int
    message_id: int
    content: str


@dataclass(frozen=True, slots=True)
class Break:
    """From here on the session starts anew: it is to hear what is sent from now on, and may hear what was sent before.
    What came before the break and what comes now need not join."""

    at_s: float = 0.0


Heard = Shown | Acked | Changed | Break


@dataclass(slots=True)
class SessionLog:
    """What one session heard, in order. One that `is_resuming` promises to hear everything from the beginning; any
    other only what was said while a connection stood, with a `Break` at the beginning of
    each."""

    name: str
    user_id: int
    is_resuming: bool
    heard: list[Heard] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What it was told that it never should be: a final end, a refusal of what is allowed."""


@dataclass(slots=True)
class Edit:
    """An attempt. One that was not acknowledged may have been carried out."""

    content: str
    is_acked: bool = False


@dataclass(slots=True)
class Marks:
    """How far a member asked to have read a conversation."""

    tried_seq: int = 0
    acked_seq: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """What the server said at the end of a member's conversation."""

    read_seq: int
    unread: int


@dataclass(slots=True)
class Record:
    sent: dict[str, Sent] = field(default_factory=dict)
    edits: dict[str, list[Edit]] = field(default_factory=dict)
    """By key of the message, in the order of the attempts."""
    marks: dict[tuple[int, int], Marks] = field(default_factory=dict)
    """By user and conversation."""
    sessions: list[SessionLog] = field(default_factory=list)
    histories: dict[tuple[int, int], list[Shown]] = field(default_factory=dict)
    """By user and conversation: every member's own view at the end, ascending."""
    counted: dict[tuple[int, int], Counted] = field(default_factory=dict)
    """By user and conversation."""
