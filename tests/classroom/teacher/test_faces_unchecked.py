"""With a face engine students without a checked face are confirmed only by name, whatever the cause."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from classroom.domain import face_policy as faces
from classroom.domain.sessions import CheckIn, CheckInStep
from classroom.store import Store
from core.health import HealthReports
from tests.classroom.face_fakes import FakeEngine, FakePhotos, Recording
from tests.classroom.running import Run, RunningClock, Teacher, rosters
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration

MANY = 25
ROSTER = {
    "CS-1": [("S001", "A. Student"), ("S002", "B. Student"), ("S003", "C. Student")],
    "CS-2": [(f"T{number:03}", f"Student {number:03}") for number in range(MANY)],
}
ASKED = "Their faces were not checked."


class Scene:
    """An open session with a fake face engine."""

    def __init__(self, folder: Path, telegram: Telegram, *batches: str, **settings: Any) -> None:
        rosters(folder, ROSTER)
        self.telegram, self.folder, self.clock = telegram, folder, RunningClock()
        self.engine, self.photos = FakeEngine(), FakePhotos()
        fakes = {"engine": self.engine, "photos": self.photos, "reports": HealthReports()}
        self.run = Run(folder, telegram.url, self.clock, **fakes, **settings)
        self.run.starts(face_engine="local")
        self.teacher = Teacher(telegram, 7001, "+77010000001")
        self.teacher.signs_in()
        self.code = self.teacher.opens(*batches)

    def comes(self, number: int, student_id: str) -> Recording:
        """Return a student who is asked for consent."""
        student = Recording(self.telegram, number)
        student.comes(self.code, student_id)
        student.sees("Now your face")
        return student

    def challenged(self, number: int, student_id: str) -> Recording:
        """Return a student whose challenge has been delivered."""
        student = self.comes(number, student_id)
        student.agrees()
        asked = "SELECT 1 FROM check_ins WHERE telegram_id = ? AND asked_at IS NOT NULL AND step = 'face'"
        with closing(sqlite3.connect(self.folder / "classroom" / "classroom.sqlite3")) as connection:
            eventually("its clock runs", lambda: connection.execute(asked, (number,)).fetchone())
        return student

    def unclear(self, number: int, student_id: str, shows: str = "67") -> Recording:
        """Return a student whose videos were not clear."""
        student = self.challenged(number, student_id)
        student.records("30")
        student.sees("could not match your face")
        student.records(shows)
        student.sees("Your teacher has to look at your check-in")
        return student

    def declines(self, number: int, student_id: str) -> Recording:
        """Return a student who declined the face check."""
        student = self.comes(number, student_id)
        student.taps("Without My Face")
        student.sees("Your teacher has to confirm")
        return student

    def steps(self) -> dict[str, str]:
        """Return the step of each check-in."""
        with closing(sqlite3.connect(self.folder / "classroom" / "classroom.sqlite3")) as connection:
            return dict(connection.execute("SELECT student_id, step FROM check_ins").fetchall())


@pytest.fixture
def scene(tmp_path: Path, telegram: Telegram) -> Iterator[Scene]:
    """Give an open session of batch CS-1."""
    scene = Scene(tmp_path, telegram, "CS-1")
    yield scene
    scene.engine.goes_on.set()
    scene.run.stops()


def test_everybody_without_a_checked_face_is_named(scene: Scene) -> None:
    """Board and question list everybody who declined, has no ID photo or had a technical failure, with IDs.

    They are one group, without the cause, and not in Confirm All.
    """
    declined = scene.declines(2001, "S001")
    scene.photos.photos["S002"] = None
    without_photo = scene.comes(2002, "S002")
    without_photo.agrees()
    without_photo.records()
    without_photo.sees("There is no ID photo of you")
    scene.engine.goes_on.clear()
    troubled = scene.comes(2003, "S003")
    troubled.agrees()
    troubled.records()
    troubled.sees("Received.")
    scene.run.stops()
    scene.engine.goes_on.set()
    scene.run.starts(face_engine="none")
    troubled.sees("The check does not work at the moment.")
    scene.run.starts(face_engine="local")
    lines = ["- A. Student (S001)", "- B. Student (S002)", "- C. Student (S003)"]
    board = scene.teacher.sees("\n".join(["Without a face check: 3", *lines]))
    assert not any(label.startswith("Confirm All") for label in labels(board))
    scene.teacher.forges(board["buttons"][0][0]["data"].replace("unchecked:", "all:"))
    scene.teacher.settles()
    assert scene.steps() == {"S001": "confirm", "S002": "confirm", "S003": "confirm"}
    scene.teacher.taps("Without a Face Check (3)")
    asked = scene.teacher.sees(ASKED)
    assert all(line in asked["text"] for line in lines)
    assert labels(asked) == ["Yes, Confirm These (3)", "Check One by One", "Back"]
    scene.teacher.settles()
    assert scene.steps() == {"S001": "confirm", "S002": "confirm", "S003": "confirm"}
    scene.teacher.taps("Yes, Confirm These (3)")
    for student in (declined, without_photo, troubled):
        student.sees("Attendance marked")
    scene.teacher.reads_toast("Confirmed: 3")
    eventually("the question is gone", lambda: scene.teacher.counts(ASKED) == 0)
    eventually("all taps are answered", lambda: scene.telegram.unanswered_taps() == [])


def test_who_comes_after_the_question(scene: Scene) -> None:
    """The question confirms only the listed students; a student who came later is listed in the next question."""
    first = scene.declines(2001, "S001")
    scene.teacher.taps("Without a Face Check (1)")
    asked = scene.teacher.sees(ASKED)
    yes = asked["buttons"][0][0]["data"]
    scene.declines(2002, "S002")
    scene.teacher.taps("Yes, Confirm These (1)")
    first.sees("Attendance marked")
    scene.teacher.waits(
        "the next question",
        lambda messages: next(
            (m for m in messages if ASKED in (m["text"] or "") and "B. Student (S002)" in m["text"]), None
        ),
    )
    scene.teacher.forges(yes)
    scene.teacher.settles()
    assert scene.steps() == {"S001": "done", "S002": "confirm"}


def test_back_confirms_nobody(scene: Scene) -> None:
    """Back confirms nobody, and neither does a late tap on the question's button."""
    scene.declines(2001, "S001")
    scene.teacher.taps("Without a Face Check (1)")
    yes = scene.teacher.sees(ASKED)["buttons"][0][0]["data"]
    scene.teacher.taps("Back")
    eventually("the question is gone", lambda: scene.teacher.counts(ASKED) == 0)
    scene.teacher.forges(yes)
    scene.teacher.settles()
    assert scene.steps() == {"S001": "confirm"}


