"""Contract of UserStore."""

import pytest

from domain.errors import EmailTaken, InvalidValue, PhoneTaken, UsernameTaken, UserNotFound
from tests.storage.world import World


async def test_a_user_is_found_by_each_of_its_names_without_case(world: World) -> None:
    user = await world.user("Zoë", email="Zoe@Example.org", phone="+49123", is_admin=True)
    users = world.stores.users
    assert await users.get(user.id) == user
    assert await users.find(username="ZOË") == user
    assert await users.find(email="zoe@EXAMPLE.ORG") == user
    assert await users.find(phone="+49123") == user
    assert await users.find(username="zoe") is None
    assert await users.get(user.id + 1) is None
    assert user.is_admin is True
    assert user.is_active is True


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": "ANN"}, UsernameTaken),
        ({"name": "bob", "email": "ANN@x.org"}, EmailTaken),
        ({"name": "bob", "phone": "1"}, PhoneTaken),
    ],
)
async def test_what_must_be_unique_is_refused_and_nothing_is_stored(
    world: World, fields: dict[str, str], error: type[Exception]
) -> None:
    await world.user("ann", email="ann@x.org", phone="1")
    with pytest.raises(error):
        await world.user(**fields)
    assert await world.stores.users.find(username="bob") is None


async def test_users_without_an_address_do_not_collide(world: World) -> None:
    ids = [(await world.user(name)).id for name in ("ann", "bob")]
    assert set(await world.stores.users.profiles([*ids, max(ids) + 1])) == set(ids)


async def test_profiles_of_those_that_exist(world: World) -> None:
    ann, bob = await world.user("ann", avatar="a.png"), await world.user("bob")
    profiles = await world.stores.users.profiles([bob.id, ann.id, 10**15])
    assert profiles == {ann.id: ann.profile, bob.id: bob.profile}
    assert await world.stores.users.profiles([]) == {}


async def test_search_takes_the_keyword_literally(world: World) -> None:
    users = world.stores.users
    percent, under = await world.user("50%off"), await world.user("A_b")
    chinese = await world.user("李小龙")
    gone = await world.user("a_b_gone")
    await users.update(gone.id, is_active=False)
    assert await users.search("%", 10) == [percent]
    assert await users.search("a_B", 10) == [under]
    assert await users.search("小龙", 10) == [chinese]
    assert await users.search("' OR 1=1 --", 10) == []
    assert await users.search("", 2) == [percent, under]


async def test_update_changes_what_is_named_and_keeps_the_keys_in_step(world: World) -> None:
    users = world.stores.users
    ann = await world.user("ann", email="ann@x.org")
    await world.user("bob", email="bob@x.org", phone="1")
    changed = await users.update(ann.id, nickname="Änn", email="new@x.org", password_hash="other", updated_at_ms=7)
    assert (changed.nickname, changed.email, changed.updated_at_ms) == ("Änn", "new@x.org", 7)
    assert await users.get(ann.id) == changed
    assert await users.find(email="NEW@x.org") == changed
    assert await users.find(email="ann@x.org") is None
    assert await users.search("änn", 5) == [changed]
    assert await users.password_hash(ann.id) == "other"
    with pytest.raises(EmailTaken):
        await users.update(ann.id, email="BOB@x.org")
    with pytest.raises(PhoneTaken):
        await users.update(ann.id, phone="1")
    with pytest.raises(UserNotFound):
        await users.update(10**15, bio="x")
    assert await users.get(ann.id) == changed
    assert await users.password_hash(10**15) is None


async def test_text_that_is_no_unicode_is_refused(world: World) -> None:
    with pytest.raises(InvalidValue):
        await world.user("\ud800")
    with pytest.raises(InvalidValue):
        await world.stores.users.search("\ud800", 5)


async def test_administrators_and_when_users_were_seen(world: World) -> None:
    users = world.stores.users
    admin, ann = await world.user("admin", is_admin=True), await world.user("ann")
    assert await users.administrators() == [admin]
    await users.seen({admin.id: 5, ann.id: 6, 10**15: 7})
    await users.seen({})
    found = [await users.get(user.id) for user in (admin, ann)]
    assert [user and user.last_seen_at_ms for user in found] == [5, 6]
