"""Check-ins that were not finished: how they end, that the student is told once, and whose delay counts."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from classroom.store import Store
from classroom.student.bot import ON_SCREEN
from tests.classroom.face_fakes import FakeEngine, FakePhotos, Recording
from tests.classroom.running import STUDENTS, Run, RunningClock, Student, Teacher, rosters
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration

CLAIMED = "Another Telegram account has sent this student ID: this check-in has ended."
REVIEW = "Your teacher has to look at your check-in; I'll message you here."
OVER = "The session is over and your check-in was not finished: you are absent. Ask your teacher to mark you by hand."


def step(run: Run, student_id: str = "S001") -> str:
    """Return the stored step of a check-in."""
    file = run.folder / "classroom" / "classroom.sqlite3"
    return str(rows(file, f"SELECT step FROM check_ins WHERE student_id = '{student_id}'")[0][0])


def rival(telegram: Telegram, code: str) -> Student:
    """Return another account that has sent the code and the ID S001."""
    other = Student(telegram, 2002)
    other.says(f"/start {code}")
    other.says("S001")
    other.sees(REVIEW)
    return other


def is_asked(run: Run) -> bool:
    """Say whether the clock of a step runs."""
    file = run.folder / "classroom" / "classroom.sqlite3"
    return bool(rows(file, "SELECT 1 FROM check_ins WHERE asked_at IS NOT NULL"))


def rows(file: Path, query: str) -> list[Any]:
    """Return the rows of a query."""
    with closing(sqlite3.connect(file)) as database:
        return database.execute(query).fetchall()


def conversation(run: Run, person: int = 2001) -> str | None:
    """Return the step of a person's conversation with the student bot."""
    file = run.folder / "classroom" / "classroom.sqlite3"
    found = rows(file, f"SELECT step FROM steps WHERE telegram_id = {person}")
    return str(found[0][0]) if found else None


def keyboard(telegram: Telegram, person: int = 2001) -> object:
    """Return the reply keyboard that a person sees."""
    return telegram.get("/chat", bot=STUDENTS, person=person)["reply_keyboard"]


