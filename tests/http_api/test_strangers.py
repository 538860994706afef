"""Every route that takes an id, asked by a stranger with somebody else's: refused, nothing told, nothing changed."""

import re
from typing import Any, Final

import pytest

from domain.events import Event
from domain.notification_sending import Wording
from domain.ports import Audience
from http_api.binding import PathTemplate
from http_api.registry import Access, Route
from tests.http_api.social_people import befriend, ok
from tests.http_api.world import Person, World

SECRET: Final = "hunter2 never shown"
_NAMES_SOMETHING: Final = re.compile(r"(^|_)(ids?|members|cursor|before|after|from|url|code|thumbnail)$")
"""Fields with the ids of something, or with what leads to it."""
NOT_IDS: Final = {"client_msg_id", "action_url", "phone_code", "code", "standard_id"}

CONVERSATION: Final = "/api/v1/conversations/{conversation_id}"
GROUP: Final = "/api/v1/groups/{conversation_id}"
NOTIFICATION: Final = "/api/v1/notifications/{notification_id}"
RECORD: Final = "/api/v1/notifications/{record_id}"
ADMINISTERED: Final = "/api/v1/admin/notifications/{content_id}"
CHAT: Final = "/api/chats/{chat_id}"
MESSAGE: Final = "/api/messages/{message_id}"

Ask = tuple[str, str, dict[str, Any], int]

