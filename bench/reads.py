"""What a client with years behind it reads: searches and lists over REST in 150,000 messages, on both databases."""

import asyncio
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.data_dir import DataDir
from bench import servers
from bench.rest import Request
from bench.runs import Bench
from bench.scenario import Figure, Result, Round, Scenario, Target
from bench.seed import Seed, Stores
from domain.model import Draft
from domain.ports import Mark
from storage import open_mysql, open_sqlite

WORDS: Final = (
    *("飞鸽", "传书", "明天", "下午", "会议", "项目", "进度", "报告", "一下", "谢谢", "收到"),
    *("the", "quick", "brown", "fox", "report", "tomorrow", "budget", "deadline", "review", "code", "server", "hello"),
)
COMMON: Final = "needle"
RARE: Final = "xylophone"
ONE_IN: Final = 20
"""Messages that have the common word."""


@dataclass(frozen=True, slots=True)
class Size:
    messages: int
    """Four of five are in the reader's conversations."""
    conversations: int
    """Of the reader; the first of them has a tenth of all messages."""
    friends: int
    unread: int
    """In each conversation."""


@dataclass(frozen=True, slots=True)
class Library:
    """What was seeded, as the reader sees it."""

    token: str
    long_id: int
    """The conversation with most messages."""


@dataclass(frozen=True, slots=True)
class Ask:
    name: str
    request: Callable[[Library], Request]
    target: Target
    figure: str = "p50_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadsScenario(Scenario):
    """Each request again and again on one connection. `is_mysql`: on the bench's MariaDB, else SQLite."""

    is_mysql: bool
    asks: tuple[Ask, ...]
    size: Size
    quick_size: Size
    count: int
    quick_count: int
    programs: tuple[str, ...] = ("rest",)

    def measure(self, bench: Bench) -> Round:
        size = self.quick_size if bench.quick else self.size
        folder = bench.work / ("reads-mysql" if self.is_mysql else "reads-sqlite")
        url = bench.databases.mariadb.url("bench_reads") if self.is_mysql else ""
        library = self._library(bench, folder, url, size)
        options = ("--database", url) if self.is_mysql else ()
        result: dict[str, Any] = {}
        with servers.feige(folder, bench.cpus.server, bench.work / "reads.log", *options) as running:
            for ask in self.asks:
                requests = bench.work / "requests"
                wire = ask.request(library).wire(library.token)
                requests.write_bytes(b"%d\n%b" % (len(wire), wire))
                place = {"port": running.port, "pid": running.pid, "requests": requests, "connections": 1}
                count = self.quick_count if bench.quick else self.count
                found = bench.generate("rest", "full", place | {"count": count})
                result |= {f"{ask.name}_{key}": value for key, value in found.items()}
        return result, None

    def _library(self, bench: Bench, folder: Path, url: str, size: Size) -> Library:
        """Made once, for all rounds and scenarios of this size."""
        known = folder.with_name(f"{folder.name}.json")
        if not known.exists():
            data_dir = DataDir(str(folder))
            if self.is_mysql:
                database = bench.databases.mariadb
                database.run(
                    "DROP DATABASE IF EXISTS bench_reads",
                    "CREATE DATABASE bench_reads CHARACTER SET utf8mb4",
                    "SET GLOBAL innodb_flush_log_at_trx_commit=0",
                )
            stores: Stores = open_mysql(url) if self.is_mysql else open_sqlite(data_dir.database)
            known.write_text(json.dumps(asyncio.run(_fill(stores, data_dir, size))))
            if self.is_mysql:
                database.run("SET GLOBAL innodb_flush_log_at_trx_commit=1")
        return Library(*json.loads(known.read_text()))


async def _fill(stores: Stores, data_dir: DataDir, size: Size) -> Sequence[Any]:
    await stores.start()
    try:
        return await _Shelves(stores, data_dir).stock(size)
    finally:
        await stores.close()


