"""Search in messages: an inverted index of finished segments, and what it does not hold yet is read directly.

A segment is the 1,024 messages whose ids differ in the last ten bits only. Its index is made once all its ids are given
out, by whichever process holds the lease; until then, and while it is made anew because messages of it were edited or
taken back, its messages are compared one by one. So a search misses nothing that was committed before it, whatever
became of the indexer.

Neither database's own index serves: MariaDB's FULLTEXT took 300 µs to take a message in and 50 ms to 1.5 s to find a
common word in 150,000, as it reads the places of every term to their end; FTS5 would need a second mechanism beside it.
This one takes about 80 µs a message on either, reads the newest segments first and ends when it has found enough.

What the index names is compared by texts that stand beside it in the order of ids, in the form in which texts are
compared: that costs a third of reading the messages, which are clustered by conversation.
"""

import asyncio
import secrets
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import orjson
from sqlalchemy import and_, bindparam, case, delete, func, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import ConversationStatus, MemberStatus, Message, MessageKind
from storage.sql import rows
from storage.sql.database import Database
from storage.sql.dialects import BulkInsert, Query, one_of
from storage.sql.errors import UniqueViolation
from storage.sql.gate import WriteGate
from storage.sql.messages import is_hidden_from
from storage.sql.plan import Plan, Row, Writer
from storage.sql.search_terms import (
    BUCKET_BITS,
    SEGMENT_BITS,
    SEGMENT_SIZE,
    buckets,
    keyword_buckets,
    places,
    read_places,
    searchable,
    write_places,
)
from storage.sql.tables import (
    conversations,
    hidden_messages,
    members,
    messages,
    meta,
    search_marks,
    search_postings,
    search_segments,
    search_texts,
)

COUNTED: Final = 1000
"""Matches that are counted; a search ends when it has found so many."""

FIRST_STEP: Final = 16
LONGEST_STEP: Final = 256
"""Segments that are looked at together, the newest first: a common word is found in few."""

COMPARED: Final = 512
"""Messages whose texts are read together."""

SHORT_BYTES: Final = 1024
"""Longer texts stay out of `search_texts`, and out of answers of many."""

ROWS_AT_ONCE: Final = 1024
"""Rows of a segment in one transaction: others want to write too."""

LEASE: Final = "search.indexer"
LEASE_MS: Final = 30_000
"""After this time another process may go on where one was killed."""

_SEATS: Final = Query(
    select(members.c.conversation_id, members.c.visible_after_seq)
    .select_from(members)
    .join(conversations, conversations.c.id == members.c.conversation_id)
    .where(
        members.c.user_id == bindparam("user_id"),
        members.c.status == MemberStatus.ACTIVE.value,
        conversations.c.status == ConversationStatus.ACTIVE.value,
    ),
    is_packed=True,
)
_NEWEST_ID: Final = Query(select(func.coalesce(func.max(messages.c.id), 0)))
_SEGMENTS: Final = Query(select(search_segments.c.segment).where(search_segments.c.segment >= 0), is_packed=True)
_MARKS: Final = Query(select(search_marks.c.id, search_marks.c.message_id).where(search_marks.c.id > 0))
_WITH_HIDDEN: Final = Query(
    select(hidden_messages.c.conversation_id).where(hidden_messages.c.user_id == bindparam("user_id")).distinct()
)
_POSTINGS: Final = Query(
    select(search_postings.c.id, search_postings.c.places).where(one_of(search_postings.c.id, "ids")), is_packed=True
)
_TEXTS: Final = Query(
    select(search_texts.c.id, search_texts.c.content).where(one_of(search_texts.c.id, "ids")), is_packed=True
)
_OWNERS: Final = Query(
    select(search_segments.c.segment, search_segments.c.conversation_ids).where(
        one_of(search_segments.c.segment, "segments")
    )
)
_place: Final = (messages.c.id, messages.c.conversation_id, messages.c.seq, messages.c.kind)
_texts: Final = select(*_place, messages.c.content, messages.c.attachment)
_is_seen: Final = and_(messages.c.seq > 0, not_(is_hidden_from(bindparam("user_id"))))
_BY_ID: Final = Query(_texts.where(one_of(messages.c.id, "ids"), _is_seen))
_is_in_segment: Final = messages.c.id.between(bindparam("low"), bindparam("high"))
_is_short: Final = func.length(messages.c.content) <= SHORT_BYTES
_IN_SEGMENT: Final = Query(
    select(*_place, case((_is_short, messages.c.content)), messages.c.attachment).where(
        # By the ids: without the sum a database might read the conversations from their beginning.
        _is_in_segment,
        one_of(messages.c.conversation_id + 0, "conversation_ids"),
        _is_seen,
    ),
    is_packed=True,
)
"""NULL stands for a content that is long."""
_FOUND: Final = Query(select(*rows.MESSAGE_COLUMNS).where(one_of(messages.c.id, "ids")))
_CONTENTS: Final = Query(_texts.where(_is_in_segment).order_by(messages.c.id))
_HELD: Final = Query(select(meta.c.value).where(meta.c.name == LEASE).with_for_update())

