"""`doctor`: the machine, the database, Redis and their clocks, each finding a sentence that says what to do."""

import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from app.config import Config
from app.data_dir import DataDir
from app.database import opened
from app.errors import SetupError
from app.readiness import disk_trouble
from storage import StoreError
from storage.sql import migrations

if TYPE_CHECKING:
    from storage.redis.doctor import RedisFacts

ENOUGH_FDS: Final = 4096
KERNEL: Final = (
    ("net/core/somaxconn", 4096, "new connections are refused when many come at once"),
    ("net/ipv4/tcp_migrate_req", 1, "connections that wait for a worker that dies are reset"),
    ("net/ipv4/tcp_max_syn_backlog", 4096, "new connections are lost when many come at once"),
)
MIN_PORT_RANGE: Final = 20_000
"""A proxy in front needs a local port for each connection that it passes on."""

MAX_CLOCK_DIFFERENCE_MS: Final = 1_000


class Diagnosis(msgspec.Struct, frozen=True):
    """In sentences: what is wrong, and what would be better but need not be."""

    faults: Sequence[str]
    advice: Sequence[str]


async def examine(config: Config, *, repair: bool) -> Diagnosis:
    """With `repair` what can be repaired is, and is said so."""
    faults = [*_data_dir(config), *await _database(config, repair)]
    advice = [*_machine()]
    if config.redis.url:
        try:
            redis = await redis_facts(config)
        except SetupError as error:
            faults.append(str(error))
        else:
            faults += clock_findings("Redis", redis.clock_ms)
            advice += _redis(redis)
    return Diagnosis(faults, advice)


def _machine() -> Iterator[str]:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < ENOUGH_FDS:
        yield f"the limit of open files is {hard}: so many clients at most; raise it (ulimit -n, LimitNOFILE)"
    for name, wanted, consequence in KERNEL:
        value = _kernel_setting(name)
        if value and int(value[0]) < wanted:
            yield f"{name.replace('/', '.')} is {value[0]}: {consequence}; set {wanted} or more"
    ports = _kernel_setting("net/ipv4/ip_local_port_range")
    if len(ports) == 2 and int(ports[1]) - int(ports[0]) < MIN_PORT_RANGE:
        yield f"net.ipv4.ip_local_port_range is {' '.join(ports)}: a proxy on this machine runs out of ports"


def _kernel_setting(name: str) -> list[str]:
    try:
        return Path("/proc/sys", name).read_text("ascii").split()
    except OSError:
        return []  # not told in this container


def _data_dir(config: Config) -> Iterator[str]:
    trouble = disk_trouble(DataDir(config.server.data_dir).path, config.server.min_free_disk_bytes)
    if trouble:
        yield trouble


async def _database(config: Config, repair: bool) -> list[str]:
    try:
        async with opened(config, alone=repair) as database:
            name, clock_ms = await database.server()
            findings = list(clock_findings(name, clock_ms))
            revision = await database.revision()
            if revision != migrations.head():
                findings.append(f"the database has schema version {revision}, not {migrations.head()}; run `migrate`")
                return findings
            found = [*await database.schema_differences(), *await database.examine(repair=repair)]
            return findings + [str(each) for each in found]
    except SetupError as error:
        return [str(error)]


async def redis_facts(config: Config) -> "RedisFacts":
    """SetupError: it cannot be used."""
    from storage.redis.doctor import examine as examine_redis

    try:
        return await examine_redis(config.redis.url)
    except StoreError as error:
        raise SetupError(str(error)) from error


def _redis(redis: "RedisFacts") -> Iterator[str]:
    if redis.policy not in ("noeviction", ""):
        yield f"maxmemory-policy of Redis is {redis.policy}: it may forget who is online; set noeviction"
    if redis.is_persistent:
        yield "Redis keeps an append-only file: nothing in it must survive, and each write costs more (appendonly no)"


async def clock_warnings(config: Config) -> list[str]:
    """Of the services that this process depends on; nothing of one that cannot be asked."""
    found: list[str] = []
    try:
        if config.database.is_mysql:
            async with opened(config, alone=False) as database:
                found += clock_findings(*await database.server())
        if config.redis.url:
            found += clock_findings("Redis", (await redis_facts(config)).clock_ms)
    except SetupError:
        pass  # they were asked before, and what is wrong was said then
    return found


def clock_findings(name: str, clock_ms: int | None) -> Iterator[str]:
    """A clock that is not ours' twin."""
    if clock_ms is not None:
        difference_ms = clock_ms - time.time_ns() // 1_000_000
        if abs(difference_ms) > MAX_CLOCK_DIFFERENCE_MS:
            side = "ahead" if difference_ms > 0 else "behind"
            yield f"the clock of {name} is {abs(difference_ms) / 1000:.1f} s {side}; synchronise them (NTP)"
