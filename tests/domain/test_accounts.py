"""Registration, throttling, token families."""

import asyncio
from pathlib import Path

import pytest

from domain.accounts import AccountLimits
from domain.errors import (
    AccountDisabled,
    InvalidValue,
    RateLimited,
    TokenExpired,
    TokenInvalid,
    UnknownAccount,
    UsernameTaken,
    WrongPassword,
)
from domain.events import LoginRevoked, UserDeactivated
from domain.model import DialectName, Login
from domain.ports import Audience
from domain.tokens import TokenLimits
from tests.domain.conftest import People
from tests.world import PASSWORD, Rules

IM = DialectName.IM


@pytest.mark.parametrize("password", ["12345", "x" * 73, "密" * 25])
async def test_a_password_that_bcrypt_would_cut_or_anybody_guesses(rules: Rules, password: str) -> None:
    with pytest.raises(InvalidValue, match="password"):
        await rules.accounts.register(username="alice", password=password)


async def test_names_are_compared_without_case(rules: Rules, people: People) -> None:
    await people("Alice")
    with pytest.raises(UsernameTaken):
        await people("aLICE")
    user, _ = await rules.accounts.login(IM, PASSWORD, username="ALICE")
    assert user.username == "Alice"


async def test_an_address_of_somebody_else_as_user_name_shuts_nobody_out(rules: Rules) -> None:
    victim = await rules.accounts.register(username="victim", password=PASSWORD, email="v@example.org")
    await rules.accounts.register(username="v@example.org", password="another one")
    named = "v@example.org"
    user, _ = await rules.accounts.login(DialectName.INBOX, PASSWORD, username=named, email=named)
    assert user.id == victim.id


async def test_failures_are_counted_for_the_account_and_successes_are_not(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "feige.db", limits=AccountLimits(failed_logins_per_account=3))
    await rules.start()
    await rules.accounts.register(username="alice", password=PASSWORD)
    for _ in range(5):
        await rules.accounts.login(IM, PASSWORD, username="alice", address="1")
    for _ in range(3):
        with pytest.raises(WrongPassword):
            await rules.accounts.login(IM, "a guess", username="alice", address="1")
    with pytest.raises(RateLimited) as limited:
        await rules.accounts.login(IM, PASSWORD, username="alice", address="2")
    assert 0 < limited.value.retry_after_s <= 300
    await rules.close()


async def test_parallel_guesses_do_not_slip_through(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "feige.db", limits=AccountLimits(failed_logins_per_account=3))
    await rules.start()
    await rules.accounts.register(username="alice", password=PASSWORD)
    guesses = (rules.accounts.login(IM, f"guess {number}", username="alice") for number in range(20))
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(outcome, WrongPassword) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, RateLimited) for outcome in outcomes) == 17
    await rules.close()


async def test_an_unknown_name_is_throttled_by_address(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "feige.db", limits=AccountLimits(failed_logins_per_address=2))
    await rules.start()
    for name in ("a", "b"):
        with pytest.raises(UnknownAccount):
            await rules.accounts.login(IM, "a guess", username=name, address="1")
    with pytest.raises(RateLimited):
        await rules.accounts.login(IM, "a guess", username="c", address="1")
    await rules.close()


async def test_rotation_and_reuse(rules: Rules, people: People) -> None:
    await people("alice")
    _, first = await rules.accounts.login(IM, PASSWORD, username="alice")
    _, other = await rules.accounts.login(IM, PASSWORD, username="alice")
    second = await rules.accounts.refresh(first.refresh_token)
    await rules.accounts.authenticate(second.access_token)
    with pytest.raises(TokenInvalid):
        await rules.accounts.refresh(first.refresh_token)
    for token in (first.access_token, second.access_token):
        with pytest.raises(TokenInvalid):
            await rules.accounts.authenticate(token)
    with pytest.raises(TokenInvalid):
        await rules.accounts.refresh(second.refresh_token)
    await rules.accounts.authenticate(other.access_token)


async def test_of_two_concurrent_refreshes_one_wins_and_the_login_ends(rules: Rules, people: People) -> None:
    await people("alice")
    _, pair = await rules.accounts.login(IM, PASSWORD, username="alice")
    refreshes = (rules.accounts.refresh(pair.refresh_token) for _ in range(2))
    outcomes = await asyncio.gather(*refreshes, return_exceptions=True)
    assert sum(isinstance(outcome, TokenInvalid) for outcome in outcomes) == 1
    with pytest.raises(TokenInvalid):
        await rules.accounts.authenticate(pair.access_token)


async def test_the_kinds_of_tokens_are_not_interchangeable(rules: Rules, people: People) -> None:
    await people("alice")
    _, pair = await rules.accounts.login(IM, PASSWORD, username="alice")
    with pytest.raises(TokenInvalid):
        await rules.accounts.authenticate(pair.refresh_token)
    with pytest.raises(TokenInvalid):
        await rules.accounts.refresh(pair.access_token)


@pytest.mark.parametrize(("dialect", "lifetime_s"), [(IM, 86_400), (DialectName.INBOX, 900)])
async def test_access_tokens_live_as_long_as_their_dialect_says(
    rules: Rules, people: People, dialect: DialectName, lifetime_s: int
) -> None:
    await people("alice")
    _, pair = await rules.accounts.login(dialect, PASSWORD, username="alice")
    assert pair.expires_in_s == lifetime_s
    rules.clock.at_ms += (lifetime_s - 1) * 1000
    await rules.accounts.authenticate(pair.access_token)
    rules.clock.at_ms += 1000
    with pytest.raises(TokenExpired):
        await rules.accounts.authenticate(pair.access_token)
    rules.clock.at_ms += 7 * 86_400_000
    with pytest.raises(TokenExpired):
        await rules.accounts.refresh(pair.refresh_token)


