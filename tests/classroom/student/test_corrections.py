"""Corrections that students ask for, and what they get of their own data."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from classroom.store import Correction, Store
from tests.classroom.running import STUDENTS, Run, RunningClock, Student, Teacher
from tests.classroom.teacher.test_board import rows
from tests.classroom.test_class import marks
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration

REQUEST = "A student asks to be marked present"


@pytest.fixture
def lesson(teacher: Teacher, student: Student, clock: RunningClock, tmp_path: Path) -> str:
    """A lesson that is over: its student sent the code, and a location too far away. Return its session."""
    code = teacher.opens("CS-1")
    student.enters("S001", code)
    student.shares(700)
    student.sees("You are 700 m from the class")
    clock.forward(140)
    teacher.sees("Report: ")  # final at once where a slow machine took the rest of the time
    clock.forward(400)  # the second question's clock may have begun after the first step of this one
    teacher.sees("(final)")
    (session,) = rows(tmp_path, "SELECT id FROM sessions")
    return str(session["id"])


def asks(student: Student, reason: str) -> None:
    """Ask for the correction of a lesson."""
    chooses(student)
    student.sees("Why should you be marked present?")
    student.says(reason)


def chooses(student: Student) -> None:
    """Choose a lesson to be corrected."""
    student.says("/me")
    student.taps("Ask for a Correction")
    student.taps(labels(student.sees("Which lesson?"))[0])


def data_of(teacher: Teacher, button: str) -> str:
    """Return the data of a button in the request."""
    pressed = [each for row in teacher.sees(REQUEST)["buttons"] for each in row]
    return str(next(each["data"] for each in pressed if each["text"] == button))


class TestCorrection:
    """From the student's reason to the teacher's decision."""

    def test_confirmed_meanwhile(self, teacher: Teacher, student: Student, clock: RunningClock, tmp_path: Path) -> None:
        """The yes to somebody who was confirmed meanwhile leaves the mark, with the time at which the student came."""
        code = teacher.opens("CS-1")
        student.enters("S001", code)
        student.shares()
        student.is_accepted()
        clock.forward(140)
        teacher.sees("Report: Algebra")
        asks(student, "I was there")
        teacher.sees(REQUEST)
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        teacher.taps("Mark Present")
        teacher.sees("You have marked the student present.")
        (mark,) = rows(tmp_path, "SELECT * FROM marks")
        assert (mark["status"], mark["came_at"] is not None) == ("present", True)
        assert mark["reason"].startswith("confirmed with others")
        assert student.counts("Your teacher has marked you") == 0

    def test_marked(self, lesson: str, teacher: Teacher, student: Student, tmp_path: Path) -> None:
        """The teacher's yes is a mark on record, in the LMS, and told to the student; it can be given once."""
        asks(student, "I was <there>,\n& my phone was not")
        student.sees("Your teacher has your request.")
        request, reason = teacher.sees(REQUEST), "I was <there>, & my phone was not"
        for part in (
            "Algebra: CS-1",
            "A. Student S001",
            "Status: absent",
            f"\u201c{reason}\u201d",
        ):
            assert part in request["text"]
        present, leave = data_of(teacher, "Mark Present"), data_of(teacher, "Leave as It Is")
        teacher.taps("Mark Present")
        told = student.sees("Your teacher has marked you: present")["text"]
        assert f"correction asked for: {reason}" in told
        eventually("the LMS", lambda: marks(tmp_path)["S001"] == "present")
        eventually("the record", lambda: student.counts("Recorded."))
        eventually("no buttons", lambda: not teacher.sees("You have marked the student present.").get("buttons"))
        for data in (present, leave, leave):  # taps of a client that still shows the buttons
            teacher.forges(data)
        teacher.settles()
        (mark,) = rows(tmp_path, "SELECT * FROM marks")
        assert (mark["status"], mark["by_teacher"]) == ("present", 7001)
        assert mark["reason"] == f"correction asked for: {reason}"
        (kept,) = rows(tmp_path, "SELECT * FROM corrections")
        assert (kept["accepted"], kept["by_teacher"]) == (1, 7001)
        assert student.counts("Your teacher has marked you") == 1
        assert not student.counts("left as it is")
        student.says("/me")
        student.sees("Algebra: present")
        student.taps("Ask for a Correction")
        student.sees("Nothing to correct.")

    def test_left(self, lesson: str, teacher: Teacher, student: Student, tmp_path: Path) -> None:
        """The teacher's no is on record and told; the lesson takes no second request, decided or not."""
        asks(student, "I was there")
        teacher.sees(REQUEST)
        chooses(student)
        student.sees("your teacher has not decided yet")
        teacher.taps("Leave as It Is")
        student.sees("it is left as it is. Speak to your teacher.")
        teacher.sees("You have left it as it is.")
        chooses(student)
        student.sees("Your teacher has decided on this lesson already.")
        assert rows(tmp_path, "SELECT * FROM marks") == []
        (kept,) = rows(tmp_path, "SELECT * FROM corrections")
        assert (kept["accepted"], kept["by_teacher"]) == (0, 7001)
        assert teacher.counts(REQUEST) == 1

    def test_of_another_teacher(self, lesson: str, teacher: Teacher, student: Student, telegram: Telegram) -> None:
        """Nobody but the lesson's teacher decides, whatever button is forged."""
        asks(student, "I was there")
        data = data_of(teacher, "Mark Present")
        other = Teacher(telegram, 7002, "+77010000002")
        other.signs_in()
        other.forges(data)
        other.settles()
        teacher.sees(REQUEST)
        assert not student.counts("Your teacher has marked you")
        stranger = Student(telegram, 2002)
        stranger.says("/start")
        stranger.says("/me")
        stranger.taps("Ask for a Correction")
        stranger.sees("Nothing to correct.")

    def test_withdrawn(self, lesson: str, teacher: Teacher, student: Student, tmp_path: Path) -> None:
        """With the student's data a request is deleted, and the teacher's button says so."""
        asks(student, "I was there")
        teacher.sees(REQUEST)
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        teacher.taps("Mark Present")
        teacher.sees("The student has withdrawn the request.")
        assert rows(tmp_path, "SELECT * FROM corrections") == []
        assert rows(tmp_path, "SELECT * FROM marks") == []

    def test_opened_again_and_cancelled(
        self, lesson: str, teacher: Teacher, student: Student, run: Run, tmp_path: Path
    ) -> None:
        """A request whose session is opened again and cancelled is answered, once, and its buttons go."""
        asks(student, "I was there")
        teacher.sees(REQUEST)
        teacher.taps("Reopen")
        teacher.sees(" s left")
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        cancelled = "Your teacher has cancelled the check-in for Algebra."
        text = student.waits("the answer", lambda _screen: student.counts(f"\n{cancelled}") and student.sees(cancelled))
        assert text["text"].startswith("Algebra, ")
        teacher.sees("“I was there”\nCancelled: nothing is recorded.")
        run.starts()
        student.says("/help")
        student.sees("In class your teacher shows")
        assert student.counts(f"\n{cancelled}") == 1
        assert [row["accepted"] for row in rows(tmp_path, "SELECT * FROM corrections")] == [0]
        assert rows(tmp_path, "SELECT * FROM marks") == []

    def test_code_instead(self, lesson: str, teacher: Teacher, student: Student) -> None:
        """A code that is sent where a reason was asked for is a code."""
        chooses(student)
        student.sees("Why should you be marked present?")
        student.says("111111")
        student.sees("don't match")
        teacher.settles()
        assert not teacher.counts(REQUEST)

    @pytest.mark.parametrize("accepted", [None, True, False], ids=["asked", "marked", "left"])
    @pytest.mark.ordeal
    def test_after_a_crash(
        self, lesson: str, teacher: Teacher, student: Student, run: Run, clock: RunningClock, accepted: bool | None
    ) -> None:
        """What was stored and not told before a crash is told after the start, once."""

        async def ask_and_decide(store: Store) -> None:
            now = clock.now()
            asked = Correction(lesson, "S001", 2001, "I was there", now)
            assert await store.save_correction(asked)
            if accepted is not None:
                decided = replace(asked, accepted=accepted, decided_at=now, by_teacher=7001)
                assert await store.save_correction(decided)

        run.changes_store(ask_and_decide)
        run.starts()
        if accepted is None:
            teacher.sees(REQUEST)
            run.starts()
            teacher.taps("Leave as It Is")
        if accepted is not True:
            student.sees("it is left as it is")
        run.starts()
        teacher.settles()
        assert teacher.counts(REQUEST) == (accepted is None)
        assert student.counts("it is left as it is") == (accepted is not True)


