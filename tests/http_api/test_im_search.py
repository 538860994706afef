"""im API 4.4."""

from typing import Any

import pytest

from tests.http_api.world import World
from tests.world import NOBODY


async def test_messages_are_found(world: World) -> None:
    alice, bob, carol = await world.person(), await world.person(), await world.person()
    group, single = await alice.group(bob, carol), await alice.single(bob)
    for where, content in ((group, "下午开会"), (group, "100% sure"), (single, "Hello, World!"), (single, "开会吗")):
        await alice.say(where, content)

    async def found(who: Any, **params: Any) -> list[str]:
        answer = await who.ask("GET", "/api/v1/messages/search", params=params)
        assert answer.keys() == {"messages", "total", "limit"}
        assert answer["limit"] == params.get("limit", 20)
        return [message["content"] for message in answer["messages"]]

    assert await found(bob, keyword="开会") == ["开会吗", "下午开会"]
    assert await found(bob, keyword="开会", limit=1) == ["开会吗"]
    assert await found(bob, keyword="开会", conversation_id=group) == ["下午开会"]
    assert await found(carol, keyword="开会") == ["下午开会"]
    assert await found(bob, keyword="WORLD") == ["Hello, World!"]
    assert await found(bob, keyword="%") == ["100% sure"]
    assert await found(bob, keyword="_") == []
    assert await found(bob, keyword="会", message_type="file") == []


async def test_a_found_message_looks_like_any_other(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    single = await alice.single(bob)
    message = await alice.say(single, "needle")
    answer = await bob.ask("GET", "/api/v1/messages/search?keyword=needle")
    assert answer["messages"] == [await bob.ask("GET", f"/api/v1/messages/single/{message}")]
    assert answer["total"] == 1


async def test_edited_and_recalled_messages(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    single = await alice.single(bob)
    edited, recalled = await alice.say(single, "needle one"), await alice.say(single, "needle two")
    await alice.ask("PUT", f"/api/v1/messages/{edited}", {"content": "thread"})
    await alice.ask("POST", f"/api/v1/messages/{recalled}/recall")
    assert (await bob.ask("GET", "/api/v1/messages/search?keyword=needle"))["total"] == 0
    assert (await bob.ask("GET", "/api/v1/messages/search?keyword=thread"))["total"] == 1


@pytest.mark.parametrize(
    "query", ["", "keyword=", "keyword=a&limit=0", "keyword=a&limit=201", "keyword=a&message_type=poem"]
)
async def test_refused_searches(world: World, query: str) -> None:
    alice = await world.person()
    assert await alice.status("GET", f"/api/v1/messages/search?{query}") == 422


async def test_others_conversations(world: World) -> None:
    alice, bob, carol = await world.person(), await world.person(), await world.person()
    single = await alice.single(bob)
    search = "/api/v1/messages/search?keyword=a&conversation_id="
    assert await carol.status("GET", f"{search}{single}") == 403
    assert await carol.status("GET", f"{search}{NOBODY}") == 404
