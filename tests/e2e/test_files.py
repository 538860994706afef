"""Files on a real server: memory, uploads that break off, refusals before the body, and every socket's view."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from client import Client
from client.rest import Rest
from domain.model import MessageKind
from protocol.native.packets import FileAttachment, MessagePacket
from tests.e2e.server import Person, ServerProcess
from tests.storage.blobs.s3_server import S3Server

MIB = 1024 * 1024
UPLOAD = "/api/v1/files/upload"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path / "data") as server:
        yield server


def blobs(server: ServerProcess) -> list[Path]:
    return [path for path in (server.data_dir / "blobs").rglob("*") if path.is_file()]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def rss_bytes(server: ServerProcess, field: str) -> int:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


@pytest.mark.slow
async def test_fifty_mebibytes_in_constant_memory(server: ServerProcess) -> None:
    alice = await Person.register(server, "alice")
    block = hashlib.sha256(b"block").digest() * (MIB // 32)
    total = 50 * MIB
    boundary = "cut"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'.encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    async def body() -> AsyncIterator[bytes]:
        yield head
        # The first byte keeps it from being a text.
        yield b"\0" + block[1:]
        for _ in range(total // MIB - 1):
            yield block
        yield tail

    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + total + len(tail)),
    }
    await alice.request("GET", "/api/v1/files/list")
    assert server.process is not None
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # forgets the peak
    before = rss_bytes(server, "VmRSS")
    file = await alice.request("POST", UPLOAD, data=body(), headers=headers)
    assert file["file_size"] == total
    uploaded = rss_bytes(server, "VmHWM")
    digest = hashlib.md5()
    async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {alice.token}"}) as http:
        async with http.get(f"/api/v1/files/download/{file['file_id']}") as response:
            async for chunk in response.content.iter_any():
                digest.update(chunk)
    assert digest.hexdigest() == file["etag"]
    downloaded = rss_bytes(server, "VmHWM")
    assert uploaded - before <= 20 * MIB
    assert downloaded - before <= 20 * MIB


async def test_an_aborted_upload_leaves_nothing(server: ServerProcess) -> None:
    alice = await Person.register(server, "alice")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        "Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: 10000000\r\n\r\n"
        '--cut\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'.encode()
        + b"x" * MIB
    )
    await writer.drain()
    await until(lambda: [path for path in blobs(server) if path.stat().st_size > 500_000])
    writer.transport.abort()
    await until(lambda: not blobs(server))
    assert (await alice.request("GET", "/api/v1/files/list"))["total"] == 0
    assert "Traceback" not in server.errors
    assert reader is not None


async def answer_to_head(server: ServerProcess, token: str, length: int) -> bytes:
    """The first line that a client gets which waits for `100 Continue`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nExpect: 100-continue\r\n"
        f"Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: {length}\r\n\r\n".encode()
    )
    async with asyncio.timeout(5):
        line = await reader.readline()
        if b" 100 " in line:
            assert await reader.readline() == b"\r\n"
            body = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--cut--\r\n'
            writer.write(body.ljust(length))
            line += await reader.readline()
    writer.close()
    return line


