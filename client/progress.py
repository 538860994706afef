"""What a client has seen: the resume point of PROTOCOL.md section 7, and which messages are news."""

from typing import Final

from protocol.commands import Sync

KEPT_S: Final = 60.0
"""A position is up to 30 s old when it is handed out, so what was seen before it came may be later than it."""


class _Seen:
    """One conversation: nothing is missing up to `upto`; `ahead` came early."""

    __slots__ = ("ahead", "has_news", "marked_at", "marked_seq", "upto")

    def __init__(self) -> None:
        self.upto: int | None = None
        self.ahead: set[int] = set()
        self.has_news = True
        """Since `marked_at`."""
        self.marked_at = 0.0
        self.marked_seq = 0
        """The highest seq then."""

    def add(self, seq: int) -> None:
        self.ahead.add(seq)
        self._join()

    def settle(self, now: float) -> bool:
        """A position was taken; False if the conversation has long been quiet. What is still missing after so long will
        not come: it was not for this user (who had left, and joined again)."""
        if self.marked_at and now - self.marked_at < KEPT_S:
            return True
        if self.upto is not None and self.upto < self.marked_seq:
            self.upto = self.marked_seq
            self.ahead = {seq for seq in self.ahead if seq > self.upto}
            self._join()
        had_news, self.has_news = self.has_news, False
        self.marked_at, self.marked_seq = now, max(self.ahead, default=self.upto or 0)
        return had_news

    def _join(self) -> None:
        if self.upto is not None:
            while self.upto + 1 in self.ahead:
                self.upto += 1
                self.ahead.discard(self.upto)


class Progress:
    """`epoch` is empty until the first welcome."""

    def __init__(self) -> None:
        self.epoch = ""
        self.position = ""
        self._seen: dict[int, _Seen] = {}

    def start(self, epoch: str, position: str) -> None:
        """As if for the first time."""
        self.epoch = epoch
        self.position = position
        self._seen.clear()

    def advance(self, position: str, now: float) -> None:
        """A pong or `synced` brought a position, at a time in seconds: conversations that have long been quiet can be
        forgotten."""
        if position and position != self.position:
            self.position = position
            self._seen = {key: seen for key, seen in self._seen.items() if seen.settle(now)}

    def acknowledged(self, conversation_id: int, seq: int) -> None:
        """One's own message is stored. Its ack may have overtaken somebody else's message with a smaller seq."""
        seen = self._news_of(conversation_id)
        if seen.upto is None or seq > seen.upto:
            seen.add(seq)

    def received(self, conversation_id: int, seq: int) -> bool:
        """A message came; False if it is no news."""
        seen = self._news_of(conversation_id)
        if seq in seen.ahead:
            return False
        if seen.upto is None:
            # The first is the smallest, but for own ones whose ack was faster.
            seen.upto = min(seq, *seen.ahead) - 1 if seen.ahead else seq - 1
        if seq <= seen.upto:
            return False
        seen.add(seq)
        return True

    def _news_of(self, conversation_id: int) -> _Seen:
        """Moves the conversation to the end: the dictionary is in the order of the latest news."""
        seen = self._seen.pop(conversation_id, None) or _Seen()
        seen.has_news = True
        self._seen[conversation_id] = seen
        return seen

    def sync(self, request_id: int, max_cursors: int) -> Sync:
        """With the cursors of the latest conversations. One that is left out costs messages that come twice, and
        are dropped here."""
        cursors = [(key, seen.upto) for key, seen in self._seen.items() if seen.upto is not None]
        return Sync(self.epoch, self.position, cursors[-max_cursors:], request_id)
