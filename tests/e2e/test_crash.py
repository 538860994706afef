"""kill -9 in the middle of sends: what was acknowledged is there once, in order, without a gap."""

import asyncio
import json
import random
import struct

import pytest

from tests.e2e.conftest import NewServer
from tests.e2e.server import Person, ServerProcess

SENDS = 10_000
WINDOW = 64


class Sender:
    """Sends `total` messages to one conversation over TCP, some at a time, and remembers which were acknowledged."""

    def __init__(self, person: Person, conversation_id: int, total: int) -> None:
        self.person = person
        self.conversation_id = conversation_id
        self.unsent = [f"{person.name}-{number}" for number in range(total)]
        self.acked: dict[str, int] = {}

    async def run(self, server: ServerProcess) -> None:
        """Until everything is acknowledged or the connection breaks. What was not acknowledged is sent again."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.tcp_port)
        try:
            _write(writer, {"type": "hello", "token": self.person.token})
            assert (await _read(reader))["type"] == "welcome"
            open_ids: set[str] = set()
            queue = [each for each in self.unsent if each not in self.acked]
            queue.reverse()
            while queue or open_ids:
                while queue and len(open_ids) < WINDOW:
                    client_msg_id = queue.pop()
                    open_ids.add(client_msg_id)
                    _write(
                        writer,
                        {
                            "type": "send",
                            "id": 1,
                            "conversation_id": self.conversation_id,
                            "content": f"body of {client_msg_id}",
                            "client_msg_id": client_msg_id,
                        },
                    )
                packet = await _read(reader)
                if packet["type"] == "ack":
                    self.acked[packet["client_msg_id"]] = packet["seq"]
                    open_ids.discard(packet["client_msg_id"])
                else:
                    assert packet["type"] in ("message", "presence", "receipt", "notification"), packet
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


def _write(writer: asyncio.StreamWriter, packet: dict[str, object]) -> None:
    payload = json.dumps(packet).encode()
    writer.write(struct.pack(">I", len(payload)) + payload)


async def _read(reader: asyncio.StreamReader) -> dict[str, object]:
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    packet: dict[str, object] = json.loads(await reader.readexactly(length))
    return packet


async def _history(person: Person, conversation_id: int) -> list[dict[str, object]]:
    messages: list[dict[str, object]] = []
    cursor = ""
    while True:
        path = f"/api/v1/messages/conversation/{conversation_id}?limit=100{cursor}"
        page = await person.request("GET", path)
        messages = page["messages"] + messages
        if not page["has_more"]:
            return messages
        cursor = f"&before_cursor={page['messages'][0]['id']}"


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_kill_in_the_middle_of_ten_thousand_sends(new_server: NewServer, seed: int) -> None:
    dice = random.Random(seed)
    async with new_server() as server:
        people = [await Person.register(server, f"user{number}") for number in range(8)]
        conversations = [await people[0].single(people[1]), await people[2].group(*people[3:])]
        senders = [
            Sender(person, conversations[0 if index < 2 else 1], SENDS // len(people))
            for index, person in enumerate(people)
        ]
        for _ in range(3):
            runs = [asyncio.create_task(sender.run(server)) for sender in senders]
            goal = len([1 for sender in senders for _ in sender.acked]) + dice.randint(500, 3000)
            async with asyncio.timeout(60):
                while sum(len(sender.acked) for sender in senders) < goal and not all(run.done() for run in runs):
                    await asyncio.sleep(0.005)
            await server.kill()
            await asyncio.gather(*runs)
            await server.start()
        await asyncio.gather(*(sender.run(server) for sender in senders))
        for index, conversation in enumerate(conversations):
            mine = [sender for sender in senders if sender.conversation_id == conversation]
            stored = await _history(mine[0].person, conversation)
            acked = {client_msg_id: seq for sender in mine for client_msg_id, seq in sender.acked.items()}
            assert [message["seq"] for message in stored] == list(range(1, len(stored) + 1)), f"seed {seed}: a gap"
            by_seq = {message["seq"]: message for message in stored}
            assert len(acked) == len(stored) == sum(len(sender.unsent) for sender in mine), f"seed {seed}, {index}"
            for client_msg_id, seq in acked.items():
                assert by_seq[seq]["content"] == f"body of {client_msg_id}", f"seed {seed}"
            ids = [message["id"] for message in stored]
            assert ids == sorted(ids)
            listed = await mine[0].person.request("GET", "/api/v1/conversations/")
            assert any(each["id"] == conversation for each in listed["conversations"])
