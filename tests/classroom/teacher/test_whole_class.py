"""The whole class on one screen: All Present, taps on names, and what was decided otherwise."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from classroom.domain.by_hand import AllPresent
from classroom.domain.sessions import CheckIn, CheckInStep, Enrolled, Mark, Session, Sheet, Status
from classroom.overview import SessionOverview
from classroom.teacher import whole_class
from telegram_app.i18n import texts
from tests.classroom.running import Lms, Run, RunningClock, Student, Teacher, rosters
from tests.classroom.teacher.test_board import comes, key_of
from tests.e2e.people import Telegram, eventually, labels
from tests.servers import mongo_server

pytestmark = pytest.mark.integration

LIST = "A tap on a name changes it"


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.ordeal)])
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Give the settings of each store."""
    if request.param == "sqlite":
        yield {}
        return
    with mongo_server() as uri:
        yield {"mongodb_uri": SecretStr(uri)}


def recorded(folder: Path) -> dict[str, str]:
    """Return the statuses on record, by student ID."""
    found: dict[str, str] = {}
    for path in (folder / "rosters" / "marks").glob("*.csv"):
        lines = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        found |= {line["student_id"]: line["status"] for line in lines}
    return found


def shows(teacher: Teacher, *wanted: str) -> None:
    """Wait until the list has buttons with these labels."""
    teacher.waits(
        f"the buttons {wanted}",
        lambda messages: any(LIST in (each["text"] or "") and set(wanted) <= set(labels(each)) for each in messages),
    )


def data_of(teacher: Teacher, label: str) -> str:
    """Return the data of the newest button with this label."""
    found = [button for each in teacher.screen() for row in each.get("buttons") or [] for button in row]
    return next(str(button["data"]) for button in reversed(found) if button["text"] == label)


def all_present(teacher: Teacher) -> None:
    """Open the list, tap All Present, and confirm."""
    teacher.taps("Whole Class")
    teacher.taps("All Present")
    number = teacher.sees("as present?")["text"].split("Mark ")[1].split()[0]
    teacher.taps(f"Yes, Mark {number}")


def test_all_but_one(
    run: Run, telegram: Telegram, clock: RunningClock, tmp_path: Path, settings: dict[str, Any]
) -> None:
    """All Present asks once with the number; a tap makes one absent, late stays, and all is on record in each store."""
    run.starts(**settings)
    teacher, late, absent = Teacher(telegram, 7001, "+77010000001"), Student(telegram, 2002), Student(telegram, 2003)
    teacher.signs_in()
    code = teacher.opens("CS-1")
    late.enters("S002", code)
    absent.enters("S003", code)  # both are linked, and neither shares a place
    teacher.taps("Whole Class")
    teacher.taps("Late or Excused")
    teacher.sees("Who is late or excused?")
    teacher.taps("\u2717 B. Student")
    teacher.taps("Late")
    teacher.taps("No Reason")
    teacher.waits("the choice", lambda messages: "late: B. Student" in labels(messages[-1]))
    teacher.taps("Back")
    teacher.taps("All Present")
    question = teacher.sees("Mark 2 of 3 as present?")["text"]
    assert "They stay as they are: 1 (late: 1)" in question
    assert "- C. Student (S003)" in question
    teacher.taps("Yes, Mark 2")
    shows(teacher, "\u2713 A. Student", "late: B. Student", "\u2713 C. Student")
    assert teacher.counts("as present?") == 0
    teacher.taps("\u2713 C. Student")
    shows(teacher, "\u2713 A. Student", "\u2717 C. Student")
    assert absent.counts("Your teacher has marked you") == 0  # not yet: it may be tapped again
    teacher.taps("Done")
    absent.sees("Your teacher has marked you: absent")
    late.sees("Your teacher has marked you: late")
    teacher.taps("Close Now")
    teacher.sees("Closed at")
    clock.forward(16)
    teacher.sees("(final)")
    assert recorded(tmp_path) == {"S001": "present", "S002": "late", "S003": "absent"}
    assert [each.counts("Your teacher has marked you") for each in (late, absent)] == [1, 1]
    assert telegram.refused_calls() == []


