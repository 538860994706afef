"""The OpenAPI document against a running server, and the pages that show it in a browser without a network."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from tests.e2e.server import Person, ServerProcess

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LEFT_OUT = "logout|simulate-attack|rate-limit-test|password"
"""These end the login that the other requests need, or are refused when they are asked often."""


async def run(*command: str, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_the_server_does_what_the_document_says(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "data") as server:
        alice = await Person.register(server, "alice")
        bob = await Person.register(server, "bob")
        await alice.group(bob)
        conversation = await alice.single(bob)
        body = {"conversation_id": conversation, "content": "Hello, world!"}
        await alice.request("POST", "/api/v1/messages/text", json=body)
        code, output = await run(
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"),
            *("-H", f"Authorization: Bearer {alice.token}", "--checks", CHECKS, "--exclude-path-regex", LEFT_OUT),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--generation-database", "none"),
            *("--suppress-health-check", "all", "--continue-on-failure"),
            folder=tmp_path,
        )
        assert code == 0, output
        assert "Traceback" not in server.errors


@pytest.mark.slow
@pytest.mark.parametrize(("page", "shown"), [("/docs", "opblock-summary"), ("/redoc", "menu-content")])
async def test_a_browser_shows_the_pages_without_a_network(
    server: ServerProcess, tmp_path: Path, page: str, shown: str
) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    assert browser is not None, "chromium is not installed: apt-get install chromium"
    code, output = await run(
        *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,1600"),
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        *("--virtual-time-budget=20000", f"--screenshot={tmp_path / 'page.png'}", "--dump-dom"),
        f"{server.url}{page}",
        folder=tmp_path,
    )
    assert code == 0, output[-2000:]
    assert shown in output
    assert "4.4 搜索消息" in output
