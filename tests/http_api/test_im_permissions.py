"""Every route of im with an id in its path, or a conversation in its body, as every kind of caller."""

import re
from typing import Any, Final

import pytest
from yarl import URL

from http_api.binding import PathTemplate
from http_api.registry import Access
from tests.http_api.world import Person, World
from tests.world import NOBODY

CONVERSATION: Final = "/api/v1/conversations/{conversation_id}"
GROUP: Final = "/api/v1/groups/{conversation_id}"
NOTIFICATION: Final = "/api/v1/notifications/{notification_id}"
MESSAGE: Final = "/api/v1/messages/{message_id}"

MATRIX: Final[dict[tuple[str, str], tuple[Any, dict[str, int]]]] = {
    ("GET", CONVERSATION): (None, {"stranger": 403, "member": 200, "admin": 200, "owner": 200}),
    ("PUT", CONVERSATION): ({"name": "x"}, {"stranger": 403, "member": 403, "admin": 200, "owner": 200}),
    ("DELETE", CONVERSATION): (None, {"stranger": 403, "member": 403, "admin": 403, "owner": 204}),
    ("GET", f"{CONVERSATION}/members"): (
        None,
        {"stranger": 403, "member": 200, "admin": 200, "owner": 200},
    ),
    ("POST", f"{CONVERSATION}/members"): (
        {"user_ids": ["guest"]},
        {"stranger": 403, "member": 200, "admin": 200, "owner": 200},
    ),
    ("DELETE", f"{CONVERSATION}/members/{{user_id}}"): (
        None,
        {"stranger": 403, "member": 403, "admin": 204, "owner": 204},
    ),
    ("PUT", f"{CONVERSATION}/members/{{user_id}}"): (
        {"nickname": "x"},
        {"stranger": 403, "member": 403, "admin": 200, "owner": 200},
    ),
    ("POST", f"{GROUP}/members"): (
        {"user_ids": ["guest"]},
        {"stranger": 403, "member": 200, "admin": 200, "owner": 200},
    ),
    ("DELETE", f"{GROUP}/members/{{user_id}}"): (
        None,
        {"stranger": 403, "member": 403, "admin": 200, "owner": 200},
    ),
    ("POST", f"{GROUP}/invite-code"): (
        None,
        {"stranger": 403, "member": 200, "admin": 200, "owner": 200},
    ),
    ("GET", f"{GROUP}/stats"): (
        None,
        {"stranger": 403, "member": 200, "admin": 200, "owner": 200},
    ),
    ("GET", "/api/v1/messages/conversation/{conversation_id}"): (
        None,
        {"stranger": 403, "member": 200, "admin": 200, "owner": 200},
    ),
    ("GET", "/api/v1/messages/single/{message_id}"): (
        None,
        {"stranger": 403, "member": 200, "admin": 200, "owner": 200},
    ),
    ("PUT", MESSAGE): (
        {"content": "x"},
        {"stranger": 403, "member": 403, "admin": 403, "owner": 403, "sender": 200},
    ),
    ("POST", f"{MESSAGE}/recall"): (
        None,
        {"stranger": 403, "member": 403, "admin": 200, "owner": 200, "sender": 200},
    ),
    ("GET", f"{MESSAGE}/read-receipts"): (
        None,
        {"stranger": 403, "member": 200, "admin": 200, "owner": 200},
    ),
    **{
        ("GET", f"/api/v1/files/{what}/{{file_id}}"): (
            None,
            {"stranger": 403, "member": 200, "admin": 200, "owner": 200, "sender": 200},
        )
        for what in ("download", "info", "download-info")
    },
    ("GET", NOTIFICATION): (None, {"stranger": 403, "owner": 403, "sender": 200}),
    ("PATCH", NOTIFICATION): ({"title": "x"}, {"stranger": 403, "owner": 403, "sender": 200}),
    ("DELETE", NOTIFICATION): (None, {"stranger": 403, "owner": 403, "sender": 204}),
    ("POST", f"{NOTIFICATION}/mark-read"): (None, {"stranger": 403, "owner": 403, "sender": 204}),
    ("DELETE", "/api/v1/files/{file_id}"): (
        None,
        {"stranger": 403, "member": 403, "admin": 403, "owner": 403, "sender": 204},
    ),
    ("GET", "/api/v1/realtime/user-status/{user_id}"): (
        None,
        {"stranger": 200, "member": 200, "admin": 200, "owner": 200},
    ),
}
"""Body, and the status for each kind of caller. `user_id` in a path is another plain member."""

