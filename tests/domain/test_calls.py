"""Calls: who rings, who answers, how they end."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.errors import Blocked, CallNotFound, DomainError, Forbidden, InvalidState, InvalidValue, UserNotFound
from domain.events import CallSignalled, MessageSent
from domain.model import CallRecord, MessageKind, Profile
from domain.ports import Audience
from domain.records import Call, CallEnd, CallType
from tests.domain.conftest import People
from tests.world import NOBODY, PASSWORD, Rules


class Ear:
    """The signals that are published, and to whom."""

    def __init__(self, rules: Rules) -> None:
        self.heard: list[tuple[CallSignalled, set[int]]] = []
        self.told: list[MessageSent] = []
        rules.bus.subscribe(self._hear)

    def _hear(self, event: Any, audience: Any, origin: object | None) -> None:
        if isinstance(event, CallSignalled):
            self.heard.append((event, set(audience.user_ids)))
        elif isinstance(event, MessageSent):
            self.told.append(event)

    def steps(self) -> list[tuple[str, int, str]]:
        return [(event.step, event.from_user_id, event.reason) for event, _ in self.heard]

    def records(self) -> list[CallRecord]:
        return [each.message.attachment for each in self.told if isinstance(each.message.attachment, CallRecord)]


@pytest.fixture
def ear(rules: Rules) -> Ear:
    return Ear(rules)


@pytest.fixture
async def pair(rules: Rules, people: People) -> tuple[Profile, Profile]:
    alice, bob = await people("alice", "bob")
    for who in (alice, bob):
        rules.directory.connected(who.id)
    return alice, bob


Pair = tuple[Profile, Profile]


async def test_a_call_from_offer_to_end(rules: Rules, ear: Ear, pair: Pair) -> None:
    alice, bob = pair
    call = await rules.calls.offer(alice, bob.id, CallType.VIDEO, "v=0 offer")
    ((offer, audience),) = ear.heard
    assert (offer.step, offer.from_user_id, offer.to_user_id, offer.call_type, offer.payload, audience) == (
        "offer",
        alice.id,
        bob.id,
        "video",
        "v=0 offer",
        {bob.id},
    )
    await rules.calls.ice(alice, call.id, "candidate a")
    await rules.calls.answer(bob, call.id, "v=0 answer")
    await rules.calls.ice(bob, call.id, "candidate b")
    rules.clock.at_ms += 120_500
    await rules.calls.hang_up(alice, call.id)
    assert [(event.step, audience) for event, audience in ear.heard[1:]] == [
        ("ice", {bob.id}),
        ("answer", {alice.id, bob.id}),
        ("ice", {alice.id}),
        ("end", {alice.id, bob.id}),
    ]
    end = ear.heard[-1][0]
    assert (end.reason, end.duration_s, end.payload) == ("user_hangup", 120, "")
    (told,) = ear.told
    assert (told.message.kind, told.message.content, told.recipient_id) == (MessageKind.SYSTEM, "", bob.id)
    assert told.message.attachment == CallRecord(call.id, "video", "user_hangup", 120)
    for late in (rules.calls.ice, rules.calls.answer):
        with pytest.raises(CallNotFound):
            await late(bob, call.id, "x")
    with pytest.raises(CallNotFound):
        await rules.calls.hang_up(bob, call.id)


async def test_steps_of_one_call_keep_their_order(rules: Rules, ear: Ear, pair: Pair) -> None:
    alice, bob = pair
    await asyncio.gather(
        rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp", "mine"),
        *(rules.calls.ice(alice, "mine", str(number)) for number in range(5)),
    )
    assert [event.payload for event, _ in ear.heard] == ["sdp", "0", "1", "2", "3", "4"]


async def test_a_callee_rejects_and_a_caller_gives_up(rules: Rules, ear: Ear, pair: Pair) -> None:
    alice, bob = pair
    for who, reason in ((bob, CallEnd.REJECTED), (alice, CallEnd.USER_HANGUP)):
        call = await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")
        await rules.calls.hang_up(who, call.id)
        assert ear.steps()[-1] == ("end", who.id, reason.value)
        assert ear.records()[-1] == CallRecord(call.id, "audio", reason.value, 0)


async def test_who_is_in_a_call_is_busy(rules: Rules, ear: Ear, pair: Pair, people: People) -> None:
    alice, bob = pair
    (carol,) = await people("carol")
    await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")
    for caller, callee in ((carol, bob), (carol, alice), (bob, carol), (alice, carol), (bob, alice)):
        call = await rules.calls.offer(caller, callee.id, CallType.AUDIO, "sdp")
        assert call.reason is CallEnd.BUSY
    assert [step for step, *_ in ear.steps()] == ["offer"]
    assert {record.reason for record in ear.records()} == {"busy"}


async def test_of_two_callers_one_rings(rules: Rules, ear: Ear, pair: Pair, people: People) -> None:
    alice, bob = pair
    (carol,) = await people("carol")
    calls = await asyncio.gather(
        *(rules.calls.offer(caller, bob.id, CallType.AUDIO, "sdp") for caller in (alice, carol))
    )
    assert sorted(call.reason is CallEnd.BUSY for call in calls) == [False, True]


async def test_only_its_parties_may_signal(rules: Rules, pair: Pair, people: People) -> None:
    alice, bob = pair
    (carol,) = await people("carol")
    call = await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")
    for step in (rules.calls.ice, rules.calls.answer):
        with pytest.raises(Forbidden):
            await step(carol, call.id, "x")
        with pytest.raises(CallNotFound):
            await step(bob, "another", "x")
    with pytest.raises(Forbidden):
        await rules.calls.hang_up(carol, call.id)
    with pytest.raises(Forbidden):
        await rules.calls.answer(alice, call.id, "x")
    await rules.calls.answer(bob, call.id, "x")
    with pytest.raises(InvalidState):
        await rules.calls.answer(bob, call.id, "x")


async def test_offers_that_are_refused(rules: Rules, pair: Pair) -> None:
    alice, bob = pair
    with pytest.raises(InvalidValue):
        await rules.calls.offer(alice, alice.id, CallType.AUDIO, "sdp")
    with pytest.raises(UserNotFound):
        await rules.calls.offer(alice, NOBODY, CallType.AUDIO, "sdp")
    with pytest.raises(InvalidValue):
        await rules.calls.offer(alice, bob.id, CallType.AUDIO, "x" * (64 * 1024 + 1))
    call = await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp", "mine")
    await rules.calls.hang_up(alice, call.id)
    with pytest.raises(InvalidValue, match="used before"):
        await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp", "mine")
    await rules.contacts.block(bob, alice.id)
    with pytest.raises(Blocked):
        await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")


async def test_nobody_answers(rules: Rules, ear: Ear, pair: Pair) -> None:
    alice, bob = pair
    call = await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")
    rules.clock.at_ms += 59_999
    await rules.calls.sweep()
    assert ear.steps()[-1][0] == "offer"
    rules.clock.at_ms += 1
    await asyncio.gather(rules.calls.sweep(), rules.calls.sweep())
    assert ear.steps()[1:] == [("end", bob.id, "timeout")]
    assert ear.records() == [CallRecord(call.id, "audio", "timeout", 0)]
    assert (await rules.calls.offer(bob, alice.id, CallType.AUDIO, "sdp")).reason is None


async def test_a_party_goes_away(rules: Rules, ear: Ear, pair: Pair) -> None:
    alice, bob = pair
    call = await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")
    await rules.calls.answer(bob, call.id, "sdp")
    await rules.calls.sweep()
    assert ear.steps()[-1][0] == "answer"
    rules.directory.disconnected(bob.id)
    await rules.calls.sweep()
    assert ear.steps()[-1] == ("end", bob.id, "disconnected")


async def test_who_rejects_a_call_that_was_answered_on_another_node_hangs_up(
    rules: Rules, ear: Ear, pair: Pair
) -> None:
    alice, bob = pair
    call = await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")
    await rules.stores.calls.answer(call.id, rules.clock.now_ms())
    await rules.calls.hang_up(bob, call.id)
    assert ear.steps()[-1] == ("end", bob.id, "user_hangup")


async def test_a_call_of_another_node_is_known_from_its_events(rules: Rules, ear: Ear, pair: Pair) -> None:
    alice, bob = pair

    def told(step: str) -> None:
        event = CallSignalled("far", step, alice.id, bob.id, "audio", "sdp", "", 0, rules.clock.now_ms())
        rules.bus.publish(event, Audience((bob.id,)))

    told("offer")
    await rules.calls.ice(bob, "far", "candidate")
    assert ear.heard[-1][0].to_user_id == alice.id
    told("end")
    with pytest.raises(CallNotFound):
        await rules.calls.ice(bob, "far", "candidate")


async def test_a_call_whose_end_was_not_told_is_forgotten(rules: Rules, pair: Pair) -> None:
    alice, bob = pair
    call = await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")
    await rules.stores.calls.end(call.id, CallEnd.USER_HANGUP, rules.clock.now_ms(), if_answered=None)
    await rules.calls.ice(alice, call.id, "candidate")
    await rules.calls.sweep()
    with pytest.raises(CallNotFound):
        await rules.calls.ice(alice, call.id, "candidate")


async def test_a_crowd_that_leaves_is_swept_away_at_once(rules: Rules, ear: Ear, people: People) -> None:
    crowd = await people(*(f"user{number}" for number in range(8)))
    pairs = list(zip(crowd[::2], crowd[1::2], strict=True))
    await asyncio.gather(*(rules.calls.offer(one, two.id, CallType.AUDIO, "sdp") for one, two in pairs))
    before = rules.stores.calls.stats.batches
    await rules.calls.sweep()
    assert {reason for step, _, reason in ear.steps() if step == "end"} == {"disconnected"}
    assert (len(ear.records()), rules.stores.calls.stats.batches - before) == (4, 1)
    assert await rules.stores.calls.under_way() == []


async def test_a_caller_who_goes_away_does_not_ring_on(rules: Rules, ear: Ear, pair: Pair) -> None:
    alice, bob = pair
    rules.directory.disconnected(bob.id)
    await rules.calls.offer(alice, bob.id, CallType.AUDIO, "sdp")
    await rules.calls.sweep()
    assert ear.steps()[-1][0] == "offer", "the callee may still come"
    rules.directory.disconnected(alice.id)
    await rules.calls.sweep()
    assert ear.steps()[-1] == ("end", alice.id, "disconnected")


class CallRules(RuleBasedStateMachine):
    """Against a model: who is in which call, and in which state it is."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.model: dict[str, tuple[int, int, bool]] = {}
        """Calls under way: caller, callee, answered."""

    @initialize(folder=st.just(None))
    def start(self, folder: None) -> None:
        self.runner.run(self._start())

    async def _start(self) -> None:
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        self.rules = Rules(Path(self.folder.name) / "feige.db")
        await self.rules.start()
        self.people = [
            (await self.rules.accounts.register(username=f"user{number}", password=PASSWORD)).profile
            for number in range(3)
        ]
        for who in self.people:
            self.rules.directory.connected(who.id)
        self.ear = Ear(self.rules)

    def attempt(self, step: Any) -> Any:
        async def run() -> Any:
            try:
                return await step
            except DomainError as error:
                return error

        return self.runner.run(run())

    def busy(self) -> set[int]:
        return {user_id for caller, callee, _ in self.model.values() for user_id in (caller, callee)}

    @rule(caller=st.integers(0, 2), callee=st.integers(0, 2))
    def offer(self, caller: int, callee: int) -> None:
        who, other = self.people[caller], self.people[callee]
        outcome = self.attempt(self.rules.calls.offer(who, other.id, CallType.AUDIO, "sdp"))
        if caller == callee:
            assert isinstance(outcome, InvalidValue)
            return
        assert isinstance(outcome, Call)
        assert (outcome.reason is CallEnd.BUSY) == bool(self.busy() & {who.id, other.id})
        if outcome.reason is None:
            self.model[outcome.id] = (who.id, other.id, False)

    @precondition(lambda self: self.model)
    @rule(who=st.integers(0, 2), data=st.data(), step=st.sampled_from(["answer", "ice", "end"]))
    def signal(self, who: int, data: st.DataObject, step: str) -> None:
        user = self.people[who]
        call_id = data.draw(st.sampled_from(sorted(self.model)))
        caller, callee, answered = self.model[call_id]
        calls = self.rules.calls
        if step == "end":
            outcome = self.attempt(calls.hang_up(user, call_id))
        else:
            outcome = self.attempt((calls.answer if step == "answer" else calls.ice)(user, call_id, "x"))
        if user.id not in (caller, callee):
            assert isinstance(outcome, Forbidden)
        elif step == "end":
            assert outcome is None
            del self.model[call_id]
            reason = "rejected" if user.id == callee and not answered else "user_hangup"
            assert self.ear.steps()[-1] == ("end", user.id, reason)
        elif step == "answer" and (user.id != callee or answered):
            assert isinstance(outcome, Forbidden if user.id != callee else InvalidState)
        else:
            assert outcome is None
            self.model[call_id] = (caller, callee, answered or step == "answer")

    @rule()
    def time_passes(self) -> None:
        self.rules.clock.at_ms += 61_000
        self.runner.run(self.rules.calls.sweep())
        self.model = {call_id: call for call_id, call in self.model.items() if call[2]}

    @invariant()
    def what_is_under_way_is_what_the_model_says(self) -> None:
        if hasattr(self, "rules"):
            under_way = self.runner.run(self.rules.stores.calls.under_way())
            stored = {call.id: (*call.parties, call.answered_at_ms is not None) for call in under_way}
            assert stored == self.model

    def teardown(self) -> None:
        if hasattr(self, "rules"):
            self.runner.run(self.rules.close())
            self.folder.cleanup()
        self.runner.close()


@pytest.mark.slow
def test_the_rules_of_calls_against_a_model() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        CallRules,
        settings=settings(
            max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