_INSERT_POSTINGS: Final = BulkInsert(search_postings, search_postings.c.id, search_postings.c.places)
_INSERT_TEXTS: Final = BulkInsert(search_texts, search_texts.c.id, search_texts.c.content)
_INSERT_SEGMENT: Final = BulkInsert(search_segments, search_segments.c.segment, search_segments.c.conversation_ids)


Candidate = tuple[int, bool]
"""A message that may match, and whether `search_texts` says so, if it is there at all: of others the message itself
has to be read."""


class _Search:
    """One search, on one snapshot."""

    def __init__(self, user_id: int, key: str, kind: MessageKind | None) -> None:
        self._user_id = user_id
        self._key = key
        self._kind = kind
        self._seats: dict[int, int] = {}
        self._marked: dict[int, int] = {}
        self._plain: set[int] = set()
        """Conversations of which the user sees every message."""
        self._found: list[int] = []

    def plan(self, conversation_id: int | None, limit: int) -> Plan[tuple[list[Message], int]]:
        for seat in (yield _SEATS, {"user_id": self._user_id}):
            if conversation_id is None or seat[0] == conversation_id:
                self._seats[seat[0]] = seat[1]
        if not self._seats:
            return [], 0
        if self._kind is None:
            self._plain = {conversation for conversation, visible_after in self._seats.items() if not visible_after}
            self._plain.difference_update([row[0] for row in (yield _WITH_HIDDEN, {"user_id": self._user_id})])
        for _, message_id in (yield _MARKS, {}):
            segment, place = divmod(message_id, SEGMENT_SIZE)
            self._marked[segment] = self._marked.get(segment, 0) | 1 << place
        indexed = {row[0] for row in (yield _SEGMENTS, {})}
        left, step = 1 + ((yield _NEWEST_ID, {})[0][0] >> SEGMENT_BITS), FIRST_STEP
        while left and len(self._found) < COUNTED:
            segments = range(max(left - step, 0), left)
            left, step = segments.start, min(step * 4, LONGEST_STEP)
            yield from self._look(segments, indexed)
        page = self._found[:limit]
        if not page:
            return [], 0
        by_id = {row[0]: rows.message(row) for row in (yield _FOUND, {"ids": [[each] for each in page]})}
        return [by_id[message_id] for message_id in page], len(self._found)

    def _look(self, segments: range, indexed: Collection[int]) -> Plan[None]:
        """Adds the matches of the segments, the newest first."""
        candidates = yield from self._candidates([segment for segment in segments if segment in indexed])
        waiting: list[Candidate] = []
        for segment in reversed(segments):
            if segment in indexed:
                waiting += candidates.get(segment, ())
            if segment not in indexed or len(waiting) >= COMPARED:
                yield from self._compare(waiting)
                waiting = []
            if segment not in indexed:
                # Every place in it may hold a match.
                yield from self._scan(segment)
            if len(self._found) >= COUNTED:
                return
        yield from self._compare(waiting)

    def _candidates(self, segments: Sequence[int]) -> Plan[dict[int, list[Candidate]]]:
        """Of each segment the messages in the caller's conversations that may match, descending."""
        wanted = keyword_buckets(self._key)
        ids = [[segment << BUCKET_BITS | bucket] for segment in segments for bucket in wanted]
        seen: dict[int, int] = {}
        bitmaps: dict[int, int] = {}
        for posting, text in (yield _POSTINGS, {"ids": ids}):
            segment = posting >> BUCKET_BITS
            seen[segment] = seen.get(segment, 0) + 1
            bitmaps[segment] = bitmaps.get(segment, -1) & read_places(text)
        for segment in segments:
            bits = bitmaps[segment] if seen.get(segment) == len(wanted) else 0
            bitmaps[segment] = bits | self._marked.get(segment, 0)
        possible = [[segment] for segment in segments if bitmaps[segment]]
        found: dict[int, list[Candidate]] = {}
        if not possible:
            return found
        for segment, text in (yield _OWNERS, {"segments": possible}):
            owners, start, marked = orjson.loads(text), segment << SEGMENT_BITS, self._marked.get(segment, 0)
            found[segment] = [
                (start + place, owners[place] in self._plain and not marked >> place & 1)
                for place in reversed(places(bitmaps[segment]))
                if owners[place] in self._seats
            ]
        return found

    def _compare(self, candidates: Sequence[Candidate]) -> Plan[None]:
        for start in range(0, len(candidates), COMPARED):
            part = candidates[start : start + COMPARED]
            ids = [[message_id] for message_id, by_text in part if by_text]
            texts = (yield _TEXTS, {"ids": ids}) if ids else ()
            compared = {message_id for message_id, _ in texts}
            rest = [message_id for message_id, _ in part if message_id not in compared]
            matches = [message_id for message_id, text in texts if self._key in text]
            self._add(matches + (yield from self._matches_of(rest)))
            if len(self._found) >= COUNTED:
                return

    def _scan(self, segment: int) -> Plan[None]:
        low = segment << SEGMENT_BITS
        span = {"low": low, "high": low + SEGMENT_SIZE - 1, "user_id": self._user_id}
        own = [[conversation_id] for conversation_id in self._seats]
        found = yield _IN_SEGMENT, {"conversation_ids": own, **span}
        matches = self._matches([row for row in found if row[4] is not None])
        self._add(matches + (yield from self._matches_of([row[0] for row in found if row[4] is None])))

    def _matches_of(self, ids: Sequence[int]) -> Plan[list[int]]:
        """Of messages that have to be read themselves."""
        if not ids:
            return []
        each = [[message_id] for message_id in ids]
        return self._matches((yield _BY_ID, {"ids": each, "user_id": self._user_id}))

    def _matches(self, messages: Iterable[Row]) -> list[int]:
        key, seats, kind = self._key, self._seats, self._kind
        return [
            message_id
            for message_id, conversation_id, seq, its_kind, content, attachment in messages
            if seq > seats[conversation_id]
            and (kind is None or its_kind == kind)
            and any(key in text for text in searchable(content, attachment))
        ]

    def _add(self, matches: list[int]) -> None:
        """Those of a part; what follows is older."""
        matches.sort(reverse=True)
        self._found += matches[: COUNTED - len(self._found)]


