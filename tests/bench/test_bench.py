"""The measuring tools themselves: both C programs, what is read from the kernel, the arithmetic of the report."""

import asyncio
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench import append, courier, databases
from bench.databases import Databases
from bench.machine import file_system, memory_of, socket_pages
from bench.programs import LIBRARIES, BuildError, build, compile_one
from bench.reads import Size
from bench.report import Spread, Summary, details, table, write_json
from bench.runs import Bench, parse
from bench.scenario import Round, RunError, Target
from bench.scenarios import BY_NAME, SCENARIOS, needed
from bench.schemas import Schemas
from bench.seed import Needs, populate
from bench.servers import Cpus, ServerError, free_port, limit, pinned
from bench.workers import run_together

RESULT: dict[str, Any] = {
    "mode": "fan",
    "sessions": 1001,
    "messages": 100,
    "deliveries": 100_000,
    "wall_s": 2.0,
    "cpu_s": 0.5,
    "user_s": 0.1,
    "system_s": 0.4,
    "lost": 0,
    "duplicates": 0,
    "disordered": 0,
}


Programs = Mapping[str, Path]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return build(tmp_path_factory.mktemp("programs"), ("load", "limit", "rest"))


def load(
    programs: Programs, mode: str, port: int, pid: int, peers: Path, *more: object
) -> "subprocess.CompletedProcess[str]":
    sessions = len(peers.read_text().splitlines())
    options: Sequence[object] = (
        "--port",
        port,
        "--pid",
        pid,
        "--peers",
        peers,
        "--sessions",
        sessions,
        "--timeout",
        20,
    )
    words = [str(programs["load"]), mode, *map(str, options), *map(str, more)]
    return subprocess.run(words, check=False, capture_output=True, text=True, input="\n\n", timeout=30)


def peers_file(folder: Path, *places: tuple[int, int]) -> Path:
    path = folder / "peers"
    path.write_text("".join(f"{user}.{conversation} {conversation}\n" for user, conversation in places))
    return path


@pytest.mark.parametrize("name", ["load", "limit", "rest", "append"])
def test_c_compiles_without_warnings(name: str, tmp_path: Path) -> None:
    flags = LIBRARIES.get(name, list)()
    assert os.access(compile_one(name, tmp_path, "-Werror", *flags), os.X_OK)


def test_no_compiler_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(BuildError, match="install gcc"):
        build(tmp_path, ["load"])


@pytest.mark.parametrize("variant", ["each", "joined"])
@pytest.mark.parametrize(
    ("mode", "options", "messages", "deliveries"),
    [
        ("fan", ("--messages", 30, "--burst", 10), 30, 90),
        ("send", ("--messages", 400, "--window", 4), 400, 400),
        ("rate", ("--rate", 500, "--seconds", 1), 500, 500),
        ("connect", (), 0, 0),
        ("idle", ("--base", 2), 0, 0),
    ],
)
def test_load_against_limit(
    programs: Programs,
    tmp_path: Path,
    variant: str,
    mode: str,
    options: tuple[object, ...],
    messages: int,
    deliveries: int,
) -> None:
    conversations = (1, 1, 1, 1) if mode == "fan" else (1, 1, 2, 2)
    peers = peers_file(tmp_path, *enumerate(conversations, start=1))
    with limit(programs["limit"], (variant,), None, tmp_path / "log") as running:
        done = load(programs, mode, running.port, running.pid, peers, *options)
    output = done.stdout.removeprefix("base\nfull\n")
    result = parse(mode, done.returncode, output, done.stderr)
    assert (result["messages"], result["deliveries"], result["sessions"]) == (messages, deliveries, 4)
    assert result["wall_s"] > 0
    if mode in ("rate", "connect"):
        assert 0 < result["p50_ms"] <= result["p99_ms"] <= result["max_ms"]


class Liar(threading.Thread):
    """Accepts one session, greets it, and answers its first message with the given packets."""

    def __init__(self, *packets: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.packets = packets
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self) -> None:
        with self.listener, self.listener.accept()[0] as client:
            while b"\r\n\r\n" not in client.recv(65536):
                pass
            client.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            self.say(client, {"type": "welcome"})
            client.recv(65536)
            for packet in self.packets:
                self.say(client, packet)
            client.recv(65536)  # until the load generator has gone

    @staticmethod
    def say(client: socket.socket, packet: dict[str, Any]) -> None:
        payload = json.dumps(packet, separators=(",", ":")).encode()
        client.sendall(bytes((0x81, 126)) + len(payload).to_bytes(2, "big") + payload)