class TestNotDecided:
    """Check-ins that are not decided when All Present is tapped."""

    def test_without_these(self, teacher: Teacher, code: str, student: Student) -> None:
        """Who waits for the teacher is named with the ID, and is left out where the teacher says so."""
        comes(student, code, "S001", 80)
        teacher.taps("Whole Class")
        shows(teacher, "? A. Student")
        teacher.taps("All Present")
        assert "- A. Student (S001)" in teacher.sees("whose check-ins are not decided")["text"]
        teacher.taps("Without These (2)")
        shows(teacher, "? A. Student", "\u2713 B. Student", "\u2713 C. Student")
        assert student.counts("marked") == 0

    @pytest.mark.ordeal
    def test_deleted_since(self, teacher: Teacher, code: str, student: Student) -> None:
        """Whom the teacher leaves out stays left out, also where the student deletes the check-in before the tap."""
        comes(student, code, "S001", 80)
        teacher.taps("Whole Class")
        teacher.taps("All Present")
        teacher.sees("whose check-ins are not decided")
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        teacher.taps("Without These (2)")
        shows(teacher, "\u2717 A. Student", "\u2713 B. Student", "\u2713 C. Student")

    def test_arrives_before_the_confirmation(self, teacher: Teacher, code: str, student: Student) -> None:
        """Whose check-in began after the question is not marked by its button, but asked about by name."""
        teacher.taps("Whole Class")
        teacher.taps("All Present")
        teacher.sees("Mark 3 of 3 as present?")
        comes(student, code, "S001", 5)
        teacher.taps("Yes, Mark 3")
        question = teacher.sees("Mark 1 of 3 as present?")
        assert "- A. Student (S001)" in question["text"]
        teacher.taps("Back")
        shows(teacher, "? A. Student", "\u2713 B. Student", "\u2713 C. Student")

    @pytest.mark.ordeal
    def test_not_accepted(self, teacher: Teacher, code: str, student: Student) -> None:
        """Whom the teacher did not accept stays absent, and the question says how many."""
        comes(student, code, "S001", 80)
        teacher.taps("Check One by One")
        teacher.taps("Reject A. Student")
        student.sees("did not accept")
        teacher.taps("Whole Class")
        teacher.taps("All Present")
        assert "They stay as they are: 1 (not accepted: 1)" in teacher.sees("Mark 2 of 3 as present?")["text"]
        teacher.taps("Yes, Mark 2")
        shows(teacher, "\u2717 A. Student", "\u2713 B. Student", "\u2713 C. Student")


class TestTaps:
    """Taps that come twice, late, or from somebody else."""

    def test_twice(self, teacher: Teacher, code: str, tmp_path: Path) -> None:
        """Two taps on one button are one change, also on those of the question."""
        teacher.taps("Whole Class")
        shows(teacher, "\u2717 A. Student")
        present = data_of(teacher, "\u2717 A. Student")
        teacher.forges(present)
        teacher.forges(present)
        shows(teacher, "\u2713 A. Student")
        teacher.taps("All Present")
        teacher.sees("Mark 2 of 3 as present?")
        yes = data_of(teacher, "Yes, Mark 2")
        teacher.forges(yes)
        teacher.forges(yes)
        teacher.settles()
        shows(teacher, "\u2713 A. Student", "\u2713 B. Student", "\u2713 C. Student")
        assert teacher.counts("as present?") == 0

    @pytest.mark.ordeal
    def test_checked_in_meanwhile(self, teacher: Teacher, code: str, clock: RunningClock, student: Student) -> None:
        """A button drawn before the student was marked late makes nobody present: it shows what the student is."""
        teacher.taps("Whole Class")
        shows(teacher, "\u2717 A. Student")
        old = data_of(teacher, "\u2717 A. Student")
        teacher.forges(f"mkn:{key_of(teacher)}:0:l")
        teacher.forges(old)
        shows(teacher, "late: A. Student")

    def test_of_another_teacher(self, teacher: Teacher, code: str, telegram: Telegram, tmp_path: Path) -> None:
        """Another teacher's forged buttons change nothing in the session, and show nothing of it."""
        key = key_of(teacher)
        other = Teacher(telegram, 7002, "+77010000002", "Other")
        other.signs_in()
        for data in ("class:{}:0", "choose:{}:0", "to:{}:0:p", "every:{}", "every:{}:0", "others:{}:0", "ready:{}"):
            other.forges(data.format(key))
        other.forges(f"finish:{key}")
        other.settles()
        other.reads_toast("This button is no longer in use.")
        assert other.counts("A. Student") == 0
        teacher.taps("Whole Class")
        shows(teacher, "\u2717 A. Student", "\u2717 B. Student", "\u2717 C. Student")
        eventually("answers to all taps", lambda: not telegram.unanswered_taps())

    def test_forged_numbers(self, teacher: Teacher, code: str, telegram: Telegram) -> None:
        """Numbers that no button has change nothing, and are answered without an apology."""
        key = key_of(teacher)
        for data in ("class:{}:99999", "to:{}:99999:p", "every:{}:9999999999", "choose:{}:99999"):
            teacher.forges(data.format(key))
        teacher.settles()
        assert teacher.counts("That did not work.") == 0
        eventually("answers to all taps", lambda: not telegram.unanswered_taps())


