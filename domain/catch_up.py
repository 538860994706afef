"""What another process told and did not arrive is read from the store: nothing is lost, nothing is heard twice."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Sequence
from time import monotonic
from typing import Final

import structlog

from domain.accounts import Accounts
from domain.delivered import Delivered
from domain.errors import ConversationNotFound, DomainError
from domain.events import (
    ConversationDeleted,
    Event,
    MessageDeleted,
    MessageEdited,
    MessagePinned,
    MessageRecalled,
    MessageSent,
    ProfileChanged,
    ReceiptMarked,
    UserDeactivated,
)
from domain.messages import RECEIPTS_PUSHED_UP_TO_MEMBERS
from domain.model import MAX_ID, Message, Profile
from domain.ports import EVERYBODY, Audience, Bus, News, Recorded, SyncStore
from domain.profiles import Profiles
from domain.rosters import ROSTER_EVENTS, Rosters
from domain.sequencer import EARLY_MS

ROUND_S: Final = 1.0
"""How often the store is read while events do not cross."""

SETTLED_TURNS: Final = 20
"""A position that was read so many turns ago is complete: what it covers has been heard here, or trouble would have
shown. A process that dies between commit and telling is missed after 8 s, and one whose commit was not answered may
tell of it 15 s later. Turns are not counted by the clock: they stop with a process that is stopped, whose events wait
unread."""

EVERYTHING_S: Final = 10.0
"""How often, while events do not cross, what no recorded change covers is read anew: profiles, revoked logins."""

MAX_NEWS: Final = 20_000
"""More is not caught up with: the sessions are sent away to resume, each from where it is."""

AT_ONCE: Final = 500
"""Rows that are handled before others have their turn."""

log = structlog.get_logger("catch-up")


_Reader = tuple[int, int, int]
"""A member who is here, since when, and after which seq the messages are theirs to see."""


class StoredMessages:
    """Implements `domain.sequencer.LateMessages`: messages of the store for those of their readers who are here, were
    here when they were sent, and may see them."""

    def __init__(self, rosters: Rosters, profiles: Profiles, here_since_ms: Callable[[int], int | None]) -> None:
        self._rosters = rosters
        self._profiles = profiles
        self._here_since_ms = here_since_ms

    async def events(self, messages: Sequence[Message]) -> list[tuple[MessageSent, Audience]]:
        found: list[tuple[MessageSent, Audience]] = []
        senders = await self._profiles.get_many({message.sender_id for message in messages})
        present: dict[int, list[_Reader]] = {}
        for message in messages:
            conversation_id = message.conversation_id
            if conversation_id not in present:
                present[conversation_id] = await self._present(conversation_id)
            user_ids = [
                user_id
                for user_id, since_ms, visible_after_seq in present[conversation_id]
                if visible_after_seq < message.seq and message.created_at_ms >= since_ms - EARLY_MS
            ]
            if user_ids:
                sender = senders.get(message.sender_id) or Profile(message.sender_id, "", "")
                roster = await self._rosters.get(conversation_id)
                event = MessageSent(message, sender, roster.other(message.sender_id))
                found.append((event, Audience(user_ids, conversation_id)))
        return found

    async def hearers(self, event: Event, conversation_id: int) -> set[int]:
        """The users here who are to hear a change that was recorded for the conversation."""
        if isinstance(event, ConversationDeleted):
            return set(event.participant_ids)
        seq = MAX_ID
        if isinstance(event, (MessageSent, MessageEdited, MessageRecalled, MessageDeleted, MessagePinned)):
            seq = event.message.seq
        present = {
            user_id for user_id, _, visible_after_seq in await self._present(conversation_id) if visible_after_seq < seq
        }
        if isinstance(event, ReceiptMarked):
            roster = self._rosters.peek(conversation_id)
            if roster is None or len(roster.seats) > RECEIPTS_PUSHED_UP_TO_MEMBERS:
                return {event.user_id}
        return present

    async def _present(self, conversation_id: int) -> list[_Reader]:
        try:
            roster = await self._rosters.get(conversation_id)
        except ConversationNotFound:
            return []
        here_since_ms = self._here_since_ms
        return [
            (user_id, since_ms, seat.visible_after_seq)
            for user_id, seat in roster.seats.items()
            if (since_ms := here_since_ms(user_id)) is not None
        ]


class CatchUp:
    """Watches the bus of a process and reads the store when events may not have arrived: every second while they do not
    cross, once when they do again. What it finds goes through the handlers of this process."""

    def __init__(
        self,
        *,
        bus: Bus,
        sync: SyncStore,
        accounts: Accounts,
        rosters: Rosters,
        profiles: Profiles,
        stored: StoredMessages,
        delivered: Delivered,
        here: Callable[[], Collection[int]],
        resync: Callable[[], None],
        round_s: float = ROUND_S,
        settled_turns: int = SETTLED_TURNS,
    ) -> None:
        """`here` are the users with sessions of this process; `resync` sends all sessions away to resume."""
        self._bus = bus
        self._sync = sync
        self._accounts = accounts
        self._rosters = rosters
        self._profiles = profiles
        self._stored = stored
        self._delivered = delivered
        self._here = here
        self._resync = resync
        self._round_s = round_s
        self._settled_turns = settled_turns
        self._positions: deque[str] = deque()
        """Of the turns in which nothing was missed, since the last that is complete."""
        self._since: list[str] = []
        self._is_asked = False
        self._until = 0.0
        self._was_needed = False
        self._everything_at = 0.0
        self._wake = asyncio.Event()
        self.rounds = 0
        self.resyncs = 0
        bus.when_missed(self._missed)

    def _missed(self, since: str | None, for_s: float) -> None:
        self._is_asked = True
        if since is not None and since not in self._since:
            self._since.append(since)
        self._until = max(self._until, monotonic() + for_s)
        self._wake.set()

    async def start(self) -> None:
        """Unavailable."""
        self._positions.append(await self._sync.position())

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            # Not `wait_for`: it swallows a cancellation that comes with the event (Python 3.11).
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._round_s):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.turn()
            except DomainError as error:
                log.warning("the store cannot be read", error=str(error))
                self._is_asked = True

    async def turn(self) -> None:
        """Reads what was missed; or, if nothing was, the position. Unavailable."""
        bus = self._bus
        is_needed = self._is_asked or bus.trouble is not None or not bus.hears_all or monotonic() < self._until
        if is_needed:
            await self._round()
        else:
            position = await self._sync.position()
            # What shows trouble meanwhile is read from the last position that was complete without it.
            if not self._is_asked and bus.trouble is None:
                self._positions.append(position)
                if len(self._positions) > self._settled_turns + 1:
                    self._positions.popleft()
                bus.complete_up_to(self.position())
        self._was_needed = is_needed

    def position(self) -> str:
        """The last one that is complete: all that it covers was heard here. Sessions may resume from it."""
        return self._positions[0]

    async def _round(self) -> None:
        self.rounds += 1
        started = monotonic()
        is_asked, self._is_asked = self._is_asked, False
        # Whoever asks may be the last to do so.
        if is_asked or not self._was_needed or started - self._everything_at > EVERYTHING_S:
            await self._read_everything()
            self._everything_at = started
        asked, self._since = self._since, []
        complete = self.position()
        for since in (complete, *(each for each in asked if each != complete)):
            news = await self._sync.news(since, MAX_NEWS)
            if news is None:
                log.warning("too much was missed; all sessions resume")
                self.resyncs += 1
                self._positions.clear()
                await self.start()
                self._resync()
                return
            await self._tell(news)
            if since == complete:
                self._positions = deque([news.position])

    async def _read_everything(self) -> None:
        """What no recorded change covers."""
        self._rosters.forget()
        before = {user_id: self._profiles.peek(user_id) for user_id in self._here()}
        self._profiles.forget()
        await self._accounts.relearn_revocations()
        user_ids = list(before)
        for first in range(0, len(user_ids), AT_ONCE):
            profiles = await self._profiles.get_many(user_ids[first : first + AT_ONCE])
            for user_id, profile in profiles.items():
                if not profile.is_active:
                    self._bus.publish_here(UserDeactivated(user_id), Audience((user_id,)))
                elif before[user_id] not in (None, profile):
                    self._bus.publish_here(ProfileChanged(profile), Audience((user_id,)))

    async def _tell(self, news: News) -> None:
        changes = [change for change in news.events if not self._delivered.has_heard(change.event)]
        changed = {change.conversation_id for change in changes if type(change.event) in ROSTER_EVENTS}
        # A relation between two users is recorded without their conversation.
        self._rosters.forget(None if None in changed else {each for each in changed if each is not None})
        messages = sorted(news.messages, key=lambda message: (message.conversation_id, message.seq))
        for first in range(0, len(messages), AT_ONCE):
            for message, audience in await self._stored.events(messages[first : first + AT_ONCE]):
                self._bus.publish_here(message, audience)
            await asyncio.sleep(0)
        for event, audience in await self._changes(changes):
            self._delivered.catches(event)
            self._bus.publish_here(event, audience)

    async def _changes(self, changes: Sequence[Recorded]) -> list[tuple[Event, Audience]]:
        """Each event once: it may be recorded for the members of now, and apart for one who was a member before."""
        found: dict[int, tuple[Event, int | None, set[int]]] = {}
        for change in changes:
            key = hash((type(change.event), change.event))
            _, _, user_ids = found.setdefault(key, (change.event, change.conversation_id, set()))
            if change.only_for is not None:
                user_ids.add(change.only_for)
            elif change.conversation_id == EVERYBODY:
                user_ids.update(self._here())
            elif change.conversation_id is not None:
                user_ids |= await self._stored.hearers(change.event, change.conversation_id)
        return [
            (event, Audience(tuple(user_ids), conversation_id)) for event, conversation_id, user_ids in found.values()
        ]
