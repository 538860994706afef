"""The whole server's OpenAPI document, and that its examples look like its answers."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.http_api.world import World


@pytest.fixture
async def document(world: World) -> dict[str, Any]:
    response = await world.client.get("/openapi.json")
    assert response.status == 200
    found: dict[str, Any] = await response.json()
    return found


async def test_it_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["openapi"] == "3.1.0"
    assert [tag["name"] for tag in document["tags"]] == ["im", "inbox", "messenger", "social"]


async def test_operations_have_ids_and_summaries_of_their_own(document: dict[str, Any]) -> None:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] and operation["responses"] for operation in operations)


async def test_it_names_no_other_host(world: World) -> None:
    text = await (await world.client.get("/openapi.json")).text()
    assert "http://" not in text
    assert "https://" not in text


def example(document: dict[str, Any], method: str, path: str) -> Any:
    content = document["paths"][path][method]["responses"]["200"]["content"]
    return content["application/json"]["example"]


def fields(value: Any) -> Any:
    """The names of all fields, without the values."""
    if isinstance(value, dict):
        return {name: fields(each) for name, each in value.items()}
    if isinstance(value, list):
        return [fields(value[0])] if value else []
    return None


async def test_examples_have_the_fields_of_answers(world: World, document: dict[str, Any]) -> None:
    alice, bob = await world.person(), await world.person()
    group = await alice.group(bob)
    first = await bob.say(group)
    place = {"conversation_id": group, "latitude": "1", "longitude": "2"}
    await alice.ask("POST", "/api/v1/messages/mark-read", {"conversation_id": group, "message_ids": [first]})
    file = await alice.upload()
    answers = {
        ("get", "/api/v1/users/me"): await alice.ask("GET", "/api/v1/users/me"),
        ("get", "/api/v1/conversations/"): await alice.ask("GET", "/api/v1/conversations/"),
        ("get", "/api/v1/conversations/{conversation_id}"): await alice.ask("GET", f"/api/v1/conversations/{group}"),
        ("get", "/api/v1/conversations/{conversation_id}/members"): await alice.ask(
            "GET", f"/api/v1/conversations/{group}/members"
        ),
        ("get", "/api/v1/messages/single/{message_id}"): await alice.ask("GET", f"/api/v1/messages/single/{first}"),
        ("get", "/api/v1/messages/conversation/{conversation_id}"): await alice.ask(
            "GET", f"/api/v1/messages/conversation/{group}"
        ),
        ("get", "/api/v1/messages/{message_id}/read-receipts"): await bob.ask(
            "GET", f"/api/v1/messages/{first}/read-receipts"
        ),
        ("post", "/api/v1/messages/location"): await alice.ask("POST", "/api/v1/messages/location", place),
        ("post", "/api/v1/messages/file"): await alice.send_file(group, file),
        ("post", "/api/v1/files/upload"): file,
        ("get", "/api/v1/files/list"): await alice.ask("GET", "/api/v1/files/list"),
        **{
            ("get", f"/api/v1/files/{what}/{{file_id}}"): await alice.ask(
                "GET", f"/api/v1/files/{what}/{file['file_id']}"
            )
            for what in ("info", "download-info")
        },
        ("get", "/api/v1/auth/me"): await alice.ask("GET", "/api/v1/auth/me"),
    }
    for (method, path), answer in answers.items():
        assert fields(answer) == fields(example(document, method, path)), path


async def test_forms_with_files_and_files_as_answers(document: dict[str, Any]) -> None:
    upload = document["paths"]["/api/v1/files/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert upload["schema"]["required"] == ["file"]
    assert upload["schema"]["properties"].keys() == {"file", "description", "is_public"}
    assert upload["schema"]["properties"]["file"]["contentMediaType"] == "application/octet-stream"
    download = document["paths"]["/api/v1/files/download/{file_id}"]["get"]["responses"]
    assert download.keys() == {"200", "206", "304", "401", "403", "404", "416", "422", "429"}
    assert download["200"]["content"].keys() == download["206"]["content"].keys() == {"application/octet-stream"}
    assert "content" not in download["304"]