REFUSED: Final[list[Ask]] = [
    ("GET", CONVERSATION, {}, 403),
    ("PUT", CONVERSATION, {"json": {"name": "x"}}, 403),
    ("DELETE", CONVERSATION, {}, 403),
    ("GET", f"{CONVERSATION}/members", {}, 403),
    ("POST", f"{CONVERSATION}/members", {"json": {"user_ids": ["$mallory"]}}, 403),
    ("DELETE", f"{CONVERSATION}/members/{{user_id}}", {}, 403),
    ("PUT", f"{CONVERSATION}/members/{{user_id}}", {"json": {"nickname": "x"}}, 403),
    ("POST", f"{GROUP}/members", {"json": {"user_ids": ["$mallory"]}}, 403),
    ("DELETE", f"{GROUP}/members/{{user_id}}", {}, 403),
    ("POST", f"{GROUP}/invite-code", {}, 403),
    ("GET", f"{GROUP}/stats", {}, 403),
    ("POST", "/api/v1/messages/text", {"json": {"conversation_id": "$group", "content": "x"}}, 403),
    ("POST", "/api/v1/messages/text", {"json": {"conversation_id": "$single", "content": "x"}}, 403),
    (
        "POST",
        "/api/v1/messages/text",
        {"json": {"conversation_id": "$own", "content": "x", "reply_to_id": "$message"}},
        404,
    ),
    (
        "POST",
        "/api/v1/messages/file",
        {"json": {"conversation_id": "$group", "file_id": "$file", "file_name": "x", "file_size": 1}},
        403,
    ),
    (
        "POST",
        "/api/v1/messages/file",
        {"json": {"conversation_id": "$own", "file_id": "$file", "file_name": "x", "file_size": 1}},
        403,
    ),
    (
        "POST",
        "/api/v1/messages/location",
        {"json": {"conversation_id": "$group", "latitude": "1", "longitude": "2"}},
        403,
    ),
    ("GET", "/api/v1/messages/search", {"params": {"keyword": "hunter2", "conversation_id": "$group"}}, 403),
    ("GET", "/api/v1/messages/unread/count", {"params": {"conversation_id": "$group"}}, 403),
    ("GET", "/api/v1/messages/conversation/{conversation_id}", {}, 403),
    ("GET", "/api/v1/messages/conversation/{own_id}", {"params": {"before_cursor": "$message"}}, 400),
    ("GET", "/api/v1/messages/conversation/{own_id}", {"params": {"after_cursor": "$message"}}, 400),
    ("GET", "/api/v1/messages/single/{message_id}", {}, 403),
    ("GET", "/api/v1/messages/single/{whisper_id}", {}, 403),
    ("PUT", "/api/v1/messages/{message_id}", {"json": {"content": "x"}}, 403),
    ("POST", "/api/v1/messages/{message_id}/recall", {}, 403),
    ("POST", "/api/v1/messages/mark-read", {"json": {"conversation_id": "$group", "message_ids": ["$message"]}}, 403),
    ("GET", "/api/v1/messages/{message_id}/read-receipts", {}, 403),
    ("POST", "/api/v1/messages/typing", {"json": {"conversation_id": "$group", "is_typing": True}}, 403),
    ("GET", "/api/v1/files/download/{file_id}", {}, 403),
    ("GET", "/api/v1/files/info/{file_id}", {}, 403),
    ("GET", "/api/v1/files/download-info/{file_id}", {}, 403),
    ("DELETE", "/api/v1/files/{file_id}", {}, 403),
    ("POST", "/api/v1/notifications/", {"json": {"title": "x", "content": "x", "user_id": "$alice"}}, 403),
    ("GET", NOTIFICATION, {}, 403),
    ("PATCH", NOTIFICATION, {"json": {"title": "x", "status": "read"}}, 403),
    ("DELETE", NOTIFICATION, {}, 403),
    ("POST", f"{NOTIFICATION}/mark-read", {}, 403),
    ("GET", "/api/v1/events/", {"params": {"user_id": "$alice"}}, 403),
    ("GET", RECORD, {}, 403),
    ("POST", f"{RECORD}/read", {}, 403),
    ("DELETE", RECORD, {}, 403),
    ("POST", "/friend/request/handle", {"json": {"request_id": "$request", "action": 2}}, 403),
    ("DELETE", "/friend/delete", {"json": {"friend_id": "$alice"}}, 404),
    ("POST", "/friend/unblock", {"json": {"friend_id": "$alice"}}, 404),
    ("PUT", "/friend/remark", {"json": {"user_id": "$alice", "remark": "x"}}, 404),
    ("GET", "/group/info", {"params": {"group_id": "$group"}}, 403),
    ("GET", "/group/members", {"params": {"group_id": "$group"}}, 403),
    ("PUT", "/group/update/info", {"json": {"group_id": "$group", "name": "x"}}, 403),
    ("POST", "/group/set/role", {"json": {"group_id": "$group", "user_id": "$bob", "role": 1}}, 403),
    ("POST", "/group/mute/member", {"json": {"group_id": "$group", "user_id": "$bob", "duration": 60}}, 403),
    ("POST", "/group/invite", {"json": {"group_id": "$group", "user_ids": ["$mallory"]}}, 403),
    ("POST", "/group/leave", {"json": {"group_id": "$group"}}, 403),
    ("POST", "/group/dismiss", {"json": {"group_id": "$group"}}, 403),
    ("POST", "/group/transfer", {"json": {"group_id": "$group", "new_owner_id": "$mallory"}}, 403),
    ("POST", "/group/kick", {"json": {"group_id": "$group", "user_id": "$bob"}}, 403),
    ("GET", "/group/member_info", {"params": {"group_id": "$group", "user_id": "$bob"}}, 403),
    ("PUT", "/group/update/member_info", {"json": {"group_id": "$group", "nickname": "x"}}, 403),
    ("POST", "/group/request/handle", {"json": {"application_id": "$application", "approve": True}}, 403),
    ("POST", "/chat/send", {"json": {"group_id": "$group", "chat_type": 1, "type": 0, "content": "x"}}, 403),
    (
        "POST",
        "/chat/send",
        {"json": {"receiver_id": "$group", "receiver_type": "group", "message_type": "text", "content": "x"}},
        403,
    ),
    (
        "POST",
        "/chat/send",
        {"json": {"group_id": "$own", "chat_type": 1, "type": 2, "content": "x", "file_id": "$file"}},
        403,
    ),
    ("GET", "/chat/history", {"params": {"target_id": "$group", "chat_type": 1}}, 403),
    ("GET", "/chat/history", {"params": {"target_id": "$own", "chat_type": 1, "before_id": "$message"}}, 400),
    ("POST", "/chat/read", {"json": {"target_id": "$group", "chat_type": 1}}, 403),
    ("POST", "/chat/message/recall", {"json": {"message_id": "$message"}}, 403),
    ("POST", "/chat/message/delete", {"json": {"message_id": "$message"}}, 403),
    ("POST", "/chat/conversation/delete", {"json": {"conversation_id": "$single"}}, 403),
    ("POST", "/chat/conversation/pin", {"json": {"target_id": "$group", "chat_type": 1, "is_pinned": True}}, 403),
    ("GET", "/file/download", {"params": {"file_id": "$file"}}, 403),
    ("DELETE", "/file/delete", {"params": {"file_id": "$file"}}, 403),
    ("GET", "/file/info", {"params": {"file_id": "$file"}}, 403),
    ("DELETE", "/api/contacts/{user_id}", {}, 404),
    ("GET", CHAT, {}, 403),
    ("GET", f"{CHAT}/messages", {}, 403),
    ("GET", "/api/chats/{own_id}/messages", {"params": {"before": "$message"}}, 422),
    ("GET", "/api/chats/{own_id}/messages", {"params": {"after": "$message"}}, 422),
    ("POST", f"{CHAT}/messages", {"json": {"content": "x", "type": "text"}}, 403),
    (
        "POST",
        "/api/chats/{own_id}/messages",
        {"json": {"content": "x", "type": "text", "reply_to_id": "$message"}},
        404,
    ),
    (
        "POST",
        "/api/chats/{own_id}/messages",
        {"json": {"content": "x", "type": "text", "forward_from": "$message"}},
        403,
    ),
    ("POST", "/api/chats/{own_id}/messages", {"json": {"type": "file", "file_id": "$file"}}, 403),
    ("PUT", MESSAGE, {"json": {"content": "x"}}, 403),
    ("DELETE", MESSAGE, {}, 403),
    ("POST", f"{MESSAGE}/read", {}, 403),
    ("POST", f"{MESSAGE}/pin", {}, 403),
    ("DELETE", f"{MESSAGE}/pin", {}, 403),
    ("GET", "/api/files/{file_id}", {}, 403),
    ("DELETE", "/api/files/{file_id}", {}, 403),
]
"""What is asked, and the status. `$name` is the id of something of alice's and bob's, `$own` that of the stranger's
group."""

