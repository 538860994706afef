"""What can go wrong for a client.

ClientError
├── RequestRefused      the server answered a request, a hello, a handshake or a REST call with an error
├── ConnectionClosed    the connection is gone; `is_final` says whether coming back is of use
└── NoAnswer            no reply in time
"""

from typing import Final

from protocol.close_codes import CloseCode

ABNORMAL: Final = 1006
"""RFC 6455 section 7.1.5: the connection ended without a close code."""

_FINAL_BELOW_4000: Final = frozenset(
    {CloseCode.PROTOCOL_ERROR, CloseCode.UNSUPPORTED_DATA, CloseCode.INVALID_DATA, CloseCode.TOO_LARGE}
)


class ClientError(Exception):
    """Base of the client's errors."""


class RequestRefused(ClientError):
    """`code` is one of PROTOCOL.md section 8, or an HTTP status as text. `temporary`: the same request may succeed
    after `retry_after_ms`."""

    def __init__(self, code: str, text: str, temporary: bool = False, retry_after_ms: int = 0) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.temporary = temporary
        self.retry_after_ms = retry_after_ms


class ConnectionClosed(ClientError):
    """`code` is a WebSocket close code, over TCP too; 1006 without one."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason or 'the connection was closed'} ({code})")
        self.code = code
        self.reason = reason

    @property
    def is_final(self) -> bool:
        """The same attempt would end the same way (PROTOCOL.md section 8)."""
        return 4400 <= self.code < 4500 or self.code in _FINAL_BELOW_4000


class NoAnswer(ClientError):
    """The server did not reply in time. The request may have been carried out."""
