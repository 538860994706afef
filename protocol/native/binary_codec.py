"""`feige.bin.v1`: a packet is a byte for its type and two flags, a request id, and its fields (PROTOCOL.md 3)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from domain.events import Event
from domain.model import DialectName
from protocol.commands import Command
from protocol.native import refusals
from protocol.native.layout import UNREADABLE, Fields, fields_of, read_varint, write_varint
from protocol.native.outbound import to_packet
from protocol.native.packets import ServerPacket
from protocol.native.refusals import PacketError
from protocol.native.schema import COMMANDS, SERVER_PACKETS
from protocol.replies import Failure, Reply

TYPE_MASK: Final = 0x3F
HAS_ID: Final = 0x40
HAS_OPTIONAL: Final = 0x80
BATCH: Final = 0x00
"""In the place of the first byte: packets with their lengths follow."""

Packet = TypeVar("Packet", bound=msgspec.Struct)
Table = Mapping[int, tuple[type[Packet], Fields]]
Refuse = Callable[[int, int | None, str], Packet | Failure]

_COMMANDS: Final = {number: (cls, fields_of(cls)) for number, cls in COMMANDS.items()}
_SERVER_PACKETS: Final = {number: (cls, fields_of(cls)) for number, cls in SERVER_PACKETS.items()}
_NUMBERS: Final[dict[type[msgspec.Struct], tuple[int, Fields]]] = {
    cls: (number, fields) for table in (_COMMANDS, _SERVER_PACKETS) for number, (cls, fields) in table.items()
}

_astuple: Final = msgspec.structs.astuple
_convert: Final = msgspec.convert


class NativeBinary:
    """The server's side is `Dialect`; `encode_command` and `decode_packets` are the client's."""

    name = DialectName.NATIVE
    is_binary = True

    def decode(self, payload: bytes) -> Sequence[Command | Failure]:
        """See `Dialect.decode`. Never raises. A batch whose lengths are wrong is refused whole."""
        if payload[:1] != b"\x00":
            return (_decode(payload, _COMMANDS),) if payload else ()
        try:
            parts = _split(payload, refusals.MAX_PACKETS_PER_FRAME + 1)
        except UNREADABLE as error:
            return (refusals.malformed(_why(error)),)
        if len(parts) > refusals.MAX_PACKETS_PER_FRAME:
            return (refusals.too_many_packets(),)
        return [_decode(part, _COMMANDS) for part in parts]

    def encode(self, item: Event | Reply) -> bytes | None:
        """See `Dialect.encode`."""
        packet = to_packet(item)
        return None if packet is None else _encode(packet)

    def encode_packet(self, packet: ServerPacket) -> bytes:
        return _encode(packet)

    def encode_command(self, command: Command) -> bytes:
        return _encode(command)

    def decode_packets(self, payload: bytes) -> list[ServerPacket]:
        """The packets of a frame, without those of types that are not known here. Raises PacketError."""
        try:
            parts = _split(payload, len(payload)) if payload[:1] == b"\x00" else [payload] if payload else []
        except UNREADABLE as error:
            raise PacketError(_why(error)) from error
        packets = []
        for part in parts:
            packet = _decode(part, _SERVER_PACKETS)
            if not isinstance(packet, Failure):
                packets.append(packet)
            elif packet.code != "unknown_type":
                raise PacketError(packet.text)
        return packets


def batch(packets: Sequence[bytes]) -> bytes:
    """One frame of several encoded packets."""
    out = bytearray((BATCH,))
    for packet in packets:
        write_varint(out, len(packet))
        out += packet
    return bytes(out)


def _encode(packet: msgspec.Struct) -> bytes:
    number, fields = _NUMBERS[type(packet)]
    values = _astuple(packet)
    out = bytearray((number,))
    if fields.has_id and values[-1] is not None:
        out[0] |= HAS_ID
        write_varint(out, values[-1])
    if fields.write(out, values):
        out[0] |= HAS_OPTIONAL
    return bytes(out)


def _decode(data: bytes, table: Table[Packet]) -> Packet | Failure:
    request_id = None
    try:
        head = data[0]
        position = 1
        if head & HAS_ID:
            request_id, position = read_varint(data, 1)
        entry = table.get(head & TYPE_MASK)
        if entry is None:
            return refusals.unknown_type(head & TYPE_MASK, request_id)
        cls, fields = entry
        values: dict[str, Any] = fields.read(data, position, head & HAS_OPTIONAL != 0)
    except UNREADABLE as error:
        return refusals.malformed(_why(error), request_id)
    if request_id is not None:
        values["id"] = request_id
    try:
        return _convert(values, cls)
    except msgspec.ValidationError as error:
        return refusals.invalid_value(str(error), request_id)


def _split(payload: bytes, at_most: int) -> list[bytes]:
    """The first packets of a batch. Raises what `UNREADABLE` names."""
    parts: list[bytes] = []
    position = 1
    while position < len(payload) and len(parts) < at_most:
        length, position = read_varint(payload, position)
        end = position + length
        if end > len(payload):
            raise IndexError
        parts.append(payload[position:end])
        position = end
    return parts


def _why(error: Exception) -> str:
    match error:
        case IndexError():
            return "the packet ends too early"
        case UnicodeDecodeError():
            return "a string is not UTF-8"
    return str(error)
