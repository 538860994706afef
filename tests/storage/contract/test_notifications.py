"""Contracts of NotificationStore, NotificationContents and NotificationTemplateStore."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import pytest

from domain.errors import Conflict, InvalidState
from domain.events import Event, NotificationArrived
from domain.notification_sending import arrived
from domain.records import (
    Channel,
    DeliveryState,
    EmailFrequency,
    Notification,
    NotificationKind,
    NotificationRecord,
    NotificationTemplate,
    PlannedDelivery,
    Priority,
    Recipient,
    RecordFilter,
)
from tests.storage.world import World
from tests.world import NOBODY

ALL = RecordFilter()
TOLD = (PlannedDelivery(Channel.WEBSOCKET, DeliveryState.DELIVERED, 5),)
WAITING = (PlannedDelivery(Channel.EMAIL, DeliveryState.PENDING, 5),)


def draft(world: World, title: str = "t", **fields: object) -> Notification:
    values: dict[str, object] = {
        "id": 0,
        "uuid": str(uuid4()),
        "kind": NotificationKind.SYSTEM,
        "title": title,
        "content": "内容 😀",
        "created_at_ms": world.clock.time_ms,
        "updated_at_ms": world.clock.time_ms,
    }
    return Notification(**values | fields)  # type: ignore[arg-type]


async def send(world: World, *user_ids: int, what: Notification | None = None) -> list[NotificationRecord]:
    records = await world.stores.notification_contents.send(
        what or draft(world), dict.fromkeys(user_ids, TOLD), world.clock.time_ms, arrived
    )
    assert records is not None
    return records


async def titles(world: World, user_id: int, wanted: RecordFilter = ALL) -> list[str]:
    found, total = await world.stores.notifications.list_for(user_id, wanted, world.clock.time_ms, offset=0, limit=99)
    assert total == len(found)
    return [view.notification.title for view in found]


async def unread(world: World, user_id: int) -> int:
    return await world.stores.notifications.unread(user_id, world.clock.time_ms)


async def test_sending_makes_one_record_for_each_user(world: World) -> None:
    one, two = await world.users(2)
    creator = await world.user("creator")
    contents = world.stores.notification_contents
    channels = (Channel.WEBSOCKET, Channel.PUSH)
    fields = {"created_by_id": creator.id, "priority": Priority.URGENT, "channels": channels, "action_url": "/a"}
    made = await contents.add(draft(world, **fields))
    assert made == await contents.get(made.notification.uuid)
    assert made.creator_uuid == creator.uuid
    assert made.notification == await contents.content(made.notification.id)
    first = await send(world, one, what=made.notification)
    assert [record.user_id for record in first] == [one]
    second = await send(world, two, one, what=made.notification)
    assert [record.user_id for record in second] == [two]
    assert await send(world, one, two, what=made.notification) == []
    view = await world.stores.notifications.record(record_id=first[0].id)
    assert view is not None
    assert (view.record, view.notification, view.creator_uuid) == (first[0], made.notification, creator.uuid)
    assert view == await world.stores.notifications.record(uuid=first[0].uuid)
    assert await contents.delivery_counts(made.notification.id) == {("websocket", "delivered"): 2}


async def test_senders_at_once_make_one_record(world: World) -> None:
    (one,) = await world.users(1)
    made = (await world.stores.notification_contents.add(draft(world))).notification
    sent = await asyncio.gather(*(send(world, one, what=made) for _ in range(4)))
    assert sorted(map(len, sent)) == [0, 0, 0, 1]
    assert await unread(world, one) == 1


async def test_resuming_clients_hear_of_what_they_were_told(world: World) -> None:
    one, two = await world.users(2)
    position = await world.stores.sync.position()
    made = draft(world)
    records = await world.stores.notification_contents.send(
        made, {one: TOLD, two: WAITING}, world.clock.time_ms, arrived
    )
    assert records is not None
    for user_id, expected in ((one, 1), (two, 0)):
        missed = await world.stores.sync.missed(user_id, position, {}, 9)
        assert missed is not None
        told: list[Event] = [event for event in missed.events if isinstance(event, NotificationArrived)]
        assert told == [arrived(made, record) for record in records if record.user_id == user_id][:expected]


async def test_lists_and_counts(world: World) -> None:
    one, two = await world.users(2)
    store = world.stores.notifications
    for number, (kind, priority) in enumerate(
        ((NotificationKind.SYSTEM, Priority.LOW), (NotificationKind.REMINDER, Priority.HIGH))
    ):
        world.clock.time_ms += 1
        await send(world, one, what=draft(world, str(number), kind=kind, priority=priority))
    await send(world, two)
    assert await titles(world, one) == ["1", "0"]
    assert await titles(world, one, RecordFilter(kind=NotificationKind.SYSTEM)) == ["0"]
    found, total = await store.list_for(one, ALL, world.clock.time_ms, offset=1, limit=1)
    assert ([view.notification.title for view in found], total) == (["0"], 2)
    assert await store.mark_read(one, (found[0].record.id,), 77) == 1
    assert await store.mark_read(one, (found[0].record.id,), 78) == 0
    assert await titles(world, one, RecordFilter(is_read=True)) == ["0"]
    assert await titles(world, one, RecordFilter(is_read=False)) == ["1"]
    assert await titles(world, one, RecordFilter(is_read=False, kind=NotificationKind.SYSTEM)) == []
    stats = await store.stats(one, world.clock.time_ms)
    assert (stats.total, stats.unread) == (2, 1)
    assert stats.by_kind == {NotificationKind.SYSTEM: 1, NotificationKind.REMINDER: 1}
    assert stats.by_priority == {Priority.LOW: 1, Priority.HIGH: 1}
    view = await store.record(record_id=found[0].record.id)
    assert view is not None
    assert view.record.read_at_ms == 77
    await store.mark_unread(one, (found[0].record.id,))
    assert await unread(world, one) == 2
    assert await store.mark_read(one, None, world.clock.time_ms) == 2
    assert (await unread(world, one), await unread(world, two)) == (0, 1)


async def test_only_ones_own_are_touched(world: World) -> None:
    one, two = await world.users(2)
    store = world.stores.notifications
    (record,) = await send(world, one)
    assert await store.mark_read(two, (record.id,), 5) == 0
    assert await store.delete(two, (record.id,), 5) == 0
    assert await unread(world, one) == 1
    await store.mark_read(one, None, world.clock.time_ms)
    await store.mark_unread(two, (record.id,))
    assert await unread(world, one) == 0


async def test_changes_of_one_list_do_not_stand_in_each_others_way(world: World) -> None:
    """Nobody is refused because somebody else changes the same records, in whatever order they come to them."""
    (one,) = await world.users(1)
    store = world.stores.notifications
    for attempt in range(5):
        made = [(await send(world, one, what=draft(world, f"{attempt}-{number}")))[0] for number in range(3)]
        ids = [record.id for record in made]
        now_ms = made[0].visible_at_ms
        done = await asyncio.gather(
            *(store.mark_read(one, None, now_ms) for _ in range(2)),
            *(store.mark_read(one, ids[::-1], now_ms) for _ in range(2)),
            *(store.mark_unread(one, ids[:1]) for _ in range(2)),
            *(store.delete(one, (record_id,), now_ms) for record_id in ids for _ in range(2)),
        )
        assert sorted(done[-6:]) == [0, 0, 0, 1, 1, 1]


async def test_deleted_later_and_expired_ones_are_not_listed(world: World) -> None:
    (one,) = await world.users(1)
    store, now_ms = world.stores.notifications, world.clock.time_ms
    (deleted,) = await send(world, one, what=draft(world, "deleted"))
    await send(world, one, what=draft(world, "later", scheduled_at_ms=now_ms + 10))
    await send(world, one, what=draft(world, "expiring", expires_at_ms=now_ms + 10))
    done = await asyncio.gather(*(store.delete(one, (deleted.id,), now_ms) for _ in range(3)))
    assert sorted(done) == [0, 0, 1]
    assert await store.record(record_id=deleted.id) is None
    assert (await titles(world, one), await unread(world, one)) == (["expiring"], 1)
    world.clock.time_ms += 10
    assert (await titles(world, one), await unread(world, one)) == (["later"], 1)
    assert (await store.stats(one, world.clock.time_ms)).total == 1


async def test_changing_a_content(world: World) -> None:
    (one,) = await world.users(1)
    contents, now_ms = world.stores.notification_contents, world.clock.time_ms
    made = (await contents.add(draft(world))).notification
    await send(world, one, what=made)
    changed = await contents.update(made.id, 9, title="new", priority=Priority.LOW, channels=(Channel.PUSH,))
    assert changed is not None
    assert (changed.notification.title, changed.notification.channels) == ("new", (Channel.PUSH,))
    assert (changed.notification.priority, changed.notification.updated_at_ms) == (Priority.LOW, 9)
    assert await titles(world, one) == ["new"]
    await contents.update(made.id, 9, expires_at_ms=now_ms)
    assert await titles(world, one) == []
    await contents.update(made.id, 9, expires_at_ms=None)
    await contents.update(made.id, 9, scheduled_at_ms=now_ms + 1)
    assert await titles(world, one) == []
    assert await contents.update(NOBODY, 9, title="x") is None


async def test_deleting_a_content(world: World) -> None:
    (one,) = await world.users(1)
    contents = world.stores.notification_contents
    made = (await contents.add(draft(world, created_by_id=one))).notification
    (record,) = await send(world, one, what=made)
    assert await contents.delete(made.id)
    assert not await contents.delete(made.id)
    assert await contents.get(made.uuid) is None
    assert await world.stores.notifications.record(record_id=record.id) is None
    assert await contents.list_all(offset=0, limit=9) == ([], 0)
    assert await contents.send(made, {one: TOLD}, 5, arrived) is None


async def test_contents_that_somebody_created(world: World) -> None:
    (one,) = await world.users(1)
    contents = world.stores.notification_contents
    made = [await contents.add(draft(world, created_by_id=one)) for _ in range(2)]
    await contents.add(draft(world))
    assert await contents.list_all(offset=0, limit=9) == (made[::-1], 2)
    assert await contents.list_all(offset=1, limit=9) == (made[:1], 2)


async def test_users_by_uuid(world: World) -> None:
    user = await world.user("one")
    assert await world.stores.notification_contents.user_ids((user.uuid, str(uuid4()))) == {user.uuid: user.id}
    assert await world.stores.notification_contents.user_ids(()) == {}


async def test_fan_outs(world: World) -> None:
    ids = await world.users(5)
    await world.stores.users.update(ids[1], is_active=False)
    contents = world.stores.notification_contents
    made = (await contents.add(draft(world))).notification
    started = await contents.start_fan_out(made.id, 5)
    assert (started.total, started.sent, started.up_to_user_id, started.is_done) == (4, 0, ids[4], False)
    await world.user("late")
    assert await contents.unfinished_fan_out() == started
    pages: list[list[int]] = []

    def plan(notification: Notification, page: Sequence[Recipient]) -> dict[int, Sequence[PlannedDelivery]]:
        assert notification == made
        pages.append([each.user_id for each in page])
        return {each.user_id: TOLD for each in page if each.user_id != ids[3]}

    await send(world, ids[4], what=made)
    steps = await asyncio.gather(*(contents.advance(started.id, 2, 5, plan, arrived) for _ in range(2)))
    # Another process may be skipped: whoever comes second at the same time does nothing.
    moved, notification, records = next(step for step in steps if step is not None)
    assert ([record.user_id for record in records], notification) == ([ids[0], ids[2]], made)
    assert (moved.reached_user_id, moved.sent, moved.is_done) == (ids[2], 2, False)
    while not (await contents.fan_outs(made.id))[0].is_done:
        await contents.advance(started.id, 9, 5, plan, arrived)
    assert pages[0] == [ids[0], ids[2]]
    assert [user_id for page in pages[1:] for user_id in page] == [ids[3], ids[4]]
    assert await contents.advance(started.id, 9, 5, plan, arrived) is None
    (done,) = await contents.fan_outs(made.id)
    assert (done.sent, done.is_done) == (2, True)
    assert await contents.unfinished_fan_out() is None


async def test_preferences(world: World) -> None:
    user = await world.user("one", email="one@example.com")
    store = world.stores.notifications
    (default,) = await store.recipients((user.id, NOBODY))
    assert (default.uuid, default.email, default.time_zone) == (user.uuid, "one@example.com", "UTC")
    assert default.preferences.email_frequency is EmailFrequency.IMMEDIATE
    await asyncio.gather(
        store.set_preferences(user.id, 5, do_not_disturb=True),
        store.set_preferences(user.id, 5, quiet_hours_start="22:00", push_enabled=False),
        store.set_preferences(user.id, 5),
    )
    (changed,) = await store.recipients((user.id,))
    preferences = changed.preferences
    assert (preferences.do_not_disturb, preferences.push_enabled, preferences.email_enabled) == (True, False, True)
    assert (preferences.quiet_hours_start, preferences.quiet_hours_end) == ("22:00", None)


def template(name: str, **fields: object) -> NotificationTemplate:
    values: dict[str, object] = {
        "id": 0,
        "name": name,
        "kind": NotificationKind.SYSTEM,
        "title_template": "{a}",
        "content_template": "内容 {b}",
        "created_at_ms": 1,
        "updated_at_ms": 2,
    }
    return NotificationTemplate(**values | fields)  # type: ignore[arg-type]


async def test_templates(world: World) -> None:
    store = world.stores.notification_templates
    one = await store.create(template("one"))
    two = await store.create(template("two", kind=NotificationKind.REMINDER, is_active=False))
    assert await store.get(one.id) == one
    assert await store.list_all(kind=None, active_only=False, offset=0, limit=9) == ([two, one], 2)
    assert await store.list_all(kind=None, active_only=False, offset=1, limit=1) == ([one], 2)
    assert await store.list_all(kind=None, active_only=True, offset=0, limit=9) == ([one], 1)
    assert await store.list_all(kind=NotificationKind.REMINDER, active_only=False, offset=0, limit=9) == ([two], 1)
    with pytest.raises(Conflict):
        await store.create(template("one"))
    with pytest.raises(Conflict):
        await store.update(two.id, lambda changed: None, name="one")

    def refuse(changed: NotificationTemplate) -> None:
        raise InvalidState

    with pytest.raises(InvalidState):
        await store.update(two.id, refuse, is_active=True)
    assert await store.get(two.id) == two
    changed = await store.update(two.id, lambda changed: None, is_active=True, kind=NotificationKind.SYSTEM)
    assert changed is not None
    assert (changed.is_active, changed.kind) == (True, NotificationKind.SYSTEM)
    assert await store.update(NOBODY, lambda changed: None, name="x") is None
    assert await store.delete(two.id)
    assert not await store.delete(two.id)
    assert await store.get(two.id) is None
