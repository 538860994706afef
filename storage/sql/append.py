"""The append path: numbers the drafts of a batch and stores them in one transaction of few statements."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import BigInteger, String, and_, func, select

from domain.errors import ConversationNotFound, DomainError, MessageNotFound
from domain.files import attachment_for
from domain.model import Attachment, ConversationStatus, Draft, FileRef, Message
from domain.ports import AppendDone, Appended, FileAccess
from storage.sql import files, rows
from storage.sql.dialects import BulkInsert, BulkUpdate, Lock, Query, Turn, given, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.gate import WriteGate
from storage.sql.group_commit import CommitStats, GroupCommitter
from storage.sql.plan import Plan, Writer
from storage.sql.record_tables import file_shares
from storage.sql.tables import conversations, message_timers, messages

Outcome = Appended | DomainError
Key = tuple[int, str]
Accesses = dict[tuple[str, int], FileAccess]

_wanted: Final = and_(one_of(conversations.c.id, "ids"), conversations.c.status == ConversationStatus.ACTIVE.value)
_LOCK: Final = Lock(conversations, _wanted)
"""In the order of the ids, so that two processes never wait for each other."""

TURN: Final = Turn(messages)
_PLACE: Final = Query(
    select(
        conversations.c.id,
        conversations.c.last_seq,
        select(func.coalesce(func.max(messages.c.id), 0)).scalar_subquery(),
    ).where(_wanted),
    is_packed=True,
)
"""After the locks and the turn, so that it sees what was committed while they were waited for."""

_keys = given("keys", sender_id=BigInteger(), client_msg_id=String())
_BY_KEY: Final = Query(
    select(*rows.MESSAGE_COLUMNS).join_from(
        _keys,
        messages,
        (messages.c.sender_id == _keys.c.sender_id) & (messages.c.client_msg_id == _keys.c.client_msg_id),
    )
)

_PLACES: Final = Query(
    select(messages.c.id, messages.c.conversation_id, messages.c.seq).where(one_of(messages.c.id, "ids"))
)

_INSERT: Final = BulkInsert(messages, *rows.MESSAGE_COLUMNS)
_INSERT_TIMERS: Final = BulkInsert(
    message_timers, message_timers.c.message_id, message_timers.c.action, message_timers.c.due_at_ms
)
_INSERT_SHARES: Final = BulkInsert(file_shares, file_shares.c.file_id, file_shares.c.message_id)
_ADVANCE: Final = BulkUpdate(
    conversations,
    conversations.c.id,
    conversations.c.last_seq,
    conversations.c.newest_message_id,
    conversations.c.last_message_at_ms,
)

MAX_ATTEMPTS: Final = 8
"""Of one batch against duplicates that other processes store meanwhile. In SQLite the second one cannot fail."""


class _MaybeDuplicate(UniqueViolation):
    """Whether a draft is refused or answered as a duplicate depends on what is stored."""


def append_plan(drafts: Sequence[Draft], clock_ms: Callable[[], int], look_up: bool) -> Plan[list[Outcome]]:
    """Stores the drafts, in order; an outcome for each. The caller runs it in a transaction.

    The clock is read when all locks are held: a message that waited for a process that was stopped is as young as its
    commit. Who looks for what they missed goes by its time.

    Duplicates of stored messages are rare, so without `look_up` they are not looked for: UniqueViolation is raised if
    there may be one, and the caller starts again with `look_up`."""
    keys: list[Key] = [(draft.sender_id, draft.client_msg_id) for draft in drafts if draft.client_msg_id is not None]
    stored: dict[Key, Message] = {}
    if look_up and keys:
        for row in (yield _BY_KEY, {"keys": keys}):
            original = rows.message(row)
            stored[original.sender_id, original.client_msg_id or ""] = original
    wanted = sorted({draft.conversation_id for draft in drafts})
    ids = {"ids": [[item] for item in wanted]}
    yield _LOCK, ids
    replied_to = {draft.reply_to_id for draft in drafts if draft.reply_to_id is not None}
    places: dict[int, Sequence[Any]] = {}
    if replied_to:
        places = {row[0]: row for row in (yield _PLACES, {"ids": [[item] for item in replied_to]})}
    accesses: Accesses = {}
    wanted_files = {(draft.file_id, draft.sender_id) for draft in drafts if draft.file_id is not None}
    if wanted_files:
        yield files.LOCK, {"file_ids": [[file_id] for file_id, _ in wanted_files]}
        accesses = files.accesses((yield files.ACCESS, {"wanted": [list(pair) for pair in wanted_files]}))
    yield TURN, ()
    found = yield _PLACE, ids
    last_seqs: dict[int, int] = {row[0]: row[1] for row in found}
    last_id: int = found[0][2] if found else 0
    now_ms = clock_ms()

    outcomes: list[Outcome] = []
    new: list[Message] = []
    for draft in drafts:
        key = None if draft.client_msg_id is None else (draft.sender_id, draft.client_msg_id)
        if key is not None and key in stored:
            outcomes.append(Appended(stored[key], True))
            continue
        try:
            attachment = _checked(draft, last_seqs, places, accesses, now_ms)
        except DomainError as refusal:
            if key is not None and not look_up:
                raise _MaybeDuplicate from None
            outcomes.append(refusal)
            continue
        last_id += 1
        if draft.send_at_ms is None:
            seq = last_seqs[draft.conversation_id] = last_seqs[draft.conversation_id] + 1
        else:
            seq = -last_id
        message = Message(
            id=last_id,
            conversation_id=draft.conversation_id,
            seq=seq,
            sender_id=draft.sender_id,
            kind=draft.kind,
            content=draft.content,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            client_msg_id=draft.client_msg_id,
            reply_to_id=draft.reply_to_id,
            forward_from_id=draft.forward_from_id,
            attachment=attachment,
            is_silent=draft.is_silent,
            ttl_s=draft.ttl_s,
            send_at_ms=draft.send_at_ms,
        )
        new.append(message)
        if key is not None:
            stored[key] = message
        outcomes.append(Appended(message, False))
    if new:
        yield _INSERT, [rows.message_row(message) for message in new]
        advanced = {message.conversation_id: message for message in new if message.seq > 0}
        yield (
            _ADVANCE,
            [
                (message.conversation_id, message.seq, message.id, message.created_at_ms)
                for message in advanced.values()
            ],
        )
        shares = [(each.attachment.id, each.id) for each in new if isinstance(each.attachment, FileRef)]
        if shares:
            yield _INSERT_SHARES, shares
        timers = [timer for message in new if message.ttl_s or message.send_at_ms for timer in _timers(message)]
        if timers:
            yield _INSERT_TIMERS, timers
    return outcomes


def _checked(
    draft: Draft, last_seqs: dict[int, int], places: dict[int, Sequence[Any]], accesses: Accesses, now_ms: int
) -> Attachment | None:
    """What the message will carry. ConversationNotFound, MessageNotFound, and those of `attachment_for`."""
    if draft.conversation_id not in last_seqs:
        raise ConversationNotFound
    if draft.reply_to_id is not None:
        place = places.get(draft.reply_to_id)
        if place is None or place[1] != draft.conversation_id or place[2] <= draft.visible_after_seq:
            raise MessageNotFound
    if draft.file_id is None:
        return draft.attachment
    return attachment_for(draft, accesses.get((draft.file_id, draft.sender_id)), now_ms)


def _timers(message: Message) -> list[tuple[int, str, int]]:
    """A scheduled message gets its timer of expiry when it is delivered."""
    if message.send_at_ms is not None:
        return [(message.id, "deliver", message.send_at_ms)]
    return [(message.id, "expire", message.created_at_ms + message.ttl_s * 1000)]


class SqlMessageLog:
    """Implements `domain.ports.MessageLog`."""

    def __init__(self, writer: Writer, gate: WriteGate, now_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._now_ms = now_ms
        self._latest_ms = 0
        self._committer: GroupCommitter[Draft, Appended] = GroupCommitter(self._commit, gate, "messages")

    @property
    def queued(self) -> int:
        return self._committer.queued

    @property
    def stats(self) -> CommitStats:
        return self._committer.stats

    def append(self, draft: Draft, done: AppendDone) -> None:
        self._committer.submit(draft, done)

    async def close(self) -> None:
        await self._committer.close()

    def _clock_ms(self) -> int:
        """A clock that was set back must not make a message older than the one before it."""
        self._latest_ms = max(self._now_ms(), self._latest_ms)
        return self._latest_ms

    async def _commit(self, drafts: Sequence[Draft]) -> Sequence[Outcome]:
        for attempt in range(MAX_ATTEMPTS):
            try:
                return await self._writer.write(partial(append_plan, drafts, self._clock_ms, attempt > 0))
            except UniqueViolation:
                if attempt == MAX_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")