class TestNotices:
    """What students hear."""

    @pytest.mark.ordeal
    def test_toggled(self, teacher: Teacher, code: str, student: Student, clock: RunningClock) -> None:
        """Who is tapped several times is told once, how it ended, some time after the last tap; nobody presses Done."""
        student.enters("S001", code)
        teacher.taps("Whole Class")
        for before, after in (("\u2717", "\u2713"), ("\u2713", "\u2717"), ("\u2717", "\u2713")):
            teacher.taps(f"{before} A. Student")
            shows(teacher, f"{after} A. Student")
        assert student.counts("has marked you") == 0
        clock.forward(21)
        student.sees("Your teacher has marked you: present")
        eventually("the record", lambda: student.counts("Recorded.") == 1)
        assert student.counts("has marked you") == 1

    @pytest.mark.ordeal
    def test_killed(self, teacher: Teacher, code: str, student: Student, run: Run) -> None:
        """A process that ends between the mark and its notice tells the student at the next start, once."""
        student.enters("S001", code)
        teacher.taps("Whole Class")
        teacher.taps("\u2717 A. Student")
        shows(teacher, "\u2713 A. Student")
        run.stops()
        assert student.counts("has marked you") == 0
        run.starts()
        student.sees("Your teacher has marked you: present")
        teacher.settles()
        assert student.counts("has marked you") == 1

    @pytest.mark.ordeal
    def test_final_report_waits(self, teacher: Teacher, code: str, clock: RunningClock) -> None:
        """The final report comes when the teacher is done with the list, with what it says."""
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        teacher.taps("Whole Class")
        teacher.taps("\u2717 A. Student")
        shows(teacher, "\u2713 A. Student")
        clock.forward(10)
        teacher.taps("\u2717 B. Student")  # within 20 seconds, which begin anew
        shows(teacher, "\u2713 A. Student", "\u2713 B. Student")
        clock.forward(6)
        provisional = teacher.sees("(provisional)")["text"]
        assert "Present: 1" in provisional or "Present: 2" in provisional
        assert teacher.counts("(final)") == 0
        teacher.taps("Done")
        teacher.sees("In: 2 of 3")
        clock.forward(6)
        teacher.sees("(final)")


@pytest.mark.ordeal
def test_one_write(lms_teacher: Teacher, lms: Lms) -> None:
    """A whole class costs the LMS one write: All Present, and taps right after it."""
    lms_teacher.opens("CS-1")
    all_present(lms_teacher)
    eventually("the record", lambda: [each["students"] for each in lms.records()] == [{"S001": 1, "S002": 1}])
    calls = lms.http.get("/stats").raise_for_status().json()["by_call"]
    assert (calls.get("create", 0), calls.get("update", 0)) == (1, 0)


