"""Every fault once, dealt out over three seeds where one round would be too long; longer: `python -m tests.faults`."""

from pathlib import Path

import pytest

from tests.faults.run import run_round
from tests.faults.scenarios import SCENARIOS, Fault

SEEDS = (1, 2, 3)


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["single", "mariadb"])
async def test_every_fault(tmp_path: Path, name: str, seed: int) -> None:
    await _run(tmp_path, name, seed, SCENARIOS[name].faults[seed - 1 :: len(SEEDS)])


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "seed", "step"), [("workers", 1, 1), ("redis", 2, 1), ("cluster", 3, 4)])
async def test_faults_of_several_processes(tmp_path: Path, name: str, seed: int, step: int) -> None:
    """Those of workers and of Redis; and of the rest, which a process alone has too, one of each kind."""
    await _run(tmp_path, name, seed, SCENARIOS[name].faults[::step])


async def _run(folder: Path, name: str, seed: int, faults: tuple[Fault, ...]) -> None:
    async with SCENARIOS[name].system(folder) as system:
        result = await run_round(system, seed, faults)
    assert not result.violations, f"seed {seed}: {[str(each) for each in result.violations]}"
    assert {outcome.fault for outcome in result.outcomes} == set(faults)
    assert result.sent > 200
    assert not system.mistakes
