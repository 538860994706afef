"""A server that cannot start says in one sentence why and what to do."""

import ctypes
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, ServerProcess

pytestmark = pytest.mark.slow

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
"""What lets root write where nobody may: dropped, so that the tests mean the same for root."""


def run(*arguments: str, fds: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)
        if fds is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (fds, fds))

    clean = {name: value for name, value in os.environ.items() if not name.startswith("FEIGE_")}
    return subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=limit,
    )


def refuses(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1, result
    assert result.stderr.startswith("feige: "), result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refuses(run("serve", "--port", port, "--data-dir", str(tmp_path / "data")), port, "--port")


def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refuses(run("serve", "--data-dir", str(tmp_path / "file" / "data")), "--data-dir")


def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refuses(run("serve", "--data-dir", str(tmp_path)), "cannot be written", "--data-dir")
    tmp_path.chmod(0o700)


async def test_a_data_directory_in_use(tmp_path: Path) -> None:
    async with ServerProcess(tmp_path / "data") as server:
        assert server.process is not None
        result = run("serve", "--port", "0", "--tcp-port", "0", "--data-dir", str(tmp_path / "data"))
        refuses(result, "in use", str(server.process.pid))


def test_too_few_file_descriptors(tmp_path: Path) -> None:
    refuses(run("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), fds=100), "ulimit -n")


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"FEIGE_PROT": "8000"}, "FEIGE_PROT"),
        ({"FEIGE_PORT": "eighty"}, "FEIGE_PORT"),
        ({"FEIGE_PORT": "70000"}, "70000"),
        ({"FEIGE_SECRET_KEY": "short"}, "secret_key"),
        ({"FEIGE_GATEWAY_HEARTBEAT_S": "0"}, "heartbeat_s"),
        ({"FEIGE_ADMIN_PASSWORD": "x" * 73}, "72 bytes"),
    ],
)
def test_a_wrong_setting(tmp_path: Path, environment: dict[str, str], word: str) -> None:
    result = run("serve", "--data-dir", str(tmp_path / "data"), **environment)
    refuses(result, word)
    assert "short" not in result.stderr


def test_a_wrong_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "feige.toml"
    file.write_text("[gateway]\nheartbeat = 3\n")
    refuses(run("serve", "--config", str(file)), "heartbeat", "[gateway]")
    file.write_text("[gateway\n")
    refuses(run("serve", "--config", str(file)), "not TOML")
    refuses(run("serve", "--config", str(tmp_path / "missing.toml")), "cannot be read")


def test_a_database_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "feige.db").write_bytes(b"certainly not SQLite" * 100)
    refuses(run("serve", "--port", "0", "--data-dir", str(tmp_path)), "database")


def test_check_config_hides_secrets(tmp_path: Path) -> None:
    result = run("check-config", FEIGE_SECRET_KEY="k" * 40, FEIGE_GATEWAY_HEARTBEAT_S="20")
    assert result.returncode == 0
    assert "heartbeat_s = 20.0" in result.stdout
    assert "k" * 40 not in result.stdout


def test_administrators(tmp_path: Path) -> None:
    place = ("--data-dir", str(tmp_path / "data"))
    quick = {"FEIGE_PASSWORDS_ROUNDS": "4", "FEIGE_ADMIN_PASSWORD": "secret-1"}
    assert run("admin", "create", "root", *place, **quick).returncode == 0
    assert run("admin", "list", *place).stdout == "root\n"
    refuses(run("admin", "create", "root", *place, **quick), "taken")
    refuses(run("admin", "grant", "nobody", *place), "no such user")
    assert run("admin", "revoke", "root", *place).returncode == 0
    assert run("admin", "list", *place).stdout == ""
