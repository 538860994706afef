"""The client package against the real server: every transport and codec, restarts, refusals."""

import asyncio
import itertools
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from client import Client, ConnectionClosed, RequestRefused, Resynchronise
from client.connection import Codec
from protocol.native.packets import MessagePacket, PresencePacket, ReceiptPacket, TypingPacket
from tests.e2e.conftest import NewServer, People
from tests.e2e.server import ROOT, Person, ServerProcess

WAYS = list(itertools.product(("websocket", "tcp"), ("json", "binary")))


def client_of(person: Person, way: tuple[str, Codec]) -> Client:
    transport, codec = way
    server = person.server
    url = f"{server.ws_url}/gateway" if transport == "websocket" else f"tcp://127.0.0.1:{server.tcp_port}"
    return Client(url, person.token, codec=codec, first_pause_s=0.05)


async def next_message(client: Client) -> MessagePacket:
    async with asyncio.timeout(20):
        async for packet in client.events():
            if isinstance(packet, MessagePacket):
                return packet
    raise AssertionError("the events ended")


@pytest.mark.parametrize(("mine", "theirs"), list(itertools.product(WAYS, WAYS)), ids="-".join)
async def test_two_people_talk(
    server: ServerProcess, people: People, mine: tuple[str, Codec], theirs: tuple[str, Codec]
) -> None:
    alice, bob = await people("alice", "bob")
    async with client_of(alice, mine) as hers, client_of(bob, theirs) as his:
        conversation = (await hers.open(bob.id)).conversation.conversation_id
        ack = await hers.send(conversation, "你好 🕊", client_msg_id="first")
        heard = await next_message(his)
        assert (heard.content, heard.sender_id, heard.seq) == ("你好 🕊", alice.id, 1)
        assert heard.message_id == ack.message_id
        again = await hers.send(conversation, "你好 🕊", client_msg_id="first")
        assert (again.message_id, again.duplicate) == (ack.message_id, True)
        await his.send(conversation, "hi", reply_to_id=heard.message_id)
        reply = await next_message(hers)
        assert (reply.content, reply.reply_to_id, reply.seq) == ("hi", ack.message_id, 2)
        await his.mark(conversation, read_seq=2)
        await his.typing(conversation)
        seen = set()
        async with asyncio.timeout(10):
            async for packet in hers.events():
                seen.add(type(packet))
                if {ReceiptPacket, TypingPacket} <= seen:
                    break
        page = await his.history(conversation, limit=10)
        assert [message.content for message in page.messages] == ["你好 🕊", "hi"]
        listed = await hers.conversations()
        assert [entry.conversation.conversation_id for entry in listed.conversations] == [conversation]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_sends_and_events_survive_a_kill(new_server: NewServer, way: tuple[str, Codec]) -> None:
    async with new_server() as server:
        alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
        async with client_of(alice, way) as hers, client_of(bob, way) as his:
            conversation = (await hers.open(bob.id)).conversation.conversation_id
            await hers.send(conversation, "0")
            sends = [asyncio.create_task(hers.send(conversation, str(number))) for number in range(1, 300)]
            await sends[50]
            await server.kill()
            late = asyncio.create_task(hers.send(conversation, "300"))
            await server.start()
            async with asyncio.timeout(20):
                acks = await asyncio.gather(*sends, late)
            assert sorted(ack.seq for ack in acks) == list(range(2, 302))
            heard = [await next_message(his) for _ in range(301)]
            assert [message.seq for message in heard] == list(range(1, 302))
            assert sorted(int(message.content) for message in heard) == list(range(301))


@pytest.mark.slow
async def test_a_rolling_restart_is_not_noticed(new_server: NewServer) -> None:
    server = new_server()
    await server.start()
    alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
    async with client_of(alice, WAYS[0]) as hers, client_of(bob, WAYS[3]) as his:
        conversation = (await hers.open(bob.id)).conversation.conversation_id
        for round_ in range(3):
            await hers.send(conversation, f"before {round_}")
            server.signal(signal.SIGTERM)
            assert await server.wait() == 0
            sending = asyncio.create_task(hers.send(conversation, f"after {round_}"))
            await server.start()
            await sending
        heard = [(await next_message(his)).content for _ in range(6)]
        assert heard == [f"{when} {round_}" for round_ in range(3) for when in ("before", "after")]
    await server.stop()


@pytest.mark.slow
async def test_a_client_of_another_epoch_is_told(new_server: NewServer) -> None:
    async with new_server() as server:
        bob = await Person.register(server, "bob")
        async with client_of(bob, WAYS[0]) as his:
            await server.kill()
            # As after restoring a backup.
            server.command("new-epoch")
            await server.start()
            async with asyncio.timeout(20):
                async for packet in his.events():
                    if isinstance(packet, Resynchronise):
                        break


