"""What was answered survives kill -9 at any moment, and what is left has no gaps."""

import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def answered_before_kill(path: Path, seed: int) -> list[list[str]]:
    """Starts a writer, kills it after some hundred answers; the answers."""
    wanted = random.Random(seed).randrange(50, 1500)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.sql.crash_writer", str(path), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(wanted)]
    finally:
        process.kill()
    # What it said before it died counts as well; the last line may be cut.
    lines += process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    return [line.decode().split() for line in lines if line.endswith(b"\n")]


@pytest.mark.slow
def test_answers_are_kept_and_there_are_no_gaps(tmp_path: Path) -> None:
    path = tmp_path / "feige.db"
    answers: list[list[str]] = []
    for seed in range(4):
        answers += answered_before_kill(path, seed)
        database = sqlite3.connect(path)
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = {
            (str(row[0]), str(row[1]), str(row[2]), row[3])
            for row in database.execute("SELECT id, conversation_id, seq, client_msg_id FROM messages")
        }
        missing = [words for words in answers if words[0] == "message" and tuple(words[1:]) not in stored]
        assert missing == [], f"seed {seed}"
        for conversation_id, last_seq, count, low, high in database.execute(
            "SELECT c.id, c.last_seq, count(*), min(m.seq), max(m.seq) FROM conversations c"
            " JOIN messages m ON m.conversation_id = c.id GROUP BY c.id"
        ):
            assert (low, high, count) == (1, last_seq, last_seq), f"conversation {conversation_id}, seed {seed}"
        read = dict(database.execute("SELECT conversation_id, read_seq FROM members WHERE user_id = 1"))
        for words in answers:
            if words[0] == "read":
                assert read[int(words[1])] >= int(words[2]), f"seed {seed}"
        database.close()
    assert len(answers) > 200