class TestWithoutAFace:
    @pytest.mark.ordeal
    def test_no_location(
        self, code: str, student: Student, teacher: Teacher, run: Run, clock: RunningClock, telegram: Telegram
    ) -> None:
        """Without a location the student is told once that the check-in has ended, and the keyboard goes.

        A later location gets the same answer, and the board and the report count the check-in as ended.
        """
        student.enters("S001", code)
        assert keyboard(telegram) is not None
        eventually("its clock runs", lambda: is_asked(run))
        clock.forward(140)
        assert student.sees(OVER)["rang"]
        assert keyboard(telegram) is None
        assert step(run) == "expired"
        teacher.sees("(final)")
        eventually("the board", lambda: "A. Student: no location yet" in teacher.sees("Closed at")["text"])
        assert "On the way" not in teacher.sees("Closed at")["text"]
        run.starts()
        student.shares()
        eventually("the same answer", lambda: student.counts(OVER) == 2)
        assert telegram.refused_calls() == []

    def test_too_far(self, code: str, student: Student, run: Run, clock: RunningClock) -> None:
        """Somebody whose location was too far away is told too."""
        student.enters("S001", code)
        student.shares(500)
        student.sees("You are 500 m from the class")
        eventually("its clock runs", lambda: is_asked(run))
        clock.forward(140)
        student.sees(OVER)
        assert step(run) == "expired"

    def test_no_student_id(
        self, code: str, student: Student, clock: RunningClock, run: Run, telegram: Telegram
    ) -> None:
        """Who sent the code and never the student ID is told so once, after the session's end and the grace."""
        student.says(f"/start {code}")
        student.sees("student ID")
        steps = run.folder / "classroom" / "classroom.sqlite3"
        eventually(
            "its clock runs", lambda: rows(steps, "SELECT 1 FROM steps WHERE json_extract(data, '$.asked') > ''")
        )
        clock.forward(125)
        student.sees("Your check-in was not finished: no student ID came. Ask your teacher")
        run.starts()
        student.says("S001")
        student.sees("Send the 6-digit code")
        assert student.counts("no student ID came") == 1

    def test_practice(self, student: Student, teacher: Teacher, clock: RunningClock, telegram: Telegram) -> None:
        """A practice that was left open ends without a sound, and its keyboard goes."""
        student.says("/start")
        student.taps("Practice")
        student.sees("nothing is marked")
        clock.forward(ON_SCREEN.total_seconds() + 1)
        assert not student.sees("The practice is over.")["rang"]
        assert keyboard(telegram) is None

    def test_practice_meanwhile(self, code: str, student: Student, teacher: Teacher, run: Run) -> None:
        """A location for which a check-in waits counts, even if the student has tapped Practice meanwhile."""
        student.enters("S001", code)
        student.says("/help")
        student.taps("Practice")
        student.sees("nothing is marked")
        student.shares()
        student.is_accepted()
        teacher.sees("Waiting for you: 1")
        eventually("the practice has ended", lambda: conversation(run) in ("", None))

    def test_practice_refused(self, student: Student, teacher: Teacher, telegram: Telegram) -> None:
        """A location that would not count is asked for again, with the button that the answer names."""
        student.says("/start")
        student.taps("Practice")
        student.sees("nothing is marked")
        student.shares(horizontal_accuracy=900)
        student.sees("Your phone knows its place only to 900 m")
        assert keyboard(telegram) is not None
        student.shares()
        student.sees("Your location arrived and would count.")
        assert keyboard(telegram) is None

    @pytest.mark.ordeal
    def test_reopened(
        self, code: str, student: Student, teacher: Teacher, run: Run, clock: RunningClock, telegram: Telegram
    ) -> None:
        """In a session that is opened again the student begins anew, with the new code."""
        student.enters("S001", code)
        eventually("its clock runs", lambda: is_asked(run))
        clock.forward(140)
        student.sees(OVER)
        teacher.taps("Reopen")
        again = teacher.sees(" s left")["text"].split("Code: ")[1].split(",")[0].replace(" ", "")
        student.shares()
        student.sees("Send the code first.")
        student.says(again)
        eventually("the question", lambda: step(run) == "place" and is_asked(run))
        clock.forward(125)
        eventually("told again", lambda: student.counts(OVER) == 2)

    @pytest.mark.ordeal
    def test_extended(self, code: str, student: Student, teacher: Teacher, run: Run, clock: RunningClock) -> None:
        """An extension in between extends the check-in."""
        student.enters("S001", code)
        eventually("its clock runs", lambda: is_asked(run))
        clock.forward(70)
        teacher.taps("Extend")
        eventually("more time", lambda: int(teacher.sees(" s left")["text"].split(" s left")[0].split()[-1]) > 100)
        clock.forward(60)  # after the first end
        teacher.taps("Mark by Hand")
        teacher.sees("Whom do you mark")
        assert (step(run), student.counts(OVER)) == ("place", 0)
        clock.forward(120)
        student.sees(OVER)

    def test_with_a_rival(
        self, code: str, student: Student, teacher: Teacher, run: Run, clock: RunningClock, telegram: Telegram
    ) -> None:
        """Whose ID another account has sent is told at the end, once, that the teacher decides; the keyboard goes.

        A later location gets the same answer, and the teacher can still accept the student.
        """
        student.enters("S001", code)
        other = rival(telegram, code)
        eventually("its clock runs", lambda: is_asked(run))
        clock.forward(140)
        assert student.sees(REVIEW + " If your teacher asks for a number, yours is 2001.")["rang"]
        eventually("no keyboard", lambda: keyboard(telegram) is None)
        student.shares()
        eventually("the same answer", lambda: student.counts(REVIEW) == 2)
        assert (student.counts(OVER), other.counts(REVIEW)) == (0, 1)
        teacher.sees("(provisional)")
        teacher.taps("Check One by One")
        teacher.taps("Accept No. 2001")
        student.sees("Attendance marked")

    def test_marked_by_hand(self, code: str, student: Student, teacher: Teacher, clock: RunningClock) -> None:
        """Somebody whom the teacher has marked by hand is not told of an end."""
        student.enters("S001", code)
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student: absent")
        teacher.taps("Present")
        teacher.taps("No Reason")
        student.sees("Your teacher has marked you: present")
        clock.forward(140)
        teacher.sees("(final)")
        assert student.counts("was not finished") == 0

    def test_cancelled(self, code: str, student: Student, teacher: Teacher, run: Run, telegram: Telegram) -> None:
        """After the cancellation the check-in has ended, and a later location gets the same answer."""
        student.enters("S001", code)
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        student.sees("Your teacher has cancelled the check-in for Algebra.")
        assert (step(run), keyboard(telegram)) == ("expired", None)
        student.shares()
        eventually("the same answer", lambda: student.counts("has cancelled the check-in") == 2)

    def test_cancelled_for_everybody(self, code: str, student: Student, teacher: Teacher, telegram: Telegram) -> None:
        """Another account that sent the same ID, and a late code, are told of it, too."""
        student.enters("S001", code)
        other = Student(telegram, 2002)
        other.says(f"/start {code}")
        other.says("S001")
        other.sees("Your teacher has to look at your check-in")
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        cancelled = "Your teacher has cancelled the check-in for Algebra."
        for each in (student, other):
            each.sees(cancelled)
        newcomer = Student(telegram, 2004)
        newcomer.says(f"/start {code}")
        newcomer.says("S003")
        newcomer.sees(cancelled)
        assert [each.counts(cancelled) for each in (student, other)] == [1, 1]

    def test_deleted_by_the_first(self, code: str, student: Student, teacher: Teacher, telegram: Telegram) -> None:
        """After the data of the first account are deleted, the teacher still decides on the other one."""
        student.enters("S001", code)
        other = Student(telegram, 2002)
        other.says(f"/start {code}")
        other.says("S001")
        other.sees("Your teacher has to look at your check-in")
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        teacher.taps("Check One by One")
        teacher.taps("Accept No. 2002")
        other.sees("Attendance marked")

    def test_many_with_one_id(self, code: str, student: Student, teacher: Teacher, telegram: Telegram) -> None:
        """Three other accounts wait for the teacher; a fourth and a fifth hear at once how it ended, and only once."""
        student.enters("S001", code)
        others = [Student(telegram, 3000 + each) for each in range(5)]
        for number, each in enumerate(others):
            each.says(f"/start {code}")
            each.says("S001")
            each.sees("Your teacher has to look at your check-in" if number < 3 else CLAIMED)
        teacher.taps("Check One by One")
        teacher.taps("Accept No. 2001")
        for each in others[:3]:
            each.sees("did not accept")
        assert [each.counts("did not accept") for each in others] == [1, 1, 1, 0, 0]
        assert [each.counts(CLAIMED) for each in others] == [0, 0, 0, 1, 1]

    def test_deleted_by_the_marked_one(
        self, code: str, student: Student, teacher: Teacher, telegram: Telegram, run: Run
    ) -> None:
        """If a marked student deletes their data, the accounts that sent the same ID are told that it ended, once."""
        student.enters("S001", code)
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        others = [Student(telegram, 3000 + each) for each in range(2)]
        for each in others:
            each.says(f"/start {code}")
            each.says("S001")
            each.sees("Your teacher has to look at your check-in")
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        for each in others:
            each.sees(CLAIMED)
        run.starts()
        others[0].says("/help")
        others[0].sees("In class your teacher shows")
        assert [each.counts(CLAIMED) for each in others] == [1, 1]
        assert rows(run.folder / "classroom" / "classroom.sqlite3", "SELECT * FROM check_ins") == []

    @pytest.mark.parametrize("unbound", [False, True], ids=["at once", "after unbinding"])
    @pytest.mark.ordeal
    def test_killed_while_unlinking(
        self, code: str, student: Student, run: Run, telegram: Telegram, unbound: bool
    ) -> None:
        """A process that ended while it unlinked an ID is continued by the next one: each account is told, once."""
        student.enters("S001", code)
        other, unlinked = Student(telegram, 2002), "Your teacher has unlinked the student ID"
        other.says(f"/start {code}")
        other.says("S001")
        other.sees("Your teacher has to look at your check-in")

        async def unlinks(store: Store) -> None:
            session = (await store.unfinished())[0]
            if unbound:
                assert await store.unbind("S001", 7001, session.opened_at, "a test")
            with closing(sqlite3.connect(run.folder / "classroom" / "classroom.sqlite3")) as database:
                claim = ("student", f"unlinking:2001:2001,2002:{session.id}:S001", "2026-01-01T00:00:00+00:00")
                database.execute("INSERT INTO told VALUES (?, ?, ?)", claim)
                database.commit()

        run.changes_store(unlinks)
        for _restart in range(2):
            run.starts()
            for each in (student, other):
                each.sees(unlinked)
        other.enters("S001", code)
        assert [each.counts(unlinked) for each in (student, other)] == [1, 1]
        query = "SELECT telegram_id FROM bindings UNION SELECT key FROM told WHERE key LIKE 'unlinking:%'"
        assert rows(run.folder / "classroom" / "classroom.sqlite3", query) == [(2002,)]

    def test_unlinked(self, code: str, student: Student, teacher: Teacher, telegram: Telegram) -> None:
        """Each account with the ID is told, once, that the teacher has unlinked it, and can send it again."""
        student.enters("S001", code)
        student.shares()
        student.is_accepted()
        other, unlinked = Student(telegram, 2002), "Your teacher has unlinked the student ID"
        other.says(f"/start {code}")
        other.says("S001")
        other.sees("Your teacher has to look at your check-in")
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student: absent")
        teacher.taps("Unlink Telegram")
        teacher.taps("Yes, Unlink")
        for each in (student, other):
            each.sees(unlinked)
        other.enters("S001", code)
        assert [each.counts(unlinked) for each in (student, other)] == [1, 1]

    def test_killed_while_cancelling(self, code: str, student: Student, run: Run, telegram: Telegram) -> None:
        """A process that ended after the cancellation, before telling the students, is continued by the next one."""
        student.enters("S001", code)

        async def cancels(store: Store) -> None:
            session = (await store.unfinished())[0]
            await store.end_session(session.id, session.opened_at, cancelled=True)
            with closing(sqlite3.connect(run.folder / "classroom" / "classroom.sqlite3")) as database:
                database.execute(
                    "INSERT INTO told VALUES ('student', ?, ?)",
                    (f"cancelling:{session.id}", "2026-01-01T00:00:00+00:00"),
                )
                database.commit()

        run.changes_store(cancels)
        run.starts()
        student.sees("Your teacher has cancelled the check-in for Algebra.")
        run.starts()
        student.says("/help")
        student.sees("In class your teacher shows a 6-digit code.")
        assert student.counts("has cancelled the check-in") == 1


