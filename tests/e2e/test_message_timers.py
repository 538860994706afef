"""Scheduled and self-deleting messages across a power cut: what fell due is done, once, and the rest on time."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from protocol.times import iso_time
from tests.e2e import wire
from tests.e2e.conftest import NewServer
from tests.e2e.server import Person
from tests.images import png


async def _until(at_s: float) -> None:
    while time.time() < at_s:
        await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_a_power_cut_before_they_are_due(new_server: NewServer) -> None:
    async with new_server() as server:
        alice, bob = [await Person.register(server, name) for name in ("alice", "bob")]
        chat = await alice.single(bob)
        path = f"/api/chats/{chat}/messages"

        async def say(content: str, **fields: Any) -> dict[str, Any]:
            data: dict[str, Any] = (await alice.request("POST", path, json={"content": content} | fields))["data"]
            return data

        async def listed(reader: Person) -> list[tuple[str, bool]]:
            page = (await reader.request("GET", path))["data"]["messages"]
            return [(each["content"], each["is_deleted"]) for each in page]

        form = aiohttp.FormData()
        form.add_field("file", png(8, 8), filename="a.png")
        file = (await alice.request("POST", "/api/files/upload", data=form))["data"]
        overdue_s = int(time.time()) + 3
        later_s = overdue_s + 15
        await say("stays")
        brief = await say("forgotten", type="image", file_url=file["url"], ttl=2)
        overdue = await say("overdue", send_at=iso_time(overdue_s * 1000))
        later = await say("on time", send_at=iso_time(later_s * 1000), ttl=1)
        await server.kill()
        await _until(overdue_s)
        await server.start()
        async with asyncio.timeout(10):
            while await listed(bob) != [("stays", False), ("", True), ("overdue", False)]:
                await asyncio.sleep(0.05)
        assert time.time() < later_s, "the server took too long to start"
        assert await listed(alice) == [("stays", False), ("", True), ("overdue", False), ("on time", False)]
        await bob.request("GET", file["url"], status=403)
        found = await bob.request("GET", path, params={"search": "forgotten"})
        assert found["data"]["messages"] == []
        async with wire.messenger(server, bob) as his:
            new = (await his.wait("message.new", timeout_s=20))["data"]
            assert new["id"] == later["id"]
            assert 0 <= time.time() - later_s < 1.5
            gone = (await his.wait("message.delete", timeout_s=5))["data"]
            assert gone["id"] == later["id"]
            await his.nothing_but("presence")
        page = (await bob.request("GET", path))["data"]
        assert [each["id"] for each in page["messages"]][1:] == [brief["id"], overdue["id"], later["id"]]
