"""The Autobahn conformance cases, run by `kosoku` in a process of its own, against the echo server.

All 301 take about 7 s, so there is no shorter selection: `pytest -m autobahn tests/protocol/framing`.
"""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from .echo_server import Echo

COMPRESSION = ["12.*", "13.*"]
"""Left out: permessage-deflate is never negotiated."""

CASES = 301
NON_STRICT = {
    "6.4.3": "a frame is unmasked and validated once it is whole, not with each TCP segment",
    "6.4.4": "as 6.4.3, cut elsewhere",
}
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
"""The suite passes no judgement on these: it only notes how the server behaved."""


@pytest.mark.autobahn
@pytest.mark.timeout(120)
async def test_autobahn(tmp_path: Path) -> None:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # In a process of its own, since it rewires the interpreter for cases that were written for Python 2.
    arguments = ["-c", "from kosoku._cli import main; main()", "-o", str(tmp_path), "-p", "8"]
    for cases in COMPRESSION:
        arguments += ["-x", cases]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, f"ws://127.0.0.1:{port}", cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        server.close()
        await server.wait_closed()

    index = json.loads((tmp_path / "index.json").read_text())
    ((_, results),) = index.items()
    assert len(results) == CASES
    verdicts: dict[str, set[str]] = {}
    for case, result in results.items():
        for verdict in (result["behavior"], result["behaviorClose"]):
            if verdict != "OK":
                verdicts.setdefault(verdict, set()).add(case)
    assert verdicts == {"NON-STRICT": set(NON_STRICT), "INFORMATIONAL": INFORMATIONAL}
