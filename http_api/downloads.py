"""Files as responses: ranges, validators and the headers that keep a browser from running them (RFC 9110, 6266)."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import hdrs, web

from domain.errors import DomainError

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII | re.IGNORECASE)
_ETAG = re.compile(r'(?:W/)?("[^"]*")')
_NOT_PLAIN = re.compile(r"[^ !#$&\'()+,\-.0-9;=@A-Z\[\]^_`a-z{}~]")

SANDBOX: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"

log = structlog.get_logger("feige.http")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAnswer:
    """What a handler answers to send a file. `chunks(start, stop)` reads it; `begun` is called once when its beginning
    is about to be sent."""

    name: str
    mime: str
    size: int
    etag: str
    modified_ms: int
    is_inline: bool
    chunks: Callable[[int, int], AsyncGenerator[bytes, None]]
    begun: Callable[[], Awaitable[None]]


class RangeNotSatisfiable(Exception):
    """Of a file of `size` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__("no byte of the range is there")
        self.size = size


async def send_file(request: web.Request, answer: FileAnswer) -> web.StreamResponse:
    """RangeNotSatisfiable, and what reading raises before its first byte."""
    modified = datetime.fromtimestamp(answer.modified_ms // 1000, UTC)
    validators: dict[str, str] = {
        hdrs.ETAG: f'"{answer.etag}"',
        hdrs.LAST_MODIFIED: format_datetime(modified, usegmt=True),
        # Kept by the browser, and asked for again: permissions change.
        hdrs.CACHE_CONTROL: "private, no-cache",
    }
    if _is_unchanged(request, validators[hdrs.ETAG], modified):
        return web.Response(status=304, headers=validators)
    span = _range(request, validators, answer.size)
    start, stop = span or (0, answer.size)
    headers = validators | {
        hdrs.CONTENT_TYPE: answer.mime,
        hdrs.CONTENT_LENGTH: str(stop - start),
        hdrs.CONTENT_DISPOSITION: content_disposition(answer.name, answer.is_inline),
        hdrs.ACCEPT_RANGES: "bytes",
        "Content-Security-Policy": SANDBOX,
    }
    if span is not None:
        headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{answer.size}"
    response = web.StreamResponse(status=200 if span is None else 206, headers=headers)
    if request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    async with aclosing(answer.chunks(start, stop)) as chunks:
        # Read before the head is sent, so that a file that cannot be read is an error like any other.
        first = await anext(chunks, b"")
        if not start:
            await answer.begun()
        await response.prepare(request)
        try:
            await response.write(first)
            async for chunk in chunks:
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            pass  # the client has gone
        except DomainError as error:
            log.error("download broken off", path=request.rel_url.raw_path, reason=str(error))
            if request.transport is not None:
                request.transport.abort()
    return response


def _is_unchanged(request: web.Request, etag: str, modified: datetime) -> bool:
    wanted = request.headers.get(hdrs.IF_NONE_MATCH)
    if wanted is not None:
        return wanted.strip() == "*" or etag in _ETAG.findall(wanted)
    since = _date(request.headers.get(hdrs.IF_MODIFIED_SINCE))
    return since is not None and modified <= since


def _range(request: web.Request, validators: dict[str, str], size: int) -> tuple[int, int] | None:
    """Where the asked-for part starts and stops; None for all of it: no range, one of another unit, several, or of
    another version of the file."""
    found = _RANGE.fullmatch(request.headers.get(hdrs.RANGE, ""))
    if found is None or found[1] == found[2] == "" or request.method != hdrs.METH_GET:
        return None
    condition = request.headers.get(hdrs.IF_RANGE)
    if condition is not None and condition.strip() not in (validators[hdrs.ETAG], validators[hdrs.LAST_MODIFIED]):
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), min(int(found[2] or size) + 1, size)
        if found[2] and int(found[2]) < start:
            return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return start, stop


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date if date.tzinfo is not None else None


def content_disposition(name: str, is_inline: bool) -> str:
    """RFC 6266: a plain name for old clients, and the name itself in UTF-8."""
    plain = _NOT_PLAIN.sub("_", name)
    encoded = quote(name, safe="!#$&+^`|~")
    kind = "inline" if is_inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
