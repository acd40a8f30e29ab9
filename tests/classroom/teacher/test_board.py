"""The board of a session and its buttons: double taps, late taps, manual marks, cancelling."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from telegram_app.files import qr_picture
from tests.classroom.running import STUDENTS, Lms, Run, RunningClock, Student, Teacher, rosters
from tests.classroom.teacher.test_opening import pictures
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration


WAIT = "Waiting for you: 1"


def comes(student: Student, code: str, student_id: str, metres: float | None = None) -> None:
    """Let a student send code and ID, and a location if ``metres`` is given."""
    student.says(f"/start {code}")
    student.sees("Now send me your student ID.")
    student.says(student_id)
    student.sees("The code is right")
    if metres is not None:
        student.shares(metres)
        if metres <= 50:
            student.is_accepted()
        else:
            student.sees("You are" if metres > 100 else "has to look")


def key_of(teacher: Teacher) -> str:
    """Return the ID of the session on the board."""
    board = teacher.sees("Missing: ")
    key: str = board["buttons"][0][0]["data"].split(":")[1]
    return key


def data_of(teacher: Teacher, label: str) -> str:
    """Return the data of a button on the board."""
    buttons = [button for row in teacher.sees("Missing: ")["buttons"] for button in row]
    data: str = next(button["data"] for button in buttons if button["text"] == label)
    return data


def rows(folder: Path, query: str) -> list[Any]:
    """Return the rows of a query on the store."""
    with sqlite3.connect(f"file:{folder / 'classroom' / 'classroom.sqlite3'}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        return database.execute(query).fetchall()


def test_who_is_where(teacher: Teacher, code: str, telegram: Telegram, clock: RunningClock) -> None:
    """The board, one message, shows who is in, being checked, to be reviewed, failed and why, and missing."""
    board = teacher.sees("In: 0 of 3")["message_id"]
    people = [Student(telegram, 2001 + number) for number in range(3)]
    comes(people[0], code, "S001")
    teacher.sees("On the way: 1")
    people[0].shares(10)
    teacher.sees(WAIT)
    comes(people[1], code, "S002", 80)
    teacher.sees("Waiting for you: 2\n- B. Student: just outside (80 m)\n- A. Student: in place (10 m)")
    comes(people[2], code, "S003", 450)
    teacher.sees("Not completed: 1\n- C. Student: too far away (450 m)")
    teacher.taps("Confirm All (1)")
    shown = teacher.sees("In: 1 of 3")
    assert "Missing: 0" in shown["text"]
    assert shown["message_id"] == board
    clock.forward(60)
    eventually("the seconds", lambda: int(teacher.sees(" s left")["text"].split(" s left")[0].split()[-1]) <= 60)
    assert teacher.sees(" s left")["message_id"] == board


class TestTwice:
    """Second taps, before the screen has changed."""

    def test_extend(self, teacher: Teacher, code: str) -> None:
        """A double tap on Extend extends once; the redrawn button extends again."""
        again = data_of(teacher, "Extend")
        teacher.taps("Extend")
        teacher.forges(again)
        teacher.forges(again)
        teacher.settles()
        left = int(teacher.sees(" s left")["text"].split(" s left")[0].split()[-1])
        assert 120 < left <= 240
        eventually("the new button", lambda: data_of(teacher, "Extend") != again)
        teacher.taps("Extend")
        eventually("more", lambda: int(teacher.sees(" s left")["text"].split(" s left")[0].split()[-1]) > 240)

    def test_close_and_reopen(self, teacher: Teacher, code: str, telegram: Telegram, tmp_path: Path) -> None:
        """Double taps on Close Now and Reopen act once; a reopened session gets a new code, picture and board."""
        key = key_of(teacher)
        for _twice in range(2):
            teacher.forges(f"close:{key}")
        teacher.sees("Closed at")
        ended = rows(tmp_path, "SELECT ended_at FROM sessions")
        for _twice in range(2):
            teacher.forges(f"reopen:{key}")
        teacher.settles()
        assert rows(tmp_path, "SELECT ended_at FROM sessions") != ended
        assert len(rows(tmp_path, "SELECT * FROM codes")) == 2
        again = teacher.code()
        assert again != code
        link = f"https://t.me/{STUDENTS}?start={{}}"
        assert pictures(teacher, telegram) == [qr_picture(link.format(again))]
        assert teacher.counts("Missing: ") == 1
        assert teacher.counts(" s left") == 1

    def test_confirm(self, teacher: Teacher, code: str, student: Student, tmp_path: Path) -> None:
        """Repeated Confirm All, and Accept and Reject after it, mark once and send one notice."""
        comes(student, code, "S001", 5)
        teacher.sees(WAIT)
        key = key_of(teacher)
        for data in (f"all:{key}", f"all:{key}", f"ok:{key}:0", f"no:{key}:0"):
            teacher.forges(data)
        teacher.settles()
        student.sees("Attendance marked")
        assert [row["status"] for row in rows(tmp_path, "SELECT * FROM marks")] == ["present"]
        assert [row["version"] for row in rows(tmp_path, "SELECT version FROM sheets")] == [1]
        assert student.counts("Attendance marked") == 1
        assert student.counts("did not accept") == 0

    def test_mark(self, teacher: Teacher, code: str, tmp_path: Path) -> None:
        """A double tap on a manual mark is one change."""
        key = key_of(teacher)
        for _twice in range(2):
            teacher.forges(f"mkn:{key}:1:l")
        teacher.settles()
        assert [row["version"] for row in rows(tmp_path, "SELECT version FROM sheets")] == [1]
        teacher.sees("late: 1")

    def test_forged_numbers(self, teacher: Teacher, code: str, telegram: Telegram, tmp_path: Path) -> None:
        """Numbers that no button has change nothing, and are answered without an apology."""
        key, long = key_of(teacher), "9" * 20
        for data in ("fix:{}:{}", "leave:{}:{}", "owner:{}:0:{}", "confirmed:{}:{}", "extend:{}:{}"):
            teacher.forges(data.format(key, long))
            teacher.forges(data.format(key, long[:10]))
        teacher.settles()
        eventually("answers to all taps", lambda: not telegram.unanswered_taps())
        assert teacher.counts("That did not work.") == 0
        assert rows(tmp_path, "SELECT * FROM marks") == []

    def test_cancel(self, teacher: Teacher, code: str, tmp_path: Path) -> None:
        """After cancelling, no button of the session does anything."""
        key = key_of(teacher)
        teacher.forges(f"cancelled:{key}")
        for data in ("cancelled:{}", "reopen:{}", "all:{}", "hands:{}", "mkn:{}:0:p", "free:{}:0", "report:{}"):
            teacher.forges(data.format(key))
        teacher.settles()
        teacher.sees("Cancelled: nothing is recorded.")
        assert rows(tmp_path, "SELECT * FROM marks") == []
        assert teacher.counts("Whom do you mark by hand?") == 0
        assert teacher.counts("Report: ") == 0


class TestCancel:
    """Cancelling a session."""

    def test_students_are_told(self, teacher: Teacher, code: str, telegram: Telegram) -> None:
        """A waiting student is told that the session is cancelled."""
        student = Student(telegram, 2001)
        comes(student, code, "S001", 5)
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        student.sees("Your teacher has cancelled the check-in for Algebra.")
        teacher.sees("Cancelled: nothing is recorded.")
        teacher.reads_toast("Cancelled.")
        eventually("the question is gone", lambda: "Yes, Cancel It" not in str(teacher.screen()))

    def test_killed_before_they_are_told(
        self, teacher: Teacher, code: str, student: Student, run: Run, tmp_path: Path
    ) -> None:
        """If the process was killed between cancelling and notifying, the next tap notifies the students once."""
        comes(student, code, "S001", 5)
        key = key_of(teacher)
        run.stops()
        with sqlite3.connect(tmp_path / "classroom" / "classroom.sqlite3") as database:
            database.execute("UPDATE sessions SET cancelled = 1, ended_at = closes_at")
        run.starts()
        for _twice in range(2):
            teacher.forges(f"cancelled:{key}")
        teacher.settles()
        student.sees("Your teacher has cancelled the check-in for Algebra.")
        teacher.sees("Cancelled: nothing is recorded.")
        assert student.counts("has cancelled") == 1

    def test_what_the_lms_has(self, lms_teacher: Teacher, lms: Lms, student: Student) -> None:
        """Marks that the LMS already has stay there, and the question says so."""
        code = lms_teacher.opens("CS-1")
        comes(student, code, "S001", 5)
        lms_teacher.taps("Confirm All (1)")
        student.sees("The LMS has it.")
        lms_teacher.taps("Cancel Session")
        lms_teacher.sees("The LMS has marks of it already: they stay there")
        lms_teacher.taps("Yes, Cancel It")
        lms_teacher.sees("Cancelled: nothing is recorded.")
        (record,) = lms.records()
        assert record["students"] == {"S001": 1, "S002": 0}
        assert student.counts("Attendance marked") == 1

    def test_too_late(self, teacher: Teacher, code: str, clock: RunningClock) -> None:
        """A session that ended while the question was open can't be cancelled."""
        teacher.taps("Cancel Session")
        teacher.sees("Cancel the session?")
        clock.forward(121)
        teacher.sees("Closed at")
        teacher.taps("Yes, Cancel It")
        teacher.sees("The session has ended already: it can't be cancelled.")

    def test_back(self, teacher: Teacher, code: str) -> None:
        """Back leaves the session open."""
        teacher.taps("Cancel Session")
        teacher.sees("Cancel the session?")
        teacher.taps("Back")
        eventually("the question is gone", lambda: teacher.counts("Cancel the session?") == 0)
        teacher.sees(" s left")


