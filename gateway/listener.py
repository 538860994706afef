"""One port for everything: reads a request's head, then hands the transport to the gateway or to the HTTP server."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from domain.accounts import Accounts, Identity
from domain.errors import AccountDisabled, DomainError, Unauthenticated, Unavailable
from gateway.edge import Edge, Spawn
from gateway.wire import Wire
from protocol.framing.errors import HandshakeError, HeadError
from protocol.framing.handshake import Accepted, accept, bearer_token, refusal
from protocol.framing.http_head import RequestHead, RequestHeadReader

HttpFactory = Callable[[], asyncio.Protocol]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A WebSocket path and what is spoken there. A group `user_id` in the pattern must be the token's user."""

    pattern: re.Pattern[str]
    wires: Mapping[str, Wire]
    """By subprotocol, in the server's order of preference."""
    default: Wire
    """For clients that name no subprotocol of ours."""
    token_required: bool
    by_dialect: Mapping[str, Wire] = field(default_factory=dict)
    """What a path of several dialects speaks: by `?dialect=`, else by the dialect that gave the token out."""


class Reception(asyncio.Protocol):
    """A connection until its first request is read. HTTP gets all its bytes, with nothing proxied or copied
    afterwards."""

    __slots__ = ("_accounts", "_edge", "_endpoints", "_http", "_reader", "_spawn", "_transport")

    def __init__(
        self,
        edge: Edge,
        endpoints: Sequence[Endpoint],
        http: HttpFactory | None,
        accounts: Accounts,
        spawn: Spawn,
    ) -> None:
        self._edge = edge
        self._endpoints = endpoints
        self._http = http
        self._accounts = accounts
        self._spawn = spawn
        self._reader: RequestHeadReader | None = RequestHeadReader()
        self._transport = cast(asyncio.Transport, None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._edge.arriving.add(self)

    def on_deadline(self, now: int) -> int:
        """See `Expiring`: a head that does not come in time."""
        if not self._transport.is_closing():
            self._refuse(408, "the request took too long")
        return 0

    def connection_lost(self, exc: Exception | None) -> None:
        self._edge.arriving.discard(self)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            return
        try:
            head = reader.feed(data)
            if head is None:
                return
            for endpoint in self._endpoints:
                match = endpoint.pattern.fullmatch(head.path)
                if match is not None:
                    self._upgrade(head, endpoint, match.groupdict().get("user_id"))
                    return
        except (HeadError, HandshakeError) as error:
            self._refuse(error.code, error.reason, error.headers)
            return
        self._arrived()
        if self._http is None:
            self._refuse(404, "this process serves WebSockets only")
            return
        http = self._http()
        self._transport.set_protocol(http)
        http.connection_made(self._transport)
        http.data_received(reader.received)

    def _arrived(self) -> None:
        self._reader = None
        self._edge.arriving.discard(self)

    def _refuse(self, status: int, text: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._arrived()
        self._edge.stats.handshakes_refused[status] += 1
        if not self._transport.is_closing():
            self._transport.write(refusal(status, text, headers))
            self._transport.close()

    def _upgrade(self, head: RequestHead, endpoint: Endpoint, user_id: str | None) -> None:
        accepted = accept(head, subprotocols=tuple(endpoint.wires))
        reader = self._reader
        assert reader is not None
        self._arrived()
        rest = reader.received[reader.consumed :]
        wire = endpoint.wires.get(accepted.subprotocol or "", endpoint.default)
        query = head.query_parameters()
        token = query.get("token") or bearer_token(head)
        wanted = query.get("dialect") if endpoint.by_dialect else None
        if self._edge.is_draining or self._edge.is_full:
            self._refuse(503, "the server takes no more connections now", [("Retry-After", "5")])
        elif wanted is not None and wanted not in endpoint.by_dialect:
            self._refuse(400, f"dialect is one of {', '.join(endpoint.by_dialect)}")
        elif token:
            self._transport.pause_reading()
            choice = endpoint.by_dialect if wanted is None else {}
            wire = endpoint.by_dialect.get(wanted or "", wire)
            self._spawn(self._authenticate(token, user_id, accepted, wire, choice, rest))
        elif endpoint.token_required:
            self._refuse(401, "a token is required", [("WWW-Authenticate", "Bearer")])
        else:
            self._switch(accepted, wire, None, rest)

    async def _authenticate(
        self,
        token: str,
        user_id: str | None,
        accepted: Accepted,
        wire: Wire,
        by_dialect: Mapping[str, Wire],
        rest: bytes,
    ) -> None:
        try:
            identity = await self._accounts.authenticate(token)
            await self._edge.expect(identity)
        except Unauthenticated as error:
            self._refuse(401, str(error), [("WWW-Authenticate", 'Bearer error="invalid_token"')])
        except AccountDisabled as error:
            self._refuse(403, str(error))
        except Unavailable as error:
            self._refuse(503, str(error), [("Retry-After", "1")])
        except DomainError as error:
            self._refuse(400, str(error))
        except Exception:
            self._refuse(500, "the server failed")
            raise
        else:
            if user_id is not None and user_id != str(identity.profile.id):
                self._refuse(403, "the token is another user's")
            elif self._edge.is_draining:
                self._refuse(503, "the server takes no more connections now", [("Retry-After", "5")])
            elif not self._transport.is_closing():
                self._switch(accepted, by_dialect.get(identity.claims.dialect.value, wire), identity, rest)
                self._transport.resume_reading()

    def _switch(self, accepted: Accepted, wire: Wire, identity: Identity | None, rest: bytes) -> None:
        connection = self._edge.websocket(wire)
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        connection.push(accepted.response)
        if identity is not None:
            self._edge.admit(connection, identity)
        if rest:
            connection.data_received(rest)
