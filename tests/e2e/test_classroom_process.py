"""The classroom in the real process: alone, with a token that is wrong, beside another program that polls."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.classroom.running import STUDENT_TOKEN, TEACHER_TOKEN, Student, Teacher, its_telegram, rosters
from tests.e2e.people import Telegram, eventually
from tests.servers import ROOT


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram with both bots in it."""
    telegram = its_telegram(telegram_url)
    yield telegram
    telegram.http.close()


class Process:
    """bot.py with the classroom's settings alone, and no Chrome on its PATH to find."""

    def __init__(self, folder: Path, telegram: Telegram, *arguments: str, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        rosters(folder / "data", {"CS-1": [("S001", "A. Student")]})
        self.log_file = folder / "bot.log"
        environment = {
            "PATH": os.environ["PATH"],
            "ENV_FILE": "",
            "TEACHER_BOT_TOKEN": TEACHER_TOKEN,
            "STUDENT_BOT_TOKEN": STUDENT_TOKEN,
            "TELEGRAM_API_URL": telegram.url,
            "DATA_DIR": str(folder / "data"),
            "ENCRYPTION_KEY_FILE": str(folder / "secrets" / "encryption.key"),
            "HEALTH_PORT": str(self.port),
            "FACE_ENGINE": "none",
            **settings,
        }
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "bot.py", *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def health(self) -> tuple[int, Any]:
        """Return what /healthz says; 0 where nobody listens."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/healthz", trust_env=False, timeout=5)
        except httpx.HTTPError:
            return 0, {}
        return answer.status_code, answer.json()

    def stop(self) -> int:
        """End it as Docker does; return its exit code."""
        self.process.terminate()
        self.process.communicate(timeout=20)
        return self.process.returncode

    def end(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        elif self.process.stdout is not None:
            self.process.stdout.close()


def test_alone(tmp_path: Path, telegram: Telegram) -> None:
    """Two tokens and two CSV files are enough for a class; data and key are the classroom's own, 0600."""
    bot = Process(tmp_path, telegram)
    try:
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        code = teacher.opens("CS-1")
        student = Student(telegram, 2001)
        student.says(f"/start {code}")
        student.says("S001")
        student.sees("The code is right")
        student.shares()
        student.sees("has to confirm")
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        student.sees("The LMS has it.")
        status, report = bot.health()
        assert (status, report["status"], report["sessions"]) == (200, "ok", 1)
        assert bot.stop() == 0
    finally:
        bot.end()
    kept = [*(tmp_path / "data" / "classroom").glob("*.sqlite3"), *(tmp_path / "secrets").iterdir()]
    names = ["classroom.key", "store.sqlite3", "student.sqlite3", "teacher.sqlite3"]
    assert sorted(file.name for file in kept) == names
    assert {oct(file.stat().st_mode & 0o777) for file in kept} == {"0o600"}
    assert oct((tmp_path / "data").stat().st_mode & 0o777) == "0o700"


def test_one_wrong_token(tmp_path: Path, telegram: Telegram) -> None:
    """A token that Telegram does not know ends that bot alone; log and /healthz name its setting, not its value."""
    stranger = "3333333333:AAEhBOweik6ad6PsWZRcXjYZ0123456789x"
    bot = Process(tmp_path, telegram, STUDENT_BOT_TOKEN=stranger)
    try:
        Teacher(telegram, 7001, "+77010000001").signs_in()
        eventually("the report", lambda: "STUDENT_BOT_TOKEN" in str(bot.health()[1]))
        status, report = bot.health()
        assert (status, report["status"]) == (200, "degraded")
        assert "STUDENT_BOT_TOKEN: got a token that Telegram does not know" in bot.log_file.read_text()
        assert stranger not in bot.log_file.read_text() + str(report)
        assert bot.stop() == 0
    finally:
        bot.end()


def test_both_tokens_wrong(tmp_path: Path, telegram: Telegram) -> None:
    """Where no bot is left the process ends with 78."""
    strangers = {
        f"{name}_BOT_TOKEN": f"{digit * 10}:AAEhBOweik6ad6PsWZRcXjYZ0123456789x"
        for name, digit in (("TEACHER", "3"), ("STUDENT", "4"))
    }
    bot = Process(tmp_path, telegram, **strangers)
    try:
        assert bot.process.wait(30) == 78
    finally:
        bot.end()


def test_second_poller(tmp_path: Path, telegram: Telegram) -> None:
    """Another program that polls with the same tokens is named by /healthz; the bots recover when it ends."""
    first = Process(tmp_path / "first", telegram)
    second = None
    try:
        eventually("the first one", lambda: first.health()[1].get("status") == "ok")
        second = Process(tmp_path / "second", telegram)
        eventually(
            "a conflict",
            lambda: any("another program fetches" in str(each.health()[1]) for each in (first, second) if each),
            60,
        )
        assert second.stop() == 0
        Teacher(telegram, 7001, "+77010000001").signs_in()
        Student(telegram, 2001).says("/start")  # what comes is fetched at once, an empty poll is held for long
        eventually("all is well again", lambda: first.health()[1].get("status") == "ok", 90)
    finally:
        first.end()
        if second is not None:
            second.end()


def test_check(tmp_path: Path, telegram: Telegram) -> None:
    """`bot.py --check` tries the classroom's parts, and nothing of the marker where that is not configured."""
    bot = Process(tmp_path, telegram, "--check")
    said, _ = bot.process.communicate(timeout=60)
    assert bot.process.returncode == 0, said
    lines = [line.split()[:2] for line in said.splitlines()]
    assert lines == [[each, "ok"] for each in ("settings", "teacher", "student", "rosters", "faces")]
    assert "1 batches, 1 students" in said


@pytest.mark.parametrize("photos", [None, [], ["s001.JPG"]])
def test_check_of_the_id_photos(tmp_path: Path, telegram: Telegram, photos: list[str] | None) -> None:
    """`bot.py --check` warns where faces are compared and nobody, or not everybody, has an ID photo."""
    if photos is not None:
        (tmp_path / "data" / "photos").mkdir(parents=True)
        for name in photos:
            (tmp_path / "data" / "photos" / name).touch()
    bot = Process(tmp_path, telegram, "--check", FACE_ENGINE="local")
    said, _ = bot.process.communicate(timeout=60)
    assert bot.process.returncode == 0, said
    assert said.splitlines()[-1].split()[:2] == ["faces", "ok" if photos else "warning"]


def test_check_of_a_wrong_roster(tmp_path: Path, telegram: Telegram) -> None:
    """`bot.py --check` names file and line of a roster that can't be used."""
    rosters = tmp_path / "data" / "rosters"
    rosters.mkdir(parents=True)
    (rosters / "other.csv").write_text("batch,subject,student_id\nCS-2,,S002\n", encoding="utf-8")
    bot = Process(tmp_path, telegram, "--check")
    said, _ = bot.process.communicate(timeout=60)
    assert bot.process.returncode == 69, said
    assert "other.csv, line 2: subject is empty" in said
