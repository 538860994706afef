"""A group under whatever its people do to it, against a model of who is in it and in which role."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from domain.errors import ConversationNotFound, DomainError
from domain.model import Role
from tests.world import PASSWORD, Rules

PEOPLE = 4
WHO = st.integers(0, PEOPLE - 1)
RANK = {Role.MEMBER: 0, Role.ADMIN: 1, Role.OWNER: 2}


class GroupRules(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.roles: dict[int, Role] = {}
        self.applied: dict[int, int] = {}
        """Who waits to be let in, by which application."""
        self.is_dissolved = False

    @initialize()
    def start(self) -> None:
        self.runner.run(self._start())

    async def _start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.rules = Rules(Path(self.folder.name) / "feige.db")
        await self.rules.start()
        self.people = [
            (await self.rules.accounts.register(username=f"user{number}", password=PASSWORD)).profile
            for number in range(PEOPLE)
        ]
        self.group = await self.rules.conversations.create_group(self.people[0], (), name="g", max_members=3)
        self.roles[0] = Role.OWNER

    def attempt(self, step: Coroutine[Any, Any, Any], *, allowed: bool) -> Any:
        """Carries out a step that the model says is allowed, or refused."""

        async def run() -> Any:
            try:
                return await step
            except DomainError as error:
                return error

        outcome = self.runner.run(run())
        assert isinstance(outcome, DomainError) is not (allowed and not self.is_dissolved), outcome
        if self.is_dissolved:
            assert isinstance(outcome, ConversationNotFound), outcome
        return outcome

    def rank(self, who: int) -> int:
        return RANK[self.roles[who]] if who in self.roles else -1

    @property
    def has_room(self) -> bool:
        return len(self.roles) < 3

    @rule(who=WHO)
    def apply(self, who: int) -> None:
        allowed = who not in self.roles and who not in self.applied
        outcome = self.attempt(self.rules.applications.apply(self.people[who], self.group.id), allowed=allowed)
        if not isinstance(outcome, DomainError):
            self.applied[who] = outcome.id

    @rule(actor=WHO, who=WHO, approve=st.booleans())
    def handle(self, actor: int, who: int, approve: bool) -> None:
        if who not in self.applied:
            return
        allowed = self.rank(actor) >= 1 and (self.has_room or not approve)
        step = self.rules.applications.handle(self.people[actor], self.applied[who], approve)
        if not isinstance(self.attempt(step, allowed=allowed), DomainError):
            del self.applied[who]
            if approve:
                self.roles[who] = Role.MEMBER

    @rule(actor=WHO, who=WHO)
    def invite(self, actor: int, who: int) -> None:
        is_in = who in self.roles
        allowed = self.rank(actor) >= 0 and (is_in or self.has_room)
        step = self.rules.conversations.add_members(self.people[actor], self.group.id, [self.people[who].id])
        if not isinstance(self.attempt(step, allowed=allowed), DomainError) and not is_in:
            self.roles[who] = Role.MEMBER
            self.applied.pop(who, None)

    @rule(actor=WHO, who=WHO)
    def remove(self, actor: int, who: int) -> None:
        leaves = actor == who and self.rank(actor) in (0, 1)
        kicks = actor != who and self.rank(who) >= 0 and self.rank(actor) >= 1 and self.rank(actor) > self.rank(who)
        step = self.rules.conversations.remove_member(self.people[actor], self.group.id, self.people[who].id)
        if not isinstance(self.attempt(step, allowed=leaves or kicks), DomainError):
            del self.roles[who]

    @rule(actor=WHO, who=WHO, role=st.sampled_from(Role))
    def set_role(self, actor: int, who: int, role: Role) -> None:
        changes = self.roles.get(who) is not role
        allowed = self.rank(actor) >= 0 and self.rank(who) >= 0
        if changes:
            allowed = allowed and self.rank(actor) == 2 and actor != who
        elif self.rank(actor) < 2:
            # Asking for what is already so is refused to who may not ask; either answer changes nothing.
            return
        step = self.rules.conversations.update_member(self.people[actor], self.group.id, self.people[who].id, role=role)
        if not isinstance(self.attempt(step, allowed=allowed), DomainError):
            if role is Role.OWNER and actor != who:
                self.roles[actor] = Role.ADMIN
            self.roles[who] = role

    @rule(actor=WHO, really=st.integers(0, 5))
    def dissolve(self, actor: int, really: int) -> None:
        if really:
            return
        step = self.rules.conversations.dissolve(self.people[actor], self.group.id)
        if not isinstance(self.attempt(step, allowed=self.rank(actor) == 2), DomainError):
            self.is_dissolved = True

    @invariant()
    def the_group_is_as_the_model_says(self) -> None:
        if not hasattr(self, "rules"):
            return
        views = self.runner.run(self.rules.stores.conversations.members(self.group.id))
        ids = {profile.id: number for number, profile in enumerate(self.people)}
        assert {ids[view.member.user_id]: view.member.role for view in views} == self.roles
        assert list(self.roles.values()).count(Role.OWNER) == 1
        stored = self.runner.run(self.rules.stores.conversations.get(self.group.id))
        assert stored is not None
        assert stored.member_count == len(self.roles) <= 3

    def teardown(self) -> None:
        if hasattr(self, "rules"):
            self.runner.run(self.rules.close())
            self.folder.cleanup()
        self.runner.close()


@pytest.mark.slow
def test_a_group_follows_the_model() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        GroupRules,
        settings=settings(
            max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_a_race_of_everything_leaves_one_owner_and_a_right_count(tmp_path: Path, seed: int) -> None:
    import random

    random.seed(seed)
    rules = Rules(tmp_path / "feige.db")
    await rules.start()
    try:
        people = [
            (await rules.accounts.register(username=f"user{number}", password=PASSWORD)).profile for number in range(5)
        ]
        group = await rules.conversations.create_group(people[0], [person.id for person in people[1:3]], name="g")
        conversations = rules.conversations

        async def step() -> None:
            one, other = random.sample(people, 2)
            attempts = (
                lambda: conversations.add_members(one, group.id, [other.id]),
                lambda: conversations.remove_member(one, group.id, other.id),
                lambda: conversations.remove_member(one, group.id, one.id),
                lambda: conversations.update_member(one, group.id, other.id, role=Role.OWNER),
                lambda: conversations.update_member(one, group.id, other.id, role=Role.ADMIN),
                lambda: rules.applications.apply(one, group.id),
            )
            try:
                await random.choice(attempts)()  # type: ignore[no-untyped-call]
            except DomainError:
                pass

        await asyncio.gather(*(step() for _ in range(150)))
        views = await rules.stores.conversations.members(group.id)
        stored = await rules.stores.conversations.get(group.id)
        assert stored is not None
        assert stored.member_count == len(views)
        assert [view.member.role for view in views].count(Role.OWNER) == 1
        await conversations.dissolve(
            next(
                p for p in people if p.id in {view.member.user_id for view in views if view.member.role is Role.OWNER}
            ),
            group.id,
        )
        with pytest.raises(ConversationNotFound):
            await conversations.add_members(people[0], group.id, [people[1].id])
    finally:
        await rules.close()
