"""Whatever can be said arrives as it was said, in both codecs; nothing that arrives breaks a decoder."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domain.events import MessageSent
from domain.model import Message, Profile
from protocol.commands import Command
from protocol.native.binary_codec import NativeBinary, batch
from protocol.native.json_codec import NativeJson
from protocol.native.packets import ServerPacket
from protocol.native.refusals import PacketError
from protocol.replies import Failure

from .strategies import commands, server_packets

JSON, BINARY = NativeJson(), NativeBinary()


@given(commands)
def test_commands(command: Command) -> None:
    assert list(JSON.decode(JSON.encode_command(command))) == [command]
    assert list(BINARY.decode(BINARY.encode_command(command))) == [command]


@given(server_packets)
def test_server_packets(packet: ServerPacket) -> None:
    assert JSON.decode_packets(JSON.encode_packet(packet)) == [packet]
    assert BINARY.decode_packets(BINARY.encode_packet(packet)) == [packet]


@given(st.lists(commands, min_size=2, max_size=5))
def test_several_commands_in_a_frame(said: list[Command]) -> None:
    assert list(JSON.decode(b"\n".join(map(JSON.encode_command, said)))) == said
    assert list(BINARY.decode(batch(list(map(BINARY.encode_command, said))))) == said


@given(st.lists(server_packets, min_size=2, max_size=5))
def test_several_server_packets_in_a_frame(said: list[ServerPacket]) -> None:
    assert JSON.decode_packets(b"\n".join(map(JSON.encode_packet, said))) == said
    assert BINARY.decode_packets(batch(list(map(BINARY.encode_packet, said)))) == said


@given(server_packets, st.binary(max_size=20))
def test_bytes_after_the_known_fields_are_ignored(packet: ServerPacket, rest: bytes) -> None:
    assert BINARY.decode_packets(BINARY.encode_packet(packet) + rest) == [packet]


def _both_decode(payload: bytes) -> None:
    for codec in (JSON, BINARY):
        for command in codec.decode(payload):
            assert isinstance(command, Command | Failure)
            if isinstance(command, Failure):
                assert command.code in {"malformed", "unknown_type", "invalid_value"}
                assert codec.encode(command) is not None
        try:
            codec.decode_packets(payload)
        except PacketError:
            pass


@given(st.binary())
def test_arbitrary_bytes(payload: bytes) -> None:
    _both_decode(payload)


@given(st.one_of(commands, server_packets), st.data())
def test_damaged_packets(packet: msgspec.Struct, data: st.DataObject) -> None:
    for codec in (JSON, BINARY):
        whole = codec.encode_command(packet) if isinstance(packet, Command) else codec.encode_packet(packet)  # type: ignore[arg-type]
        damaged = bytearray(whole)
        for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3)):
            damaged[place] = data.draw(st.integers(0, 255))
        _both_decode(bytes(damaged[: data.draw(st.integers(0, len(whole)))]))


@given(commands)
def test_every_cut_of_a_binary_command_is_an_error_or_a_shorter_truth(command: Command) -> None:
    whole = BINARY.encode_command(command)
    for length in range(1, len(whole)):
        (cut,) = BINARY.decode(whole[:length])
        assert isinstance(cut, Failure)
        assert cut.code == "malformed"


@given(st.text(max_size=4000), st.integers(1, 2**21 - 1), st.integers(1, 2**42 - 1), st.integers(1, 2**41))
def test_a_text_message_costs_at_most_24_bytes_over_its_body(body: str, small: int, big: int, at_ms: int) -> None:
    message = Message(
        id=big,
        conversation_id=small,
        seq=small,
        sender_id=small,
        content=body,
        created_at_ms=at_ms,
        updated_at_ms=at_ms,
    )
    frame = BINARY.encode(MessageSent(message, Profile(small, "a", "b")))
    assert frame is not None
    assert len(frame) - len(body.encode()) <= 24