def test_sixty(run: Run, telegram: Telegram, tmp_path: Path) -> None:
    """60 students, of whom two have one name, are on record in under 70 taps, on pages that Telegram accepts."""
    names = [f"Қожахметова{at:02} Айгерім Болатқызы" for at in range(58)] + ["Қуат Анна"] * 2
    rosters(tmp_path, {"CS-1": [(f"S{at:03}", name) for at, name in enumerate(names)]})
    run.starts()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    taps_before = len(telegram.get("/taps"))
    teacher.opens("CS-1")
    all_present(teacher)
    teacher.sees(f"In: 60 of 60\n{LIST}")
    shown = labels(teacher.sees(LIST))
    assert sum(each.startswith("\u2713 ") for each in shown) == 40
    for at in (3, 17):
        teacher.taps(f"\u2713 Қожахметова{at:02} Айгерім")
    shows(teacher, "\u2717 Қожахметова03 Айгерім", "\u2717 Қожахметова17 Айгерім")
    teacher.taps("More")
    shows(teacher, "\u2713 Қуат Анна (S058)", "Previous")
    teacher.taps("\u2713 Қуат Анна (S059)")
    shows(teacher, "\u2717 Қуат Анна (S059)", "\u2713 Қуат Анна (S058)")
    teacher.taps("Done")
    teacher.taps("Close Now")
    wanted = {f"S{at:03}": "absent" if at in (3, 17, 59) else "present" for at in range(60)}
    eventually("the record", lambda: recorded(tmp_path) == wanted)
    assert len(telegram.get("/taps")) - taps_before < 70
    assert telegram.refused_calls() == []


@pytest.mark.ordeal
def test_page_of_a_tap(run: Run, telegram: Telegram, tmp_path: Path) -> None:
    """A tap on a later page stays there; names stand two in a row, and a long one alone."""
    names = [f"Student {at:03}" for at in range(49)] + ["Student-With-A-Long-Name 049 Third"]
    rosters(tmp_path, {"CS-1": [(f"S{at:03}", name) for at, name in enumerate(names)]})
    run.starts()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    teacher.opens("CS-1")
    teacher.taps("Whole Class")
    teacher.taps("More")
    teacher.taps("\u2717 Student-With-A-Long-Name 049")
    shows(teacher, "\u2713 Student-With-A-Long-Name 049", "Previous")
    shown = [[button["text"][2:] for button in row] for row in teacher.sees(LIST)["buttons"]]
    assert shown[:2] == [["Student 040", "Student 041"], ["Student 042", "Student 043"]]
    assert shown[5] == ["Student-With-A-Long-Name 049"]


@pytest.mark.parametrize(
    "name", ["Абдрахманов-Нұрмұхаммедов Айгерімгүлнұр Болатқызы", "\U0001f600" * 60], ids=["long", "emoji"]
)
def test_longest_names(name: str) -> None:
    """A page of the longest names, all alike, and the question that names them keep within Telegram's limits."""
    now, number = datetime.now(UTC), 60
    session = Session("0123456789ab", 1, "Main", "Algebra", ("CS-1",), "2026-11-28", None, now, now, 0)
    students = tuple(Enrolled(f"25B03{at:04}", name, "CS-1") for at in range(number))
    marks = {each.student_id: Mark(each.student_id, Status.EXCUSED, now, by=1) for each in students}
    check_ins = [CheckIn(session.id, each.student_id, 1, CheckInStep.PLACE, now) for each in students]
    sheet = Sheet(session.id, "Main", "CS-1", "Algebra", session.date, 1, students)
    for sheets in ([sheet], [replace(sheet, marks=marks)]):
        overview = SessionOverview(session, sheets, check_ins)
        short = whole_class.short_names(overview)
        shown = list(overview.people.items())[: whole_class.ON_A_PAGE]
        buttons = [whole_class.button(texts("kk"), overview, short, at, each, chooses=False) for at, each in shown]
        assert len({each.text for each in buttons}) == len(buttons)
        assert len(json.dumps([{"text": each.text, "callback_data": each.data} for each in buttons])) < 9000
    named = whole_class.named_in(overview, AllPresent((), tuple(each.student_id for each in students), Counter(), 0))
    assert 20 < len(named) <= whole_class.NAMED_AT_ONCE
    lines = [overview.name(each, 50, with_id=True) for each in named]
    assert len("\n".join(lines).encode("utf-16-le")) // 2 < 2700