ANSWERED: Final[list[Ask]] = [
    ("POST", "/api/v1/users/statuses", {"json": {"user_ids": ["$alice"]}}, 200),
    ("GET", "/api/v1/realtime/user-status/{user_id}", {}, 200),
    ("POST", "/api/v1/notifications/mark-read", {"json": {"notification_ids": ["$notification"]}}, 200),
    ("GET", "/user/info", {"params": {"user_id": "$alice"}}, 200),
    ("GET", "/api/users/{user_id}", {}, 200),
    ("GET", "/chat/history", {"params": {"target_id": "$alice", "chat_type": 0}}, 200),
    ("GET", "/chat/history", {"params": {"target_id": "$alice", "chat_type": 0, "before_id": "$whisper"}}, 200),
    ("POST", "/chat/read", {"json": {"target_id": "$alice", "chat_type": 0}}, 200),
    *(
        (
            "POST",
            "/api/v1/notifications/batch-action",
            {"json": {"notification_ids": ["$notification"], "action": act}},
            200,
        )
        for act in ("mark_read", "mark_unread", "delete")
    ),
]
"""What anybody may ask about anybody, and what passes over the ids of others. Nothing changes by it either."""

APPROACHES: Final = {
    ("POST", "/api/v1/conversations/single"),
    ("POST", "/api/v1/conversations/group"),
    ("POST", "/api/v1/groups/join"),
    ("POST", "/friend/request/send"),
    ("POST", "/friend/block"),
    ("POST", "/group/join"),
    ("POST", "/api/chats"),
}
"""With these a stranger may turn to others: they have tests of their own."""


def names_something(route: Route) -> bool:
    models = (route.body, route.form, route.query)
    fields = {name for model in models if model for name in model.model_json_schema()["properties"]}
    return "{" in route.path or any(_NAMES_SOMETHING.search(name) for name in fields - NOT_IDS)


def shape(method: str, path: str) -> tuple[str, str]:
    return method, re.sub(r"\{\w+\}", "{}", path)


