"""A whole class: a teacher opens a session, students check in, marks reach the LMS's files, the report arrives."""

import csv
from pathlib import Path

import pytest

from tests.classroom.running import Run, RunningClock, Student, Teacher
from tests.classroom.teacher.test_reports import finishes
from tests.e2e.people import Telegram, eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def roster() -> dict[str, list[tuple[str, str]]]:
    """Give names with characters that are special in HTML and Markdown."""
    return {
        "CS-1": [("S001", "A. <b>Student</b> & Co."), ("S002", "B_*Student"), ("S003", "C. Student")],
        "CS-2": [("S101", "D. Student")],
    }


def marks(folder: Path) -> dict[str, str]:
    """Return each student's status in the LMS's files."""
    found = {}
    for file in (folder / "rosters" / "marks").glob("*.csv"):
        for row in csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()):
            found[row["student_id"]] = row["status"]
    return found


def seconds_left(teacher: Teacher) -> int:
    """Return the seconds left on the board."""
    return int(teacher.sees(" s left")["text"].split(" s left")[0].split()[-1])


def test_a_class(teacher: Teacher, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
    """A confirmed student with the right code and location is present; everybody else is absent."""
    code = teacher.opens("CS-1", "CS-2")
    first = Student(telegram, 2001)
    first.says(f"/start {code}")
    first.sees("student ID")
    first.says("s001")
    first.sees("The code is right")
    first.shares(20)
    first.is_accepted()
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
    teacher.sees("Waiting for you: 2")
    teacher.taps("Confirm All (1)")
    first.sees("Attendance marked")
    teacher.taps("Check One by One")
    teacher.taps("Accept D. Student")
    second.sees("Attendance marked")
    eventually("the LMS's confirmation", lambda: first.counts("Recorded."))
    teacher.sees("In: 2 of 4")
    clock.forward(140)
    report = teacher.sees("Report: Algebra")["text"]
    assert "Absent: 2 of 4" in report
    eventually("the marks", lambda: len(marks(tmp_path)) == 4)
    assert marks(tmp_path) == {"S001": "present", "S002": "absent", "S003": "absent", "S101": "present"}
    assert sum(message["from"] == "bot" for message in first.screen()) <= 4


class TestSession:
    """A teacher's actions on a session."""

    def test_same_lesson_twice(self, teacher: Teacher, telegram: Telegram) -> None:
        """A second session on a day is refused, with a button to the first one only for its own teacher."""
        teacher.opens("CS-1", "CS-2")
        teacher.says("/start")
        teacher.taps("Take Attendance")
        teacher.taps("CS-2")
        teacher.taps("Next")
        teacher.sees("CS-2 has a lesson in Algebra today: ")
        teacher.taps("Open It")
        teacher.sees("In: 0 of 4")
        other = Teacher(telegram, 7002, "+77010000002")
        other.signs_in()
        other.taps("Take Attendance")
        other.taps("CS-1")
        other.taps("Next")
        other.sees("Another teacher has opened it.")

    def test_extend_close_reopen(self, teacher: Teacher, telegram: Telegram, clock: RunningClock) -> None:
        """Extend gives more time, Close Now ends at once, Reopen gives a new code and keeps the marks."""
        code = teacher.opens("CS-1")
        teacher.taps("Extend")
        eventually("more time", lambda: seconds_left(teacher) > 120)
        student = Student(telegram, 2001)
        student.says(f"/start {code}")
        student.says("S001")
        student.sees("The code is right")
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        late = Student(telegram, 2002)
        late.says(f"/start {code}")
        late.says("S002")
        late.sees("This code is over. Ask your teacher")
        teacher.taps("Reopen")
        teacher.sees(" s left")
        again = teacher.code()
        assert again != code
        late.says(f"S002 {again}")
        late.sees("The code is right")
        teacher.sees("In: 1 of 3")

    def test_cancel(self, teacher: Teacher, tmp_path: Path) -> None:
        """A cancelled session leaves nothing in the LMS, and the lesson can be opened again."""
        teacher.opens("CS-1")
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        teacher.sees("Cancelled: nothing is recorded.")
        assert marks(tmp_path) == {}
        teacher.says("/start")
        teacher.opens("CS-1")

    def test_mark_by_hand(self, teacher: Teacher, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
        """Manual marks with their reasons are in the report and in the LMS."""
        teacher.opens("CS-1")
        teacher.taps("Mark by Hand")
        teacher.taps("B_*Student: absent")
        teacher.taps("Excused")
        teacher.says("ill, <note> from the doctor")
        teacher.taps("C. Student: absent")
        teacher.taps("Present")
        teacher.taps("No Reason")
        teacher.sees("excused: 1")
        clock.forward(140)
        teacher.sees("(final)")
        report = teacher.sees("Marked by hand")["text"]
        assert marks(tmp_path) == {"S001": "absent", "S002": "excused", "S003": "present"}
        assert "B_*Student: excused" in report
        assert "ill, <note> from the doctor" in report

    def test_rejected(self, teacher: Teacher, telegram: Telegram) -> None:
        """A rejected student is told and is not marked."""
        code = teacher.opens("CS-1")
        student = Student(telegram, 2001)
        student.says(f"/start {code}")
        student.says("S001")
        student.sees("The code is right")
        student.shares(80)
        student.sees("has to look")
        teacher.taps("Check One by One")
        teacher.taps("Reject A. <b>Student</b> & Co.")
        student.sees("did not accept")
        teacher.sees("not accepted")

    def test_saved_room(self, teacher: Teacher, telegram: Telegram) -> None:
        """A saved place opens the next session with one tap."""
        teacher.opens("CS-1")
        teacher.taps("Save This Place")
        teacher.says("Room 404 & <co>")
        teacher.sees("Saved")
        teacher.says("/start")
        teacher.taps("Take Attendance")
        teacher.taps("CS-2")
        teacher.taps("Next")
        teacher.taps("Room 404 & <co>")
        teacher.sees("In: 0 of 1")

    def test_rotating_code(self, run: Run, telegram: Telegram, clock: RunningClock) -> None:
        """A rotating code changes on the board; the old code is refused after the overlap."""
        run.starts(otp_rotate_seconds=90, otp_expiry_seconds=600)
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        first = teacher.opens("CS-1")
        clock.forward(91)
        eventually("another code", lambda: teacher.code() != first)
        second = teacher.code()
        clock.forward(11)
        student = Student(telegram, 2001)
        student.says(f"/start {first}")
        student.says("S001")
        student.sees("This code is over. Send the one that your teacher shows now.")
        student.says(f"S001 {second}")
        student.sees("The code is right")

    def test_history(self, teacher: Teacher, telegram: Telegram, clock: RunningClock) -> None:
        """The history has each session with its percentage, and the students with low attendance."""
        teacher.opens("CS-2")
        teacher.taps("Mark by Hand")
        teacher.taps("D. Student: absent")
        teacher.taps("Late")
        teacher.taps("No Reason")
        teacher.says("/start")
        teacher.opens("CS-1")
        clock.forward(140)
        eventually("both reports", lambda: teacher.counts("Report: Algebra") >= 2)
        teacher.says("/history")
        history = teacher.sees("Sessions")["text"]
        assert "CS-2: 100 % (1/1)" in history
        assert "CS-1: 0 % (0/3)" in history
        assert "A. <b>Student</b> & Co. S001" in history


class TestStrangers:
    """Other people's phone numbers and buttons."""

    def test_unknown_number(self, run: Run, telegram: Telegram) -> None:
        """An unlisted number and somebody else's contact are refused."""
        run.starts()
        stranger = Teacher(telegram, 7009, "+77019999999")
        stranger.says("/start")
        stranger.sends(contact={"phone_number": "+77010000001", "user_id": 7001})
        stranger.sees("That is not your own number.")
        stranger.sends(contact={"phone_number": "+77010000001", "user_id": None})
        eventually("the second refusal", lambda: stranger.counts("That is not your own number.") == 2)
        stranger.sends(contact={"phone_number": stranger.phone})
        stranger.sees("Nobody is listed")
        stranger.says("hello")
        eventually("the question again", lambda: stranger.counts("Share your phone number") >= 2)

    def test_another_teacher_s_session(self, teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
        """No button of one teacher's session does anything for another teacher, or for a student."""
        teacher.opens("CS-1")
        board = teacher.sees("In: 0 of 3")
        datas = [button["data"] for row in board["buttons"] for button in row]
        session_id = datas[0].split(":")[1]
        wanted = ["hand:{}:0", "check:{}:0", "ok:{}:0", "no:{}:0", "st:{}:0", "free:{}:0", "freed:{}:0", "mkn:{}:0:p"]
        wanted += ["mk:{}:0:p", "extend:{}:0", "report:{}", "hands:{}", "checks:{}"]
        datas += [each.format(session_id) for each in wanted]
        datas += [f"{each}:{session_id}" for each in ("all", "again", "cancelled", "reopen", "save", "board")]
        other = Teacher(telegram, 7002, "+77010000002")
        other.signs_in()
        stranger = Teacher(telegram, 2001, "")
        stranger.says("/start")
        stranger.sees("Share your phone number")
        for person in (other, stranger):
            before = len(person.screen())
            for number, data in enumerate(datas, start=1):
                person.forges(data)
                if number % 10 == 0 or number == len(datas):  # the bot drops a flood of taps
                    person.settles()
                    before += 2
            assert len(person.screen()) == before
        teacher.sees("In: 0 of 3")
        assert marks(tmp_path) == {}


def test_over_a_restart(run: Run, teacher: Teacher, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
    """After restarts in the middle of a class everything goes on, and each notice is sent once."""
    code = teacher.opens("CS-1")
    student = Student(telegram, 2001)
    student.says(f"/start {code}")
    student.says("S001")
    student.sees("The code is right")
    run.starts()
    student.shares()
    student.is_accepted()
    run.starts()
    teacher.taps("Confirm All (1)")
    student.sees("Attendance marked")
    clock.forward(140)
    teacher.sees("Report: Algebra")
    run.starts()
    finishes(teacher, clock)
    eventually("the marks", lambda: len(marks(tmp_path)) == 3)
    teacher.says("/start")
    teacher.sees("Take attendance:")
    assert student.counts("Attendance marked") == 1
    assert teacher.counts("(final)") == 1
