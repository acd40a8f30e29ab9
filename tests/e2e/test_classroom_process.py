"""The classroom in a real process: alone, with wrong tokens, beside a second poller, and `--check`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bot_process import ClassProcess
from tests.classroom.running import Student, Teacher, its_telegram, rosters
from tests.e2e.people import Telegram, eventually

CLASSROOM = ("classroom", "classroom.key", "rosters", "faces")


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Telegram with both bots registered."""
    telegram = its_telegram(telegram_url)
    yield telegram
    telegram.http.close()


def class_bot(folder: Path, telegram: Telegram, **settings: str) -> ClassProcess:
    """Return the bot, not started, with a roster of one student."""
    rosters(folder / "data", {"CS-1": [("S001", "A. Student")]})
    return ClassProcess(folder, telegram, **settings)


@pytest.mark.ordeal
def test_alone(tmp_path: Path, telegram: Telegram) -> None:
    """Two tokens and two CSV files are enough for a class; it has its own data files and key, mode 0600."""
    bot = class_bot(tmp_path, telegram)
    bot.start()
    try:
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        code = teacher.opens("CS-1")
        student = Student(telegram, 2001)
        student.says(f"/start {code}")
        student.says("S001")
        student.sees("The code is right")
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        student.sees("Recorded.")
        status, report = bot.health()
        assert (status, report["status"], report["sessions"]) == (200, "ok", 1)
        assert bot.stop() == 0
    finally:
        bot.end()
    kept = [*(tmp_path / "data" / "classroom").glob("*.sqlite3"), *(tmp_path / "secrets").iterdir()]
    names = ["classroom.key", "classroom.sqlite3", "hashing.key"]
    assert sorted(file.name for file in kept) == names
    assert {oct(file.stat().st_mode & 0o777) for file in kept} == {"0o600"}
    assert oct((tmp_path / "data").stat().st_mode & 0o777) == "0o700"


@pytest.mark.ordeal
def test_one_wrong_token(tmp_path: Path, telegram: Telegram) -> None:
    """An unknown token ends only that bot; log and /healthz name the setting without its value."""
    stranger = "3333333333:AAEhBOweik6ad6PsWZRcXjYZ0123456789x"
    bot = class_bot(tmp_path, telegram, STUDENT_BOT_TOKEN=stranger)
    bot.start()
    try:
        Teacher(telegram, 7001, "+77010000001").signs_in()
        eventually("the report", lambda: "STUDENT_BOT_TOKEN" in str(bot.health()[1]))
        status, report = bot.health()
        assert (status, report["status"]) == (200, "degraded")
        assert "STUDENT_BOT_TOKEN: got a token that Telegram does not know" in bot.log()
        assert stranger not in bot.log() + str(report)
        assert bot.stop() == 0
    finally:
        bot.end()


def test_both_tokens_wrong(tmp_path: Path, telegram: Telegram) -> None:
    """If both tokens are unknown the process exits with 78."""
    strangers = {
        f"{name}_BOT_TOKEN": f"{digit * 10}:AAEhBOweik6ad6PsWZRcXjYZ0123456789x"
        for name, digit in (("TEACHER", "3"), ("STUDENT", "4"))
    }
    assert class_bot(tmp_path, telegram, **strangers).runs().returncode == 78


@pytest.mark.ordeal
def test_second_poller(tmp_path: Path, telegram: Telegram) -> None:
    """/healthz reports a second program that polls with the same tokens; the bots recover when it ends."""
    first, second = (class_bot(tmp_path / name, telegram) for name in ("first", "second"))
    first.start()
    try:
        eventually("the first one", lambda: first.health()[1].get("status") == "ok")
        second.start()
        eventually(
            "a conflict", lambda: any("another program fetches" in str(each.health()[1]) for each in (first, second))
        )
        assert second.stop() == 0
        Teacher(telegram, 7001, "+77010000001").signs_in()
        Student(telegram, 2001).says("/start")  # an update ends the poll at once, an empty poll takes long
        eventually("recovery", lambda: first.health()[1].get("status") == "ok")
    finally:
        first.end()
        second.end()


def test_check(tmp_path: Path, telegram: Telegram) -> None:
    """`bot.py --check` checks the classroom's parts, and not the marker if that is not configured."""
    checked = class_bot(tmp_path, telegram).runs("--check")
    assert checked.returncode == 0, checked.stdout
    lines = [line.split()[:2] for line in checked.stdout.splitlines()]
    assert lines == [[each, "ok"] for each in ("settings", "teacher", "student", *CLASSROOM)]
    assert "1 batches, 1 students" in checked.stdout


@pytest.mark.parametrize("photos", [None, [], ["s001.JPG"]])
@pytest.mark.ordeal
def test_check_of_the_id_photos(tmp_path: Path, telegram: Telegram, photos: list[str] | None) -> None:
    """`bot.py --check` warns if faces are compared and no student has an ID photo, or an empty one."""
    if photos is not None:
        (tmp_path / "data" / "photos").mkdir(parents=True)
        for name in photos:
            (tmp_path / "data" / "photos" / name).touch()
    checked = class_bot(tmp_path, telegram, FACE_ENGINE="local").runs("--check")
    assert checked.returncode == 0, checked.stdout
    (line,) = [each for each in checked.stdout.splitlines() if each.startswith("faces")]
    assert line.split()[1] == "warning"
    assert ("S001: empty" in checked.stdout) == bool(photos)


def test_check_of_odd_ids(tmp_path: Path, telegram: Telegram) -> None:
    """`bot.py --check` warns of IDs with characters that look like others, with file and line."""
    rosters = tmp_path / "data" / "rosters"
    rosters.mkdir(parents=True)
    (rosters / "other.csv").write_text("batch,subject,student_id\nCS-2,X,25В1\nCS-2,X,S\u200b2\n", encoding="utf-8")
    checked = class_bot(tmp_path, telegram).runs("--check")
    assert checked.returncode == 0, checked.stdout
    (line,) = [each for each in checked.stdout.splitlines() if each.startswith("rosters")]
    assert "warning" in line
    assert "other.csv, line 2: student ID 25В1" in checked.stdout
    assert "cyrillic capital letter ve" in checked.stdout.lower()


def test_check_of_a_wrong_roster(tmp_path: Path, telegram: Telegram) -> None:
    """`bot.py --check` names file and line of an invalid roster, once."""
    rosters = tmp_path / "data" / "rosters"
    rosters.mkdir(parents=True)
    (rosters / "other.csv").write_text("batch,subject,student_id\nCS-2,,S002\n", encoding="utf-8")
    checked = class_bot(tmp_path, telegram).runs("--check")
    assert checked.returncode == 69, checked.stdout
    assert (checked.stdout + checked.stderr).count("other.csv, line 2: subject is empty") == 1
