"""Input that is wrong: each gets the error that says so, with the request's id where it can be known."""

import struct

import pytest

from protocol.commands import (
    MAX_CONTENT_CHARS,
    MAX_PRESENCE_USERS,
    MAX_SYNC_CURSORS,
    Ping,
    Send,
    SubscribePresence,
    Sync,
)
from protocol.native.binary_codec import NativeBinary, batch
from protocol.native.json_codec import NativeJson
from protocol.native.refusals import MAX_PACKETS_PER_FRAME, MAX_TEXT_CHARS, PacketError
from protocol.replies import Failure

JSON, BINARY = NativeJson(), NativeBinary()
DIGITS = b"9" * 5000
DEEP = b"[" * 10_000 + b"]" * 10_000


def refused(codec: NativeJson | NativeBinary, payload: bytes) -> Failure:
    (failure,) = codec.decode(payload)
    assert isinstance(failure, Failure)
    assert len(failure.text) <= MAX_TEXT_CHARS
    return failure


@pytest.mark.parametrize(
    "payload",
    [
        b"x",
        b"{",
        b" ",
        b"[]",
        b"null",
        b"5",
        b'"ping"',
        b'[{"type":"ping"}]',
        b"\xff\xfe",
        b"\xef\xbb\xbf" + b'{"type":"ping"}',
        b'{"type":"ping"}}',
        b'{"type":"ping"} {"type":"ping"}',
        b'{"type":"ping",}',
        b"{'type':'ping'}",
        b'{"type":"send","conversation_id":1,"content":"\xff"}',
        b'{"type":"send","conversation_id":1,"content":"\\ud800"}',
        b'{"type":"send","conversation_id":1,"content":"a\x01"}',
        b'{"type":"location","latitude":NaN,"longitude":1}',
        b'{"type":"location","latitude":Infinity,"longitude":1}',
        b'{"type":"ping","id":' + DIGITS + b"}",
        b'{"type":"ping","x":' + DEEP + b"}",
        b'{"type":' + DEEP + b"}",
        DEEP,
        b"[" * 60_000,
    ],
    ids=lambda payload: repr(payload[:40]),
)
def test_json_that_is_malformed(payload: bytes) -> None:
    failure = refused(JSON, payload)
    assert (failure.code, failure.id) == ("malformed", None)


