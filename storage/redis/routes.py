"""Which node gets what: the users of an audience by the node that has sessions of theirs."""

from typing import Final

from domain.ports import Audience
from storage.redis.presence import RedisPresenceDirectory

LARGE_AUDIENCE: Final = 32
MAX_KEPT: Final = 256
"""Looking a group of 1000 up costs 50 µs, and 256 kept groups of 1000 take 2 MB."""

Routes = dict[str, list[int]]


class _Kept:
    __slots__ = ("audience", "routes", "version")

    def __init__(self, audience: Audience, version: int, routes: Routes) -> None:
        self.audience = audience
        self.version = version
        self.routes = routes


class Router:
    """Answers from the presence directory. What it found for a conversation is kept for the tick, and that of a large
    one until its members change or one of any node's users comes or goes."""

    def __init__(self, presence: RedisPresenceDirectory) -> None:
        self._presence = presence
        self._large: dict[int, _Kept] = {}
        self._tick: dict[int, _Kept] = {}

    def of(self, audience: Audience) -> Routes:
        """Other nodes, and the users of the audience that each has. Not to be changed by the caller."""
        conversation_id = audience.conversation_id
        if conversation_id is None:
            return self._look_up(audience)
        version = self._presence.version
        kept = self._tick.get(conversation_id) or self._large.get(conversation_id)
        if kept is not None and kept.audience is audience and kept.version == version:
            return kept.routes
        kept = _Kept(audience, version, self._look_up(audience))
        self._tick[conversation_id] = kept
        if len(audience.user_ids) >= LARGE_AUDIENCE:
            if len(self._large) >= MAX_KEPT:
                self._large.clear()
            self._large[conversation_id] = kept
        return kept.routes

    def _look_up(self, audience: Audience) -> Routes:
        routes: Routes = {}
        where = self._presence.routes
        for user_id in audience.user_ids:
            for node in where.get(user_id, ()):
                users = routes.get(node)
                if users is None:
                    routes[node] = [user_id]
                else:
                    users.append(user_id)
        return routes

    def forget(self, conversation_id: int | None) -> None:
        """Its members may have changed."""
        if conversation_id is not None:
            self._tick.pop(conversation_id, None)
            self._large.pop(conversation_id, None)

    def end_tick(self) -> None:
        self._tick.clear()
