"""What the domain asks of the message log: appending, marking, editing, reading, searching, timers."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from domain.errors import DomainError
from domain.events import Event
from domain.model import Draft, Message, MessageKind, Receipt


class Appended(msgspec.Struct, frozen=True, gc=False):
    """A message that is on disk. `duplicate`: its `client_msg_id` had been appended before, this is the first
    message."""

    message: Message
    duplicate: bool


AppendDone = Callable[[Appended | DomainError], None]


class MessageLog(Protocol):
    """The append path: one group-committing writer per process.

    Order: seqs of a conversation grow by one without gaps, across all processes. `done` is called once for each
    draft, on the event loop, after its commit is durable (it survives a power cut), and for one conversation in
    the order of the seqs. Idempotency: of all drafts with the same `(sender_id, client_msg_id)`, in any process
    and at any time, one is stored; the others answer it with `duplicate=True`. A draft for a conversation that is
    missing or dissolved gets `ConversationNotFound`, one whose `reply_to_id` is no message of the conversation
    with a seq above `visible_after_seq` gets `MessageNotFound`. A draft with a `file_id` gets what
    `domain.files.attachment_for` answers or raises; message and share are stored together, and the file exists when
    they are. Drafts are refused with `Unavailable` when the store stays out of reach; then nothing was stored,
    unless the store was lost for good between a commit and its answer: that error says that the outcome is not
    known.
    """

    @property
    def queued(self) -> int:
        """Drafts that were accepted and are not answered yet; sessions stop reading when it is too high."""
        ...

    def append(self, draft: Draft, done: AppendDone) -> None: ...


class Mark(msgspec.Struct, frozen=True, gc=False):
    """`user_id` has read the messages in `read` (inclusive seq ranges) and received everything up to `delivered_seq`.

    The cursors move to the highest seq named, never back and never beyond the last message."""

    conversation_id: int
    user_id: int
    read: tuple[tuple[int, int], ...] = ()
    delivered_seq: int = 0


class Marked(msgspec.Struct, frozen=True, gc=False):
    """The cursors after a mark, and whether it moved them."""

    read_seq: int
    delivered_seq: int
    read_moved: bool
    delivered_moved: bool


class MarkLog(Protocol):
    """Receipts, group-committed as messages are. `done` is called once, on the loop, after the commit."""

    def mark(self, mark: Mark, done: Callable[[Marked | DomainError], None]) -> None: ...


class MessageEdit(Protocol):
    """One message, locked until the surrounding block ends."""

    message: Message

    def set(self, event: Callable[[Message], Event] | None, /, **fields: Any) -> Message:
        """Replaces fields of the message; `event(new message)` is recorded for resuming clients in the same
        transaction."""
        ...


class MessageStore(Protocol):
    """Messages at rest. Only numbered messages (seq of 1 and more) are found, unless a method says otherwise; a reader
    (`user_id`) does not see what they have hidden."""

    async def get(self, message_id: int) -> Message | None: ...

    async def hide(self, user_id: int, message: Message, event: Event) -> None:
        """Hides a message from one user for good and keeps the event for their resuming clients."""
        ...

    async def is_hidden(self, user_id: int, message: Message) -> bool: ...

    async def get_many(self, conversation_id: int, message_ids: Collection[int]) -> list[Message]:
        """Those of the ids that are messages of this conversation, in seq order."""
        ...

    async def history(
        self,
        user_id: int,
        conversation_id: int,
        *,
        after_seq: int = 0,
        before_seq: int | None = None,
        limit: int,
        newest: bool,
    ) -> tuple[list[Message], bool]:
        """At most `limit` messages with after_seq < seq < before_seq in ascending order, the newest of them or the
        oldest, and whether there are more in that direction."""
        ...

    async def history_page(
        self, user_id: int, conversation_id: int, *, after_seq: int, offset: int, limit: int
    ) -> list[Message]:
        """Ascending messages with seq > after_seq, without the first `offset`."""
        ...

    async def page(
        self,
        user_id: int,
        conversation_id: int,
        *,
        after_seq: int,
        before_seq: int | None = None,
        offset: int,
        limit: int,
        text: str | None = None,
        kind: MessageKind | None = None,
        newest: bool = True,
    ) -> tuple[list[Message], int]:
        """Messages with after_seq < seq < before_seq that hold the text (literally, without case) and are of the kind:
        in ascending order the newest `limit` but for the newest `offset`, or the oldest ones, and how many there are
        in all."""
        ...

    async def scheduled(self, sender_id: int, conversation_id: int) -> list[Message]:
        """The sender's messages that wait for their time, in the order in which they will be delivered."""
        ...

    def edit(self, message_id: int) -> AbstractAsyncContextManager[MessageEdit]:
        """Locks the message, which may be a scheduled one; commits when the block ends, rolls back when it raises.
        MessageNotFound."""
        ...

    async def unread(self, user_id: int, conversation_id: int | None = None) -> int:
        """Messages after the member's read cursor that count: others' messages, visible to the member and not hidden,
        not recalled or deleted, not silent. Of each conversation the newest 10,000 messages are looked at."""
        ...

    async def receipts(self, message: Message) -> list[Receipt]:
        """Who has read this message and when, without its sender, oldest first."""
        ...


class DueMessages(Protocol):
    """Messages whose time has come, locked until the surrounding block ends. What is neither delivered nor removed
    stays due."""

    scheduled: Sequence[Message]
    expired: Sequence[Message]

    async def deliver(
        self, messages: Sequence[Message], now_ms: int, event: Callable[[Message], Event]
    ) -> list[Message]:
        """Numbers and stamps scheduled messages, in this order; `event(new message)` is recorded for resuming clients.
        Those whose conversation was dissolved are removed instead."""
        ...

    async def remove(
        self, messages: Sequence[Message], now_ms: int, event: Callable[[Message], Event] | None
    ) -> list[Message]:
        """Deletes messages for everyone; they keep their place. Answers those that were not gone before."""
        ...


class TimerStore(Protocol):
    """Messages that something happens to later. Any process may work on them, and each of them is worked on once."""

    async def next_due_ms(self) -> int | None:
        """When the first of them is due."""
        ...

    def due(self, now_ms: int, limit: int) -> AbstractAsyncContextManager[DueMessages]:
        """At most `limit` of those that are due and that no other process has locked, earliest first. Commits when the
        block ends, rolls back when it raises."""
        ...


class SearchStore(Protocol):
    """Search in messages. The index is made off the hot path; what it does not hold yet is found all the same."""

    async def find(
        self, user_id: int, keyword: str, *, conversation_id: int | None, kind: MessageKind | None, limit: int
    ) -> tuple[list[Message], int]:
        """Messages whose content, file name or address contains the keyword, literally and without case or width
        (NFKC), in the user's active conversations and what they see of them: the newest first, by id, and how many
        there are, counted up to 1,000. Every change that was committed before the call counts."""
        ...

    async def index_next(self) -> bool:
        """One step of work on the index, of some ten milliseconds. False if there is nothing to do, or another process
        does it. It may be ended at any moment, by kill -9 too."""
        ...
