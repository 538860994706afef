"""The documentation pages, Swagger UI and Redoc, served without any other host."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import orjson
from aiohttp import hdrs, web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ASSET_PACKAGE: Final = "aiohttp_swagger3"
"""Found, never imported: only its files are wanted."""

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; child-src blob:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""Both pages set styles from scripts, and Redoc searches in a worker that it makes from a blob."""

_FOREIGN_IMAGE: Final = re.compile(rb'"https://[^"\s]+\.svg"')
_NO_IMAGE: Final = b'"data:image/gif;base64,R0lGODlhAQABAAAAACw="'
"""Redoc would fetch its logo from elsewhere."""

_DOCS: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><title>API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body><div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/assets/start.js"></script></body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null
});
"""
_REDOC: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"><title>API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
</head>
<body style="margin: 0"><redoc spec-url="/openapi.json"></redoc>
<script src="/docs/assets/redoc.standalone.js"></script></body>
</html>
"""


class DocumentationPages:
    """`document` makes the OpenAPI document; it is called when somebody first asks for it, in a thread, as it takes a
    tenth of a second. ModuleNotFoundError if the package with the assets is not installed."""

    def __init__(self, document: Callable[[], object]) -> None:
        spec = find_spec(ASSET_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"the documentation pages need the package {ASSET_PACKAGE}")
        folder = Path(spec.submodule_search_locations[0])
        self._swagger = folder / "swagger_ui"
        self._redoc = folder / "redoc_ui" / "redoc.standalone.js"
        self._make_document = document
        self._document = b""

    def bind(self, router: web.UrlDispatcher) -> None:
        for path, text, kind in (
            ("/docs", _DOCS, "text/html"),
            ("/redoc", _REDOC, "text/html"),
            ("/docs/assets/start.js", _START, "text/javascript"),
        ):
            router.add_get(path, _page(text, kind))
        for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
            router.add_get(f"/docs/assets/{name}", _file(self._swagger / name))
        router.add_get("/docs/assets/redoc.standalone.js", self._redoc_script)
        router.add_get("/openapi.json", self._openapi)

    async def _openapi(self, request: web.Request) -> web.Response:
        if not self._document:
            self._document = orjson.dumps(await asyncio.to_thread(self._make_document))
        return web.Response(body=self._document, content_type="application/json", charset="utf-8")

    async def _redoc_script(self, request: web.Request) -> web.Response:
        script = await asyncio.to_thread(self._redoc.read_bytes)
        return web.Response(
            body=_FOREIGN_IMAGE.sub(_NO_IMAGE, script),
            content_type="text/javascript",
            charset="utf-8",
            headers=_CACHED,
        )


_CACHED: Final = {hdrs.CACHE_CONTROL: "public, max-age=3600"}


def _page(text: str, kind: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return web.Response(text=text, content_type=kind, headers=headers)

    return handler


def _file(path: Path) -> Handler:
    async def handler(request: web.Request) -> web.FileResponse:
        return web.FileResponse(path, headers=_CACHED)

    return handler
