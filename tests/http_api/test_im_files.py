"""Files (im API 5) and messages that carry them (im API 4.2)."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import FormData
from yarl import URL

from domain.files import FileLimits
from tests.http_api.conftest import Serve
from tests.http_api.world import Person, World
from tests.images import png, png_that_claims

FILES = "/api/v1/files"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TEXT = b"0123456789abcdef"


@pytest.fixture
async def small(serve: Serve, database: Path) -> AsyncIterator[World]:
    """A server that accepts 1000 bytes a file and 2500 a user."""
    world = World(database, file_limits=FileLimits(max_file_bytes=1000, quota_bytes=2500, allowed_types=("text/*",)))
    await world.start()
    world.client = await serve(world.app())
    yield world
    await world.client.close()
    await world.close()


def kept(world: World) -> list[Path]:
    """All files below the blob store's folder, temporary ones too."""
    return [path for path in (Path(world.stores.path).parent / "blobs").rglob("*") if path.is_file()]


async def test_upload(world: World) -> None:
    alice = await world.person()
    file = await alice.upload(b"%PDF-1.7 ...", "document.pdf", description="说明", is_public="true")
    assert re.fullmatch(UUID, file["file_id"])
    assert file == {
        "id": file["id"],
        "file_id": file["file_id"],
        "file_name": "document.pdf",
        "file_path": f"/uploads/2025/01/08/user_{alice.id}/{file['file_id']}.pdf",
        "file_size": 12,
        "file_type": "application/pdf",
        "uploaded_at": "2025-01-08T12:00:00Z",
        "uploader_id": alice.id,
        "is_public": True,
        "description": "说明",
        "etag": hashlib.md5(b"%PDF-1.7 ...").hexdigest(),
        "thumbnail": "",
    }


async def test_info_list_and_download_info(world: World) -> None:
    alice = await world.person()
    first, second = await alice.upload(b"one", "1.txt"), await alice.upload(b"two!", "2.txt")
    info = await alice.ask("GET", f"{FILES}/info/{first['file_id']}")
    del first["id"]
    assert info == first | {"download_count": 0}
    listed = await alice.ask("GET", f"{FILES}/list")
    assert [file["file_id"] for file in listed["files"]] == [second["file_id"], first["file_id"]]
    assert listed["files"][1] == {
        name: first[name] for name in ("file_id", "file_name", "file_size", "file_type", "uploaded_at")
    }
    assert {name: listed[name] for name in ("total", "page", "page_size")} == {"total": 2, "page": 1, "page_size": 20}
    page = await alice.ask("GET", f"{FILES}/list?page=2&page_size=1")
    assert ([file["file_name"] for file in page["files"]], page["total"]) == (["1.txt"], 2)
    assert await alice.ask("GET", f"{FILES}/download-info/{first['file_id']}") == {
        "file_id": first["file_id"],
        "file_name": "1.txt",
        "file_size": 3,
        "file_type": "text/plain",
        "download_url": f"{FILES}/download/{first['file_id']}",
    }


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page_size=0", "page_size=201", "page=１", f"page={2**64}"])
async def test_pages_that_are_none(world: World, query: str) -> None:
    alice = await world.person()
    assert await alice.status("GET", f"{FILES}/list?{query}") == 422


