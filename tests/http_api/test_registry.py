"""Routing, permission, validation and errors of any route, over a real socket."""

import asyncio
import gzip
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from yarl import URL

from storage.inprocess.limits import InProcessRateLimiter
from tests.http_api.conftest import Serve
from tests.http_api.edge_app import MAX_BODY_BYTES, edge_app

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(serve: Serve) -> Client:
    return await serve(edge_app(InProcessRateLimiter()))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "user"}, 401),
        ({"Authorization": "Basic dXNlcg=="}, 401),
        ({"Authorization": "Bearer "}, 401),
        (bearer("forged"), 401),
        (bearer("expired"), 401),
        (bearer("disabled"), 403),
        (bearer("user"), 200),
        ({"Authorization": "bearer user"}, 200),
    ],
)
async def test_authentication(client: Client, headers: dict[str, str], status: int) -> None:
    response = await client.get("/probe/mine", headers=headers)
    assert response.status == status
    assert (response.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)
    assert ("detail" in await response.json()) == (status != 200)


async def test_administrators_only(client: Client) -> None:
    assert (await client.get("/probe/admin", headers=bearer("user"))).status == 403
    assert (await client.get("/probe/admin", headers=bearer("admin"))).status == 200


async def test_a_token_is_asked_for_before_the_body_is_looked_at(client: Client) -> None:
    assert (await client.post("/probe/secret", data=b"{")).status == 401
    assert (await client.post("/probe/secret", data=b"{", headers=bearer("user"))).status == 422


@pytest.mark.parametrize(
    ("segment", "status"),
    [
        ("1", 200),
        (str(2**53 - 1), 200),
        ("0001", 200),
        ("0", 422),
        ("-1", 422),
        (str(2**53), 422),
        (str(2**64), 422),
        ("9" * 5000, 422),
        ("1.0", 422),
        ("+1", 422),
        ("1_0", 422),
        ("%20" + "1", 422),
        ("%EF%BC%91", 422),
        ("%D9%A1", 422),
        ("abc", 422),
        ("1%00", 422),
        ("%31", 200),
    ],
)
async def test_path_ids(client: Client, segment: str, status: int) -> None:
    url = URL(f"/probe/records/{segment}", encoded=True)
    response = await client.get(url, headers=bearer("user"))
    assert response.status == status
    if status == 422:
        (fault,) = (await response.json())["detail"]
        assert fault["loc"] == ["path", "record_id"]
        assert fault.keys() == {"loc", "msg", "type"}


async def test_a_uuid_and_an_id_may_share_a_path(client: Client) -> None:
    uuid = "1b671a64-40d5-491e-99b0-da01ff1f3341"
    by_uuid = await (await client.get(f"/probe/records/{uuid.upper()}", headers=bearer("user"))).json()
    by_id = await (await client.get("/probe/records/7", headers=bearer("user"))).json()
    assert (by_uuid["names"], by_uuid["ids"]) == ({"record_id": uuid}, {})
    assert (by_id["names"], by_id["ids"]) == ({}, {"record_id": 7})


async def test_names_are_decoded_once(client: Client) -> None:
    url = URL("/probe/names/%E9%A3%9E%2520", encoded=True)
    assert (await (await client.get(url, headers=bearer("user"))).json())["names"] == {"name": "飞%20"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"limit": 10, "ids": []}),
        ("limit=5&unknown=1", {"limit": 5, "ids": []}),
        ("limit=5&limit=6", {"limit": 6, "ids": []}),
        ("ids=3&ids=1", {"limit": 10, "ids": [3, 1]}),
    ],
)
async def test_queries(client: Client, query: str, expected: Any) -> None:
    response = await client.get(f"/probe/open?{query}")
    assert (await response.json())["query"] == expected


@pytest.mark.parametrize(
    "query",
    ["limit=-1", "limit=0", "limit=51", "limit=", "limit=%EF%BC%95", "limit=1e1", "ids=1&ids=x", "ids=0"],
)
async def test_refused_queries(client: Client, query: str) -> None:
    response = await client.get(URL(f"/probe/open?{query}", encoded=True))
    assert response.status == 422
    assert (await response.json())["detail"][0]["loc"][0] == "query"


