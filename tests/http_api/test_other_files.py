"""Files of social (social API 7) and messenger (messenger API, files), over the same use cases as im's."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from domain.files import FileLimits
from protocol.times import iso_time
from tests.http_api import messenger_people as messenger
from tests.http_api import social_people as social
from tests.http_api.conftest import Serve
from tests.http_api.world import Person, World
from tests.images import png


@pytest.fixture
async def small(serve: Serve, database: Path) -> AsyncIterator[World]:
    """A server that accepts 1000 bytes a file."""
    world = World(database, file_limits=FileLimits(max_file_bytes=1000, allowed_types=("text/*",)))
    await world.start()
    world.client = await serve(world.app())
    yield world
    await world.client.close()
    await world.close()


def form(data: bytes, name: str = "1111.png", **fields: str) -> FormData:
    body = FormData(fields, quote_fields=False)
    body.add_field("file", data, filename=name, content_type="application/octet-stream")
    return body


async def upload_social(person: Person, data: bytes, name: str = "1111.png") -> Any:
    body = await person.ask("POST", "/file/upload", data=form(data, name))
    return body["data"]


async def upload_messenger(person: Person, data: bytes, name: str = "1111.png", **fields: str) -> Any:
    return messenger.opened(await person.ask("POST", "/api/files/upload", data=form(data, name, **fields)))


async def test_social_from_upload_to_deletion(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    data, now = png(8, 8), world.clock.at_ms // 1000
    file = await upload_social(alice, data)
    assert file == {
        "file_id": file["file_id"],
        "file_name": "1111.png",
        "file_size": len(data),
        "content_type": "image/png",
        "user_id": alice.id,
        "created_at": now,
        "expire_at": now + 7 * 86_400,
        "etag": hashlib.md5(data).hexdigest(),
        "file_type": "image",
    }
    query = f"?file_id={file['file_id']}"
    assert await social.ok(alice, "GET", f"/file/info{query}") == file
    assert await social.ok(alice, "GET", "/file/record") == {"file_records": [file]}
    response = await alice.request("GET", f"/file/download{query}")
    assert (response.status, await response.read()) == (200, data)
    for path in ("/file/info", "/file/download"):
        await social.refused(bob, 403, "GET", path + query)
        await social.refused(alice, 404, "GET", f"{path}?file_id=none")
        await social.refused(alice, 400, "GET", path)
    await social.refused(bob, 403, "DELETE", f"/file/delete{query}")
    assert await social.ok(alice, "DELETE", f"/file/delete{query}") == {}
    await social.refused(alice, 404, "GET", f"/file/info{query}")


async def test_social_files_expire_unless_a_message_holds_them(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    lost, held = await upload_social(alice, b"lost", "a.txt"), await upload_social(alice, b"held", "b.txt")
    body = {"to_user_id": bob.id, "type": 2, "chat_type": 0, "content": "", "file_id": held["file_id"]}
    await social.ok(alice, "POST", "/chat/send", body)
    world.clock.at_ms += 8 * 86_400_000
    fresh = Person(world.client, bob.id, "", bob.name, (await world.person_token(bob.name)), "")
    response = await fresh.request("GET", f"/file/download?file_id={held['file_id']}")
    assert await response.read() == b"held"
    await social.refused(fresh, 404, "GET", f"/file/info?file_id={lost['file_id']}")


async def test_social_uploads_that_are_refused(small: World) -> None:
    alice = await small.person()
    for data, status in ((b"", 400), (b"x" * 1001, 413), (png(8, 8), 400)):
        body = await alice.ask("POST", "/file/upload", data=form(data), expect=status)
        assert body["code"] == 40000


async def test_messenger_from_upload_to_deletion(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    data = png(300, 200)
    file = await upload_messenger(alice, data, type="image")
    url = f"/api/files/{file['id']}"
    assert file == {
        "id": file["id"],
        "name": "1111.png",
        "size": len(data),
        "type": "image",
        "url": url,
        "thumbnail": f"/api/files/thumb_{file['id']}",
        "created_at": iso_time(world.clock.at_ms),
    }
    response = await alice.request("GET", url)
    assert (response.status, response.content_type, await response.read()) == (200, "image/png", data)
    response = await alice.request("GET", file["thumbnail"])
    assert (response.status, response.content_type) == (200, "image/webp")
    await messenger.refused(bob, 403, 403, "GET", url)
    await messenger.refused(alice, 404, 30001, "GET", "/api/files/none")
    await messenger.refused(bob, 403, 403, "DELETE", url)
    assert await messenger.ok(alice, "DELETE", url, said="文件删除成功") == {}
    await messenger.refused(alice, 404, 30001, "GET", url)


async def test_messenger_messages_carry_and_forward_files(world: World) -> None:
    alice, bob, carol = [await world.person() for _ in range(3)]
    file = await upload_messenger(alice, png(8, 8))
    ours, theirs = await alice.single(bob), await bob.single(carol)
    body = {"type": "image", "content": "", "file_url": file["url"]}
    sent = await messenger.ok(alice, "POST", f"/api/chats/{ours}/messages", body)
    assert (sent["file_name"], sent["file_size"], sent["file_url"], sent["thumbnail"]) == (
        "1111.png",
        file["size"],
        file["url"],
        file["thumbnail"],
    )
    video = body | {"type": "video"}
    await messenger.refused(alice, 400, 30002, "POST", f"/api/chats/{ours}/messages", video)
    assert (await bob.request("GET", file["url"])).status == 200
    await messenger.refused(carol, 403, 403, "GET", file["url"])
    await messenger.refused(carol, 403, 403, "POST", f"/api/chats/{theirs}/messages", body)
    forwarded = await messenger.ok(bob, "POST", f"/api/chats/{theirs}/messages", {"forward_from": sent["id"]})
    assert (forwarded["type"], forwarded["file_url"], forwarded["forward_from"]) == ("image", file["url"], sent["id"])
    assert (await carol.request("GET", file["url"])).status == 200


async def test_messenger_uploads_that_are_refused(small: World) -> None:
    alice, bob = await small.person(), await small.person()
    for data, kind, code, status in ((b"text", "image", 30002, 400), (b"text", "movie", 422, 422), (b"", "", 422, 422)):
        fields = {"type": kind} if kind else {}
        messenger.reason(await alice.ask("POST", "/api/files/upload", data=form(data, **fields), expect=status), code)
    messenger.reason(await bob.ask("POST", "/api/files/upload", data=form(b"x" * 1001), expect=400), 30003)
    messenger.reason(await bob.ask("POST", "/api/files/upload", data=form(png(8, 8)), expect=400), 30002)