async def test_download(world: World) -> None:
    alice = await world.person()
    file = await alice.upload(TEXT, '飞鸽 "传" 书.txt')
    url = f"{FILES}/download/{file['file_id']}"
    response = await alice.request("GET", url)
    assert await response.read() == TEXT
    headers = response.headers
    assert headers["Content-Type"] == "text/plain"
    assert headers["ETag"] == f'"{file["etag"]}"'
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "no-store" not in headers["Cache-Control"]
    kind, plain, encoded = headers["Content-Disposition"].split("; ")
    assert (kind, plain) == ("attachment", 'filename="__ ___ _.txt"')
    assert unquote(encoded.removeprefix("filename*=UTF-8''")) == file["file_name"] == "飞鸽 _传_ 书.txt"
    assert (await alice.ask("GET", f"{FILES}/info/{file['file_id']}"))["download_count"] == 1


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/16"),
        ("bytes=4-4", 206, b"4", "bytes 4-4/16"),
        ("bytes=14-", 206, b"ef", "bytes 14-15/16"),
        ("bytes=10-999999999999999999", 206, b"abcdef", "bytes 10-15/16"),
        ("bytes=-3", 206, b"def", "bytes 13-15/16"),
        ("bytes=-99", 206, TEXT, "bytes 0-15/16"),
        ("bytes=16-", 416, None, "bytes */16"),
        ("bytes=99-100", 416, None, "bytes */16"),
        ("bytes=-0", 416, None, "bytes */16"),
        ("bytes=5-2", 200, TEXT, None),
        ("bytes=-", 200, TEXT, None),
        ("bytes=0-1,4-5", 200, TEXT, None),
        ("bytes=１-2", 200, TEXT, None),
        ("lines=0-1", 200, TEXT, None),
        ("bytes=0-" + "9" * 5000, 200, TEXT, None),
    ],
)
async def test_ranges(world: World, asked: str, status: int, body: bytes | None, content_range: str | None) -> None:
    alice = await world.person()
    file = await alice.upload(TEXT)
    response = await alice.request("GET", f"{FILES}/download/{file['file_id']}", headers={"Range": asked})
    assert response.status == status
    assert response.headers.get("Content-Range") == content_range
    if body is not None:
        assert await response.read() == body
    else:
        assert "detail" in await response.json()


async def test_validators(world: World) -> None:
    alice = await world.person()
    file = await alice.upload(TEXT)
    url = f"{FILES}/download/{file['file_id']}"
    etag, modified = f'"{file["etag"]}"', "Wed, 08 Jan 2025 12:00:00 GMT"
    for headers, status in (
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f'"x", W/{etag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"', "If-Modified-Since": modified}, 200),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": "Wed, 08 Jan 2025 11:59:59 GMT"}, 200),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"Range": "bytes=0-1", "If-Range": etag}, 206),
        ({"Range": "bytes=0-1", "If-Range": modified}, 206),
        ({"Range": "bytes=0-1", "If-Range": '"other"'}, 200),
        ({"Range": "bytes=0-1", "If-Range": f"W/{etag}"}, 200),
    ):
        response = await alice.request("GET", url, headers=headers)
        assert response.status == status, headers
        assert response.headers["ETag"] == etag
        assert len(await response.read()) == {200: 16, 206: 2, 304: 0}[status]


async def test_what_counts_as_a_download(world: World) -> None:
    alice = await world.person()
    file = await alice.upload(TEXT)
    url = f"{FILES}/download/{file['file_id']}"
    head = await alice.request("HEAD", url)
    assert (head.status, head.headers["Content-Length"], await head.read()) == (200, "16", b"")
    await alice.request("GET", url, headers={"If-None-Match": head.headers["ETag"]})
    await alice.request("GET", url, headers={"Range": "bytes=8-"})
    assert (await alice.ask("GET", f"{FILES}/info/{file['file_id']}"))["download_count"] == 0
    await alice.request("GET", url, headers={"Range": "bytes=0-"})
    await alice.request("GET", url)
    assert (await alice.ask("GET", f"{FILES}/info/{file['file_id']}"))["download_count"] == 2