@pytest.mark.parametrize(
    ("payload", "loc", "kind"),
    [
        (b"", ["body"], "missing"),
        (b"{", ["body"], "json_invalid"),
        (b"\xff", ["body"], "json_invalid"),
        (b'{"number": NaN}', ["body"], "json_invalid"),
        (b'{"number": 1, "text": "\\ud800"}', ["body"], "json_invalid"),
        (b'{"x":' * 600 + b"1" + b"}" * 600, ["body", "number"], "missing"),
        (b"[" * MAX_BODY_BYTES, ["body"], "json_invalid"),
        (b"[]", ["body"], "dict_type"),
        (b'"text"', ["body"], "dict_type"),
        (b"null", ["body"], "dict_type"),
        (b"{}", ["body", "number"], "missing"),
        (b'{"number": 18446744073709551616}', ["body", "number"], "int_type"),
        (b'{"number": 9007199254740992}', ["body", "number"], "less_than_equal"),
        (b'{"number": 1.0}', ["body", "number"], "int_type"),
        (b'{"number": true}', ["body", "number"], "int_type"),
        (b'{"number": "1"}', ["body", "number"], "int_type"),
        ('{"number": "１"}'.encode(), ["body", "number"], "int_type"),
        (b'{"number": 1, "text": "secret"}', ["body", "text"], "string_too_long"),
        (b'{"number": 1, "text": 5}', ["body", "text"], "string_type"),
        (b'{"number": 1, "many": [1, 0]}', ["body", "many", 1], "greater_than_equal"),
    ],
)
async def test_refused_bodies(client: Client, payload: bytes, loc: list[Any], kind: str) -> None:
    response = await client.post("/probe/body", data=payload, headers={"Content-Type": "application/json"})
    assert response.status == 422
    (fault,) = (await response.json())["detail"]
    assert (fault["loc"], fault["type"]) == (loc, kind)
    assert fault.keys() == {"loc", "msg", "type"}
    assert "secret" not in fault["msg"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/json; charset=utf-8"])
async def test_json_under_any_content_type(client: Client, content_type: str) -> None:
    payload = b'{"number": 7, "number": 8, "is_admin": true}'
    response = await client.post("/probe/body", data=payload, headers={"Content-Type": content_type})
    assert (await response.json())["body"] == {"number": 8, "text": "none", "many": []}


async def test_an_optional_body(client: Client) -> None:
    assert (await (await client.post("/probe/optional")).json())["body"] is None
    assert (await client.post("/probe/optional", data=b"{")).status == 422


@pytest.mark.parametrize(
    ("payload", "content_type", "status"),
    [
        (b"username=a&password=b", "application/x-www-form-urlencoded", 200),
        (b"username=a&password=b", "application/x-www-form-urlencoded; charset=utf-8", 200),
        (b"username=%E9%A3%9E&password=a+b%2B", "application/x-www-form-urlencoded", 200),
        ("username=飞&password=b".encode(), "application/x-www-form-urlencoded", 200),
        (b"username=a", "application/x-www-form-urlencoded", 422),
        (b"", "application/x-www-form-urlencoded", 422),
        (b"username=%FF&password=b", "application/x-www-form-urlencoded", 422),
        (b"username=\xff&password=b", "application/x-www-form-urlencoded", 422),
        (b"a&" * 200, "application/x-www-form-urlencoded", 422),
        (b'{"username": "a", "password": "b"}', "application/json", 422),
    ],
)
async def test_forms(client: Client, payload: bytes, content_type: str, status: int) -> None:
    response = await client.post("/probe/form", data=payload, headers={"Content-Type": content_type})
    assert response.status == status
    if status == 422:
        assert all(fault["loc"][0] == "body" for fault in (await response.json())["detail"])


async def test_form_fields_are_decoded(client: Client) -> None:
    response = await client.post("/probe/form", data={"username": "飞鸽", "password": "a b+&="})
    assert (await response.json())["body"] == {"username": "飞鸽", "password": "a b+&="}


@pytest.mark.parametrize(("size", "status"), [(MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)])
async def test_body_size(client: Client, size: int, status: int) -> None:
    payload = b'{"number": 1}'.ljust(size)
    response = await client.post("/probe/body", data=payload)
    assert response.status == status
    assert ("detail" in await response.json()) == (status == 413)


async def test_a_body_without_a_length_is_limited_too(client: Client) -> None:
    async def chunks() -> Any:
        for _ in range(3):
            yield b" " * MAX_BODY_BYTES

    assert (await client.post("/probe/body", data=chunks())).status == 413


async def test_a_compressed_body_is_limited_by_what_it_holds(client: Client) -> None:
    bomb = gzip.compress(b'{"number": 1}'.ljust(2_000_000))
    assert len(bomb) < MAX_BODY_BYTES
    headers = {"Content-Encoding": "gzip"}
    assert (await client.post("/probe/body", data=bomb, headers=headers)).status == 413
    small = gzip.compress(b'{"number": 1}')
    assert (await client.post("/probe/body", data=small, headers=headers)).status == 200


async def test_a_body_that_does_not_come(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter(), body_timeout_s=0.05))
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"POST /probe/body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("kind", "status"),
    [("taken", 400), ("value", 400), ("missing", 404), ("limited", 429), ("unavailable", 503)],
)
async def test_refusals(client: Client, kind: str, status: int) -> None:
    response = await client.get(f"/probe/fail/{kind}")
    assert response.status == status
    assert (await response.json()).keys() == {"detail"}
    assert response.headers.get("Retry-After") == ("2" if kind == "limited" else None)