def test_many(tmp_path: Path, telegram: Telegram) -> None:
    """When more students wait than fit into a message, each question confirms its own part."""
    scene = Scene(tmp_path, telegram, "CS-2")

    async def all_wait(store: Store) -> None:
        (session,) = await store.unfinished()
        now = scene.clock.now()
        for number, (student_id, _name) in enumerate(ROSTER["CS-2"]):
            waits = CheckIn(
                session.id, student_id, 3000 + number, CheckInStep.CONFIRM, now, note=faces.TECHNICAL, distance=3.0
            )
            await store.begin_check_in(waits)

    scene.run.changes_store(all_wait)
    scene.run.starts(face_engine="local")
    scene.teacher.taps(f"Without a Face Check ({MANY})")
    asked = scene.teacher.sees(ASKED)
    assert "Student 019 (T019)" in asked["text"]
    assert "Student 020" not in asked["text"]
    assert "The next question is about 5 more." in asked["text"]
    scene.teacher.taps("Yes, Confirm These (20)")
    scene.teacher.taps("Yes, Confirm These (5)")
    eventually("all are marked", lambda: list(scene.steps().values()) == ["done"] * MANY)
    scene.run.stops()


def test_without_an_engine(tmp_path: Path, telegram: Telegram) -> None:
    """With FACE_ENGINE=none Confirm All confirms at once."""
    rosters(tmp_path, ROSTER)
    run = Run(tmp_path, telegram.url, RunningClock())
    run.starts()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    student = Recording(telegram, 2001)
    student.comes(teacher.opens("CS-1"))
    student.is_accepted()
    teacher.taps("Confirm All (1)")
    student.sees("Attendance marked")
    assert teacher.counts(ASKED) == 0
    run.stops()
