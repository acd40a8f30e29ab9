"""A teacher's sign-in through an LMS, and a class whose marks go there, with both generations of the LMS."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.classroom.running import EMAIL, PASSWORD, Lms, Run, RunningClock, Student, Teacher, an_lms
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
    passwords = {PASSWORD, "wrong horse"}
    eventually("both are deleted", lambda: passwords.isdisjoint(each["text"] for each in teacher.screen()))
    for file in (tmp_path / "classroom").rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes()


def test_restart_before_the_address(at_the_password: Teacher, run_with_lms: Run) -> None:
    """The password is held in memory only: after a restart it is asked for again."""
    teacher = at_the_password
    teacher.says(PASSWORD)
    teacher.sees("e-mail address")
    run_with_lms.starts()
    teacher.sees("I was restarted meanwhile.")
    teacher.says(PASSWORD)
    eventually("the question", lambda: teacher.counts("e-mail address that you use") == 2)
    teacher.says(EMAIL)
    teacher.sees("You are signed in.")


@pytest.mark.ordeal
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
    assert record["copies"] == 1


class TestWorkflow:
    """From the sign-in to what the LMS's own register says."""

    @pytest.fixture
    def played(self, lms_teacher: Teacher, telegram: Telegram, clock: RunningClock, lms: Lms) -> list[Student]:
        """Play a lesson with three students on the roster, of whom two come, until its final report."""
        students = [Student(telegram, 2001 + number) for number in range(2)]
        code = lms_teacher.opens("CS-1")
        for number, student in enumerate(students, 1):
            student.enters(f"S00{number}", code)
            student.shares()
            student.sees("has to confirm")
        lms_teacher.taps("Confirm All (2)")
        for student in students:
            student.sees("Attendance marked")
        clock.forward(125)
        lms_teacher.sees("Closed at")
        clock.forward(20)
        lms_teacher.sees("(final)")
        return students

    @pytest.fixture
    def lms(self, request: pytest.FixtureRequest) -> Iterator[Lms]:
        """Give an LMS with three students."""
        with an_lms(request.param, [(f"S00{number}", f"Student {number}") for number in (1, 2, 3)]) as lms:
            yield lms

    def test_whole(self, played: list[Student], lms_teacher: Teacher, lms: Lms) -> None:
        """Both are present in the LMS's register, with their names where it keeps them; everybody is told so."""
        lms_teacher.sees("The LMS has everything.")
        lms_teacher.sees("Absent: 1 of 3")
        for student in played:
            student.sees("The LMS has it.")
        (record,) = lms.records()
        assert (record["students"], record["copies"]) == ({"S001": 1, "S002": 1, "S003": 0}, 1)
        if lms.older:
            assert record["names"] == {"S001": "Student 1", "S002": "Student 2", "S003": "Student 3"}
            assert [write["call"] for write in record["writes"]] == ["create"]

    @pytest.mark.ordeal
    def test_correction(self, played: list[Student], lms_teacher: Teacher, lms: Lms) -> None:
        """A correction after the final report is written, or where the LMS can't change records, told by name."""
        for step in ("Mark by Hand", "Student 2: present", "Excused", "No Reason", "Student 3: absent", "Late"):
            lms_teacher.taps(step)
        lms_teacher.taps("No Reason")
        if not lms.older:
            eventually("the LMS's record", lambda: lms.records()[0]["students"] == {"S001": 1, "S002": 0, "S003": 1})
            return
        board = lms_teacher.sees("The LMS still has Student 3 S003 as absent. Change it there by hand: late.")["text"]
        assert "The LMS still has Student 2 S002 as present. Change it there by hand: excused." in board
        lms_teacher.taps("Send Report")
        eventually("the report", lambda: lms_teacher.counts("(final)") == 2)
        assert "Student 2 S002 as present." in lms_teacher.sees("(final)")["text"]
        (record,) = lms.records()
        assert record["students"] == {"S001": 1, "S002": 1, "S003": 0}

    @pytest.mark.ordeal
    def test_confirmed_and_not_stored(
        self, lms_teacher: Teacher, telegram: Telegram, clock: RunningClock, lms: Lms
    ) -> None:
        """What the LMS confirms again and again and has not is told by name, and the student is told no such thing."""
        student, code = Student(telegram, 2001), lms_teacher.opens("CS-1")
        lms.tells("records", location="Main", batch="CS-1", subject="Algebra", date=lms.today(), present=[])
        student.enters("S001", code)
        student.shares()
        lms.tells("behaviour", ignored=100)
        lms_teacher.taps("Confirm All (1)")
        clock.forward(125)
        lms_teacher.sees("Closed at")
        clock.forward(20)
        report = lms_teacher.sees("(final)")["text"]
        assert "The LMS still has Student 1 S001 as absent. Change it there by hand: present." in report
        assert "The LMS has everything." not in report
        assert student.counts("The LMS has it.") == 0
        lms.tells("behaviour", ignored=0)
        if not lms.older:
            lms_teacher.taps("Try Again")
            student.sees("The LMS has it.")
            assert lms.records()[0]["students"] == {"S001": 1, "S002": 0, "S003": 0}

    @pytest.mark.parametrize("kind", ["status", "success", "exception", "error", "empty", "text", "unreadable"])
    @pytest.mark.ordeal
    def test_false_success(
        self, lms_teacher: Teacher, run_with_lms: Run, telegram: Telegram, clock: RunningClock, lms: Lms, kind: str
    ) -> None:
        """A success with an error in it, or with nothing, is shown as a refusal; the admin is told, too, once.

        Nobody is told that the LMS has it; Try Again helps. It is the same where the LMS can't be read back.
        """
        run_with_lms.starts(classroom_admins=(lms_teacher.number,))
        student, code = Student(telegram, 2001), lms_teacher.opens("CS-1")
        reads = kind != "unreadable"
        lms.tells("behaviour", false_success=kind if reads else "empty", read_back=reads)
        student.enters("S001", code)
        student.shares()
        lms_teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        clock.forward(125)
        unclear = kind in ("empty", "text", "unreadable")
        says = f"The LMS does not take CS-1; it says: \u201c200 {kind}\u201d"
        lms_teacher.sees("The LMS has not confirmed CS-1. Look there" if unclear else says)
        lms_teacher.sees("The LMS refuses what teachers send.")
        assert (student.counts("The LMS has it."), student.counts("Sent to the LMS.")) == (0, 0)
        lms.tells("behaviour", false_success=None)
        lms_teacher.taps("Try Again")
        student.sees("The LMS has it." if reads else "Sent to the LMS.")
        (record,) = lms.records()
        assert (record["students"], record["copies"]) == ({"S001": 1, "S002": 0, "S003": 0}, 1)
        assert lms_teacher.counts("The LMS refuses what teachers send.") == 1

    @pytest.mark.ordeal
    def test_no_read_back(self, lms_teacher: Teacher, telegram: Telegram, clock: RunningClock, lms: Lms) -> None:
        """Where the LMS does not show its records, nothing more is said than that they were sent."""
        lms.tells("behaviour", read_back=False)
        student, code = Student(telegram, 2001), lms_teacher.opens("CS-1")
        student.enters("S001", code)
        student.shares()
        lms_teacher.taps("Confirm All (1)")
        clock.forward(125)
        lms_teacher.sees("Closed at")
        clock.forward(20)
        assert "Sent to the LMS, not read back: CS-1" in lms_teacher.sees("(final)")["text"]
        student.sees("Sent to the LMS.")
        assert student.counts("The LMS has it.") == 0


@pytest.mark.parametrize("kind", ["student_login_details", "Manager"])
def test_not_a_teacher(at_the_password: Teacher, lms: Lms, kind: str, tmp_path: Path) -> None:
    """A student's or a manager's account of the LMS is refused with one clear line, and can do nothing here."""
    account = {"id": "s1", "name": "B. Student", "email": EMAIL, "location": "Main", "user_type": kind}
    lms.tells("teachers", **account, password=PASSWORD)
    at_the_password.says(PASSWORD)
    at_the_password.sees("e-mail address")
    at_the_password.says(EMAIL)
    at_the_password.sees("This is not a teacher's account in the LMS.")
    at_the_password.forges("take")
    eventually("the question", lambda: at_the_password.counts("Share your phone number") == 2)
    with closing(sqlite3.connect(tmp_path / "classroom" / "classroom.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM jwt_tokens").fetchone() == (0,)
