"""A class with a restart of the process after every step."""

import csv
from pathlib import Path

import pytest

from tests.classroom.running import Run, RunningClock, Student, Teacher
from tests.e2e.people import Telegram, eventually

pytestmark = pytest.mark.integration


def marks(folder: Path) -> dict[str, tuple[str, str]]:
    """Return each student's status and remark in the LMS's files."""
    found = {}
    for file in (folder / "rosters" / "marks").glob("*.csv"):
        for row in csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()):
            found[row["student_id"]] = (row["status"], row["remark"])
    return found


@pytest.mark.ordeal
def test_after_every_step(run: Run, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
    """No choice, session, decision or question is lost, and nothing is sent or done twice."""
    run.starts()
    teacher, student = Teacher(telegram, 7001, "+77010000001"), Student(telegram, 2001)
    teacher.says("/start")
    teacher.sees("Share your phone number")
    run.starts()
    teacher.sends(contact={"phone_number": teacher.phone})
    teacher.sees("Take attendance:")
    run.starts()
    teacher.taps("Take Attendance")
    teacher.sees("Which batches?")
    run.starts()
    teacher.taps("CS-1")
    teacher.sees("Next.\nCS-1")
    run.starts()
    teacher.taps("Next")
    teacher.sees("Share your location")
    run.starts()
    teacher.shares_place()
    teacher.sees("In: 0 of 3")
    code = teacher.code()
    run.starts()
    teacher.taps("Extend")
    eventually("more time", lambda: int(teacher.sees(" s left")["text"].split(" s left")[0].split()[-1]) > 120)
    run.starts()
    student.says(f"/start {code}")
    student.says("S001")
    student.sees("The code is right")
    student.shares(80)
    teacher.sees("just outside (80 m)")
    run.starts()
    teacher.taps("Check One by One")
    teacher.sees("Are they in class?")
    run.starts()
    teacher.taps("Accept A. Student")
    student.sees("Attendance marked")
    run.starts()
    teacher.taps("Mark by Hand")
    teacher.sees("Whom do you mark by hand?")
    run.starts()
    teacher.taps("B. Student: absent")
    teacher.taps("Late")
    teacher.sees("send the reason")
    run.starts()
    teacher.says("the bus")
    teacher.sees("late: 1")
    run.starts()
    teacher.taps("Close Now")
    teacher.sees("Closed at")
    run.starts()
    clock.forward(16)
    teacher.sees("Report: ")
    run.starts()
    clock.forward(6)
    teacher.sees("(final)")
    run.starts()
    teacher.settles()
    assert marks(tmp_path) == {"S001": ("present", ""), "S002": ("late", "late: the bus"), "S003": ("absent", "")}
    assert student.counts("Attendance marked") == 1
    for once in ("15 seconds after the end", "(final)", "In: 2 of 3"):
        assert teacher.counts(once) == 1, once
    assert telegram.refused_calls() == []
    eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])
