"""`feige.json.v1`: a packet is a JSON object; a frame holds one, or several on a line each."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from domain.events import Event
from domain.model import DialectName
from protocol.commands import Command
from protocol.native import refusals
from protocol.native.outbound import to_packet
from protocol.native.packets import ServerPacket
from protocol.native.refusals import PacketError
from protocol.native.schema import COMMANDS, SERVER_PACKETS, tag_of, union_of
from protocol.replies import Failure, Reply


class _Glance(msgspec.Struct, frozen=True, gc=False):
    """What can be known of a packet that was refused."""

    type: Any = None
    id: Any = None


_COMMAND_TYPES: Final = frozenset(tag_of(command) for command in COMMANDS.values())
_PACKET_TYPES: Final = frozenset(tag_of(packet) for packet in SERVER_PACKETS.values())
_decode_command: Final[Callable[[bytes], Command]] = msgspec.json.Decoder(union_of(COMMANDS)).decode
_decode_packet: Final[Callable[[bytes], ServerPacket]] = msgspec.json.Decoder(union_of(SERVER_PACKETS)).decode
_glance: Final = msgspec.json.Decoder(_Glance).decode
_encode: Final = msgspec.json.Encoder().encode

# Nested too deep; not JSON (msgspec.DecodeError is a ValueError), not UTF-8, a number out of range.
_UNREADABLE: Final = (RecursionError, ValueError)


class NativeJson:
    """The server's side is `Dialect`; `encode_command` and `decode_packets` are the client's."""

    name = DialectName.NATIVE
    is_binary = False

    def decode(self, payload: bytes) -> Sequence[Command | Failure]:
        """See `Dialect.decode`. Never raises."""
        try:
            return (_decode_command(payload),)
        except _UNREADABLE as error:
            if b"\n" not in payload:
                return (_refuse(payload, error),) if payload else ()
        if payload.count(b"\n") > refusals.MAX_PACKETS_PER_FRAME:
            return (refusals.too_many_packets(),)
        return [_decode_line(line) for line in payload.split(b"\n") if line and not line.isspace()]

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
            return [_decode_packet(payload)]
        except _UNREADABLE:
            lines = [line for line in payload.split(b"\n") if line and not line.isspace()]
        return [packet for packet in map(_decode_packet_line, lines) if packet is not None]


def _decode_line(line: bytes) -> Command | Failure:
    try:
        return _decode_command(line)
    except _UNREADABLE as error:
        return _refuse(line, error)


def _refuse(line: bytes, error: Exception) -> Failure:
    """Only a complaint about a value (msgspec.ValidationError) is worth a second look."""
    if not isinstance(error, msgspec.ValidationError):
        return refusals.malformed(_why(error))
    try:
        seen = _glance(line)
    except _UNREADABLE as unreadable:
        return refusals.malformed(_why(unreadable))
    request_id = refusals.sane_request_id(seen.id)
    if isinstance(seen.type, str) and seen.type not in _COMMAND_TYPES:
        return refusals.unknown_type(seen.type, request_id)
    return refusals.invalid_value(str(error), request_id)


def _why(error: Exception) -> str:
    match error:
        case RecursionError():
            return "nested too deep"
        case UnicodeDecodeError():
            return "not UTF-8"
        case msgspec.ValidationError():
            return "a packet is a JSON object of sane values"
    return "not JSON"


def _decode_packet_line(line: bytes) -> ServerPacket | None:
    try:
        return _decode_packet(line)
    except _UNREADABLE as error:
        refusal = error
    try:
        kind = _glance(line).type
    except _UNREADABLE:
        kind = None
    if isinstance(kind, str) and kind not in _PACKET_TYPES:
        return None
    raise PacketError(str(refusal)) from refusal