class _Overtaken(Exception):
    """Another process holds the lease by now."""


class SqlSearchStore:
    """Implements `domain.ports.SearchStore`. `writer` and `gate` are those of a log, or its own."""

    def __init__(self, database: Database, writer: Writer, gate: WriteGate) -> None:
        self._database = database
        self._writer = writer
        self._gate = gate
        self._name = secrets.token_hex(8)

    async def find(
        self, user_id: int, keyword: str, *, conversation_id: int | None, kind: MessageKind | None, limit: int
    ) -> tuple[list[Message], int]:
        key = rows.search_key(keyword)
        if not key:
            return [], 0
        return await self._database.read(_Search(user_id, key, kind).plan(conversation_id, limit))

    async def index_next(self) -> bool:
        segment = await self._database.read(_next_segment())
        if segment is None:
            return False
        try:
            async with self._database.writing() as connection:
                if not await self._take_lease(connection):
                    return False
                # From here on its messages are compared one by one.
                await connection.execute(delete(search_segments).where(search_segments.c.segment == segment))
                first = segment << BUCKET_BITS
                await connection.execute(
                    delete(search_postings).where(search_postings.c.id.between(first, first + (1 << BUCKET_BITS) - 1))
                )
                first = segment << SEGMENT_BITS
                await connection.execute(
                    delete(search_texts).where(search_texts.c.id.between(first, first + SEGMENT_SIZE - 1))
                )
            await self._build(segment)
        except (_Overtaken, UniqueViolation):
            return False
        return True

    async def _take_lease(self, connection: AsyncConnection) -> bool:
        now_ms = self._database.now_ms()
        value = f"{self._name} {now_ms + LEASE_MS}"
        wanted = select(meta.c.value).where(meta.c.name == LEASE).with_for_update()
        held = await connection.scalar(wanted)
        if held is None:
            await connection.execute(insert(meta).values(name=LEASE, value=value))
            return True
        holder, until_ms = held.split(" ")
        if holder != self._name and int(until_ms) > now_ms:
            return False
        await connection.execute(update(meta).where(meta.c.name == LEASE).values(value=value))
        return True

    async def _build(self, segment: int) -> None:
        marks, texts = await self._database.read(_contents(segment))
        owners, postings, short = await asyncio.to_thread(_indexed, segment, texts)
        await self._write(_INSERT_TEXTS, short)
        for start in range(0, len(postings), ROWS_AT_ONCE):
            await self._write(_INSERT_POSTINGS, postings[start : start + ROWS_AT_ONCE])
        await self._write(_INSERT_SEGMENT, [(segment, owners)])
        async with self._database.writing() as connection:
            if marks:
                await connection.execute(delete(search_marks).where(search_marks.c.id.in_(marks)))
            mine = meta.c.value.startswith(f"{self._name} ")
            await connection.execute(update(meta).where(meta.c.name == LEASE, mine).values(value=f"{self._name} 0"))

    async def _write(self, into: BulkInsert, values: Sequence[Row]) -> None:
        """_Overtaken: what it writes is another's work by now."""

        def plan() -> Plan[None]:
            held = yield _HELD, {}
            if not held or not held[0][0].startswith(f"{self._name} "):
                raise _Overtaken
            yield into, values

        async with self._gate:
            await self._writer.write(plan)