def message(seq: int, **fields: object) -> dict[str, Any]:
    return {"type": "message", "conversation_id": 1, "seq": seq, "content": "0", **fields}


ACK = {"type": "ack", "seq": 1, "id": 1}


@pytest.mark.parametrize(
    ("packets", "status", "text"),
    [
        ((ACK, message(2)), 0, '"lost":0,"duplicates":0,"disordered":0'),
        ((ACK, message(3)), 5, '"lost":1,'),
        ((ACK, message(1)), 5, '"duplicates":1,'),
        ((message(3), message(2), ACK), 5, '"disordered":1,'),
        ((ACK, message(2, conversation_id=7)), 3, "another conversation"),
        (({"type": "error", "code": "rate_limited"},), 3, "rate_limited"),
    ],
)
def test_load_notices_what_is_wrong(
    programs: Programs, tmp_path: Path, packets: tuple[dict[str, Any], ...], status: int, text: str
) -> None:
    liar = Liar(*packets)
    liar.start()
    peers = peers_file(tmp_path, (1, 1))
    done = load(programs, "send", liar.port, os.getpid(), peers, "--messages", 0, "--window", 1, "--warm-up", 1)
    assert done.returncode == status, done
    assert text in done.stdout + done.stderr
    liar.join(10)


def test_load_says_that_nobody_listens(programs: Programs, tmp_path: Path) -> None:
    done = load(programs, "connect", free_port(), os.getpid(), peers_file(tmp_path, (1, 1)))
    assert done.returncode == 3
    assert "refused" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["fan"], ["fan", "--port", "x"], ["fan", "--sessions", "-1"]])
def test_load_refuses_bad_options(programs: Programs, arguments: list[str]) -> None:
    assert subprocess.run([programs["load"], *arguments], check=False, capture_output=True, timeout=10).returncode == 1


def test_server_that_dies_is_told_with_its_log(tmp_path: Path) -> None:
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    failing.chmod(0o700)
    with pytest.raises(ServerError, match=r"status 3:\nout of luck"), limit(failing, ("each",), None, tmp_path / "log"):
        pass


def test_pinned_is_for_the_process_started_meanwhile() -> None:
    before = os.sched_getaffinity(0)
    one = min(before)
    with pinned(one):
        words = [shutil.which("python3") or "python3", "-c", "import os; print(os.sched_getaffinity(0))"]
        inside = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert inside.strip() == f"{{{one}}}"
    assert os.sched_getaffinity(0) == before
    assert Cpus.choose().server in (one, None)


def test_parse() -> None:
    assert parse("fan", 0, json.dumps(RESULT), "")["deliveries"] == 100_000
    with pytest.raises(RunError, match="status 4: load: out of time"):
        parse("fan", 4, "", "load: out of time\n")
    with pytest.raises(RunError, match="2 lost, 0 duplicates"):
        parse("fan", 0, json.dumps(RESULT | {"lost": 2}), "")
    with pytest.raises(RunError):
        parse("fan", 0, "", "")


def test_memory() -> None:
    memory = memory_of(os.getpid())
    assert memory.rss >= memory.pss > 2**20
    assert memory.kernel > 2**20
    with pytest.raises(ValueError, match="no process"):
        memory_of(2**22 + 1)


def test_socket_pages() -> None:
    assert socket_pages("sockets: used 9\nTCP: inuse 5 orphan 0 tw 3 alloc 8 mem 12\nUDP: inuse 0 mem 4\n") == 12
    assert socket_pages("") == 0


def test_file_system() -> None:
    mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /srv/fast tmpfs rw 0 0\nproc /proc proc rw 0 0\n"
    assert file_system(Path("/srv/fast/x"), mounts) == "tmpfs"
    assert file_system(Path("/srv/faster"), mounts) == "ext4"


