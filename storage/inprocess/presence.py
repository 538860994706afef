"""Who has sessions, when there is one process: a count for each user."""

from collections.abc import Callable, Collection, Iterable


class InProcessPresenceDirectory:
    """Implements `domain.ports.PresenceDirectory`."""

    def __init__(self) -> None:
        self._sessions: dict[int, int] = {}
        self._total = 0

    async def arriving(self, user_id: int) -> None:
        """All events are here."""

    def connected(self, user_id: int) -> bool:
        count = self._sessions.get(user_id, 0)
        self._sessions[user_id] = count + 1
        self._total += 1
        return count == 0

    def disconnected(self, user_id: int) -> bool:
        count = self._sessions.get(user_id, 0)
        if count == 0:
            return False
        self._total -= 1
        if count == 1:
            del self._sessions[user_id]
            return True
        self._sessions[user_id] = count - 1
        return False

    def left(self, user_id: int) -> None:
        """Nobody else has to know."""

    def when_lost(self, listener: Callable[[Collection[int]], None]) -> None:
        """There is no other node to die."""

    def is_online(self, user_id: int) -> bool:
        return user_id in self._sessions

    def online(self) -> Iterable[int]:
        return tuple(self._sessions)

    @property
    def session_count(self) -> int:
        return self._total
