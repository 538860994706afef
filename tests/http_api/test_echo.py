"""What is refused is never repeated: the routes of every dialect, each with hostile input in every place."""

import re
from typing import Any

from tests.http_api.world import World

CANARY = "c4n4ry<script>'\";--"
FIELDS = re.compile(r"\{(\w+)\}")


async def test_no_refusal_repeats_the_input(world: World) -> None:
    document: dict[str, Any] = await (await world.client.get("/openapi.json")).json()
    root = await world.person("root", is_admin=True)
    echoes, faults, asked = [], [], 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            fields = _fields(document, operation)
            attempts: list[tuple[str, dict[str, Any]]] = [
                (FIELDS.sub("c4n4ry", path), {}),
                (FIELDS.sub("1", path), {"params": dict.fromkeys(names, CANARY)}),
                (FIELDS.sub("1", path), {"json": {key: {CANARY: [CANARY]} for key in fields}}),
                (FIELDS.sub("1", path), {"json": {key: [CANARY] for key in fields}}),
                (FIELDS.sub("1", path), {"data": f'{{"{CANARY}'}),
                (FIELDS.sub("1", path), {"data": dict.fromkeys(fields, CANARY * 300) or None}),
            ]
            for target, options in attempts:
                response = await root.request(method.upper(), target, **options)
                text = await response.text()
                asked += 1
                if response.status >= 500:
                    faults.append((method, path, options, text))
                if response.status >= 400 and "c4n4ry" in text:
                    echoes.append((method, path, options, text))
                if response.status in (401, 403) and "logout" not in path:
                    root = await _again(world, root)
    assert asked > 300
    assert faults == []
    assert echoes == []


async def _again(world: World, root: Any) -> Any:
    """A logout may have ended the login."""
    if await root.status("GET", "/api/v1/users/me") == 200:
        return root
    return await world.person(is_admin=True)


def _fields(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = media["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return list(schema.get("properties", ()))
    return []
