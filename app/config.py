"""The configuration: defaults < TOML file < environment (`FEIGE_…`) < command line. Unknown keys are refused.

Every subsystem has a section, a frozen record with units in its names. In the file a section is a table:

    [gateway]
    heartbeat_s = 20

In the environment it is `FEIGE_GATEWAY_HEARTBEAT_S=20`; the keys of section `server` have no section in their name:
`FEIGE_PORT=8000`.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from app.errors import SetupError
from domain.accounts import AccountLimits
from domain.calls import CallLimits
from domain.files import FileLimits
from domain.login_codes import CodeLimits
from domain.messages import MessageLimits
from domain.tokens import TokenLimits
from gateway.config import GatewayConfig
from http_api.config import HttpConfig

PREFIX: Final = "FEIGE_"
NOT_SETTINGS: Final = ("FEIGE_TEST_",)
"""Variables of the test suite."""

MIN_SECRET_CHARS: Final = 32
MIN_ORPHAN_GRACE_S: Final = 600


class ServerConfig(msgspec.Struct, frozen=True):
    host: str = "127.0.0.1"
    port: int = 8000
    """HTTP and WebSockets; 0 takes a free one."""
    tcp_port: int = 8001
    """The native protocol over raw TCP; 0 takes a free one, -1 is off."""
    data_dir: str = "data"
    secret_key: str = ""
    """Signs tokens. Empty: one is generated and kept in the data directory."""
    admin_password: str = ""
    """If set, the user `admin` exists with it at start and is an administrator."""


class PasswordConfig(msgspec.Struct, frozen=True):
    rounds: int = 12
    """bcrypt's cost: each more doubles the time of a login."""
    threads: int = 2


class BlobConfig(msgspec.Struct, frozen=True):
    """Where the bytes of files are kept: below the data directory, or in an S3-compatible store."""

    store: Literal["disk", "s3"] = "disk"
    endpoint: str = ""
    """Such as https://s3.eu-central-1.amazonaws.com; buckets are addressed in the path."""
    region: str = "us-east-1"
    bucket: str = ""
    access_key: str = ""
    secret_key: str = ""


class LogConfig(msgspec.Struct, frozen=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class CodeConfig(CodeLimits, frozen=True):
    webhook_url: str = ""
    """Where login codes are posted to be sent. Empty: they are written to the log."""
    webhook_secret: str = ""


class Config(msgspec.Struct, frozen=True):
    server: ServerConfig = ServerConfig()
    gateway: GatewayConfig = GatewayConfig()
    http: HttpConfig = HttpConfig()
    tokens: TokenLimits = TokenLimits()
    accounts: AccountLimits = AccountLimits()
    messages: MessageLimits = MessageLimits()
    files: FileLimits = FileLimits()
    blobs: BlobConfig = BlobConfig()
    passwords: PasswordConfig = PasswordConfig()
    codes: CodeConfig = CodeConfig()
    calls: CallLimits = CallLimits()
    log: LogConfig = LogConfig()


SECTIONS: Final[dict[str, type]] = {field.name: field.type for field in msgspec.structs.fields(Config)}


class _Value(msgspec.Struct, frozen=True):
    value: Any
    source: str


_Values = dict[tuple[str, str], _Value]


def load(path: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Config:
    """Puts the sources together. `flags` are keys of section `server`. SetupError."""
    values: _Values = {}
    if path is not None:
        values |= _from_file(path)
    values |= _from_environment(environ)
    values |= {("server", key): _Value(value, f"--{key.replace('_', '-')}") for key, value in flags.items()}
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for (section, key), entry in values.items():
        sections[section][key] = _convert(section, key, entry)
    config = Config(**{name: SECTIONS[name](**fields) for name, fields in sections.items()})
    _check(config)
    return config


def _keys(section: str) -> dict[str, Any]:
    """The keys of a section and their types."""
    record = SECTIONS[section]
    if dataclasses.is_dataclass(record):
        return {field.name: field.type for field in dataclasses.fields(record)}
    return {field.name: field.type for field in msgspec.structs.fields(record)}


def _from_file(path: Path) -> _Values:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SetupError(f"the configuration file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"the configuration file {path} is not TOML: {error}") from error
    values: _Values = {}
    for section, table in tables.items():
        if section not in SECTIONS or not isinstance(table, dict):
            raise SetupError(f"{path}: there is no section [{section}]; the sections are {', '.join(SECTIONS)}")
        for key, value in table.items():
            if key not in _keys(section):
                raise SetupError(f"{path}: section [{section}] has no key {key!r}")
            values[section, key] = _Value(value, f"{path}: [{section}] {key}")
    return values


def _from_environment(environ: Mapping[str, str]) -> _Values:
    values: _Values = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name.startswith(NOT_SETTINGS):
            continue
        rest = name[len(PREFIX) :].lower()
        place = ("server", rest) if rest in _keys("server") else _place(rest)
        if place is None:
            raise SetupError(f"the environment variable {name} is no setting of this server")
        values[place] = _Value(text, name)
    return values


def _place(name: str) -> tuple[str, str] | None:
    section, _, key = name.partition("_")
    return (section, key) if section in SECTIONS and key in _keys(section) else None


def _convert(section: str, key: str, entry: _Value) -> Any:
    value: Any = entry.value
    wanted = _keys(section)[key]
    if isinstance(value, str) and wanted == tuple[str, ...]:
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        return msgspec.convert(value, wanted, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise SetupError(f"{entry.source}: {str(error)[0].lower()}{str(error)[1:]}") from error


def _check(config: Config) -> None:
    server = config.server
    for key, port in (("port", server.port), ("tcp_port", server.tcp_port)):
        if not (0 <= port <= 65_535 or (key == "tcp_port" and port == -1)):
            raise SetupError(f"{key}: {port} is no port; it is 0 to 65535")
    if server.port == server.tcp_port != 0:
        raise SetupError(f"port and tcp_port are both {server.port}; they must differ")
    if server.secret_key and len(server.secret_key) < MIN_SECRET_CHARS:
        raise SetupError(f"secret_key: at least {MIN_SECRET_CHARS} characters are needed to be safe")
    if not 4 <= config.passwords.rounds <= 20:
        raise SetupError("passwords.rounds: bcrypt takes 4 to 20 here")
    if config.codes.webhook_url and not config.codes.webhook_secret:
        raise SetupError("codes.webhook_secret: needed to sign what is posted to codes.webhook_url")
    for name in ("heartbeat_s", "hello_timeout_s", "close_timeout_s"):
        if getattr(config.gateway, name) <= 0:
            raise SetupError(f"gateway.{name}: must be more than 0")
    if config.gateway.max_frame_bytes < 1024:
        raise SetupError("gateway.max_frame_bytes: at least 1024")
    for name in ("max_file_bytes", "max_image_pixels", "cleaning_interval_s"):
        if getattr(config.files, name) <= 0:
            raise SetupError(f"files.{name}: must be more than 0")
    if config.files.orphan_grace_s < MIN_ORPHAN_GRACE_S:
        raise SetupError(f"files.orphan_grace_s: at least {MIN_ORPHAN_GRACE_S}, or uploads under way are orphans")
    if config.blobs.store == "s3":
        for name in ("endpoint", "bucket", "access_key", "secret_key"):
            if not getattr(config.blobs, name):
                raise SetupError(f"blobs.{name}: is needed for the store s3")
        if not config.blobs.endpoint.startswith(("http://", "https://")):
            raise SetupError("blobs.endpoint: must begin with http:// or https://")