def _next_segment() -> Plan[int | None]:
    """The oldest finished segment that has no index, or one of which messages changed."""
    finished = ((yield _NEWEST_ID, {})[0][0] + 1) >> SEGMENT_BITS
    indexed = {row[0] for row in (yield _SEGMENTS, {})}
    if len(indexed) < finished:
        return next(segment for segment in range(finished) if segment not in indexed)
    for _, message_id in (yield _MARKS, {}):
        if message_id >> SEGMENT_BITS < finished:
            return int(message_id >> SEGMENT_BITS)
    return None


def _contents(segment: int) -> Plan[tuple[list[int], list[Row]]]:
    """The marks of the segment, and its messages as they are with what the marks stand for."""
    marks = [row[0] for row in (yield _MARKS, {}) if row[1] >> SEGMENT_BITS == segment]
    low = segment << SEGMENT_BITS
    texts = yield _CONTENTS, {"low": low, "high": low + SEGMENT_SIZE - 1}
    return marks, list(texts)


def _indexed(segment: int, found: Sequence[Row]) -> tuple[str, list[Row], list[Row]]:
    """Whose the places are, the postings, and the texts that messages are compared by, of those that have one and a
    short one: in a thread, as it takes tens of milliseconds."""
    owners = [0] * SEGMENT_SIZE
    texts: list[tuple[int, list[str]]] = []
    short: list[Row] = []
    for message_id, conversation_id, _, _, content, attachment in found:
        place = message_id % SEGMENT_SIZE
        owners[place] = conversation_id
        texts.append((place, searchable(content, attachment)))
        if len(texts[-1][1]) == 1 and len(texts[-1][1][0].encode("utf-8", "surrogatepass")) <= SHORT_BYTES:
            short.append((message_id, texts[-1][1][0]))
    first = segment << BUCKET_BITS
    postings: list[Row] = [(first | bucket, write_places(bits)) for bucket, bits in sorted(buckets(texts).items())]
    return orjson.dumps(owners).decode(), postings, short
