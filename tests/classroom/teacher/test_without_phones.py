"""Lessons without phones: of today and of past days, opened after the subject, taken by hand, ended by Done."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.classroom.running import Lms, Run, RunningClock, Student, Teacher
from tests.classroom.teacher.test_board import rows
from tests.classroom.teacher.test_whole_class import LIST, all_present, recorded, settings, shows
from tests.e2e.people import Telegram, eventually, labels

__all__ = ["settings"]  # the fixture

pytestmark = pytest.mark.integration

NOBODY = ("\u2717 A. Student", "\u2717 B. Student", "\u2717 C. Student")


def day(back: int) -> str:
    """Return a date so many days ago, as buttons and titles write it."""
    return f"{datetime.now(ZoneInfo('Asia/Almaty')) - timedelta(days=back):%d.%m.%Y}"


def takes(teacher: Teacher, label: str) -> None:
    """Open a lesson of CS-1 without phones, of the day with this label."""
    teacher.says("/start")
    teacher.taps("Take Attendance")
    teacher.chooses("CS-1")
    teacher.taps("Without Phones")
    teacher.taps(label)


def key_of(teacher: Teacher) -> str:
    """Return the ID of the session of the list."""
    key: str = teacher.sees(LIST)["buttons"][0][0]["data"].split(":")[1]
    return key


def test_today(run: Run, telegram: Telegram, tmp_path: Path, settings: dict[str, Any]) -> None:
    """The class is on the screen at once; Done ends the lesson, and the report comes without waiting, on each store."""
    run.starts(**settings)
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    takes(teacher, "Today")
    shows(teacher, *NOBODY)
    teacher.sees("Without phones: taken by hand.")
    assert teacher.counts("Share your location") == 0
    teacher.taps("All Present")
    teacher.taps("Yes, Mark 3")
    teacher.taps("\u2713 B. Student")
    shows(teacher, "\u2713 A. Student", "\u2717 B. Student", "\u2713 C. Student")
    assert recorded(tmp_path) == {}  # nothing leaves before Done
    teacher.taps("Done")
    report = teacher.sees("Report: ")["text"]
    assert "Without phones: taken by hand." in report
    assert "(final)" in report  # the only one, without waiting for anybody
    assert "Present: 2" in report
    assert "Absent: 1 of 3" in report
    assert recorded(tmp_path) == {"S001": "present", "S002": "absent", "S003": "present"}
    shown = labels(teacher.sees("Closed at"))
    assert {"Whole Class", "Send Report"} <= set(shown)
    assert not {"Reopen", "Extend", "Change Place", "Save This Place"} & set(shown)
    assert teacher.counts(LIST) == 0
    assert telegram.refused_calls() == []


class TestPastDays:
    """Lessons of days before."""

    def test_yesterday(self, lms_teacher: Teacher, lms: Lms, student: Student) -> None:
        """The lesson has the date of its day everywhere, is written to the LMS once, and students read the day."""
        code = lms_teacher.opens("CS-1")  # so that the student is linked
        student.enters("S001", code)
        lms_teacher.taps("Cancel Session")
        lms_teacher.taps("Yes, Cancel It")
        takes(lms_teacher, "Yesterday")
        assert day(1) in lms_teacher.sees(LIST)["text"]
        lms_teacher.taps("All Present")
        lms_teacher.taps("Yes, Mark 2")
        lms_teacher.waits("all", lambda messages: any("In: 2 of 2" in (each["text"] or "") for each in messages))
        assert lms.records() == []
        lms_teacher.taps("Done")
        assert day(1) in lms_teacher.sees("Report: Algebra")["text"]
        assert day(1) in student.sees("Your teacher has marked you: present")["text"]
        (record,) = lms.records()
        assert "-".join(reversed(day(1).split("."))) == record["date"]
        assert record["students"] == {"S001": 1, "S002": 1}
        student.sees("The LMS has it.")
        calls = lms.http.get("/stats").raise_for_status().json()["by_call"]
        assert (calls.get("create", 0), calls.get("update", 0)) == (1, 0)

    def test_same_day_again(self, teacher: Teacher) -> None:
        """A lesson that was taken already is refused for that day, with a way to it, and open for another day."""
        takes(teacher, "Yesterday")
        teacher.taps("All Present")
        teacher.taps("Yes, Mark 3")
        shows(teacher, "\u2713 A. Student")
        teacher.taps("Done")
        teacher.sees("(final)")
        takes(teacher, "Yesterday")
        teacher.waits("the refusal", lambda messages: "Another Day" in labels(messages[-1]))
        refused = teacher.screen()[-1]
        first = next(button["data"] for row in refused["buttons"] for button in row if "board:" in button["data"])
        teacher.taps("Another Day")
        teacher.taps(day(2)[:6])
        shows(teacher, *NOBODY)
        assert first.removeprefix("board:") != key_of(teacher)

    def test_forged_days(self, teacher: Teacher, tmp_path: Path) -> None:
        """Days that no button has open nothing."""
        teacher.says("/start")
        teacher.taps("Take Attendance")
        teacher.chooses("CS-1")
        teacher.taps("Without Phones")
        teacher.sees("On which day is the lesson?")
        for forged in ("2020-01-01", "2999-01-01", "2026-02-31"):
            teacher.forges(f"byhand:{forged}")
        teacher.settles()
        assert rows(tmp_path, "SELECT * FROM sessions") == []
        assert teacher.counts("That did not work.") == 0

    @pytest.mark.ordeal
    def test_tapped_twice(self, teacher: Teacher, tmp_path: Path) -> None:
        """A second tap on the day that has opened the lesson asks nothing."""
        takes(teacher, "Yesterday")
        shows(teacher, *NOBODY)
        teacher.forges(f"byhand:{'-'.join(reversed(day(1).split('.')))}")
        teacher.settles()
        assert (teacher.counts(LIST), teacher.counts("Which batches?")) == (1, 0)
        assert len(rows(tmp_path, "SELECT * FROM sessions")) == 1

    @pytest.mark.ordeal
    def test_no_longer_kept(self, run: Run, telegram: Telegram, tmp_path: Path) -> None:
        """Days of which lessons are deleted already (RETENTION_DAYS) have no button, and a forged one opens nothing."""
        run.starts(retention_days=2)
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.taps("Take Attendance")
        teacher.chooses("CS-1")
        teacher.taps("Without Phones")
        assert labels(teacher.sees("On which day is the lesson?")) == ["Today", "Yesterday", "Back"]
        teacher.forges(f"byhand:{'-'.join(reversed(day(2).split('.')))}")
        teacher.settles()
        assert rows(tmp_path, "SELECT * FROM sessions") == []

    @pytest.mark.ordeal
    def test_corrected_from_the_history(self, teacher: Teacher, code: str, clock: RunningClock, tmp_path: Path) -> None:
        """A lesson with a code of the day before is opened from the history and corrected; it can't get a new code."""
        clock.forward(140)
        teacher.sees("(final)")
        clock.forward(24 * 3600)
        teacher.says("/history")
        teacher.taps("Open a Lesson")
        teacher.sees("Which lesson?")
        label = next(each for each in labels(teacher.sees("Which lesson?")) if "Algebra: CS-1" in each)
        teacher.taps(label)
        shown = labels(teacher.sees(f"{day(0)}\nClosed at"))
        assert "Whole Class" in shown
        assert "Reopen" not in shown
        teacher.taps("Whole Class")
        teacher.taps("\u2717 C. Student")
        shows(teacher, "\u2713 C. Student")
        teacher.taps("Done")
        wanted = {"S001": "absent", "S002": "absent", "S003": "present"}
        eventually("the record", lambda: recorded(tmp_path) == wanted)
        teacher.sees("In: 1 of 3")


