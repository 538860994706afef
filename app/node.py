"""What one process of several puts between the bus and its hub: messages in order, once, and none missed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from app.stores import Stores
from app.tasks import cancelled
from app.use_cases import UseCases
from domain.catch_up import CatchUp, StoredMessages
from domain.delivered import Delivered
from domain.sequencer import Sequencer
from gateway.edge import Edge

if TYPE_CHECKING:
    from storage.redis import RedisServices


class Node:
    """`on_event` is its delivery handler on the bus. `start` after the bus; `close` before the stores."""

    def __init__(
        self,
        *,
        redis: "RedisServices",
        stores: Stores,
        use_cases: UseCases,
        edge: Edge,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        presence = redis.presence
        stored = StoredMessages(use_cases.rosters, use_cases.profiles, presence.here_since_ms)
        delivered = Delivered(edge.hub.on_event)
        self.on_event = Sequencer(
            delivered.on_event,
            store=stores.messages,
            late=stored,
            here_since_ms=presence.earliest_ms,
            scheduler=asyncio.get_running_loop(),
            spawn=spawn,
        ).on_event
        self._catch_up = CatchUp(
            bus=redis.bus,
            sync=stores.sync,
            accounts=use_cases.accounts,
            rosters=use_cases.rosters,
            profiles=use_cases.profiles,
            stored=stored,
            delivered=delivered,
            here=presence.here,
            resync=edge.resync,
        )
        edge.complete_position = self._catch_up.position
        self._catching_up: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Unavailable."""
        await self._catch_up.start()
        self._catching_up = asyncio.create_task(self._catch_up.run(), name="catch-up")

    async def close(self) -> None:
        if self._catching_up is not None:
            await cancelled([self._catching_up])