BODIES: Final[dict[str, dict[str, Any]]] = {
    "/api/v1/messages/text": {"content": "x"},
    "/api/v1/messages/file": {"file_name": "x", "file_size": 1},
    "/api/v1/messages/location": {"latitude": "1", "longitude": "2"},
    "/api/v1/messages/mark-read": {"message_ids": [1]},
    "/api/v1/messages/typing": {},
}


class Scene:
    """A group of an owner, an admin, members and the sender of a message; a stranger and a guest outside."""

    people: dict[str, Person]

    async def set(self, world: World) -> "Scene":
        names = ("owner", "admin", "member", "target", "sender", "stranger", "guest")
        self.people = {name: await world.person(name) for name in names}
        owner = self.people["owner"]
        self.group = await owner.group(*(self.people[name] for name in ("admin", "member", "target", "sender")))
        admin = f"/api/v1/conversations/{self.group}/members/{self.people['admin'].id}"
        await owner.ask("PUT", admin, {"role": "admin"})
        self.message = await self.people["sender"].say(self.group)
        self.file = await self.people["sender"].upload()
        await self.people["sender"].send_file(self.group, self.file)
        mine = {"title": "t", "content": "c"}
        made = await self.people["sender"].ask("POST", "/api/v1/notifications/", mine, expect=201)
        self.notification = made["id"]
        return self

    def path(self, template: str, **ids: int | str) -> str:
        known = {
            "notification_id": self.notification,
            "template_id": NOBODY,
            "conversation_id": self.group,
            "message_id": self.message,
            "file_id": self.file["file_id"],
            "user_id": self.people["target"].id,
        }
        return template.format(**{**known, **ids})

    def body(self, body: Any) -> Any:
        if body and "user_ids" in body:
            return {"user_ids": [self.people["guest"].id]}
        return body


@pytest.fixture
async def scene(world: World) -> Scene:
    return await Scene().set(world)


async def test_the_matrix_names_every_route_with_an_id(world: World) -> None:
    routes = {
        (route.method, PathTemplate(group.prefix + route.path).documented)
        for group in world.route_groups
        for route in group.routes
        if group.edge.name == "im" and "{" in route.path and route.access is not Access.ADMINISTRATOR
    }
    assert routes == MATRIX.keys()


ALLOWED: Final = [
    pytest.param(method, template, caller, status, id=f"{method} {template} as {caller}")
    for (method, template), (_, statuses) in MATRIX.items()
    for caller, status in statuses.items()
    if status < 400
]


@pytest.mark.parametrize(("method", "template", "caller", "status"), ALLOWED)
async def test_allowed_callers(scene: Scene, method: str, template: str, caller: str, status: int) -> None:
    body = scene.body(MATRIX[method, template][0])
    await scene.people[caller].ask(method, scene.path(template), body, expect=status)


async def test_refused_callers(scene: Scene) -> None:
    for (method, template), (body, statuses) in MATRIX.items():
        for caller, status in statuses.items():
            if status >= 400:
                await scene.people[caller].ask(method, scene.path(template), scene.body(body), expect=status)


async def test_without_a_token(scene: Scene, world: World) -> None:
    for (method, template), (body, _) in MATRIX.items():
        response = await world.client.request(method, scene.path(template), json=body)
        assert response.status == 401, f"{method} {template}"


async def test_ids_of_nothing(scene: Scene) -> None:
    owner = scene.people["owner"]
    for (method, template), (body, _) in MATRIX.items():
        for name in re.findall(r"\{(\w+)\}", template):
            path = scene.path(template, **{name: NOBODY})
            assert await owner.status(method, path, scene.body(body)) == 404, f"{method} {path}"


@pytest.mark.parametrize("refused", ["0", "-1", str(2**53), str(2**64), "1.0", "%EF%BC%91", "abc", "1%20"])
async def test_ids_that_are_none(scene: Scene, refused: str) -> None:
    """Those of files are texts: any other is none that there is."""
    owner = scene.people["owner"]
    for (method, template), (body, _) in MATRIX.items():
        for name in re.findall(r"\{(\w+)\}", template):
            url = URL(scene.path(template, **{name: refused}), encoded=True)
            expected = 404 if name == "file_id" else 422
            assert await owner.status(method, url, scene.body(body)) == expected, f"{method} {url}"


@pytest.mark.parametrize("path", BODIES)
async def test_conversations_in_bodies(scene: Scene, path: str) -> None:
    body = BODIES[path] | {"conversation_id": scene.group}
    if path.endswith("/file"):
        body["file_id"] = scene.file["file_id"]
    await scene.people["stranger"].ask("POST", path, body, expect=403)
    await scene.people["member"].ask("POST", path, body)
    await scene.people["member"].ask("POST", path, body | {"conversation_id": NOBODY}, expect=404)


