"""The cached public part of accounts: names for messages, `is_active` and `is_admin` for every request."""

from collections.abc import Collection
from typing import Final

import msgspec

from domain.errors import UserNotFound
from domain.events import Event, ProfileChanged, UserDeactivated
from domain.model import Profile
from domain.ports import Audience, UserStore

MAX_CACHED_PROFILES: Final = 50_000
"""About 15 MB when full."""


class Profiles:
    """A read-through cache; `on_event` keeps it fresh on every node."""

    def __init__(self, store: UserStore, capacity: int = MAX_CACHED_PROFILES) -> None:
        self._store = store
        self._capacity = capacity
        self._cached: dict[int, Profile] = {}
        self._changes = 0

    async def get(self, user_id: int) -> Profile:
        """UserNotFound."""
        profile = self._cached.get(user_id)
        if profile is None:
            profile = (await self.get_many((user_id,))).get(user_id)
            if profile is None:
                raise UserNotFound
        return profile

    async def get_many(self, user_ids: Collection[int]) -> dict[int, Profile]:
        """Those that exist."""
        found = {user_id: self._cached[user_id] for user_id in user_ids if user_id in self._cached}
        missing = [user_id for user_id in user_ids if user_id not in found]
        while missing:
            changes = self._changes
            loaded = await self._store.profiles(missing)
            # A profile that changed meanwhile is read again: somebody deactivated must not pass for active.
            if changes == self._changes:
                for profile in loaded.values():
                    self._keep(profile)
                return found | loaded
        return found

    def _keep(self, profile: Profile) -> None:
        self._cached[profile.id] = profile
        if len(self._cached) > self._capacity:
            del self._cached[next(iter(self._cached))]

    def forget(self) -> None:
        """Reads all again when they are needed."""
        self._changes += 1
        self._cached.clear()

    def peek(self, user_id: int) -> Profile | None:
        """The profile if it is at hand."""
        return self._cached.get(user_id)

    def on_event(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        if isinstance(event, ProfileChanged):
            self._changes += 1
            self._keep(event.profile)
        elif isinstance(event, UserDeactivated):
            self._changes += 1
            profile = self._cached.get(event.user_id)
            if profile is not None:
                self._keep(msgspec.structs.replace(profile, is_active=False))
