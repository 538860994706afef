"""Works off the outbox of notifications: sockets, e-mail and push, each with retries, whoever gets to it first."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from domain.errors import DomainError, Unavailable
from domain.events import Event
from domain.notification_sending import arrived
from domain.ports import Audience, Bus, Clock, DeliveryStore, NotificationSender, PresenceDirectory
from domain.quiet import due_again_ms, is_channel_wanted, is_kind_wanted
from domain.records import (
    Channel,
    DeadLetter,
    DeliveryState,
    DueDelivery,
    EmailFrequency,
    Outcome,
    Priority,
)

BATCH: Final = 100
LEASE_MS: Final = 120_000
"""How long a process has for a batch; longer than a sender takes to give up."""
SEND_TIMEOUT_S: Final = 30.0
AT_ONCE: Final = 10
FIRST_RETRY_MS: Final = 10_000
LONGEST_RETRY_MS: Final = 3_600_000
MAX_TRIES: Final = 12
"""With the waits between them about four hours."""


def retry_after_ms(tries: int) -> int:
    """Doubles with each try."""
    return min(LONGEST_RETRY_MS, FIRST_RETRY_MS << min(tries - 1, 20))


class NotificationDelivery:
    """`senders` are those of the channels besides the sockets."""

    def __init__(
        self,
        *,
        store: DeliveryStore,
        senders: Mapping[Channel, NotificationSender],
        directory: PresenceDirectory,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._store = store
        self._senders = senders
        self._directory = directory
        self._bus = bus
        self._clock = clock

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Those that there is a sender for."""
        return Channel.WEBSOCKET, *self._senders

    async def dead_letters(self, *, offset: int, limit: int) -> tuple[list[DeadLetter], int]:
        """What was given up, newest first, and how many there are."""
        return await self._store.dead_letters(offset=offset, limit=limit)

    async def work(self, channel: Channel) -> bool:
        """Delivers what is due; whether there may be more."""
        now_ms = self._clock.now_ms()
        until_ms = now_ms + LEASE_MS
        claimed = await self._store.claim(channel, now_ms, until_ms, BATCH)
        if not claimed:
            return False
        wanted = []
        outcomes = []
        for due in claimed:
            outcome = _not_now(due, now_ms)
            if outcome is None:
                wanted.append(due)
            else:
                outcomes.append(outcome)
        if channel is Channel.WEBSOCKET:
            await self._tell(wanted, outcomes, until_ms)
        else:
            sent = await self._send(self._senders[channel], _letters(wanted))
            await self._store.settle([*outcomes, *sent], until_ms, self._clock.now_ms())
        return len(claimed) == BATCH

    async def _tell(self, wanted: Sequence[DueDelivery], outcomes: Sequence[Outcome], until_ms: int) -> None:
        now_ms = self._clock.now_ms()
        told: list[tuple[int, Event]] = [(due.to.user_id, arrived(due.notification, due.record)) for due in wanted]
        await self._store.settle([*outcomes, *map(_done, wanted)], until_ms, now_ms, told)
        for user_id, event in told:
            if self._directory.is_online(user_id):
                self._bus.publish(event, Audience((user_id,)))

    async def _send(self, sender: NotificationSender, letters: Sequence[Sequence[DueDelivery]]) -> list[Outcome]:
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(letter: Sequence[DueDelivery]) -> list[Outcome]:
            async with turn:
                try:
                    async with asyncio.timeout(SEND_TIMEOUT_S):
                        await sender.send(letter[0].to, [(due.record, due.notification) for due in letter])
                except TimeoutError:
                    return [_failed(due, "timed out", self._clock.now_ms()) for due in letter]
                except DomainError as error:
                    is_final = not isinstance(error, Unavailable)
                    return [_failed(due, str(error), self._clock.now_ms(), is_final=is_final) for due in letter]
            return [_done(due) for due in letter]

        return [outcome for outcomes in await asyncio.gather(*map(one, letters)) for outcome in outcomes]


def _letters(wanted: Sequence[DueDelivery]) -> list[list[DueDelivery]]:
    """What goes out together: the digest of a user, everything else alone."""
    letters: list[list[DueDelivery]] = []
    digests: dict[int, list[DueDelivery]] = {}
    for due in wanted:
        is_alone = (
            due.channel is not Channel.EMAIL
            or due.notification.priority is Priority.URGENT
            or due.to.preferences.email_frequency is EmailFrequency.IMMEDIATE
        )
        if is_alone:
            letters.append([due])
        elif due.to.user_id in digests:
            digests[due.to.user_id].append(due)
        else:
            digests[due.to.user_id] = [due]
    return [*letters, *digests.values()]


def _not_now(due: DueDelivery, now_ms: int) -> Outcome | None:
    """Why it is not delivered now; None if it is."""
    preferences, notification = due.to.preferences, due.notification
    has_expired = notification.expires_at_ms is not None and notification.expires_at_ms <= now_ms
    is_wanted = is_kind_wanted(preferences, notification.kind) and is_channel_wanted(preferences, due.channel)
    if has_expired or not is_wanted or (due.channel is Channel.EMAIL and due.to.email is None):
        return Outcome(delivery_id=due.id, state=DeliveryState.EXPIRED, due_at_ms=now_ms, tries=due.tries)
    start_ms = max(now_ms, notification.scheduled_at_ms or 0)
    at_ms = due_again_ms(notification, due.to, due.channel, due.record.visible_at_ms, start_ms)
    return _again(due, at_ms) if at_ms > now_ms else None


def _again(due: DueDelivery, at_ms: int) -> Outcome:
    """Put back; it was no try."""
    return Outcome(delivery_id=due.id, state=DeliveryState.PENDING, due_at_ms=at_ms, tries=due.tries - 1)


def _done(due: DueDelivery) -> Outcome:
    return Outcome(delivery_id=due.id, state=DeliveryState.DELIVERED, due_at_ms=0, tries=due.tries)


def _failed(due: DueDelivery, error: str, now_ms: int, *, is_final: bool = False) -> Outcome:
    given_up = is_final or due.tries >= MAX_TRIES
    return Outcome(
        delivery_id=due.id,
        state=DeliveryState.FAILED if given_up else DeliveryState.PENDING,
        due_at_ms=now_ms + retry_after_ms(due.tries),
        tries=due.tries,
        error=error,
    )
