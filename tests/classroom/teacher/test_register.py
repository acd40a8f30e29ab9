"""The dialogue that asks for a register, and whose lessons are in it."""

import io
import shutil
import stat
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pytest

from tests.classroom.running import TEACHERS, Run, RunningClock, Teacher
from tests.classroom.teacher.test_reports import files, finishes
from tests.e2e.people import Message, Person, Telegram, eventually, labels

pytestmark = pytest.mark.integration

ADMIN = 5001


@pytest.fixture
def second(teacher: Teacher, telegram: Telegram) -> Teacher:
    """Give another teacher who is signed in."""
    second = Teacher(telegram, 7002, "+77010000002")
    second.signs_in()
    return second


def gives(teacher: Teacher, clock: RunningClock, *batches: str) -> None:
    """Take attendance of some batches, of whom nobody comes."""
    teacher.opens(*batches)
    clock.forward(140)
    finishes(teacher, clock)


def its_files(person: Any, telegram: Telegram) -> dict[str, bytes]:
    """Return the register's files by name, once all three are there."""

    def those() -> dict[str, bytes]:
        return {name: content for name, content in files(person, telegram).items() if name.startswith("Register")}

    return dict(eventually("the register's files", lambda: len(found := those()) == 3 and found))


def cells(content: bytes) -> list[list[Any]]:
    """Return the workbook's rows of students: ID and what follows."""
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    top = next(at for at, row in enumerate(rows) if row[0] == "No.")
    return [row[1:] for row in rows[top + 1 :] if isinstance(row[0], int)]


def book(person: Any, telegram: Telegram) -> bytes:
    """Return the newest register's workbook."""

    def books() -> list[bytes]:
        found = files(person, telegram).items()
        return [content for name, content in found if name.startswith("Register") and name.endswith(".xlsx")]

    return bytes(eventually("the workbook", books)[-1])


def asked(person: Any, text: str) -> Message:
    """Wait for a question of the dialogue."""
    found: Message = person.sees(f"Register\n{text}")
    return found


def test_own_lessons(teacher: Teacher, clock: RunningClock, telegram: Telegram, tmp_path: Path) -> None:
    """From the menu: the batch, the days, then workbook, PDF and CSV in one album, and the menu below."""
    gives(teacher, clock, "CS-1")
    teacher.says("/start")
    teacher.taps("Register")
    text = asked(teacher, "Algebra\nCS-1\nWhich days?")["text"]
    assert "Lessons are kept since " in text
    teacher.taps("All That Is Kept")
    found = its_files(teacher, telegram)
    assert sorted(name.rpartition(".")[2] for name in found) == ["csv", "pdf", "xlsx"]
    assert all(name.startswith("Register_Algebra_CS-1_") for name in found)
    assert [(row[0], row[3:5]) for row in cells(book(teacher, telegram))] == [
        (f"S00{at}", ["A", 0]) for at in (1, 2, 3)
    ]
    eventually("the menu", lambda: "Take attendance:" in (teacher.screen()[-1]["text"] or ""))
    assert teacher.counts("being made") == 0
    kept = list((tmp_path / "classroom" / "reports").rglob("Register*"))
    assert {stat.S_IMODE(each.stat().st_mode) for each in kept} == {0o600}
    clock.forward(8 * 24 * 3600)
    eventually("they are deleted", lambda: not list((tmp_path / "classroom" / "reports").iterdir()))
    assert telegram.refused_calls() == []


@pytest.mark.ordeal
def test_batches(teacher: Teacher, clock: RunningClock, telegram: Telegram) -> None:
    """Of several batches one is chosen, or all: then each student is one line, and a lesson of both one column."""
    gives(teacher, clock, "CS-1", "CS-2")
    teacher.says("/register")
    assert labels(asked(teacher, "Algebra\nWhich batch?")) == ["CS-1", "CS-2", "All Batches", "Start Over", "Back"]
    teacher.taps("CS-2")
    teacher.taps("This Term")
    assert {row[0] for row in cells(book(teacher, telegram))} == {"S101"}
    teacher.says("/register")
    teacher.taps("All Batches")
    teacher.taps("This Month")
    eventually("both", lambda: len({row[0] for row in cells(book(teacher, telegram))}) == 4)


