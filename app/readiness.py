"""Whether this process should get traffic: the stores, the way through the bus and back, the disk, and its own end."""

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import Final

from domain.errors import Unavailable
from domain.ports import Bus, SyncStore

ANSWER_WITHIN_S: Final = 4.0
FRESH_S: Final = 1.0
"""How long an answer holds: the probe is open to everybody, and must not be a way to keep the stores busy."""


class Readiness:
    """Call it for the reasons against; none means ready."""

    def __init__(self, sync: SyncStore, bus: Bus, data_dir: Path, min_free_disk_bytes: int) -> None:
        self.is_stopping = False
        self._sync = sync
        self._bus = bus
        self._data_dir = data_dir
        self._min_free_disk_bytes = min_free_disk_bytes
        self._lock = asyncio.Lock()
        self._reasons: list[str] = []
        self._asked_at = -FRESH_S

    async def __call__(self) -> list[str]:
        if self.is_stopping:
            return ["the server is stopping"]
        async with self._lock:
            if time.monotonic() - self._asked_at >= FRESH_S:
                checks = (self._check_database(), self._check_bus(), self._check_disk())
                self._reasons = [reason for reason in await asyncio.gather(*checks) if reason]
                self._asked_at = time.monotonic()
        return self._reasons

    async def _check_database(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._sync.position()
        except (Unavailable, TimeoutError) as error:
            return f"database: {error or 'no answer'}"
        return ""

    async def _check_bus(self) -> str:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                trouble = await self._bus.healthy()
        except (Unavailable, TimeoutError) as error:
            trouble = str(error) or "no answer"
        return f"bus: {trouble}" if trouble else ""

    async def _check_disk(self) -> str:
        return await asyncio.to_thread(disk_trouble, self._data_dir, self._min_free_disk_bytes)


def disk_trouble(folder: Path, min_free_bytes: int) -> str:
    """What keeps a folder from taking files, or nothing. Blocks."""
    try:
        space = os.statvfs(folder)
        free_bytes = space.f_bavail * space.f_frsize
        if free_bytes < min_free_bytes:
            return f"disk: {free_bytes // 1024} KiB are left in {folder}, fewer than {min_free_bytes // 1024}"
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        return f"disk: {folder} cannot be written: {error.strerror}"
    return ""
