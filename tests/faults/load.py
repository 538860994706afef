"""The seeded load: people who talk in single conversations and groups, send again, edit, mark as read."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from tests.e2e.server import Person
from tests.faults.record import Acked, Counted, Edit, Marks, Record, Sent, Shown
from tests.faults.sessions import ImSession, NativeSession

PEOPLE: Final = 8
MEAN_PAUSE_S: Final = 0.15
"""Between two actions of one person."""

RESENT: Final = 0.03
"""Share of the sends that are made twice with the same client_msg_id."""

EDITS: Final = 0.06
MARKS: Final = 0.1
MAX_UNDER_WAY: Final = 8
"""Actions of one person at a time; then they wait, as people do."""

SETTLE_S: Final = 20.0
"""For each step of coming to rest."""


@dataclass(slots=True)
class Talker:
    """One person: a native session always, one of im for every third."""

    person: Person
    native: NativeSession
    im: ImSession | None
    conversations: list[int]
    dice: random.Random


class Load:
    """`start`, let it run, `finish`. The same seed makes the same people do the same, as far as faults let them."""

    def __init__(self, seed: int, ws_url: str) -> None:
        self.record = Record()
        self.talkers: list[Talker] = []
        self._seed = seed
        self._ws_url = ws_url
        self._keys = 0
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, people: list[Person], conversations: dict[int, list[int]]) -> None:
        """Opens sessions, then everybody talks. `conversations` are those of each person."""
        for number, person in enumerate(people):
            dice = random.Random(f"{self._seed} {number}")
            codec = dice.choice(("json", "binary"))
            native = NativeSession(f"{person.name} native", person.id, f"{self._ws_url}/gateway", person.token, codec)
            im = (
                ImSession(f"{person.name} im", person.id, self._ws_url, person.token, dice) if number % 3 == 0 else None
            )
            self.talkers.append(Talker(person, native, im, conversations[person.id], dice))
        for talker in self.talkers:
            for session in _sessions(talker):
                await session.start()
                self.record.sessions.append(session.log)
        self._tasks = [asyncio.create_task(self._talk(talker)) for talker in self.talkers]

    @property
    def disconnects(self) -> int:
        return sum(session.disconnects for talker in self.talkers for session in _sessions(talker))

    @property
    def acked(self) -> int:
        return sum(isinstance(each, Acked) for session in self.record.sessions for each in session.heard)

    async def all_sent_since(self, since: float) -> None:
        """Returns when everybody got an acknowledgement of a native send that began later than this loop time."""
        while any(talker.native.last_acked_send < since for talker in self.talkers):
            await asyncio.sleep(0.02)

    async def finish(self) -> None:
        """Everybody ends what they began; then a last message in each conversation, which all should hear; then the
        views of all members are read. TimeoutError if that takes too long; not if something is never heard, which is
        for the checker to find."""
        self._stop.set()
        async with asyncio.timeout(SETTLE_S):
            await asyncio.gather(*self._tasks)
            for talker in self.talkers:
                if talker.im is not None:
                    await talker.im.is_connected.wait()
            last = {
                conversation_id: await self._send(talker, talker.native, conversation_id)
                for talker in self.talkers
                for conversation_id in talker.conversations
            }
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._all_heard(set(last.values()))
        except TimeoutError:
            pass
        async with asyncio.timeout(SETTLE_S):
            await self._read()

    def describe(self) -> str:
        """Who has not finished what they began."""
        busy = [talker.person.name for talker, task in zip(self.talkers, self._tasks, strict=True) if not task.done()]
        return f"busy: {', '.join(busy)}" if busy else "a socket does not come back, or nobody answers"

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for talker in self.talkers:
            for session in _sessions(talker):
                await session.stop()

    async def _talk(self, talker: Talker) -> None:
        """One action after another, several of them under way."""
        dice = talker.dice
        under_way: set[asyncio.Task[None]] = set()
        try:
            while not self._stop.is_set():
                await asyncio.sleep(dice.expovariate(1 / MEAN_PAUSE_S))
                if len(under_way) >= MAX_UNDER_WAY:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                under_way.add(asyncio.create_task(self._act(talker)))
                for task in [each for each in under_way if each.done()]:
                    under_way.discard(task)
                    task.result()
            await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()

    async def _act(self, talker: Talker) -> None:
        dice = talker.dice
        what = dice.random()
        if what < EDITS:
            await self._edit(talker)
        elif what < EDITS + MARKS:
            await self._mark(talker)
        else:
            session = talker.im if talker.im is not None and dice.random() < 0.4 else talker.native
            await self._send(talker, session, dice.choice(talker.conversations))

    async def _send(self, talker: Talker, session: NativeSession | ImSession, conversation_id: int) -> str:
        self._keys += 1
        key = f"{talker.person.name}-{self._keys}"
        content = f"{key}: {'飞鸽' * talker.dice.randint(0, 40)}"
        self.record.sent[key] = Sent(key, talker.person.id, conversation_id, content, asyncio.get_running_loop().time())
        twice = talker.dice.random() < RESENT
        if await session.send(conversation_id, key, content) and twice:
            # On another session where there is one: the answer must be the same.
            other = talker.dice.choice(_sessions(talker))
            await other.send(conversation_id, key, content)
        return key

    async def _edit(self, talker: Talker) -> None:
        """One's own, one attempt at a time, and none after one whose fate is unknown: it may come late."""
        acked = [each for each in talker.native.log.heard[-200:] if isinstance(each, Acked)]
        candidates = [ack for ack in acked if all(edit.is_acked for edit in self.record.edits.get(ack.key, ()))]
        if candidates:
            ack = talker.dice.choice(candidates)
            edits = self.record.edits.setdefault(ack.key, [])
            edit = Edit(f"{ack.key}: edit {len(edits) + 1}")
            edits.append(edit)
            edit.is_acked = bool(await talker.native.edit(ack.message_id, edit.content))

    async def _mark(self, talker: Talker) -> None:
        heard = [each for each in talker.native.log.heard[-200:] if isinstance(each, Shown)]
        if heard:
            message = talker.dice.choice(heard)
            marks = self.record.marks.setdefault((talker.person.id, message.conversation_id), Marks())
            marks.tried_seq = max(marks.tried_seq, message.seq)
            if await talker.native.mark(message.conversation_id, message.seq):
                marks.acked_seq = max(marks.acked_seq, message.seq)

    async def _all_heard(self, keys: set[str]) -> None:
        members = {talker.person.id: talker.conversations for talker in self.talkers}
        wanted = {
            (session.name, sent.key)
            for session in self.record.sessions
            for sent in (self.record.sent[key] for key in keys)
            if sent.conversation_id in members[session.user_id]
        }
        while True:
            for session in self.record.sessions:
                for each in session.heard[-500:]:
                    if isinstance(each, Shown | Acked):
                        wanted.discard((session.name, each.key or ""))
            if not wanted:
                return
            await asyncio.sleep(0.05)

    async def _read(self) -> None:
        """Fills in the members' views."""
        for talker in self.talkers:
            for conversation_id, (read_seq, unread) in (await talker.native.counts()).items():
                self.record.counted[talker.person.id, conversation_id] = Counted(read_seq, unread)
            for conversation_id in talker.conversations:
                history = await talker.native.history(conversation_id)
                self.record.histories[talker.person.id, conversation_id] = history


async def acquainted(people: list[Person]) -> dict[int, list[int]]:
    """Makes single conversations and groups. The conversations of each person."""
    conversations: dict[int, list[int]] = {person.id: [] for person in people}
    for person, other in zip(people, people[1:] + people[:1], strict=True):
        conversation_id = await person.single(other)
        for each in (person, other):
            conversations[each.id].append(conversation_id)
    for members in (people, people[::2]):
        conversation_id = await members[0].group(*members[1:])
        for person in members:
            conversations[person.id].append(conversation_id)
    return conversations


def _sessions(talker: Talker) -> list[NativeSession | ImSession]:
    return [talker.native] if talker.im is None else [talker.native, talker.im]