def summary(name: str, *rounds: tuple[float, float | None]) -> Summary:
    """Of rounds given as CPU seconds of Feige and C."""
    results: list[Round] = [
        (RESULT | {"cpu_s": feige}, None if limit is None else RESULT | {"cpu_s": limit}) for feige, limit in rounds
    ]
    return Summary(BY_NAME[name], results)


def test_summary_takes_medians_and_ratios_of_the_same_round() -> None:
    seen = summary("fan", (0.6, 0.5), (1.0, 1.0), (0.9, 0.5))
    (row,) = seen.rows
    assert row.feige == Spread(pytest.approx(9.0), pytest.approx(6.0), pytest.approx(10.0))
    assert row.ratio == Spread(pytest.approx(1.2), pytest.approx(1.0), pytest.approx(1.8))
    assert row.is_met
    assert seen.middle["cpu_s"] == 0.9


@pytest.mark.parametrize(
    ("name", "pair", "is_met"),
    [
        ("fan", (0.65, 0.5), True),
        ("fan", (0.7, 0.5), False),
        ("fan", (0.7, 0.0), False),  # no ratio
        ("fan", (0.7, None), False),
        ("send", (0.006, 0.001), True),  # 60 µs a message
        ("send", (0.0061, 0.006), False),
        ("send", (0.006, None), True),
        ("connect", (1.0, 1.0), None),
    ],
)
def test_targets(name: str, pair: tuple[float, float | None], is_met: bool | None) -> None:
    (row,) = summary(name, pair).rows
    assert row.is_met is is_met
    assert (row.ratio is None) == (not pair[1])


def test_target_from_below() -> None:
    target = Target(0.3, "ratio", "at least")
    assert str(target) == "≥ 0.3 × C"
    assert target.admits(0.3)
    assert not target.admits(0.29)


def test_table_marks_what_was_missed() -> None:
    text = table([summary("fan", (0.7, 0.5), (0.8, 0.5)), summary("send", (0.001, None)), summary("connect", (1, 1))])
    _, _, fan, send, connect = text.splitlines()
    assert fan.split()[-1] == "MISSED"
    assert "7.50 (7.00–8.00)" in fan
    assert "1.50 (1.40–1.60)" in fan
    assert "≤ 1.3 × C" in fan
    assert send.split()[-1] == "met"
    assert send.count("–") == 2
    assert connect.split()[-1] == "1.00"
    assert "80% of it in the kernel" in details([summary("fan", (0.5, 0.5))])


def test_a_scenario_of_several_figures_has_a_row_for_each() -> None:
    phases = {"requests": 100, "connections": 64, "answer_bytes": 10, "p50_ms": 1.0, "p99_ms": 2.0, "max_ms": 3.0}
    result = RESULT | phases | {f"paced_{key}": value for key, value in (RESULT | phases).items()}
    together = Summary(BY_NAME["rest-send"], [(result, result)])
    first, *others = table([together]).splitlines()[2:]
    assert first.startswith("rest-send")
    assert "≤ 8" in first
    assert [line.split()[0] for line in others] == ["requests/s", "µs"]
    assert "≥ 800" in others[0]
    assert others[0].endswith("MISSED")
    assert "at 50 a second: p50 1.00" in details([together])


def test_json_has_every_round(tmp_path: Path) -> None:
    write_json(tmp_path / "out.json", "a\nb", [summary("fan", (0.6, 0.5), (0.7, None))])
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["machine"] == ["a", "b"]
    fan = document["scenarios"]["fan"]
    assert [each["feige"]["cpu_s"] for each in fan["rounds"]] == [0.6, 0.7]
    assert [each["c"] and each["c"]["cpu_s"] for each in fan["rounds"]] == [0.5, None]
    assert fan["figures"][0]["target"] == "≤ 1.3 × C"


def test_seeds_only_what_is_needed() -> None:
    assert needed([BY_NAME["send"]], False) == Needs(singles=100)
    assert needed([BY_NAME["idle"], BY_NAME["fan"]], False) == Needs(users=10_000, group_size=1000)
    every = needed(list(SCENARIOS), True)
    assert every == Needs(users=1000, group_size=1000, singles=250, talks=32, messages=200, contacts=200)
    assert every.all_users == 1001
    assert Needs(contacts=3).all_users == 4


