"""The WebSocket reader against RFC 6455: what it accepts, what it refuses with which code, what it keeps."""

import gc
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.framing import websocket
from protocol.framing.reader import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT
from protocol.framing.websocket import WebSocketReader, parse_close, xor_mask

from .wire import MASK, chunks, each_byte, frame, read

LIMIT = 100_000
SPLIT = "好".encode()

STREAMS = {
    "empty text": (frame(TEXT), [(TEXT, b"")]),
    "text": (frame(TEXT, "你好, pigeon".encode()), [(TEXT, "你好, pigeon".encode())]),
    "binary that is no UTF-8": (frame(BINARY, b"\xff\x00\xfe"), [(BINARY, b"\xff\x00\xfe")]),
    "longest short length": (frame(BINARY, b"x" * 125), [(BINARY, b"x" * 125)]),
    "shortest 16-bit length": (frame(BINARY, b"x" * 126), [(BINARY, b"x" * 126)]),
    "longest 16-bit length": (frame(BINARY, b"x" * 65535), [(BINARY, b"x" * 65535)]),
    "shortest 64-bit length": (frame(TEXT, b"x" * 65536), [(TEXT, b"x" * 65536)]),
    "just the limit": (frame(TEXT, b"x" * LIMIT), [(TEXT, b"x" * LIMIT)]),
    "ping and pong": (frame(PING, b"?") + frame(PONG), [(PING, b"?"), (PONG, b"")]),
    "longest control frame": (frame(PING, b"x" * 125), [(PING, b"x" * 125)]),
    "empty close": (frame(CLOSE), [(CLOSE, b"")]),
    "close with a reason": (frame(CLOSE, b"\x03\xe8bye"), [(CLOSE, b"\x03\xe8bye")]),
    "nothing after a close": (frame(CLOSE) + frame(TEXT, b"x") + b"\xff\xff", [(CLOSE, b"")]),
    "close inside a fragmented message": (frame(TEXT, b"a", final=False) + frame(CLOSE), [(CLOSE, b"")]),
    "fragments": (
        frame(TEXT, b"a", final=False) + frame(CONTINUATION, b"b", final=False) + frame(CONTINUATION, b"c"),
        [(TEXT, b"abc")],
    ),
    "empty fragments": (
        frame(BINARY, final=False) + frame(CONTINUATION, final=False) + frame(CONTINUATION),
        [(BINARY, b"")],
    ),
    "control frames between fragments": (
        frame(BINARY, b"a", final=False) + frame(PING, b"1") + frame(PONG, b"2") + frame(CONTINUATION, b"b"),
        [(PING, b"1"), (PONG, b"2"), (BINARY, b"ab")],
    ),
    "a character cut by fragments": (
        frame(TEXT, SPLIT[:1], final=False)
        + frame(CONTINUATION, SPLIT[1:2], final=False)
        + frame(CONTINUATION, SPLIT[2:]),
        [(TEXT, SPLIT)],
    ),
    "fragments up to the limit": (
        frame(BINARY, b"a" * 60_000, final=False) + frame(CONTINUATION, b"b" * 40_000),
        [(BINARY, b"a" * 60_000 + b"b" * 40_000)],
    ),
}

