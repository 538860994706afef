"""Puts the files together: where their bytes are kept, their use cases, and the clean-up that runs now and then."""

import asyncio
import random

import structlog

from app.config import Config
from app.data_dir import DataDir
from app.errors import SetupError
from app.tasks import cancelled
from domain.errors import Unavailable
from domain.files import Files
from domain.ports import Clock, FileStore
from storage.blobs.disk import DiskBlobStore
from storage.blobs.s3 import S3BlobStore, S3Location
from storage.thumbnails import PillowThumbnails

log = structlog.get_logger("files")


class FileService:
    """`start` it before `files` are used; `close` it when nobody uses them any more."""

    def __init__(self, config: Config, data_dir: DataDir, store: FileStore, clock: Clock) -> None:
        """SetupError."""
        self._interval_s = config.files.cleaning_interval_s
        self._blobs = open_blobs(config, data_dir)
        self._thumbnails = PillowThumbnails(config.files.max_image_pixels, config.files.max_thumbnail_pixels)
        self._cleaning: asyncio.Task[None] | None = None
        self.files = Files(
            store=store, blobs=self._blobs, thumbnails=self._thumbnails, clock=clock, limits=config.files
        )

    async def start(self) -> None:
        """StoreError."""
        await self._blobs.start()
        self._cleaning = asyncio.create_task(self._clean_for_ever(), name="cleaning of files")

    async def _clean_for_ever(self) -> None:
        while True:
            # Not all processes at once, nor right after a start, when there is other work.
            await asyncio.sleep(self._interval_s * random.uniform(0.9, 1.1))
            try:
                cleaned = await self.files.clean_in_turn()
            except Unavailable as error:
                log.warning("cleaning put off", reason=str(error))
            except Exception:
                log.exception("cleaning failed")
            else:
                if cleaned is not None:
                    log.info("cleaned", **{name: getattr(cleaned, name) for name in cleaned.__struct_fields__})

    async def close(self) -> None:
        if self._cleaning is not None:
            await cancelled([self._cleaning])
        self._thumbnails.close()
        await self._blobs.close()


def open_blobs(config: Config, data_dir: DataDir) -> DiskBlobStore | S3BlobStore:
    """SetupError."""
    blobs = config.blobs
    location = S3Location(blobs.endpoint, blobs.bucket, blobs.access_key, blobs.secret_key, blobs.region)
    try:
        return DiskBlobStore(data_dir.blobs) if blobs.store == "disk" else S3BlobStore(location, data_dir.spool)
    except OSError as error:
        raise SetupError(f"the folder of the files, {error.filename}, cannot be used: {error.strerror}") from error
