"""Messages that are delivered later, and messages that delete themselves: on time, once, whichever process is up."""

from collections.abc import Sequence
from typing import Final

from domain.errors import DomainError
from domain.events import MessageDeleted, MessageSent
from domain.messages import Messages
from domain.model import Message, Profile
from domain.ports import Clock, TimerStore
from domain.profiles import Profiles
from domain.rosters import Rosters

BATCH: Final = 500


class MessageTimers:
    """Every process may work. The wall clock is asked each time, so that a clock that steps moves what is due."""

    def __init__(
        self, *, store: TimerStore, messages: Messages, rosters: Rosters, profiles: Profiles, clock: Clock
    ) -> None:
        self._store = store
        self._messages = messages
        self._rosters = rosters
        self._profiles = profiles
        self._clock = clock

    async def work(self) -> bool:
        """Does a batch of what is due; False if there was nothing, or if other processes are at it. Unavailable."""
        next_due_ms = await self._store.next_due_ms()
        now_ms = self._clock.now_ms()
        if next_due_ms is None or next_due_ms > now_ms:
            return False
        sent: list[MessageSent] = []
        async with self._store.due(now_ms, BATCH) as due:
            senders = await self._profiles.get_many({message.sender_id for message in due.scheduled})
            wanted = [each for each in due.scheduled if await self._may_still_speak(each)]
            kept = {message.id for message in wanted}
            await due.remove([each for each in due.scheduled if each.id not in kept], now_ms, None)
            recipients = {message.id: await self._messages.recipient_of(message) for message in wanted}

            def event(message: Message) -> MessageSent:
                made = MessageSent(message, _sender(senders, message), recipients[message.id])
                sent.append(made)
                return made

            await due.deliver(wanted, now_ms, event)
            gone = await due.remove(due.expired, now_ms, lambda message: _expired(message, now_ms))
            worked = bool(due.scheduled or due.expired)
        self._announce(sent, gone, now_ms)
        return worked

    async def _may_still_speak(self, message: Message) -> bool:
        """Whoever was removed, muted or blocked since is not heard by way of an old appointment."""
        if message.is_gone:
            return False
        try:
            roster = await self._rosters.get(message.conversation_id)
            self._messages.check_may_write(roster, message.sender_id)
        except DomainError as error:
            if error.temporary:
                raise
            return False
        return True

    def _announce(self, sent: Sequence[MessageSent], gone: Sequence[Message], now_ms: int) -> None:
        for event in sent:
            self._messages.announce(event.message.conversation_id, event)
        for message in gone:
            self._messages.announce(message.conversation_id, _expired(message, now_ms))


def _sender(senders: dict[int, Profile], message: Message) -> Profile:
    return senders.get(message.sender_id) or Profile(message.sender_id, "", "")


def _expired(message: Message, now_ms: int) -> MessageDeleted:
    """In the name of its sender, who wanted it so."""
    return MessageDeleted(message, message.sender_id, True, now_ms)
