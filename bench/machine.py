"""What the kernel says: memory of a process and of its sockets, and the machine that was measured."""

import datetime as dt
import importlib.metadata
import os
import platform
import re
import sqlite3
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIBRARIES: Final = ("uvloop", "aiohttp", "websockets", "msgspec", "SQLAlchemy")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `kernel` is the kernel's own of the whole machine: slab and socket buffers, of both ends of the
    connections."""

    rss: int
    pss: int
    kernel: int


def memory_of(pid: int) -> Memory:
    """ValueError if the process is gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ValueError(f"there is no process {pid}") from error
    slab = _kib(Path("/proc/meminfo").read_text(), "Slab")
    buffers = socket_pages(Path("/proc/net/sockstat").read_text()) * os.sysconf("SC_PAGE_SIZE")
    return Memory(_kib(rollup, "Rss"), _kib(rollup, "Pss"), slab + buffers)


def _kib(text: str, name: str) -> int:
    """The value, in bytes, of a line as in /proc/meminfo. ValueError."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {name} there")
    return int(found[1]) * 1024


def socket_pages(sockstat: str) -> int:
    """Pages that buffers of TCP hold."""
    found = re.search(r"^TCP:.* mem (\d+)$", sockstat, re.MULTILINE)
    return int(found[1]) if found else 0


def fsync_ms(folder: Path, count: int = 40) -> float:
    """Median time to make 4 KiB durable in this folder: the floor under every durable acknowledgement."""
    path = folder / "fsync-probe"
    times = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(count):
            os.write(descriptor, bytes(4096))
            started = time.perf_counter()
            os.fdatasync(descriptor)
            times.append(time.perf_counter() - started)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(times) * 1000


def file_system(folder: Path, mounts: str) -> str:
    """The type of the file system that holds an absolute path, from the text of /proc/mounts."""
    found = ("", "unknown")
    for line in mounts.splitlines():
        _, mount_point, kind = line.split()[:3]
        if folder.is_relative_to(mount_point) and len(mount_point) >= len(found[0]):
            found = (mount_point, kind)
    return found[1]


def describe(folder: Path) -> str:
    """The machine, and the software and the disk, on a line each; a third one if something else is running."""
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    load = os.getloadavg()[0]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    disk = file_system(folder.absolute(), Path("/proc/mounts").read_text())
    cpus = os.cpu_count() or 1
    warning = "\nother programs are busy: expect wide ranges and long latencies" if load > cpus / 4 else ""
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}: {cpu[1].strip() if cpu else platform.machine()}, {cpus} CPUs, "
        f"Linux {platform.release()}, load average {load:.1f} at the start\n"
        f"Python {platform.python_version()}, {versions}, SQLite {sqlite3.sqlite_version} "
        f"(synchronous=FULL on {disk}, fdatasync of 4 KiB: {fsync_ms(folder):.2f} ms){warning}"
    )
