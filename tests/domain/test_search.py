"""The work in the background that keeps search quick."""

import asyncio

from domain.model import Message, MessageKind
from domain.search import MessageSearch
from tests.world import Rules


class Index:
    """Counts the steps; there is always more to do."""

    def __init__(self) -> None:
        self.steps = 0
        self.stepped = asyncio.Event()

    async def find(
        self, user_id: int, keyword: str, *, conversation_id: int | None, kind: MessageKind | None, limit: int
    ) -> tuple[list[Message], int]:
        return [], 0

    async def index_next(self) -> bool:
        self.steps += 1
        self.stepped.set()
        return True


async def test_it_works_until_it_is_closed(rules: Rules) -> None:
    index = Index()
    search = MessageSearch(index, rules.rosters, lambda: False)
    work = asyncio.create_task(search.keep_index())
    await asyncio.wait_for(index.stepped.wait(), 5)
    search.close()
    await asyncio.wait_for(work, 5)
    assert index.steps >= 1


async def test_it_rests_while_messages_wait(rules: Rules) -> None:
    index = Index()
    looked = asyncio.Event()

    def is_busy() -> bool:
        looked.set()
        return True

    search = MessageSearch(index, rules.rosters, is_busy)
    work = asyncio.create_task(search.keep_index())
    await asyncio.wait_for(looked.wait(), 5)
    search.close()
    await asyncio.wait_for(work, 5)
    assert index.steps == 0
