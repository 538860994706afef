"""Contract of LoginStore."""

import asyncio

from domain.model import DialectName, Login
from tests.storage.world import World


def a_login(login_id: str = "one", user_id: int = 1) -> Login:
    return Login(
        id=login_id,
        user_id=user_id,
        dialect=DialectName.SOCIAL,
        refresh_id="r1",
        created_at_ms=1,
        expires_at_ms=100,
    )


async def test_a_login_is_kept_as_it_is(world: World) -> None:
    logins = world.stores.logins
    await logins.create(a_login())
    assert await logins.get("one") == a_login()
    assert await logins.get("two") is None


async def test_of_two_concurrent_rotations_one_fails(world: World) -> None:
    logins = world.stores.logins
    await logins.create(a_login())
    outcomes = await asyncio.gather(*(logins.rotate("one", "r1", f"new{n}", 200) for n in range(5)))
    assert sorted(outcomes) == [False, False, False, False, True]
    login = await logins.get("one")
    assert login is not None
    assert login.refresh_id == f"new{outcomes.index(True)}"
    assert login.expires_at_ms == 200


async def test_a_revoked_login_does_not_rotate_and_is_not_alive(world: World) -> None:
    logins = world.stores.logins
    for name in ("one", "two", "three"):
        await logins.create(a_login(name))
    await logins.create(a_login("other", user_id=2))
    await logins.revoke(["one", "missing"], 50)
    await logins.revoke(["one", "two"], 60)
    await logins.revoke([], 70)
    assert not await logins.rotate("one", "r1", "r2", 200)
    assert not await logins.rotate("missing", "r1", "r2", 200)
    assert await logins.alive(1) == ["three"]
    assert await logins.revoked_since(0) == [("one", 50), ("two", 60)]
    assert await logins.revoked_since(60) == [("two", 60)]
