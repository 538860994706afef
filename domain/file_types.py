"""What a file is, told from its first bytes: never from its name or from what a client says of it.

The order of the checks follows the MIME Sniffing Standard where that matters to safety: what a browser would run
(HTML, SVG, XML) is found before plain text is.
"""

import re
from enum import StrEnum
from typing import Final

HEAD_BYTES: Final = 8192
"""How much of a file is looked at."""

UNKNOWN: Final = "application/octet-stream"


class FileCategory(StrEnum):
    """The kinds of upload that messenger tells apart."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"


_CATEGORIES: Final = {"image": FileCategory.IMAGE, "video": FileCategory.VIDEO, "audio": FileCategory.AUDIO}

DECODABLE_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
"""Those whose pixels are counted, and that get a thumbnail."""

SAFE_INLINE: Final = DECODABLE_IMAGES | {
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "audio/flac",
    "audio/mp4",
    "video/mp4",
    "video/webm",
    "video/quicktime",
}
"""What a browser may show in place: nothing of it can run a script."""

_SIGNATURES: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\1\0", "image/x-icon"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\0", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"MThd", "audio/midi"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
    (0, b"\0\0\1\xba", "video/mpeg"),
    (0, b"\0\0\1\xb3", "video/mpeg"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (0, b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (0, b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xca\xfe\xba\xbe", "application/java-vm"),
    (0, b"\0asm", "application/wasm"),
    (0, b"dex\n", "application/vnd.android.dex"),
    (0, b"!<arch>\ndebian", "application/vnd.debian.binary-package"),
)

_OPEN_DOCUMENTS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)
_ODF = re.compile(rb"application/(?:vnd\.oasis\.opendocument\.[a-z]+|epub\+zip)")

_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p|img|form|meta|link"
    rb"|object|embed|base)[\s>/]|<!--",
    re.IGNORECASE,
)
_SVG = re.compile(rb"<(?:[a-z]+:)?svg[\s>/]", re.IGNORECASE)
_XML = re.compile(rb"<(?:\?xml|!doctype)", re.IGNORECASE)
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")

_EXTENSIONS: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/bmp": "bmp",
    "image/svg+xml": "svg",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "text/plain": "txt",
    "text/html": "html",
    "text/xml": "xml",
    **dict(zip((mime for _, mime in _OPEN_DOCUMENTS), ("docx", "xlsx", "pptx"), strict=True)),
}


def sniff(head: bytes) -> str:
    """The media type of a file that begins with `head` (its first `HEAD_BYTES`)."""
    for offset, magic, mime in _SIGNATURES:
        if head.startswith(magic, offset):
            return mime
    return _container(head) or _text(head) or UNKNOWN


def _container(head: bytes) -> str | None:
    """Formats whose signature is not one string at one place."""
    if head[:4] == b"RIFF":
        riff = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
        return riff.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _iso_media(head[8:12])
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zip(head)
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and len(head) >= 18:
        return "image/bmp"
    if head[:2] == b"MZ":
        return "application/vnd.microsoft.portable-executable"
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] & 0xF0 != 0xF0:
        return "audio/mpeg"
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    return None


def _iso_media(brand: bytes) -> str:
    if brand in (b"M4A ", b"M4B "):
        return "audio/mp4"
    if brand == b"qt  ":
        return "video/quicktime"
    if brand in (b"avif", b"avis"):
        return "image/avif"
    return "image/heic" if brand in (b"heic", b"heix", b"mif1", b"msf1") else "video/mp4"


def _zip(head: bytes) -> str:
    found = _ODF.match(head, 38)
    if head[30:38] == b"mimetype" and found is not None:
        return found[0].decode()
    if b"AndroidManifest.xml" in head or b"META-INF/MANIFEST.MF" in head:
        return "application/java-archive"
    if b"[Content_Types].xml" in head:
        for folder, mime in _OPEN_DOCUMENTS:
            if folder in head:
                return mime
    return "application/zip"


def _text(head: bytes) -> str | None:
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            return _markup(head[2:].decode(encoding, "ignore").encode()) or "text/plain"
    head = head.removeprefix(b"\xef\xbb\xbf")
    found = _markup(head)
    if found is not None:
        return found
    return "text/plain" if head and _BINARY.search(head) is None else None


def _markup(head: bytes) -> str | None:
    start = head.lstrip(b"\t\n\x0c\r ")
    if _XML.match(start) or start.startswith(b"<!--"):
        # A prologue may hide what comes after it.
        if _SVG.search(start):
            return "image/svg+xml"
        if start[:5].lower() == b"<?xml":
            return "text/html" if re.search(rb"<html[\s>]", start, re.IGNORECASE) else "text/xml"
    if _SVG.match(start):
        return "image/svg+xml"
    return "text/html" if _HTML.match(start) else None


def category(mime: str) -> FileCategory:
    return _CATEGORIES.get(mime.partition("/")[0], FileCategory.DOCUMENT)


def extension(mime: str) -> str:
    """For the path of a stored file: one that says what the bytes are."""
    return _EXTENSIONS.get(mime, "bin")


def is_allowed(mime: str, patterns: tuple[str, ...]) -> bool:
    """`patterns` are media types, `image/*` for a whole kind, or `*/*`."""
    return any(pattern in ("*/*", mime, f"{mime.partition('/')[0]}/*") for pattern in patterns)
