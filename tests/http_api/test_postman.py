"""The Postman collection has every operation of the OpenAPI document, ready to be sent."""

import json
from typing import Any

import pytest

from http_api.openapi import openapi_document
from http_api.postman import postman_collection
from tests.http_api.edge_app import GROUP
from tests.http_api.world import World


def requests(collection: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    items = [item["request"] for folder in collection["item"] for item in folder["item"]]
    return {(item["method"], item["url"]["raw"]): item for item in items}


@pytest.fixture(scope="module")
def probe() -> dict[tuple[str, str], dict[str, Any]]:
    return requests(postman_collection(openapi_document([GROUP], title="Feige", version="1.0.0")))


def test_paths_queries_and_permissions(probe: dict[tuple[str, str], dict[str, Any]]) -> None:
    mine, opened = probe["GET", "{{host}}/probe/mine"], probe["GET", "{{host}}/probe/open"]
    assert "auth" not in mine
    assert opened["auth"] == {"type": "noauth"}
    assert opened["url"]["query"][0] == {"key": "limit", "value": "10", "disabled": True}
    record = probe["GET", "{{host}}/probe/records/:record_id"]["url"]
    assert record["path"] == ["probe", "records", ":record_id"]
    assert record["variable"] == [{"key": "record_id", "value": "1"}]


async def test_the_whole_document_is_in_it(world: World) -> None:
    document = await (await world.client.get("/openapi.json")).json()
    collection = postman_collection(document)
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert {each["key"] for each in collection["variable"]} == {"host", "token"}
    assert [folder["name"] for folder in collection["item"]] == [tag["name"] for tag in document["tags"]]
    assert len(requests(collection)) == sum(len(operations) for operations in document["paths"].values())


async def test_its_bodies_are_accepted(world: World) -> None:
    collection = postman_collection(await (await world.client.get("/openapi.json")).json())
    found = requests(collection)
    create = found["POST", "{{host}}/api/v1/users/"]
    assert create["header"] == [{"key": "Content-Type", "value": "application/json"}]
    response = await world.client.post("/api/v1/users/", json=json.loads(create["body"]["raw"]))
    assert response.status == 200
    login = {
        each["key"]: each["value"]
        for each in found["POST", "{{host}}/api/v1/auth/login/access-token"]["body"]["urlencoded"]
    }
    assert (await world.client.post("/api/v1/auth/login/access-token", data=login)).status == 200
