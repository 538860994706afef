"""How text is cut into terms for the search index, and how the places of a term are written down.

A text is compared in the form of `rows.search_key`. Its terms are each of its characters and each two that stand side
by side, Chinese and Latin alike, spaces and signs included: no dictionary, no stop words, and every substring is found
by the terms it is made of. A term is kept as one of 65,536 buckets, so that no text can make the index large; what
shares a bucket is told apart when the messages themselves are looked at.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

from domain.model import FileRef, Location
from storage.sql import rows

SEGMENT_BITS: Final = 10
SEGMENT_SIZE: Final = 1 << SEGMENT_BITS
"""Messages, by id. Those of the last, unfinished segment are read at each search: 1,024 take about 3 ms."""

BUCKET_BITS: Final = 16

MAX_TERMS: Final = 6
"""Of a keyword. A longer one is found by a few of its terms as well: the text is compared in any case."""

_SPARSE: Final = 64
"""Up to so many places are written one by one, in two characters each, more as a bitmap in hexadecimal."""

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"
_PLACES: Final = tuple(high + low for high in _DIGITS for low in _DIGITS)
_BITS: Final = {text: 1 << place for place, text in enumerate(_PLACES)}


def searchable(content: str, attachment: str | None) -> list[str]:
    """The texts of a message that are searched, in the form in which they are compared: its content, the name of its
    file, the address of its place."""
    texts = [content]
    match rows.attachment(attachment):
        case FileRef(name=name):
            texts.append(name)
        case Location(address=str(address)):
            texts.append(address)
    return [rows.search_key(text) for text in texts if text]


def keyword_buckets(key: str) -> list[int]:
    """The buckets in which every text that contains the key has a place. The key is not empty."""
    if len(key) == 1:
        return [_bucket(key)]
    last = len(key) - 2
    if last < MAX_TERMS:
        starts: Iterable[int] = range(last + 1)
    else:
        starts = (last * number // (MAX_TERMS - 1) for number in range(MAX_TERMS))
    return sorted({_bucket(key[start : start + 2]) for start in starts})


def buckets(texts: Sequence[tuple[int, Sequence[str]]]) -> dict[int, int]:
    """For each bucket the bitmap of the places in a segment whose texts have one of its terms."""
    terms: dict[str, int] = {}
    for place, parts in texts:
        bit = 1 << place
        for part in parts:
            for term in {*part, *map(str.__add__, part, part[1:])}:
                terms[term] = terms.get(term, 0) | bit
    found: dict[int, int] = {}
    for term, bits in terms.items():
        bucket = _bucket(term)
        found[bucket] = found.get(bucket, 0) | bits
    return found


def _bucket(term: str) -> int:
    return crc32(term.encode("utf-8", "surrogatepass")) >> (32 - BUCKET_BITS)


def places(bits: int) -> list[int]:
    """The places of a bitmap, ascending."""
    if bits.bit_count() > _SPARSE:
        return [place for place, digit in enumerate(f"{bits:b}"[::-1]) if digit == "1"]
    found = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found


def write_places(bits: int) -> str:
    if bits.bit_count() > _SPARSE:
        return f"#{bits:x}"
    return "".join([_PLACES[place] for place in places(bits)])


def read_places(text: str) -> int:
    if text.startswith("#"):
        return int(text[1:], 16)
    bits = 0
    for start in range(0, len(text), 2):
        bits |= _BITS[text[start : start + 2]]
    return bits
