"""Thumbnails with Pillow: within bounds of pixels and time, off the event loop."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from PIL import Image, ImageOps

from domain.errors import TooLarge

MAX_SIDE: Final = 320
FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
"""The decoders that a stranger's bytes may reach."""

TIMEOUT_S: Final = 10.0


class PillowThumbnails:
    """Implements `domain.ports.Thumbnails`. One at a time: each may take 4 bytes a pixel."""

    def __init__(self, max_image_pixels: int, max_thumbnail_pixels: int) -> None:
        # Pillow's own bound warns, for the whole process; ours is checked before anything is decoded.
        Image.MAX_IMAGE_PIXELS = None
        self._max_image_pixels = max_image_pixels
        self._max_thumbnail_pixels = max_thumbnail_pixels
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="thumbnails")

    async def make(self, path: str) -> bytes | None:
        job = asyncio.get_running_loop().run_in_executor(self._pool, self._make, path)
        done, _ = await asyncio.wait([job], timeout=TIMEOUT_S)
        return job.result() if done else None

    def _make(self, path: str) -> bytes | None:
        try:
            image = Image.open(path, formats=FORMATS)
        except (OSError, ValueError, SyntaxError):
            return None
        with image:
            if image.width * image.height > self._max_image_pixels:
                raise TooLarge("the image has too many pixels")
            return self._shrunk(image)

    def _shrunk(self, image: Image.Image) -> bytes | None:
        try:
            # A JPEG is decoded at down to an eighth of its size: a camera's picture in a few MB.
            image.draft("RGB", (MAX_SIDE, MAX_SIDE))
            if image.width * image.height > self._max_thumbnail_pixels:
                return None
            upright = ImageOps.exif_transpose(image)
            small = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
            small.thumbnail((MAX_SIDE, MAX_SIDE))
            out = io.BytesIO()
            small.save(out, "WEBP", quality=80)
            return out.getvalue()
        except (OSError, ValueError, SyntaxError, MemoryError):
            return None

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
