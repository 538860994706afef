"""Where settings come from, and which are refused."""

import tomllib
from pathlib import Path

import pytest

from app.config import config_lines, load
from app.data_dir import DataDir
from app.errors import SetupError


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "feige.toml"
    file.write_text('[server]\nport = 1\nhost = "file"\ntcp_port = 7\n[gateway]\nheartbeat_s = 20\n')
    config = load(file, {"FEIGE_PORT": "2", "FEIGE_TCP_PORT": "8"}, {("server", "port"): 3})
    assert (config.server.host, config.server.tcp_port, config.server.port) == ("file", 8, 3)
    assert config.gateway.heartbeat_s == 20


@pytest.mark.parametrize(
    ("name", "text", "section", "key", "value"),
    [
        ("FEIGE_GATEWAY_ONE_SESSION_PER_DEVICE", "true", "gateway", "one_session_per_device", True),
        ("FEIGE_GATEWAY_HEARTBEAT_S", "1.5", "gateway", "heartbeat_s", 1.5),
        ("FEIGE_HTTP_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "http", "trusted_proxies", ("10.0.0.0/8", "::1")),
        ("FEIGE_LOG_FORMAT", "json", "log", "format", "json"),
        ("FEIGE_FILES_ALLOWED_TYPES", "image/*, text/plain", "files", "allowed_types", ("image/*", "text/plain")),
        ("FEIGE_FILES_QUOTA_BYTES", "0", "files", "quota_bytes", 0),
        ("FEIGE_REQUIRE_FRIENDSHIP", "1", "messages", "require_friendship", True),
        ("FEIGE_MESSAGES_REQUIRE_FRIENDSHIP", "1", "messages", "require_friendship", True),
    ],
)
def test_the_environment(name: str, text: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(load(None, {name: text, "HOME": "/"}, {}), section), key) == value


@pytest.mark.parametrize(
    "environment",
    [
        {"FEIGE_NONSENSE": "1"},
        {"FEIGE_GATEWAY_NONSENSE": "1"},
        {"FEIGE_PORT": "-2"},
        {"FEIGE_PORT": "8001"},
        {"FEIGE_PASSWORDS_ROUNDS": "3"},
        {"FEIGE_GATEWAY_MAX_FRAME_BYTES": "10"},
        {"FEIGE_LOG_LEVEL": "loud"},
        {"FEIGE_FILES_MAX_FILE_BYTES": "0"},
        {"FEIGE_FILES_ORPHAN_GRACE_S": "1"},
        {"FEIGE_BLOBS_STORE": "tape"},
        {"FEIGE_WORKERS": "0"},
        {"FEIGE_METRICS_PORT": "8001"},
        {"FEIGE_NODE": "no spaces"},
        {"FEIGE_ROLE": "proxy"},
        {"FEIGE_GATEWAY_DRAIN_S": "20"},
        {"FEIGE_DATABASE_URL": "postgres://host/name"},
        {"FEIGE_REDIS_URL": "memcached://host"},
    ],
)
def test_what_is_refused_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(SetupError) as refused:
        load(None, environment, {})
    (name,) = environment
    assert name in str(refused.value) or name.removeprefix("FEIGE_").split("_")[-1].lower() in str(refused.value)


def test_what_mail_and_push_need() -> None:
    for variable, value, key in (
        ("FEIGE_SMTP_HOST", "mail.example.com", "smtp.sender"),
        ("FEIGE_PUSH_WEBHOOK_URL", "https://push.example.com", "push.webhook_secret"),
    ):
        with pytest.raises(SetupError, match=key):
            load(None, {variable: value}, {})
    config = load(None, {"FEIGE_SMTP_HOST": "mail.example.com", "FEIGE_SMTP_SENDER": "feige@example.com"}, {})
    assert (config.smtp.port, config.smtp.tls) == (587, "starttls")


def test_an_object_store_needs_all_of_its_settings() -> None:
    settings = {"endpoint": "https://s3.example", "bucket": "b", "access_key": "k", "secret_key": "s"}
    environment = {"FEIGE_BLOBS_STORE": "s3"} | {f"FEIGE_BLOBS_{key.upper()}": text for key, text in settings.items()}
    assert load(None, environment, {}).blobs.bucket == "b"
    for key in settings:
        with pytest.raises(SetupError, match=key):
            load(None, environment | {f"FEIGE_BLOBS_{key.upper()}": ""}, {})
    with pytest.raises(SetupError, match="endpoint"):
        load(None, environment | {"FEIGE_BLOBS_ENDPOINT": "s3.example"}, {})


SHARED = {"FEIGE_DATABASE_URL": "mysql://u:p@h/d", "FEIGE_REDIS_URL": "redis://h"}


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"FEIGE_WORKERS": "2"}, "--redis"),
        ({"FEIGE_ROLE": "http"}, "--redis"),
        ({"FEIGE_WORKERS": "2", "FEIGE_REDIS_URL": "redis://h"}, "--database"),
        (SHARED | {"FEIGE_ROLE": "gateway"}, "FEIGE_SECRET_KEY"),
    ],
)
def test_several_processes_need_what_they_share(environment: dict[str, str], word: str) -> None:
    with pytest.raises(SetupError, match=word):
        load(None, environment, {})


def test_several_processes_that_have_it() -> None:
    assert load(None, SHARED | {"FEIGE_WORKERS": "4"}, {}).server.workers == 4
    assert load(None, SHARED | {"FEIGE_ROLE": "http", "FEIGE_SECRET_KEY": "k" * 32}, {}).server.role == "http"


def test_the_effective_settings_are_toml_without_secrets() -> None:
    secrets = {"FEIGE_SECRET_KEY": "k" * 40, "FEIGE_ADMIN_PASSWORD": "pass-1"}
    urls = {"FEIGE_DATABASE_URL": "mysql://me:pass-2@host:3307/name", "FEIGE_REDIS_URL": "redis://:pass-3@host/1"}
    config = load(None, secrets | urls | {"FEIGE_HTTP_TRUSTED_PROXIES": "::1,10.0.0.0/8"}, {})
    text = "\n".join(config_lines(config))
    assert "pass-" not in text
    assert "k" * 40 not in text
    shown = tomllib.loads(text)
    assert shown["database"]["url"] == "mysql://me:***@host:3307/name"
    assert shown["http"]["trusted_proxies"] == ["::1", "10.0.0.0/8"]


def test_the_secret_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first = DataDir(str(tmp_path / "data"))
    key = first.secret_key()
    assert len(key) == 64
    assert DataDir(str(tmp_path / "data")).secret_key() == key
    assert (first.path / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in first.path.iterdir()] == ["secret.key"]
    (first.path / "secret.key").write_text("short")
    with pytest.raises(SetupError, match="damaged"):
        first.secret_key()


def test_a_data_directory_has_one_server(tmp_path: Path) -> None:
    first, second = DataDir(str(tmp_path)), DataDir(str(tmp_path))
    first.lock()
    with pytest.raises(SetupError, match="in use"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


@pytest.mark.parametrize("name", ["lock", "secret.key"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    data_dir = DataDir(str(tmp_path))
    with pytest.raises(SetupError, match=name):
        data_dir.lock() if name == "lock" else data_dir.secret_key()