def test_no_lesson(teacher: Teacher, clock: RunningClock) -> None:
    """Without a lesson, at all or on those days, one line says so, and other days can be chosen."""
    teacher.taps("Register")
    asked(teacher, "No lesson has been held yet.")
    teacher.taps("Back")
    gives(teacher, clock, "CS-1")
    teacher.says("/register")
    teacher.taps("Last Month")
    text = asked(teacher, "There was no lesson from ")
    assert {"This Month", "All That Is Kept", "Back"} <= set(labels(text))


@pytest.mark.ordeal
def test_not_written(teacher: Teacher, clock: RunningClock, telegram: Telegram, tmp_path: Path) -> None:
    """Where the files can't be written the teacher is told, and has the question again, which then works."""
    gives(teacher, clock, "CS-1")
    teacher.says("/register")
    asked(teacher, "Algebra\nCS-1\nWhich days?")
    folder = tmp_path / "classroom" / "reports"
    shutil.rmtree(folder)
    folder.write_text("a file where the folder was")
    teacher.taps("All That Is Kept")
    teacher.sees("That did not work.")
    asked(teacher, "Algebra\nCS-1\nWhich days?")
    assert teacher.counts("being made") == 0
    folder.unlink()
    teacher.taps("All That Is Kept")
    assert len(its_files(teacher, telegram)) == 3


@pytest.mark.ordeal
def test_no_admin_any_more(run: Run, teacher: Teacher, clock: RunningClock) -> None:
    """A teacher who was an admin when the question came is asked anew, about the own lessons only."""
    gives(teacher, clock, "CS-1")
    run.starts(classroom_admins=(teacher.number,))
    teacher.says("/register")
    asked(teacher, "Algebra\nCS-1\nWhich days?")
    run.starts()
    teacher.forges("register:kept")
    eventually("the question again", lambda: teacher.counts("Which days?") == 1)
    teacher.taps("All That Is Kept")
    teacher.sees("Register: Algebra, CS-1")


@pytest.mark.ordeal
def test_nobody_elses(teacher: Teacher, second: Teacher, clock: RunningClock, telegram: Telegram) -> None:
    """A teacher sees the own lessons only, also with forged buttons; a stranger is asked to sign in."""
    gives(teacher, clock, "CS-1")
    second.says("/register")
    asked(second, "No lesson has been held yet.")
    for data in ("register:all", "register:0", "register:kept", "register:p:1"):
        second.forges(data)
    second.settles()
    assert not files(second, telegram)
    stranger = Person(telegram, 4001, "Stranger", bot=TEACHERS)
    stranger.says("/start")
    stranger.says("/register")
    eventually("the sign-in, twice", lambda: stranger.counts("Share your phone number") == 2)


@pytest.mark.ordeal
def test_admin(run: Run, telegram: Telegram, clock: RunningClock) -> None:
    """An admin who is no teacher gets the registers of one teacher or of all."""
    run.starts(classroom_admins=(ADMIN,))
    people = [Teacher(telegram, 7001 + at, f"+7701000000{at + 1}") for at in range(2)]
    for person, batch in zip(people, ("CS-1", "CS-2"), strict=True):
        person.signs_in()
        person.opens(batch)
    clock.forward(140)  # afterwards, as locations carry Telegram's own time
    for person in people:
        finishes(person, clock)
    admin = Person(telegram, ADMIN, "Dean", bot=TEACHERS)
    admin.says("/start")
    admin.taps("Register")
    assert labels(asked(admin, "Which teacher?")) == ["A. Teacher", "B. Teacher", "All Teachers", "Start Over"]
    admin.taps("B. Teacher")
    asked(admin, "Algebra\nCS-2\nWhich days?")
    admin.taps("Start Over")
    admin.taps("All Teachers")
    admin.taps("All Batches")
    admin.taps("All That Is Kept")
    found = its_files(admin, telegram)
    assert all(name.startswith("Register_Algebra_2") for name in found)
    rows = {row[0]: row[3:5] for row in cells(book(admin, telegram))}
    assert (rows["S001"], rows["S101"], len(rows)) == (["A", None], [None, "A"], 4)
    assert telegram.refused_calls() == []
