"""What a client has seen: the resume point of PROTOCOL.md section 7, and which messages are news."""

from protocol.commands import Sync


class _Seen:
    """One conversation: nothing is missing up to `upto`; `ahead` came early."""

    __slots__ = ("ahead", "upto")

    def __init__(self) -> None:
        self.upto: int | None = None
        self.ahead: set[int] = set()

    def add(self, seq: int) -> None:
        assert self.upto is not None
        self.ahead.add(seq)
        while self.upto + 1 in self.ahead:
            self.upto += 1
            self.ahead.discard(self.upto)


class Progress:
    """`epoch` is empty until the first welcome."""

    def __init__(self) -> None:
        self.epoch = ""
        self.position = ""
        self._seen: dict[int, _Seen] = {}
        self._since_position: set[int] = set()

    def start(self, epoch: str, position: str) -> None:
        """As if for the first time."""
        self.epoch = epoch
        self.position = position
        self._seen.clear()
        self._since_position.clear()

    def advance(self, position: str) -> None:
        """A pong or `synced` brought a later position: cursors of conversations without news since are of no use."""
        if position and position != self.position:
            self.position = position
            self._seen = {
                conversation_id: seen
                for conversation_id, seen in self._seen.items()
                if conversation_id in self._since_position or seen.ahead
            }
            self._since_position.clear()

    def acknowledged(self, conversation_id: int, seq: int) -> None:
        """One's own message is stored. Its ack may have overtaken somebody else's message with a smaller seq."""
        self._since_position.add(conversation_id)
        seen = self._seen.setdefault(conversation_id, _Seen())
        if seen.upto is None:
            seen.ahead.add(seq)
        else:
            seen.add(seq)

    def received(self, conversation_id: int, seq: int) -> bool:
        """A message came; False if it is no news."""
        self._since_position.add(conversation_id)
        seen = self._seen.setdefault(conversation_id, _Seen())
        if seen.upto is None:
            if seq in seen.ahead:
                return False
            seen.upto = min(seq, *seen.ahead) - 1 if seen.ahead else seq - 1
        elif seq <= seen.upto or seq in seen.ahead:
            return False
        seen.add(seq)
        return True

    def sync(self, request_id: int) -> Sync:
        cursors = [
            (conversation_id, seen.upto) for conversation_id, seen in self._seen.items() if seen.upto is not None
        ]
        return Sync(self.epoch, self.position, cursors, request_id)
