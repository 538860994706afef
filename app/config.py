"""The configuration: defaults < TOML file < environment (`FEIGE_…`) < command line. Unknown keys are refused.

Every subsystem has a section, a frozen record with units in its names. In the file a section is a table:

    [gateway]
    heartbeat_s = 20

In the environment it is `FEIGE_GATEWAY_HEARTBEAT_S=20`; the keys of section `server` have no section in their name,
`FEIGE_PORT=8000`, nor need those that are known by their own: `FEIGE_REQUIRE_FRIENDSHIP=1`.
"""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from app.errors import SetupError
from delivery.mail import SmtpConfig
from domain.accounts import AccountLimits
from domain.calls import CallLimits
from domain.files import FileLimits
from domain.login_codes import CodeLimits
from domain.messages import MessageLimits
from domain.retention import RetentionLimits
from domain.tokens import TokenLimits
from gateway.config import GatewayConfig
from http_api.config import HttpConfig

PREFIX: Final = "FEIGE_"
NOT_SETTINGS: Final = ("FEIGE_TEST_",)
"""Variables of the test suite."""

SHORT_NAMES: Final = {"require_friendship": ("messages", "require_friendship")}
"""Settings that need no section in the environment."""

MIN_SECRET_CHARS: Final = 32
MIN_ORPHAN_GRACE_S: Final = 600
REDIS_SCHEMES: Final = ("redis", "rediss", "redis+cluster", "rediss+cluster")


MAX_WORKERS: Final = 256
STOP_WITHIN_S: Final = 30.0
"""A process that was told to stop is gone after this."""

ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+", re.ASCII)
NODE_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,100}", re.ASCII)


class ServerConfig(msgspec.Struct, frozen=True):
    role: Literal["all", "gateway", "http"] = "all"
    """`gateway` has sockets, probes and metrics only, `http` everything but sockets."""
    workers: int = 1
    """Processes that share the ports. Each is a node of its own."""
    node: str = ""
    """The name of this process among those that share a Redis; each has its own. Empty: made of host name and port."""
    host: str = "127.0.0.1"
    port: int = 8000
    """HTTP and WebSockets; 0 takes a free one."""
    tcp_port: int = 8001
    """The native protocol over raw TCP; 0 takes a free one, -1 is off."""
    metrics_port: int = -1
    """Probes and metrics apart from the public port; worker N has this port + N. 0 takes free ones, -1 is off."""
    data_dir: str = "data"
    min_free_disk_bytes: int = 64 * 1024 * 1024
    """With less left in the data directory the process is not ready."""
    secret_key: str = ""
    """Signs tokens. Empty: one is generated and kept in the data directory."""
    admin_password: str = ""
    """If set, the user `admin` exists with it at start and is an administrator."""


class DatabaseConfig(msgspec.Struct, frozen=True):
    url: str = ""
    """`mysql://user:password@host/name`; empty: SQLite in the data directory."""
    migrate: bool = True
    """Whether a server brings MySQL's schema up to date when it starts, or refuses one that is not."""

    @property
    def is_mysql(self) -> bool:
        return urlsplit(self.url).scheme.partition("+")[0] in ("mysql", "mariadb")


class RedisConfig(msgspec.Struct, frozen=True):
    url: str = ""
    """`redis://`, `rediss://` (TLS); empty: bus, presence and limits within this process."""


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


class PushConfig(msgspec.Struct, frozen=True):
    webhook_url: str = ""
    """Where notifications are posted for a user's devices. Empty: there is no push."""
    webhook_secret: str = ""


class Config(msgspec.Struct, frozen=True):
    server: ServerConfig = ServerConfig()
    database: DatabaseConfig = DatabaseConfig()
    redis: RedisConfig = RedisConfig()
    gateway: GatewayConfig = GatewayConfig()
    http: HttpConfig = HttpConfig()
    tokens: TokenLimits = TokenLimits()
    accounts: AccountLimits = AccountLimits()
    messages: MessageLimits = MessageLimits()
    files: FileLimits = FileLimits()
    blobs: BlobConfig = BlobConfig()
    passwords: PasswordConfig = PasswordConfig()
    codes: CodeConfig = CodeConfig()
    smtp: SmtpConfig = SmtpConfig()
    push: PushConfig = PushConfig()
    calls: CallLimits = CallLimits()
    retention: RetentionLimits = RetentionLimits()
    log: LogConfig = LogConfig()


SECRETS: Final = {
    ("server", "secret_key"),
    ("server", "admin_password"),
    ("blobs", "access_key"),
    ("blobs", "secret_key"),
    ("codes", "webhook_secret"),
    ("smtp", "password"),
    ("push", "webhook_secret"),
}

SECTIONS: Final[dict[str, type]] = {field.name: field.type for field in msgspec.structs.fields(Config)}


class _Value(msgspec.Struct, frozen=True):
    value: Any
    source: str


_Values = dict[tuple[str, str], _Value]


def load(path: Path | None, environ: Mapping[str, str], flags: Mapping[tuple[str, str], Any]) -> Config:
    """Puts the sources together. `flags` are by section and key. SetupError."""
    values: _Values = {}
    if path is not None:
        values |= _from_file(path)
    values |= _from_environment(environ)
    values |= {place: _Value(value, flag_of(*place)) for place, value in flags.items()}
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for (section, key), entry in values.items():
        sections[section][key] = _convert(section, key, entry)
    config = Config(**{name: SECTIONS[name](**fields) for name, fields in sections.items()})
    _check(config)
    return config


