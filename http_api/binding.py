"""From a request to checked values: what fails becomes faults, never an exception of a parser."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from multidict import MultiMapping
from pydantic import BaseModel, ValidationError

from domain.model import MAX_ID
from http_api.edge import Fault

MAX_FORM_FIELDS: Final = 100
_ID = re.compile(r"[0-9]{1,16}", re.ASCII)
_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")


class Invalid(Exception):
    """The request's fields were refused."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("invalid request")
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Converter:
    """A kind of path parameter: what the router lets through, what is accepted (ValueError), and its JSON
    schema."""

    pattern: str
    parse: Callable[[str], Any]
    schema: Mapping[str, Any]


def _parse_id(text: str) -> int:
    value = int(text) if _ID.fullmatch(text) else 0
    if not 0 < value <= MAX_ID:
        raise ValueError(f"must be an integer from 1 to {MAX_ID}")
    return value


def _parse_uuid(text: str) -> str:
    if _UUID.fullmatch(text) is None:
        raise ValueError("must be a UUID")
    return text.lower()


CONVERTERS: Final[Mapping[str, Converter]] = {
    "id": Converter("[^/]+", _parse_id, {"type": "integer", "minimum": 1, "maximum": MAX_ID}),
    "str": Converter("[^/]+", str, {"type": "string"}),
    "uuid": Converter("[^/]+", _parse_uuid, {"type": "string", "format": "uuid"}),
    "only_uuid": Converter(_UUID.pattern, _parse_uuid, {"type": "string", "format": "uuid"}),
}
"""`only_uuid` lets nothing else through, so that a route for integers may have the same path behind it."""


class PathTemplate:
    """`/conversations/{conversation_id:id}/members`: the router's pattern, the documented form and the
    parsing."""

    def __init__(self, template: str) -> None:
        self.parameters = {name: CONVERTERS[kind] for name, kind in _PARAMETER.findall(template)}
        self.documented = _PARAMETER.sub(r"{\1}", template)
        self.pattern = _PARAMETER.sub(lambda found: f"{{{found[1]}:{CONVERTERS[found[2]].pattern}}}", template)

    def bind(self, match: Mapping[str, str], faults: list[Fault]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, converter in self.parameters.items():
            try:
                values[name] = converter.parse(match[name])
            except ValueError as error:
                faults.append(Fault(("path", name), str(error), "value_error"))
        return values


class QueryBinder:
    """Repeated parameters make a list where the model has a list; elsewhere the last one counts."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self._lists = _lists(model)

    def bind(self, query: MultiMapping[str], faults: list[Fault], body: bytes = b"") -> BaseModel | None:
        """`body`, a JSON object, says what the query leaves out."""
        values = _json_object(body, faults) if body else {}
        if values is None:
            return None
        values |= {name: query.getall(name) if name in self._lists else query.getall(name)[-1] for name in set(query)}
        return validated(self._model, values, "query", faults)


def bind_json(model: type[BaseModel], payload: bytes, faults: list[Fault]) -> BaseModel | None:
    """`payload` must be one JSON object in UTF-8 (RFC 8259: no NaN, no lone surrogates)."""
    if not payload:
        faults.append(Fault(("body",), "a JSON body is required", "missing"))
        return None
    value = _json_object(payload, faults)
    return None if value is None else validated(model, value, "body", faults)


def _json_object(payload: bytes, faults: list[Fault]) -> dict[str, Any] | None:
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        faults.append(Fault(("body",), "must be valid JSON in UTF-8", "json_invalid"))
        return None
    if not isinstance(value, dict):
        faults.append(Fault(("body",), "must be a JSON object", "dict_type"))
        return None
    return value


def bind_form(model: type[BaseModel], content_type: str, payload: bytes, faults: list[Fault]) -> BaseModel | None:
    """`application/x-www-form-urlencoded`; a body of another type has no fields."""
    pairs: list[tuple[str, str]] = []
    if content_type == "application/x-www-form-urlencoded":
        try:
            # Not only ASCII, as it should be: what clients forgot to escape is understood all the same.
            pairs = parse_qsl(payload.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
        except ValueError:
            faults.append(Fault(("body",), "must be a URL-encoded form in UTF-8", "form_invalid"))
            return None
    return validated(model, dict(pairs), "body", faults)


@cache
def _names(model: type[BaseModel]) -> frozenset[str]:
    """Of the fields of a model and of those within it."""
    schema = model.model_json_schema()
    parts = (schema, *schema.get("$defs", {}).values())
    return frozenset(name for part in parts for name in part.get("properties", ()))


@cache
def _lists(model: type[BaseModel]) -> frozenset[str]:
    properties = model.model_json_schema()["properties"]
    return frozenset(name for name, schema in properties.items() if schema.get("type") == "array")


def validated(model: type[BaseModel], values: dict[str, Any], place: str, faults: list[Fault]) -> BaseModel | None:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        named = _names(model)
        faults += [
            Fault(
                # Without the names that the caller chose: a refusal repeats nothing of the input.
                (place, *(part for part in each["loc"] if isinstance(part, int) or part in named)),
                each["msg"],
                each["type"],
            )
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        return None