class TestByHand:
    """Manual marks."""

    def test_every_status(self, teacher: Teacher, code: str, tmp_path: Path) -> None:
        """Every status can be set and changed, and is stored with the reason and the teacher."""
        teacher.taps("Mark by Hand")
        for name, status, reason in (
            ("A. Student", "Present", "no phone"),
            ("B. Student", "Late", "the bus"),
            ("C. Student", "Excused", "ill & <unwell>"),
        ):
            teacher.taps(f"{name}: absent")
            teacher.taps(status)
            teacher.sees(f"{status}: send the reason in one line")
            teacher.says(reason)
            teacher.taps(f"{name}: {status.lower()}")
            teacher.sees(f"Status: {status.lower()}\n{reason}")
            teacher.taps("Back")
        marks = {row["student_id"]: row for row in rows(tmp_path, "SELECT * FROM marks")}
        assert [marks[f"S00{at}"]["status"] for at in (1, 2, 3)] == ["present", "late", "excused"]
        assert {row["by_teacher"] for row in marks.values()} == {7001}
        assert marks["S003"]["reason"] == "ill & <unwell>"
        board = teacher.sees("excused: 1")["text"]
        assert "In: 2 of 3" in board
        assert "late: 1" in board
        teacher.taps("C. Student: excused")
        teacher.taps("Absent")
        teacher.taps("No Reason")
        board = teacher.sees("absent: 1")["text"]
        assert "Missing: 0" in board
        teacher.reads_toast("C. Student: absent")

    def test_and_the_old_list(self, teacher: Teacher, code: str, telegram: Telegram) -> None:
        """What an old Accept or Reject answers is what is recorded; nobody with a mark is told of a rejection."""
        students = [Student(telegram, 2000 + each) for each in (1, 2)]
        for student in students:
            comes(student, code, f"S00{student.number - 2000}", 75)
        key = key_of(teacher)
        teacher.taps("Mark by Hand")
        for name, before, status in (
            ("B. Student", "absent", "Present"),
            ("A. Student", "absent", "Present"),
            ("A. Student", "present", "Absent"),
        ):
            teacher.taps(f"{name}: {before}")
            teacher.taps(status)
            teacher.taps("No Reason")
        students[0].sees("Your teacher has marked you: absent")
        teacher.forges(f"ok:{key}:0")
        teacher.reads_toast("Confirmed: 1")
        students[0].sees("Attendance marked")
        teacher.forges(f"no:{key}:1")
        teacher.reads_toast("Not accepted: 1\nB. Student: present")
        teacher.sees("In: 2 of 3")
        assert students[1].counts("did not accept") == 0

    def test_search(self, run: Run, telegram: Telegram, tmp_path: Path) -> None:
        """A student among 300 is found by a part of the name or ID, and marked."""
        rosters(tmp_path, {"CS-1": [(f"S{at:03}", f"Student {at:03} _*<&" + "\U0001f600") for at in range(300)]})
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.opens("CS-1")
        teacher.taps("Mark by Hand")
        teacher.sees("Whom do you mark by hand?")
        teacher.says("dent 25")
        shown = labels(teacher.sees("Students with \u201cdent 25\u201d: 10"))
        assert shown[0].startswith("Student 250 _*<&\U0001f600")
        teacher.says("Ѕ\u200b 217")  # a Cyrillic letter
        teacher.sees("\u201d: 1")
        teacher.taps("Student 217 _*<&\U0001f600: absent")
        teacher.taps("Late")
        teacher.says("<b>traffic")
        teacher.taps("All Students")
        eventually("all", lambda: "More" in labels(teacher.sees("Whom do you mark by hand?")))
        assert [(row["student_id"], row["reason"]) for row in rows(tmp_path, "SELECT * FROM marks")] == [
            ("S217", "<b>traffic")
        ]
        assert telegram.refused_calls() == []

    def test_same_names(self, run: Run, telegram: Telegram, tmp_path: Path) -> None:
        """Two students with the same name are shown with their IDs."""
        rosters(tmp_path, {"CS-1": [("S1", "A. Student"), ("S2", "A. Student")]})
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.opens("CS-1")
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student (S2): absent")
        teacher.taps("Present")
        teacher.taps("No Reason")
        teacher.sees("In: 1 of 2")
        assert [row["student_id"] for row in rows(tmp_path, "SELECT * FROM marks")] == ["S2"]

    def test_restart_before_the_reason(self, teacher: Teacher, code: str, run: Run, tmp_path: Path) -> None:
        """A reason sent after a restart belongs to the mark that was asked about."""
        teacher.taps("Mark by Hand")
        teacher.taps("B. Student: absent")
        teacher.taps("Excused")
        teacher.sees("send the reason")
        run.starts()
        teacher.says("a letter")
        teacher.sees("excused: 1")
        assert [(row["student_id"], row["reason"]) for row in rows(tmp_path, "SELECT * FROM marks")] == [
            ("S002", "a letter")
        ]

    def test_back_from_the_reason(self, teacher: Teacher, code: str, tmp_path: Path) -> None:
        """After Back a text is a search, not a reason."""
        teacher.taps("Mark by Hand")
        teacher.taps("B. Student: absent")
        teacher.taps("Excused")
        teacher.sees("send the reason")
        teacher.taps("Back")
        teacher.sees("Status: absent")
        teacher.says("C. St")
        teacher.sees("\u201d: 1")
        assert rows(tmp_path, "SELECT * FROM marks") == []

    @pytest.mark.ordeal
    def test_after_the_report(self, teacher: Teacher, code: str, clock: RunningClock, tmp_path: Path) -> None:
        """A mark made after the final report is on the board and in a new report."""
        clock.forward(140)
        teacher.sees("(final)")
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student: absent")
        teacher.taps("Present")
        teacher.taps("No Reason")
        teacher.sees("In: 1 of 3")
        teacher.taps("Send Report")
        eventually("another report", lambda: "Present: 1" in teacher.sees("Report: Algebra")["text"])