class _Shelves(Seed):
    async def stock(self, size: Size) -> Sequence[Any]:
        chance = random.Random(1)
        tokens = [await self.register(f"reads{number}") for number in range(max(size.conversations, size.friends) + 2)]
        stranger = len(tokens) - 1
        own = [await self.single(0, number + 1) for number in range(size.conversations)]
        foreign = [await self.single(stranger, number + 1) for number in range(size.conversations)]
        drafts: list[Draft] = []
        for number in range(size.messages):
            one = 0 if number % 10 == 0 else chance.randrange(size.conversations)
            speaks = chance.random() < 0.5
            text = chance.choices(WORDS, k=chance.randint(4, 16))
            text += [COMMON] * (number % ONE_IN == 0) + [RARE] * (number == size.messages // 2)
            place, others = (foreign[one], stranger) if number % 5 == 4 else (own[one], 0)
            sender = self.users[others if speaks else one + 1].id
            drafts.append(Draft(conversation_id=place, sender_id=sender, content=" ".join(text)))
        await self.append(drafts)
        for conversation_id in own:
            conversation = await self.stores.conversations.get(conversation_id)
            assert conversation is not None
            await self._read(conversation_id, conversation.last_seq - size.unread)
        for friend in range(1, size.friends + 1):
            both = self.users[0].id, self.users[friend].id
            async with self.stores.contacts.edit(*both) as edit:
                for user_id in both:
                    await edit.put(user_id, self.now_ms, is_friend=True)
        while await self.stores.search.index_next():
            pass
        return tokens[0], own[0]

    async def _read(self, conversation_id: int, seq: int) -> None:
        done = asyncio.get_running_loop().create_future()
        self.stores.marks.mark(Mark(conversation_id, self.users[0].id, ((1, seq),), seq), done.set_result)
        await done


def _get(path: str, root: str = "/api/v1") -> Callable[[Library], Request]:
    return lambda library: Request("GET", path.format(long_id=library.long_id), root=root)


_QUICK: Final = Target(20)

SEARCHES: Final = (
    Ask("rare word", _get(f"/messages/search?keyword={RARE}"), _QUICK),
    Ask("common word", _get(f"/messages/search?keyword={COMMON}"), _QUICK),
    Ask("letter", _get("/messages/search?keyword=e"), _QUICK),
    Ask("one conversation", _get(f"/messages/search?keyword={COMMON}&conversation_id={{long_id}}"), _QUICK),
)

_CHEAP: Final = Target(10_000)
_FILTERED: Final = "/chats/{long_id}/messages?limit=50&search=needle&type=text&offset=10"

LISTS: Final = (
    Ask("conversations", _get("/chat/conversation/list", ""), _CHEAP, "cpu"),
    Ask("friends", _get("/friend/list", ""), _CHEAP, "cpu"),
    Ask("history", _get("/messages/conversation/{long_id}?limit=50"), _CHEAP, "cpu"),
    Ask("deep page", _get("/messages/conversation/{long_id}?limit=50&skip=1000"), _CHEAP, "cpu"),
    Ask("filtered", _get(_FILTERED, "/api"), Target(15_000), "cpu"),
)


def figures(asks: Sequence[Ask]) -> tuple[Figure, ...]:
    """The latency of searches, the CPU of lists, with their targets; the other one of each without."""
    found: list[Figure] = []
    for ask in asks:
        name = ask.name
        met = ask.target if ask.figure == "p50_ms" else None
        found.append(Figure(f"ms p50, {name}", 2, lambda result, key=f"{name}_p50_ms": float(result[key]), met))
        met = ask.target if ask.figure == "cpu" else None
        found.append(Figure(f"µs CPU, {name}", 0, lambda result, name=name: _cpu(result, name), met))
    return tuple(found)


def _cpu(result: Result, name: str) -> float:
    return float(result[f"{name}_cpu_s"] * 1e6 / result[f"{name}_requests"])


def details(result: Result) -> str:
    names = [key.removesuffix("_answer_bytes") for key in result if key.endswith("_answer_bytes")]
    return "; ".join(
        f"{name}: p50 {result[f'{name}_p50_ms']:.1f}, p99 {result[f'{name}_p99_ms']:.1f} ms, "
        f"{result[f'{name}_answer_bytes']:,} bytes"
        for name in names
    )


_SIZES: Final[dict[str, Any]] = {
    "size": Size(messages=150_000, conversations=200, friends=500, unread=5),
    "quick_size": Size(messages=20_000, conversations=200, friends=500, unread=5),
    "count": 100,
    "quick_count": 30,
    "details": details,
}

SCENARIOS: Final = tuple(
    ReadsScenario(
        name=f"{name}{'-mysql' if is_mysql else ''}",
        title=f"REST, one after the other, {'MariaDB' if is_mysql else 'SQLite'}: {title}",
        is_mysql=is_mysql,
        asks=asks,
        figures=figures(asks),
        **_SIZES,
    )
    for is_mysql in (False, True)
    for name, title, asks in (
        ("search", "a search in 150,000 messages, 120,000 of them the reader's, every twentieth a match", SEARCHES),
        ("lists", "200 conversations, 500 friends, 50 messages of 15,000, the same with all filters", LISTS),
    )
)