class TestDelayed:
    """Questions that wait for Telegram."""

    @pytest.mark.ordeal
    def test_present(self, run: Run, telegram: Telegram, clock: RunningClock) -> None:
        """A student whose location request came only after the session's end answers it, and is present, not late."""
        clock.forward(-50)
        run.starts(otp_expiry_seconds=30)
        teacher, student = Teacher(telegram, 7001, "+77010000001"), Student(telegram, 2001)
        teacher.signs_in()
        code = teacher.opens("CS-1")
        student.says(f"/start {code}")
        student.sees("student ID")
        telegram.call("/faults", kind="500", method="sendMessage", bot=STUDENTS, times=None)
        student.says("S001")
        teacher.sees("On the way: 1")
        clock.forward(50)
        teacher.sees("(provisional)")
        telegram.http.delete("/faults")
        student.sees("The code is right")
        eventually("its clock runs", lambda: is_asked(run))
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        assert "late" not in student.sees("Attendance marked")["text"]
        assert student.counts(OVER) == 0

    @pytest.mark.ordeal
    def test_never_delivered(
        self, code: str, student: Student, teacher: Teacher, run: Run, clock: RunningClock, telegram: Telegram
    ) -> None:
        """A check-in whose student has blocked the bot ends with the grace: the final report does not wait for it."""
        student.says(f"/start {code}")
        student.sees("student ID")
        telegram.call("/faults", kind="403", method="sendMessage", bot=STUDENTS, times=None)
        student.says("S001")
        eventually("its clock runs", lambda: is_asked(run))
        clock.forward(140)
        teacher.sees("(final)")
        assert step(run) == "expired"


