"""A Postman collection (format 2.1) of what the OpenAPI document describes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

Json = dict[str, Any]

SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
DEFAULT_HOST: Final = "http://127.0.0.1:8000"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def postman_collection(document: Mapping[str, Any]) -> Json:
    """A folder for each tag. The variables `host` and `token` are to be filled in."""
    folders: dict[str, list[Json]] = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            folders[operation["tags"][0]].append(_item(path, method, operation))
    return {
        "info": {"name": document["info"]["title"], "version": document["info"]["version"], "schema": SCHEMA},
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [
            {"key": "host", "value": DEFAULT_HOST, "type": "string"},
            {"key": "token", "value": "", "type": "string"},
        ],
        "item": [{"name": name, "item": items} for name, items in folders.items()],
    }


def _item(path: str, method: str, operation: Mapping[str, Any]) -> Json:
    request: Json = {"method": method.upper(), "header": [], "url": _url(path, operation.get("parameters", ()))}
    if not operation["security"]:
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        ((kind, media),) = operation["requestBody"]["content"].items()
        request["body"] = _body(kind, media)
        if request["body"]["mode"] == "raw":
            request["header"] = [{"key": "Content-Type", "value": kind}]
    return {"name": operation["summary"], "request": request, "response": []}


def _url(path: str, parameters: Iterable[Mapping[str, Any]]) -> Json:
    """A path parameter is `:name` here; a query parameter that may be left out is switched off."""
    given = list(parameters)
    written = _PARAMETER.sub(r":\1", path)
    url: Json = {"raw": "{{host}}" + written, "host": ["{{host}}"], "path": written.removeprefix("/").split("/")}
    variables = [{"key": each["name"], "value": "1"} for each in given if each["in"] == "path"]
    query = [
        {"key": each["name"], "value": str(each["schema"].get("default", "")), "disabled": not each["required"]}
        for each in given
        if each["in"] == "query"
    ]
    return url | ({"variable": variables} if variables else {}) | ({"query": query} if query else {})


def _body(kind: str, media: Mapping[str, Any]) -> Json:
    if kind == "application/json":
        text = orjson.dumps(media.get("example", {}), option=orjson.OPT_INDENT_2).decode()
        return {"mode": "raw", "raw": text, "options": {"raw": {"language": "json"}}}
    example = media.get("example", {})
    if kind == "application/x-www-form-urlencoded":
        return {"mode": "urlencoded", "urlencoded": [{"key": key, "value": str(example[key])} for key in example]}
    fields = media["schema"]["properties"]
    return {
        "mode": "formdata",
        "formdata": [
            {"key": name, "type": "file", "src": ""}
            if "contentMediaType" in field
            else {"key": name, "type": "text", "value": str(field.get("default", ""))}
            for name, field in fields.items()
        ],
    }
