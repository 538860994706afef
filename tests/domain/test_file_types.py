"""What files are, told from their bytes."""

import gzip
import io
import zipfile

import pytest
from PIL import Image

from domain.file_types import FileCategory, category, is_allowed, sniff


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    return out.getvalue()


def archive(*names: str, first: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, first)
    return out.getvalue()


OFFICE = "application/vnd.openxmlformats-officedocument"


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (picture("PNG"), "image/png"),
        (picture("JPEG"), "image/jpeg"),
        (picture("GIF"), "image/gif"),
        (picture("WEBP"), "image/webp"),
        (picture("BMP"), "image/bmp"),
        (picture("TIFF"), "image/tiff"),
        (b"%PDF-1.7", "application/pdf"),
        (archive("a.txt"), "application/zip"),
        (archive("[Content_Types].xml", "word/document.xml"), f"{OFFICE}.wordprocessingml.document"),
        (archive("[Content_Types].xml", "xl/workbook.xml"), f"{OFFICE}.spreadsheetml.sheet"),
        (
            archive("mimetype", first=b"application/vnd.oasis.opendocument.text"),
            "application/vnd.oasis.opendocument.text",
        ),
        (archive("META-INF/MANIFEST.MF"), "application/java-archive"),
        (gzip.compress(b"x", mtime=0), "application/gzip"),
        (b"\0" * 257 + b"ustar", "application/x-tar"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x18ftypqt  ", "video/quicktime"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x82\x88matroska", "video/x-matroska"),
        (b"ID3\x03", "audio/mpeg"),
        (b"\xff\xfb\x90\x44", "audio/mpeg"),
        (b"MZ\x90\0", "application/vnd.microsoft.portable-executable"),
        (b"\x7fELF\x02", "application/x-elf"),
        (b"<html>", "text/html"),
        (b"\n  <!DOCTYPE HTML>", "text/html"),
        (b"\xef\xbb\xbf<script>", "text/html"),
        (b"\xff\xfe<\0s\0c\0r\0i\0p\0t\0>\0", "text/html"),
        (b"<!-- a --><svg onload='x'>", "image/svg+xml"),
        (b"<svg xmlns='x'>", "image/svg+xml"),
        (b"<?xml version='1.0'?><!DOCTYPE svg><svg>", "image/svg+xml"),
        (b"<?xml version='1.0'?><html xmlns='x'>", "text/html"),
        (b"<?xml version='1.0'?><a/>", "text/xml"),
        (b"hello", "text/plain"),
        ("你好，世界".encode(), "text/plain"),
        ("你好".encode("gb18030"), "text/plain"),
        ("你好".encode("utf-16"), "text/plain"),
        (b'{"a": 1}', "text/plain"),
        (b"a < b", "text/plain"),
        (b"a\0b", "application/octet-stream"),
        (b"\x01", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_types(data: bytes, mime: str) -> None:
    assert sniff(data[:8192]) == mime


def test_categories() -> None:
    kinds = [category(mime) for mime in ("image/png", "video/mp4", "audio/ogg", "text/plain")]
    assert kinds == [FileCategory.IMAGE, FileCategory.VIDEO, FileCategory.AUDIO, FileCategory.DOCUMENT]


def test_patterns() -> None:
    assert is_allowed("image/png", ("text/plain", "image/*"))
    assert is_allowed("application/x-elf", ("*/*",))
    assert not is_allowed("image/png", ("image/pn", "imag/*", "text/*"))
