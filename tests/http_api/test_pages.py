"""Probes and the documentation pages."""

import re

from storage.inprocess.limits import InProcessRateLimiter
from tests.http_api.conftest import Serve
from tests.http_api.edge_app import edge_app


async def test_alive_and_ready(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter()))
    alive, ready = await client.get("/healthz"), await client.get("/readyz")
    assert (alive.status, await alive.json()) == (200, {"status": "alive"})
    assert (ready.status, await ready.json()) == (200, {"status": "ready", "reasons": []})


async def test_unready_says_why_and_is_alive_all_the_same(serve: Serve) -> None:
    async def readiness() -> list[str]:
        return ["the database cannot be reached"]

    client = await serve(edge_app(InProcessRateLimiter(), readiness))
    ready = await client.get("/readyz")
    assert (ready.status, (await ready.json())["reasons"]) == (503, ["the database cannot be reached"])
    assert (await client.get("/healthz")).status == 200


async def test_metrics_are_in_the_text_format(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter()))
    response = await client.get("/metrics")
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")


async def test_pages_load_nothing_from_elsewhere(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter()))
    for page in ("/docs", "/redoc"):
        response = await client.get(page)
        text = await response.text()
        assert response.status == 200
        assert response.content_type == "text/html"
        assert "http" not in text
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "http" not in policy
        sources = re.findall(r'(?:src|href|spec-url)="([^"]+)"', text)
        assert sources
        for source in sources:
            assert (await client.get(source)).status == 200


async def test_redoc_has_lost_its_foreign_image(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter()))
    script = await (await client.get("/docs/assets/redoc.standalone.js")).text()
    assert len(script) > 100_000
    assert not re.search(r"https://[^\"\s]+\.(?:svg|png|woff2?|css)\"", script)


async def test_assets_are_cached_and_typed(serve: Serve) -> None:
    client = await serve(edge_app(InProcessRateLimiter()))
    for name, kind in (("swagger-ui-bundle.js", "javascript"), ("swagger-ui.css", "css")):
        response = await client.get(f"/docs/assets/{name}")
        assert response.content_type.endswith(f"/{kind}")
        assert response.headers["Cache-Control"] == "public, max-age=3600"
    assert (await client.get("/docs/assets/../../setup.cfg")).status == 404
