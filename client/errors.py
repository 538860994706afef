"""What can go wrong for a client.

ClientError
├── RequestRefused      the server answered a request with an error
├── ConnectionEnded     the connection is gone; `is_final` says whether coming back is of use
└── NoAnswer            no reply in time
"""

FINAL_CODES = frozenset({1002, 1003, 1007, 1009, *range(4400, 4500)})
"""Close codes after which the same attempt would end the same way (PROTOCOL.md section 8)."""


class ClientError(Exception):
    """Base of the client's errors."""


class RequestRefused(ClientError):
    """`temporary`: the same request may succeed after `retry_after_ms`."""

    def __init__(self, code: str, text: str, temporary: bool = False, retry_after_ms: int = 0) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.temporary = temporary
        self.retry_after_ms = retry_after_ms


class ConnectionEnded(ClientError):
    """`code` is a WebSocket close code, 1006 without one."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason or 'the connection ended'} ({code})")
        self.code = code
        self.reason = reason

    @property
    def is_final(self) -> bool:
        return self.code in FINAL_CODES


class NoAnswer(ClientError):
    """The server did not reply in time."""
