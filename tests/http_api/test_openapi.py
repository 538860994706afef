"""The OpenAPI document says what the routes do."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from http_api.examples import OrNull
from http_api.openapi import openapi_document, plain, schema_of
from tests.http_api.edge_app import GROUP


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document([GROUP], title="Feige", version="1.0.0")


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_paths_and_parameters(document: dict[str, Any]) -> None:
    operation = document["paths"]["/probe/open"]["get"]
    assert {(each["name"], each["in"]) for each in operation["parameters"]} == {
        ("limit", "query"),
        ("ids", "query"),
    }
    assert operation["security"] == []
    assert document["paths"]["/probe/mine"]["get"]["security"] == [{"bearer": []}]


def test_statuses(document: dict[str, Any]) -> None:
    assert document["paths"]["/probe/secret"]["post"]["responses"].keys() == {"200", "401", "403", "422", "429"}
    assert document["paths"]["/probe/nothing"]["delete"]["responses"].keys() == {"204", "429"}


def test_bodies_are_components(document: dict[str, Any]) -> None:
    content = document["paths"]["/probe/form"]["post"]["requestBody"]["content"]
    assert content.keys() == {"application/x-www-form-urlencoded"}
    name = content["application/x-www-form-urlencoded"]["schema"]["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][name]["required"] == ["username", "password"]


def test_what_may_be_null_or_of_several_kinds() -> None:
    example = {"name": OrNull("a"), "loc": ["body", 0], "states": {"1": True, "2": False}}
    assert plain(example) == {"name": "a", "loc": ["body", 0], "states": {"1": True, "2": False}}
    assert schema_of(example)["properties"] == {
        "name": {"type": ["string", "null"]},
        "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "states": {"type": "object", "additionalProperties": {"type": "boolean"}},
    }


def test_a_schema_is_read_off_an_example() -> None:
    assert schema_of({"id": 1, "on": True, "names": ["a"], "none": None, "size": 0.5}) == {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "on": {"type": "boolean"},
            "names": {"type": "array", "items": {"type": "string"}},
            "none": {},
            "size": {"type": "number"},
        },
        "required": ["id", "on", "names", "none", "size"],
    }
