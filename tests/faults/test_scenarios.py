"""Every fault of every scenario once, dealt out over three seeds; for longer: `python -m tests.faults`."""

from pathlib import Path

import pytest

from tests.faults.run import run_round
from tests.faults.scenarios import SCENARIOS

SEEDS = (1, 2, 3)


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["single", "mariadb"])
async def test_every_fault(tmp_path: Path, name: str, seed: int) -> None:
    scenario = SCENARIOS[name]
    async with scenario.system(tmp_path) as system:
        result = await run_round(system, seed, scenario.faults[seed - 1 :: len(SEEDS)])
    assert not result.violations, f"seed {seed}: {[str(each) for each in result.violations]}"
    assert result.sent > 200
    assert not system.mistakes
