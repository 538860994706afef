"""The raw TCP framing: the same contract as the WebSocket reader, with a length prefix."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.framing.reader import BINARY, FrameReader
from protocol.framing.tcp import TcpReader, encode

from .wire import chunks, each_byte, read

LIMIT = 1000


def test_encode() -> None:
    assert encode(b"") == b"\x00\x00\x00\x00"
    assert encode(b"x" * 258) == b"\x00\x00\x01\x02" + b"x" * 258


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00" * 4, b"y" * LIMIT])
def test_whole_byte_by_byte_and_with_trailing_data(payload: bytes) -> None:
    stream = encode(payload)
    assert read(TcpReader(LIMIT), [stream]) == ([(BINARY, payload)], None)
    assert read(TcpReader(LIMIT), each_byte(stream)) == ([(BINARY, payload)], None)
    reader = TcpReader(LIMIT)
    assert reader.feed(stream + encode(b"tail")[:3]) == [(BINARY, payload)]
    assert reader.feed(encode(b"tail")[3:]) == [(BINARY, b"tail")]


def test_keep_alive_is_an_empty_message() -> None:
    assert TcpReader(LIMIT).feed(encode(b"") * 3) == [(BINARY, b"")] * 3


def test_oversize_is_refused_by_its_header() -> None:
    reader = TcpReader(LIMIT)
    assert read(reader, [encode(b"before") + (LIMIT + 1).to_bytes(4, "big"), encode(b"after")]) == (
        [(BINARY, b"before")],
        1009,
    )


def test_an_http_request_is_refused() -> None:
    assert read(TcpReader(1 << 24), [b"GET / HTTP/1.1\r\n"]) == ([], 1009)


def test_announced_bytes_are_not_reserved() -> None:
    tracemalloc.start()
    try:
        reader = TcpReader(1 << 31)
        assert read(reader, [(1 << 30).to_bytes(4, "big"), b"x"]) == ([], None)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_bytes_that_complete_nothing_are_not_parsed_again() -> None:
    class CountingReader(TcpReader):
        parses = 0

        def _parse(self, data: bytes | bytearray, messages: list[tuple[int, bytes]]) -> int:
            CountingReader.parses += 1
            return super()._parse(data, messages)

    read(CountingReader(LIMIT), each_byte(encode(b"x" * LIMIT)))
    assert CountingReader.parses <= 3


@given(st.lists(st.binary(max_size=40).map(encode) | st.binary(max_size=6), max_size=8).map(b"".join), st.data())
def test_chunking_makes_no_difference(stream: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))
    messages, code = whole = read(TcpReader(30), [stream])
    assert read(TcpReader(30), chunks(stream, cuts)) == whole
    assert read(TcpReader(30), each_byte(stream)) == whole
    assert code in {None, 1009}
    assert stream.startswith(b"".join(encode(payload) for _, payload in messages))


def test_a_transport_without_a_parser_is_no_reader() -> None:
    with pytest.raises(NotImplementedError):
        FrameReader().feed(b"x")
