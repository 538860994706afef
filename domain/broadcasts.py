"""Announcements of administrators to everybody, or to some (im API 6.3 and its older list)."""

from collections.abc import Sequence
from typing import Final

from domain.errors import InvalidValue
from domain.events import BroadcastSent, Event
from domain.model import Profile
from domain.ports import Audience, BroadcastStore, Bus, Clock, PresenceDirectory
from domain.profiles import Profiles
from domain.records import Broadcast, Priority

MAX_TITLE_CHARS: Final = 255
MAX_CONTENT_CHARS: Final = 5000


class Broadcasts:
    """Sending is for administrators: who calls it has seen to that."""

    def __init__(
        self, *, store: BroadcastStore, profiles: Profiles, directory: PresenceDirectory, bus: Bus, clock: Clock
    ) -> None:
        self._store = store
        self._profiles = profiles
        self._directory = directory
        self._bus = bus
        self._clock = clock

    async def send(
        self,
        sender: Profile,
        *,
        title: str,
        content: str,
        priority: Priority = Priority.NORMAL,
        target_user_ids: Sequence[int] | None = None,
    ) -> tuple[Broadcast, int]:
        """Kept for all, or for the targets; those who are connected get it at once. Answers it and how many those are.
        InvalidValue: a field, or an unknown target, and then nobody gets it."""
        for field, text, limit in (("title", title, MAX_TITLE_CHARS), ("content", content, MAX_CONTENT_CHARS)):
            if not text.strip() or len(text) > limit:
                raise InvalidValue(field, f"1 to {limit} characters")
        targets = None if target_user_ids is None else tuple(dict.fromkeys(target_user_ids))
        if targets is not None:
            if not targets:
                raise InvalidValue("target_user_ids", "names nobody")
            known = await self._profiles.get_many(targets)
            unknown = [user_id for user_id in targets if user_id not in known]
            if unknown:
                raise InvalidValue("target_user_ids", f"unknown users: {', '.join(map(str, unknown[:10]))}")
        draft = Broadcast(
            id=0,
            sender_id=sender.id,
            title=title,
            content=content,
            priority=priority,
            target_user_ids=targets,
            created_at_ms=self._clock.now_ms(),
        )
        broadcast = await self._store.add(draft, _event)
        online = self._directory.online()
        connected = tuple(online) if targets is None else tuple(set(targets).intersection(online))
        self._bus.publish(_event(broadcast), Audience(connected))
        return broadcast, len(connected)

    async def list_for(self, user_id: int, *, offset: int, limit: int) -> tuple[list[Broadcast], int]:
        """What the user was meant to receive, newest first, and how many there are."""
        return await self._store.list_for(user_id, offset=offset, limit=limit)


def _event(broadcast: Broadcast) -> Event:
    return BroadcastSent(
        broadcast.id, broadcast.title, broadcast.content, broadcast.priority.value, broadcast.created_at_ms
    )
