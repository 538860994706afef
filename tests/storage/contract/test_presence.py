"""Contract of PresenceDirectory, for one node. What several tell each other is in tests/storage/redis."""

import pytest

from domain.ports import PresenceDirectory
from storage.inprocess.presence import InProcessPresenceDirectory
from storage.redis.presence import RedisPresenceDirectory
from tests.world import TestClock


@pytest.fixture(params=["inprocess", "redis"])
def directory(request: pytest.FixtureRequest) -> PresenceDirectory:
    return InProcessPresenceDirectory() if request.param == "inprocess" else RedisPresenceDirectory(TestClock())


def test_the_first_session_comes_and_the_last_goes(directory: PresenceDirectory) -> None:
    assert [directory.connected(7), directory.connected(7), directory.connected(8)] == [True, False, True]
    assert directory.session_count == 3
    assert sorted(directory.online()) == [7, 8]
    assert directory.disconnected(7) is False
    assert directory.is_online(7)
    assert directory.disconnected(7) is True
    assert not directory.is_online(7)
    assert directory.disconnected(7) is False
    assert directory.session_count == 1
    assert directory.connected(7) is True
    directory.left(7)
    assert directory.is_online(7), "somebody who came back has not left"


def test_users_may_go_while_those_online_are_looked_at(directory: PresenceDirectory) -> None:
    for user_id in range(5):
        directory.connected(user_id)
    assert [user_id for user_id in directory.online() if directory.disconnected(user_id)] == [0, 1, 2, 3, 4]


async def test_who_is_arriving_is_not_online(directory: PresenceDirectory) -> None:
    await directory.arriving(7)
    assert not directory.is_online(7)
    assert list(directory.online()) == []
    assert directory.disconnected(7) is False
    await directory.arriving(7)
    assert directory.connected(7) is True
    assert directory.session_count == 1
