"""Requests of the server to itself: real bytes through the parser, the middleware and the handlers, but no port."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import parse_headers
from io import BytesIO
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

ANSWER_S: Final = 30.0
"""A login that is refused takes as long as bcrypt wants."""

MAX_HEAD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes


class Loopback:
    """`attach` the server before the first request."""

    def attach(self, server: web.Server) -> None:
        self._server = server

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """`target` goes out as it is, so it may hold what no client library would send. TimeoutError; ConnectionError
        and EOFError if the server hangs up without an answer."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        async with asyncio.timeout(ANSWER_S):
            await loop.create_connection(self._server, sock=theirs)
            reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_HEAD_BYTES)
            try:
                lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
                lines += [f"{name}: {value}" for name, value in headers.items()]
                if body:
                    lines.append(f"Content-Length: {len(body)}")
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                head = await reader.readuntil(b"\r\n\r\n")
                status_line, _, fields = head.partition(b"\r\n")
                parsed = parse_headers(BytesIO(fields))
                length = int(parsed.get("Content-Length", "0")) if method != "HEAD" else 0
                return Answer(
                    int(status_line.split()[1]), CIMultiDict(parsed.items()), await reader.readexactly(length)
                )
            finally:
                writer.close()
