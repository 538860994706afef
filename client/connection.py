"""One connection: a transport and a codec. Frames of commands go out, packets come in."""

from collections.abc import Sequence
from typing import Final, Literal

from client.errors import ABNORMAL, ConnectionClosed
from client.transports import Transport, open_transport
from protocol.close_codes import CloseCode
from protocol.commands import Command
from protocol.native.binary_codec import NativeBinary, batch
from protocol.native.json_codec import NativeJson
from protocol.native.packets import ErrorPacket, GoAwayPacket, ServerPacket
from protocol.native.refusals import PacketError

Codec = Literal["json", "binary"]

CODECS: Final[dict[Codec, NativeJson | NativeBinary]] = {"json": NativeJson(), "binary": NativeBinary()}
_SUBPROTOCOLS: Final[dict[Codec, str]] = {"json": "feige.json.v1", "binary": "feige.bin.v1"}
_CODES_BY_NAME: Final = {code.name.lower(): int(code) for code in CloseCode}


class Connection:
    """Opened by `open_connection`."""

    def __init__(self, transport: Transport, codec: Codec) -> None:
        self._transport = transport
        self._codec = CODECS[codec]
        self._is_binary = codec == "binary"
        self._last_words: ServerPacket | None = None

    async def send(self, *packets: bytes) -> None:
        """All of them, encoded, in one frame. ConnectionClosed."""
        await self._transport.send(packets[0] if len(packets) == 1 else self._join(packets))

    def _join(self, packets: Sequence[bytes]) -> bytes:
        return batch(packets) if self._is_binary else b"\n".join(packets)

    async def receive(self) -> list[ServerPacket]:
        """The packets of the next frame. ConnectionClosed."""
        try:
            packets = self._codec.decode_packets(await self._transport.receive())
        except PacketError as error:
            raise ConnectionClosed(CloseCode.PROTOCOL_ERROR, f"the server sent nonsense: {error}") from error
        except ConnectionClosed as closed:
            raise self._explained(closed) from closed
        if not self._transport.has_close_codes and packets:
            self._last_words = packets[-1]
            if _farewell_of(self._last_words) is not None:
                packets.pop()
        return packets

    def _explained(self, closed: ConnectionClosed) -> ConnectionClosed:
        """Over TCP the last packet says why (PROTOCOL.md section 8)."""
        words = self._last_words
        if closed.code == ABNORMAL and isinstance(words, GoAwayPacket):
            return ConnectionClosed(CloseCode.GOING_AWAY, words.reason)
        return (_farewell_of(words) or closed) if closed.code == ABNORMAL else closed

    async def close(self) -> None:
        """Says goodbye, in bounded time."""
        await self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        self._transport.abort()


def _farewell_of(packet: ServerPacket | None) -> ConnectionClosed | None:
    """The end that an error without a request announces, if it does."""
    if isinstance(packet, ErrorPacket) and packet.id is None and packet.code in _CODES_BY_NAME:
        return ConnectionClosed(_CODES_BY_NAME[packet.code], packet.text)
    return None


async def open_connection(url: str, codec: Codec) -> Connection:
    """See `open_transport`."""
    return Connection(await open_transport(url, _SUBPROTOCOLS[codec]), codec)


def encode(command: Command, codec: Codec) -> bytes:
    """ValueError for text that is not Unicode (lone surrogates)."""
    return CODECS[codec].encode_command(command)
