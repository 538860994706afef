"""What every request passes: ids, limits, addresses, CORS, headers, the log and the last resort."""

import re
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient

from domain.errors import Unavailable
from storage.inprocess.limits import InProcessRateLimiter
from tests.http_api.conftest import Serve
from tests.http_api.edge_app import edge_app

Client = TestClient[web.Request, web.Application]
USER = {"Authorization": "Bearer user"}
ADMIN = {"Authorization": "Bearer admin"}


@pytest.fixture
async def client(serve: Serve) -> Client:
    return await serve(edge_app(InProcessRateLimiter()))


async def test_a_sane_request_id_is_kept(client: Client) -> None:
    response = await client.get("/probe/open", headers={"X-Request-ID": "trace-42.a_b"})
    assert response.headers["X-Request-ID"] == "trace-42.a_b"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, "<script>", "飞", "a\tb"])
async def test_other_request_ids_are_replaced(client: Client, sent: str) -> None:
    response = await client.get("/probe/open", headers={"X-Request-ID": sent})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])


@pytest.mark.parametrize("path", ["/probe/open", "/nowhere", "/probe/fail/bug", "/healthz", "/probe/mine"])
async def test_security_headers_are_on_every_response(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Cache-Control"] == "no-store"
    assert "Server" not in headers


async def test_a_bug_shows_nothing_of_itself(client: Client) -> None:
    with structlog.testing.capture_logs() as logs:
        response = await client.get("/probe/fail/bug")
        text = await response.text()
    assert (response.status, text) == (500, '{"detail":"Internal Server Error"}')
    assert any(entry["log_level"] == "error" and entry["exc_info"] for entry in logs)


async def test_the_access_log_names_the_request_and_no_secrets(client: Client) -> None:
    with structlog.testing.capture_logs() as logs:
        await client.get("/probe/mine?token=s3cret", headers=USER)
    (entry,) = [entry for entry in logs if entry["event"] == "request"]
    assert entry.pop("ms") >= 0
    assert entry == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "path": "/probe/mine",
        "status": 200,
        "address": "127.0.0.1",
        "user_id": 1,
    }


async def test_requests_of_an_address_are_limited(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter(), requests_per_address=2, requests_window_s=7.5))
    assert [(await client.get(path)).status for path in ("/probe/open", "/nowhere")] == [200, 404]
    response = await client.get("/probe/open")
    assert response.status == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 8
    assert (await response.json()).keys() == {"detail"}
    assert [(await client.get(path)).status for path in ("/healthz", "/readyz", "/metrics")] == [200] * 3


async def test_requests_of_a_user_are_limited(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter(), requests_per_user=1))
    statuses = [(await client.get("/probe/mine", headers=headers)).status for headers in (USER, USER, ADMIN)]
    assert statuses == [200, 429, 200]
    assert (await client.get("/probe/open")).status == 200


async def test_zero_is_no_limit(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter(), requests_per_user=0, requests_per_address=0))
    assert {(await client.get("/probe/mine", headers=USER)).status for _ in range(20)} == {200}


class Unreachable:
    """A limiter whose server is away."""

    async def hit(self, key: str, limit: int, window_s: float, cost: int = 1) -> float:
        raise Unavailable

    async def refund(self, key: str, limit: int, window_s: float) -> None:
        raise Unavailable


async def test_an_unreachable_limiter_stops_nobody(serve: Serve) -> None:
    client = await serve(edge_app(Unreachable()))
    assert (await client.get("/probe/mine", headers=USER)).status == 200


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ((), ["1.2.3.4"], "127.0.0.1"),
        (("10.0.0.0/8",), ["1.2.3.4"], "127.0.0.1"),
        (("127.0.0.0/8",), [], "127.0.0.1"),
        (("127.0.0.0/8",), ["1.2.3.4"], "1.2.3.4"),
        (("127.0.0.0/8",), ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        (("127.0.0.0/8",), ["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        (("127.0.0.0/8", "10.0.0.0/8"), ["6.6.6.6, 1.2.3.4, 10.1.1.1"], "1.2.3.4"),
        (("127.0.0.0/8", "10.0.0.0/8"), ["10.1.1.1"], "10.1.1.1"),
        (("127.0.0.0/8",), ["1.2.3.4, garbage"], "127.0.0.1"),
        (("127.0.0.0/8",), [""], "127.0.0.1"),
        (("127.0.0.0/8",), ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
        (("127.0.0.0/8",), ["::ffff:1.2.3.4"], "1.2.3.4"),
    ],
)
async def test_forwarded_addresses(serve: Serve, trusted: tuple[str, ...], forwarded: list[str], address: str) -> None:
    client = await serve(edge_app(InProcessRateLimiter(), trusted_proxies=trusted))
    headers = [("X-Forwarded-For", value) for value in forwarded]
    response = await client.get("/probe/open", headers=headers)
    assert (await response.json())["address"] == address


def test_a_trusted_proxy_must_be_a_network() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        edge_app(InProcessRateLimiter(), trusted_proxies=("nonsense",))


ORIGIN = "https://chat.example"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [((), None), (("https://other.example",), None), ((ORIGIN,), ORIGIN), (("*",), "*")],
)
async def test_cors(serve: Serve, origins: tuple[str, ...], allowed: str | None) -> None:
    client = await serve(edge_app(InProcessRateLimiter(), cors_origins=origins))
    preflight = await client.options("/probe/mine", headers=PREFLIGHT)
    plain = await client.get("/probe/mine", headers=USER | {"Origin": ORIGIN})
    refused = await client.get("/probe/mine", headers={"Origin": ORIGIN})
    assert (preflight.status, plain.status, refused.status) == (204, 200, 401)
    for response in (preflight, plain, refused):
        assert response.headers.get("Access-Control-Allow-Origin") == allowed
        assert "Access-Control-Allow-Credentials" not in response.headers
    assert ("PUT" in preflight.headers.get("Access-Control-Allow-Methods", "")) == (allowed is not None)


async def test_options_without_an_origin_is_a_wrong_method(client: Client) -> None:
    assert (await client.options("/probe/open")).status == 405


async def test_metrics_count_by_route_not_by_path(client: Client) -> None:
    for record_id in (1, 2):
        await client.get(f"/probe/records/{record_id}", headers=USER)
    await client.get("/nowhere")
    await client.request("PROPFIND", "/probe/open")
    text = await (await client.get("/metrics")).text()
    series: dict[str, Any] = dict(re.findall(r"feige_http_request_seconds_count\{(.*)\} (\S+)", text))
    assert series['method="GET",route="/probe/records/{record_id}",status="200"'] == "2.0"
    assert series['method="GET",route="unknown",status="404"'] == "1.0"
    assert series['method="other",route="unknown",status="405"'] == "1.0"
