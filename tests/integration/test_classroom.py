"""A class by hand: a teacher opens a session, students check in, marks reach the LMS's files, the report comes."""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.people import Telegram, eventually
from tests.integration.in_class import (
    STUDENT_TOKEN,
    STUDENTS,
    TEACHER_TOKEN,
    TEACHERS,
    RunningClock,
    Student,
    Teacher,
    classroom,
    rosters,
)
from tests.servers import in_thread

ROSTER = {
    "CS-1": [("S001", "A. <b>Student</b> & Co."), ("S002", "B_*Student"), ("S003", "C. Student")],
    "CS-2": [("S101", "D. Student")],
}


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram with both bots in it, without its limits on speed."""
    telegram = Telegram(telegram_url)
    telegram.call("/reset")
    telegram.call("/bots", token=TEACHER_TOKEN, username=TEACHERS, name="Teachers")
    telegram.call("/bots", token=STUDENT_TOKEN, username=STUDENTS, name="Students")
    telegram.call("/limits", per_second=None, per_chat_per_second=None)
    yield telegram
    telegram.http.close()


@pytest.fixture
def clock() -> RunningClock:
    """Give the clock."""
    return RunningClock()


@pytest.fixture
def run(tmp_path: Path, telegram: Telegram, clock: RunningClock) -> Iterator[Callable[..., None]]:
    """Give what starts the classroom; a second call ends it and starts it anew on the same data."""
    rosters(tmp_path, ROSTER)
    with ExitStack() as stack:

        def start(**changes: Any) -> None:
            stack.close()
            stack.enter_context(in_thread(classroom(tmp_path, telegram.url, clock, **changes)))

        yield start


@pytest.fixture
def teacher(run: Callable[..., None], telegram: Telegram) -> Teacher:
    """Give a teacher who is signed in."""
    run()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    return teacher


def marks(folder: Path) -> dict[str, str]:
    """Return what the LMS's files say of each student."""
    found = {}
    for file in (folder / "rosters" / "marks").glob("*.csv"):
        for row in csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()):
            found[row["student_id"]] = row["status"]
    return found


def test_a_class(teacher: Teacher, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
    """From the code to the report: who proves code and place and is confirmed is present, everybody else absent."""
    code = teacher.opens("CS-1", "CS-2")
    first = Student(telegram, 2001)
    first.says(f"/start {code}")
    first.sees("student ID")
    first.says("s001")
    first.sees("The code is right")
    first.shares(20)
    first.sees("Your teacher has to confirm")
    second = Student(telegram, 2002)
    second.says("/start")
    second.taps("Check In")
    second.says(f"S101 {code[:3]} {code[3:]}")
    second.sees("The code is right")
    second.shares(70)
    second.sees("Your teacher has to look")
    third = Student(telegram, 2003)
    third.says("/start")
    third.says(f"S003 {code}")
    third.sees("The code is right")
    third.shares(500)
    third.sees("You are 500 m from the class")
    teacher.sees("Wait for your word: 1")
    teacher.taps("Confirm All (1)")
    first.sees("Attendance marked")
    teacher.taps("Check One by One")
    teacher.taps("Accept D. Student")
    second.sees("Attendance marked")
    eventually("the LMS's confirmation", lambda: first.counts("The LMS has it."))
    teacher.sees("In: 2 of 4")
    clock.forward(140)
    report = teacher.sees("Report: Algebra")["text"]
    assert "Absent: 2 of 4" in report
    eventually("the marks", lambda: len(marks(tmp_path)) == 4)
    assert marks(tmp_path) == {"S001": "present", "S002": "absent", "S003": "absent", "S101": "present"}
    assert sum(message["from"] == "bot" for message in first.screen()) <= 4
