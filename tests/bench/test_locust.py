"""The locust file works against a real server: every class of users, and nothing fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, ServerProcess

WANTED = {
    "connect",
    "open",
    "send to ack",
    "send to message",
    "history",
    "resume",
    "/api/v1/users/",
    "/api/v1/conversations/group",
    "/api/v1/messages/{id}/recall",
}


@pytest.mark.slow
def test_every_class_of_users_runs_without_a_failure(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    server.launch()
    try:
        command = [sys.executable, "-m", "locust", "-f", str(ROOT / "bench/locustfile.py"), "--headless", "--json"]
        command += ["-u", "24", "-r", "12", "-t", "10s", "--host", server.url]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
        done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=50)
    finally:
        server.terminate()
    assert done.returncode == 0, done.stderr[-4000:]
    rows = json.loads(done.stdout)
    assert sum(row["num_requests"] for row in rows) > 200
    assert [row["name"] for row in rows if row["num_failures"]] == []
    assert {row["name"] for row in rows} >= WANTED
    assert "Traceback" not in server.errors + done.stderr
