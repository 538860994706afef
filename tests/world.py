"""The domain on real stores: SQLite in a temporary file, the in-process ports, and a clock that tests move."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from domain.accounts import AccountLimits, Accounts, Revocations
from domain.applications import Applications
from domain.broadcasts import Broadcasts
from domain.calls import CallLimits, Calls
from domain.cascade import Cascade
from domain.client_events import ClientEvents
from domain.contacts import Contacts
from domain.conversations import Conversations
from domain.errors import DomainError
from domain.files import FileLimits, Files
from domain.groups import Groups
from domain.message_timers import MessageTimers
from domain.messages import MessageLimits, Messages
from domain.notification_delivery import NotificationDelivery
from domain.notification_sending import NotificationSending
from domain.notification_templates import NotificationTemplates
from domain.notification_triggers import NotificationTriggers
from domain.notifications import Notifications
from domain.passwords import Passwords
from domain.ports import Bus, PresenceDirectory
from domain.presence import Presence
from domain.profiles import Profiles
from domain.records import Channel, Notification, NotificationRecord, Recipient
from domain.rosters import Rosters
from domain.search import MessageSearch
from domain.tokens import TokenLimits, Tokens
from storage import open_mysql, open_sqlite
from storage.blobs.disk import DiskBlobStore
from storage.inprocess.bus import InProcessBus
from storage.inprocess.limits import InProcessRateLimiter
from storage.inprocess.presence import InProcessPresenceDirectory
from storage.thumbnails import PillowThumbnails

SECRET = b"a secret of the tests, of thirty-two bytes and more"
PASSWORD = "correct horse"
START_MS = 1_736_337_600_000
"""2025-01-08T12:00:00Z."""
NOBODY = 4_000_000_000
"""An id that nothing has."""


class TestClock:
    """Stands still unless it is moved."""

    __test__ = False

    def __init__(self) -> None:
        self.at_ms = START_MS

    def now_ms(self) -> int:
        return self.at_ms


class RecordingSender:
    """Where a mail server or a push provider would be; `refusal` is what it answers while it is set."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, list[str]]] = []
        self.refusal: DomainError | None = None

    async def send(self, to: Recipient, items: Sequence[tuple[NotificationRecord, Notification]]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.sent.append((to.user_id, [notification.title for _, notification in items]))


class Rules:
    """`start` and `close` it."""

    def __init__(
        self,
        database: Path,
        *,
        mysql_url: str | None = None,
        limits: AccountLimits | None = None,
        message_limits: MessageLimits | None = None,
        file_limits: FileLimits | None = None,
        clock: TestClock | None = None,
        bus: Bus | None = None,
        directory: PresenceDirectory | None = None,
        offline_after_s: float = 0.0,
    ) -> None:
        """`mysql_url`: a migrated database in the place of SQLite. `bus` and `directory`: those of one of several
        nodes."""
        self.clock = clock or TestClock()
        now_ms = self.clock.now_ms
        self.stores = open_sqlite(database, now_ms) if mysql_url is None else open_mysql(mysql_url, now_ms)
        self._is_shared = bus is not None
        self.bus = bus or InProcessBus()
        self.directory = directory or InProcessPresenceDirectory()
        self._offline_after_s = offline_after_s
        self._tasks: set[asyncio.Task[None]] = set()
        self.blobs = DiskBlobStore(database.parent / "blobs")
        self._limits = limits or AccountLimits()
        self._message_limits = message_limits or MessageLimits()
        self._file_limits = file_limits or FileLimits()

    async def start(self) -> None:
        await self.stores.start()
        self.profiles = Profiles(self.stores.users)
        self.rosters = Rosters(self.stores.conversations, self.spawn, is_shared=self._is_shared)
        revocations = Revocations(self.clock)
        for handler in (self.rosters.on_event, self.profiles.on_event, revocations.on_event):
            self.bus.subscribe(handler)
        await self.bus.start()
        self.passwords = Passwords(rounds=4)
        self.tokens = Tokens(SECRET, self.clock, TokenLimits())
        self.accounts = Accounts(
            users=self.stores.users,
            logins=self.stores.logins,
            profiles=self.profiles,
            passwords=self.passwords,
            tokens=self.tokens,
            revocations=revocations,
            limiter=InProcessRateLimiter(),
            bus=self.bus,
            clock=self.clock,
            limits=self._limits,
        )
        await self.accounts.start()
        self.notifications = Notifications(store=self.stores.notifications, users=self.stores.users, clock=self.clock)
        self.templates = NotificationTemplates(store=self.stores.notification_templates, clock=self.clock)
        self.sending = NotificationSending(
            contents=self.stores.notification_contents,
            store=self.stores.notifications,
            templates=self.templates,
            directory=self.directory,
            bus=self.bus,
            clock=self.clock,
            available=Channel,
        )
        self.senders: dict[Channel, RecordingSender] = {
            Channel.EMAIL: RecordingSender(),
            Channel.PUSH: RecordingSender(),
        }
        self.delivery = NotificationDelivery(
            store=self.stores.deliveries,
            senders=self.senders,
            directory=self.directory,
            bus=self.bus,
            clock=self.clock,
        )
        self.triggers = NotificationTriggers(
            feed=self.stores.notification_feed,
            store=self.stores.notifications,
            profiles=self.profiles,
            directory=self.directory,
            bus=self.bus,
            clock=self.clock,
            available=Channel,
        )
        # The first look notes where the log is.
        await self.triggers.work()
        self.conversations = Conversations(
            store=self.stores.conversations,
            profiles=self.profiles,
            rosters=self.rosters,
            bus=self.bus,
            clock=self.clock,
        )
        self.messages = Messages(
            log=self.stores.log,
            marks=self.stores.marks,
            store=self.stores.messages,
            rosters=self.rosters,
            bus=self.bus,
            clock=self.clock,
            limits=self._message_limits,
        )
        self.groups = Groups(
            store=self.stores.groups,
            conversations=self.stores.conversations,
            rosters=self.rosters,
            bus=self.bus,
            clock=self.clock,
        )
        self.broadcasts = Broadcasts(
            store=self.stores.broadcasts,
            profiles=self.profiles,
            directory=self.directory,
            bus=self.bus,
            clock=self.clock,
        )
        self.client_events = ClientEvents(store=self.stores.client_events, clock=self.clock)
        self.cascade = Cascade(accounts=self.accounts, stream=None)
        self.search = MessageSearch(self.stores.search, self.rosters, lambda: False)
        self.contacts = Contacts(store=self.stores.contacts, profiles=self.profiles, bus=self.bus, clock=self.clock)
        self.applications = Applications(
            store=self.stores.applications,
            conversations=self.stores.conversations,
            profiles=self.profiles,
            bus=self.bus,
            clock=self.clock,
        )
        self._thumbnails = PillowThumbnails(self._file_limits.max_image_pixels, self._file_limits.max_thumbnail_pixels)
        self.files = Files(
            store=self.stores.files,
            blobs=self.blobs,
            thumbnails=self._thumbnails,
            clock=self.clock,
            limits=self._file_limits,
        )
        self.presence = Presence(
            directory=self.directory,
            store=self.stores.conversations,
            users=self.stores.users,
            bus=self.bus,
            clock=self.clock,
            scheduler=asyncio.get_running_loop(),
            spawn=self.spawn,
            offline_after_s=self._offline_after_s,
        )
        self.calls = Calls(
            store=self.stores.calls,
            profiles=self.profiles,
            rosters=self.rosters,
            conversations=self.conversations,
            messages=self.messages,
            presence=self.presence,
            bus=self.bus,
            clock=self.clock,
            limits=CallLimits(),
        )
        self.bus.subscribe(self.calls.on_event)
        self.timers = MessageTimers(
            store=self.stores.timers,
            messages=self.messages,
            rosters=self.rosters,
            profiles=self.profiles,
            clock=self.clock,
        )

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        await asyncio.gather(*self._tasks)
        await self.presence.close()
        await self.blobs.close()
        self._thumbnails.close()
        await self.stores.close()
        await self.bus.close()
        self.passwords.close()
