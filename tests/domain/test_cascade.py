"""Users that another system keeps."""

import asyncio

import pytest

from domain.cascade import UserRow
from domain.errors import InvalidState, InvalidValue, WrongPassword
from domain.events import Event, UserDeactivated
from domain.model import DialectName
from domain.passwords import NO_PASSWORD
from tests.domain.conftest import People
from tests.world import PASSWORD, Rules


async def test_rows_make_and_change_accounts_and_refused_ones_stop_no_other(rules: Rules, people: People) -> None:
    root, bob = await people("root", "bob")
    heard: list[Event] = []
    rules.bus.subscribe(lambda event, *_: heard.append(event))
    refusal = InvalidValue("name", "missing")
    outcome = await rules.cascade.sync_users(
        root,
        [
            UserRow("new", "New"),
            UserRow("BOB", "Bobby", is_active=False),
            refusal,
            UserRow("x" * 51, "x"),
            UserRow("root", "Root", is_active=False),
            UserRow("idle", "Idle", is_active=False),
            UserRow("new", "Newer"),
        ],
    )
    assert (outcome.created, outcome.updated) == (2, 2)
    assert outcome.errors.keys() == {2, 3, 4}
    assert outcome.errors[2] is refusal
    assert isinstance(outcome.errors[4], InvalidState)
    assert UserDeactivated(bob.id) in heard
    users = {name: await rules.stores.users.find(username=name) for name in ("new", "bob", "idle", "root")}
    shown = {name: (user.nickname, user.is_active) for name, user in users.items() if user}
    assert shown == {"new": ("Newer", True), "bob": ("Bobby", False), "idle": ("Idle", False), "root": ("root", True)}
    assert not (await rules.profiles.get(bob.id)).is_active


async def test_an_account_without_a_password_opens_with_none(rules: Rules, people: People) -> None:
    (root,) = await people("root")
    await rules.cascade.sync_users(root, [UserRow("new", "New")])
    for password in ("", NO_PASSWORD, "nobody", PASSWORD):
        with pytest.raises(WrongPassword):
            await rules.accounts.login(DialectName.IM, password, username="new")


async def test_two_synchronisations_at_once_make_one_account(rules: Rules, people: People) -> None:
    (root,) = await people("root")
    outcomes = await asyncio.gather(*(rules.cascade.sync_users(root, [UserRow("new", "New")]) for _ in range(4)))
    assert sum(outcome.created for outcome in outcomes) == 1
    assert sum(outcome.updated for outcome in outcomes) == 3


async def test_there_is_no_stream_without_redis(rules: Rules) -> None:
    assert await rules.cascade.stream_info() is None
