"""The request head parser: what a listener may rely on before it hands a connection over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.framing.errors import HeadError
from protocol.framing.http_head import (
    MAX_HEAD_BYTES,
    MAX_REQUEST_LINE_BYTES,
    RequestHead,
    RequestHeadReader,
    parse_head,
)

from .wire import chunks, each_byte

HEAD = (
    b"GET /ws/7?token=a%20b+c&x HTTP/1.1\r\nHost: example.com\r\nAccept: text/html\r\n"
    b"X-Empty:\r\nACCEPT: \t a, b \t\r\n\r\n"
)


def read(pieces: object) -> tuple[RequestHead | None, RequestHeadReader]:
    reader = RequestHeadReader()
    for piece in pieces:
        head = reader.feed(piece)
        if head is not None:
            return head, reader
    return None, reader


def outcome(pieces: object) -> object:
    try:
        head, reader = read(pieces)
    except HeadError as error:
        return error.code, error.reason
    return head, reader.consumed


def with_line(line: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: h\r\n" + line + b"\r\n\r\n"


def with_target(target: bytes) -> RequestHead:
    return parse_head(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n")


def check(head: RequestHead | None) -> None:
    assert head is not None
    assert (head.method, head.target, head.version) == ("GET", "/ws/7?token=a%20b+c&x", "1.1")
    assert (head.path, head.query) == ("/ws/7", "token=a%20b+c&x")
    assert head.headers == {"host": ["example.com"], "accept": ["text/html", "a, b"], "x-empty": [""]}


def test_whole() -> None:
    head, reader = read([HEAD])
    check(head)
    assert (reader.consumed, reader.received) == (len(HEAD), HEAD)


def test_byte_by_byte() -> None:
    head, reader = read(each_byte(HEAD))
    check(head)
    assert reader.received == HEAD


def test_with_trailing_data() -> None:
    head, reader = read([HEAD[:40], HEAD[40:] + b"\x81\x80tail\r\n\r\n"])
    check(head)
    assert reader.received[reader.consumed :] == b"\x81\x80tail\r\n\r\n"


@pytest.mark.parametrize("length", [0, 1, 20, len(HEAD) - 2, len(HEAD) - 1])
def test_incomplete(length: int) -> None:
    assert read([HEAD[:length], b""])[0] is None


def test_values_of_repeated_fields() -> None:
    head, _ = read([HEAD])
    assert head is not None
    assert head.header("accept") == "text/html, a, b"
    assert head.header_list("accept") == ["text/html", "a", "b"]
    assert head.header("x-empty") == ""
    assert head.header("x-absent") is None
    assert head.header_list("x-empty") == head.header_list("x-absent") == []


def test_list_fields_leave_out_empty_elements() -> None:
    assert parse_head(with_line(b"A: ,x,, \t,y ,\r\nA:,")).header_list("a") == ["x", "y"]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", ""),
        (b"/a?", "/a", ""),
        (b"/a?b?c", "/a", "b?c"),
        (b"/a%2Fb%3Fc", "/a%2Fb%3Fc", ""),
        (b"//double", "//double", ""),
        (b"http://example.com:80/a?b", "/a", "b"),
        (b"http://example.com", "/", ""),
        (b"http://example.com?b=/c", "/", "b=/c"),
        (b"/a?next=http://x/y", "/a", "next=http://x/y"),
        (b"*", "*", ""),
        (b"example.com:443", "example.com:443", ""),
    ],
)
def test_targets(target: bytes, path: str, query: str) -> None:
    head = with_target(target)
    assert (head.path, head.query, head.target) == (path, query, target.decode("latin-1"))


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (b"", {}),
        (b"token=abc.def&dialect=im", {"token": "abc.def", "dialect": "im"}),
        (b"a=1&a=2&b=&c", {"a": "1", "b": "", "c": ""}),
        (b"a=b=c&&=x", {"a": "b=c"}),
        (b"q=%E9%A3%9E%E9%B8%BD+%2B", {"q": "飞鸽 +"}),
        (b"q=%zz%&%71=1", {"q": "%zz%"}),
        (b"q=%FF", {"q": "\ufffd"}),
    ],
)
def test_query_parameters(query: bytes, parameters: dict[str, str]) -> None:
    assert with_target(b"/?" + query).query_parameters() == parameters


def test_http_1_0_needs_no_host() -> None:
    assert parse_head(b"GET / HTTP/1.0\r\n\r\n").version == "1.0"


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / x HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
        b"GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"G@T / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /飞鸽 HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
        b"GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / http/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/11.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        with_line(b" folded"),
        with_line(b"A: x\r\n\tfolded"),
        with_line(b"A : x"),
        with_line(b"A\t: x"),
        with_line(b": x"),
        with_line(b"no colon"),
        with_line(b"A(b): x"),
        with_line("Ä: x".encode()),
        with_line(b"A: x\ny"),
        with_line(b"A: x\ry"),
        with_line(b"A: x\r"),
        with_line(b"A: \x00"),
        with_line(b"A: \x1f"),
        with_line(b"A: \x7f"),
    ],
)
def test_malformed(head: bytes) -> None:
    for pieces in ([head], each_byte(head), [head + b"trailing"]):
        with pytest.raises(HeadError) as caught:
            read(pieces)
        assert caught.value.code == 400


def test_values_may_hold_tabs_and_any_high_byte() -> None:
    assert parse_head(with_line(b"A: \xa0a\tb \x80\xff\x85")).header("a") == "\xa0a\tb \x80\xff\x85"


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0", b"3.0"])
def test_other_versions(version: bytes) -> None:
    with pytest.raises(HeadError) as caught:
        read([b"GET / HTTP/" + version + b"\r\nHost: h\r\n\r\n"])
    assert caught.value.code == 505


def test_http2_preface() -> None:
    with pytest.raises(HeadError) as caught:
        read([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
    assert caught.value.code == 505


@pytest.mark.parametrize("end", [b"", b"\r", b"\r\n", b"\n\n"])
def test_a_whole_head_ends_with_an_empty_line(end: bytes) -> None:
    with pytest.raises(HeadError) as caught:
        parse_head(b"GET / HTTP/1.0" + end)
    assert caught.value.code == 400


def padded(length: int) -> bytes:
    bare = len(with_line(b"A: "))
    return with_line(b"A: " + b"x" * (length - bare))


def test_a_head_of_just_the_limit() -> None:
    assert outcome([padded(MAX_HEAD_BYTES) + b"more"]) == outcome(each_byte(padded(MAX_HEAD_BYTES)))
    assert read([padded(MAX_HEAD_BYTES) + b"more"])[1].consumed == MAX_HEAD_BYTES


@pytest.mark.parametrize("head", [padded(MAX_HEAD_BYTES + 1), with_line(b"A: b\r\n" * 11_000)])
def test_a_head_over_the_limit(head: bytes) -> None:
    for pieces in ([head], each_byte(head), chunks(head, [16_000, 16_383, 17_000])):
        with pytest.raises(HeadError) as caught:
            read(pieces)
        assert caught.value.code == 431


def test_an_endless_head_is_refused_at_the_limit() -> None:
    reader = RequestHeadReader()
    line = b"\r\nA: " + b"x" * 1000
    reader.feed(b"GET / HTTP/1.1\r\nHost: h")
    while len(reader.received) + len(line) < MAX_HEAD_BYTES:
        assert reader.feed(line) is None
    with pytest.raises(HeadError) as caught:
        reader.feed(line)
    assert caught.value.code == 431


def test_the_limit_without_an_end() -> None:
    assert outcome([padded(MAX_HEAD_BYTES + 1)[: MAX_HEAD_BYTES - 1]]) == (None, 0)
    assert outcome([padded(MAX_HEAD_BYTES + 1)[:MAX_HEAD_BYTES]]) == (431, "request head too large")


@pytest.mark.parametrize("extra", [0, 1])
def test_request_line_limit(extra: int) -> None:
    length = MAX_REQUEST_LINE_BYTES - len(b"GET  HTTP/1.1\r\n") + extra
    head = b"GET /" + b"x" * (length - 1) + b" HTTP/1.1\r\nHost: h\r\n\r\n"
    result = outcome([head])
    assert outcome(each_byte(head)) == result
    assert isinstance(result, tuple)
    assert (result[0] == 414) == bool(extra)


def test_a_target_without_end() -> None:
    assert outcome([b"GET /" + b"x" * 70_000]) == (414, "request target too long")


@pytest.mark.parametrize("line", [b"A:" + b" " * 15_000 + b"x", b"A: x" + b"\t " * 7_500, b"," * 16_000])
def test_long_runs_do_not_backtrack(line: bytes) -> None:
    outcome([with_line(line)])


mutated = st.builds(
    lambda head, at, piece: head[:at] + piece + head[at:],
    st.sampled_from([HEAD, with_line(b"A: b"), b"GET / HTTP/1.0\r\n\r\n"]),
    st.integers(0, len(HEAD)),
    st.binary(max_size=4) | st.sampled_from([b"\r\n", b"\r\n\r\n", b":", b" ", b"\n"]),
)


@given(mutated | st.binary(max_size=200), st.data())
def test_chunking_makes_no_difference(stream: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10))
    result = outcome([stream])
    assert outcome(chunks(stream, cuts)) == result
    assert outcome(each_byte(stream)) == result
    assert isinstance(result, tuple)
    if result[0] is None or isinstance(result[0], RequestHead):
        assert result[1] <= len(stream)
    else:
        assert result[0] in {400, 414, 431, 505}


@given(st.binary(max_size=300))
def test_any_query_decodes(query: bytes) -> None:
    text = query.decode("latin-1")
    for name, value in RequestHead("GET", "", "", text, "1.1", {}).query_parameters().items():
        (name + value).encode()
