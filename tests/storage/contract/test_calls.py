"""Contract of CallStore."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from domain.errors import InvalidValue
from domain.records import Call, CallEnd, CallType
from tests.storage.world import Clock, Stores, World

NEVER = 0
"""Since when a call must ring to count: all do."""


def call(call_id: str, caller_id: int, callee_id: int, started_at_ms: int = 1000) -> Call:
    return Call(
        id=call_id, caller_id=caller_id, callee_id=callee_id, call_type=CallType.VIDEO, started_at_ms=started_at_ms
    )


async def test_a_call_from_start_to_end(world: World) -> None:
    one, two = await world.users(2)
    store = world.stores.calls
    begun = call("a", one, two)
    assert await store.start(begun, NEVER)
    assert await store.get("a") == begun
    assert await store.under_way() == [begun]
    answered = msgspec.structs.replace(begun, answered_at_ms=2000)
    assert await store.answer("a", 2000) == answered
    assert await store.answer("a", 2001) is None
    assert await store.get("a") == answered
    ended = msgspec.structs.replace(answered, reason=CallEnd.USER_HANGUP, ended_at_ms=3000)
    assert await store.end("a", CallEnd.REJECTED, 3000, if_answered=CallEnd.USER_HANGUP) == ended
    assert await store.end("a", CallEnd.REJECTED, 3001, if_answered=CallEnd.USER_HANGUP) is None
    assert await store.answer("a", 3001) is None
    assert await store.get("a") == ended
    assert await store.under_way() == []


async def test_what_ends_a_call_that_rings_need_not_end_one_that_was_answered(world: World) -> None:
    one, two = await world.users(2)
    store = world.stores.calls
    await store.start(call("a", one, two), NEVER)
    await store.answer("a", 2000)
    assert await store.end("a", CallEnd.TIMEOUT, 3000, if_answered=None) is None
    assert [each.id for each in await store.under_way()] == ["a"]
    await store.end("a", CallEnd.USER_HANGUP, 3000, if_answered=CallEnd.USER_HANGUP)
    await store.start(call("b", one, two), NEVER)
    ended = await store.end("b", CallEnd.TIMEOUT, 4000, if_answered=None)
    assert ended is not None
    assert (ended.reason, ended.answered_at_ms, ended.ended_at_ms) == (CallEnd.TIMEOUT, None, 4000)


async def test_what_is_not_known_is_neither_answered_nor_ended(world: World) -> None:
    store = world.stores.calls
    assert await store.get("a") is None
    assert await store.answer("a", 1) is None
    assert await store.end("a", CallEnd.USER_HANGUP, 1, if_answered=CallEnd.USER_HANGUP) is None


async def test_a_party_of_another_call_is_busy_unless_that_has_rung_for_too_long(world: World) -> None:
    one, two, three = await world.users(3)
    store = world.stores.calls
    await store.start(call("a", one, two, 1000), NEVER)
    for number, parties in enumerate(((three, two), (three, one), (two, three), (one, three), (two, one))):
        assert not await store.start(call(f"busy{number}", *parties, 5000), 1000)
        assert await store.get(f"busy{number}") is None
    assert await store.start(call("b", three, two, 5000), 1001)
    await store.end("b", CallEnd.REJECTED, 5001, if_answered=None)
    await store.answer("a", 5002)
    assert not await store.start(call("c", three, two, 9000), 9000)
    await store.end("a", CallEnd.USER_HANGUP, 9001, if_answered=CallEnd.USER_HANGUP)
    assert await store.start(call("c", three, two, 9002), 9000)


async def test_an_id_is_used_once(world: World) -> None:
    one, two, three, four = await world.users(4)
    store = world.stores.calls
    await store.start(call("a", one, two), NEVER)
    for again in (call("a", one, two), call("a", three, four)):
        with pytest.raises(InvalidValue, match="used before"):
            await store.start(again, NEVER)
    await store.end("a", CallEnd.REJECTED, 2000, if_answered=None)
    with pytest.raises(InvalidValue, match="used before"):
        await store.start(call("a", three, four), NEVER)
    # As bytes: neither case nor spaces make two ids one.
    assert await store.start(call("A", three, four), NEVER)
    assert await store.start(call("a ", one, two), NEVER)


async def test_steps_of_one_batch_see_each_other(world: World) -> None:
    users = await world.users(40)
    store = world.stores.calls
    pairs = list(zip(users[::2], users[1::2], strict=True))
    started = await asyncio.gather(
        *(store.start(call(f"{number}", *pair), NEVER) for number, pair in enumerate(pairs)),
        *(store.start(call(f"late{number}", *reversed(pair)), NEVER) for number, pair in enumerate(pairs)),
    )
    assert started == [True] * 20 + [False] * 20
    answered = await asyncio.gather(*(store.answer(str(number), 2000) for number in (*range(10), *range(10))))
    assert [each is not None for each in answered] == [True] * 10 + [False] * 10
    hang_up = CallEnd.USER_HANGUP
    outcomes = await asyncio.gather(
        *(store.end(str(number), CallEnd.REJECTED, 3000, if_answered=hang_up) for number in range(20)),
        *(store.start(call(f"next{number}", *pair, 3000), NEVER) for number, pair in enumerate(pairs)),
        store.answer("next0", 3000),
        store.end("next0", hang_up, 3001, if_answered=hang_up),
        store.start(call("last", *pairs[0], 3001), NEVER),
    )
    reasons = [each.reason for each in outcomes[:20] if isinstance(each, Call)]
    assert reasons == [hang_up] * 10 + [CallEnd.REJECTED] * 10
    assert all(outcomes[20:])
    under_way = {each.id for each in await store.under_way()}
    assert under_way == {f"next{number}" for number in range(1, 20)} | {"last"}
    first = await store.get("next0")
    assert first is not None
    assert (first.answered_at_ms, first.ended_at_ms) == (3000, 3001)


async def test_of_two_processes_one_makes_a_change(open_any: Callable[[Clock], Stores]) -> None:
    """Both take the same steps at once, many of them in one batch."""
    here, there = open_any(Clock()), open_any(Clock())
    await here.start()
    await there.start()
    try:
        users = await World(here, Clock()).users(60)
        pairs = list(zip(users[::2], users[1::2], strict=True))
        shuffled = [(a, b) for (a, _), (_, b) in zip(pairs, pairs[1:] + pairs[:1], strict=True)]
        started = await asyncio.gather(
            *(here.calls.start(call(f"h{number}", *pair), NEVER) for number, pair in enumerate(pairs)),
            *(there.calls.start(call(f"t{number}", *pair), NEVER) for number, pair in enumerate(reversed(shuffled))),
        )
        under_way = await here.calls.under_way()
        parties = [user_id for each in under_way for user_id in each.parties]
        assert len(parties) == len(set(parties)), "somebody is in two calls"
        assert sum(started) == len(under_way) > 0
        ids = [each.id for each in under_way]
        answers = await asyncio.gather(
            *(stores.calls.answer(call_id, 2000) for stores in (here, there) for call_id in ids)
        )
        assert sum(each is not None for each in answers) == len(ids)
        outcomes = await asyncio.gather(
            *(here.calls.start(call(f"same{number}", *pair), 10**6) for number, pair in enumerate(pairs)),
            *(there.calls.start(call(f"same{number}", *pair), 10**6) for number, pair in enumerate(pairs)),
            return_exceptions=True,
        )
        assert not any(outcome is True for outcome in outcomes), "all of them are in a call"
    finally:
        await here.close()
        await there.close()


async def test_an_id_that_two_processes_use_at_once(open_any: Callable[[Clock], Stores]) -> None:
    here, there = open_any(Clock()), open_any(Clock())
    await here.start()
    await there.start()
    try:
        users = await World(here, Clock()).users(80)
        outcomes = await asyncio.gather(
            *(
                stores.calls.start(call(f"{number}", users[4 * number + place], users[4 * number + place + 1]), NEVER)
                for number in range(20)
                for place, stores in ((0, here), (2, there))
            ),
            return_exceptions=True,
        )
        assert sum(outcome is True for outcome in outcomes) == 20
        assert sum(isinstance(outcome, InvalidValue) for outcome in outcomes) == 20
    finally:
        await here.close()
        await there.close()
