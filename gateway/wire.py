"""A dialect in the framing of a transport: the key by which the hub encodes once for all sessions alike."""

from collections.abc import Callable

from domain.events import Event
from protocol.dialect import Dialect
from protocol.framing import tcp, websocket
from protocol.replies import Reply

Frame = Callable[[bytes], bytes]


class Wire:
    """Turns events and replies into bytes for one kind of session. One instance per kind, shared by its sessions."""

    __slots__ = ("_frame", "dialect", "presence_on_request")

    def __init__(self, dialect: Dialect, frame: Frame, *, presence_on_request: bool = False) -> None:
        self.dialect = dialect
        self._frame = frame
        self.presence_on_request = presence_on_request
        """Whether sessions hear of presence only of those they subscribed to."""

    def encode(self, item: Event | Reply) -> bytes | None:
        """The framed packet; None if the dialect does not show such an item."""
        payload = self.dialect.encode(item)
        return None if payload is None else self._frame(payload)


def over_websocket(dialect: Dialect, *, presence_on_request: bool = False) -> Wire:
    frame = websocket.encode_binary if dialect.is_binary else websocket.encode_text
    return Wire(dialect, frame, presence_on_request=presence_on_request)


def over_tcp(dialect: Dialect, *, presence_on_request: bool = False) -> Wire:
    return Wire(dialect, tcp.encode, presence_on_request=presence_on_request)
