"""A teacher's move to another Telegram account: what moves along, who can't take it, and a crash in the middle."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.classroom.running import Run, RunningClock, Student, Teacher
from tests.e2e.people import Telegram, labels

pytestmark = pytest.mark.integration

OLD, NEW, OTHER = 7001, 7009, 7002


@pytest.fixture
def newcomer(telegram: Telegram) -> Teacher:
    """Give the teacher's new account, which is signed in nowhere."""
    return Teacher(telegram, NEW, "+77010000099", "New")


def makes_code(teacher: Teacher) -> str:
    """Make a code in the teacher's account and return it."""
    before = teacher.counts("Move code of")
    teacher.says("/move")
    teacher.taps("Make Move Code")
    teacher.waits("a new code", lambda _screen: teacher.counts("Move code of") > before)
    found = re.search(r"A. Teacher: ([A-Z0-9]{12})", str(teacher.sees("Move code of")))
    assert found is not None
    return found[1]


def test_in_a_running_session(run: Run, teacher: Teacher, newcomer: Teacher, student: Student) -> None:
    """The new account gets the running session's board, its buttons, saved places and the history; the old one none."""
    code = teacher.opens("CS-1")
    teacher.saves_room("Room 404")
    student.enters("S001", code)
    student.shares()
    student.sees("has to confirm")
    teacher.taps("Mark by Hand")
    teacher.sees("Whom do you mark by hand?")
    newcomer.says(f"/start {makes_code(teacher)}")
    newcomer.sees("Move the sessions of A. Teacher")
    newcomer.taps("Move Here")
    newcomer.sees("Your sessions are now in this Telegram account.")
    teacher.sees("Your sessions were moved to another Telegram account.")
    assert not [label for message in teacher.screen() for label in labels(message)]
    newcomer.taps("Confirm All (1)")
    student.sees("Attendance marked")
    newcomer.taps("Close Now")
    newcomer.sees("Closed at")
    newcomer.says("/history")
    newcomer.sees("Algebra")
    newcomer.taps("Take Attendance")
    newcomer.taps("CS-2")
    newcomer.sees("Next.\nCS-2")
    newcomer.taps("Next")
    newcomer.waits("the saved place", lambda screen: any("Room 404" in labels(each) for each in screen))
    teacher.says("/start")
    teacher.sees("Share your phone number")


def test_a_code_works_once(run: Run, teacher: Teacher, newcomer: Teacher, telegram: Telegram) -> None:
    """A used, revoked or made-up code moves nothing, and a typed code works like the link."""
    code = makes_code(teacher)
    teacher.says("/move")
    teacher.sees("a new one takes its place")
    teacher.taps("Revoke Move Code")
    teacher.reads_toast("The move code is revoked.")
    teacher.settles()
    newcomer.says(f"/start {code}")
    newcomer.sees("can't be used any more")
    newcomer.says(code := makes_code(teacher).lower())
    newcomer.taps("Move Here")
    newcomer.sees("Your sessions are now in this Telegram account.")
    third = Teacher(telegram, 7010, "+77010000088")
    third.says(f"/start {code}")
    third.sees("can't be used any more")
    third.forges(f"move:here:{code.upper()}")
    third.forges("move:code")
    third.says("/start")
    third.sees("Share your phone number")
    newcomer.says("/start")
    newcomer.sees("Take attendance:")


def test_expired(run: Run, teacher: Teacher, newcomer: Teacher, clock: RunningClock) -> None:
    """A code that was offered in time and expires before the tap moves nothing."""
    newcomer.says(f"/start {makes_code(teacher)}")
    newcomer.sees("Move the sessions of")
    clock.forward(25 * 3600)
    newcomer.taps("Move Here")
    newcomer.sees("can't be used any more")
    teacher.says("/start")
    teacher.sees("Take attendance:")


