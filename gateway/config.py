"""What an operator may set of the gateway."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Sizes in bytes, times in seconds. 0 switches a limit off where that is said."""

    heartbeat_s: float = 30.0
    """How often sessions get a heartbeat (and a WebSocket ping); one that is silent for 2.5 times this is closed."""

    hello_timeout_s: float = 10.0
    """For the request head, and for the hello of a native session whose handshake carried no token."""

    close_timeout_s: float = 5.0
    """How long a peer may take to answer a close."""

    max_frame_bytes: int = 64 * 1024
    outbox_bytes: int = 1024 * 1024
    """What may wait for a session whose socket takes no more; beyond it the connection is closed as too slow."""

    append_queue_high: int = 5000
    """Messages waiting for their commit above which sessions that send are no longer read."""

    rate_per_s: float = 100.0
    """Commands a session may send on average; 0 is off."""

    rate_burst: int = 200
    max_refused: int = 1000
    """Commands refused by the rate limit in a row after which the session is closed."""

    max_pending: int = 32
    """Commands of a session that may wait for the database at once, sends and marks not counted."""

    max_sessions_per_user: int = 64
    max_connections: int = 0
    """Connections of this process, beyond which new ones are refused; 0 takes what the limit of open files allows."""

    one_session_per_device: bool = False
    """Whether a new session closes the user's older ones that named the same device class."""

    drain_s: float = 5.0
    """Over how long the clients are sent away when the server stops, so that they do not all come back at once."""