async def test_a_route_may_differ_from_its_dialects_table(client: Client) -> None:
    assert (await client.get("/probe/other/taken")).status == 409
    assert (await client.get("/probe/other/missing")).status == 404


async def test_no_content(client: Client) -> None:
    response = await client.delete("/probe/nothing")
    assert (response.status, await response.read()) == (204, b"")


async def test_head_is_get_without_a_body(client: Client) -> None:
    response = await client.head("/probe/open")
    assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize("path", ["/nowhere", "/probe/open/", "/probe", "/probe/records/", "/..%2f..%2fetc/passwd"])
async def test_unknown_paths(client: Client, path: str) -> None:
    response = await client.get(URL(path, encoded=True))
    assert (response.status, await response.json()) == (404, {"detail": "Not Found"})


async def test_wrong_methods_name_the_right_ones(client: Client) -> None:
    response = await client.put("/probe/open")
    assert (response.status, await response.json()) == (405, {"detail": "Method Not Allowed"})
    assert response.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize(
    ("path", "token", "expectation", "lines"),
    [
        ("body", "", "100-continue", ["100 Continue", "200 OK"]),
        ("secret", "Authorization: Bearer user\r\n", "100-CONTINUE", ["100 Continue", "200 OK"]),
        ("secret", "", "100-continue", ["401 Unauthorized"]),
        ("body", "", "tea", ["417 Expectation Failed"]),
    ],
)
async def test_a_body_is_asked_for_once_it_is_wanted(
    client: Client, path: str, token: str, expectation: str, lines: list[str]
) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        f"POST /probe/{path} HTTP/1.1\r\nHost: x\r\n{token}Expect: {expectation}\r\nContent-Length: 12\r\n\r\n".encode()
    )
    for line in lines:
        assert await reader.readline() == f"HTTP/1.1 {line}\r\n".encode()
        if line.startswith("100"):
            assert await reader.readline() == b"\r\n"
            writer.write(b'{"number":1}')
    while (await reader.readline()).strip():
        pass
    assert (await reader.read(10)).startswith(b'{"')
    writer.close()


async def test_a_change_is_answered_when_every_process_knows_of_it(serve: Serve) -> None:
    known = 0

    async def settled() -> None:
        nonlocal known
        known += 1

    client = await serve(edge_app(InProcessRateLimiter(), settled=settled))
    await client.delete("/probe/nothing")
    await client.post("/probe/secret")  # refused, but even then something may have changed
    assert known == 2
    await client.get("/probe/fail/taken")
    assert known == 2