@pytest.mark.parametrize("arguments", [["nonsense"], ["--rounds", "0"], ["--rounds", "x"]])
def test_bad_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schemas]:
    folder = tmp_path_factory.mktemp("databases")
    with Databases(folder) as started:
        yield Schemas(started, folder)


@pytest.fixture
async def bench(programs: Programs, schemas: Schemas, tmp_path: Path) -> Bench:
    needs = Needs(group_size=3, singles=2, talks=2, messages=5, contacts=3)
    population = await populate(tmp_path / "seed", needs)
    return Bench(programs, population, schemas.databases, schemas, tmp_path, Cpus(None, None), quick=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "deliveries"), [("fan", {"messages": 20, "warm-up": 1}, 60), ("send", {"messages": 400}, 400)]
)
async def test_sockets_against_the_real_server(
    bench: Bench, name: str, options: dict[str, int], deliveries: int
) -> None:
    scenario = dataclasses.replace(BY_NAME[name], quick_sessions=4, quick_options=options)
    feige, c = await asyncio.to_thread(scenario.measure, bench)
    assert c is not None
    assert feige["deliveries"] == c["deliveries"] == deliveries
    assert Summary(scenario, [(feige, c)]).rows[0].feige.median > 0
    assert not (bench.work / "data").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "connections", "at_least"), [("rest-send", 4, 300), ("rest-history", 4, 800), ("rest-list", 1, 600)]
)
async def test_rest_against_the_real_server(bench: Bench, name: str, connections: int, at_least: int) -> None:
    rate = 200 if BY_NAME[name].rate else 0
    scenario = dataclasses.replace(BY_NAME[name], connections=connections, quick_count=60, rate=rate)
    feige, c = await asyncio.to_thread(scenario.measure, bench)
    assert c is not None
    assert feige["requests"] == c["requests"] == 60
    assert feige["answer_bytes"] == c["answer_bytes"] > at_least
    assert feige.get("paced_requests", 0) == rate
    assert 0 < c["p50_ms"] <= c["p99_ms"] <= c["max_ms"]
    assert all(row.feige.median > 0 for row in Summary(scenario, [(feige, c)]).rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["append-asyncmy", "append-two", "append-sqlite"])
async def test_appends(bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append, "PLACES", Needs(singles=3))
    scenario = dataclasses.replace(BY_NAME[name], batch=20, quick_messages=400)
    bench = dataclasses.replace(bench, programs=build(bench.work, scenario.programs))
    feige, c = await asyncio.to_thread(scenario.measure, bench)
    assert feige["messages"] == 400 * scenario.processes
    assert feige["batches"] == feige["messages"] / 20
    if scenario.driver:
        assert c is not None
        assert (c["messages"], c["batches"]) == (400, 20)
    assert all(row.feige.median > 0 for row in Summary(scenario, [(feige, c)]).rows)


@pytest.mark.slow
async def test_events_between_processes(bench: Bench) -> None:
    scenario = dataclasses.replace(BY_NAME["bus"], quick_events=500, batch=10)
    feige, c = await asyncio.to_thread(scenario.measure, bench)
    assert c is None
    assert (feige["events"], feige["disordered"]) == (500, 0)
    assert 0 < feige["p50_ms"] <= feige["p99_ms"] <= feige["max_ms"]
    assert feige["cpu_s"] == feige["published_cpu_s"] + feige["received_cpu_s"] > 0
    assert "µs out" in details([Summary(scenario, [(feige, c)])])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nodes-one", "nodes-two"])
async def test_nodes(bench: Bench, name: str) -> None:
    options = {"messages": 400, "window": 4, "warm-up": 2}
    scenario = dataclasses.replace(BY_NAME[name], needs=Needs(singles=2), quick_sessions=4, quick_options=options)
    feige, c = await asyncio.to_thread(scenario.measure, bench)
    assert c is not None
    assert feige["deliveries"] == c["deliveries"] == 400


@pytest.mark.slow
@pytest.mark.parametrize("name", ["calls", "calls-sqlite"])
async def test_calls(bench: Bench, name: str) -> None:
    scenario = dataclasses.replace(BY_NAME[name], needs=Needs(singles=2), rate=20, quick_seconds=1, talk_s=0.05)
    feige, c = await asyncio.to_thread(scenario.measure, bench)
    assert c is None
    assert feige["calls"] == 20
    assert 0 < feige["p50_ms"] <= feige["p99_ms"] <= feige["max_ms"]
    assert feige["cpu_s"] > 0
    assert "ms CPU a call" in details([Summary(scenario, [(feige, c)])])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scheduled", "scheduled-sqlite"])
