"""Every fault of every scenario once, dealt out over three seeds; for longer: `python -m tests.faults`."""

from pathlib import Path

import pytest

from tests.faults.run import run_round
from tests.faults.scenarios import SCENARIOS
from tests.faults.system import System

SEEDS = (1, 2, 3)


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("seed", SEEDS)
async def test_one_process(tmp_path: Path, seed: int) -> None:
    system = System(tmp_path)
    await system.start()
    try:
        result = await run_round(system, seed, SCENARIOS["single"].faults[seed - 1 :: len(SEEDS)])
    finally:
        await system.stop()
    assert not result.violations, f"seed {seed}: {[str(each) for each in result.violations]}"
    assert result.sent > 200
    assert not system.mistakes
