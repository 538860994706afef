"""Several processes on one MySQL database, and a server that is killed under them."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import Unavailable
from domain.model import Draft
from storage import open_mysql
from tests.servers.mariadb import MariaDb, Schemas
from tests.storage.world import Clock, World

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
async def test_two_processes_on_the_same_conversations(mysql_url: str, mariadb: MariaDb) -> None:
    stores = open_mysql(mysql_url, Clock())
    await stores.start()
    conversations = [(await stores.conversations.create_single(1, other, 5))[0].id for other in range(2, 22)]
    await stores.close()
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.storage.sql.mysql_writer", mysql_url, name, "60", json.dumps(conversations)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for name in ("a", "b")
    ]
    outputs = await asyncio.gather(*(asyncio.to_thread(process.communicate) for process in processes))
    results = [json.loads(output.splitlines()[-1]) for output, _ in outputs]
    assert [result["deadlocks"] for result in results] == [0, 0]
    answers = [answer for result in results for answer in result["answers"]]
    assert len(answers) > 4800
    placed: dict[str, tuple[int, int, int]] = {}
    first: set[str] = set()
    for key, conversation_id, seq, message_id, is_duplicate in answers:
        assert placed.setdefault(key, (conversation_id, seq, message_id)) == (conversation_id, seq, message_id)
        if not is_duplicate:
            assert key not in first
            first.add(key)
    assert first == set(placed)
    schema = mysql_url.rsplit("/", 1)[1]
    rows = mariadb.run("SELECT client_msg_id, conversation_id, seq, id FROM messages", schema)
    assert {row[0]: tuple(row[1:]) for row in rows} == placed
    assert len(rows) == len(placed)
    for conversation_id in conversations:
        seqs = sorted(row[2] for row in rows if row[1] == conversation_id)
        assert seqs == list(range(1, len(seqs) + 1))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_what_was_acknowledged_survives_the_server(breakable_mariadb: MariaDb, how: str) -> None:
    server = breakable_mariadb
    with Schemas(server).one() as schema:
        stores = open_mysql(server.url(schema), Clock())
        await stores.start()
        world = World(stores, Clock())
        one, two = await world.users(2)
        conversation = await world.single(one, two)
        acknowledged: dict[str, int] = {}
        refused: set[str] = set()
        stopping = False

        async def sender(number: int) -> None:
            turn = 0
            while not stopping:
                turn += 1
                content = f"{number}-{turn}"
                key = content if number % 2 else None
                draft = Draft(conversation_id=conversation.id, sender_id=one, content=content, client_msg_id=key)
                try:
                    acknowledged[content] = (await world.append(draft)).message.seq
                except Unavailable:
                    refused.add(content)

        senders = [asyncio.create_task(sender(number)) for number in range(20)]
        for _ in range(3):
            before = len(acknowledged)
            while len(acknowledged) < before + 200:
                await asyncio.sleep(0.001)
            if how == "kill":
                server.kill()
                await asyncio.to_thread(server.start)
            else:
                server.pause()
                await asyncio.sleep(1)
                server.resume()
        stopping = True
        await asyncio.gather(*senders)
        assert not refused
        page, _ = await stores.messages.history(one, conversation.id, limit=10**6, newest=False)
        assert {message.content: message.seq for message in page} == acknowledged
        assert [message.seq for message in page] == list(range(1, len(acknowledged) + 1))
        await stores.close()