async def test_scheduled(bench: Bench, name: str) -> None:
    scenario = dataclasses.replace(BY_NAME[name], needs=Needs(singles=2), quick_messages=30, quick_pending=50)
    feige, c = await asyncio.to_thread(scenario.measure, bench)
    assert c is None
    assert (feige["messages"], feige["pending"]) == (30, 50)
    assert 0 <= feige["first_ms"] <= feige["p50_ms"] <= feige["max_ms"]
    assert "50 others pending" in details([Summary(scenario, [(feige, c)])])


@pytest.mark.slow
async def test_callers_who_are_refused_give_no_figure(bench: Bench) -> None:
    strangers = dataclasses.replace(bench.population, tokens=["nobody"] * 4)
    scenario = dataclasses.replace(BY_NAME["calls-sqlite"], needs=Needs(singles=2))
    with pytest.raises(RunError, match="Refused: the server says"):
        await asyncio.to_thread(scenario.measure, dataclasses.replace(bench, population=strangers))


@pytest.mark.slow
def test_what_is_not_stored_or_numbered_is_noticed(schemas: Schemas) -> None:
    schema = schemas.get(Needs(singles=3))
    schema.check(0)
    with pytest.raises(RunError, match="0 messages of 1 are stored, 0 conversations"):
        schema.check(1)
    schema.run("UPDATE conversations SET last_seq=1 LIMIT 1")
    with pytest.raises(RunError, match="1 conversations have gaps"):
        schema.check(0)


def test_a_worker_that_fails_is_told_with_its_log(tmp_path: Path) -> None:
    order = courier.Order(f"redis://127.0.0.1:{free_port()}/0", True, 1, 1, 1, 1)
    with pytest.raises(RunError, match=r"status 1:(.|\n)*Redis at"):
        run_together("bench.courier", [order], tmp_path)


def test_a_missing_database_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(databases.shutil, "which", lambda name, path=None: None)
    for start, package in ((databases.mariadb, "mariadb-server"), (databases.redis, "redis-server")):
        with pytest.raises(ServerError, match=f"apt-get install {package}"), start(tmp_path / package):
            pass


def test_redis_is_started_and_ended(tmp_path: Path) -> None:
    with Databases(tmp_path) as started:
        running = started.redis
        assert started.redis is running
        assert running.url.startswith("redis://127.0.0.1:")
        assert memory_of(running.pid).rss > 0
    with pytest.raises(ValueError, match="no process"):
        memory_of(running.pid)


@pytest.mark.slow
async def test_rest_takes_nothing_but_answers(bench: Bench) -> None:
    requests = {
        "GET /api/v1/users/me HTTP/1.1\r\nHost: x\r\n\r\n": "HTTP/1.1 401",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n": "closed a connection",
    }

    def run() -> None:
        with bench.feige() as running:
            for text, refusal in requests.items():
                file = bench.work / "requests"
                file.write_text(f"{len(text)}\n{text}")
                place = {"port": running.port, "pid": running.pid, "requests": file, "connections": 1}
                with pytest.raises(RunError, match=refusal):
                    bench.generate("rest", "full", place | {"count": 5})

    await asyncio.to_thread(run)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["search", "lists", "search-mysql", "lists-mysql"])
async def test_reads(bench: Bench, name: str) -> None:
    size = Size(messages=300, conversations=3, friends=4, unread=2)
    scenario = dataclasses.replace(BY_NAME[name], quick_size=size, quick_count=10)
    bench = dataclasses.replace(bench, programs=build(bench.work, scenario.programs))
    feige, c = await asyncio.to_thread(scenario.measure, bench)
    assert c is None
    asks = scenario.asks
    assert all(feige[f"{ask.name}_requests"] == 10 for ask in asks)
    assert all(feige[f"{ask.name}_answer_bytes"] > 300 for ask in asks), feige
    assert all(row.feige.median > 0 for row in Summary(scenario, [(feige, c)]).rows)
    assert all(ask.name in details([Summary(scenario, [(feige, c)])]) for ask in asks)