async def answer_to_trickle(server: ServerProcess, token: str) -> bytes:
    """The first line for an upload that comes byte by byte."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: 9999\r\n\r\n--cut\r\n".encode()
    )
    line = asyncio.create_task(reader.readline())
    async with asyncio.timeout(10):
        while not line.done():
            writer.write(b"C")
            await asyncio.wait([line], timeout=0.05)
    writer.close()
    return line.result()


@pytest.mark.slow
async def test_a_stop_does_not_wait_for_an_upload_for_ever(server: ServerProcess) -> None:
    alice = await Person.register(server, "alice")
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        "Content-Type: multipart/form-data; boundary=cut\r\nContent-Length: 10000000\r\n\r\n"
        '--cut\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'.encode()
        + b"x" * MIB
    )
    await until(lambda: blobs(server))
    assert await server.stop() == 0
    assert not blobs(server)
    writer.close()
    await server.start()


@pytest.mark.slow
async def test_files_in_an_object_store(tmp_path: Path) -> None:
    with S3Server() as store:
        store.make_bucket("files")
        settings = {"store": "s3", "endpoint": store.url, "bucket": "files", "access_key": "k", "secret_key": "s"}
        async with ServerProcess(tmp_path / "data", **{f"blobs_{key}": value for key, value in settings.items()}) as s:
            alice = await Person.register(s, "alice")
            form = aiohttp.FormData()
            form.add_field("file", b"far away", filename="a.txt")
            file = await alice.request("POST", UPLOAD, data=form)
            async with aiohttp.ClientSession(s.url, headers={"Authorization": f"Bearer {alice.token}"}) as http:
                async with http.get(
                    f"/api/v1/files/download/{file['file_id']}", headers={"Range": "bytes=4-"}
                ) as response:
                    assert (response.status, await response.read()) == (206, b"away")
            assert list((tmp_path / "data" / "spool").iterdir()) == []
            await alice.request("DELETE", f"/api/v1/files/{file['file_id']}", status=204)


async def test_what_will_be_refused_is_not_even_sent(tmp_path: Path) -> None:
    settings = {"files_quota_bytes": 100_000, "http_body_timeout_s": 0.5}
    async with ServerProcess(tmp_path / "data", **settings) as server:
        alice = await Person.register(server, "alice")
        ok = b"HTTP/1.1 100 Continue\r\nHTTP/1.1 200 OK\r\n"
        assert await answer_to_head(server, alice.token, 200) == ok
        assert await answer_to_head(server, "forged", 200) == b"HTTP/1.1 401 Unauthorized\r\n"
        assert await answer_to_head(server, alice.token, 51 * MIB) == b"HTTP/1.1 400 Bad Request\r\n"
        assert await answer_to_head(server, alice.token, 200_000) == b"HTTP/1.1 400 Bad Request\r\n"
        assert await answer_to_trickle(server, alice.token) == b"HTTP/1.1 408 Request Timeout\r\n"
        assert not blobs(server)[1:], "nothing but the one file"


async def test_a_file_reaches_every_dialect(server: ServerProcess, tmp_path: Path) -> None:
    alice, bob = await Person.register(server, "alice"), await Person.register(server, "bob")
    conversation = await alice.single(bob)
    document = tmp_path / "报告.txt"
    document.write_text("hello")
    async with Rest(server.url, alice.token) as rest:
        file = await rest.upload(document)
    assert file["file_name"] == "报告.txt"
    async with (
        Client(f"{server.ws_url}/gateway", alice.token) as native,
        Client(f"{server.ws_url}/gateway", bob.token, codec="binary") as binary,
        aiohttp.ClientSession(server.url) as http,
        http.ws_connect(f"/ws/{bob.id}?token={bob.token}") as socket,
    ):
        await native.send(conversation, "见附件", kind=MessageKind.FILE, file_id=file["file_id"])
        event = await anext(packet async for packet in binary.events() if isinstance(packet, MessagePacket))
        assert isinstance(event.attachment, FileAttachment)
        assert (event.kind, event.attachment.file_id, event.attachment.name, event.attachment.mime) == (
            MessageKind.FILE,
            file["file_id"],
            "报告.txt",
            "text/plain",
        )
        shown = await anext(frame async for each in socket if (frame := each.json())["type"] == "new_message")
        assert shown["data"]["message_type"] == "file"
        assert shown["data"]["file_id"] == file["file_id"]
        assert shown["data"]["file_info"] == {
            "id": file["id"],
            "file_id": file["file_id"],
            "name": "报告.txt",
            "path": file["file_path"].removeprefix("/uploads/"),
            "size": 5,
            "type": "text/plain",
        }
        await socket.send_json({"type": "message", "conversation_id": conversation, "file_id": file["file_id"]})
        status = await anext(frame async for each in socket if (frame := each.json())["type"] == "message_status")
        assert status["data"]["status"] == "sent"
        await socket.send_json({"type": "message", "conversation_id": conversation, "file_id": "other"})
        refusal = await anext(frame async for each in socket if (frame := each.json())["type"] == "error")
        assert refusal["data"]["code"] == "file_not_found"


async def test_what_was_acknowledged_survives_a_kill(server: ServerProcess) -> None:
    alice = await Person.register(server, "alice")
    form = aiohttp.FormData()
    form.add_field("file", b"kept", filename="a.txt")
    file = await alice.request("POST", UPLOAD, data=form)
    await server.kill()
    await server.start()
    async with aiohttp.ClientSession(server.url, headers={"Authorization": f"Bearer {alice.token}"}) as http:
        async with http.get(f"/api/v1/files/download/{file['file_id']}") as response:
            assert await response.read() == b"kept"
