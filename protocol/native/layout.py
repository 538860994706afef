"""How the fields of a struct become bytes and back, compiled once from its declared types.

Writers append to a bytearray. Readers take the bytes and a position and return a plain value (what JSON would hold) and
the position after it; msgspec then makes the struct of these, with the same checks as for JSON, so limits are declared
once. Readers raise what `UNREADABLE` names.
"""

import struct
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import inspect

from domain.model import MAX_ID
from protocol.native.schema import ALTERNATIVES, ENUMS

Writer = Callable[[bytearray, Any], None]
Reader = Callable[[bytes, int], tuple[Any, int]]

MAX_VARINT_BYTES: Final = 8

UNREADABLE: Final = (IndexError, ValueError)
"""The bytes end too early, or are not what they should be (UnicodeDecodeError is a ValueError)."""

_double: Final = struct.Struct(">d")


def write_varint(out: bytearray, value: int) -> None:
    """Unsigned LEB128. ValueError for a negative value."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """At most 2^53 - 1, in the fewest bytes."""
    byte = data[position]
    position += 1
    if byte < 0x80:
        return byte, position
    value = byte & 0x7F
    shift = 7
    while True:
        byte = data[position]
        position += 1
        if byte < 0x80:
            break
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift == 7 * MAX_VARINT_BYTES:
            raise ValueError("an integer is too long")
    if not byte:
        raise ValueError("an integer is longer than it needs to be")
    value |= byte << shift
    if value > MAX_ID:
        raise ValueError("an integer is too large")
    return value, position


def _write_string(out: bytearray, value: str) -> None:
    data = value.encode()
    length = len(data)
    if length < 0x80:
        out.append(length)
    else:
        write_varint(out, length)
    out += data


def _read_string(data: bytes, position: int) -> tuple[str, int]:
    length, position = read_varint(data, position)
    end = position + length
    if end > len(data):
        raise IndexError
    return data[position:end].decode(), end


def _write_bool(out: bytearray, value: bool) -> None:
    out.append(1 if value else 0)


def _read_bool(data: bytes, position: int) -> tuple[bool, int]:
    byte = data[position]
    if byte > 1:
        raise ValueError("a boolean is neither 0 nor 1")
    return byte == 1, position + 1


def _write_double(out: bytearray, value: float) -> None:
    out += _double.pack(value)


def _read_double(data: bytes, position: int) -> tuple[float, int]:
    end = position + 8
    if end > len(data):
        raise IndexError
    (value,) = _double.unpack_from(data, position)
    # NaN passes every comparison of a range check; JSON can express neither it nor infinity.
    if value - value != 0:
        raise ValueError("a number is not finite")
    return value, end


def _enum(members: tuple[Enum, ...]) -> tuple[Writer, Reader]:
    numbers = {member: number for number, member in enumerate(members)}
    values = tuple(member.value for member in members)

    def write(out: bytearray, value: Enum) -> None:
        out.append(numbers[value])

    def read(data: bytes, position: int) -> tuple[Any, int]:
        number, position = read_varint(data, position)
        # A value that is none of the enum's: the refusal then names the field.
        return (values[number] if number < len(values) else f"#{number}"), position

    return write, read


def _read_count(data: bytes, position: int) -> tuple[int, int]:
    """Every item takes a byte at least, so no more can be announced than are there."""
    count, position = read_varint(data, position)
    if count > len(data) - position:
        raise IndexError
    return count, position


def _list(item: tuple[Writer, Reader], max_length: int | None = None) -> tuple[Writer, Reader]:
    write_item, read_item = item

    def write(out: bytearray, values: list[Any]) -> None:
        write_varint(out, len(values))
        for value in values:
            write_item(out, value)

    def read(data: bytes, position: int) -> tuple[list[Any], int]:
        count, position = _read_count(data, position)
        if max_length is not None and count > max_length:
            # Refused for its length, naming the field, without the 10 ms that 64 KiB of items would take.
            return [None] * (max_length + 1), len(data)
        values = []
        for _ in range(count):
            value, position = read_item(data, position)
            values.append(value)
        return values, position

    return write, read


def _tuple(items: tuple[tuple[Writer, Reader], ...]) -> tuple[Writer, Reader]:
    writers = tuple(write for write, _ in items)
    readers = tuple(read for _, read in items)

    def write(out: bytearray, values: tuple[Any, ...]) -> None:
        for write_item, value in zip(writers, values, strict=True):
            write_item(out, value)

    def read(data: bytes, position: int) -> tuple[list[Any], int]:
        values = []
        for read_item in readers:
            value, position = read_item(data, position)
            values.append(value)
        return values, position

    return write, read


def _dict(key: tuple[Writer, Reader], value: tuple[Writer, Reader]) -> tuple[Writer, Reader]:
    write_pairs, read_pairs = _list(_tuple((key, value)))

    def write(out: bytearray, values: dict[Any, Any]) -> None:
        write_pairs(out, values.items())

    def read(data: bytes, position: int) -> tuple[dict[Any, Any], int]:
        pairs, position = read_pairs(data, position)
        return dict(pairs), position

    return write, read


class Fields:
    """The fields of a struct but `type` and `id`: required ones in order, then a bitmap of the optional ones that are
    present and these in the order of their bits. An optional boolean is all in its bit, which means "not the default".
    """

    __slots__ = (
        "_defaults",
        "_optional",
        "_optional_end",
        "_optional_readers",
        "_required",
        "_required_readers",
        "has_id",
    )

    def __init__(self, cls: type[msgspec.Struct]) -> None:
        info = inspect.type_info(cls)
        assert isinstance(info, inspect.StructType)
        self.has_id = info.fields[-1].name == "id"
        """The request id, which travels in front."""
        fields = info.fields[:-1] if self.has_id else info.fields
        required = [(field.name, *_codec(field.type)) for field in fields if field.required]
        optional = [
            (field.name, *(_NOTHING if isinstance(field.type, inspect.BoolType) else _codec(field.type)))
            for field in fields
            if not field.required
        ]
        self._required = tuple(write for _, write, _ in required)
        self._required_readers = tuple((name, read) for name, _, read in required)
        self._optional_end = len(fields)
        self._defaults = tuple(_default(field) for field in fields if not field.required)
        self._optional = tuple(
            (1 << place, default, write)
            for place, (default, (_, write, _)) in enumerate(zip(self._defaults, optional, strict=True))
        )
        self._optional_readers = tuple(
            (name, default, read) for default, (name, _, read) in zip(self._defaults, optional, strict=True)
        )

    def write(self, out: bytearray, values: tuple[Any, ...]) -> bool:
        """Appends the fields, whose values come in their order. Returns whether optional fields are among them."""
        for write, value in zip(self._required, values):  # noqa: B905 - the optional ones follow
            write(out, value)
        given = values[len(self._required) : self._optional_end]
        if given == self._defaults:
            return False
        bitmap = 0
        body = bytearray()
        for (bit, default, write_optional), value in zip(self._optional, given, strict=True):
            # Identity first: values that were left out are the defaults themselves, and `!=` on enums is slow.
            if value is not default and value != default:
                bitmap |= bit
                if write_optional is not None:
                    write_optional(body, value)
        write_varint(out, bitmap)
        out += body
        return True

    def read(self, data: bytes, position: int, has_optional: bool | None) -> dict[str, Any]:
        """The values by name, without those left out. None: there are optional fields if bytes are left for them."""
        values: dict[str, Any] = {}
        for name, read in self._required_readers:
            values[name], position = read(data, position)
        if has_optional or (has_optional is None and position < len(data)):
            bitmap, position = read_varint(data, position)
            for name, default, read_optional in self._optional_readers:
                if bitmap & 1:
                    if read_optional is None:
                        values[name] = not default
                    else:
                        values[name], position = read_optional(data, position)
                bitmap >>= 1
                if not bitmap:
                    break
        return values


def _default(field: inspect.Field) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


_NOTHING: Final = (None, None)


@cache
def fields_of(cls: type[msgspec.Struct]) -> Fields:
    return Fields(cls)


def _record(cls: type[msgspec.Struct]) -> tuple[Writer, Reader]:
    """A struct within a packet: its length in bytes, then its fields. What follows known fields is skipped."""
    fields = fields_of(cls)

    def write(out: bytearray, value: msgspec.Struct) -> None:
        body = bytearray()
        fields.write(body, msgspec.structs.astuple(value))
        write_varint(out, len(body))
        out += body

    def read(data: bytes, position: int) -> tuple[dict[str, Any], int]:
        length, position = read_varint(data, position)
        end = position + length
        if end > len(data):
            raise IndexError
        return fields.read(data[position:end], 0, None), end

    return write, read


def _one_of(structs: tuple[type[msgspec.Struct], ...]) -> tuple[Writer, Reader]:
    """A number that says which record it is, then the record."""
    writers = {cls: (ALTERNATIVES[cls], _record(cls)[0]) for cls in structs}
    readers = {ALTERNATIVES[cls]: (cls.__struct_config__.tag, _record(cls)[1]) for cls in structs}

    def write(out: bytearray, value: msgspec.Struct) -> None:
        number, write_record = writers[type(value)]
        write_varint(out, number)
        write_record(out, value)

    def read(data: bytes, position: int) -> tuple[dict[str, Any], int]:
        number, position = read_varint(data, position)
        if number not in readers:
            raise ValueError("a record is of an unknown kind")
        tag, read_record = readers[number]
        values, position = read_record(data, position)
        return {"type": tag, **values}, position

    return write, read


def _codec(declared: inspect.Type) -> tuple[Writer, Reader]:
    """Writer and reader of a type. TypeError for one that has no binary form."""
    match declared:
        case inspect.IntType():
            return write_varint, read_varint
        case inspect.StrType():
            return _write_string, _read_string
        case inspect.BoolType():
            return _write_bool, _read_bool
        case inspect.FloatType():
            return _write_double, _read_double
        case inspect.EnumType():
            return _enum(ENUMS[declared.cls])
        case inspect.ListType():
            return _list(_codec(declared.item_type), declared.max_length)
        case inspect.TupleType():
            return _tuple(tuple(_codec(item) for item in declared.item_types))
        case inspect.DictType():
            return _dict(_codec(declared.key_type), _codec(declared.value_type))
        case inspect.StructType():
            return _record(declared.cls)
        case inspect.UnionType():
            kinds = [kind for kind in declared.types if not isinstance(kind, inspect.NoneType)]
            if len(kinds) == 1:
                return _codec(kinds[0])
            return _one_of(tuple(kind.cls for kind in kinds if isinstance(kind, inspect.StructType)))
    raise TypeError(f"{declared} has no binary form")
