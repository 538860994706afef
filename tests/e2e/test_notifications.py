"""kill -9 while a notification is on its way to everybody: everybody gets it, and nobody twice."""

import asyncio
import time
import uuid

import aiohttp
import pytest
import sqlalchemy as sa

from storage.sql.record_tables import notification_deliveries, notification_fan_outs, notification_records
from storage.sql.tables import changes, users
from tests.e2e.conftest import NewServer
from tests.e2e.server import Person, ServerProcess

pytestmark = pytest.mark.slow

CROWD = 6000
KEY = "a key of the tests that has enough characters"


def engine_of(server: ServerProcess) -> sa.Engine:
    url = server.settings.get("FEIGE_DATABASE_URL")
    if url is None:
        return sa.create_engine(f"sqlite:///{next(server.data_dir.glob('*.db'))}")
    return sa.create_engine(sa.make_url(url).set(drivername="mysql+pymysql"))


def come(engine: sa.Engine) -> None:
    now_ms = time.time_ns() // 1_000_000
    texts = dict.fromkeys(("username", "username_key", "nickname", "nickname_key"), "crowd{}")
    with engine.begin() as connection:
        connection.execute(
            sa.insert(users),
            [
                {name: text.format(number) for name, text in texts.items()}
                | {"uuid": str(uuid.uuid4()), "password_hash": "!", "created_at_ms": now_ms, "updated_at_ms": now_ms}
                for number in range(CROWD)
            ],
        )


def sent(engine: sa.Engine) -> tuple[int, bool]:
    with engine.connect() as connection:
        found = connection.execute(sa.select(notification_fan_outs.c.sent, notification_fan_outs.c.is_done)).all()
    return (found[0][0], bool(found[0][1])) if found else (0, False)


async def until(engine: sa.Engine, *, at_least: int) -> tuple[int, bool]:
    async with asyncio.timeout(50):
        while (state := await asyncio.to_thread(sent, engine))[0] < at_least:
            await asyncio.sleep(0.01)
    return state


async def test_everybody_gets_it_once_whoever_is_killed_meanwhile(new_server: NewServer, backend: str) -> None:
    async with new_server(secret_key=KEY) as first:
        admin = await Person.register(first, "admin")
        first.command("admin", "grant", admin.name)
        # A server remembers for a while who is none.
        await first.stop()
        await first.start()
        engine = engine_of(first)
        come(engine)
        content = {"type": "announcement", "title": "to everybody", "content": "once"}
        made = await admin.request("POST", "/api/v1/admin/notifications", 201, json=content)
        path = f"/api/v1/admin/notifications/{made['id']}"
        asking = asyncio.create_task(admin.request("POST", f"{path}/send", json={"send_to_all": True}))
        reached, is_done = await until(engine, at_least=200)
        others = []
        if backend == "mysql":
            # Another process goes on at once; it is killed too.
            second = new_server(name="second", secret_key=KEY)
            await asyncio.gather(first.kill(), second.start())
            await until(engine, at_least=reached + 500)
            await second.kill()
            others = [second]
        else:
            await first.kill()
        assert not is_done
        (outcome,) = await asyncio.gather(asking, return_exceptions=True)
        assert isinstance(outcome, aiohttp.ClientError), outcome
        reached, is_done = sent(engine)
        assert not is_done, "it was killed too late"
        for each in (first, *others):
            await each.start()
        await until(engine, at_least=CROWD + 1)
        progress = await admin.request("GET", f"{path}/progress")
        (fan_out,) = progress["send_to_all"]
        assert (fan_out["sent"], fan_out["total"], fan_out["is_done"]) == (CROWD + 1, CROWD + 1, True)
        assert progress["deliveries"] == {"websocket": {"delivered": CROWD + 1}}
        with engine.connect() as connection:
            for column in (notification_records.c.user_id, notification_deliveries.c.user_id):
                counts = connection.execute(sa.select(sa.func.count(), sa.func.count(column.distinct()))).one()
                assert tuple(counts) == (CROWD + 1, CROWD + 1)
            told = sa.select(sa.func.count(), sa.func.count(changes.c.user_id.distinct())).where(
                changes.c.event.like('{"type":"NotificationArrived"%')
            )
            assert tuple(connection.execute(told).one()) == (CROWD + 1, CROWD + 1)
        engine.dispose()
        for each in others:
            assert await each.stop() == 0
