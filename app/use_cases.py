"""All use cases over one set of stores and one bus."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from app.config import Config
from app.stores import Shared, Stores
from delivery.codes import LogCodeSender, WebhookCodeSender
from delivery.mail import SmtpMailer
from delivery.push import WebhookPush
from domain.accounts import Accounts, Revocations
from domain.applications import Applications
from domain.broadcasts import Broadcasts
from domain.calls import Calls
from domain.cascade import Cascade
from domain.client_events import ClientEvents
from domain.contacts import Contacts
from domain.conversations import Conversations
from domain.files import Files
from domain.groups import Groups
from domain.login_codes import LoginCodes
from domain.message_timers import MessageTimers
from domain.messages import Messages
from domain.notification_delivery import NotificationDelivery
from domain.notification_sending import NotificationSending
from domain.notification_templates import NotificationTemplates
from domain.notification_triggers import NotificationTriggers
from domain.notifications import Notifications
from domain.passwords import Passwords
from domain.ports import Clock, CodeSender, NotificationSender
from domain.presence import Presence
from domain.profiles import Profiles
from domain.records import Channel
from domain.retention import Retention
from domain.rosters import Rosters
from domain.search import MessageSearch
from domain.tokens import Tokens


class UseCases:
    """What the edges may ask for. `caches` are to be subscribed to the bus before anybody hears of an event."""

    def __init__(
        self,
        *,
        config: Config,
        secret_key: bytes,
        stores: Stores,
        shared: Shared,
        files: Files,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        bus = shared.bus
        self.files = files
        profiles = self.profiles = Profiles(stores.users)
        rosters = self.rosters = Rosters(stores.conversations, spawn, is_shared=shared.redis is not None)
        revocations = Revocations(clock)
        self.caches = (rosters.on_event, profiles.on_event, revocations.on_event)
        self.passwords = Passwords(config.passwords.rounds, config.passwords.threads)
        self.accounts = Accounts(
            users=stores.users,
            logins=stores.logins,
            profiles=profiles,
            passwords=self.passwords,
            tokens=Tokens(secret_key, clock, config.tokens),
            revocations=revocations,
            limiter=shared.limiter,
            bus=bus,
            clock=clock,
            limits=config.accounts,
        )
        self.notifications = Notifications(store=stores.notifications, users=stores.users, clock=clock)
        self.templates = NotificationTemplates(store=stores.notification_templates, clock=clock)
        senders = notification_senders(config)
        self.sending = NotificationSending(
            contents=stores.notification_contents,
            store=stores.notifications,
            templates=self.templates,
            directory=shared.directory,
            bus=bus,
            clock=clock,
            available=(Channel.WEBSOCKET, *senders),
        )
        self.delivery = NotificationDelivery(
            store=stores.deliveries, senders=senders, directory=shared.directory, bus=bus, clock=clock
        )
        self.triggers = NotificationTriggers(
            feed=stores.notification_feed,
            store=stores.notifications,
            profiles=profiles,
            directory=shared.directory,
            bus=bus,
            clock=clock,
            available=self.delivery.channels,
        )
        self.conversations = Conversations(
            store=stores.conversations, profiles=profiles, rosters=rosters, bus=bus, clock=clock
        )
        self.contacts = Contacts(store=stores.contacts, profiles=profiles, bus=bus, clock=clock)
        self.applications = Applications(
            store=stores.applications,
            conversations=stores.conversations,
            profiles=profiles,
            bus=bus,
            clock=clock,
        )
        self.messages = Messages(
            log=stores.log,
            marks=stores.marks,
            store=stores.messages,
            rosters=rosters,
            bus=bus,
            clock=clock,
            limits=config.messages,
        )
        self.search = MessageSearch(stores.search, rosters, lambda: stores.log.queued > 0)
        self.presence = Presence(
            directory=shared.directory,
            store=stores.conversations,
            users=stores.users,
            bus=bus,
            clock=clock,
            scheduler=asyncio.get_running_loop(),
            spawn=spawn,
        )
        self.groups = Groups(
            store=stores.groups, conversations=stores.conversations, rosters=rosters, bus=bus, clock=clock
        )
        self.broadcasts = Broadcasts(
            store=stores.broadcasts, profiles=profiles, directory=shared.directory, bus=bus, clock=clock
        )
        self.client_events = ClientEvents(store=stores.client_events, clock=clock)
        self.cascade = Cascade(accounts=self.accounts, stream=shared.stream)
        self.codes = LoginCodes(
            codes=shared.codes, sender=code_sender(config), limiter=shared.limiter, limits=config.codes
        )
        self.timers = MessageTimers(
            store=stores.timers, messages=self.messages, rosters=rosters, profiles=profiles, clock=clock
        )
        self.retention = Retention(store=stores.sync, clock=clock, limits=config.retention)
        self.calls = Calls(
            store=stores.calls,
            profiles=profiles,
            rosters=rosters,
            conversations=self.conversations,
            messages=self.messages,
            presence=self.presence,
            bus=bus,
            clock=clock,
            limits=config.calls,
        )


def code_sender(config: Config) -> CodeSender:
    codes = config.codes
    return WebhookCodeSender(codes.webhook_url, codes.webhook_secret) if codes.webhook_url else LogCodeSender()


def notification_senders(config: Config) -> dict[Channel, NotificationSender]:
    """The channels besides the sockets that are set up."""
    senders: dict[Channel, NotificationSender] = {}
    if config.smtp.host:
        senders[Channel.EMAIL] = SmtpMailer(config.smtp)
    if config.push.webhook_url:
        senders[Channel.PUSH] = WebhookPush(config.push.webhook_url, config.push.webhook_secret)
    return senders
