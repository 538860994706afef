"""Thumbnails: small, upright, and never a reason to run out of memory."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from domain.errors import TooLarge
from storage.thumbnails import PillowThumbnails
from tests.images import png, png_that_claims


@pytest.fixture
def thumbnails() -> Iterator[PillowThumbnails]:
    maker = PillowThumbnails(max_image_pixels=4_000_000, max_thumbnail_pixels=1_000_000)
    yield maker
    maker.close()


async def made(thumbnails: PillowThumbnails, folder: Path, data: bytes) -> Image.Image | None:
    path = folder / "upload"
    path.write_bytes(data)
    small = await thumbnails.make(str(path))
    return None if small is None else Image.open(io.BytesIO(small))


async def test_sizes(thumbnails: PillowThumbnails, tmp_path: Path) -> None:
    for size, expected in (((1000, 500), (320, 160)), ((10, 20), (10, 20)), ((1, 900), (1, 320))):
        small = await made(thumbnails, tmp_path, png(*size))
        assert small is not None
        assert (small.format, small.size) == ("WEBP", expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
async def test_modes(thumbnails: PillowThumbnails, tmp_path: Path, mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (400, 400)).save(out, "PNG")
    small = await made(thumbnails, tmp_path, out.getvalue())
    assert small is not None
    assert small.has_transparency_data == (mode in ("LA", "RGBA"))


async def test_cameras_hold_their_pictures_sideways(thumbnails: PillowThumbnails, tmp_path: Path) -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (2000, 1000)).save(out, "JPEG", exif=exif)
    small = await made(thumbnails, tmp_path, out.getvalue())
    assert small is not None
    assert small.size == (160, 320)


async def test_what_claims_too_many_pixels_is_refused(thumbnails: PillowThumbnails, tmp_path: Path) -> None:
    for width, height in ((50_000, 50_000), (2001, 2000), (2**31 - 1, 2**31 - 1)):
        with pytest.raises(TooLarge):
            await made(thumbnails, tmp_path, png_that_claims(width, height))


async def test_what_cannot_be_decoded_has_none(thumbnails: PillowThumbnails, tmp_path: Path) -> None:
    whole = png(300, 300)
    for data in (
        b"",
        b"text",
        whole[:60],
        whole[:-30],
        png_that_claims(900, 900),
        png(1100, 1000),
        b"\xff\xd8\xff\xe0",
    ):
        assert await made(thumbnails, tmp_path, data) is None