@pytest.mark.parametrize(
    ("data", "mime", "kind"),
    [
        (b"<!DOCTYPE html><script>alert(1)</script>", "text/html", "attachment"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml", "attachment"),
        (png(), "image/png", "inline"),
        (b"\0\1\2\3", "application/octet-stream", "attachment"),
    ],
)
async def test_the_bytes_decide_what_a_file_is(world: World, data: bytes, mime: str, kind: str) -> None:
    alice = await world.person()
    form = FormData()
    form.add_field("file", data, filename="picture.png", content_type="image/png")
    file = await alice.ask("POST", f"{FILES}/upload", data=form)
    assert (file["file_type"], file["file_name"]) == (mime, "picture.png")
    response = await alice.request("GET", f"{FILES}/download/{file['file_id']}")
    assert response.headers["Content-Type"] == mime
    assert response.headers["Content-Disposition"].startswith(kind)


async def test_thumbnails(world: World) -> None:
    alice, stranger = await world.person(), await world.person()
    file = await alice.upload(png(2000, 1000), "large.png")
    assert file["thumbnail"] == f"thumb_{file['file_id']}"
    response = await alice.request("GET", f"{FILES}/download/{file['thumbnail']}")
    data = await response.read()
    assert (response.status, response.headers["Content-Type"]) == (200, "image/webp")
    assert len(data) == int(response.headers["Content-Length"])
    assert data[8:12] == b"WEBP"
    assert 'filename="large.webp"' in response.headers["Content-Disposition"]
    assert await stranger.status("GET", f"{FILES}/download/{file['thumbnail']}") == 403
    assert (await alice.ask("GET", f"{FILES}/info/{file['file_id']}"))["download_count"] == 0
    text = await alice.upload()
    assert await alice.status("GET", f"{FILES}/download/thumb_{text['file_id']}") == 404


async def test_a_picture_that_is_none_has_no_thumbnail(world: World) -> None:
    alice = await world.person()
    file = await alice.upload(b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "broken.png")
    assert (file["file_type"], file["thumbnail"]) == ("image/png", "")


async def test_a_bomb_of_pixels_is_refused(world: World) -> None:
    alice = await world.person()
    bomb = png_that_claims(50_000, 50_000)
    assert len(bomb) < 500
    assert "pixels" in (await alice.upload(bomb, "bomb.png", expect=400))["detail"]
    assert kept(world) == []


@pytest.mark.parametrize(
    ("data", "text"), [(b"", "empty"), (b"\x7fELF" + b"\0" * 60, "x-elf"), (b"MZ\x90\0" * 20, "portable-executable")]
)
async def test_files_that_are_refused(world: World, data: bytes, text: str) -> None:
    alice = await world.person()
    assert text in (await alice.upload(data, "a.txt", expect=400))["detail"]
    assert kept(world) == []
    assert (await alice.ask("GET", f"{FILES}/list"))["total"] == 0


async def test_limits(small: World) -> None:
    alice, bob = await small.person(), await small.person()
    assert "1000 bytes" in (await alice.upload(b"x" * 1001, expect=400))["detail"]
    assert (await alice.upload(png(), expect=400))["detail"].startswith("files of type image/png")
    assert kept(small) == []
    for number in range(2):
        await alice.upload(bytes([65 + number]) * 1000)
    assert "quota" in (await alice.upload(b"y" * 501, expect=400))["detail"]
    await alice.upload(b"y" * 500)
    await bob.upload(b"y" * 501)
    assert len(kept(small)) == 4


async def test_a_quota_raced_in_parallel(small: World) -> None:
    alice = await small.person()

    async def upload(number: int) -> int:
        form = FormData()
        form.add_field("file", f"{number:900}".encode(), filename="a.txt")
        return (await alice.request("POST", f"{FILES}/upload", data=form)).status

    statuses = await asyncio.gather(*map(upload, range(12)))
    assert sorted(statuses) == [200] * 2 + [400] * 10
    listed = await alice.ask("GET", f"{FILES}/list")
    assert sum(file["file_size"] for file in listed["files"]) == 1800
    assert len(kept(small)) == 2


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("C:\\fakepath\\照片.jpg", "照片.jpg"),
        ("/", "file.txt"),
        ("..", "file.txt"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\u200b\ufeffb.txt", "ab.txt"),
        ("a%00%0D%0Ab.txt", "ab.txt"),
        ("飞" * 200 + ".txt", "飞" * 83 + ".txt"),
        ("x" * 300, "x" * 255),
        ("100%25.txt", "100%.txt"),
        ("50%.txt", "50%.txt"),
        ("%E9%A3%9E.txt", "飞.txt"),
        ("con: a|b?.txt", "con_ a_b_.txt"),
    ],
)
async def test_names(world: World, given: str, shown: str) -> None:
    alice = await world.person()
    file = await alice.upload(TEXT, given)
    assert file["file_name"] == shown
    assert len(shown.encode()) <= 255
    assert re.fullmatch(rf"/uploads/2025/01/08/user_{alice.id}/{UUID}\.txt", file["file_path"])
    response = await alice.request("GET", f"{FILES}/download/{file['file_id']}")
    assert unquote(response.headers["Content-Disposition"].partition("filename*=UTF-8''")[2]) == shown


