"""Who is online: announced to friends, contacts and partners of single conversations, and to those who subscribed."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

from domain.errors import Unavailable
from domain.events import Event, LocationUpdated, PresenceChanged
from domain.model import User
from domain.ports import (
    Audience,
    Bus,
    Clock,
    ConversationStore,
    PresenceDirectory,
    Scheduler,
    Timer,
    UserStore,
)

OFFLINE_AFTER_S: Final = 5.0
"""Somebody who comes back within this time was never away."""

BATCH_S: Final = 0.05
"""Changes are announced, and last-seen times stored, in batches: a thousand reconnects are two queries, not two
thousand."""

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class Presence:
    """Counts sessions and tells of the changes. Going offline waits for `offline_after_s`."""

    def __init__(
        self,
        *,
        directory: PresenceDirectory,
        store: ConversationStore,
        users: UserStore,
        bus: Bus,
        clock: Clock,
        scheduler: Scheduler,
        spawn: Spawn,
        offline_after_s: float = OFFLINE_AFTER_S,
    ) -> None:
        self._directory = directory
        self._store = store
        self._users = users
        self._bus = bus
        self._clock = clock
        self._scheduler = scheduler
        self._spawn = spawn
        self._offline_after_s = offline_after_s
        self._leaving: dict[int, Timer] = {}
        self._last_seen_ms: dict[int, int] = {}
        self._changed: dict[int, bool] = {}
        directory.when_lost(self._lost)

    async def arriving(self, user_id: int) -> None:
        """To be awaited before a session of the user is opened on this node, and greeted: from then on every other node
        sends the user's events here."""
        await self._directory.arriving(user_id)

    def connected(self, user_id: int) -> None:
        """A session of the user was opened on this node."""
        first = self._directory.connected(user_id)
        leaving = self._leaving.pop(user_id, None)
        if leaving is not None:
            leaving.cancel()
        elif first:
            self._change(user_id, True)

    def disconnected(self, user_id: int) -> None:
        """A session of the user was closed on this node."""
        if self._directory.disconnected(user_id):
            self._leave(user_id)

    def _lost(self, user_ids: Collection[int]) -> None:
        """Their last sessions ended with another node; they may come back to any."""
        for user_id in user_ids:
            if user_id not in self._leaving:
                self._leave(user_id)

    def _leave(self, user_id: int) -> None:
        self._last_seen_ms[user_id] = self._clock.now_ms()
        self._leaving[user_id] = self._scheduler.call_later(self._offline_after_s, self._left, user_id)

    def _left(self, user_id: int) -> None:
        self._leaving.pop(user_id, None)
        if not self._directory.is_online(user_id):
            self._change(user_id, False)
        self._directory.left(user_id)

    def _change(self, user_id: int, is_online: bool) -> None:
        if not self._changed:
            self._scheduler.call_later(BATCH_S, self._announce_batch)
        self._changed[user_id] = is_online

    def _announce_batch(self) -> None:
        changed, self._changed = self._changed, {}
        self._spawn(self._announce(changed))

    async def _announce(self, changed: dict[int, bool]) -> None:
        seen = {user_id: self._last_seen_ms[user_id] for user_id in changed if user_id in self._last_seen_ms}
        now_ms = self._clock.now_ms()
        try:
            watchers = await self._store.watchers(changed.keys())
        except Unavailable:
            watchers = {}
        for user_id, is_online in changed.items():
            if is_online != self.is_online(user_id):
                continue
            audience = Audience(tuple(watchers.get(user_id, ())))
            self._bus.publish(PresenceChanged(user_id, is_online, now_ms), audience)
        if seen:
            try:
                await self._users.seen(seen)
            except Unavailable:
                return  # They are remembered, and stored when the user leaves again.
            for user_id, at_ms in seen.items():
                if self._last_seen_ms.get(user_id) == at_ms:
                    del self._last_seen_ms[user_id]

    def is_online(self, user_id: int) -> bool:
        """Has a session on any node, or had one within the last seconds."""
        return user_id in self._leaving or self._directory.is_online(user_id)

    def states(self, user_ids: Collection[int]) -> dict[int, bool]:
        return {user_id: self.is_online(user_id) for user_id in user_ids}

    def online(self) -> list[int]:
        """All online users, by id."""
        return sorted({*self._directory.online(), *self._leaving})

    def session_count(self) -> int:
        return self._directory.session_count

    def last_seen_of(self, user: User) -> int:
        """When the user was last here: now for one who is online, else the end of the last session or the last login,
        whichever is later; of somebody who never came, when the account was made."""
        if self._directory.is_online(user.id):
            return self._clock.now_ms()
        times = (self._last_seen_ms.get(user.id), user.last_seen_at_ms, user.last_login_at_ms, user.created_at_ms)
        return max(at_ms for at_ms in times if at_ms is not None)

    async def last_seen_ms(self, user_id: int) -> int | None:
        """When the user's last session ended; now for one who is online; None if never seen."""
        if self._directory.is_online(user_id):
            return self._clock.now_ms()
        recent = self._last_seen_ms.get(user_id)
        if recent is not None:
            return recent
        user = await self._users.get(user_id)
        return user.last_seen_at_ms if user else None

    async def locate(self, user_id: int, latitude: float, longitude: float, accuracy: float | None) -> None:
        """Shows the user's place to those who hear of their presence, and to their other devices."""
        watchers = await self._store.watchers((user_id,))
        event: Event = LocationUpdated(user_id, latitude, longitude, accuracy, self._clock.now_ms())
        self._bus.publish(event, Audience((*watchers.get(user_id, ()), user_id)))

    async def close(self) -> None:
        """Stores when the users of this node were last seen."""
        for timer in self._leaving.values():
            timer.cancel()
        if self._last_seen_ms:
            await self._users.seen(self._last_seen_ms)
