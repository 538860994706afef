"""PROTOCOL.md says what the code does: every packet, field, number, limit, enum, error and close code."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

import protocol
from domain import errors
from domain.errors import DomainError
from domain.model import MAX_ID
from protocol.close_codes import CloseCode
from protocol.native import packets
from protocol.native.binary_codec import NativeBinary
from protocol.native.json_codec import NativeJson
from protocol.native.refusals import MAX_PACKETS_PER_FRAME
from protocol.native.schema import ALTERNATIVES, COMMANDS, ENUMS, SERVER_PACKETS, tag_of

TEXT = (Path(protocol.__file__).parent / "PROTOCOL.md").read_text(encoding="utf-8")
RECORDS: dict[str, type[msgspec.Struct]] = {
    "profile": packets.ProfileInfo,
    "conversation": packets.ConversationInfo,
    "entry": packets.ConversationEntry,
    "location": packets.LocationAttachment,
    "file": packets.FileAttachment,
    "call": packets.CallAttachment,
}
Row = tuple[str, str, str, str]


def type_text(declared: inspect.Type) -> str:
    """How the document writes a type and its limits."""
    match declared:
        case inspect.IntType():
            low, high = declared.ge or 0, declared.le
            if high in (None, MAX_ID):
                return "int ≥ 1" if low == 1 else "int"
            return f"int {low}–{high}"
        case inspect.StrType():
            if declared.max_length is None:
                return "string"
            return f"string {declared.min_length or 0}–{declared.max_length}"
        case inspect.BoolType():
            return "bool"
        case inspect.FloatType():
            return "float" if declared.le is None and declared.ge is None else f"float {_range(declared)}"
        case inspect.EnumType():
            return declared.cls.__name__
        case inspect.ListType():
            limit = "" if declared.max_length is None else f", at most {declared.max_length}"
            return f"list of {type_text(declared.item_type)}{limit}"
        case inspect.TupleType():
            return f"[{', '.join(map(type_text, declared.item_types))}]"
        case inspect.DictType():
            return f"map of {type_text(declared.key_type)} to {type_text(declared.value_type)}"
        case inspect.StructType():
            if declared.cls is packets.MessagePacket:
                return "message"
            return next(name for name, cls in RECORDS.items() if cls is declared.cls)
        case inspect.UnionType():
            kinds = [kind for kind in declared.types if not isinstance(kind, inspect.NoneType)]
            return " or ".join(map(type_text, kinds))
    raise TypeError(declared)


def _range(declared: inspect.FloatType) -> str:
    if declared.le is None:
        return f"≥ {declared.ge:g}"
    return f"{declared.ge:g}–{declared.le:g}".replace("-", "−")


def rows_of(cls: type[msgspec.Struct]) -> list[Row]:
    """Name, bit (`–` for a required field), type, default."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    rows = []
    bit = 0
    for field in info.fields:
        if field.name == "id" and field is info.fields[-1]:
            continue
        if field.required:
            rows.append((f"`{field.name}`", "–", type_text(field.type), ""))
            continue
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        shown = "" if default is None else str(msgspec.json.encode(default), "utf-8")
        rows.append((f"`{field.name}`", str(bit), type_text(field.type), f"`{shown}`" if shown else "none"))
        bit += 1
    return rows


def documented(heading: str) -> list[Row]:
    _, found, rest = TEXT.partition(f"\n#### {heading}\n")
    assert found, heading
    section = re.split(r"\n#{2,4} ", rest)[0]
    cells = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return [(cell[0].strip(), cell[1].strip(), cell[2].strip(), cell[3].strip()) for cell in cells]


@pytest.mark.parametrize(("side", "table"), [("client", COMMANDS), ("server", SERVER_PACKETS)])
def test_packets(side: str, table: dict[int, type[msgspec.Struct]]) -> None:
    for number, cls in table.items():
        assert documented(f"{side} {number}: `{tag_of(cls)}`") == rows_of(cls), cls
    assert len(re.findall(rf"\n#### {side} \d+: ", TEXT)) == len(table)


def test_records() -> None:
    for name, cls in RECORDS.items():
        assert documented(f"record: {name}") == rows_of(cls), name
    for cls, number in ALTERNATIVES.items():
        assert f"`{tag_of(cls)}` {number}" in TEXT


def test_enums() -> None:
    for enum, members in ENUMS.items():
        assert set(members) == set(enum)
        listed = ", ".join(f"`{member.value}` {number}" for number, member in enumerate(members))
        assert f"| {enum.__name__} | {listed} |" in TEXT


def _error_classes(base: type[DomainError]) -> set[type[DomainError]]:
    return {base}.union(*map(_error_classes, base.__subclasses__())) if base.__module__ == errors.__name__ else set()


def test_error_codes() -> None:
    documented_codes = dict(re.findall(r"^\| `([a-z_]+)` \| (yes|no) \|", TEXT, re.MULTILINE))
    for cls in _error_classes(DomainError) - {DomainError}:
        assert documented_codes[cls.code] == ("yes" if cls.temporary else "no"), cls
    assert {"malformed", "unknown_type", "not_authenticated", "already_authenticated", "too_many", "busy"} < set(
        documented_codes
    )


def test_close_codes() -> None:
    listed = {int(code): name for code, name in re.findall(r"^\| (\d{4}) `([a-z_]+)` \|", TEXT, re.MULTILINE)}
    assert listed == {code.value: code.name.lower() for code in CloseCode}


def test_limits() -> None:
    assert f"at most {MAX_PACKETS_PER_FRAME} packets" in TEXT


def test_the_example_session_is_the_same_in_both_codecs() -> None:
    lines: list[tuple[str, str, str]] = re.findall(r"^([CS]): (\{.*\})\n   ([0-9a-f ]+)$", TEXT, re.MULTILINE)
    assert len(lines) >= 8
    json_codec, binary_codec = NativeJson(), NativeBinary()
    for side, text, hexadecimal in lines:
        data = bytes.fromhex(hexadecimal)
        said: Any
        if side == "C":
            (said,) = json_codec.decode(text.encode())
            assert binary_codec.encode_command(said) == data
        else:
            (said,) = json_codec.decode_packets(text.encode())
            assert binary_codec.encode_packet(said) == data
