"""What the gateway counts. Plain integers, read by whoever exports metrics."""

from collections import Counter


class GatewayStats:
    __slots__ = (
        "connections",
        "deliveries",
        "disconnects",
        "drops",
        "frames_in",
        "handshakes_refused",
        "resumes",
        "sessions",
    )

    def __init__(self) -> None:
        self.connections = 0
        self.sessions: Counter[str] = Counter()
        """Authenticated sessions by dialect."""
        self.frames_in = 0
        self.deliveries = 0
        self.drops: Counter[str] = Counter()
        """Packets not delivered to a slow session, by kind."""
        self.disconnects: Counter[int] = Counter()
        """Connections that ended, by close code; 1006 without one."""
        self.handshakes_refused: Counter[int] = Counter()
        self.resumes: Counter[str] = Counter()
        """`recovered` and `lost`."""