async def test_refusals(server: ServerProcess, people: People) -> None:
    alice, bob = await people("alice", "bob")
    async with client_of(alice, WAYS[0]) as hers:
        with pytest.raises(RequestRefused, match="conversation_not_found"):
            await hers.send(10**9, "x")
        with pytest.raises(RequestRefused, match="oneself"):
            await hers.open(alice.id)
        with pytest.raises(RequestRefused, match="message_not_found"):
            await hers.recall(10**9)
        assert await hers.subscribe([bob.id]) == {bob.id: False}
        async with client_of(bob, WAYS[2]):
            async with asyncio.timeout(10):
                async for packet in hers.events():
                    if isinstance(packet, PresencePacket):
                        assert (packet.user_id, packet.is_online) == (bob.id, True)
                        break
    with pytest.raises(RequestRefused, match="token_invalid"):
        async with Client(f"{server.ws_url}/gateway", "nonsense"):
            pass
    with pytest.raises(ConnectionClosed, match="cannot connect"):
        async with Client("ws://127.0.0.1:1/gateway", alice.token):
            pass


async def test_a_revoked_login_ends_the_client(server: ServerProcess, people: People) -> None:
    (alice,) = await people("alice")
    async with client_of(alice, WAYS[1]) as hers:
        await alice.request("POST", "/api/v1/auth/logout")
        with pytest.raises(ConnectionClosed) as ended:
            async for _ in hers.events():
                pass
        assert (ended.value.code, ended.value.is_final) == (4401, True)
        with pytest.raises(ConnectionClosed):
            await hers.send(1, "x")


@pytest.mark.slow
async def test_rate_limited_sends_arrive_all_the_same(new_server: NewServer) -> None:
    async with new_server(gateway_rate_per_s=50, gateway_rate_burst=10) as server:
        alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
        async with client_of(alice, WAYS[0]) as hers:
            conversation = (await hers.open(bob.id)).conversation.conversation_id
            async with asyncio.timeout(30):
                acks = await asyncio.gather(*(hers.send(conversation, str(number)) for number in range(60)))
            assert sorted(ack.seq for ack in acks) == list(range(1, 61))


async def chat(server: ServerProcess, name: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client", "chat", name, "--url", server.url, *arguments),
        cwd=ROOT,
        env=os.environ | {"FEIGE_PASSWORD": "secret-1", "PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def until(process: asyncio.subprocess.Process, text: str) -> str:
    """The next line with this text."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while True:
            line = (await process.stdout.readline()).decode()
            assert line, f"ended before {text!r}"
            if text in line:
                return line


async def test_the_terminal(server: ServerProcess) -> None:
    """`python -m client`: two people, one of them over TCP in binary, with piped input."""
    bob = await chat(server, "terminal-bob")
    await until(bob, "waiting for somebody")
    alice = await chat(server, "terminal-alice", "--with", "terminal-bob", "--tcp", str(server.tcp_port), "--binary")
    await until(alice, "terminal-bob is online")
    assert alice.stdin is not None
    assert bob.stdin is not None
    alice.stdin.write("你好\n".encode())
    assert "terminal-alice: 你好" in await until(bob, "你好")
    bob.stdin.write(b"hello\n")
    assert "terminal-bob: hello" in await until(alice, "hello")
    for process in (alice, bob):
        assert process.stdin is not None
        process.stdin.write(b"/quit\n")
        async with asyncio.timeout(10):
            assert await process.wait() == 0


@pytest.mark.slow
async def test_the_terminal_comes_back_and_ends_when_there_is_no_way_back(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "data") as server:
        bob = await chat(server, "bob")
        await until(bob, "waiting for somebody")
        alice = await chat(server, "alice", "--with", "bob")
        await until(alice, "bob is online")
        await server.kill()
        await until(alice, "trying again")
        assert alice.stdin is not None
        alice.stdin.write(b"still here\n")
        await server.start()
        await until(alice, "connected again")
        assert "alice: still here" in await until(bob, "still here")
        assert bob.stdin is not None
        bob.stdin.write(b"/quit\n")
        assert await bob.wait() == 0
        await until(alice, "bob is offline")
        await server.kill()
        (server.data_dir / "feige.db").unlink()
        await server.start()
        async with asyncio.timeout(20):
            assert await alice.wait() == 1, "the input is open, and still it ends: nobody knows alice any more"


def test_vectors_are_packaged() -> None:
    """A stranger who writes a client finds every packet in both codecs beside PROTOCOL.md."""
    for name in ("client", "server"):
        vectors = json.loads((ROOT / "protocol" / "vectors" / f"{name}.json").read_text())
        assert all({"name", "direction", "json", "binary_hex"} <= vector.keys() for vector in vectors)
