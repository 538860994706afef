"""The frames we send, bit for bit, and the close payload both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.framing.errors import FrameError
from protocol.framing.websocket import (
    NO_STATUS,
    encode_binary,
    encode_close,
    encode_ping,
    encode_pong,
    encode_text,
    parse_close,
)


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, b"\x00"),
        (125, b"\x7d"),
        (126, b"\x7e\x00\x7e"),
        (65535, b"\x7e\xff\xff"),
        (65536, b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_data_frames(length: int, header: bytes) -> None:
    payload = b"x" * length
    assert encode_text(payload) == b"\x81" + header + payload
    assert encode_binary(payload) == b"\x82" + header + payload


def test_control_frames() -> None:
    assert encode_ping() == b"\x89\x00"
    assert encode_pong(b"abc") == b"\x8a\x03abc"
    assert encode_close() == b"\x88\x00"
    assert encode_close(1000) == b"\x88\x02\x03\xe8"
    assert encode_close(4001, "好") == b"\x88\x05\x0f\xa1\xe5\xa5\xbd"


def test_control_payload_is_limited() -> None:
    assert len(encode_ping(b"x" * 125)) == 127
    for encode in (encode_ping, encode_pong):
        with pytest.raises(ValueError, match="125 bytes"):
            encode(b"x" * 126)


@pytest.mark.parametrize("reason", ["x" * 124, "好" * 42, "x" + "好" * 41, "🕊" * 31, "x" * 5000])
def test_long_reason_is_cut_between_characters(reason: str) -> None:
    frame = encode_close(1000, reason)
    code, text = parse_close(frame[2:])
    assert (code, reason.startswith(text)) == (1000, True)
    assert 120 <= len(text.encode()) <= 123
    assert frame[1] == len(frame) - 2


@pytest.mark.parametrize("code", [-1, 0, 999, 1004, 1006, 1015, 2999, 5000, 70000])
def test_forbidden_close_code_is_our_mistake(code: int) -> None:
    with pytest.raises(ValueError, match="must not be sent"):
        encode_close(code)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 4999])
def test_close_codes_that_travel(code: int) -> None:
    assert parse_close(encode_close(code, "r")[2:]) == (code, "r")


def test_parse_close_of_nothing() -> None:
    assert parse_close(b"") == (NO_STATUS, "")
    assert encode_close(*parse_close(b"")) == b"\x88\x00"


@given(st.binary(max_size=125))
def test_parse_close_of_anything(payload: bytes) -> None:
    try:
        answer = encode_close(*parse_close(payload))
    except FrameError as error:
        answer = encode_close(error.code)
    assert answer[2:] in {payload, b"\x03\xea", b"\x03\xef"}
