"""A WebSocket echo server over the framing classes alone, for the conformance suite."""

import asyncio

from protocol.framing.errors import RequestError
from protocol.framing.handshake import accept, refusal
from protocol.framing.http_head import RequestHeadReader
from protocol.framing.reader import BINARY, CLOSE, PING, TEXT
from protocol.framing.websocket import (
    WebSocketReader,
    encode_binary,
    encode_close,
    encode_pong,
    encode_text,
    parse_close,
)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The suite's largest message."""


class Echo(asyncio.Protocol):
    """One connection: a handshake, then every message back to where it came from."""

    def __init__(self) -> None:
        self._head: RequestHeadReader | None = RequestHeadReader()
        self._frames = WebSocketReader(MAX_MESSAGE_BYTES)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            self._echo(data)
            return
        try:
            head = self._head.feed(data)
            if head is None:
                return
            self._transport.write(accept(head).response)
        except RequestError as error:
            self._transport.write(refusal(error.code, error.reason, error.headers))
            self._transport.close()
            return
        rest = self._head.received[self._head.consumed :]
        self._head = None
        self._echo(rest)

    def _echo(self, data: bytes) -> None:
        replies = []
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT:
                replies.append(encode_text(payload))
            elif opcode == BINARY:
                replies.append(encode_binary(payload))
            elif opcode == PING:
                replies.append(encode_pong(payload))
            elif opcode == CLOSE:
                replies.append(encode_close(*parse_close(payload)))
                self._transport.writelines(replies)
                self._transport.close()
                return
        error = self._frames.error
        if error is not None:
            replies.append(encode_close(error.code, error.reason))
        if replies:
            self._transport.writelines(replies)
        if error is not None:
            self._transport.close()
