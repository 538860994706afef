"""`python -m tests.faults --seed 1 --scenario single --minutes 10`: rounds of faults until the time is over.

Then a table of what they did. Exit status 1 if anything was inconsistent."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.run import Outcome, run_round
from tests.faults.scenarios import SCENARIOS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", choices=SCENARIOS, default="single")
    parser.add_argument("--minutes", type=float, default=1.0, help="a round that has begun is finished")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="feige-faults-") as folder:
        return asyncio.run(_run(options.seed, options.scenario, options.minutes, Path(folder)))


async def _run(seed: int, name: str, minutes: float, folder: Path) -> int:
    scenario = SCENARIOS[name]
    outcomes: list[Outcome] = []
    sent = bad = 0
    until = time.monotonic() + minutes * 60
    system = scenario.system(folder)
    print(f"scenario {name}: {system.__doc__} Seed {seed}.", flush=True)
    async with system:
        while not bad:
            result = await run_round(system, seed, scenario.faults)
            outcomes += result.outcomes
            sent += result.sent
            bad += len(result.violations)
            for violation in result.violations:
                print(f"seed {seed}: {violation}", flush=True)
            if time.monotonic() > until:
                break
            seed += 1
    if system.mistakes:
        bad += 1
        print(system.mistakes)
    print(table(outcomes))
    print(f"{sent} messages, {len(outcomes)} faults, last seed {seed}: {bad or 'no'} violations")
    return 1 if bad else 0


def table(outcomes: list[Outcome]) -> str:
    """In Markdown, a line for each fault."""
    lines = [
        "| fault | times | acknowledged meanwhile | connections lost | everybody sends again after (median, worst) |",
        "|---|---|---|---|---|",
    ]
    for fault in dict.fromkeys(outcome.fault for outcome in outcomes):
        of_it = [outcome for outcome in outcomes if outcome.fault == fault]
        recovered = sorted(outcome.recovered_s for outcome in of_it)
        acked = sum(outcome.acked_meanwhile for outcome in of_it) / len(of_it)
        lost = sum(outcome.disconnects for outcome in of_it) / len(of_it)
        lines.append(
            f"| {fault.name} | {len(of_it)} | {acked:.0f} | {lost:.0f} "
            f"| {recovered[len(recovered) // 2]:.1f} s, {recovered[-1]:.1f} s |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
