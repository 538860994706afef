"""Our framing against the independent `websockets` library, both ways, on random frames."""

from dataclasses import dataclass

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol

from protocol.framing.reader import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from protocol.framing.websocket import (
    WebSocketReader,
    encode_binary,
    encode_close,
    encode_ping,
    encode_pong,
    encode_text,
)

from .wire import chunks, frame, read

LIMIT = 1 << 20
sizes = st.integers(0, 130) | st.sampled_from([125, 126, 127, 65535, 65536])


def frames_read_by_websockets(side: object, stream: bytes) -> tuple[list[Frame], int | None]:
    protocol = Protocol(side, max_size=LIMIT)
    protocol.receive_data(stream)
    error = protocol.parser_exc
    # They refuse a close frame between fragments, which RFC 6455 section 5.4 allows as any control frame.
    assume("incomplete fragmented message" not in str(error))
    code = {ProtocolError: 1002, UnicodeDecodeError: 1007}[type(error)] if error is not None else None
    return [event for event in protocol.events_received() if isinstance(event, Frame)], code


def joined(frames: list[Frame]) -> list[tuple[int, bytes]]:
    messages: list[tuple[int, bytes]] = []
    opcode, parts = 0, []
    for part in frames:
        if part.opcode >= CLOSE:
            messages.append((int(part.opcode), bytes(part.data)))
            continue
        opcode = part.opcode or opcode
        parts.append(bytes(part.data))
        if part.fin:
            messages.append((int(opcode), b"".join(parts)))
            parts = []
    return messages


@dataclass(frozen=True)
class Message:
    opcode: int
    payload: bytes
    cuts: list[int]
    ping: bytes | None


messages = st.builds(
    Message,
    st.just(BINARY),
    st.builds(lambda size, byte: bytes([byte]) * size, sizes, st.integers(0, 255)) | st.binary(max_size=200),
    st.lists(st.integers(0, 200), max_size=3),
    st.none() | st.binary(max_size=125),
) | st.builds(
    Message,
    st.just(TEXT),
    st.builds(lambda size, text: (text * size).encode(), sizes, st.text(min_size=1, max_size=3)),
    st.lists(st.integers(0, 200), max_size=3),
    st.none() | st.binary(max_size=125),
)


@settings(deadline=None)
@given(st.lists(messages, max_size=6), st.data())
def test_we_read_what_their_client_writes(sent: list[Message], data: st.DataObject) -> None:
    client = Protocol(CLIENT)
    expected: list[tuple[int, bytes]] = []
    for message in sent:
        parts = list(chunks(message.payload, message.cuts))
        for number, part in enumerate(parts):
            final = number == len(parts) - 1
            if number:
                client.send_continuation(part, final)
            elif message.opcode == TEXT:
                client.send_text(part, final)
            else:
                client.send_binary(part, final)
            if message.ping is not None and not final:
                client.send_ping(message.ping)
                expected.append((PING, message.ping))
        expected.append((message.opcode, message.payload))
    client.send_close(1000, "再见")
    expected.append((CLOSE, b"\x03\xe8" + "再见".encode()))
    stream = b"".join(client.data_to_send())
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))

    assert read(WebSocketReader(LIMIT), chunks(stream, cuts)) == (expected, None)


# Their protocol core leaves the UTF-8 of texts to its caller, so outside of close frames all is valid here.
closes = st.tuples(
    st.just(CLOSE), st.sampled_from([b"", b"\x03", b"\x03\xe8", b"\x03\xed", b"\x03\xe8\xff", b"\x03\xe8ok"])
)
others = st.tuples(
    st.sampled_from([CONTINUATION, TEXT, BINARY, PING, PONG]) | st.integers(0, 15).filter(lambda code: code != CLOSE),
    st.text(max_size=60).map(str.encode) | st.sampled_from([b"x" * 125, b"x" * 126]),
)
bits = st.tuples(
    st.booleans(),
    st.sampled_from([0] * 12 + [1, 2, 4]),
    st.sampled_from([b"\x00\x00\x00\x00"] * 3 + [b"\x12\x34\x56\x78"] * 12 + [None]),
)


@settings(deadline=None)
@given(st.lists(st.tuples(others | others | others | closes, bits), max_size=8))
def test_we_judge_as_their_server_does(
    parts: list[tuple[tuple[int, bytes], tuple[bool, int, bytes | None]]],
) -> None:
    stream = b"".join(
        frame(opcode, payload, final=final, rsv=rsv, mask=mask) for (opcode, payload), (final, rsv, mask) in parts
    )
    frames, code = frames_read_by_websockets(SERVER, stream)
    assert read(WebSocketReader(LIMIT), [stream]) == (joined(frames), code)


@settings(deadline=None)
@given(st.binary(max_size=200), st.text(max_size=60), sizes, st.binary(max_size=125), st.text(max_size=40))
def test_their_client_reads_what_we_write(binary: bytes, text: str, size: int, control: bytes, reason: str) -> None:
    stream = b"".join(
        [
            encode_text(text.encode()),
            encode_binary(binary),
            encode_binary(b"x" * size),
            encode_text(b"x" * size),
            encode_ping(control),
            encode_pong(control),
            encode_close(4000, reason),
        ]
    )
    frames, code = frames_read_by_websockets(CLIENT, stream)
    assert code is None
    assert [(part.opcode, bytes(part.data)) for part in frames[:-1]] == [
        (Opcode.TEXT, text.encode()),
        (Opcode.BINARY, binary),
        (Opcode.BINARY, b"x" * size),
        (Opcode.TEXT, b"x" * size),
        (Opcode.PING, control),
        (Opcode.PONG, control),
    ]
    close = Close.parse(frames[-1].data)
    assert close.code == 4000
    assert reason.startswith(close.reason)
    assert len(close.reason.encode()) >= min(120, len(reason.encode()))
