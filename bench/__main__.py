"""`python -m bench`: measures the server that `run.py serve` starts, and puts every figure beside one of C.

    python -m bench                        all scenarios, three rounds, some minutes
    python -m bench --quick                one small round, about half a minute; figures are rough
    python -m bench fan idle --rounds 5    some scenarios
    python -m bench --json out.json --plot out.png

Each run starts a fresh server process: Feige (SQLite, synchronous=FULL, on the disk of this folder) or `limit.c`, a C
epoll server that does only the socket work with frames and answers of the same length. `load.c` (WebSocket) and
`rest.c` drive both, pinned to another CPU, and check that every message came, once and in order; a run that lost
something does not count. What is compared is CPU time of the server process, which hardly depends on what else the
machine does; rounds are outermost, so that a drift falls on both alike, and each ratio is of one round. Linux with a C
compiler only.

`append…` are processes with nothing but the log of messages, beside a C client that stores the same rows (`append.c`);
`bus` is two processes with nothing but the bus; `nodes…`, `calls` and `scheduled` are servers that share databases;
`send-to-all…` have 100,000 users of their own. These start a MariaDB and a Redis of their own, on the same disk, and
nothing is pinned but the load generator. That of calls and of scheduled messages is in Python; what it is late itself
counts as the server's, and is told.

A missed target is marked and is no error. Exit status: 0; 1 if a run failed.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench import report
from bench.databases import Databases
from bench.machine import describe
from bench.programs import BuildError, build
from bench.report import PlotError, Summary
from bench.runs import Bench
from bench.scenario import Round, RunError, Scenario
from bench.scenarios import BY_NAME, SCENARIOS, needed
from bench.schemas import Schemas
from bench.seed import populate
from bench.servers import Cpus, ServerError, raise_file_limit

WORK: Final = Path(__file__).parent / ".work"
SPARE_FILES: Final = 200
"""Descriptors that a server needs besides its connections."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    scenarios = [s for s in SCENARIOS if s in options.scenarios] or list(SCENARIOS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.plot:
            report.check_plot()
        machine, summaries = _measure(scenarios, options.quick, options.rounds or (1 if options.quick else 3))
        print(f"{machine}\n\n{report.table(summaries)}\n\n{report.details(summaries)}")
        if options.json:
            report.write_json(options.json, machine, summaries)
        if options.plot:
            report.plot(options.plot, machine, summaries)
    except (BuildError, PlotError, RunError, ServerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    text, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=text, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ", ".join(BY_NAME)
    parser.add_argument("scenarios", nargs="*", type=_scenario, metavar="SCENARIO", help=f"of {names}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes and one round")
    parser.add_argument("--rounds", type=_count, metavar="N", help="default: 3; with --quick 1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all results of all rounds")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture; needs matplotlib")
    return parser


def _scenario(name: str) -> Scenario:
    if name not in BY_NAME:
        raise argparse.ArgumentTypeError(f"there is no scenario {name!r}; there are {', '.join(BY_NAME)}")
    return BY_NAME[name]


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds")
    return int(text)


def _measure(scenarios: list[Scenario], quick: bool, rounds: int) -> tuple[str, list[Summary]]:
    """The machine, and a summary of each scenario. BuildError, RunError, ServerError."""
    files, most = raise_file_limit(), max(scenario.files(quick) for scenario in scenarios)
    if files < most + SPARE_FILES:
        raise RunError(f"{most + SPARE_FILES} open files are needed and {files} allowed (ulimit -Hn); try --quick")
    WORK.mkdir(exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="feige-bench-") as build_folder,
            tempfile.TemporaryDirectory(dir=WORK) as work_folder,
            Databases(Path(work_folder)) as databases,
        ):
            work = Path(work_folder)
            programs = build(Path(build_folder), {name for scenario in scenarios for name in scenario.programs})
            machine = describe(work)
            needs = needed(scenarios, quick)
            _say(f"seeding {needs}")
            population = asyncio.run(populate(work / "seed", needs))
            bench = Bench(programs, population, databases, Schemas(databases, work), work, Cpus.choose(), quick)
            results: dict[str, list[Round]] = {scenario.name: [] for scenario in scenarios}
            for number in range(1, rounds + 1):
                for scenario in scenarios:
                    _say(f"round {number} of {rounds}: {scenario.name}")
                    results[scenario.name].append(scenario.measure(bench))
            return machine, [Summary(scenario, results[scenario.name]) for scenario in scenarios]
    finally:
        with contextlib.suppress(OSError):  # another bench is at work there
            WORK.rmdir()


def _say(text: str) -> None:
    print(f"bench: {text} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
