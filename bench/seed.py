"""Fills a data directory through the storage ports, because ten thousand users registered over REST take minutes."""

import asyncio
import dataclasses
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import insert

from app.clock import SystemClock
from app.data_dir import DataDir
from domain.model import Conversation, ConversationKind, DialectName, Draft, Login, User
from domain.tokens import Claims, TokenLimits, Tokens, new_id
from storage import MysqlStores, SqliteStores, open_sqlite
from storage.sql.tables import users

Stores = SqliteStores | MysqlStores

MAX_MEMBERS: Final = 1000
"""Of the group; what the API allows."""

NO_PASSWORD: Final = "!"
"""No bcrypt hash: nobody logs in with a password here."""

CROWD_AT_ONCE: Final = 2000
"""Users of one transaction."""

MEMORY: Final = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a scenario wants to find in the store."""

    users: int = 0
    group_size: int = 0
    """Members of the group, the first users."""
    singles: int = 0
    """Single conversations, of each two users in a row."""
    talks: int = 0
    """More single conversations: of user N with user N + `talks`."""
    messages: int = 0
    """In each of the talks."""
    contacts: int = 0
    """With each of so many users the popular one has a single conversation of one message."""
    crowd: int = 0
    """More users, who never come; then the first one is an administrator."""

    def __or__(self, other: "Needs") -> "Needs":
        mine, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
        return Needs(*map(max, mine, theirs))

    @property
    def all_users(self) -> int:
        """The popular one comes after all others."""
        most = max(self.users, self.group_size, 2 * self.singles, 2 * self.talks, self.contacts)
        return most + (1 if self.contacts else 0)


@dataclass(frozen=True, slots=True)
class Population:
    """Access tokens by user, and the conversations that were asked for. `popular` is the index of a user."""

    data_dir: Path
    tokens: list[str]
    group_id: int
    single_ids: list[int]
    talk_ids: list[int]
    popular: int


async def populate(target: Path, needs: Needs) -> Population:
    """Makes the data directory `target`. What is seeded needs no durability, so it is written in memory, if that is
    possible, and then copied to the disk that is measured."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        data_dir = DataDir(str(Path(scratch) / "data"))
        population = await fill(open_sqlite(data_dir.database), data_dir, needs)
        shutil.copytree(data_dir.path, target)
    return dataclasses.replace(population, data_dir=target)


async def fill(stores: Stores, data_dir: DataDir, needs: Needs) -> Population:
    """Starts the stores, fills them for a server with this data directory, and closes them."""
    await stores.start()
    try:
        return await Seed(stores, data_dir).fill(needs)
    finally:
        await stores.close()


class Seed:
    """Fills stores that were started. Users are named by their index."""

    def __init__(self, stores: Stores, data_dir: DataDir) -> None:
        self.stores = stores
        self._data_dir = data_dir
        self._tokens = Tokens(data_dir.secret_key(), SystemClock(), TokenLimits())
        self.now_ms = SystemClock().now_ms()
        self.users: list[User] = []

    async def fill(self, needs: Needs) -> Population:
        signed = [await self.register(f"bench{number}") for number in range(needs.all_users)]
        group_id = await self._group(needs.group_size) if needs.group_size else 0
        singles = [await self.single(2 * number, 2 * number + 1) for number in range(needs.singles)]
        popular = len(self.users) - 1
        talks = [await self.single(number, number + needs.talks) for number in range(needs.talks)]
        contacts = [await self.single(popular, number) for number in range(needs.contacts)]
        await self._say([(talk, number) for number, talk in enumerate(talks) for _ in range(needs.messages)])
        await self._say([(single, number) for number, single in enumerate(contacts)])
        if needs.crowd:
            await self._crowd(needs.crowd)
        return Population(self._data_dir.path, signed, group_id, singles, talks, popular)

    async def register(self, name: str) -> str:
        """The access token of a new login."""
        now_ms, limits = self.now_ms, self._tokens.limits
        user = await self.stores.users.create(username=name, nickname=name, password_hash=NO_PASSWORD, now_ms=now_ms)
        self.users.append(user)
        login = Login(
            id=new_id(),
            user_id=user.id,
            dialect=DialectName.NATIVE,
            refresh_id=new_id(),
            created_at_ms=now_ms,
            expires_at_ms=now_ms + limits.access_s * 1000,
        )
        await self.stores.logins.create(login)
        claims = Claims(user.id, login.id, new_id(), DialectName.NATIVE, login.expires_at_ms)
        return self._tokens.sign("access", claims)

    async def _crowd(self, count: int) -> None:
        """Written past the store of users, one by one of which takes minutes."""
        await self.stores.users.update(self.users[0].id, is_admin=True)
        texts = {"username": "crowd{}", "username_key": "crowd{}", "nickname": "crowd{}", "nickname_key": "crowd{}"}
        numbers = {"created_at_ms": self.now_ms, "updated_at_ms": self.now_ms}
        for start in range(0, count, CROWD_AT_ONCE):
            people = [
                {name: text.format(number) for name, text in texts.items()}
                | {"uuid": str(uuid.uuid4()), "password_hash": NO_PASSWORD, **numbers}
                for number in range(start, min(start + CROWD_AT_ONCE, count))
            ]
            async with self.stores.database.writing() as connection:
                await connection.execute(insert(users), people)

    async def _group(self, size: int) -> int:
        owner, *others = self.users[:size]
        group = Conversation(
            id=0,
            kind=ConversationKind.GROUP,
            name="bench",
            creator_id=owner.id,
            max_members=MAX_MEMBERS,
            created_at_ms=self.now_ms,
            updated_at_ms=self.now_ms,
        )
        async with self.stores.conversations.create_group(group, [user.id for user in others]) as edit:
            return edit.conversation.id

    async def single(self, first: int, second: int) -> int:
        """Of two users, by index."""
        users = self.users
        single, _ = await self.stores.conversations.create_single(users[first].id, users[second].id, self.now_ms)
        return single.id

    async def _say(self, places: list[tuple[int, int]]) -> None:
        """A message in each conversation from the user with this index."""
        await self.append(
            [
                Draft(
                    conversation_id=conversation_id,
                    sender_id=self.users[sender].id,
                    content=f"message {number} of a talk",
                )
                for number, (conversation_id, sender) in enumerate(places)
            ]
        )

    async def append(self, drafts: Sequence[Draft]) -> None:
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[object]] = []
        for draft in drafts:
            answer = loop.create_future()
            answers.append(answer)
            self.stores.log.append(draft, answer.set_result)
        refusals = [each for each in await asyncio.gather(*answers) if isinstance(each, Exception)]
        assert not refusals, refusals[0]
