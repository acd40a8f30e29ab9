"""Several lessons of a batch and subject a day: the way to the first, another one's name, and the LMS's one record."""

from pathlib import Path

import pytest

from tests.classroom.running import PASSWORD, Lms, Run, RunningClock, Student, Teacher
from tests.classroom.teacher.test_opening import screen_of, sessions
from tests.e2e.people import Telegram, eventually

pytestmark = pytest.mark.integration


def begins_another(teacher: Teacher, *batches: str) -> None:
    """Choose batches of which one has a lesson today, and go on to the names."""
    teacher.says("/start")
    teacher.taps("Take Attendance")
    teacher.chooses(*batches)
    teacher.taps("Another Lesson")
    teacher.sees("Which lesson is it? Tap a name, or send one.")


def names(folder: Path) -> list[str]:
    return [session["lesson"] for session in sessions(folder)]


def test_another_lesson(teacher: Teacher, tmp_path: Path) -> None:
    """A second lesson gets a name by a tap, which stands in its title and among the sessions; files ask no more."""
    teacher.opens("CS-1")
    begins_another(teacher, "CS-1", "CS-2")
    shown = screen_of(teacher, "Which lesson is it?")
    assert (shown[:3], shown[-1]) == (["Lecture", "Lab", "Seminar"], "Back")
    assert len(shown[3]) == len("14:00")
    teacher.taps("Lab")
    teacher.sees("Algebra (Lab): CS-1, CS-2\nWhere is the class?")
    teacher.shares_place()
    teacher.sees("Algebra (Lab): CS-1, CS-2\nCode: ")
    assert names(tmp_path) == ["", "Lab"]
    teacher.says("/start")
    teacher.taps("Open Session")
    assert any(label.endswith("Algebra (Lab): CS-1, CS-2") for label in screen_of(teacher, "Which session?"))
    begins_another(teacher, "CS-2")
    assert screen_of(teacher, "Which lesson is it?")[:2] == ["Lecture", "Seminar"]


@pytest.mark.ordeal
def test_same_lesson_again(teacher: Teacher, tmp_path: Path) -> None:
    """A typed name that differs only in case and spaces is the same lesson: refused, with ways to each of the day's."""
    teacher.opens("CS-1")
    begins_another(teacher, "CS-1")
    teacher.says("Lab")
    teacher.sees("Algebra (Lab): CS-1\nWhere is the class?")
    teacher.shares_place()
    teacher.sees("Algebra (Lab): CS-1\nCode: ")
    begins_another(teacher, "CS-1")
    teacher.says(" l AB")
    shown = screen_of(teacher, "There is this lesson already: l AB.\nCS-1 has a lesson in Algebra today: ")
    assert [label[:9] for label in shown[:3]] == ["Open It: ", "Open It: ", "Another L"]
    assert shown[-1] == "Back"
    teacher.taps(shown[1])
    eventually("the lab's board", lambda: "Algebra (Lab)" in str(teacher.screen()[-1]))
    assert names(tmp_path) == ["", "Lab"]


def test_names(teacher: Teacher, tmp_path: Path) -> None:
    """A name too long, or without a visible letter, is asked for again; any other is taken and shown as it is."""
    teacher.opens("CS-1")
    begins_another(teacher, "CS-1")
    for wrong in ("x" * 33, "\u2063\u200b"):
        before = teacher.counts("A lesson's name has 1 to 32 characters.")
        teacher.says(wrong)
        eventually("the question", lambda: teacher.counts("has 1 to 32 characters.\nWhich lesson") == before + 1)  # noqa: B023
    teacher.says("<Lab>  & 2")
    teacher.sees("Algebra (<Lab> & 2): CS-1\nWhere is the class?")
    teacher.shares_place()
    teacher.sees("Algebra (<Lab> & 2): CS-1\nCode: ")
    assert names(tmp_path) == ["", "<Lab> & 2"]


@pytest.mark.ordeal
def test_back(teacher: Teacher, tmp_path: Path) -> None:
    """Back leads from the names to the day's lessons, and from there to the batches; taps twice change nothing."""
    teacher.opens("CS-1")
    begins_another(teacher, "CS-1")
    teacher.taps("Back")
    shown = screen_of(teacher, "CS-1 has a lesson in Algebra today: ")
    assert (shown[:2], shown[-1]) == (["Open It", "Another Lesson"], "Back")
    teacher.taps("Back")
    teacher.sees("Which batches?")
    teacher.forges("open:name:1")
    teacher.forges("open:lms:0")
    teacher.settles()
    teacher.taps("Next")
    for data in ("open:another", "open:another", "open:name:9", "open:another", "open:name:1", "open:name:1"):
        teacher.forges(data)
    teacher.sees("Algebra (Lab): CS-1\nWhere is the class?")
    teacher.shares_place()
    teacher.sees("Algebra (Lab): CS-1\nCode: ")
    assert names(tmp_path) == ["", "Lab"]


