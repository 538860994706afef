"""What the bus counts. Plain numbers, read by whoever exports metrics."""

from collections.abc import Callable


class BusStats:
    """`observe(seconds)`, if set, is called for each entry that arrived, with its lag: from the publishing of its first
    event to the moment when it is handled here, by the clock of Redis."""

    __slots__ = (
        "batches_received",
        "batches_sent",
        "catch_ups",
        "dropped",
        "duplicates",
        "events_received",
        "events_sent",
        "gaps",
        "lag_s",
        "last_lag_s",
        "left_out",
        "observe",
        "peers",
        "reconnects",
    )

    def __init__(self) -> None:
        self.events_sent = 0
        """Once for each node that an event was sent to."""
        self.events_received = 0
        self.batches_sent = 0
        self.batches_received = 0
        self.dropped = 0
        """Events that waited for Redis too long; the nodes they were for catch up from the database."""
        self.duplicates = 0
        """Entries that came twice."""
        self.gaps = 0
        """Times that entries of another node were missing."""
        self.catch_ups = 0
        """Times that this node was told to look at the database."""
        self.left_out = 0
        """Events of nodes that did not know all users here; they are read from the database."""
        self.reconnects = 0
        self.peers = 0
        self.lag_s = 0.0
        """The sum over all entries."""
        self.last_lag_s = 0.0
        self.observe: Callable[[float], None] | None = None

    def arrived(self, lag_s: float, events: int) -> None:
        self.batches_received += 1
        self.events_received += events
        self.lag_s += lag_s
        self.last_lag_s = lag_s
        if self.observe is not None:
            self.observe(lag_s)