class TestAnotherLesson:
    """Lessons without phones beside others."""

    def test_beside_one_with_a_code(self, teacher: Teacher, code: str, tmp_path: Path) -> None:
        """Where the day has a lesson already another one without phones gets a name, after the day is chosen."""
        takes(teacher, "Today")
        teacher.sees("CS-1 has a lesson in Algebra today: ")
        teacher.taps("Another Lesson")
        teacher.taps("Lab")
        shows(teacher, *NOBODY)
        assert "Algebra (Lab): CS-1" in teacher.sees(LIST)["text"]
        kept = rows(tmp_path, "SELECT lesson, without_phones FROM sessions ORDER BY opened_at")
        assert [tuple(each) for each in kept] == [("", 0), ("Lab", 1)]
        assert len(rows(tmp_path, "SELECT * FROM codes")) == 1

    @pytest.mark.ordeal
    def test_two_teachers_at_once(self, teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
        """Of two teachers who open one lesson at once one gets it; the other reads who has it."""
        other = Teacher(telegram, 7002, "+77010000002", "Other")
        other.signs_in()
        today = datetime.now(ZoneInfo("Asia/Almaty")).date().isoformat()
        for each in (teacher, other):
            each.taps("Take Attendance")
            each.chooses("CS-1")
            each.taps("Without Phones")
            each.sees("On which day is the lesson?")
        for each in (teacher, other):
            each.forges(f"byhand:{today}")
        shown = ("Another teacher has opened it.", LIST)
        eventually(
            "one of each",
            lambda: [sorted(each.counts(text) for each in (teacher, other)) for text in shown] == [[0, 1], [0, 1]],
        )
        assert len(rows(tmp_path, "SELECT * FROM sessions")) == 1


class TestNobody:
    """Lessons in which nobody is marked."""

    @pytest.mark.ordeal
    def test_asked(self, teacher: Teacher, tmp_path: Path) -> None:
        """Done asks before it makes a whole class absent; the lesson can be cancelled there, and opened anew."""
        takes(teacher, "Today")
        shows(teacher, *NOBODY)
        teacher.taps("Done")
        teacher.sees("Nobody is marked: all 3 will be absent.")
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        teacher.sees("Cancelled: nothing is recorded.")
        takes(teacher, "Today")
        shows(teacher, *NOBODY)
        teacher.taps("Done")
        teacher.taps("Yes, All Are Absent")
        assert "Absent: 3 of 3" in teacher.sees("(final)")["text"]
        assert recorded(tmp_path) == dict.fromkeys(("S001", "S002", "S003"), "absent")

    def test_forgotten(self, teacher: Teacher, clock: RunningClock, tmp_path: Path) -> None:
        """A lesson in which nobody was marked is cancelled after twelve hours: no class is absent by mistake."""
        takes(teacher, "Today")
        shows(teacher, *NOBODY)
        clock.forward(12 * 3600 - 60)
        teacher.settles()
        assert teacher.counts("Cancelled") == 0
        clock.forward(61)
        teacher.sees("Cancelled: nothing is recorded.")
        teacher.taps("\u2717 A. Student")  # the list is still there
        teacher.reads_toast("Cancelled: nothing is recorded.")
        assert recorded(tmp_path) == {}

    @pytest.mark.ordeal
    def test_forgotten_half_way(self, teacher: Teacher, clock: RunningClock, tmp_path: Path) -> None:
        """A lesson that nobody ended is reported after twelve hours with the marks it has."""
        takes(teacher, "Today")
        teacher.taps("\u2717 B. Student")
        shows(teacher, "\u2713 B. Student")
        clock.forward(12 * 3600 + 1)
        assert "Present: 1" in teacher.sees("(final)")["text"]
        assert recorded(tmp_path) == {"S001": "absent", "S002": "present", "S003": "absent"}


class TestNoCode:
    """Nothing makes a code for such a lesson."""

    @pytest.mark.ordeal
    def test_forged(self, teacher: Teacher, tmp_path: Path, telegram: Telegram) -> None:
        """The buttons of a lesson with a code do nothing, before and after the end."""
        takes(teacher, "Today")
        shows(teacher, *NOBODY)
        key = key_of(teacher)
        forged = [f"reopen:{key}", f"extend:{key}:{2**31}", f"place:{key}", f"save:{key}"]
        for data in forged:
            teacher.forges(data)
        teacher.settles()
        teacher.forges(f"finish:{key}")
        teacher.sees("(final)")
        for data in forged:
            teacher.forges(data)
        teacher.settles()
        teacher.reads_toast("This button is no longer in use.")
        assert rows(tmp_path, "SELECT * FROM codes") == []
        assert [row["reopened_at"] for row in rows(tmp_path, "SELECT * FROM sessions")] == [None]
        assert teacher.counts("Where is the class?") == 0
        eventually("answers to all taps", lambda: not telegram.unanswered_taps())

    @pytest.mark.ordeal
    def test_rotating(self, run: Run, telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
        """Where codes rotate it gets none either, also over a restart."""
        run.starts(otp_rotate_seconds=15)
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        takes(teacher, "Today")
        shows(teacher, *NOBODY)
        clock.forward(60)
        run.starts(otp_rotate_seconds=15)
        clock.forward(60)
        all_present(teacher)
        shows(teacher, "\u2713 A. Student")
        with closing(sqlite3.connect(tmp_path / "classroom" / "classroom.sqlite3")) as database:
            assert database.execute("SELECT count(*) FROM codes").fetchone() == (0,)