def test_another_teacher(run: Run, teacher: Teacher, telegram: Telegram) -> None:
    """An account that is signed in as another teacher can't take the sessions; nor does one's own account need to."""
    other = Teacher(telegram, OTHER, "+77010000002")
    other.signs_in()
    code = makes_code(teacher)
    other.says(f"/start {code}")
    other.sees("signed in as another teacher")
    other.forges(f"move:here:{code}")
    other.sees("signed in as another teacher")
    teacher.says(f"/start {code}")
    teacher.sees("for your new Telegram account")


def test_killed_in_the_middle(
    run: Run, teacher: Teacher, newcomer: Teacher, tmp_path: Path, telegram: Telegram
) -> None:
    """A move that had begun when the process was killed is finished at the next start, and told once."""
    teacher.opens("CS-1")
    code = makes_code(teacher)
    newcomer.says(f"/start {code}")
    newcomer.sees("Move the sessions of")
    run.stops()
    with closing(sqlite3.connect(tmp_path / "classroom" / "classroom.sqlite3")) as database, database:
        database.execute("UPDATE moves SET moved_to = ?", (NEW,))
        database.execute("UPDATE sessions SET teacher = ?", (NEW,))
    run.starts()
    newcomer.sees("Your sessions are now in this Telegram account.")
    teacher.sees("Your sessions were moved")
    newcomer.taps("Close Now")
    newcomer.sees("Closed at")
    run.starts()
    newcomer.settles()
    assert newcomer.counts("Your sessions are now") == 1
    assert telegram.refused_calls() == []


def test_of_a_lost_account(run: Run, teacher: Teacher, newcomer: Teacher, telegram: Telegram) -> None:
    """Where the old account is lost, an admin of the classroom makes the code by the phone number; others can't.

    While its admin is none any more, the code can't be used.
    """
    teacher.opens("CS-1")
    newcomer.says("/start")
    newcomer.says("/move +7 701 000 00 01")
    newcomer.sees("You make it with /move in the old account.")
    run.starts(classroom_admins=(7050,))
    admin = Teacher(telegram, 7050, "+77010000050", "Admin")
    admin.says("/start")
    admin.says("/move +7 701 000 00 77")
    admin.sees("No teacher with this phone number is signed in.")
    admin.says("/move 8 701 000 00 01")
    found = re.search(r"A. Teacher: ([A-Z0-9]{12})", str(admin.sees("Move code of")))
    assert found is not None
    run.starts()
    newcomer.says(f"/start {found[1]}")
    newcomer.sees("This move code can't be used any more.")
    run.starts(classroom_admins=(7050,))
    newcomer.says(f"/start {found[1]}")
    newcomer.taps("Move Here")
    newcomer.sees("Your sessions are now in this Telegram account.")
    newcomer.taps("Close Now")
    newcomer.sees("Closed at")


def test_sent_as_a_text(run: Run, teacher: Teacher, newcomer: Teacher) -> None:
    """A code that is sent after /start, also in small letters and among words, counts as one opened by its link."""
    code = makes_code(teacher)
    newcomer.says("/start")
    newcomer.sees("Share your phone number")
    newcomer.says(f"мой код: {code[:4].lower()}-{code[4:8]} {code[8:]}")
    newcomer.taps("Move Here")
    newcomer.sees("Your sessions are now in this Telegram account.")


@pytest.mark.ordeal
def test_board_of_an_old_session(run: Run, teacher: Teacher, newcomer: Teacher, clock: RunningClock) -> None:
    """The old account's buttons of a session that is over say that they are no longer in use."""
    teacher.opens("CS-1")
    teacher.taps("Close Now")
    clock.forward(60)
    teacher.sees("(final)")
    newcomer.says(f"/start {makes_code(teacher)}")
    newcomer.taps("Move Here")
    teacher.sees("Your sessions were moved to another Telegram account.")
    teacher.taps("Reopen")
    teacher.reads_toast("This button is no longer in use.")