ERRORS = {
    "rsv1": (frame(TEXT, rsv=4), 1002),
    "rsv2": (frame(BINARY, rsv=2), 1002),
    "rsv3": (frame(PING, rsv=1), 1002),
    **{f"opcode {opcode}": (frame(opcode), 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "unmasked short": (frame(TEXT, b"x", mask=None), 1002),
    "unmasked long": (frame(TEXT, b"x" * 200, mask=None), 1002),
    "unmasked control": (frame(PING, mask=None), 1002),
    "long control": (frame(PING, b"x" * 126), 1002),
    "very long control": (frame(CLOSE, b"x" * 65536), 1002),
    "fragmented control": (frame(PING, final=False), 1002),
    "continuation first": (frame(CONTINUATION, b"x"), 1002),
    "text inside a fragmented message": (frame(TEXT, final=False) + frame(TEXT, b"x"), 1002),
    "first fragment inside a fragmented message": (
        frame(TEXT, final=False) + frame(BINARY, final=False),
        1002,
    ),
    "125 in 16 bits": (frame(TEXT, b"x" * 125, length_form=16), 1002),
    "125 in 64 bits": (frame(TEXT, b"x" * 125, length_form=64), 1002),
    "65535 in 64 bits": (frame(TEXT, b"x" * 65535, length_form=64), 1002),
    "top bit of the length": (b"\x82\xff\x80" + bytes(7), 1002),
    "over the limit": (frame(BINARY, b"x" * (LIMIT + 1)), 1009),
    "far over the limit": (b"\x82\xff\x7f" + b"\xff" * 7, 1009),
    "fragments over the limit": (
        frame(BINARY, b"a" * 60_000, final=False) + frame(CONTINUATION, b"b" * 40_001),
        1009,
    ),
    "text not UTF-8": (frame(TEXT, b"a\xffb"), 1007),
    "text not UTF-8, long": (frame(TEXT, b"a" * 300 + b"\xff"), 1007),
    "text with a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "text overlong": (frame(TEXT, b"\xc0\xaf"), 1007),
    "text beyond Unicode": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007),
    "text ends inside a character": (frame(TEXT, SPLIT[:2]), 1007),
    "fragments end inside a character": (frame(TEXT, SPLIT[:1], final=False) + frame(CONTINUATION), 1007),
    "wrong fragment before the end": (frame(TEXT, b"\xff", final=False), 1007),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close reason not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    **{
        f"close code {code}": (frame(CLOSE, code.to_bytes(2, "big")), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
}


@pytest.fixture(params=["C", "Python"], autouse=True)
def unmasking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "Python":
        monkeypatch.setattr(websocket, "apply_mask", xor_mask)
    else:
        assert websocket.apply_mask is not xor_mask


@pytest.mark.parametrize("name", STREAMS)
def test_whole(name: str) -> None:
    stream, messages = STREAMS[name]
    assert read(WebSocketReader(LIMIT), [stream]) == (messages, None)


@pytest.mark.parametrize("name", STREAMS)
def test_byte_by_byte(name: str) -> None:
    stream, messages = STREAMS[name]
    assert read(WebSocketReader(LIMIT), each_byte(stream)) == (messages, None)


@pytest.mark.parametrize("name", [*STREAMS, *ERRORS])
def test_cut_anywhere_in_the_header(name: str) -> None:
    stream, _ = (STREAMS | ERRORS)[name]
    whole = read(WebSocketReader(LIMIT), [stream])
    for cut in range(min(16, len(stream))):
        assert read(WebSocketReader(LIMIT), chunks(stream, [cut])) == whole


@pytest.mark.parametrize("name", [name for name, (_, messages) in STREAMS.items() if messages[-1][0] != CLOSE])
def test_with_trailing_data(name: str) -> None:
    stream, messages = STREAMS[name]
    tail = frame(TEXT, b"tail")
    reader = WebSocketReader(LIMIT)
    assert reader.feed(stream + tail[:5]) == messages
    assert reader.feed(tail[5:]) == [(TEXT, b"tail")]


@pytest.mark.parametrize("name", ERRORS)
def test_error_keeps_what_came_before_and_discards_what_comes_after(name: str) -> None:
    stream, code = ERRORS[name]
    before, after = frame(TEXT, b"before"), frame(TEXT, b"after")
    reader = WebSocketReader(LIMIT)
    assert read(reader, [before + stream + after, after]) == ([(TEXT, b"before")], code)


@pytest.mark.parametrize("name", ERRORS)
def test_error_byte_by_byte(name: str) -> None:
    stream, code = ERRORS[name]
    assert read(WebSocketReader(LIMIT), each_byte(frame(PING) + stream)) == ([(PING, b"")], code)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"\xc1\x80", 1002),
        (b"\x81\x05", 1002),
        (b"\x89\xfe", 1002),
        (b"\x82\xfe\x00\x7d", 1002),
        (b"\x82\xff" + (LIMIT + 1).to_bytes(8, "big"), 1009),
    ],
)
def test_header_is_judged_before_the_mask_and_the_payload_arrive(header: bytes, code: int) -> None:
    assert read(WebSocketReader(LIMIT), [header]) == ([], code)


def test_continuation_after_the_end() -> None:
    stream = frame(TEXT, final=False) + frame(CONTINUATION) + frame(CONTINUATION)
    assert read(WebSocketReader(LIMIT), [stream]) == ([(TEXT, b"")], 1002)


def test_limit_must_cover_the_shortest_form() -> None:
    with pytest.raises(ValueError, match="max_message_bytes"):
        WebSocketReader(124)


def test_eight_frames_in_one_chunk() -> None:
    sent = [(TEXT if number % 2 else BINARY, b"%03d" % number * 40) for number in range(8)]
    stream = b"".join(frame(opcode, payload, mask=bytes([opcode] * 4)) for opcode, payload in sent)
    assert read(WebSocketReader(LIMIT), [stream]) == (sent, None)


