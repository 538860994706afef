"""Coming back: exactly what is missing is replayed, or the server says plainly that it cannot."""

import asyncio
from typing import Any

from tests.e2e import wire
from tests.e2e.conftest import People
from tests.e2e.server import ServerProcess


async def test_what_was_missed_is_replayed_in_order(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    first = await alice.single(bob)
    second = await alice.group(bob)
    async with wire.native(server, alice) as sender:
        async with wire.native(server, bob) as session:
            welcome = session.received[-1]
            await sender.tell(type="send", id=1, conversation_id=first, content="seen")
            seen = await session.wait("message")
        for number in range(5):
            await sender.tell(type="send", id=10 + number, conversation_id=first, content=f"a{number}")
            await sender.tell(type="send", id=20 + number, conversation_id=second, content=f"b{number}")
            await sender.wait("ack", id=20 + number)
        await sender.tell(type="edit", id=30, message_id=seen["message_id"], content="seen and edited")
        await sender.wait("done", id=30)
        async with wire.resumed(server, bob, welcome, [[first, seen["seq"]]]) as session:
            synced = await session.wait("synced", id=7)
            assert synced["recovered"] is True
            replayed = [packet for packet in session.received if packet["type"] == "message"]
            contents = [packet["content"] for packet in replayed]
            assert [each for each in contents if each[0] == "a"] == [f"a{number}" for number in range(5)]
            assert [each for each in contents if each[0] == "b"] == [f"b{number}" for number in range(5)]
            assert "seen" not in contents
            edited = [packet for packet in session.received if packet["type"] == "message_edited"]
            assert [packet["content"] for packet in edited] == ["seen and edited"]
            await _sync(session, synced, cursors=[])
            await session.wait("synced", id=7)
            later = session.received[session.received.index(synced) + 1 :]
            assert [packet["type"] for packet in later] == ["synced"]


async def test_another_epoch_is_told(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    async with wire.native(server, alice) as session:
        await _sync(session, session.received[-1] | {"epoch": "of another database"}, cursors=[])
        assert (await session.wait("synced", id=7))["recovered"] is False
        await _sync(session, session.received[0] | {"position": "../../nonsense"}, cursors=[])
        assert (await session.wait("synced", id=7))["recovered"] is False


async def test_too_much_to_replay_is_told(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    async with wire.native(server, alice) as sender:
        async with wire.native(server, bob) as session:
            welcome = session.received[-1]
        for number in range(1200):
            await sender.tell(type="send", id=number, conversation_id=conversation, content="x")
            if number % 100 == 99:
                await sender.wait("ack", id=number)
        async with wire.resumed(server, bob, welcome, []) as session:
            synced = await session.wait("synced", id=7)
            assert synced["recovered"] is False
            assert not [packet for packet in session.received if packet["type"] == "message"]
            await sender.tell(type="send", id=9999, conversation_id=conversation, content="after")
            assert (await session.wait("message"))["content"] == "after"


async def test_live_messages_wait_for_the_replay(server: ServerProcess, people: People) -> None:
    """While a replay is under way others go on sending: the resuming client still sees each seq once and in order."""
    alice, bob = await people("alice", "bob")
    conversation = await alice.single(bob)
    async with wire.native(server, alice) as sender:
        async with wire.native(server, bob) as session:
            welcome = session.received[-1]

        async def keep_sending() -> None:
            for number in range(600):
                await sender.tell(type="send", id=number, conversation_id=conversation, content=str(number))
                if number % 20 == 19:
                    await sender.wait("ack", id=number)
                if number == 99:
                    under_way.set()

        under_way = asyncio.Event()
        sending = asyncio.create_task(keep_sending())
        await under_way.wait()
        async with wire.resumed(server, bob, welcome, []) as session:
            await session.wait("synced", id=7)
            while not _seqs(session) or _seqs(session)[-1] < 600:
                await session.wait("message")
            await sending
            assert _seqs(session) == list(range(1, 601))


def _seqs(session: wire.Foreign) -> list[int]:
    return [packet["seq"] for packet in session.received if packet["type"] == "message"]


async def _sync(session: wire.Foreign, since: dict[str, Any], cursors: list[list[int]]) -> None:
    await session.tell(type="sync", id=7, epoch=since["epoch"], position=since["position"], cursors=cursors)


async def test_somebody_who_was_removed_hears_that_and_nothing_after(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    group = await alice.group(bob)
    async with wire.native(server, alice) as sender:
        async with wire.native(server, bob) as session:
            welcome = session.received[-1]
        await alice.request("DELETE", f"/api/v1/conversations/{group}/members/{bob.id}", status=204)
        await sender.tell(type="send", id=1, conversation_id=group, content="not for bob")
        await sender.wait("ack", id=1)
        async with wire.resumed(server, bob, welcome, []) as session:
            await session.wait("synced", id=7)
            types = [packet["type"] for packet in session.received]
            assert "member_removed" in types
            assert "message" not in types
