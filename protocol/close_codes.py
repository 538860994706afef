"""Why a connection ends, as WebSocket close codes (RFC 6455 section 7.4)."""

from enum import IntEnum, unique


@unique
class CloseCode(IntEnum):
    """Below 4000: the codes of the RFC; whether to come back is up to the client, which broke a rule (or said goodbye).
    4000–4399: come back, with a growing and jittered pause, and resume. 4400–4499: final; the same attempt would end
    the same way. A client treats codes it does not know by their range.
    """

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    """A text message on a binary session, or the other way round."""
    INVALID_DATA = 1007
    """Text that is not UTF-8."""
    TOO_LARGE = 1009

    GOING_AWAY = 4000
    """The server stops or restarts; a `go_away` packet came before."""
    SLOW_CONSUMER = 4001
    """The client did not read fast enough. Nothing is lost: it resumes."""
    HEARTBEAT_TIMEOUT = 4002
    OVERLOADED = 4003
    INTERNAL_ERROR = 4004

    UNAUTHENTICATED = 4401
    """The token is invalid or expired, or its login was revoked."""
    ACCOUNT_DISABLED = 4403
    HELLO_TIMEOUT = 4408
    REPLACED = 4409
    """Another session of the same device class took over, or the account has too many sessions."""
    RATE_LIMIT_ABUSED = 4429
