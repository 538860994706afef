"""The Postman collection of all endpoints, as the server describes itself."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry

from app.clock import SystemClock
from app.config import Config
from app.data_dir import DataDir
from app.edges import web_app
from app.file_service import FileService
from app.stores import shared_within_process
from app.tasks import Tasks
from app.use_cases import UseCases
from gateway.stats import GatewayStats
from http_api.loopback import Loopback
from http_api.postman import postman_collection
from storage import open_sqlite


async def collection() -> dict[str, Any]:
    """Asks the web application for its OpenAPI document; it listens nowhere, and its stores are not opened."""
    with TemporaryDirectory() as folder:
        config, data_dir, clock, shared = Config(), DataDir(folder), SystemClock(), shared_within_process()
        stores = open_sqlite(Path(folder) / "feige.db")
        use_cases = UseCases(
            config=config,
            secret_key=bytes(32),
            stores=stores,
            shared=shared,
            files=FileService(config, data_dir, stores.files, clock).files,
            clock=clock,
            spawn=Tasks().spawn,
        )
        loopback = Loopback()
        app = web_app(
            config=config,
            use_cases=use_cases,
            shared=shared,
            stats=GatewayStats(),
            clock=clock,
            loopback=loopback,
            readiness=_not_serving,
            metrics=CollectorRegistry(),
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            assert runner.server is not None
            loopback.attach(runner.server)
            answer = await loopback.ask("GET", "/openapi.json", {})
        finally:
            await runner.cleanup()
            use_cases.passwords.close()
    return postman_collection(orjson.loads(answer.body))


async def _not_serving() -> list[str]:
    return ["this describes the server and serves nobody"]