class TestWithAFace:
    """Consent and challenge."""

    @pytest.fixture
    def run(self, tmp_path: Path, telegram: Telegram, clock: RunningClock) -> Iterator[Run]:
        """Give the classroom with a fake face engine."""
        rosters(tmp_path, {"CS-1": [("S001", "A. Student")]})
        run = Run(tmp_path, telegram.url, clock, face_engine="local", engine=FakeEngine(), photos=FakePhotos())
        yield run
        run.stops()

    @pytest.mark.parametrize("agreed", [False, True], ids=["consent", "challenge"])
    def test_no_video(
        self, code: str, teacher: Teacher, run: Run, clock: RunningClock, telegram: Telegram, agreed: bool
    ) -> None:
        """Without an answer to the question, or without a video, the question goes with its buttons."""
        student = Recording(telegram, 2001)
        student.comes(code)
        student.sees("Now your face")
        if agreed:
            student.agrees()
        eventually("its clock runs", lambda: is_asked(run))
        clock.forward(140)
        assert student.sees(OVER)["rang"]
        eventually("the question is gone", lambda: not any(labels(message) for message in student.screen()))
        assert not any("You have" in (message["text"] or "") for message in student.screen())
        assert step(run) == "expired"
        teacher.sees("A. Student: no video of the face")
        student.records()
        eventually("the same answer", lambda: student.counts(OVER) == 2)
        eventually("no video stays", lambda: not any("video_note" in message for message in student.screen()))

    def test_no_video_with_a_rival(
        self, code: str, teacher: Teacher, run: Run, clock: RunningClock, telegram: Telegram
    ) -> None:
        """Whose ID another account has sent is told, without a video, that the teacher decides; the question goes."""
        student = Recording(telegram, 2001)
        student.comes(code)
        student.agrees()
        rival(telegram, code)
        eventually("its clock runs", lambda: is_asked(run))
        clock.forward(140)
        assert student.sees(REVIEW + " If your teacher asks for a number, yours is 2001.")["rang"]
        eventually("the question is gone", lambda: not any(labels(message) for message in student.screen()))
        assert (student.counts(OVER), student.counts(REVIEW)) == (0, 1)

    def test_cancelled(self, code: str, teacher: Teacher, run: Run, telegram: Telegram) -> None:
        """A cancellation removes the challenge, and a later video gets the same answer."""
        student = Recording(telegram, 2001)
        student.comes(code)
        student.agrees()
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        student.sees("Your teacher has cancelled the check-in for Algebra.")
        eventually("the question is gone", lambda: not any(labels(message) for message in student.screen()))
        student.records()
        eventually("the same answer", lambda: student.counts("has cancelled the check-in") == 2)
