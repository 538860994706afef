"""Forms with files: whole, byte by byte, with anything around them, and what is refused."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.framing.multipart import MAX_HEAD_BYTES, MAX_PARTS, FormError, FormReader, Part, boundary_of

BODY = (
    b"preamble\r\n--cut\r\n"
    b'Content-Disposition: form-data; name="text"\r\n\r\n'
    b"one\r\n--cu\r\n"
    b"--cut \t\r\n"
    b"Content-Type: image/png\r\n"
    b'content-disposition: form-data; name="file"; filename="\xe9\xa3\x9e \\"a\\".png"\r\n\r\n'
    b"\r\n--cu\x00\xff--\r\n\r\n"
    b'\r\n--cut\r\nContent-Disposition: form-data; name="empty"\r\n\r\n'
    b"\r\n--cut--\r\nepilogue --cut"
)
FORM = [
    (Part("text"), b"one\r\n--cu"),
    (Part("file", '飞 "a".png'), b"\r\n--cu\x00\xff--\r\n\r\n"),
    (Part("empty"), b""),
]


def read(pieces: Iterable[bytes], boundary: str = "cut") -> list[tuple[Part, bytes]]:
    reader = FormReader(boundary)
    parts: list[tuple[Part, bytes]] = []
    for piece in pieces:
        for item in reader.feed(piece):
            if isinstance(item, Part):
                parts.append((item, b""))
            else:
                parts[-1] = (parts[-1][0], parts[-1][1] + item)
    assert reader.is_complete
    return parts


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(BODY)])
def test_in_pieces(size: int) -> None:
    assert read(BODY[start : start + size] for start in range(0, len(BODY), size)) == FORM


def test_nothing_is_read_behind_the_end() -> None:
    reader = FormReader("cut")
    reader.feed(BODY)
    assert reader.feed(BODY) == []


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_any_content_comes_back(contents: list[bytes], size: int) -> None:
    contents = [content.replace(b"--b0undary", b"") for content in contents]
    head = b'--b0undary\r\nContent-Disposition: form-data; name=x; filename="f"\r\n\r\n'
    body = b"".join(head + content + b"\r\n" for content in contents) + b"--b0undary--"
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    assert [content for _, content in read(pieces, "b0undary")] == contents


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_are_a_form_or_an_error(data: bytes, size: int) -> None:
    reader = FormReader("x")
    try:
        for start in range(0, len(data), size):
            reader.feed(b"--x\r\n" + data[start : start + size])
    except FormError:
        pass


@pytest.mark.parametrize(
    ("disposition", "part"),
    [
        ("form-data; name=a", Part("a")),
        ('form-data; name="a"; filename=""', Part("a", "")),
        ('form-data; filename="x"; name="a"', Part("a", "x")),
        ('FORM-DATA; Name="a"; FileName="x;y=z"', Part("a", "x;y=z")),
        ('form-data; name="a"; filename="C:\\dir\\f.txt"', Part("a", "C:\\dir\\f.txt")),
        ('form-data; name="a"; filename="x"; filename*=UTF-8\'\'%E9%A3%9E%20%22.txt', Part("a", '飞 ".txt')),
        ('form-data; name="a"; filename="%22.txt"', Part("a", '".txt')),
        ('form-data; name="a"; filename="100%.txt"', Part("a", "100%.txt")),
        ('form-data; name="a"; filename="%ff.txt"', Part("a", "%ff.txt")),
    ],
)
def test_names(disposition: str, part: Part) -> None:
    body = f"--cut\r\nContent-Disposition: {disposition}\r\n\r\nx\r\n--cut--".encode()
    assert read([body]) == [(part, b"x")]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"--cutter\r\n", "followed by something else"),
        (b"--cut" + b" " * 100 + b"\r\n", "followed by something else"),
        (b"--cut\r\n\r\nx", "no Content-Disposition"),
        (b"--cut\r\nContent-Type: a/b\r\n\r\nx", "no Content-Disposition"),
        (b"--cut\r\nContent-Disposition: form-data\r\n\r\nx", "no name"),
        (b'--cut\r\nContent-Disposition: attachment; name="a"\r\n\r\nx', "no name"),
        (b"--cut\r\nX: " + b"x" * MAX_HEAD_BYTES, "too long"),
        (b'--cut\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * (MAX_PARTS + 1), "too many"),
    ],
)
def test_what_is_no_form(body: bytes, text: str) -> None:
    with pytest.raises(FormError, match=text):
        FormReader("cut").feed(body)


def test_a_form_that_ends_too_early_is_not_complete() -> None:
    for length in range(len(BODY) - len("--\r\nepilogue --cut")):
        reader = FormReader("cut")
        reader.feed(BODY[:length])
        assert not reader.is_complete


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('Multipart/Form-Data; charset=utf-8; boundary="a b:c"', "a b:c"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        (f"multipart/form-data; boundary={'x' * 71}", None),
        ("multipart/form-data; boundary=\xe9", None),
        ("multipart/mixed; boundary=abc", None),
        ("application/json", None),
        ("", None),
    ],
)
def test_boundaries(content_type: str, boundary: str | None) -> None:
    assert boundary_of(content_type) == boundary