@pytest.mark.ordeal
def test_two_teachers_at_once(teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
    """Of two teachers who are about to open the same lesson the second is told whose it is, and may open another."""
    other = Teacher(telegram, 7002, "+77010000002")
    other.signs_in()
    for each in (teacher, other):
        each.taps("Take Attendance")
        each.chooses("CS-1", "CS-2")
        each.sees("Share your location")
    teacher.shares_place()
    teacher.sees("In: 0 of 4")
    other.shares_place()
    other.sees("Nothing was opened.")
    other.sees(".\nAnother teacher has opened it. A. Teacher")
    other.taps("Another Lesson")
    other.taps("Seminar")
    other.sees("Algebra (Seminar): CS-1, CS-2\nWhere is the class?")
    other.shares_place()
    other.sees("Algebra (Seminar): CS-1, CS-2\nCode: ")
    assert [(session["teacher"], session["lesson"]) for session in sessions(tmp_path)] == [
        (7001, ""),
        (7002, "Seminar"),
    ]


def test_cancelled_is_free(teacher: Teacher, tmp_path: Path) -> None:
    """After the only lesson was cancelled the batch has none: the next one needs no name."""
    teacher.opens("CS-1")
    teacher.taps("Cancel Session")
    teacher.taps("Yes, Cancel It")
    teacher.sees("Cancelled: nothing is recorded.")
    teacher.says("/start")
    teacher.opens("CS-1")
    assert names(tmp_path) == ["", ""]


@pytest.mark.ordeal
def test_student_sees_which(teacher: Teacher, student: Student, clock: RunningClock) -> None:
    """A student's messages, history and request for a correction name the lesson."""
    teacher.opens("CS-1")
    begins_another(teacher, "CS-1")
    teacher.taps("Lab")
    teacher.shares_place()
    teacher.sees("Algebra (Lab): CS-1\nCode: ")
    student.enters("S001", teacher.code())
    student.sees("Algebra (Lab)\nThe code is right")
    student.shares()
    student.is_accepted()
    teacher.taps("Confirm All (1)")
    student.sees("Attendance marked\nAlgebra (Lab), ")
    clock.forward(140)
    teacher.sees("Report: Algebra (Lab), ")
    student.says("/me")
    student.sees("Algebra (Lab): present")
    teacher.says("/history")
    teacher.sees("Algebra (Lab), CS-1: 33 % (1/3)")


class TestOneRecord:
    """An LMS that has one record of a batch and subject a day."""

    @pytest.fixture
    def lecture(self, lms_teacher: Teacher, telegram: Telegram) -> Student:
        """Give a student who was marked in the lecture, which the LMS has."""
        student = Student(telegram, 2001)
        student.enters("S001", lms_teacher.opens("CS-1"))
        student.shares()
        student.is_accepted()
        lms_teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        return student

    def opens_lab(self, teacher: Teacher, choice: str) -> str:
        """Open the lab with a choice about the record; return its code."""
        teacher.says("/start")
        teacher.taps("Take Attendance")
        teacher.taps("Another Lesson")
        teacher.taps("Lab")
        shown = screen_of(teacher, "The LMS has one record a day of CS-1 in Algebra.")
        assert shown == ["One Record", "Do Not Send", "Back"]
        teacher.taps(choice)
        teacher.shares_place()
        teacher.sees("Algebra (Lab): CS-1\nCode: ")
        return teacher.code()

    def come(self, teacher: Teacher, telegram: Telegram, code: str) -> Student:
        """Let the other student come to the lab."""
        student = Student(telegram, 2002)
        student.enters("S002", code)
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        return student

    @pytest.mark.ordeal
    def test_shared(
        self, lecture: Student, lms_teacher: Teacher, telegram: Telegram, lms: Lms, clock: RunningClock
    ) -> None:
        """One record has who was in any of the lessons, which the reports of both say."""
        student = self.come(lms_teacher, telegram, self.opens_lab(lms_teacher, "One Record"))
        clock.forward(140)
        eventually("the record", lambda: [each["students"] for each in lms.records()] == [{"S001": 1, "S002": 1}])
        eventually("both reports", lambda: lms_teacher.counts("(final)") == 2)
        assert lms_teacher.counts("One record in the LMS for the day's lessons, present in any of them: CS-1") >= 2
        student.sees("The LMS has it.")
        (record,) = lms.records()
        assert record["copies"] == 1

    @pytest.mark.ordeal
    def test_cancelled(self, lecture: Student, lms_teacher: Teacher, telegram: Telegram, lms: Lms) -> None:
        """Where a lesson with a shared record is cancelled its marks leave the record, which is said before."""
        student = self.come(lms_teacher, telegram, self.opens_lab(lms_teacher, "One Record"))
        eventually("the record", lambda: [each["students"] for each in lms.records()] == [{"S001": 1, "S002": 1}])
        lms_teacher.taps("Cancel Session")
        lms_teacher.sees("Its marks leave the day's record in the LMS; the other lessons' stay.")
        lms_teacher.taps("Yes, Cancel It")
        eventually("the record", lambda: [each["students"] for each in lms.records()] == [{"S001": 1, "S002": 0}])
        student.sees("Your teacher has cancelled the check-in for Algebra (Lab).")

    @pytest.mark.ordeal
    def test_first_cancelled(
        self, lecture: Student, lms_teacher: Teacher, telegram: Telegram, lms: Lms, tmp_path: Path
    ) -> None:
        """Where the first lesson is cancelled before anybody came to the second, its students are told all the same."""
        (first,) = sessions(tmp_path)
        eventually("the record", lambda: [each["students"] for each in lms.records()] == [{"S001": 1, "S002": 0}])
        code = self.opens_lab(lms_teacher, "One Record")
        lms_teacher.forges(f"cancel:{first['id']}")
        lms_teacher.sees("Its marks leave the day's record in the LMS; the other lessons' stay.")
        lms_teacher.taps("Yes, Cancel It")
        lecture.sees("Your teacher has cancelled the check-in for Algebra.")
        self.come(lms_teacher, telegram, code)
        eventually("the record", lambda: [each["students"] for each in lms.records()] == [{"S001": 0, "S002": 1}])

    @pytest.mark.ordeal
    def test_not_sent(
        self, lecture: Student, lms_teacher: Teacher, telegram: Telegram, lms: Lms, clock: RunningClock
    ) -> None:
        """A lesson that is not sent leaves the record alone; its board and final report say so, without waiting."""
        student = self.come(lms_teacher, telegram, self.opens_lab(lms_teacher, "Do Not Send"))
        lms_teacher.sees("Not sent to the LMS, as you chose: CS-1")
        lms.tells("behaviour", status=500)
        clock.forward(140)
        report = lms_teacher.sees("Report: Algebra (Lab)")["text"]
        assert "Not sent to the LMS, as you chose: CS-1" in report
        assert "The LMS has everything." not in report
        eventually("the final report", lambda: lms_teacher.counts("(final)") == 1)
        assert [each["students"] for each in lms.records()] == [{"S001": 1, "S002": 0}]
        assert student.counts("The LMS has it.") == 0

    @pytest.mark.ordeal
    def test_only_one_of_two_batches(self, lecture: Student, lms_teacher: Teacher, lms: Lms, tmp_path: Path) -> None:
        """Of several batches only those with a record that day are asked for, and concerned by the answer."""
        lms.has_batch("CS-2", [("S101", "D. Student")])
        lms_teacher.says("/start")
        lms_teacher.taps("Take Attendance")
        lms_teacher.sees("CS-1 has a lesson in Algebra today: ")
        lms_teacher.forges("open:reload")
        lms_teacher.chooses("CS-1", "CS-2")
        lms_teacher.sees("CS-1 has a lesson in Algebra today: ")
        lms_teacher.taps("Another Lesson")
        lms_teacher.taps("Lab")
        lms_teacher.sees("The LMS has one record a day of CS-1 in Algebra.")
        lms_teacher.taps("Do Not Send")
        lms_teacher.shares_place()
        lms_teacher.sees("Not sent to the LMS, as you chose: CS-1")
        lms_teacher.sees("In: 0 of 3")

    @pytest.mark.ordeal
    def test_over_a_restart(
        self, lecture: Student, lms_teacher: Teacher, run_with_lms: Run, lms: Lms, telegram: Telegram
    ) -> None:
        """The choice and the union survive a restart during an outage of the LMS."""
        code = self.opens_lab(lms_teacher, "One Record")
        lms.tells("behaviour", status=503)
        self.come(lms_teacher, telegram, code)
        run_with_lms.starts()
        lms.tells("behaviour", status=None)
        eventually("the record", lambda: [each["students"] for each in lms.records()] == [{"S001": 1, "S002": 1}])

    @pytest.mark.ordeal
    @pytest.mark.parametrize("lms", ["older"], indirect=True)
    def test_practice_mentor(
        self, lecture: Student, lms_teacher: Teacher, telegram: Telegram, lms: Lms, clock: RunningClock
    ) -> None:
        """Where the LMS keeps the records of practice mentors apart their lab has its own: nothing is asked."""
        account = {"id": "m2", "name": "B. Teacher", "email": "practice@example.org", "location": "Main"}
        lms.tells("teachers", **account, password=PASSWORD, user_type="Practice_Mentors")
        lms.tells("courses", email="practice@example.org", batch="CS-1", subject="Algebra")
        other = Teacher(telegram, 7002, "+77010000002")
        other.starts_sign_in()
        other.says(PASSWORD)
        other.sees("e-mail address")
        other.says("practice@example.org")
        other.sees("Take attendance:")
        other.taps("Take Attendance")
        other.sees("Another teacher has opened it. A. Teacher")
        other.taps("Another Lesson")
        other.taps("Lab")
        other.shares_place()
        other.sees("Algebra (Lab): CS-1\nCode: ")
        self.come(other, telegram, other.code())
        clock.forward(140)
        for each in (lms_teacher, other):
            each.sees("(final)")
            assert each.counts("The LMS has everything.") >= 1
        records = {each["of"]: each["students"] for each in lms.records()}
        assert records == {"Mentors": {"S001": 1, "S002": 0}, "Practice_Mentors": {"S001": 0, "S002": 1}}
