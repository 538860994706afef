"""Search in messages, and the work in the background that keeps it quick."""

import asyncio
from collections.abc import Callable
from typing import Final

from domain.errors import Unavailable
from domain.model import Message, MessageKind
from domain.ports import SearchStore
from domain.rosters import Rosters

LOOK_S: Final = 1.0
"""How often there is a look for work on the index, and how long it rests while messages wait for their commit."""

REST: Final = 4.0
"""After each step the indexer rests so many times as long as the step took."""


class MessageSearch:
    """`is_busy` says whether something more urgent is under way: then the index may wait."""

    def __init__(self, store: SearchStore, rosters: Rosters, is_busy: Callable[[], bool]) -> None:
        self._store = store
        self._rosters = rosters
        self._is_busy = is_busy
        self._closing = asyncio.Event()

    async def find(
        self,
        user_id: int,
        keyword: str,
        *,
        limit: int,
        conversation_id: int | None = None,
        kind: MessageKind | None = None,
    ) -> tuple[list[Message], int]:
        """The newest messages that the user sees and that contain the keyword, literally, without case; and how many
        there are, counted up to 1,000. ConversationNotFound, NotAMember."""
        if conversation_id is not None:
            (await self._rosters.get(conversation_id)).seat(user_id)
        return await self._store.find(user_id, keyword, conversation_id=conversation_id, kind=kind, limit=limit)

    async def keep_index(self) -> None:
        """Works on the index until `close`."""
        loop = asyncio.get_running_loop()
        pause_s = LOOK_S
        while not await self._closed_within(pause_s):
            pause_s = LOOK_S
            if self._is_busy():
                continue
            started = loop.time()
            try:
                if await self._store.index_next():
                    pause_s = min(REST * (loop.time() - started), LOOK_S)
            except Unavailable:
                continue  # the store says itself what is wrong with it

    async def _closed_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._closing.wait()
        except TimeoutError:
            return False

    def close(self) -> None:
        self._closing.set()
