"""Forms with a file, read while they come in: constant memory, limits as early as they can be told."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestPayloadError
from pydantic import BaseModel

from domain.errors import TooLarge
from domain.files import FORM_ROOM_BYTES, Upload
from http_api.binding import Invalid, validated
from http_api.edge import Fault
from protocol.framing.multipart import FormError, FormReader, Part, boundary_of

FILE_FIELD: Final = "file"
"""What the file is called in the forms of every dialect."""

WRITE_BYTES: Final = 256 * 1024
"""Gathered before they are written: each write is a change of threads."""

PROGRESS_BYTES: Final = 64 * 1024
"""Must arrive within the body timeout, again and again: nobody holds an upload open by a trickle."""

Receive = Callable[[int, int | None], AbstractAsyncContextManager[Upload]]
"""Given the uploader's id and the length of the body, if it was announced. See `domain.files.Files.receive`."""


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A file of a form; `name` is what the client called it."""

    upload: Upload
    name: str


async def send_continue(request: web.Request) -> None:
    """Asks a client that waits for it (RFC 9110 section 10.1.1) to send the body, once it is known to be wanted."""
    expectation = request.headers.get(hdrs.EXPECT)
    if expectation is None or request.version < (1, 1):
        return
    if expectation.lower() != "100-continue":
        raise web.HTTPExpectationFailed
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The response proper has not begun.
    request.writer.output_size = 0


async def expect_later(request: web.Request) -> None:
    """Leaves the answer to an Expect header to `send_continue`."""


async def read_form(
    request: web.Request, model: type[BaseModel], upload: Upload, faults: list[Fault], timeout_s: float
) -> tuple[BaseModel | None, ReceivedFile | None]:
    """The fields, and the file as it was received. Invalid if the body is no form; TooLarge, QuotaExceeded."""
    boundary = boundary_of(request.headers.get(hdrs.CONTENT_TYPE, ""))
    if boundary is None:
        raise Invalid([Fault(("body", FILE_FIELD), "multipart/form-data is required", "missing")])
    await send_continue(request)
    form = _Form(upload)
    reader = FormReader(boundary)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s) as limit:
            progress = 0
            while not reader.is_complete and (data := await request.content.readany()):
                for item in reader.feed(data):
                    await form.take(item)
                progress += len(data)
                if progress >= PROGRESS_BYTES:
                    progress = 0
                    limit.reschedule(loop.time() + timeout_s)
            await form.flush()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    except FormError as error:
        raise Invalid([Fault(("body",), str(error), "form_invalid")]) from error
    except (RequestPayloadError, ConnectionError) as error:
        # It was cut off: nobody is there to read the answer.
        raise web.HTTPBadRequest from error
    if not reader.is_complete:
        raise Invalid([Fault(("body",), "the form ends too early", "form_invalid")])
    if form.file_name is None:
        faults.append(Fault(("body", FILE_FIELD), "Field required", "missing"))
    body = validated(model, form.texts(faults), "body", faults)
    return body, None if form.file_name is None else ReceivedFile(upload, form.file_name)


class _Form:
    """Sorts the parts of a form: the file to its upload, fields into memory, within bounds."""

    def __init__(self, upload: Upload) -> None:
        self.file_name: str | None = None
        self._upload = upload
        self._pending = bytearray()
        self._fields: dict[str, bytearray] = {}
        self._room = FORM_ROOM_BYTES
        self._current: bytearray | None = None

    async def take(self, item: Part | bytes) -> None:
        if isinstance(item, Part):
            if item.name == FILE_FIELD and item.filename:
                if self.file_name is not None:
                    raise FormError("there is more than one file")
                self.file_name = item.filename
                self._current = None
            else:
                self._current = self._fields[item.name] = bytearray()
        elif self._current is None:
            self._pending += item
            if len(self._pending) >= WRITE_BYTES:
                await self.flush()
        else:
            self._room -= len(item)
            if self._room < 0:
                raise TooLarge("the fields of the form are too large")
            self._current += item

    async def flush(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, bytearray()
            await self._upload.write(bytes(pending))

    def texts(self, faults: list[Fault]) -> dict[str, str]:
        texts: dict[str, str] = {}
        for name, value in self._fields.items():
            try:
                texts[name] = value.decode()
            except UnicodeDecodeError:
                faults.append(Fault(("body", name), "must be UTF-8", "string_unicode"))
        return texts