def test_a_few_a_day(teacher: Teacher, student: Student, clock: RunningClock, run: Run, tmp_path: Path) -> None:
    """An account asks at most three times a day, and only for lessons that are kept."""
    code = teacher.opens("CS-1")
    student.enters("S001", code)
    eventually("its clock runs", lambda: rows(tmp_path, "SELECT 1 FROM check_ins WHERE asked_at > ''"))
    clock.forward(140)
    teacher.sees("Report: ")  # final at once where a slow machine took the rest of the time
    clock.forward(400)  # the second question's clock may have begun after the first step of this one
    teacher.sees("(final)")

    async def more_lessons(store: Store) -> None:
        (first,) = await store.sessions_of(7001, 10)
        (sheet,) = await store.sheets(first.id)
        for number in range(4):
            session = replace(first, id=f"{number:012}", subject=f"Subject {number}", ended_at=None, final_at=None)
            its_own = replace(sheet, session=session.id, subject=session.subject)
            await store.create_session(session, [its_own], f"00000{number}", session.closes_at)
            await store.end_session(session.id, session.closes_at)
            await store.set_reported(session.id, clock.now(), final=True)
            if number < 3:
                await store.save_correction(Correction(session.id, "S001", 2001, "why", clock.now()))

    run.changes_store(more_lessons)
    run.starts()
    student.says("/me")
    student.taps("Ask for a Correction")
    last = next(each for each in labels(student.sees("Which lesson?")) if "Subject 3" in each)
    student.taps(last)
    student.sees("You have asked often enough today.")
    clock.forward(25 * 3600)
    student.says("/me")
    student.taps("Ask for a Correction")
    student.taps(last)
    student.sees("Why should you be marked present?")


