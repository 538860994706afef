"""Names of files as people give them: kept for showing, never used to store anything."""

import unicodedata
from typing import Final

MAX_NAME_BYTES: Final = 255
"""Of UTF-8: what the common file systems take."""

_UNSAFE: Final = frozenset('<>:"|?*')
"""What some file systems refuse in names."""


def clean_name(given: str, extension: str) -> str:
    """The last part of a path, without control and format characters (a right-to-left override makes `gpj.exe` look
    like a picture), at most 255 bytes with its ending kept; `file.<extension>` if nothing is left."""
    text = unicodedata.normalize("NFC", given.encode("utf-8", "ignore").decode())
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    name = "".join("_" if each in _UNSAFE else each for each in last if unicodedata.category(each)[0] != "C")
    name = name.strip().rstrip(".")
    if not name:
        return f"file.{extension}"
    return _cut(name)


def _cut(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > 16:
        stem, dot, ending = name, "", ""
    room = MAX_NAME_BYTES - len((dot + ending).encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + dot + ending
