"""However long a list is, it takes the same number of queries, of every dialect."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event

from storage.sql.dialects import Query, SqliteDialect
from tests.http_api.conftest import Serve
from tests.http_api.social_people import befriend, ok
from tests.http_api.world import Person, World

TEMPLATE: Final = {"type": "system", "title_template": "t", "content_template": "c"}
NOTICE: Final = {"type": "system", "title": "t", "content": "c"}

LISTS: Final = (
    "/api/v1/conversations/",
    "/api/v1/conversations/?limit=2",
    "/api/v1/conversations/{group}",
    "/api/v1/conversations/{group}/members",
    "/api/v1/messages/conversation/{group}",
    "/api/v1/messages/conversation/{group}?skip=1",
    "/api/v1/messages/conversation/{group}?before_cursor={last}",
    "/api/v1/messages/conversation/{group}?after_cursor={first}",
    "/api/v1/messages/search?keyword=hello",
    "/api/v1/messages/search?keyword=hello&conversation_id={group}&message_type=text",
    "/api/v1/messages/unread/count",
    "/api/v1/messages/unread/count?conversation_id={group}",
    "/api/v1/messages/{first}/read-receipts",
    "/api/v1/users/search?keyword=user",
    "/api/v1/files/list",
    "/api/v1/groups/search?keyword=club",
    "/api/v1/groups/{group}/stats",
    "/api/v1/notifications/",
    "/api/v1/notifications/?is_read=false&type=system",
    "/api/v1/notifications/stats",
    "/api/v1/notifications/templates/",
    "/api/v1/broadcasts/",
    "/api/v1/events/",
    "/api/v1/realtime/online-users",
    "/api/v1/notifications",
    "/api/v1/notifications?is_read=false&page_size=2",
    "/api/v1/notifications/unread-count",
    "/api/v1/admin/notifications",
    "/search?keyword=user",
    "/search?keyword=club",
    "/friend/list",
    "/friend/blocked/list",
    "/group/info?group_id={group}",
    "/group/list",
    "/group/members?group_id={group}",
    "/notification/request/friend",
    "/notification/request/friend/unread-count",
    "/notification/group/notifications",
    "/notification/request/group",
    "/notification/request/group/unread-count",
    "/file/record",
    "/chat/history?chat_type=1&target_id={group}",
    "/chat/history?chat_type=1&target_id={group}&before_id={last}",
    "/chat/history?chat_type=0&target_id={friend}",
    "/chat/conversation/list",
    "/api/contacts",
    "/api/chats",
    "/api/chats/{group}",
    "/api/chats/{group}/messages",
    "/api/chats/{group}/messages?offset=1",
    "/api/chats/{group}/messages?before={last}",
    "/api/chats/{group}/messages?after={first}",
    "/api/chats/{group}/messages?search=hello",
    "/api/chats/{group}/messages?type=text",
    "/api/chats/{group}/messages?before={last}&after={first}&search=hello&type=text&limit=2",
)
"""Every GET that answers a list or counts one. Sessions and calls have none."""


@contextmanager
def counted(world: World) -> Iterator[Counter[str]]:
    """What was asked of the database meanwhile."""
    asked: Counter[str] = Counter()
    select = SqliteDialect.select

    def count(dialect: SqliteDialect, query: Query, parameters: Mapping[str, Any]) -> Any:
        sql, args = select(dialect, query, parameters)
        asked[sql] += 1
        return sql, args

    def execute(connection: Any, cursor: Any, sql: str, *_: Any) -> None:
        asked[sql] += 1

    engine = world.stores.database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", execute)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SqliteDialect, "select", count)
        yield asked
    event.remove(engine, "before_cursor_execute", execute)


async def fill(world: World, count: int) -> tuple[Person, dict[str, int]]:
    """Of everything that is listed the reader sees so many."""
    reader = await world.person("reader", is_admin=True)
    friends = [await world.person() for _ in range(count)]
    strangers = [await world.person() for _ in range(count)]
    group = await reader.group(*friends, name="club")
    own = (await ok(reader, "POST", "/group/create", {"group_name": "club of strangers"}))["id"]
    sent = []
    for number, (friend, stranger) in enumerate(zip(friends, strangers, strict=True)):
        await befriend(reader, friend)
        single = await friend.single(reader)
        club = await friend.group(reader, name=f"club {number}")
        for conversation_id in (single, club):
            await friend.say(conversation_id, "hello")
            await reader.say(conversation_id, "hello back")
        sent.append(await friend.say(group, f"hello {number}"))
        hidden = await friend.say(group, "hello, hidden")
        await ok(reader, "POST", "/chat/message/delete", {"message_id": hidden})
        file = await reader.upload(f"file {number}".encode(), f"{number}.txt")
        await reader.send_file(group, file)
        await ok(stranger, "POST", "/friend/request/send", {"to_user_id": reader.id})
        await ok(stranger, "POST", "/group/join", {"group_id": own, "reason": "hello"})
        await ok(reader, "POST", "/friend/block", {"friend_id": stranger.id})
        await ok(reader, "POST", "/chat/conversation/pin", {"target_id": friend.id, "chat_type": 0, "is_pinned": True})
        await reader.ask("POST", "/api/v1/notifications/templates/", TEMPLATE | {"name": f"{number}"}, expect=201)
        await reader.ask("POST", "/api/v1/notifications/", NOTICE, expect=201)
        made = await reader.ask("POST", "/api/v1/admin/notifications", NOTICE, expect=201)
        to = {"user_ids": [reader.uuid]}
        await reader.ask("POST", f"/api/v1/admin/notifications/{made['id']}/send", to)
        await reader.ask("POST", "/api/v1/broadcasts/", {"title": "t", "content": "c"}, expect=201)
        await reader.ask("POST", "/api/v1/events/", {"event_type": "check_in", "data": {}}, expect=201)
    for friend in friends:
        read = {"conversation_id": group, "message_ids": sent}
        await friend.ask("POST", "/api/v1/messages/mark-read", read)
    return reader, {"group": group, "first": sent[0], "last": sent[-1], "friend": friends[0].id}


async def asked_for(serve: Serve, database: Path, count: int) -> dict[str, Counter[str]]:
    """For each list the queries of a server that remembers nothing."""
    world = World(database)
    await world.start()
    world.meet(await serve(world.app()))
    reader, places = await fill(world, count)
    await world.client.close()
    await world.close()
    found: dict[str, Counter[str]] = {}
    world = World(database)
    await world.start()
    world.meet(await serve(world.app()))
    someone = Person(world.client, reader.id, reader.uuid, reader.name, reader.token, reader.refresh_token)
    for path in LISTS:
        world.profiles._cached.clear()
        world.rosters._cached.clear()
        await someone.ask("GET", "/api/v1/users/me")
        with counted(world) as asked:
            await someone.ask("GET", path.format_map(places))
        found[path] = asked
    await world.client.close()
    await world.close()
    return found


@pytest.mark.slow
async def test_lists_take_the_same_queries_however_long_they_are(
    serve: Serve, empty_database: Path, tmp_path: Path
) -> None:
    few, many = [
        await asked_for(serve, Path(shutil.copy(empty_database, tmp_path / f"{count}.db")), count) for count in (3, 30)
    ]
    assert sum(few["/api/chats"].values()) > 2
    differing = {
        path: (few[path] - many[path], many[path] - few[path])
        for path in LISTS
        if few[path].total() != many[path].total()
    }
    assert differing == {}
