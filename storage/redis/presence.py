"""Which users have sessions on which node: a table that every node holds whole and its owners keep up to date."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

from domain.ports import Clock

# What a node says of one of its users. From 1 on: so many sessions.
LEAVING: Final = 0
"""The last session ended a moment ago; the node waits whether the user comes back before it says so."""
ARRIVING: Final = -1
"""A session is about to open: the user's events are wanted, but nobody is online yet."""
GONE: Final = -2
"""No session here, and for all the node knew there was one elsewhere."""
LEFT: Final = -3
"""No session anywhere, and the node has told it."""

ARRIVING_FOR_MS: Final = 15_000
"""A session that has not opened by then never will."""


async def _at_once() -> None:
    """Nobody else has to know."""


class RedisPresenceDirectory:
    """Implements `domain.ports.PresenceDirectory`. `states` and `apply`, `replace`, `forget` are the bus's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._here: dict[int, int] = {}
        self._since_ms: dict[int, int] = {}
        """When the first of a user's sessions here was opened, or was announced."""
        self._sessions_here = 0
        self._nodes: dict[str, dict[int, int]] = {}
        self._sessions: dict[str, int] = {}
        self._where: dict[int, tuple[str, ...]] = {}
        """The other nodes that want a user's events."""
        self._alone: dict[str, tuple[str]] = {}
        self._lost: list[Callable[[Collection[int]], None]] = []
        self.version = 0
        """Counts the changes of `routes`."""
        self.changed: Callable[[int], None] = lambda user_id: None
        self.settled: Callable[[], Awaitable[None]] = _at_once

    # The port

    async def arriving(self, user_id: int) -> None:
        state = self._here.get(user_id, GONE)
        if state >= LEAVING:
            return
        if state != ARRIVING:
            self._here[user_id] = ARRIVING
            self._since_ms[user_id] = self._clock.now_ms()
            self.changed(user_id)
        await self.settled()

    def connected(self, user_id: int) -> bool:
        first = not self.is_online(user_id)
        state = self._here.get(user_id, GONE)
        if state < 1:
            self._since_ms[user_id] = self._clock.now_ms()
        self._here[user_id] = max(state, 0) + 1
        self._sessions_here += 1
        self.changed(user_id)
        return first

    def disconnected(self, user_id: int) -> bool:
        state = self._here.get(user_id, GONE)
        if state < 1:
            return False
        self._sessions_here -= 1
        self._here[user_id] = state - 1
        is_last = state == 1
        if is_last and self._is_elsewhere(user_id):
            self._remove(user_id)
            is_last = False
        self.changed(user_id)
        return is_last

    def left(self, user_id: int) -> None:
        if self._here.get(user_id) == LEAVING:
            self._remove(user_id)
            self.changed(user_id)

    def _remove(self, user_id: int) -> None:
        self._here.pop(user_id, None)
        self._since_ms.pop(user_id, None)

    def is_online(self, user_id: int) -> bool:
        return self._here.get(user_id, GONE) >= 1 or self._is_elsewhere(user_id)

    def _is_elsewhere(self, user_id: int) -> bool:
        nodes = self._nodes
        return any(nodes[node][user_id] >= LEAVING for node in self._where.get(user_id, ()))

    def online(self) -> Iterable[int]:
        online = {user_id for user_id, state in self._here.items() if state >= 1}
        for users in self._nodes.values():
            online.update(user_id for user_id, state in users.items() if state >= LEAVING)
        return online

    @property
    def session_count(self) -> int:
        return self._sessions_here + sum(self._sessions.values())

    def when_lost(self, listener: Callable[[Collection[int]], None]) -> None:
        self._lost.append(listener)

    # Of this node

    def here_since_ms(self, user_id: int) -> int | None:
        """When the user came to this node; None if they are not here."""
        return self._since_ms.get(user_id)

    def earliest_ms(self, user_ids: Collection[int]) -> int | None:
        """When the first of these users came to this node; None if none of them is here."""
        since = self._since_ms
        shorter, longer = (user_ids, since) if len(user_ids) <= len(since) else (since, user_ids)
        return min((since[user_id] for user_id in shorter if user_id in longer), default=None)

    def here(self) -> list[int]:
        """The users with sessions on this node."""
        return [user_id for user_id, state in self._here.items() if state >= 1]

    def states(self, user_ids: Iterable[int] | None = None) -> dict[int, int]:
        """What to tell other nodes of these users, or of all that are here."""
        if user_ids is None:
            return dict(self._here)
        return {user_id: self._state(user_id) for user_id in user_ids}

    def _state(self, user_id: int) -> int:
        state = self._here.get(user_id)
        if state is not None:
            return state
        return GONE if self._is_elsewhere(user_id) else LEFT

    def drop_stale_arrivals(self) -> None:
        too_old = self._clock.now_ms() - ARRIVING_FOR_MS
        for user_id in [user_id for user_id, state in self._here.items() if state == ARRIVING]:
            if self._since_ms[user_id] < too_old:
                self._remove(user_id)
                self.changed(user_id)

    # Of the others

    @property
    def routes(self) -> Mapping[int, tuple[str, ...]]:
        """The other nodes that want a user's events."""
        return self._where

    def replace(self, node: str, users: Mapping[int, int]) -> list[int]:
        """A node has told all. Returns the users that are online nowhere now and of whom nobody has told it."""
        former = self._nodes.get(node, {})
        gone = dict.fromkeys(former.keys() - users.keys(), GONE)
        return self.apply(node, {**gone, **users})

    def apply(self, node: str, changes: Mapping[int, int]) -> list[int]:
        """A node has told changes; returns as `replace` does."""
        users = self._nodes.setdefault(node, {})
        alone = self._alone.setdefault(node, (node,))
        sessions = self._sessions.get(node, 0)
        orphans: list[int] = []
        for user_id, state in changes.items():
            before = users.get(user_id, GONE)
            sessions += max(state, 0) - max(before, 0)
            if state > GONE:
                users[user_id] = state
                if before == GONE:
                    nodes = self._where.get(user_id)
                    self._where[user_id] = alone if nodes is None else (*nodes, node)
                    self.version += 1
            elif before != GONE:
                del users[user_id]
                self._unroute(user_id, node)
                if state == GONE and before >= LEAVING and not self._is_known(user_id):
                    orphans.append(user_id)
        self._sessions[node] = sessions
        return orphans

    def _unroute(self, user_id: int, node: str) -> None:
        nodes = tuple(each for each in self._where[user_id] if each != node)
        if nodes:
            self._where[user_id] = nodes if len(nodes) > 1 else self._alone[nodes[0]]
        else:
            del self._where[user_id]
        self.version += 1

    def _is_known(self, user_id: int) -> bool:
        """Online, or about to be told offline by somebody."""
        return self._here.get(user_id, GONE) >= LEAVING or self._is_elsewhere(user_id)

    def forget(self, node: str) -> list[int]:
        """A node is gone; returns its users that are online nowhere else."""
        orphans = []
        for user_id, state in self._nodes.pop(node, {}).items():
            self._unroute(user_id, node)
            if state >= LEAVING and not self._is_known(user_id):
                orphans.append(user_id)
        self._sessions.pop(node, None)
        self._alone.pop(node, None)
        return orphans

    def lost(self, user_ids: Collection[int]) -> None:
        """Tells the listeners that it is for them to take these users offline."""
        for listener in self._lost:
            listener(user_ids)
