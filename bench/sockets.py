"""Sessions over WebSocket: the scenarios that bench/load.c drives, against Feige and against bench/limit.c."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bench.machine import Memory, memory_of
from bench.runs import Bench, Process
from bench.scenario import Result, Round, Scenario
from bench.seed import Population
from bench.servers import Running

SETTLE_S: Final = 1.0
"""Before memory is read: what the last connections cost only for a moment is given back."""

Peers = list[tuple[int, int]]
"""Of each session the user, by index, and the conversation (0: none)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketScenario(Scenario):
    mode: str
    """Of the load generator."""
    sessions: int
    quick_sessions: int
    options: Mapping[str, int]
    quick_options: Mapping[str, int]
    peers: Callable[[Population, int], Peers]
    variant: Literal["each", "joined"]
    """Of the C server: the leanest that does the same."""
    programs: tuple[str, ...] = ("load", "limit")

    def files(self, quick: bool) -> int:
        return self.sessions_for(quick)

    def sessions_for(self, quick: bool) -> int:
        return self.quick_sessions if quick else self.sessions

    def measure(self, bench: Bench) -> Round:
        limit = self.against_limit(bench)
        return self.against_feige(bench), limit

    def against_limit(self, bench: Bench) -> Result:
        names = [str(number + 1) for number in range(len(bench.population.tokens))]
        peers = self._write_peers(bench, names, qualified=True)
        with bench.limit(self.variant) as running:
            return self.load(bench, [running], peers)

    def against_feige(self, bench: Bench) -> Result:
        peers = self._write_peers(bench, bench.population.tokens, qualified=False)
        with bench.feige() as running:
            return self.load(bench, [running], peers)

    def load(self, bench: Bench, running: list[Running], peers: Path) -> Result:
        """With several servers, neighbouring sessions are on different ones."""
        sessions = self.sessions_for(bench.quick)
        numbers = {"sessions": sessions, **(self.quick_options if bench.quick else self.options)}

        def watch(process: Process) -> Mapping[str, Any]:
            return watch_memory(running[0].pid, process, sessions - numbers["base"]) if self.mode == "idle" else {}

        places = {
            "port": ",".join(str(each.port) for each in running),
            "pid": ",".join(str(each.pid) for each in running),
        }
        return bench.generate("load", self.mode, {**places, "peers": peers, **numbers}, watch)

    def _write_peers(self, bench: Bench, tokens: list[str], *, qualified: bool) -> Path:
        peers = self.peers(bench.population, self.sessions_for(bench.quick))
        return write_peers(bench.work / "peers", peers, tokens, qualified=qualified)


def write_peers(path: Path, peers: Peers, tokens: list[str], *, qualified: bool) -> Path:
    """`qualified`: the C server reads the conversation out of the token."""
    with path.open("w") as file:
        for user, conversation in peers:
            token = f"{tokens[user]}.{conversation}" if qualified else tokens[user]
            file.write(f"{token} {conversation}\n")
    return path


def watch_memory(pid: int, process: Process, added: int) -> dict[str, float]:
    """Reads the server's memory with few sessions and with all of them."""
    assert process.stdin is not None
    assert process.stdout is not None
    seen: list[Memory] = []
    for stage in ("base", "full"):
        if process.stdout.readline().strip() != stage:
            return {}  # the load generator has failed; its status says why
        time.sleep(SETTLE_S)
        seen.append(memory_of(pid))
        process.stdin.write("\n")
        process.stdin.flush()
    base, full = seen
    return {
        "rss_base": base.rss,
        "rss_full": full.rss,
        "rss_bytes": (full.rss - base.rss) / added,
        "pss_bytes": (full.pss - base.pss) / added,
        "kernel_bytes": (full.kernel - base.kernel) / added,
    }


def group(population: Population, sessions: int) -> Peers:
    """Session 0 is the second device of the first member."""
    receivers = [(user, population.group_id) for user in range(sessions - 1)]
    return [(0, population.group_id), *receivers]


def pairs(population: Population, sessions: int) -> Peers:
    """Each two neighbours have a conversation."""
    return [(user, population.single_ids[user // 2]) for user in range(sessions)]


def alone(population: Population, sessions: int) -> Peers:
    return [(user, 0) for user in range(sessions)]