@pytest.mark.parametrize(
    ("payload", "field", "request_id"),
    [
        (b'{"id":3}', "type", 3),
        (b'{"type":5,"id":3}', "type", 3),
        (b'{"type":null}', "type", None),
        (b'{"type":"ping","type":"send","id":3}', "type", 3),
        (b'{"type":"ping","id":"3"}', "id", None),
        (b'{"type":"ping","id":-1}', "id", None),
        (b'{"type":"ping","id":1.5}', "id", None),
        (b'{"type":"ping","id":true}', "id", None),
        (b'{"type":"ping","id":9007199254740992}', "id", None),
        (b'{"type":"send","id":3}', "conversation_id", 3),
        (b'{"type":"send","id":3,"conversation_id":0}', "conversation_id", 3),
        (b'{"type":"send","id":3,"conversation_id":true}', "conversation_id", 3),
        (b'{"type":"send","id":3,"conversation_id":"1"}', "conversation_id", 3),
        (b'{"type":"send","id":3,"conversation_id":1.0}', "conversation_id", 3),
        (b'{"type":"send","id":3,"conversation_id":null}', "conversation_id", 3),
        (b'{"type":"send","conversation_id":' + DIGITS + b',"id":3}', "conversation_id", 3),
        (b'{"type":"send","id":3,"conversation_id":1,"content":[]}', "content", 3),
        (b'{"type":"send","id":3,"conversation_id":1,"client_msg_id":""}', "client_msg_id", 3),
        (b'{"type":"send","id":3,"conversation_id":1,"kind":"' + b"x" * 5000 + b'"}', "kind", 3),
        (b'{"type":"location","id":3,"latitude":90.5,"longitude":1}', "latitude", 3),
        (b'{"type":"location","id":3,"latitude":1e400,"longitude":1}', "latitude", 3),
        (b'{"type":"sync","id":3,"epoch":"e","position":"p","cursors":[[1,2,3]]}', "cursors[0]", 3),
        (b'{"type":"history","id":3,"conversation_id":1,"limit":201}', "limit", 3),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
def test_json_with_a_wrong_value(payload: bytes, field: str, request_id: int | None) -> None:
    failure = refused(JSON, payload)
    assert (failure.code, failure.id) == ("invalid_value", request_id)
    assert field in failure.text


def test_unknown_types() -> None:
    failure = refused(JSON, b'{"type":"' + b"x" * 5000 + b'","id":9}')
    assert (failure.code, failure.id) == ("unknown_type", 9)
    for number in (0, 13 + 45, 63):
        failure = refused(BINARY, bytes((number | 0x40, 9)))
        assert (failure.code, failure.id) == ("unknown_type", 9)


def test_unknown_fields_are_ignored() -> None:
    assert list(JSON.decode(b'{"type":"ping","later":{"a":[1,' + DIGITS + b']},"id":1}')) == [Ping(1)]
    assert list(BINARY.decode(bytes.fromhex("c2 01 40 ff"))) == [Ping(1)]


@pytest.mark.parametrize(
    ("payload", "request_id"),
    [
        ("40", None),
        ("42", None),
        ("42 80", None),
        ("42 80 00", None),
        ("42 ff ff ff ff ff ff ff 10", None),
        ("42 ff ff ff ff ff ff ff ff 01", None),
        ("43 05", 5),
        ("c3 05 01", 5),
        ("c3 05 01 01", 5),
        ("c3 05 01 01 05 61", 5),
        ("c3 05 01 01 02 c3 28", 5),
        ("c3 05 01 01 03 ed a0 80", 5),
        ("c3 05 01 01 ff ff ff ff ff ff ff 0f", 5),
        ("4b 05 ff ff ff ff 0f 01", 5),
        ("00 01", None),
        ("00 05 02", None),
        ("00 80 00", None),
        ("4d 05" + struct.pack(">dd", float("nan"), 1.0).hex(), 5),
        ("4d 05" + struct.pack(">dd", 1.0, float("-inf")).hex(), 5),
        ("cd 05" + struct.pack(">dd", 1.0, 1.0).hex() + "01" + struct.pack(">d", float("inf")).hex(), 5),
    ],
)
def test_binary_that_is_malformed(payload: str, request_id: int | None) -> None:
    failure = refused(BINARY, bytes.fromhex(payload))
    assert (failure.code, failure.id) == ("malformed", request_id)


def test_an_empty_packet_or_a_batch_within_a_batch_is_refused() -> None:
    assert refused(BINARY, bytes.fromhex("00 00")).code == "malformed"
    assert refused(BINARY, batch([batch([b"\x02"])])).code == "unknown_type"


@pytest.mark.parametrize(
    "command",
    [
        Send(0),
        Send(2**53),
        Send(1, "x" * (MAX_CONTENT_CHARS + 1)),
        Send(1, client_msg_id=""),
        Send(1, client_msg_id="x" * 65),
        SubscribePresence([1] * (MAX_PRESENCE_USERS + 1)),
        SubscribePresence([0]),
        Sync("e", "p" * 129),
        Sync("e", "p", [(1, 1)] * (MAX_SYNC_CURSORS + 1)),
        Sync("e", "p", [(0, 1)]),
    ],
    ids=lambda command: repr(command)[:50],
)
def test_limits_are_the_same_in_both_codecs(command: Send | SubscribePresence | Sync) -> None:
    in_json, in_binary = refused(JSON, JSON.encode_command(command)), refused(BINARY, BINARY.encode_command(command))
    assert in_json.code == "invalid_value"
    if command == Send(2**53):
        assert in_binary.code == "malformed"
    else:
        assert (in_binary.code, in_binary.text) == (in_json.code, in_json.text)


def test_limits_are_in_characters() -> None:
    command = Send(1, "鸽" * MAX_CONTENT_CHARS)
    assert list(BINARY.decode(BINARY.encode_command(command))) == [command]
    assert list(JSON.decode(JSON.encode_command(command))) == [command]


def test_an_unknown_enum_number_names_the_field() -> None:
    failure = refused(BINARY, bytes.fromhex("c3 05 01 04 09"))
    assert (failure.code, failure.id) == ("invalid_value", 5)
    assert failure.text.startswith("kind: ")


def test_one_bad_packet_of_a_frame_does_not_harm_the_others() -> None:
    first, bad, last = JSON.decode(b'{"type":"ping","id":1}\n\n{"type":"no","id":2}\r\n{"type":"ping","id":3}\n')
    assert (first, last) == (Ping(1), Ping(3))
    assert isinstance(bad, Failure)
    assert (bad.code, bad.id) == ("unknown_type", 2)
    first, bad, last = BINARY.decode(batch([b"\x42\x01", b"\x7f\x02", b"\x42\x03"]))
    assert (first, last) == (Ping(1), Ping(3))
    assert isinstance(bad, Failure)
    assert (bad.code, bad.id) == ("unknown_type", 2)


def test_too_many_packets_in_a_frame_are_refused_whole() -> None:
    assert len(JSON.decode(b'{"type":"ping"}\n' * MAX_PACKETS_PER_FRAME)) == MAX_PACKETS_PER_FRAME
    assert len(BINARY.decode(batch([b"\x02"] * MAX_PACKETS_PER_FRAME))) == MAX_PACKETS_PER_FRAME
    assert refused(JSON, b'{"type":"ping"}\n' * (MAX_PACKETS_PER_FRAME + 1)).code == "malformed"
    assert refused(BINARY, batch([b"\x02"] * (MAX_PACKETS_PER_FRAME + 1))).code == "malformed"


def test_an_empty_frame_carries_nothing() -> None:
    for codec in (JSON, BINARY):
        assert list(codec.decode(b"")) == []
        assert codec.decode_packets(b"") == []
    assert list(BINARY.decode(b"\x00")) == []


def test_a_client_ignores_packets_it_does_not_know_and_refuses_broken_ones() -> None:
    assert JSON.decode_packets(b'{"type":"later","x":1}') == []
    assert BINARY.decode_packets(bytes.fromhex("3f 01 02")) == []
    for broken in (b'{"type":"ack"}', b"[]", b"x", b'{"a":1}', b'{"type":' + DEEP + b"}"):
        with pytest.raises(PacketError):
            JSON.decode_packets(broken)
    for broken in (b"\x04", b"\x00\x05\x01", bytes.fromhex("14 01 01 01 01 02")):
        with pytest.raises(PacketError):
            BINARY.decode_packets(broken)
