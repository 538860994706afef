"""Contract of EventLog."""

import msgspec
import pytest

from domain.events import BroadcastSent, Event, MessageEdited, MessageSent
from domain.model import MessageState, Profile
from domain.ports import EventLog
from domain.records import Broadcast, ClientEvent
from tests.storage.world import World


async def read(log: EventLog, position: str, limit: int = 100) -> list[str]:
    """The ids of all entries since a position, page by page; each page is covered by its position."""
    head, found = await log.head(), list[str]()
    while position != head:
        entries, position = await log.after(position, head, limit)
        found += [entry.id for entry in entries]
    return found


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_everything_that_is_committed_comes_once_and_in_order(world: World, limit: int) -> None:
    one, two = await world.users(2)
    log = world.stores.event_log
    single = await world.single(one, two)
    await world.send(single.id, one, "before")
    start = await log.head()
    sent = await world.send_all(single.id, one, "abc")
    await world.send(single.id, one, "scheduled", send_at_ms=10**15)
    async with world.stores.messages.edit(sent[0].id) as edit:
        edit.set(lambda new: MessageEdited(new, Profile(one, "a", "a")), content="x", state=MessageState.EDITED)
    await world.group(one, [two])
    await world.mark(single.id, two, (1, 1), (3, 3))
    event = ClientEvent(id=0, user_id=one, event_type="t", data='{"a":1}', occurred_at_ms=1, created_at_ms=2)
    reported = await world.stores.client_events.add(event)
    ids = await read(log, start, limit)
    assert [each for each in ids if each.startswith("message")] == [f"message:{each.id}" for each in sent]
    kinds = [each.partition(":")[0] for each in ids]
    assert (kinds.count("event"), kinds.count("receipt")) == (2, 2)
    assert f"client_event:{reported.id}" in ids
    assert len(set(ids)) == len(ids) == 8
    assert await read(log, await log.head()) == []


async def test_a_scheduled_message_comes_when_it_is_delivered(world: World) -> None:
    one, two = await world.users(2)
    log = world.stores.event_log
    single = await world.single(one, two)
    waiting = await world.send(single.id, one, "later", send_at_ms=10**15)
    await world.send(single.id, one, "now")
    start = await log.head()
    delivered = msgspec.structs.replace(waiting, seq=2)
    sent = MessageSent(delivered, Profile(one, "a", "a"))
    async with world.stores.conversations.edit(single.id) as edit:
        await edit.record(sent)
    [entry], _ = await log.after(start, await log.head(), 100)
    assert (entry.id, entry.kind) == (f"message:{waiting.id}", "message")
    assert msgspec.json.decode(entry.body, type=type(waiting)) == delivered


async def test_bodies_are_json(world: World) -> None:
    [one] = await world.users(1)
    log = world.stores.event_log
    start = await log.head()
    group = await world.group(one)
    await world.send(group.id, one, "你好")
    event = ClientEvent(id=0, user_id=one, event_type="t", data='{"a":[1]}', occurred_at_ms=1, created_at_ms=2)
    await world.stores.client_events.add(event)
    entries, _ = await log.after(start, await log.head(), 100)
    bodies = {entry.kind: msgspec.json.decode(entry.body) for entry in entries}
    assert bodies["message"]["content"] == "你好"
    assert bodies["event"]["type"] == "ConversationCreated"
    assert bodies["client_event"]["data"] == {"a": [1]}


async def test_what_is_kept_for_several_users_comes_once(world: World) -> None:
    users = await world.users(3)
    log = world.stores.event_log
    start = await log.head()
    draft = Broadcast(id=0, sender_id=1, title="t", content="c", target_user_ids=tuple(users), created_at_ms=1)

    def event(broadcast: Broadcast) -> Event:
        return BroadcastSent(broadcast.id, "t", "c", "normal", 1)

    await world.stores.broadcasts.add(draft, event)
    await world.stores.broadcasts.add(draft, event)
    assert len(await read(log, start)) == 2


async def test_the_position_is_kept(world: World) -> None:
    log = world.stores.event_log
    assert await log.fed() is None
    for position in ("1-2-3-4", "1-2-3-5", "1-2-3-5"):
        await log.save(position)
        assert await log.fed() == position
