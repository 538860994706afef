"""REST over keep-alive connections: the scenarios that bench/rest.c drives, against Feige and against bench/limit.c."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.runs import Bench
from bench.scenario import Result, Round, Scenario, busy, quantiles
from bench.seed import Population
from bench.servers import Running


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    root: str = "/api/v1"

    def wire(self, token: str) -> bytes:
        """As a client that keeps its connection sends it."""
        body = b"" if self.body is None else orjson.dumps(self.body)
        head = f"{self.method} {self.root}{self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return f"{head}\r\n".encode() + body


@dataclass(frozen=True, slots=True, kw_only=True)
class RestScenario(Scenario):
    """Two phases: every connection asks as soon as it has its answer, and, if `rate` is not 0, so many requests a
    second. The result is that of the first; quantiles of the second begin with `paced_`."""

    connections: int
    request: Callable[[Population, int], tuple[int, Request]]
    """The user, by index, and the request of a connection."""
    count: int
    quick_count: int
    rate: int = 0
    seconds: int = 5
    programs: tuple[str, ...] = ("rest", "limit")

    def measure(self, bench: Bench) -> Round:
        requests = self._write(bench)
        with bench.feige() as running:
            feige = self._load(bench, running, requests)
        with bench.limit("rest", str(feige["answer_bytes"])) as running:
            return feige, self._load(bench, running, requests)

    def _write(self, bench: Bench) -> Path:
        path = bench.work / "requests"
        with path.open("wb") as file:
            for number in range(self.connections):
                user, request = self.request(bench.population, number)
                wire = request.wire(bench.population.tokens[user])
                file.write(b"%d\n%b" % (len(wire), wire))
        return path

    def _load(self, bench: Bench, running: Running, requests: Path) -> Result:
        place = {"port": running.port, "pid": running.pid, "requests": requests, "connections": self.connections}
        result = bench.generate("rest", "full", place | {"count": self.quick_count if bench.quick else self.count})
        if self.rate:
            seconds = 1 if bench.quick else self.seconds
            paced = bench.generate("rest", "rate", place | {"rate": self.rate, "seconds": seconds})
            result |= {f"paced_{key}": value for key, value in paced.items()}
        return result


def send_text(population: Population, number: int) -> tuple[int, Request]:
    body = {"conversation_id": _talk(population, number), "content": "飞鸽传书" * 12}
    return number, Request("POST", "/messages/text", body)


def history(population: Population, number: int) -> tuple[int, Request]:
    """The newest 50."""
    return number, Request("GET", f"/messages/conversation/{_talk(population, number)}?limit=50")


def _talk(population: Population, user: int) -> int:
    return population.talk_ids[user % len(population.talk_ids)]


def conversation_list(population: Population, number: int) -> tuple[int, Request]:
    """Of the one who has many."""
    return population.popular, Request("GET", "/conversations/?limit=100")


def details(result: Result) -> str:
    closed = f"{result['connections']} connections at full speed: {quantiles(result, 'p50', 'p99')}, {busy(result)}"
    if "paced_p50_ms" not in result:
        return f"{closed}; answers of {result['answer_bytes']:,} bytes"
    paced = {key.removeprefix("paced_"): value for key, value in result.items() if key.startswith("paced_")}
    rate = paced["requests"] / paced["wall_s"]
    return f"{closed}; at {rate:,.0f} a second: {quantiles(paced, 'p50', 'p99')}; {result['answer_bytes']:,} bytes each"
