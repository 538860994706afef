"""Fills a data directory through the storage ports, because ten thousand users registered over REST take minutes."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.clock import SystemClock
from app.data_dir import DataDir
from domain.events import ConversationCreated
from domain.model import Conversation, ConversationKind, DialectName, Login, Profile, User
from domain.tokens import Claims, TokenLimits, Tokens, new_id
from storage import SqliteStores, open_sqlite

MAX_MEMBERS: Final = 1000
"""Of the group; what the API allows."""

NO_PASSWORD: Final = "!"
"""No bcrypt hash: nobody logs in with a password here."""

MEMORY: Final = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Population:
    """Access tokens by user, a group of the first `group_size` users, and a single conversation for each two users in
    a row."""

    data_dir: Path
    tokens: list[str]
    group_id: int
    group_size: int
    single_ids: list[int]


async def populate(target: Path, users: int, group_size: int, singles: int) -> Population:
    """Makes `target`. What is seeded needs no durability, so it is written in memory, if that is possible, and then
    copied to the disk that is measured."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        data_dir = DataDir(str(Path(scratch) / "data"))
        tokens = Tokens(data_dir.secret_key(), SystemClock(), TokenLimits())
        stores = open_sqlite(data_dir.database)
        await stores.start()
        try:
            population = await _fill(stores, tokens, target, max(users, group_size, 2 * singles), group_size, singles)
        finally:
            await stores.close()
        shutil.copytree(data_dir.path, target)
    return population


async def _fill(
    stores: SqliteStores, tokens: Tokens, target: Path, users: int, group_size: int, singles: int
) -> Population:
    now_ms = SystemClock().now_ms()
    expires_at_ms = now_ms + tokens.limits.access_s * 1000
    accounts: list[User] = []
    signed: list[str] = []
    for number in range(users):
        name = f"bench{number}"
        user = await stores.users.create(username=name, nickname=name, password_hash=NO_PASSWORD, now_ms=now_ms)
        login = Login(
            id=new_id(),
            user_id=user.id,
            dialect=DialectName.NATIVE,
            refresh_id=new_id(),
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
        )
        await stores.logins.create(login)
        claims = Claims(user.id, login.id, new_id(), DialectName.NATIVE, expires_at_ms)
        accounts.append(user)
        signed.append(tokens.sign("access", claims))
    group_id = 0
    if group_size:
        members = [user.id for user in accounts[:group_size]]
        creator = Profile(accounts[0].id, accounts[0].username, accounts[0].nickname, "", True)
        group = Conversation(
            id=0,
            kind=ConversationKind.GROUP,
            name="bench",
            creator_id=creator.id,
            max_members=MAX_MEMBERS,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
        )
        created = await stores.conversations.create_group(
            group, members, lambda made: ConversationCreated(made, creator, tuple(members))
        )
        group_id = created.id
    single_ids = []
    for first in range(0, 2 * singles, 2):
        single, _ = await stores.conversations.create_single(accounts[first].id, accounts[first + 1].id, now_ms)
        single_ids.append(single.id)
    return Population(target, signed, group_id, group_size, single_ids)