def flag_of(section: str, key: str) -> str:
    """What a setting is called on the command line."""
    return f"--{section}" if key == "url" else f"--{key.replace('_', '-')}"


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
        place = ("server", rest) if rest in _keys("server") else SHORT_NAMES.get(rest) or _place(rest)
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
    ports = {"port": server.port, "tcp_port": server.tcp_port, "metrics_port": server.metrics_port}
    for key, port in ports.items():
        if not (0 <= port <= 65_535 or (key != "port" and port == -1)):
            raise SetupError(f"{key}: {port} is no port; it is 0 to 65535")
    for one, other in (("port", "tcp_port"), ("port", "metrics_port"), ("tcp_port", "metrics_port")):
        if ports[one] == ports[other] > 0:
            raise SetupError(f"{one} and {other} are both {ports[one]}; they must differ")
    if server.metrics_port > 0 and server.metrics_port + server.workers > 65_536:
        raise SetupError(f"metrics_port: {server.workers} workers need as many ports from {server.metrics_port} on")
    if server.secret_key and len(server.secret_key) < MIN_SECRET_CHARS:
        raise SetupError(f"secret_key: at least {MIN_SECRET_CHARS} characters are needed to be safe")
    if server.node and NODE_NAME.fullmatch(server.node) is None:
        raise SetupError("node: up to 100 letters, digits and . _ : - make a name")
    if not 4 <= config.passwords.rounds <= 20:
        raise SetupError("passwords.rounds: bcrypt takes 4 to 20 here")
    if config.codes.webhook_url and not config.codes.webhook_secret:
        raise SetupError("codes.webhook_secret: needed to sign what is posted to codes.webhook_url")
    if config.push.webhook_url and not config.push.webhook_secret:
        raise SetupError("push.webhook_secret: needed to sign what is posted to push.webhook_url")
    if config.smtp.host and ADDRESS.fullmatch(config.smtp.sender) is None:
        raise SetupError("smtp.sender: needed, an address that e-mail comes from")
    for name in ("heartbeat_s", "hello_timeout_s", "close_timeout_s"):
        if getattr(config.gateway, name) <= 0:
            raise SetupError(f"gateway.{name}: must be more than 0")
    if config.gateway.drain_s + 2 * config.gateway.close_timeout_s > STOP_WITHIN_S - 5:
        raise SetupError(
            f"gateway.drain_s: with twice close_timeout_s it must leave 5 of the {STOP_WITHIN_S:.0f} seconds in which "
            "a server stops"
        )
    if config.gateway.max_frame_bytes < 1024:
        raise SetupError("gateway.max_frame_bytes: at least 1024")
    for name in ("max_file_bytes", "max_image_pixels", "cleaning_interval_s"):
        if getattr(config.files, name) <= 0:
            raise SetupError(f"files.{name}: must be more than 0")
    if config.files.orphan_grace_s < MIN_ORPHAN_GRACE_S:
        raise SetupError(f"files.orphan_grace_s: at least {MIN_ORPHAN_GRACE_S}, or uploads under way are orphans")
    if config.retention.changes_days < 0:
        raise SetupError("retention.changes_days: a number of days, or 0 for good")
    if config.blobs.store == "s3":
        for name in ("endpoint", "bucket", "access_key", "secret_key"):
            if not getattr(config.blobs, name):
                raise SetupError(f"blobs.{name}: is needed for the store s3")
        if not config.blobs.endpoint.startswith(("http://", "https://")):
            raise SetupError("blobs.endpoint: must begin with http:// or https://")
    _check_processes(config)


def _check_processes(config: Config) -> None:
    """What several processes need in common."""
    server = config.server
    if not 1 <= server.workers <= MAX_WORKERS:
        raise SetupError(f"workers: {server.workers} is not between 1 and {MAX_WORKERS}")
    if config.database.url and not config.database.is_mysql:
        raise SetupError("database.url: it begins with mysql://; without one, SQLite is used in the data directory")
    if config.redis.url and urlsplit(config.redis.url).scheme not in REDIS_SCHEMES:
        raise SetupError(f"redis.url: it begins with {'://, '.join(REDIS_SCHEMES)}://")
    if server.workers == 1 and server.role == "all":
        return
    several = f"{server.workers} workers" if server.workers > 1 else f"a process with the role {server.role}"
    if not config.redis.url:
        raise SetupError(f"{several}: processes talk to each other over Redis; name one with --redis")
    if not config.database.is_mysql:
        raise SetupError(
            f"{several}: SQLite has one writing process; name a MySQL or MariaDB with --database mysql://…"
        )
    if server.role != "all" and not server.secret_key:
        raise SetupError(
            f"{several}: all processes must sign tokens with one key; set FEIGE_SECRET_KEY to the same everywhere"
        )


def config_lines(config: Config) -> list[str]:
    """The effective settings as TOML, without secrets."""
    lines = []
    for section in SECTIONS:
        lines.append(f"[{section}]")
        for key in _keys(section):
            value = getattr(getattr(config, section), key)
            if (section, key) in SECRETS and value:
                value = "(set)"
            elif key == "url":
                value = without_password(value)
            lines.append(f"{key} = {msgspec.json.encode(value).decode()}")
    return lines


def without_password(url: str) -> str:
    """For people and logs."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, host = parts.netloc.rpartition("@")[::2]
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()
