"""WebSocket handshakes on connections that have carried other requests, where clients with a pool of connections send
them."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

IsSocketPath = Callable[[str], bool]
"""Of a path as it was sent, without its query."""


class Handover:
    """Takes such a connection away from aiohttp and gives it, as if it were new, to a protocol that reads first
    requests. `attach` before the first request."""

    def attach(self, factory: Callable[[], asyncio.Protocol], is_socket_path: IsSocketPath) -> None:
        self._factory = factory
        self._is_socket_path = is_socket_path

    @web.middleware
    async def middleware(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if hdrs.UPGRADE not in request.headers or not self._is_socket_path(request.raw_path.partition("?")[0]):
            return await handler(request)
        transport, former = request.transport, request.protocol
        # Who has not taken the answer to the request before did not wait for it: what follows might overtake it.
        if transport is None or transport.get_write_buffer_size():
            return await handler(request)
        # Told that the connection was lost, aiohttp would close it, if it still had it.
        former.transport = None
        former.connection_lost(None)
        receiver = self._factory()
        transport.set_protocol(receiver)
        receiver.connection_made(transport)
        receiver.data_received(_head(request))
        return web.Response()  # which goes nowhere


def _head(request: web.Request) -> bytes:
    version = request.version
    line = f"{request.method} {request.raw_path} HTTP/{version.major}.{version.minor}"
    fields = (b"%b: %b" % field for field in request.raw_headers)
    return b"\r\n".join([line.encode(errors="surrogateescape"), *fields, b"", b""])
