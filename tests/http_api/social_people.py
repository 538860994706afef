"""What the tests of social ask: its envelope, opened."""

from typing import Any

from tests.http_api.world import Person


async def ok(person: Person, method: str, path: str, json: Any = None, **options: Any) -> Any:
    """The `data` of a success."""
    body = await person.ask(method, path, json, **options)
    assert body.keys() == {"code", "message", "data"}
    assert (body["code"], body["message"]) == (20000, "success")
    return body["data"]


async def refused(
    person: Person, status: int, method: str, path: str, json: Any = None, *, code: int = 40000, **options: Any
) -> str:
    """The `message` of a refusal."""
    body = await person.ask(method, path, json, expect=status, **options)
    assert body.keys() == {"code", "message"}
    assert body["code"] == code
    return str(body["message"])


async def befriend(one: Person, other: Person) -> None:
    request = await ok(one, "POST", "/friend/request/send", {"to_user_id": other.id})
    await ok(other, "POST", "/friend/request/handle", {"request_id": request["id"], "action": 2})
