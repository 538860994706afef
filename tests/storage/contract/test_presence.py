"""Contract of PresenceDirectory."""

from storage.inprocess.presence import InProcessPresenceDirectory


def test_the_first_session_comes_and_the_last_goes() -> None:
    directory = InProcessPresenceDirectory()
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


def test_users_may_go_while_those_online_are_looked_at() -> None:
    directory = InProcessPresenceDirectory()
    for user_id in range(5):
        directory.connected(user_id)
    assert [user_id for user_id in directory.online() if directory.disconnected(user_id)] == [0, 1, 2, 3, 4]
