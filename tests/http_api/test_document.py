"""The whole server's OpenAPI document, and that its examples look like its answers."""

import re
from typing import Any
from uuid import uuid4

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from domain.errors import InvalidValue
from domain.records import Channel
from tests.http_api.world import Person, World
from tests.world import NOBODY


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


async def test_it_says_which_codes_a_body_may_have(document: dict[str, Any]) -> None:
    codes: dict[str, set[str]] = {"messenger": set(), "social": set()}
    for methods in document["paths"].values():
        for operation in methods.values():
            for response in operation["responses"].values():
                for dialect in codes.keys() & set(operation["tags"]):
                    codes[dialect] |= set(re.findall(r"^- `(\d+)` .", response["description"], re.MULTILINE))
    business = {*range(10001, 10009), *range(20001, 20005), *range(30001, 30004), 40001, 50001}
    assert codes["messenger"] == {str(code) for code in (400, 403, 404, 409, 422, *business)}
    assert codes["social"] == {"40000", "40001"}
    responses = document["paths"]["/api/auth/login"]["post"]["responses"]
    assert "- `10002` 密码错误" in responses["401"]["description"]


async def test_it_names_no_other_host(world: World) -> None:
    text = await (await world.client.get("/openapi.json")).text()
    assert "http://" not in text
    assert "https://" not in text


def example(document: dict[str, Any], method: str, path: str) -> Any:
    responses = document["paths"][path][method]["responses"]
    content = responses["200" if "200" in responses else "201"]["content"]
    return content["application/json"]["example"]


def fields(value: Any) -> Any:
    """The names of all fields, without the values."""
    if isinstance(value, dict):
        return {name: fields(each) for name, each in value.items()}
    if isinstance(value, list):
        return [fields(value[0])] if value else []
    return None


async def dead_letters(world: World, root: Person) -> Any:
    """With one that the push provider has refused for good."""
    world.senders[Channel.PUSH].refusal = InvalidValue("token", "unknown device")
    push = {"title": "t", "content": "c", "channels": ["push"]}
    await root.ask("POST", "/api/v1/notifications/", push, expect=201)
    await world.delivery.work(Channel.PUSH)
    return await root.ask("GET", "/api/v1/admin/notifications/dead-letters")


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
    root = await world.person(is_admin=True)
    broadcast, event = {"title": "t", "content": "c"}, {"event_type": "x", "data": {"place": ""}}
    path = "/api/v1/groups/{conversation_id}"
    answers |= {
        ("post", f"{path}/invite-code"): await alice.ask("POST", f"/api/v1/groups/{group}/invite-code"),
        ("get", f"{path}/stats"): await alice.ask("GET", f"/api/v1/groups/{group}/stats"),
        ("get", "/api/v1/groups/search"): await alice.ask("GET", "/api/v1/groups/search", params={"keyword": "群"}),
        ("post", "/api/v1/broadcasts/"): await root.ask(
            "POST", "/api/v1/broadcasts/", broadcast | {"target_user_ids": [root.id]}, expect=201
        ),
        ("get", "/api/v1/broadcasts/"): await root.ask("GET", "/api/v1/broadcasts/"),
        ("post", "/api/v1/realtime/broadcast"): await root.ask(
            "POST", "/api/v1/realtime/broadcast", params={"message": "x"}
        ),
        ("post", "/api/v1/events/"): await alice.ask("POST", "/api/v1/events/", event, expect=201),
        ("get", "/api/v1/events/"): await alice.ask("GET", "/api/v1/events/"),
        ("get", "/api/v1/cascade/mq-info"): await root.ask("GET", "/api/v1/cascade/mq-info"),
        ("post", "/api/v1/cascade/sync/users"): await root.ask("POST", "/api/v1/cascade/sync/users", {"users": [{}]}),
    }
    notes, administration = "/api/v1/notifications", "/api/v1/admin/notifications"
    wording = {"type": "system", "title": "t", "content": "c"}
    content = await root.ask("POST", administration, wording, expect=201)
    sent = await root.ask("POST", f"{administration}/{content['id']}/send", {"user_ids": [root.uuid, str(uuid4())]})
    await root.ask("POST", f"{administration}/{content['id']}/send", {"send_to_all": True})
    template = {"name": "t", "type": "system", "title_template": "{a}", "content_template": "c"}
    everybody = {"user_ids": [root.id, NOBODY]}
    answers |= {
        ("post", f"{notes}/"): await root.ask("POST", f"{notes}/", wording, expect=201),
        ("get", f"{notes}/"): await root.ask("GET", f"{notes}/"),
        ("get", f"{notes}/stats"): await root.ask("GET", f"{notes}/stats"),
        ("post", f"{notes}/send"): await root.ask("POST", f"{notes}/send", wording | everybody),
        ("get", f"{notes}/preferences/"): await root.ask("GET", f"{notes}/preferences/"),
        ("post", f"{notes}/templates/"): await root.ask("POST", f"{notes}/templates/", template, expect=201),
        ("get", f"{notes}/templates/"): await root.ask("GET", f"{notes}/templates/"),
        ("get", notes): await root.ask("GET", notes),
        ("get", f"{notes}/unread-count"): await root.ask("GET", f"{notes}/unread-count"),
        ("post", administration): content,
        ("get", administration): await root.ask("GET", administration),
        ("post", f"{administration}/{{notification_id}}/send"): sent,
        ("get", f"{administration}/{{notification_id}}/progress"): await root.ask(
            "GET", f"{administration}/{content['id']}/progress"
        ),
        ("get", f"{administration}/dead-letters"): await dead_letters(world, root),
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
    assert download["200"]["content"].keys() == download["206"]["content"].keys() == {"*/*"}
    assert "content" not in download["304"]


async def test_every_body_and_answer_has_an_example(document: dict[str, Any]) -> None:
    without = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            contents = [response.get("content", {}) for response in operation["responses"].values()]
            contents.append(operation.get("requestBody", {}).get("content", {}))
            without += [
                f"{method} {path}"
                for content in contents
                for kind, media in content.items()
                if "example" not in media and kind not in ("multipart/form-data", "*/*")
            ]
    assert without == []
