"""Why a process should get no traffic."""

import asyncio
from pathlib import Path

import pytest

from app import readiness
from app.readiness import Readiness
from tests.world import Rules


async def test_a_sound_process_is_ready_until_it_stops(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "feige.db")
    await rules.start()
    ready = Readiness(rules.stores.sync, rules.bus, tmp_path, 1)
    assert await ready() == []
    ready.is_stopping = True
    assert await ready() == ["the server is stopping"]
    await rules.close()


async def test_each_check_has_its_reason_and_answers_are_kept_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = Rules(tmp_path / "feige.db")
    await rules.start()
    folder = tmp_path / "data"
    ready = Readiness(rules.stores.sync, rules.bus, folder, 1)
    reasons = await ready()
    assert reasons == [f"disk: {folder} cannot be written: No such file or directory"]
    folder.mkdir()
    assert await ready() == reasons
    monkeypatch.setattr(readiness, "FRESH_S", 0.0)
    assert await asyncio.gather(ready(), ready()) == [[], []]
    (reason,) = await Readiness(rules.stores.sync, rules.bus, folder, 1 << 60)()
    assert reason.startswith("disk: ")
    assert "KiB are left" in reason
    await rules.close()
