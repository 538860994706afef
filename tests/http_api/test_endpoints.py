"""The checklist of all documented endpoints: each is routed and in the OpenAPI document."""

import csv
import re
import uuid
from pathlib import Path
from typing import Any

from aiohttp.test_utils import make_mocked_request

from tests.http_api.world import World

CHECKLIST = Path(__file__).parents[1] / "conformance" / "endpoints.tsv"


def rows() -> list[tuple[str, str, str]]:
    with CHECKLIST.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        found = [(row["dialect"], row["method"], row["path"]) for row in reader]
    # Sockets are the gateway's, not routes.
    return [row for row in found if row[1] != "WS" and row[2] != "/ws"]


def shape(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


async def test_every_endpoint_is_routed_and_documented(world: World) -> None:
    document: dict[str, Any] = await (await world.client.get("/openapi.json")).json()
    documented = {
        (operation["tags"][0], method.upper(), shape(path))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    dialects = {"im-list": "im"}
    missing = set()
    for dialect, method, path in rows():
        # inbox's ids are UUIDs, and only those lead to its routes.
        some_id = str(uuid.UUID(int=1)) if dialect == "inbox" else "1"
        request = make_mocked_request(method, re.sub(r"\{\w+\}", some_id, path))
        found = await world.client.app.router.resolve(request)
        if found.http_exception is not None or (dialects.get(dialect, dialect), method, shape(path)) not in documented:
            missing.add((dialect, method, path))
    assert not missing, sorted(missing)
