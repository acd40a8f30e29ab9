"""A teacher's sign-in through an LMS, and a class whose marks go there, with both generations of the LMS."""

from pathlib import Path

import pytest

from tests.classroom.running import EMAIL, PASSWORD, Lms, Run, RunningClock, Student, Teacher
from tests.e2e.people import Telegram, eventually

pytestmark = [pytest.mark.integration, pytest.mark.parametrize("lms", ["older", "newer"], indirect=True)]


def test_sign_in(at_the_password: Teacher, tmp_path: Path) -> None:
    """A wrong password and an invalid address are refused; the password is deleted from the chat and is in no file."""
    teacher = at_the_password
    teacher.says("wrong horse")
    teacher.sees("e-mail address")
    teacher.says("no address")
    teacher.sees("That is not an e-mail address.")
    teacher.says(EMAIL)
    teacher.sees("does not take this password")
    teacher.says(PASSWORD)
    eventually("the question", lambda: teacher.counts("e-mail address that you use") == 2)
    teacher.says(EMAIL)
    teacher.sees("You are signed in.")
    said = [message["text"] for message in teacher.screen() if message["from"] == "person"]
    assert PASSWORD not in said
    assert "wrong horse" not in said
    for file in (tmp_path / "classroom").rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes()


def test_restart_before_the_address(at_the_password: Teacher, run_with_lms: Run) -> None:
    """The password is held in memory only: after a restart it is asked for again."""
    teacher = at_the_password
    teacher.says(PASSWORD)
    teacher.sees("e-mail address")
    run_with_lms.starts()
    teacher.says(EMAIL)
    teacher.sees("I was restarted meanwhile.")
    teacher.says(PASSWORD)
    eventually("the question", lambda: teacher.counts("e-mail address that you use") == 2)
    teacher.says(EMAIL)
    teacher.sees("You are signed in.")


def test_a_class(lms_teacher: Teacher, run_with_lms: Run, telegram: Telegram, lms: Lms, clock: RunningClock) -> None:
    """After an outage of the LMS and a restart of the bot, the LMS has exactly the bot's marks."""
    teacher, student = lms_teacher, Student(telegram, 2001)
    student.enters("S001", teacher.opens("CS-1"))
    student.shares()
    student.is_accepted()
    lms.tells("behaviour", status=500)
    teacher.taps("Confirm All (1)")
    student.sees("Attendance marked")
    clock.forward(140)
    teacher.sees("(provisional)")
    run_with_lms.starts()
    lms.tells("behaviour", status=None)
    teacher.sees("(final)")
    student.sees("The LMS has it.")
    assert teacher.counts("(final)") == 1
    (record,) = lms.records()
    assert record["students"] == {"S001": 1, "S002": 0}
