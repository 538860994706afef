"""The opening handshake as clients, browsers among them, send it, and as they must not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.uri import parse_uri

from protocol.framing.errors import HandshakeError, HeadError, RequestError
from protocol.framing.handshake import accept, bearer_token, refusal
from protocol.framing.http_head import RequestHead, RequestHeadReader, parse_head

from .wire import each_byte

NATIVE = ["feige.bin.v1", "feige.json.v1"]
RFC_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
RFC_ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
FIELDS = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": RFC_KEY,
    "Sec-WebSocket-Version": "13",
}
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2ln-_"

BROWSER = (
    "GET /ws/7?v=2 HTTP/1.1\r\n"
    "Host: chat.example.com:8000\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: */*\r\n"
    "Accept-Language: zh-CN,zh;q=0.8,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Origin: http://chat.example.com:8000\r\n"
    f"Sec-WebSocket-Protocol: bearer, {TOKEN}\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    f"Sec-WebSocket-Key: {RFC_KEY}\r\n"
    "Connection: keep-alive, Upgrade\r\n"
    "Sec-Fetch-Mode: websocket\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "Upgrade: websocket\r\n\r\n"
).encode()


def head_of(raw: bytes) -> RequestHead:
    reader = RequestHeadReader()
    heads = [head for piece in each_byte(raw) if (head := reader.feed(piece)) is not None]
    assert len(heads) == 1
    return heads[0]


def request(method: str = "GET", version: str = "1.1", **changes: str | None) -> RequestHead:
    fields = FIELDS | {name.replace("_", "-"): value for name, value in changes.items()}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return parse_head(f"{method} /gateway HTTP/{version}\r\n{''.join(lines)}\r\n".encode())


def offer(*protocols: str) -> RequestHead:
    return request(Sec_WebSocket_Protocol=", ".join(protocols))


def test_the_example_of_the_rfc() -> None:
    accepted = accept(request())
    assert accepted.subprotocol is None
    assert accepted.response == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + RFC_ACCEPT + b"\r\n\r\n"
    )


def test_a_browser_byte_by_byte() -> None:
    head = head_of(BROWSER)
    accepted = accept(head, subprotocols=NATIVE)
    assert accepted.subprotocol == "bearer"
    assert accepted.response.endswith(
        b"Sec-WebSocket-Accept: " + RFC_ACCEPT + b"\r\nSec-WebSocket-Protocol: bearer\r\n\r\n"
    )
    assert bearer_token(head) == TOKEN
    assert b"Sec-WebSocket-Extensions" not in accepted.response


def test_the_websockets_client_agrees() -> None:
    client = ClientProtocol(parse_uri("ws://example.com/gateway"), subprotocols=["x", "feige.json.v1"])
    client.send_request(client.connect())
    accepted = accept(head_of(b"".join(client.data_to_send())), subprotocols=NATIVE)
    client.receive_data(accepted.response)
    (response,) = client.events_received()
    assert isinstance(response, Response)
    assert isinstance(response.headers, Headers)
    assert client.handshake_exc is None
    assert client.subprotocol == accepted.subprotocol == "feige.json.v1"


def test_names_are_compared_without_case() -> None:
    head = request(Upgrade="h2c, WebSocket", Connection="keep-alive, UPGRADE")
    assert RFC_ACCEPT in accept(head).response


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "x",
        RFC_KEY[:-1],
        "dGhlIHNhbXBsZQ==",
        "A" * 24,
        "*" + RFC_KEY,
        RFC_KEY + "==",
        "*" * 22 + "==",
        "é" * 24,
    ],
)
def test_key_must_be_16_bytes_in_base64(key: str | None) -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(request(Sec_WebSocket_Key=key))
    assert caught.value.code == 400


def test_only_one_key() -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(request(Sec_WebSocket_Key=f"{RFC_KEY}\r\nSec-WebSocket-Key: {RFC_KEY}"))
    assert caught.value.code == 400


@pytest.mark.parametrize("version", [None, "8", "12", "13, 13", "013", ""])
def test_only_version_13(version: str | None) -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(request(Sec_WebSocket_Version=version))
    assert caught.value.code == 426
    assert ("Sec-WebSocket-Version", "13") in caught.value.headers


@pytest.mark.parametrize("method", ["POST", "HEAD", "get"])
def test_only_get(method: str) -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(request(method))
    assert (caught.value.code, caught.value.headers) == (405, (("Allow", "GET"),))


@pytest.mark.parametrize("upgrade", [None, "h2c", "websockets"])
def test_a_plain_request_is_told_to_upgrade(upgrade: str | None) -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(request(Upgrade=upgrade))
    assert caught.value.code == 426
    assert ("Upgrade", "websocket") in caught.value.headers


@pytest.mark.parametrize("connection", [None, "keep-alive", "close"])
def test_connection_must_ask_for_it(connection: str | None) -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(request(Connection=connection))
    assert caught.value.code == 400


def test_http_1_0_cannot_upgrade() -> None:
    with pytest.raises(HandshakeError) as caught:
        accept(request(version="1.0"))
    assert caught.value.code == 400


def test_64_kib_of_headers() -> None:
    raw = BROWSER[:-2] + b"X-Padding: x\r\n" * (64 * 1024 // 14) + b"\r\n"
    with pytest.raises(HeadError) as caught:
        RequestHeadReader().feed(raw)
    assert caught.value.code == 431


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["unknown"], None),
        (["feige.json.v1"], "feige.json.v1"),
        (["feige.json.v1", "feige.bin.v1"], "feige.bin.v1"),
        (["bearer", TOKEN], "bearer"),
        (["bearer"], "bearer"),
        (["bearer", TOKEN, "feige.json.v1"], "feige.json.v1"),
        (["feige.json.v1", "bearer", TOKEN], "feige.json.v1"),
        (["bearer", "feige.json.v1"], "bearer"),
        (["FEIGE.JSON.V1"], None),
    ],
)
def test_choice_of_subprotocol(offered: list[str], chosen: str | None) -> None:
    accepted = accept(offer(*offered), subprotocols=NATIVE)
    assert accepted.subprotocol == chosen
    assert TOKEN.encode() not in accepted.response
    assert (b"Sec-WebSocket-Protocol: %s\r\n" % (chosen or "").encode() in accepted.response) == bool(chosen)


def test_offers_over_several_lines() -> None:
    head = offer("feige.json.v1\r\nSec-WebSocket-Protocol: bearer", TOKEN)
    assert accept(head, subprotocols=NATIVE).subprotocol == "feige.json.v1"
    assert bearer_token(head) == TOKEN


@pytest.mark.parametrize(
    ("authorization", "protocols", "token"),
    [
        (None, None, None),
        ("Bearer abc", None, "abc"),
        ("bearer  abc ", None, "abc"),
        ("Basic abc", None, None),
        ("Bearer", None, None),
        ("Bearer ", f"bearer, {TOKEN}", TOKEN),
        ("Basic abc", f"bearer, {TOKEN}", TOKEN),
        ("Bearer abc", f"bearer, {TOKEN}", "abc"),
        (None, "bearer", None),
        (None, "feige.json.v1", None),
        (None, f"{TOKEN}, bearer", None),
    ],
)
def test_bearer_token(authorization: str | None, protocols: str | None, token: str | None) -> None:
    assert bearer_token(request(Authorization=authorization, Sec_WebSocket_Protocol=protocols)) == token


def test_refusal() -> None:
    raw = refusal(426, 'say "飞鸽"', [("Sec-WebSocket-Version", "13")])
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    assert status == "HTTP/1.1 426 Upgrade Required"
    assert set(lines) == {
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "Sec-WebSocket-Version: 13",
    }
    assert json.loads(body) == {"detail": 'say "飞鸽"'}


def test_every_error_can_be_refused() -> None:
    for error in (HeadError(431, "request head too large"), HandshakeError(405, "no", [("Allow", "GET")])):
        assert isinstance(error, RequestError)
        assert refusal(error.code, error.reason, error.headers).startswith(b"HTTP/1.1 %d " % error.code)


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\nb", "a\x00"])
def test_refusal_is_not_split(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        refusal(400, "x", [("A", value)])


@given(
    st.dictionaries(
        st.sampled_from([*map(str.lower, FIELDS), "sec-websocket-protocol", "authorization"]),
        st.lists(st.text(st.characters(max_codepoint=255)) | st.sampled_from([*FIELDS.values(), "bearer, x"])),
    ),
    st.sampled_from(["GET", "POST"]),
)
def test_any_head_is_accepted_or_refused(headers: dict[str, list[str]], method: str) -> None:
    head = RequestHead(method, "/", "/", "", "1.1", {name: values for name, values in headers.items() if values})
    token = bearer_token(head)
    assert token is None or token
    try:
        response = accept(head, subprotocols=NATIVE).response
    except HandshakeError as error:
        response = refusal(error.code, error.reason, error.headers)
    assert response[9:12] in {b"101", b"400", b"405", b"426"}
    assert response.count(b"\r\n\r\n") == 1
