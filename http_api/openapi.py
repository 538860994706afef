"""The OpenAPI 3.1 document, from the same declarations that route and validate."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from http_api.binding import PathTemplate
from http_api.edge import Edge, Fault
from http_api.examples import AnyObject, OrNull
from http_api.registry import Access, Route, RouteGroup
from http_api.uploads import FILE_FIELD

Json = dict[str, Any]
_BINARY: Final = "application/octet-stream"
_REFERENCES: Final = "#/components/schemas/{model}"
_EXAMPLE_FAULT: Final = Fault(("body", "field_name", 0), "Field required", "missing")


def openapi_document(groups: Sequence[RouteGroup], *, title: str, version: str) -> Json:
    """One tag for each dialect; every operation names its statuses, with examples."""
    routes = [(group, route) for group in groups for route in group.routes]
    references, components = _models(route for _, route in routes)
    paths: dict[str, Json] = {}
    for group, route in routes:
        path = PathTemplate(group.prefix + route.path)
        operations = paths.setdefault(path.documented, {})
        operations[route.method.lower()] = _operation(group.edge, route, path, references)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "tags": [{"name": name} for name in sorted({group.edge.name for group in groups})],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _models(routes: Iterable[Route]) -> tuple[Mapping[type[BaseModel], Json], Json]:
    """A reference for every body model, and the schemas that the references lead to."""
    plain = [route for route in routes if route.receives is None]
    models = {model: None for route in plain for model in (route.body, route.form) if model is not None}
    references, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCES)
    return {model: reference for (model, _), reference in references.items()}, definitions.get("$defs", {})  # type: ignore[misc]


def _operation(edge: Edge, route: Route, path: PathTemplate, references: Mapping[type[BaseModel], Json]) -> Json:
    operation: Json = {
        "tags": [edge.name],
        "summary": route.summary,
        "operationId": f"{edge.name}_{route.method.lower()}_{_slug(path.documented)}",
        "security": [] if route.access is Access.PUBLIC else [{"bearer": []}],
        "responses": dict(_successes(edge, route)) | dict(_failures(edge, route)),
    }
    parameters = [_path_parameter(name, converter.schema) for name, converter in path.parameters.items()]
    if route.query is not None:
        parameters += _query_parameters(route.query, optional=route.query_in_body)
    if parameters:
        operation["parameters"] = parameters
    model = route.body or route.form
    if route.receives is not None:
        operation["requestBody"] = {"required": True, "content": {"multipart/form-data": _form_with_file(route)}}
    elif model is not None:
        media: Json = {"schema": references[model]}
        if route.sends is not None:
            media["example"] = route.sends
        media_type = "application/json" if route.body else "application/x-www-form-urlencoded"
        operation["requestBody"] = {"required": not route.body_optional, "content": {media_type: media}}
    return operation


def _form_with_file(route: Route) -> Json:
    """In one schema: what shows this document offers to choose a file only there."""
    assert route.form is not None
    schema = route.form.model_json_schema()
    file = {FILE_FIELD: {"type": "string", "contentMediaType": _BINARY, "description": "The file"}}
    return {
        "schema": {
            "type": "object",
            "properties": file | schema["properties"],
            "required": [FILE_FIELD, *schema.get("required", ())],
        }
    }


def _slug(path: str) -> str:
    # A trailing slash is part of a documented path: at /notifications im and inbox differ in nothing else.
    words = path.strip("/").translate(str.maketrans("/-", "__", "{}"))
    return f"{words}_" if path.endswith("/") else words


def _path_parameter(name: str, schema: Mapping[str, Any]) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": dict(schema)}


def _query_parameters(model: type[BaseModel], *, optional: bool) -> list[Json]:
    """`optional`: they may stand in the body instead."""
    schema = model.model_json_schema()
    required = () if optional else schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": each}
        for name, each in schema["properties"].items()
    ]


def _successes(edge: Edge, route: Route) -> Iterable[tuple[str, Json]]:
    yield str(route.status), _success(edge, route)
    if route.sends_file:
        yield "206", _success(edge, route) | {"description": "The part that a Range header asked for"}
        yield "304", {"description": "The copy that If-None-Match or If-Modified-Since tells of is still right"}


def _success(edge: Edge, route: Route) -> Json:
    response: Json = {"description": HTTPStatus(route.status).phrase}
    if route.sends_file:
        return response | {"content": {"*/*": {"schema": {}}}}
    example = edge.success(route.returns)
    if example is not None:
        response["content"] = _content(example)
    return response


def _failures(edge: Edge, route: Route) -> Iterable[tuple[str, Json]]:
    statuses = {*route.errors, 429}
    if route.sends_file:
        statuses.add(416)
    if route.access is not Access.PUBLIC:
        statuses |= {401, 403}
    if route.body or route.form or route.query or "{" in route.path:
        invalid_status, invalid = edge.invalid((_EXAMPLE_FAULT,))
        statuses.discard(invalid_status)
        yield (
            str(invalid_status),
            {"description": f"The request's fields were refused{_codes(edge, invalid_status)}"}
            | {"content": _content(invalid)},
        )
    for status in sorted(statuses):
        phrase = HTTPStatus(status).phrase
        description = f"{phrase}{_codes(edge, status)}"
        yield str(status), {"description": description, "content": _content(edge.refusal(status, phrase))}


def _codes(edge: Edge, status: int) -> str:
    return "".join(f"\n- `{code}` {text}" for code, text in edge.codes(status).items())


def _content(example: Any) -> Json:
    return {"application/json": {"schema": schema_of(example), "example": plain(example)}}


def plain(example: Any) -> Any:
    """The example as JSON has it."""
    match example:
        case OrNull(value) | AnyObject(value):
            return plain(value)
        case dict():
            return {name: plain(value) for name, value in example.items()}
        case list() | tuple():
            return [plain(value) for value in example]
    return example


def schema_of(example: Any) -> Json:
    """The JSON schema that an example shows: every field that is there is required, an object whose names are numbers
    may have others; null says nothing of a type."""
    match example:
        case OrNull(value):
            schema = schema_of(value)
            return schema | {"type": [schema["type"], "null"]}
        case AnyObject():
            return {"type": "object"}
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer"}
        case float():
            return {"type": "number"}
        case str():
            return {"type": "string"}
        case dict() if example and all(name.isdecimal() for name in example):
            return {"type": "object", "additionalProperties": schema_of(next(iter(example.values())))}
        case dict():
            properties = {name: schema_of(value) for name, value in example.items()}
            return {"type": "object", "properties": properties, "required": list(properties)}
        case list() | tuple():
            kinds: list[Json] = []
            for value in example:
                schema = schema_of(value)
                if schema not in kinds:
                    kinds.append(schema)
            return {"type": "array", "items": {"anyOf": kinds} if len(kinds) > 1 else kinds[0] if kinds else {}}
    return {}
