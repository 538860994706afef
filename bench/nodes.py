"""Several servers on one MariaDB and one Redis: what crosses from one to another, and the whole path on one and two."""

from dataclasses import dataclass

from bench.runs import Bench
from bench.scenario import Result
from bench.sockets import SocketScenario, write_peers


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesScenario(SocketScenario):
    """Neighbouring sessions are on different nodes, so every message goes to a receiver on another one."""

    nodes: int

    def against_feige(self, bench: Bench) -> Result:
        schema = bench.schemas.get(self.needs)
        peers = self.peers(schema.population, self.sessions_for(bench.quick))
        file = write_peers(bench.work / "peers", peers, schema.population.tokens, qualified=False)
        with bench.nodes(self.nodes, schema) as running:
            result = self.load(bench, running, file)
        schema.check(result["messages"])
        return result