def test_payloads_are_bytes_however_they_arrive() -> None:
    stream = b"".join(stream for stream, _ in STREAMS.values())
    for pieces in ([stream], each_byte(stream)):
        messages, _ = read(WebSocketReader(LIMIT), pieces)
        assert {type(payload) for _, payload in messages} == {bytes}


class CountingReader(WebSocketReader):
    """Counts how often buffered bytes are looked at again: the cost that must not grow with the chunks."""

    __slots__ = ("parses",)

    def __init__(self) -> None:
        super().__init__(LIMIT)
        self.parses = 0

    def _parse(self, data: bytes | bytearray, messages: list[tuple[int, bytes]]) -> int:
        self.parses += 1
        return super()._parse(data, messages)


def test_bytes_that_complete_nothing_are_not_parsed_again() -> None:
    reader = CountingReader()
    assert read(reader, each_byte(frame(BINARY, b"x" * LIMIT))) == ([(BINARY, b"x" * LIMIT)], None)
    assert reader.parses <= 4


@pytest.fixture
def traced() -> Iterator[None]:
    gc.collect()
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    "used",
    [
        b"",
        frame(TEXT, b"x" * 5000),
        frame(TEXT, b"x" * 5000, final=False) + frame(CONTINUATION),
        frame(BINARY, b"x", rsv=1),
        frame(BINARY, b"x" * 5000, final=False) + frame(CLOSE),
        frame(BINARY, b"x" * 5000, final=False) + frame(7),
    ],
)
def test_idle_reader_costs_few_bytes(used: bytes) -> None:
    before, _ = tracemalloc.get_traced_memory()
    readers = [WebSocketReader(LIMIT) for _ in range(1000)]
    for reader in readers:
        reader.feed(used[:3000])
        reader.feed(used[3000:])
    after, _ = tracemalloc.get_traced_memory()
    assert after - before < 1000 * (800 if readers[0].error is not None else 150)


@pytest.mark.usefixtures("traced")
def test_announced_bytes_are_not_reserved() -> None:
    reader = WebSocketReader(1 << 40)
    reader.feed(b"\x82\xff" + (1 << 39).to_bytes(8, "big") + MASK)
    assert reader.error is None
    assert tracemalloc.get_traced_memory()[1] < 1_000_000


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("size", [0, 1, 100])
def test_endless_fragments_stay_under_the_limit(size: int) -> None:
    limit = 10_000
    reader = WebSocketReader(limit)
    reader.feed(frame(BINARY, final=False))
    piece = frame(CONTINUATION, b"x" * size, final=False) * 1000
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(12):
        assert reader.feed(piece) == []
    _, peak = tracemalloc.get_traced_memory()
    assert (reader.error is None) == (size == 0)
    assert peak - before < limit * 9 // 8 + 4096


def test_error_does_not_hold_the_chunk() -> None:
    reader = WebSocketReader(LIMIT)
    reader.feed(frame(TEXT, b"\xff"))
    assert reader.error is not None
    assert reader.error.__traceback__ is None
    assert reader.error.__context__ is None
    assert reader.error.reason == "text is not UTF-8"


@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_xor_mask_follows_the_rfc(data: bytes, mask: bytes) -> None:
    assert xor_mask(data, mask) == bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))


header_bytes = st.tuples(
    st.sampled_from([0x01, 0x02, 0x81, 0x82, 0x00, 0x80, 0x88, 0x89, 0x8A]) | st.integers(0, 255),
    st.integers(128, 140) | st.integers(0, 255),
).map(bytes)
plausible = st.lists(
    st.one_of(
        st.builds(
            frame,
            st.sampled_from([TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE]),
            st.binary(max_size=140) | st.text(max_size=50).map(str.encode) | st.just(b"\x03\xe8"),
            final=st.booleans(),
            mask=st.binary(min_size=4, max_size=4),
        ),
        st.tuples(header_bytes, st.binary(max_size=30)).map(b"".join),
        st.binary(max_size=30),
    ),
    max_size=8,
).map(b"".join)


@given(plausible, st.data())
def test_chunking_makes_no_difference(stream: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    whole = read(WebSocketReader(200), [stream])
    assert read(WebSocketReader(200), chunks(stream, cuts)) == whole
    assert read(WebSocketReader(200), each_byte(stream)) == whole


@given(plausible)
def test_any_bytes_give_messages_or_a_documented_error(stream: bytes) -> None:
    messages, code = read(WebSocketReader(200), [stream])
    assert code in {None, 1002, 1007, 1009}
    for opcode, payload in messages:
        assert opcode in {TEXT, BINARY, CLOSE, PING, PONG}
        assert len(payload) <= 200
        if opcode == TEXT:
            payload.decode()
        if opcode == CLOSE:
            parse_close(payload)
