"""A few users, conversations and messages, made through the ports: what the store tests begin with."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from domain.answer import answer
from domain.events import ConversationCreated
from domain.model import Conversation, ConversationKind, Draft, Message, Profile, User
from domain.ports import (
    Appended,
    BroadcastStore,
    CallStore,
    ClientEventStore,
    ConversationStore,
    DeliveryStore,
    EventLog,
    FileStore,
    GroupStore,
    LoginStore,
    Mark,
    Marked,
    MarkLog,
    MessageLog,
    MessageStore,
    NotificationContents,
    NotificationFeed,
    NotificationStore,
    NotificationTemplateStore,
    SearchStore,
    SyncStore,
    TimerStore,
    UserStore,
)
from storage.sql.database import Database


class Stores(Protocol):
    """What every database offers."""

    @property
    def users(self) -> UserStore: ...

    @property
    def logins(self) -> LoginStore: ...

    @property
    def conversations(self) -> ConversationStore: ...

    @property
    def groups(self) -> GroupStore: ...

    @property
    def broadcasts(self) -> BroadcastStore: ...

    @property
    def event_log(self) -> EventLog: ...

    @property
    def client_events(self) -> ClientEventStore: ...

    @property
    def messages(self) -> MessageStore: ...

    @property
    def log(self) -> MessageLog: ...

    @property
    def marks(self) -> MarkLog: ...

    @property
    def files(self) -> FileStore: ...

    @property
    def notifications(self) -> NotificationStore: ...

    @property
    def deliveries(self) -> DeliveryStore: ...

    @property
    def notification_contents(self) -> NotificationContents: ...

    @property
    def notification_feed(self) -> NotificationFeed: ...

    @property
    def notification_templates(self) -> NotificationTemplateStore: ...

    @property
    def calls(self) -> CallStore: ...

    @property
    def timers(self) -> TimerStore: ...

    @property
    def sync(self) -> SyncStore: ...

    @property
    def search(self) -> SearchStore: ...

    @property
    def database(self) -> Database: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.time_ms = 1_000_000

    def __call__(self) -> int:
        return self.time_ms


class World:
    def __init__(self, stores: Stores, clock: Clock) -> None:
        self.stores = stores
        self.clock = clock

    async def user(self, name: str, **fields: Any) -> User:
        return await self.stores.users.create(
            username=name, nickname=name, password_hash="hash", now_ms=self.clock.time_ms, **fields
        )

    async def users(self, count: int) -> list[int]:
        """Ids of new users."""
        return [(await self.user(f"user{number}")).id for number in range(count)]

    async def single(self, one: int, other: int) -> Conversation:
        conversation, _ = await self.stores.conversations.create_single(one, other, self.clock.time_ms)
        return conversation

    async def group(self, creator_id: int, member_ids: Sequence[int] = (), **fields: Any) -> Conversation:
        draft = Conversation(
            id=0,
            kind=ConversationKind.GROUP,
            name="group",
            creator_id=creator_id,
            max_members=500,
            created_at_ms=self.clock.time_ms,
            updated_at_ms=self.clock.time_ms,
            **fields,
        )
        creator = Profile(creator_id, "creator", "creator")
        async with self.stores.conversations.create_group(draft, member_ids) as edit:
            await edit.record(ConversationCreated(edit.conversation, creator, (creator_id, *member_ids)))
            return edit.conversation

    async def append(self, draft: Draft) -> Appended:
        return await answer(lambda done: self.stores.log.append(draft, done))

    async def send(self, conversation_id: int, sender_id: int, content: str = "hello", **fields: Any) -> Message:
        draft = Draft(conversation_id=conversation_id, sender_id=sender_id, content=content, **fields)
        return (await self.append(draft)).message

    async def send_all(self, conversation_id: int, sender_id: int, contents: Iterable[str]) -> list[Message]:
        """In one batch, or few."""
        return list(await asyncio.gather(*(self.send(conversation_id, sender_id, content) for content in contents)))

    async def mark(self, conversation_id: int, user_id: int, *read: tuple[int, int], delivered_seq: int = 0) -> Marked:
        mark = Mark(conversation_id, user_id, tuple(read), delivered_seq)
        return await answer(lambda done: self.stores.marks.mark(mark, done))
