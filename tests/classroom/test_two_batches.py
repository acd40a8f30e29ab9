"""Students on two batches of one session: marked, corrected and told to the LMS in both, and counted once."""

import csv
from pathlib import Path

import pytest

from tests.classroom.running import Run, RunningClock, Student, Teacher, rosters
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration

BOTH = ("S001", "A. Student")


@pytest.fixture
def roster() -> dict[str, list[tuple[str, str]]]:
    """Give two batches that share a student."""
    return {"CS-1": [BOTH, ("S002", "B. Student")], "CS-2": [("S101", "D. Student"), BOTH]}


@pytest.fixture
def spelt() -> dict[str, list[tuple[str, str]]]:
    """Give two batches that spell the ID of their common student differently; names and batches sort differently."""
    return {"CS-2": [("25b1", "A. Student")], "CS-10": [("25B1", "A. Student"), ("S9", "B. Student")]}


def marks(folder: Path) -> dict[str, dict[str, str]]:
    """Return each batch's statuses by student in the LMS's files."""
    found: dict[str, dict[str, str]] = {}
    for file in (folder / "rosters" / "marks").glob("*.csv"):
        for row in csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()):
            found.setdefault(row["batch"], {})[row["student_id"]] = row["status"]
    return found


def test_from_code_to_lms(teacher: Teacher, student: Student, clock: RunningClock, tmp_path: Path) -> None:
    """Confirmed, corrected by hand and reopened, the student's mark is the same in both batches and in the LMS."""
    code = teacher.opens("CS-1", "CS-2")
    teacher.sees("In: 0 of 3")
    student.enters("S001", code)
    student.shares()
    teacher.taps("Confirm All (1)")
    teacher.sees("In: 1 of 3")
    eventually("the record", lambda: student.counts("Recorded."))
    written = {"CS-1": {"S001": "present", "S002": "absent"}, "CS-2": {"S101": "absent", "S001": "present"}}
    eventually("both batches", lambda: marks(tmp_path) == written)
    clock.forward(140)
    report = teacher.sees("(final)")["text"]
    assert "Present: 1\nLate: 0\nExcused: 0\nAbsent: 2 of 3" in report
    assert report.count("A. Student") == 1
    teacher.taps("Mark by Hand")
    buttons = labels(teacher.sees("Whom do you mark by hand?"))
    assert [each for each in buttons if "Student" in each] == [
        "A. Student: present",
        "B. Student: absent",
        "D. Student: absent",
    ]
    teacher.taps("A. Student: present")
    assert "CS-1, CS-2" in teacher.sees("Status: present")["text"]
    teacher.taps("Excused")
    teacher.taps("No Reason")
    student.sees("Your teacher has marked you: excused")
    written["CS-1"]["S001"] = written["CS-2"]["S001"] = "excused"
    eventually("both batches", lambda: marks(tmp_path) == written)
    student.says("/me")
    assert student.sees("Algebra: excused")["text"].count("Algebra") == 1
    teacher.says("/history")
    assert "CS-1, CS-2: 0 % (0/2)" in teacher.sees("Sessions")["text"]


def opens_both(teacher: Teacher) -> str:
    """Open a session of both batches; return its code."""
    teacher.taps("Take Attendance")
    teacher.chooses("CS-2", "CS-10")
    teacher.shares_place()
    return teacher.code()


def test_spelt_differently(run: Run, telegram: Telegram, spelt: dict[str, list[tuple[str, str]]]) -> None:
    """One ID in two spellings is one student: confirmed one by one, unlinked, and marked in both batches."""
    rosters(run.folder, spelt)
    run.starts()
    teacher, student = Teacher(telegram, 7001, "+77010000001"), Student(telegram, 2001)
    teacher.signs_in()
    code = opens_both(teacher)
    student.enters("25b1", code)
    student.shares()
    student.is_accepted()
    teacher.taps("Mark by Hand")
    teacher.taps("A. Student: absent")
    teacher.taps("Unlink Telegram")
    teacher.taps("Yes, Unlink")
    teacher.waits("the unlinked student", lambda screen: not any("Unlink Telegram" in labels(each) for each in screen))
    student.sees("Your teacher has unlinked the student ID")
    asked = student.sees("The code is right")["message_id"]
    student.says(f"25b1 {code}")
    eventually("a new question", lambda: student.sees("The code is right")["message_id"] != asked)
    teacher.sees("On the way: 1")
    student.shares()
    teacher.sees("Waiting for you: 1")
    teacher.taps("Check One by One")
    teacher.taps("Accept A. Student")
    student.sees("Attendance marked")
    teacher.sees("In: 1 of 2")
    both = {"CS-2": {"25b1": "present"}, "CS-10": {"25B1": "present", "S9": "absent"}}
    eventually("both batches", lambda: marks(run.folder) == both)