class Scene:
    """What alice and bob have between them, each thing with the secret in it, and a stranger."""

    ids: dict[str, Any]

    async def set(self, world: World, *, was_member: bool = False) -> "Scene":
        self.world = world
        alice, bob, carol, mallory = [await world.person(name) for name in ("alice", "bob", "carol", "mallory")]
        self.alice, self.bob, self.mallory = alice, bob, mallory
        group = await alice.group(
            bob, *([mallory] if was_member else []), name=SECRET, description=SECRET, is_public=False
        )
        single = await alice.single(bob)
        file = await alice.upload(SECRET.encode(), f"{SECRET}.txt")
        await alice.send_file(single, file)
        await befriend(alice, bob)
        await ok(alice, "PUT", "/friend/remark", {"user_id": bob.id, "remark": SECRET})
        request = await ok(carol, "POST", "/friend/request/send", {"to_user_id": alice.id, "message": SECRET})
        application = await ok(carol, "POST", "/group/join", {"group_id": group, "reason": SECRET})
        await alice.ask("POST", "/api/v1/events/", {"event_type": "x", "data": {"x": SECRET}}, expect=201)
        sender = await world.profiles.get(alice.id)
        await world.sending.create_for(sender, alice.id, Wording(title=SECRET, content=SECRET))
        listed = (await alice.ask("GET", "/api/v1/notifications"))["items"][0]
        numbered = (await alice.ask("GET", "/api/v1/notifications/"))["notifications"][0]
        self.ids = {
            "alice": alice.id,
            "bob": bob.id,
            "mallory": mallory.id,
            "group": group,
            "single": single,
            "own": await mallory.group(carol),
            "message": await bob.say(group, SECRET),
            "whisper": await bob.say(single, SECRET),
            "file": file["file_id"],
            "request": request["id"],
            "application": application["id"],
            "notification": numbered["id"],
            "record": listed["id"],
            "content": listed["notification"]["id"],
            "conversation": group,
            "chat": group,
            "user": alice.id,
        }
        if was_member:
            await mallory.ask("GET", self.path("/api/v1/messages/single/{message_id}"))
            await ok(alice, "POST", "/group/kick", {"group_id": group, "user_id": mallory.id})
        return self

    def path(self, template: str) -> str:
        return re.sub(r"\{(\w+)_id\}", lambda found: str(self.ids[found[1]]), template)

    def filled(self, value: Any) -> Any:
        """With the ids in the places of their names."""
        if isinstance(value, dict):
            return {name: self.filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each) for each in value]
        return self.ids[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    async def seen(self) -> list[Any]:
        """All that alice and bob see; looking at notices the first time marks them as read."""
        found = []
        for person in (self.alice, self.bob):
            for path in (
                "/api/v1/conversations/",
                self.path(CONVERSATION),
                self.path(f"{CONVERSATION}/members"),
                self.path("/api/v1/messages/conversation/{group_id}"),
                self.path("/api/v1/messages/conversation/{single_id}"),
                self.path("/api/v1/messages/{message_id}/read-receipts"),
                "/api/v1/files/list",
                "/api/v1/notifications/",
                "/friend/list",
                "/friend/blocked/list",
                "/notification/request/friend",
                "/notification/request/group",
                "/notification/group/notifications",
                "/chat/conversation/list",
            ):
                body = await person.ask("GET", path)
                found.append((person.name, path, body))
        return found

    async def ask(self, person: Person, method: str, template: str, options: Any) -> tuple[int, str]:
        response = await person.request(method, self.path(template), **self.filled(options))
        return response.status, await response.text()


@pytest.fixture
async def scene(world: World) -> Scene:
    return await Scene().set(world)


async def test_the_tables_name_every_route_that_takes_an_id(world: World) -> None:
    wanted = {
        shape(route.method, PathTemplate(group.prefix + route.path).documented)
        for group in world.route_groups
        for route in group.routes
        if route.access is Access.USER and names_something(route)
    }
    named = {shape(method, path) for method, path, _, _ in REFUSED + ANSWERED}
    assert named.isdisjoint(APPROACHES)
    assert wanted == named | APPROACHES


@pytest.mark.parametrize("was_member", [False, True])
async def test_a_stranger_learns_and_changes_nothing(world: World, was_member: bool) -> None:
    scene = await Scene().set(world, was_member=was_member)
    await scene.seen()
    before = await scene.seen()
    assert SECRET in str(before)
    heard: list[tuple[Event, Audience]] = []
    scene.world.bus.subscribe(lambda event, audience, origin: heard.append((event, audience)))
    wrong = []
    for method, template, options, status in REFUSED + ANSWERED:
        answered, text = await scene.ask(scene.mallory, method, template, options)
        if answered != status or "hunter2" in text:
            wrong.append(f"{method} {template} {options}: {answered}, not {status}: {text}")
    assert not wrong, "\n".join(wrong)
    assert await scene.seen() == before
    theirs = {scene.alice.id, scene.bob.id}
    assert [event for event, audience in heard if theirs & set(audience.user_ids)] == []


async def test_administration_is_closed_to_those_who_know_an_id(scene: Scene) -> None:
    for group in scene.world.route_groups:
        for route in group.routes:
            if route.access is Access.ADMINISTRATOR:
                path = PathTemplate(group.prefix + route.path).documented.replace("template_id", "notification_id")
                path = path.replace("{notification_id}", "{content_id}") if group.edge.name == "inbox" else path
                assert await scene.ask(scene.mallory, route.method, path, {"json": route.sends}) == (
                    403,
                    '{"detail":"administrators only"}',
                )


async def test_lists_hold_nothing_of_others(scene: Scene) -> None:
    searches = {"keyword": "hunter2", "search": "hunter2"}
    for group in scene.world.route_groups:
        for route in group.routes:
            if route.method == "GET" and route.access is Access.USER and not names_something(route):
                response = await scene.mallory.request("GET", group.prefix + route.path, params=searches)
                assert response.status == 200, route.path
                assert "hunter2" not in await response.text(), route.path
