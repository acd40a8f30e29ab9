"""A writing process is killed at random moments: all acknowledged changes are there, and the data loads."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from core.encryption import Cipher
from core.sqlite import Database
from lessons.journal import SCHEMA, Lessons
from storage import Storage
from tests import children
from tests.faults.counts import times
from tests.marker.running import KEY


@pytest.mark.ordeal
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """After repeated `kill -9` at random moments on the same data no acknowledged change is missing."""
    chance = random.Random(11)
    acknowledged: set[str] = set()
    for _ in range(times(100)):
        lines = _written_until_killed(tmp_path, chance)
        acknowledged |= set(lines)
        storage = Storage(tmp_path, Cipher(KEY))
        database = Database(tmp_path / "ledger.sqlite3", [SCHEMA])
        lessons = Lessons(database)
        for line in acknowledged:
            kind, number = line.split()
            student = storage.student(int(number))
            assert student is not None, line
            assert storage.password(int(number)) == f"password {number}"
            if kind == "wish":
                assert student.monitoring, line
            if kind == "intent":
                row = lessons.get(f"key{number}")
                assert row is not None, line
                assert row.intended_at is not None, line
        used = [code.used_by for code in storage.invitations().values() if code.used_by is not None]
        assert sorted(used) == sorted(student.telegram_id for student in storage.students())
        database.close()
    assert len(acknowledged) >= times(100)


def _written_until_killed(folder: Path, chance: random.Random) -> list[str]:
    """Run the writer, kill it at a random moment, and return the changes that it acknowledged."""
    command = [sys.executable, "-m", "tests.faults.writer", str(folder)]
    with children.start(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(chance.randint(1, 12))]
        # a write takes a few milliseconds, so the kill comes during one of the next
        try:
            process.wait(chance.uniform(0, 0.02))
        except subprocess.TimeoutExpired:
            process.kill()
        rest = process.stdout.read().split("\n")
    return [line for line in [*lines, *rest[:-1]] if line]
