"""Hypothesis strategies for the packets, made from their declared types and limits."""

from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from domain.model import MAX_ID
from protocol.native.schema import COMMANDS, SERVER_PACKETS


def packets_of(cls: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    required = {field.name: _values(field.type) for field in info.fields if field.required}
    optional = {field.name: _values(field.type) for field in info.fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: cls(**values))


def _values(declared: inspect.Type) -> st.SearchStrategy[Any]:
    match declared:
        case inspect.IntType():
            return st.integers(declared.ge or 0, MAX_ID if declared.le is None else declared.le)
        case inspect.StrType():
            return st.text(min_size=declared.min_length or 0, max_size=min(declared.max_length or 300, 300))
        case inspect.BoolType():
            return st.booleans()
        case inspect.FloatType():
            return st.floats(declared.ge, declared.le, allow_nan=False, allow_infinity=False)
        case inspect.EnumType():
            return st.sampled_from(list(declared.cls))
        case inspect.ListType():
            return st.lists(_values(declared.item_type), max_size=5)
        case inspect.TupleType():
            return st.tuples(*map(_values, declared.item_types))
        case inspect.DictType():
            return st.dictionaries(_values(declared.key_type), _values(declared.value_type), max_size=5)
        case inspect.StructType():
            return packets_of(declared.cls)
        case inspect.UnionType():
            return st.one_of(*map(_values, declared.types))
        case inspect.NoneType():
            return st.none()
    raise TypeError(declared)


commands = st.one_of(*map(packets_of, COMMANDS.values()))
server_packets = st.one_of(*map(packets_of, SERVER_PACKETS.values()))
