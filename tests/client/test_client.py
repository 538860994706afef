"""Every promise of the client: replies, retries, resume, ends, slow consumers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed as WebSocketClosed

from client import (
    Client,
    ClientError,
    ConnectionClosed,
    Disconnected,
    Event,
    NoAnswer,
    Reconnected,
    RequestRefused,
    Resynchronise,
)
from client.events import MAX_WAITING, PAUSE_AT, EventQueue
from client.outbox import MAX_FAILURES, WINDOW
from protocol.commands import Edit, History, MarkUpTo, Ping, Send, SubscribePresence, Sync
from protocol.native.packets import (
    DonePacket,
    GoAwayPacket,
    HistoryPagePacket,
    PongPacket,
    PresencePacket,
    PresenceStatePacket,
    SyncedPacket,
    TypingPacket,
)
from tests.client.peer import PATIENCE_S, WAYS, WELCOME, Peer, PeerServer, Way, message

E = TypeVar("E")


@pytest.fixture(params=WAYS, ids="-".join)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[PeerServer]:
    """Also: whatever a test does, no task of it is left."""
    before = asyncio.all_tasks()
    async with PeerServer(request.param) as running:
        yield running
    async with asyncio.timeout(PATIENCE_S):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            assert not [task for task in left if "/client/" in str(task.get_coro())], left
            await asyncio.wait(left)


async def until(client: Client, kind: type[E]) -> E:
    """The next event of this kind."""
    async with asyncio.timeout(PATIENCE_S):
        async for event in client.events():
            if isinstance(event, kind):
                return event
    raise AssertionError("the events ended")


async def next_event(client: Client) -> Event:
    return await until(client, object)  # type: ignore[return-value]


async def ended(awaitable: Awaitable[object]) -> ClientError:
    with pytest.raises(ClientError) as caught:
        async with asyncio.timeout(PATIENCE_S):
            await awaitable
    return caught.value


async def resumed(server: PeerServer) -> Peer:
    """The next connection, welcomed and synced."""
    peer = await server.accept()
    await peer.welcome()
    sync = await peer.receive(Sync)
    await peer.send(SyncedPacket(True, "epoch", "p2", sync.id))
    return peer


# Requests


async def test_replies_find_their_requests_in_any_order(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        pages = [asyncio.create_task(client.history(number)) for number in (1, 2)]
        asked = [await peer.receive(History) for _ in range(2)]
        for request in reversed(asked):
            await peer.send(HistoryPagePacket(request.conversation_id, [], False, request.id))
        assert [(await page).conversation_id for page in pages] == [1, 2]


async def test_a_late_reply_is_nobodys(server: PeerServer) -> None:
    async with server.connected(timeout_s=0.1) as (client, peer):
        assert isinstance(await ended(client.history(1)), NoAnswer)
        request = await peer.receive(History)
        await peer.send(HistoryPagePacket(1, [], False, request.id), message(1))
        assert await next_event(client) == message(1)


async def test_a_refusal_says_all(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        editing = asyncio.create_task(client.edit(1, "x"))
        await peer.refuse(await peer.receive(Edit), "rate_limited", temporary=True, retry_after_ms=70)
        refusal = await ended(editing)
        assert isinstance(refusal, RequestRefused)
        assert (refusal.code, refusal.text, refusal.temporary, refusal.retry_after_ms) == (
            *("rate_limited", "no"),
            *(True, 70),
        )


async def test_a_request_fails_with_its_connection_and_the_next_waits_for_another(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        marking = asyncio.create_task(client.mark(42, read_seq=3))
        await peer.receive(MarkUpTo)
        peer.abort()
        reason = await ended(marking)
        assert isinstance(reason, ConnectionClosed)
        assert (reason.code, reason.is_final) == (1006, False)
        marking = asyncio.create_task(client.mark(42, read_seq=3))
        peer = await resumed(server)
        await peer.send(DonePacket((await peer.receive(MarkUpTo)).id))
        await marking


async def test_what_cannot_be_sent_harms_nothing_else(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        with pytest.raises(UnicodeEncodeError):
            await client.send(42, "\ud800")
        assert str(await ended(client.send(42, "x" * 70_000))).startswith("too_large")
        sending = asyncio.create_task(client.send(42, "fine"))
        await peer.ack(await peer.receive(Send), 1)
        assert (await sending).seq == 1


# Sends


async def test_sends_are_repeated_in_order_with_their_ids(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        sends = [asyncio.create_task(client.send(42, str(number))) for number in range(4)]
        first = await peer.receive_sends(4)
        assert [send.content for send in first] == ["0", "1", "2", "3"]
        await peer.ack(first[1], 2)
        assert (await sends[1]).seq == 2
        peer.abort()
        late = asyncio.create_task(client.send(42, "4"))
        peer = await resumed(server)
        again = await peer.receive_sends(4)
        assert [send.content for send in again] == ["0", "2", "3", "4"]
        assert [send.client_msg_id for send in again[:3]] == [first[index].client_msg_id for index in (0, 2, 3)]
        for number, send in enumerate(again):
            await peer.ack(send, 10 + number)
        assert [(await send).seq for send in (sends[0], *sends[2:], late)] == [10, 11, 12, 13]


async def test_a_temporary_refusal_is_retried_when_it_was_asked_for(server: PeerServer) -> None:
    loop = asyncio.get_running_loop()
    async with server.connected() as (client, peer):
        sends = [asyncio.create_task(client.send(42, str(number))) for number in range(3)]
        for send in await peer.receive_sends(3):
            await peer.refuse(send, "rate_limited", temporary=True, retry_after_ms=200)
        since = loop.time()
        for number in range(3):
            send = await peer.receive(Send)
            assert send.content == str(number)
            assert loop.time() - since > 0.15
            await peer.ack(send, number + 1)
        assert [(await send).seq for send in sends] == [1, 2, 3]


@pytest.mark.parametrize("code", ["not_a_member", "invalid_value"])
async def test_a_final_refusal_ends_only_its_send(server: PeerServer, code: str) -> None:
    """`invalid_value` comes without client_msg_id: the server could not read the command."""
    async with server.connected() as (client, peer):
        sends = [asyncio.create_task(client.send(42, each)) for each in ("bad", "good")]
        bad, good = await peer.receive_sends(2)
        await peer.refuse(bad, code)
        await peer.ack(good, 1)
        refusal = await ended(sends[0])
        assert isinstance(refusal, RequestRefused)
        assert refusal.code == code
        assert (await sends[1]).seq == 1


async def test_a_message_over_which_the_server_fails_does_not_hold_up_the_others_for_ever(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        bad = asyncio.create_task(client.send(42, "bad"))
        good = asyncio.create_task(client.send(42, "good"))
        contents = []
        while len(contents) < MAX_FAILURES + 1:
            send = await peer.receive(Send)
            contents.append(send.content)
            if send.content == "bad":
                await peer.refuse(send, "internal_error", temporary=True)
            else:
                await peer.ack(send, 1)
        assert sorted(contents) == ["bad"] * MAX_FAILURES + ["good"]
        assert (await good).seq == 1
        refusal = await ended(bad)
        assert isinstance(refusal, RequestRefused)
        assert refusal.code == "internal_error"


async def test_only_a_window_of_sends_is_on_the_wire(server: PeerServer) -> None:
    """A server closes for good whom it must refuse 1000 times in a row."""
    async with server.connected() as (client, peer):
        sends = [asyncio.create_task(client.send(42, str(number))) for number in range(1200)]
        first = await peer.receive_sends(WINDOW)
        pinging = asyncio.create_task(client.ping())
        ping = await peer.receive(Ping)
        await peer.send(PongPacket(0, id=ping.id))
        await pinging
        for send in first:
            await peer.refuse(send, "rate_limited", temporary=True, retry_after_ms=10)
        seen = []
        for seq in range(1, 1201):
            send = await peer.receive(Send)
            seen.append(send.content)
            await peer.ack(send, seq)
        assert seen == [str(number) for number in range(1200)]
        await asyncio.gather(*sends)


async def test_one_id_is_one_message(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        sends = [asyncio.create_task(client.send(42, "once", client_msg_id="m-1")) for _ in range(2)]
        send = await peer.receive(Send)
        await peer.ack(send, 1)
        assert [(await each).seq for each in sends] == [1, 1]
        third = asyncio.create_task(client.send(42, "next"))
        assert (await peer.receive(Send)).content == "next"
        third.cancel()


async def test_a_cancelled_send_is_not_repeated(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        sends = [asyncio.create_task(client.send(42, each)) for each in ("given up", "kept")]
        await peer.receive_sends(2)
        sends[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await sends[0]
        peer.abort()
        peer = await resumed(server)
        kept = await peer.receive(Send)
        assert kept.content == "kept"
        await peer.ack(kept, 2)
        await sends[1]


# Resume


async def test_resume_says_what_was_seen_and_drops_what_comes_twice(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        sending = asyncio.create_task(client.send(42, "mine"))
        send = await peer.receive(Send)
        await peer.send(message(5), message(5), message(7, 43))
        await peer.ack(send, 6)
        await sending
        assert [await next_event(client), await next_event(client)] == [message(5), message(7, 43)]
        peer.abort()
        peer = await server.accept()
        await peer.welcome()
        sync = await peer.receive(Sync)
        assert len(peer.frames) == 1, "hello and sync go in one frame"
        assert (sync.epoch, sync.position, sorted(sync.cursors)) == ("epoch", "p1", [(42, 6), (43, 7)])
        await peer.send(message(6), message(7), message(8), SyncedPacket(True, "epoch", "p2", sync.id), message(8))
        await peer.send(message(9))
        assert isinstance(await next_event(client), Disconnected)
        assert isinstance(await next_event(client), Reconnected)
        assert [await next_event(client) for _ in range(3)] == [message(7), message(8), message(9)]
        peer.abort()
        sync = await _sync_of(server)
        assert (sync.position, sorted(sync.cursors)) == ("p2", [(42, 9), (43, 7)])


async def _sync_of(server: PeerServer) -> Sync:
    peer = await server.accept()
    await peer.welcome(msgspec.structs.replace(WELCOME, position="p9"))
    return await peer.receive(Sync)


async def test_a_pong_moves_the_position_but_not_before_synced(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        pinging = asyncio.create_task(client.ping())
        await peer.send(PongPacket(0, "p3", (await peer.receive(Ping)).id))
        await pinging
        peer.abort()
        peer = await server.accept()
        await peer.welcome()
        assert (await peer.receive(Sync)).position == "p3"
        pinging = asyncio.create_task(client.ping())
        await peer.send(PongPacket(0, "p4", (await peer.receive(Ping)).id))
        await pinging
        peer.abort()
        assert (await _sync_of(server)).position == "p3"


async def test_a_gap_that_cannot_be_filled_is_told(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        await peer.send(message(5))
        await until(client, type(message(5)))
        peer.abort()
        peer = await server.accept()
        await peer.welcome()
        sync = await peer.receive(Sync)
        await peer.send(SyncedPacket(False, "another", "p1", sync.id), message(2))
        assert await until(client, Resynchronise) == Resynchronise()
        assert await next_event(client) == message(2), "the new store counts from the beginning"
        peer.abort()
        sync = await _sync_of(server)
        assert (sync.epoch, sync.position, sync.cursors) == ("another", "p1", [(42, 2)])


async def test_a_resume_that_is_refused_now_is_tried_again_from_the_same_place(server: PeerServer) -> None:
    """Live packets that follow the refusal would hide the gap."""
    async with server.connected() as (client, peer):
        await peer.send(message(5))
        await until(client, type(message(5)))
        peer.abort()
        peer = await server.accept()
        await peer.welcome()
        sync = await peer.receive(Sync)
        await peer.refuse(sync, "unavailable", temporary=True)
        await peer.send(message(8))
        told = [type(await next_event(client)) for _ in range(3)]
        assert told == [Disconnected, Reconnected, Disconnected]
        peer = await server.accept()
        await peer.welcome()
        sync = await peer.receive(Sync)
        assert (sync.position, sync.cursors) == ("p1", [(42, 5)])
        await peer.send(*(message(seq) for seq in (6, 7, 8)), SyncedPacket(True, "epoch", "p2", sync.id))
        assert [(await until(client, type(message(1)))).seq for _ in range(3)] == [6, 7, 8]


async def test_a_resume_that_is_refused_for_good_is_a_gap(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        peer.abort()
        peer = await server.accept()
        await peer.welcome()
        await peer.refuse(await peer.receive(Sync), "invalid_value")
        assert await until(client, Resynchronise) == Resynchronise()


async def test_presence_is_asked_for_again(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        subscribing = asyncio.create_task(client.subscribe([8, 9]))
        await peer.send(PresenceStatePacket({8: True, 9: False}, (await peer.receive(SubscribePresence)).id))
        assert await subscribing == {8: True, 9: False}
        await peer.send(PresencePacket(9, True, 0), TypingPacket(42, 9, True))
        assert [await next_event(client), await next_event(client)] == [
            PresencePacket(9, True, 0),
            TypingPacket(42, 9, True),
        ]
        peer.abort()
        peer = await resumed(server)
        again = await peer.receive(SubscribePresence)
        assert again.user_ids == [8, 9]
        await peer.send(PresenceStatePacket({8: False, 9: True}, again.id))
        assert (await until(client, PresenceStatePacket)).states == {8: False, 9: True}


# Ends


@pytest.mark.parametrize("code", [4001, 4002, 4003, 4004])
async def test_ends_that_say_come_back(server: PeerServer, code: int) -> None:
    async with server.connected() as (client, peer):
        await peer.close(code, "come back")
        gone = await until(client, Disconnected)
        assert isinstance(gone.reason, ConnectionClosed)
        assert (gone.reason.code, gone.reason.reason, gone.reason.is_final) == (code, "come back", False)
        await resumed(server)
        await until(client, Reconnected)


@pytest.mark.parametrize("code", [1002, 1009, 4401, 4403, 4408, 4409, 4429])
async def test_final_ends(server: PeerServer, code: int) -> None:
    async with server.connected() as (client, peer):
        sending = asyncio.create_task(client.send(42, "x"))
        marking = asyncio.create_task(client.mark(42, read_seq=1))
        await peer.send(message(1))
        await peer.close(code, "stop")
        assert await next_event(client) == message(1)
        for awaitable in (sending, marking, next_event(client), client.send(42, "y"), client.ping()):
            reason = await ended(awaitable)
            assert isinstance(reason, ConnectionClosed)
            assert (reason.code, reason.reason, reason.is_final) == (code, "stop", True)


async def test_go_away_says_when_to_come_back(server: PeerServer) -> None:
    loop = asyncio.get_running_loop()
    async with server.connected() as (client, peer):
        await peer.send(GoAwayPacket("restart", 400))
        since = loop.time()
        await peer.close(4000, "restart")
        gone = await until(client, Disconnected)
        assert isinstance(gone.reason, ConnectionClosed)
        assert gone.reason.code == 4000
        await resumed(server)
        assert 0.35 < loop.time() - since < 3


async def test_a_server_that_is_not_there_is_waited_for(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        await server.stop_listening() if server.way[0] == "tcp" else server._server.close(close_connections=False)
        peer.abort()
        await until(client, Disconnected)
        sending = asyncio.create_task(client.send(42, "x"))
        await asyncio.sleep(0.3)  # attempts that fail
        await server.listen()
        peer = await resumed(server)
        await peer.ack(await peer.receive(Send), 1)
        assert (await sending).seq == 1


@pytest.mark.slow
@pytest.mark.parametrize("server", [WAYS[0], WAYS[3]], indirect=True, ids="-".join)
async def test_a_silent_server_is_given_up_after_two_and_a_half_heartbeats(server: PeerServer) -> None:
    loop = asyncio.get_running_loop()
    async with server.connected(msgspec.structs.replace(WELCOME, heartbeat_s=1)) as (client, peer):
        since = loop.time()
        await peer.receive(Ping)
        assert 0.9 < loop.time() - since < 1.9
        gone = await until(client, Disconnected)
        assert isinstance(gone.reason, ConnectionClosed)
        assert gone.reason.code == 4002
        assert 2.4 < loop.time() - since < 3
        await resumed(server)


async def test_the_first_connection_may_fail(server: PeerServer) -> None:
    client = server.client()
    entering = asyncio.create_task(client.__aenter__())
    peer = await server.accept()
    hello = await peer.receive(object)  # type: ignore[type-var]
    await peer.refuse(hello, "token_invalid")
    refusal = await ended(entering)
    assert isinstance(refusal, RequestRefused)
    assert refusal.code == "token_invalid"


@pytest.mark.parametrize("url", ["http://127.0.0.1", "ws://", "tcp://127.0.0.1", "tcp://:8001"])
async def test_an_address_that_makes_no_sense(url: str) -> None:
    with pytest.raises(ValueError, match=r"scheme|URI|host and a port"):
        await Client(url, "token").__aenter__()


async def test_a_token_is_renewed_once(server: PeerServer) -> None:
    asked = []

    async def token() -> str:
        asked.append(f"token-{len(asked)}")
        return asked[-1]

    async with server.connected(token=token) as (client, peer):
        await peer.close(4401, "expired")
        peer = await server.accept()
        hello = await peer.welcome()
        assert hello.token == "token-1"
        await peer.receive(Sync)
        await peer.close(4401, "expired")
        peer = await server.accept()
        await peer.refuse(await peer.receive(type(hello)), "token_expired")
        reason = await ended(until(client, RequestRefused))
        assert isinstance(reason, RequestRefused)
        assert len(asked) == 3


@pytest.mark.parametrize("error", [RequestRefused("401", "logged out"), RuntimeError("a bug")])
async def test_a_token_that_cannot_be_had_ends_the_client(server: PeerServer, error: Exception) -> None:
    asked = []

    async def token() -> str:
        asked.append(1)
        if len(asked) > 1:
            raise error
        return "token"

    async with server.connected(token=token) as (client, peer):
        peer.abort()
        await until(client, Disconnected)
        with pytest.raises(type(error)):
            await until(client, Reconnected)
        with pytest.raises(type(error)):
            await client.send(42, "x")
        assert len(asked) == 2


async def test_closing_fails_what_waits_and_ends_the_events(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        sending = asyncio.create_task(client.send(42, "x"))
        pinging = asyncio.create_task(client.ping())
        await peer.receive(Ping)

        async def listen() -> list[Event]:
            return [event async for event in client.events()]

        listening = asyncio.create_task(listen())
        await peer.receive(Send)
        await client.close()
        for awaitable in (sending, pinging):
            reason = await ended(awaitable)
            assert isinstance(reason, ConnectionClosed)
            assert reason.code == 1000
        assert await listening == []
        await client.close()


async def test_cancelling_is_not_swallowed(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        waiting = [asyncio.create_task(each) for each in (client.ping(), client.send(1, "x"), next_event(client))]
        await peer.receive(Ping)
        for task in waiting:
            task.cancel()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 3


async def test_cancelling_while_it_connects(server: PeerServer) -> None:
    client = server.client()
    entering = asyncio.create_task(client.__aenter__())
    peer = await server.accept()
    await peer.receive(object)  # type: ignore[type-var]
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    with pytest.raises((EOFError, OSError, WebSocketClosed)):
        await peer.receive(Ping)


# Slow consumers


@pytest.mark.slow
@pytest.mark.parametrize("server", [WAYS[0], WAYS[3]], indirect=True, ids="-".join)
async def test_nothing_is_read_while_too_much_waits(server: PeerServer) -> None:
    async with server.connected(msgspec.structs.replace(WELCOME, heartbeat_s=1)) as (client, peer):
        text = "x" * 4000
        sent = 0
        try:
            while True:
                async with asyncio.timeout(1):
                    await peer.send(message(sent + 1, content=text))
                sent += 1
                assert sent < 50_000, "the client reads on"
        except TimeoutError:
            pass
        await asyncio.sleep(2.7)  # longer than a server may be silent: it is not, the client does not listen
        for seq in range(1, sent + 1):
            event = await next_event(client)
            assert isinstance(event, type(message(1)))
            assert event.seq == seq


async def test_who_waits_for_an_answer_is_not_kept_waiting_by_events(server: PeerServer) -> None:
    async with server.connected() as (client, peer):
        await peer.send(*(message(seq) for seq in range(1, PAUSE_AT + 501)))
        first = await next_event(client)
        marking = asyncio.create_task(client.mark(42, read_seq=1))
        await peer.send(DonePacket((await peer.receive(MarkUpTo)).id))
        async with asyncio.timeout(PATIENCE_S):
            await marking
        assert first == message(1)


async def test_events_beyond_all_measure_give_way_to_one() -> None:
    queue = EventQueue()
    for seq in range(MAX_WAITING + 1):
        queue.push(message(seq))
    assert [await queue.take(), await queue.take()] == [Resynchronise(), message(MAX_WAITING)]


# The handshake


@pytest.fixture
async def websocket() -> AsyncIterator[PeerServer]:
    async with PeerServer(("websocket", "json")) as running:
        yield running


async def test_a_handshake_that_is_refused_for_now(websocket: PeerServer) -> None:
    loop = asyncio.get_running_loop()
    async with websocket.connected() as (client, peer):
        websocket.refusals.append((503, {"Retry-After": "1"}))
        peer.abort()
        await until(client, Disconnected)
        since = loop.time()
        await resumed(websocket)
        assert loop.time() - since > 0.9


async def test_a_handshake_that_is_refused_for_good(websocket: PeerServer) -> None:
    websocket.refusals.append((404, {}))
    refusal = await ended(websocket.client().__aenter__())
    assert isinstance(refusal, RequestRefused)
    assert (refusal.code, refusal.temporary) == ("404", False)


async def test_a_server_that_does_not_speak_the_protocol() -> None:
    way: Way = ("websocket", "json")
    async with PeerServer(way) as server:
        client = Client(server.url, "token", codec="binary")
        assert await ended(client.__aenter__())
