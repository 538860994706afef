"""One round: start the load, make the faults of a scenario one after the other, heal, and check what everybody saw."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from tests.e2e.server import Person
from tests.faults.checker import Violation, check
from tests.faults.load import PEOPLE, Load, acquainted
from tests.faults.proxy import GOOD, Conditions
from tests.faults.scenarios import Fault
from tests.faults.system import Cluster, System

CALM_S: Final = 1.0
"""Undisturbed load before each fault."""

RECOVER_S: Final = 40.0
"""From the end of a fault until everybody can send again, at most."""

CHURN_S: Final = 1.0
"""Between two clients that lose their connection by chance, whatever else happens."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one fault. `recovered_s`: from its end until everybody had a new message acknowledged."""

    fault: Fault
    recovered_s: float
    acked_meanwhile: int
    disconnects: int


@dataclass(slots=True)
class Round:
    outcomes: list[Outcome] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    sent: int = 0


async def run_round(system: System, seed: int, faults: tuple[Fault, ...]) -> Round:
    """In an order that the seed decides. On a system that runs, and still does afterwards."""
    dice = random.Random(seed)
    order = list(faults)
    dice.shuffle(order)
    result = Round()
    people, conversations = await _settlers(system)
    load = Load(seed, system.ws_url)
    churn = asyncio.create_task(_churn(system, dice))
    try:
        await load.start(people, conversations)
        for fault in order:
            await asyncio.sleep(CALM_S)
            outcome = await _make(fault, system, load)
            if outcome is None:
                result.violations.append(Violation("stuck", f"nobody can send after: {fault.name}"))
                break
            result.outcomes.append(outcome)
        churn.cancel()
        try:
            await load.finish()
        except TimeoutError:
            result.violations.append(Violation("stuck", f"it does not come to rest: {load.describe()}"))
        else:
            result.violations += check(load.record)
    finally:
        churn.cancel()
        await load.stop()
    result.sent = len(load.record.sent)
    return result


async def _settlers(system: System) -> tuple[list[Person], dict[int, list[int]]]:
    """New people, and the conversations of each. After a fault connections that it cut may fail once each."""
    while True:
        try:
            people = [await Person.register(system.server, f"user{number}") for number in range(PEOPLE)]
            return people, await acquainted(people)
        except AssertionError as refused:
            if "try again" not in str(refused):
                raise


async def _churn(system: System, dice: random.Random) -> None:
    while True:
        await asyncio.sleep(CHURN_S)
        system.links["clients"].cut_one(dice)


async def _make(fault: Fault, system: System, load: Load) -> Outcome | None:
    loop = asyncio.get_running_loop()
    acked, disconnects = load.acked, load.disconnects
    async with _ACTIONS[fault.action](system, fault.target):
        await asyncio.sleep(fault.hold_s)
    healed = loop.time()
    acked_meanwhile = load.acked - acked
    try:
        async with asyncio.timeout(RECOVER_S):
            await load.all_sent_since(healed)
    except TimeoutError:
        return None
    return Outcome(fault, loop.time() - healed, acked_meanwhile, load.disconnects - disconnects)


@contextlib.asynccontextmanager
async def _kill(system: System, target: str) -> AsyncIterator[None]:
    process = system.processes[target]
    await asyncio.to_thread(process.kill)
    yield
    await asyncio.to_thread(process.start)


@contextlib.asynccontextmanager
async def _freeze(system: System, target: str) -> AsyncIterator[None]:
    process = system.processes[target]
    process.freeze()
    try:
        yield
    finally:
        process.thaw()


@contextlib.asynccontextmanager
async def _restart(system: System, target: str) -> AsyncIterator[None]:
    await system.restart()
    yield


@contextlib.asynccontextmanager
async def _flush(system: System, target: str) -> AsyncIterator[None]:
    assert isinstance(system, Cluster)
    await system.flush()
    yield


@contextlib.asynccontextmanager
async def _cut(system: System, target: str) -> AsyncIterator[None]:
    system.links[target].cut()
    yield


def _conditions(conditions: Conditions) -> "Callable[[System, str], contextlib.AbstractAsyncContextManager[None]]":
    @contextlib.asynccontextmanager
    async def apply(system: System, target: str) -> AsyncIterator[None]:
        system.links[target].behave(conditions)
        try:
            yield
        finally:
            system.links[target].behave(GOOD)

    return apply


_ACTIONS: Final[dict[str, Callable[[System, str], contextlib.AbstractAsyncContextManager[None]]]] = {
    "kill": _kill,
    "freeze": _freeze,
    "restart": _restart,
    "flush": _flush,
    "cut": _cut,
    "blackhole": _conditions(Conditions(is_blackhole=True)),
    "delay": _conditions(Conditions(delay_s=0.2)),
    "limit": _conditions(Conditions(bytes_per_s=32 * 1024)),
}
