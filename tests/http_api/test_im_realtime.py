"""Presence and connections over HTTP (im API 6)."""

from tests.http_api.world import World
from tests.world import NOBODY

BASE = "/api/v1/realtime"


async def test_online_users(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    assert await alice.ask("GET", f"{BASE}/online-users") == {"online_users": [], "count": 0}
    world.directory.connected(bob.id)
    world.directory.connected(alice.id)
    assert await alice.ask("GET", f"{BASE}/online-users") == {"online_users": [alice.id, bob.id], "count": 2}


async def test_user_status(world: World) -> None:
    alice, bob = await world.person(), await world.person()
    never = await alice.ask("GET", f"{BASE}/user-status/{bob.id}")
    assert never == {"user_id": bob.id, "is_online": False, "last_seen": None}
    world.directory.connected(bob.id)
    online = await alice.ask("GET", f"{BASE}/user-status/{bob.id}")
    assert online["is_online"]
    assert online["last_seen"].endswith("Z")
    await alice.ask("GET", f"{BASE}/user-status/{NOBODY}", expect=404)
    await alice.ask("GET", f"{BASE}/user-status/x", expect=422)


async def test_connection_stats_are_for_administrators(world: World) -> None:
    alice, admin = await world.person(), await world.person(is_admin=True)
    world.directory.connected(alice.id)
    await alice.ask("GET", f"{BASE}/connection-stats", expect=403)
    assert await admin.ask("GET", f"{BASE}/connection-stats") == {
        "total_connections": 3,
        "authenticated_connections": 1,
        "anonymous_connections": 2,
    }