def test_my_data(lesson: str, student: Student, teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
    """A student gets all that is kept of the account as one file, which stays on no disk; another account nothing."""
    asks(student, "I was there")
    teacher.taps("Mark Present")
    student.sees("Your teacher has marked you")
    student.says("/my_data")
    found = file_of(student, telegram)
    assert (found["telegram_id"], found["language"], found["face_template"]) == (2001, "en", None)
    (binding,), (check_in,) = found["bindings"], found["check_ins"]
    assert (binding["student_id"], check_in["session"]) == ("S001", lesson)
    assert round(check_in["distance"]) == 700
    assert [(each["reason"], each["accepted"]) for each in found["corrections"]] == [("I was there", 1)]
    assert [(each["subject"], each["mark"]["status"]) for each in found["lessons"]] == [("Algebra", "present")]
    assert not list(tmp_path.rglob("*my_data*"))
    stranger = Student(telegram, 2002)
    stranger.says("/start")
    stranger.says("/my_data")
    empty = file_of(stranger, telegram)
    assert empty["bindings"] == empty["check_ins"] == []
    assert "S001" not in json.dumps(empty)
    assert "my_data" in str(telegram.get("/commands", bot=STUDENTS))


def test_my_data_of_a_rival(code: str, student: Student, telegram: Telegram) -> None:
    """A student learns that another account has sent the same ID, not which one, and of a wrong try no more than typed.

    That the code of a try was right would help somebody who guesses, with IDs of no roster.
    """
    student.enters("S001", code)
    other = Student(telegram, 20027777)
    other.says(f"/start {code}")
    other.says("S001")
    other.sees("Your teacher has to look at your check-in")
    student.says("/my_data")
    found = file_of(student, telegram)
    assert [each["rivals"] for each in found["check_ins"]] == [True]
    assert "20027777" not in json.dumps(found)
    other.says(f"X999 {code}")
    other.sees("Student ID and code don't match.")
    other.says("/my_data")
    assert [each.keys() for each in file_of(other, telegram)["attempts"]] == [{"telegram_id", "folded", "at"}]


def file_of(student: Student, telegram: Telegram) -> Any:
    """Return the content of the file in a student's chat."""

    def newest() -> Any:
        return next((each["document"] for each in reversed(student.screen()) if each.get("document")), None)

    document = eventually("the file", newest)
    assert document["file_name"] == "my_data.json"
    return telegram.http.get("/file", params={"bot": STUDENTS, "file_id": document["file_id"]}).json()