async def test_a_new_password_ends_the_other_logins(rules: Rules, people: People) -> None:
    await people("alice")
    _, mine = await rules.accounts.login(IM, PASSWORD, username="alice")
    _, other = await rules.accounts.login(IM, PASSWORD, username="alice")
    me = await rules.accounts.authenticate(mine.access_token)
    with pytest.raises(WrongPassword):
        await rules.accounts.change_password(me, "not it", "a new password")
    await rules.accounts.change_password(me, PASSWORD, "a new password")
    await rules.accounts.authenticate(mine.access_token)
    with pytest.raises(TokenInvalid):
        await rules.accounts.authenticate(other.access_token)
    with pytest.raises(WrongPassword):
        await rules.accounts.login(IM, PASSWORD, username="alice")


async def test_a_deactivated_account(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    _, pair = await rules.accounts.login(IM, PASSWORD, username="alice")
    await rules.accounts.authenticate(pair.access_token)
    await rules.accounts.set_active(alice.id, False)
    for attempt in (
        rules.accounts.authenticate(pair.access_token),
        rules.accounts.refresh(pair.refresh_token),
        rules.accounts.login(IM, PASSWORD, username="alice"),
    ):
        with pytest.raises(AccountDisabled):
            await attempt
    with pytest.raises(WrongPassword):
        await rules.accounts.login(IM, "a guess", username="alice")
    await rules.accounts.set_active(alice.id, True)
    await rules.accounts.authenticate(pair.access_token)


async def test_revocations_outlive_a_restart(tmp_path: Path) -> None:
    rules = Rules(tmp_path / "feige.db")
    await rules.start()
    await rules.accounts.register(username="alice", password=PASSWORD)
    _, pair = await rules.accounts.login(IM, PASSWORD, username="alice")
    await rules.accounts.logout(await rules.accounts.authenticate(pair.access_token))
    await rules.close()
    again = Rules(tmp_path / "feige.db")
    await again.start()
    with pytest.raises(TokenInvalid):
        await again.accounts.authenticate(pair.access_token)
    await again.close()


async def test_the_first_administrator(rules: Rules, people: People) -> None:
    await rules.accounts.ensure_admin("first secret")
    admin = await rules.accounts.ensure_admin("second secret")
    assert admin.is_admin
    user, _ = await rules.accounts.login(IM, "second secret", username="admin")
    assert user.id == admin.id
    with pytest.raises(WrongPassword):
        await rules.accounts.login(IM, "first secret", username="admin")


async def test_a_login_that_ends_while_its_token_is_checked(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    pair = await rules.accounts.issue_token("alice", IM)
    login_id = rules.tokens.verify(pair.access_token, "access").login_id
    checking = asyncio.create_task(rules.accounts.authenticate(pair.access_token))
    await asyncio.sleep(0)
    assert not checking.done(), "it waits for the profile"
    rules.bus.publish(LoginRevoked(alice.id, login_id, rules.clock.at_ms + 1), Audience((alice.id,)))
    with pytest.raises(TokenInvalid):
        await checking


async def test_an_account_that_is_deactivated_while_its_profile_is_read(
    rules: Rules, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alice,) = await people("alice")
    pair = await rules.accounts.issue_token("alice", IM)
    read = rules.stores.users.profiles
    reads = 0

    async def overtaken(user_ids: list[int]) -> object:
        nonlocal reads
        reads += 1
        found = await read(user_ids)
        if reads == 1:
            await rules.accounts.set_active(alice.id, False)
        return found

    monkeypatch.setattr(rules.stores.users, "profiles", overtaken)
    with pytest.raises(AccountDisabled):
        await rules.accounts.authenticate(pair.access_token)
    assert not (await rules.profiles.get(alice.id)).is_active, "what was read first is not kept"


async def test_a_login_with_the_old_password_that_a_new_one_overtakes(
    rules: Rules, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alice,) = await people("alice")
    create = rules.stores.logins.create

    async def overtaken(login: Login) -> None:
        await rules.accounts.set_password(alice.id, "a new password")
        await create(login)

    monkeypatch.setattr(rules.stores.logins, "create", overtaken)
    with pytest.raises(WrongPassword):
        await rules.accounts.login(IM, PASSWORD, username="alice")
    assert await rules.stores.logins.alive(alice.id) == []


async def test_a_revocation_is_remembered_as_long_as_any_access_token_lives(rules: Rules, people: People) -> None:
    """Also where the dialects with the short life are given the longer one."""
    await people("alice")
    rules.tokens.limits = TokenLimits(access_s=60, access_short_s=600)
    until: list[int] = []
    rules.bus.subscribe(
        lambda event, *_: until.append(event.expires_at_ms) if isinstance(event, LoginRevoked) else None
    )
    pair = await rules.accounts.issue_token("alice", DialectName.INBOX)
    await rules.accounts.logout(await rules.accounts.authenticate(pair.access_token))
    assert until == [rules.tokens.verify(pair.access_token, "access").expires_at_ms]


async def test_a_deactivated_account_whose_login_has_ended_is_unauthenticated(rules: Rules, people: People) -> None:
    (alice,) = await people("alice")
    pair = await rules.accounts.issue_token("alice", IM)
    await rules.accounts.logout(await rules.accounts.authenticate(pair.access_token))
    rules.bus.publish(UserDeactivated(alice.id), Audience((alice.id,)))
    with pytest.raises(TokenInvalid):
        await rules.accounts.authenticate(pair.access_token)