async def test_a_removed_member_is_a_stranger_again(scene: Scene) -> None:
    target = scene.people["target"]
    await scene.people["owner"].ask("DELETE", scene.path(f"{CONVERSATION}/members/{{user_id}}"), expect=204)
    for template in (
        "/api/v1/messages/conversation/{conversation_id}",
        "/api/v1/messages/single/{message_id}",
        "/api/v1/files/download/{file_id}",
        "/api/v1/files/info/{file_id}",
    ):
        assert await target.status("GET", scene.path(template)) == 403
    assert (await target.ask("GET", "/api/v1/conversations/"))["total"] == 0


async def test_a_stranger_learns_nothing_from_cursors(scene: Scene) -> None:
    stranger = scene.people["stranger"]
    history = scene.path("/api/v1/messages/conversation/{conversation_id}")
    statuses = [await stranger.status("GET", f"{history}?before_cursor={cursor}") for cursor in (scene.message, NOBODY)]
    assert statuses == [403, 403]


async def test_every_other_route_wants_a_token(world: World) -> None:
    for group in world.route_groups:
        for route in group.routes:
            if route.access is not Access.PUBLIC and "{" not in route.path:
                response = await world.client.request(route.method, group.prefix + route.path)
                assert response.status == 401, f"{route.method} {group.prefix}{route.path}"


CREATED: Final[dict[str, dict[str, Any]]] = {
    "/api/v1/users/": {"standard_id": "mallory", "name": "M", "password": "secret-1"},
    "/api/v1/conversations/group": {"name": "g", "member_ids": []},
    "/api/v1/messages/text": {"content": "x"},
    "/api/v1/events/": {"event_type": "x", "data": {}},
}
ASSIGNED: Final[dict[str, Any]] = {
    "id": 77_777,
    "role": "owner",
    "is_admin": True,
    "is_active": False,
    "creator_id": 77_777,
    "sender_id": 77_777,
    "user_id": 77_777,
    "status": "dissolved",
    "seq": 77_777,
    "member_count": 77_777,
    "created_at": "2001-01-01T00:00:00Z",
    "updated_at": "2001-01-01T00:00:00Z",
}
"""What nobody may set of something they make."""


@pytest.mark.parametrize("path", CREATED)
async def test_nothing_is_assigned_that_is_not_declared(scene: Scene, world: World, path: str) -> None:
    member = scene.people["member"]
    body = CREATED[path] | {"conversation_id": scene.group} | ASSIGNED
    if "member_ids" in body:
        body["member_ids"] = [member.id]
    response = await member.request("POST", path, json=body)
    made = await response.json()
    assert response.status in (200, 201), made
    taken = {name for name, value in ASSIGNED.items() if name in made and made[name] == value}
    assert not taken
    if path == "/api/v1/users/":
        assert not (await world.profiles.get(made["id"])).is_admin


async def test_changes_assign_nothing_that_is_not_declared(scene: Scene) -> None:
    owner, admin = scene.people["owner"], scene.people["admin"]
    before = await owner.ask("GET", scene.path(CONVERSATION))
    assert await admin.ask("PUT", scene.path(CONVERSATION), ASSIGNED) == before
    await admin.ask("PUT", scene.path(f"{CONVERSATION}/members/{{user_id}}"), {"role": "owner"}, expect=403)
    await admin.ask("PUT", scene.path(MESSAGE), ASSIGNED, expect=422)
    after = await owner.ask("GET", scene.path("/api/v1/messages/single/{message_id}"))
    assert after["sender_id"] == scene.people["sender"].id


SECRET: Final = "hunter2-never-shown"


async def test_refusals_never_repeat_the_input(scene: Scene, world: World) -> None:
    root = await world.person(is_admin=True)
    refused = 0
    for group in (group for group in world.route_groups if group.edge.name == "im"):
        for route in group.routes:
            path = scene.path(PathTemplate(group.prefix + route.path).documented)
            if route.body is not None:
                properties = route.body.model_json_schema()["properties"]
                for sent in (
                    {"json": {name: {"very": [SECRET]} for name in properties}},
                    {"json": dict.fromkeys(properties, SECRET * 300)},
                    {"json": {name: [SECRET] for name in properties}},
                    {"json": [SECRET]},
                    {"data": f'{{"{SECRET}'},
                ):
                    response = await root.request(route.method, path, **sent)
                    assert SECRET not in await response.text(), path
                    refused += response.status == 422
            if route.query is not None:
                names = route.query.model_json_schema()["properties"]
                response = await root.request(route.method, path, params=dict.fromkeys(names, SECRET * 60))
                assert SECRET not in await response.text(), path
                refused += response.status == 422
    assert refused > 40
