"""One run: a fresh server, the load generator against it, and its result."""

import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from bench import servers
from bench.machine import Memory, memory_of
from bench.programs import Programs
from bench.scenarios import Peers, Result, Scenario
from bench.seed import Population
from bench.servers import Cpus, Running

LOAD_TIMEOUT_S: Final = 120
SETTLE_S: Final = 1.0
"""Before memory is read: what the last connections cost only for a moment is given back."""


class RunError(Exception):
    """A run gave no figure, or one that does not count: something was refused, lost, duplicated or out of order."""


@dataclass(frozen=True, slots=True)
class Bench:
    """All that runs have in common. `work` is on the disk that is measured."""

    programs: Programs
    population: Population
    work: Path
    cpus: Cpus
    quick: bool

    def against_limit(self, scenario: Scenario) -> Result:
        """RunError, ServerError."""
        peers = scenario.peers(self.population, scenario.sessions_for(self.quick))
        names = [str(number + 1) for number in range(len(self.population.tokens))]
        file = _write_peers(self.work / "peers", peers, names, qualified=True)
        log = self.work / "limit.log"
        with servers.limit(self.programs.limit, scenario.variant, self.cpus.server, log) as running:
            return self._load(scenario, running, file)

    def against_feige(self, scenario: Scenario) -> Result:
        """RunError, ServerError."""
        peers = scenario.peers(self.population, scenario.sessions_for(self.quick))
        file = _write_peers(self.work / "peers", peers, self.population.tokens, qualified=False)
        data_dir, log = self.work / "data", self.work / "feige.log"
        shutil.copytree(self.population.data_dir, data_dir)
        try:
            with servers.feige(data_dir, self.cpus.server, log) as running:
                result = self._load(scenario, running, file)
        finally:
            shutil.rmtree(data_dir)
        if "Traceback" in log.read_text("utf-8", "replace"):
            raise RunError(f"{scenario.name}: the server logged an exception:\n{log.read_text()[-3000:]}")
        return result

    def _load(self, scenario: Scenario, running: Running, peers: Path) -> Result:
        numbers = {"port": running.port, "pid": running.pid, "sessions": scenario.sessions_for(self.quick)}
        numbers |= {"timeout": LOAD_TIMEOUT_S} | dict(scenario.options_for(self.quick))
        command = [str(self.programs.load), scenario.mode, "--peers", str(peers)]
        for name, number in numbers.items():
            command += [f"--{name}", str(number)]
        pipe = subprocess.PIPE
        with servers.pinned(self.cpus.load):
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                extra = {}
                if scenario.mode == "idle":
                    base = int(numbers["base"])
                    extra = _watch_memory(running.pid, process.stdin, process.stdout, numbers["sessions"] - base)
                output, errors = process.communicate(timeout=LOAD_TIMEOUT_S + 10)
            except BaseException:
                process.kill()
                raise
        return parse(scenario.name, process.returncode, output, errors) | extra


def parse(name: str, status: int, output: str, errors: str) -> dict[str, Any]:
    """The line of JSON of the load generator. RunError unless all arrived, once and in order."""
    if status or not output.startswith("{"):
        raise RunError(f"{name}: the load generator ended with status {status}: {(errors or output).strip()}")
    result: dict[str, Any] = json.loads(output)
    if result["lost"] or result["duplicates"] or result["disordered"]:
        found = ", ".join(f"{result[key]} {key}" for key in ("lost", "duplicates", "disordered"))
        raise RunError(f"{name}: messages were {found}")
    return result


def _watch_memory(pid: int, answers: IO[str], stages: IO[str], added: int) -> dict[str, float]:
    """Reads the server's memory with few sessions and with all of them."""
    seen: list[Memory] = []
    for stage in ("base", "full"):
        if stages.readline().strip() != stage:
            return {}  # the load generator has failed; its status says why
        time.sleep(SETTLE_S)
        seen.append(memory_of(pid))
        answers.write("\n")
        answers.flush()
    base, full = seen
    return {
        "rss_base": base.rss,
        "rss_full": full.rss,
        "rss_bytes": (full.rss - base.rss) / added,
        "pss_bytes": (full.pss - base.pss) / added,
        "kernel_bytes": (full.kernel - base.kernel) / added,
    }


def _write_peers(path: Path, peers: Peers, tokens: list[str], *, qualified: bool) -> Path:
    """`qualified`: the C server reads the conversation out of the token."""
    with path.open("w") as file:
        for user, conversation in peers:
            token = f"{tokens[user]}.{conversation}" if qualified else tokens[user]
            file.write(f"{token} {conversation}\n")
    return path