class TestUnlink:
    """Unlinking a student's Telegram account."""

    def test_on_record(self, teacher: Teacher, code: str, student: Student, tmp_path: Path) -> None:
        """Unlinking is stored once with the teacher, and a second tap changes nothing."""
        comes(student, code, "S001", 5)
        key = key_of(teacher)
        for _twice in range(2):
            teacher.forges(f"freed:{key}:0")
        teacher.settles()
        (row,) = rows(tmp_path, "SELECT * FROM unbindings")
        assert (row["student_id"], row["by_teacher"]) == ("S001", 7001)
        assert rows(tmp_path, "SELECT * FROM bindings") == []


def test_signed_out(teacher: Teacher, code: str) -> None:
    """After signing out, the board's buttons ask the teacher to sign in, and work again afterwards."""
    key = key_of(teacher)
    teacher.forges("out")
    teacher.sees("You are signed out.")
    teacher.forges(f"close:{key}")
    teacher.sees("Press /start to sign in, then use the button again.")
    teacher.says("/start")
    teacher.sends(contact={"phone_number": teacher.phone})
    eventually("the menu", lambda: "Take Attendance" in labels(teacher.sees("Take attendance:")))
    teacher.forges(f"close:{key}")
    teacher.sees("Closed at")


def test_lms_refuses(lms_teacher: Teacher, lms: Lms, student: Student) -> None:
    """The teacher sees the LMS's refusal, and Try Again sends the marks."""
    code = lms_teacher.opens("CS-1")
    comes(student, code, "S001", 5)
    lms.tells("behaviour", calls=["create", "update"], status=403)
    lms_teacher.taps("Confirm All (1)")
    lms_teacher.sees("The LMS does not take CS-1; it says: \u201c403")
    assert student.counts("The LMS has it.") == 0
    lms.tells("behaviour", status=None)
    lms_teacher.taps("Try Again")
    student.sees("The LMS has it.")
    (record,) = lms.records()
    assert record["students"] == {"S001": 1, "S002": 0}
    eventually("the board", lambda: "The LMS does not take" not in lms_teacher.sees("Missing: ")["text"])