def multipart(*parts: tuple[str, bytes]) -> bytes:
    body = b"".join(
        b"--cut\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    )
    return body + b"--cut--\r\n"


A_FILE = ('name="file"; filename="a.txt"', TEXT)


@pytest.mark.parametrize(
    ("content_type", "body", "loc"),
    [
        ("application/json", b"{}", ["body", "file"]),
        ("multipart/form-data", multipart(A_FILE), ["body", "file"]),
        ("multipart/form-data; boundary=", multipart(A_FILE), ["body", "file"]),
        ("multipart/mixed; boundary=cut", multipart(A_FILE), ["body", "file"]),
        ("multipart/form-data; boundary=cut", multipart(('name="other"; filename="a"', TEXT)), ["body", "file"]),
        ("multipart/form-data; boundary=cut", multipart(('name="file"', TEXT)), ["body", "file"]),
        ("multipart/form-data; boundary=cut", multipart(('name="file"; filename=""', b"")), ["body", "file"]),
        ("multipart/form-data; boundary=cut", multipart(A_FILE, A_FILE), ["body"]),
        ("multipart/form-data; boundary=cut", multipart(A_FILE)[:-4], ["body"]),
        ("multipart/form-data; boundary=cut", b"", ["body"]),
        ("multipart/form-data; boundary=cut", b"nothing", ["body"]),
        ("multipart/form-data; boundary=cut", b"--cut\r\n\r\nx\r\n--cut--", ["body"]),
        ("multipart/form-data; boundary=cut", multipart(A_FILE, ('name="is_public"', b"maybe")), ["body", "is_public"]),
        (
            "multipart/form-data; boundary=cut",
            multipart(A_FILE, ('name="description"', b"\xff")),
            ["body", "description"],
        ),
        (
            "multipart/form-data; boundary=cut",
            multipart(A_FILE, ('name="description"', b"x" * 2001)),
            ["body", "description"],
        ),
    ],
)
async def test_forms_that_are_none(world: World, content_type: str, body: bytes, loc: list[str]) -> None:
    alice = await world.person()
    headers = {"Content-Type": content_type}
    response = await alice.request("POST", f"{FILES}/upload", data=body, headers=headers)
    assert response.status == 422
    (fault,) = (await response.json())["detail"]
    assert fault["loc"] == loc
    assert fault.keys() == {"loc", "msg", "type"}
    assert kept(world) == []


async def test_fields_may_come_after_the_file(world: World) -> None:
    alice = await world.person()
    body = multipart(('name="id"', b"7"), A_FILE, ('name="is_public"', b"True"), ('name="uploader_id"', b"1"))
    headers = {"Content-Type": 'multipart/form-data; boundary="cut"'}
    response = await alice.request("POST", f"{FILES}/upload", data=body, headers=headers)
    file = await response.json()
    assert (file["is_public"], file["uploader_id"], file["file_name"]) == (True, alice.id, "a.txt")


async def test_large_fields_are_refused(world: World) -> None:
    alice = await world.person()
    form = FormData({"other": "x" * 70_000})
    form.add_field("file", TEXT, filename="a.txt")
    await alice.ask("POST", f"{FILES}/upload", data=form, expect=400)


async def test_public_files(world: World) -> None:
    alice, stranger = await world.person(), await world.person()
    file = await alice.upload(is_public="true")
    assert await stranger.status("GET", f"{FILES}/download/{file['file_id']}") == 200
    assert await stranger.status("GET", f"{FILES}/info/{file['file_id']}") == 200
    assert await stranger.status("DELETE", f"{FILES}/{file['file_id']}") == 403
    assert (await world.client.get(f"{FILES}/download/{file['file_id']}")).status == 401


async def test_administrators_read_no_private_files(world: World) -> None:
    alice, admin = await world.person(), await world.person(is_admin=True)
    file = await alice.upload()
    assert await admin.status("GET", f"{FILES}/download/{file['file_id']}") == 403
    assert await admin.status("DELETE", f"{FILES}/{file['file_id']}") == 403


async def test_delete(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    mine, theirs = await alice.upload(png(), "a.png"), await bob.upload(png(), "b.png")
    assert len(kept(world)) == 2, "equal files share their bytes and their thumbnail"
    await alice.ask("DELETE", f"{FILES}/{mine['file_id']}", expect=204)
    for method, path in (("DELETE", ""), ("GET", "/info"), ("GET", "/download"), ("GET", "/download-info")):
        assert await alice.status(method, f"{FILES}{path}/{mine['file_id']}") == 404
    assert await (await bob.request("GET", f"{FILES}/download/{theirs['file_id']}")).read() == png()
    await bob.ask("DELETE", f"{FILES}/{theirs['file_id']}", expect=204)
    assert kept(world) == []


async def test_of_many_who_delete_a_file_at_once_one_does(world: World) -> None:
    alice = await world.person()
    file = await alice.upload(png(), "a.png")
    deletions = (alice.status("DELETE", f"{FILES}/{file['file_id']}") for _ in range(5))
    assert sorted(await asyncio.gather(*deletions)) == [204, 404, 404, 404, 404]


@pytest.mark.parametrize(
    "file_id", ["../../lock", "%2e%2e%2flock", "thumb_", "thumb_thumb_x", "';--", "%00", "%ff", "x" * 500]
)
async def test_ids_of_no_file(world: World, file_id: str) -> None:
    alice = await world.person()
    assert await alice.status("GET", URL(f"{FILES}/download/{file_id}", encoded=True)) == 404


async def test_a_file_message(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    conversation = await alice.single(bob)
    file = await alice.upload(b"%PDF-1.7 ...", "document.pdf")
    sent = await alice.send_file(conversation, file, content="这是一个PDF文件")
    info = {
        "id": file["id"],
        "file_id": file["file_id"],
        "name": "document.pdf",
        "path": file["file_path"].removeprefix("/uploads/"),
        "size": 12,
        "type": "application/pdf",
    }
    assert {name: sent[name] for name in ("message_type", "content", "status", "reply_to_id", "file_info")} == {
        "message_type": "file",
        "content": "这是一个PDF文件",
        "status": "sent",
        "reply_to_id": None,
        "file_info": info,
    }
    history = await bob.ask("GET", f"/api/v1/messages/conversation/{conversation}")
    assert history["messages"][0]["file_info"] == info
    assert (await alice.send_file(conversation, file))["content"] == ""


async def test_what_cannot_be_sent(world: World) -> None:
    alice, bob, eve = await world.person(), await world.person(), await world.person()
    conversation = await alice.single(bob)
    theirs = await eve.upload(b"secret")
    assert "shared" in (await alice.send_file(conversation, theirs, expect=403))["detail"]
    await alice.send_file(conversation, {"file_id": "nothing"}, expect=404)
    mine = await alice.upload()
    await alice.send_file(conversation, mine, expect=400, message_type="image")
    await alice.send_file(conversation, mine, expect=422, message_type="system")
    await alice.send_file(10**9, mine, expect=404)
    await eve.send_file(conversation, theirs, expect=403)
    body = {"conversation_id": conversation, "file_id": mine["file_id"], "file_name": "x", "file_size": 1}
    for name in body:
        await alice.ask("POST", "/api/v1/messages/file", {n: v for n, v in body.items() if n != name}, expect=422)
    assert (await alice.ask("GET", f"/api/v1/messages/conversation/{conversation}"))["messages"] == []


async def test_a_file_that_was_received_may_be_passed_on(world: World) -> None:
    alice, bob, carol = await world.person(), await world.person(), await world.person()
    file = await alice.upload()
    await alice.send_file(await alice.single(bob), file)
    assert await carol.status("GET", f"{FILES}/info/{file['file_id']}") == 403
    await bob.send_file(await bob.single(carol), file)
    assert await carol.status("GET", f"{FILES}/info/{file['file_id']}") == 200


async def test_a_file_that_was_sent_in_social(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    file = await alice.upload(png(), "a.png")
    body = {"to_user_id": bob.id, "type": 1, "chat_type": 0, "content": "见图", "file_id": file["file_id"]}
    await alice.ask("POST", "/chat/send", body)
    assert await bob.status("GET", f"{FILES}/download/{file['thumbnail']}") == 200
    history = await bob.ask("GET", f"/api/v1/messages/conversation/{await bob.single(alice)}")
    assert history["messages"][0]["message_type"] == "image"
    assert history["messages"][0]["file_info"]["name"] == "a.png"


async def shared(world: World, *members: Person, **fields: Any) -> tuple[Person, int, str, int]:
    """Owner, group, file id and message id."""
    owner = await world.person()
    group = await owner.group(*members, **fields)
    file = await owner.upload()
    message = await owner.send_file(group, file)
    return owner, group, f"{FILES}/download/{file['file_id']}", message["id"]


async def test_a_recalled_message_shares_nothing(world: World) -> None:
    bob = await world.person()
    owner, _, url, message = await shared(world, bob)
    assert await bob.status("GET", url) == 200
    await owner.ask("POST", f"/api/v1/messages/{message}/recall")
    assert await bob.status("GET", url) == 403
    assert await owner.status("GET", url) == 200


async def test_who_deleted_a_message_for_themselves_reads_its_file_no_more(world: World) -> None:
    bob, carol = await world.person(), await world.person()
    _, _, url, message = await shared(world, bob, carol)
    profile = await world.profiles.get(bob.id)
    await world.messages.hide(profile, message)
    assert [await who.status("GET", url) for who in (bob, carol)] == [403, 200]


async def test_who_came_later_without_history_reads_no_older_files(world: World) -> None:
    bob, late = await world.person(), await world.person()
    owner, group, url, _ = await shared(world, bob, history_visible=False)
    await owner.ask("POST", f"/api/v1/conversations/{group}/members", {"user_ids": [late.id]})
    assert [await who.status("GET", url) for who in (bob, late)] == [200, 403]


async def test_a_dissolved_group_shares_nothing(world: World) -> None:
    bob = await world.person()
    owner, group, url, _ = await shared(world, bob)
    await owner.ask("DELETE", f"/api/v1/conversations/{group}", expect=204)
    assert [await who.status("GET", url) for who in (owner, bob)] == [200, 403]


async def test_downloads_have_the_headers_of_every_response(serve: Serve, database: Path) -> None:
    world = World(database)
    await world.start()
    world.client = await serve(world.app(cors_origins=("https://chat.example",)))
    alice = await world.person()
    file = await alice.upload(TEXT)
    headers = {"Origin": "https://chat.example", "X-Request-ID": "r-1"}
    response = await alice.request("GET", f"{FILES}/download/{file['file_id']}", headers=headers)
    assert response.headers["Access-Control-Allow-Origin"] == "https://chat.example"
    assert "Content-Disposition" in response.headers["Access-Control-Expose-Headers"]
    assert response.headers["X-Request-ID"] == "r-1"
    assert "Server" not in response.headers
    await world.client.close()
    await world.close()
