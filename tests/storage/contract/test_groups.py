"""Contract of GroupStore."""

from domain.model import Role
from domain.records import InviteCode
from tests.storage.world import World


def code(name: str, group_id: int, creator_id: int, at_ms: int, lifetime_ms: int = 1000) -> InviteCode:
    return InviteCode(
        code=name,
        conversation_id=group_id,
        creator_id=creator_id,
        created_at_ms=at_ms,
        expires_at_ms=at_ms + lifetime_ms,
    )


async def test_codes_are_kept_as_they_are_until_others_are_made(world: World) -> None:
    store = world.stores.groups
    first = code("A", 1, 1, 10)
    await store.add_code(first, 2)
    assert await store.code("A") == first
    assert await store.code("a") is None
    assert await store.code("B") is None
    await store.add_code(code("B", 1, 1, 11), 2)
    await store.add_code(code("OTHER", 1, 2, 12), 2)
    await store.add_code(code("ELSEWHERE", 2, 1, 12), 2)
    await store.add_code(code("C", 1, 1, 12), 2)
    kept = {name for name in ("A", "B", "C", "OTHER", "ELSEWHERE") if await store.code(name)}
    assert kept == {"B", "C", "OTHER", "ELSEWHERE"}


async def test_expired_codes_go_when_one_is_made(world: World) -> None:
    store = world.stores.groups
    await store.add_code(code("OLD", 1, 1, 10, 5), 9)
    await store.add_code(code("ALIVE", 1, 1, 10, 6), 9)
    await store.add_code(code("NEW", 1, 2, 15), 9)
    assert [name for name in ("OLD", "ALIVE", "NEW") if await store.code(name)] == ["ALIVE", "NEW"]


async def test_statistics_count_who_joined_read_or_wrote_since_then(world: World) -> None:
    one, two, three, four = await world.users(4)
    group = await world.group(one, [two, three])
    start_ms = world.clock.time_ms
    world.clock.time_ms += 100
    since_ms = world.clock.time_ms
    await world.send(group.id, one)
    await world.mark(group.id, two, (1, 1))
    store = world.stores.groups
    stats = await store.stats(group.id, since_ms)
    assert stats is not None
    assert (stats.member_count, stats.message_count, stats.active_members) == (3, 1, 2)
    assert stats.created_at_ms == start_ms
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.add([four], Role.MEMBER, world.clock.time_ms, 0)
    stats = await store.stats(group.id, since_ms)
    assert stats is not None
    assert (stats.member_count, stats.active_members) == (4, 3)
    stats = await store.stats(group.id, start_ms)
    assert stats is not None
    assert stats.active_members == 4
    stats = await store.stats(group.id, world.clock.time_ms + 1)
    assert stats is not None
    assert stats.active_members == 0
    assert await store.stats(group.id + 1, 0) is None


async def test_the_search_is_literal_and_pages(world: World) -> None:
    users = await world.users(3)
    store = world.stores.groups

    async def group(name: str, *members: int, is_public: bool = True) -> int:
        made = await world.group(users[0], members, is_public=is_public)
        async with world.stores.conversations.edit(made.id) as edit:
            await edit.set(name=name)
        return made.id

    percent, under, large = await group("100% a"), await group("a_b"), await group("Ab", *users)
    await group("a hidden", is_public=False)
    await world.single(users[0], users[1])

    async def found(keyword: str, offset: int = 0, limit: int = 10) -> tuple[list[int], int]:
        groups, total = await store.search(keyword, offset=offset, limit=limit)
        return [each.id for each in groups], total

    assert await found("%") == ([percent], 1)
    assert await found("_") == ([under], 1)
    assert await found("A") == ([large, percent, under], 3)
    assert await found("a", offset=1, limit=1) == ([percent], 3)
    assert await found("ａ") == ([large, percent, under], 3)
    assert await found("z") == ([], 0)


async def test_a_name_whose_key_is_longer_than_the_column(world: World) -> None:
    [one] = await world.users(1)
    group = await world.group(one)
    async with world.stores.conversations.edit(group.id) as edit:
        await edit.set(name="ﷺ" * 100)
    found, _ = await world.stores.groups.search("ﷺ", offset=0, limit=1)
    assert [each.id for each in found] == [group.id]
