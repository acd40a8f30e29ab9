"""Backup beside the running bot, as an operator does it; a restore that is killed."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from backup.restore import RESTORING
from tests import children
from tests.bot_process import COMMAND, ClassProcess
from tests.classroom.running import Student, Teacher, rosters
from tests.e2e.people import Telegram, eventually
from tests.waiting import PATIENCE

pytestmark = pytest.mark.ordeal

NUMBER = 777_000_777_123


@pytest.fixture
def bot(tmp_path: Path, telegram: Telegram) -> Iterator[ClassProcess]:
    """The classroom with one batch."""
    rosters(tmp_path / "data", {"CS-1": [("S001", "A. Student")]})
    bot = ClassProcess(tmp_path, telegram)
    yield bot
    bot.end()


def test_who_is_deleted_after_a_backup(bot: ClassProcess, telegram: Telegram, tmp_path: Path) -> None:
    """A backup beside the running bot; the student deletes the data; what is restored has not a byte of them."""
    bot.start()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    code = teacher.opens()
    student = Student(telegram, NUMBER)
    student.says(f"/start {code}")
    student.says("S001")
    student.sees("The code is right")
    made = bot.runs("--backup", str(tmp_path / "backup.zip"))
    assert (made.returncode, made.stdout) == (0, "")
    assert "keep the keys in another place" in made.stderr
    student.says("/delete_me")
    student.taps("Yes, Delete")
    student.sees("Your data is deleted.")
    assert bot.stop() == 0
    new = tmp_path / "new"
    refused = bot.runs("--restore", str(tmp_path / "backup.zip"))
    assert (refused.returncode, refused.stderr.count("\n")) == (74, 1)
    assert "is not empty" in refused.stderr
    restored = bot.runs("--restore", str(tmp_path / "backup.zip"), DATA_DIR=str(new))
    assert restored.returncode == 0, restored.stderr
    assert "deleted again: 1 people" in restored.stderr
    for file in (each for folder in ("data", "new") for each in (tmp_path / folder).rglob("*") if each.is_file()):
        content = file.read_bytes()
        assert str(NUMBER).encode() not in content, file
        assert NUMBER.to_bytes(6, "big") not in content, file
    bot.environment["DATA_DIR"] = str(new)
    bot.start()
    teacher.taps("All Names")
    eventually("the bot works with what was restored", lambda: bot.health()[0] == 200)
    assert bot.stop() == 0


def test_a_backup_that_is_stopped(bot: ClassProcess, tmp_path: Path) -> None:
    """SIGTERM during a backup ends it and leaves neither an archive nor half of one."""
    rosters_folder = tmp_path / "data" / "rosters"
    for number in range(40):  # enough to be met at work
        (rosters_folder / f"old-{number}.csv").write_bytes(os.urandom(4_000_000))
    target = tmp_path / "copies" / "backup.zip"
    target.parent.mkdir()
    backing_up = children.start([*COMMAND, "--backup", str(target)], env=bot.environment)
    eventually("it has begun", lambda: list(target.parent.iterdir()) or backing_up.poll() is not None)
    backing_up.terminate()
    assert backing_up.wait(PATIENCE) == 128 + signal.SIGTERM
    assert list(target.parent.iterdir()) == []


def test_a_restore_that_is_killed(bot: ClassProcess, tmp_path: Path) -> None:
    """After `kill -9` during a restore the bot does not start on half of the data, and the restore can be repeated."""
    bot.start()
    eventually("the bot", lambda: "is ready" in bot.log())
    archive = subprocess.run([*COMMAND, "--backup", "-"], env=bot.environment, capture_output=True, check=True).stdout
    assert bot.stop() == 0
    (tmp_path / "backup.zip").write_bytes(archive)
    bot.environment["DATA_DIR"] = str(tmp_path / "new")
    restoring = children.start([*COMMAND, "--restore", str(tmp_path / "backup.zip")], env=bot.environment)
    eventually("it has begun", lambda: (tmp_path / "new" / RESTORING).exists() or restoring.poll() is not None)
    restoring.kill()
    restoring.wait()
    if (tmp_path / "new" / RESTORING).exists():
        refused = bot.runs()
        assert (refused.returncode, refused.stderr.count("\n")) == (78, 1)
        again = bot.runs("--restore", str(tmp_path / "backup.zip"))
        assert again.returncode == 0, again.stderr
    bot.start()
    eventually("the bot", lambda: bot.health()[0] == 200)
    assert bot.stop() == 0
