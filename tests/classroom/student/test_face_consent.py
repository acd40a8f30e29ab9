"""Consent: to the face check, to the comparison with the class, its withdrawal; rosters that do not allow a face."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from classroom.domain import face_policy as faces
from tests.classroom.face_fakes import Recording
from tests.classroom.running import Teacher
from tests.classroom.teacher.test_faces_unchecked import Scene
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration


@pytest.fixture
def scene(tmp_path: Path, telegram: Telegram) -> Iterator[Scene]:
    """Give an open session where faces may be compared with the class."""
    scene = Scene(tmp_path, telegram, "CS-1", face_compare_class=True)
    yield scene
    scene.run.stops()


def kept(scene: Scene, query: str) -> list[Any]:
    """Return rows of the store."""
    with closing(sqlite3.connect(scene.folder / "classroom" / "classroom.sqlite3")) as connection:
        return connection.execute(query).fetchall()


def joins(scene: Scene, number: int, student_id: str, shows: str = "95", *, with_class: bool = True) -> Recording:
    """Return a student who agreed, and sent a video."""
    student = scene.comes(number, student_id)
    question = student.sees("Now your face check")
    assert labels(question) == ["I Agree", "Without My Face", "I Agree, Also With My Class"]
    student.taps("I Agree, Also With My Class" if with_class else "I Agree")
    student.is_challenged()
    asked = f"SELECT 1 FROM check_ins WHERE telegram_id = {number} AND asked_at IS NOT NULL AND step = 'face'"
    eventually("its clock runs", lambda: kept(scene, asked))
    student.records(shows)
    return student


class TestWithMyClass:
    def test_only_who_agreed(self, scene: Scene) -> None:
        """The engine gets the templates of classmates who agreed, never the own one; without an own consent none."""
        joins(scene, 2001, "S001").sees("Attendance marked")
        joins(scene, 2002, "S002", with_class=False).sees("Attendance marked")
        joins(scene, 2003, "S003").sees("Attendance marked")
        (first, second, third), templates = scene.engine.others, [each[2] for each in scene.engine.examined]
        assert (first, second, third) == ([], [], [templates[0]])
        assert kept(scene, "SELECT telegram_id, with_class FROM consents") == [(2001, 1), (2002, 0), (2003, 1)]

    def test_nobody_is_named(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        """If a classmate is as near the teacher looks, at once; no other student is named, and no figure speaks."""
        joins(scene, 2001, "S001").sees("Attendance marked")
        with caplog.at_level(logging.INFO):
            caplog.clear()
            second = joins(scene, 2002, "S002", "alike")
            second.sees("Your teacher has to look at your check-in")
        assert not any("S001" in record.getMessage() for record in caplog.records if "grey" in record.getMessage())
        scene.teacher.taps("Look at Them (1)")
        shown = scene.teacher.sees("B. Student (S002)\nNot clearly this student.\nLeft the ID photo")["text"]
        assert "Similarity" not in shown
        assert "A. Student" not in shown
        scene.teacher.taps("Accept")
        second.sees("Attendance marked")

    def test_withdrawn(self, scene: Scene) -> None:
        """/my_data has the button that ends it; the face check's consent stays, and no template is compared."""
        first = joins(scene, 2001, "S001")
        first.sees("Attendance marked")
        first.says("/my_data")
        assert labels(first.sees("Everything that this bot keeps of you.")) == ["Don't Compare Me With My Class"]
        first.taps("Don't Compare Me With My Class")
        eventually("it is withdrawn", lambda: kept(scene, "SELECT given, with_class FROM consents") == [(1, 0)])
        joins(scene, 2002, "S002").sees("Attendance marked")
        assert scene.engine.others == [[], []]
        first.says("/my_data")
        eventually("the file again", lambda: first.counts("Everything that this bot keeps of you.") == 2)
        assert labels(first.screen()[-1]) == []
        eventually("all taps are answered", lambda: scene.telegram.unanswered_taps() == [])

    def test_switched_on_later(self, scene: Scene) -> None:
        """Who agreed before the comparison was set up is asked again, with the text about it."""
        scene.run.starts(face_engine="local", face_compare_class=False)
        student = scene.challenged(2001, "S001")
        scene.run.starts(face_engine="local")
        student.records()
        question = student.sees("classmates who agree to this")
        assert "I Agree, Also With My Class" in labels(question)
        assert scene.engine.examined == []
        student.taps("Without My Face")
        student.sees("Your teacher has to confirm")

    @pytest.mark.ordeal
    def test_forged(self, tmp_path: Path, telegram: Telegram) -> None:
        """Where it is not set up a forged button gives the consent to the face check alone."""
        scene = Scene(tmp_path, telegram, "CS-1")
        student = scene.comes(2001, "S001")
        question = student.sees("Now your face check")
        assert labels(question) == ["I Agree", "Without My Face"]
        data = question["buttons"][0][0]["data"].replace("yes", "class")
        tap = {"bot": "students_test_bot", "person": 2001, "message_id": question["message_id"], "button": data}
        telegram.call("/tap", forged=True, **tap)
        student.sees("Record a round video")
        assert kept(scene, "SELECT given, with_class FROM consents") == [(1, 0)]
        scene.run.stops()


@pytest.mark.ordeal
def test_asked_again(tmp_path: Path, telegram: Telegram) -> None:
    """Who agreed to the text of an older version is asked again, with what is kept now."""
    scene = Scene(tmp_path, telegram, "CS-1")
    with closing(sqlite3.connect(scene.folder / "classroom" / "classroom.sqlite3")) as connection, connection:
        connection.execute("INSERT INTO consents VALUES (2001, 1, '2099-01-01T00:00:00.000000+00:00', 1, 0)")
    student = scene.comes(2001, "S001")
    student.sees("Kept until the end of the term")
    student.agrees()
    version = faces.wording("local", compares_class=False)
    assert kept(scene, "SELECT telegram_id, wording FROM consents") == [(2001, version)]
    scene.run.stops()


def test_not_allowed(tmp_path: Path, telegram: Telegram) -> None:
    """Whose roster says no reads nothing of a face, not even beforehand: the teacher confirms in the neutral group."""
    scene = Scene(tmp_path, telegram, "CS-1")
    lines = ["batch,subject,student_id,name,face_allowed", "CS-9,Algebra,M1,A. Minor,no", "CS-9,Algebra,M2,An Adult,"]
    (tmp_path / "rosters" / "minors.csv").write_text("\n".join(lines), encoding="utf-8")
    other = Teacher(telegram, 7002, "+77010000002")
    other.signs_in()
    scene.run.starts(face_engine="local")
    code = other.opens("CS-9")
    minor, adult = Recording(telegram, 2001), Recording(telegram, 2002)
    minor.comes(code, "M1")
    assert "face" not in minor.sees("The code is right")["text"]
    minor.is_accepted()
    adult.comes(code, "M2")
    assert "Then I ask for a round video of your face." in adult.sees("The code is right")["text"]
    adult.sees("Now your face check")
    adult.taps("Without My Face")
    other.sees("Without a face check: 2\n- A. Minor (M1)\n- An Adult (M2)")
    minor.records()
    eventually("an answer", lambda: minor.counts("Your teacher has to confirm") == 1)
    assert (scene.engine.examined, kept(scene, "SELECT telegram_id FROM consents")) == ([], [(2002,)])
    other.taps("Without a Face Check (2)")
    other.taps("Yes, Confirm These (2)")
    for student in (minor, adult):
        student.sees("Attendance marked")
    assert minor.counts("face") == 0
    scene.run.stops()


def test_claimed_twice(scene: Scene, telegram: Telegram) -> None:
    """Whose ID another account has sent, too, is not told that a video follows: the teacher decides without one."""
    student, other = Recording(telegram, 2001), Recording(telegram, 2002)
    student.enters("S001", scene.code)
    assert student.counts("Then I ask for a round video of your face.") == 1
    other.says(f"/start {scene.code}")
    other.sees("student ID")
    other.says("S001")
    other.sees("Your teacher has to look at your check-in")
    student.says(f"S001 {scene.code}")
    eventually("asked again", lambda: student.counts("The code is right") == 2)
    assert student.counts("Then I ask for a round video of your face.") == 1
    student.shares()
    student.sees("Your teacher has to look at your check-in")
    assert student.counts("Now your face check") == 0


@pytest.mark.ordeal
def test_no_longer_allowed(tmp_path: Path, telegram: Telegram) -> None:
    """A template from before the roster said no is deleted with its key at the next check-in; a declining keeps it."""
    scene = Scene(tmp_path, telegram, "CS-1")
    for number, student_id in ((2001, "S001"), (2002, "S002")):
        student = scene.challenged(number, student_id)
        student.records()
        student.sees("Attendance marked")
    lines = ["batch,subject,student_id,name,face_allowed", "CS-9,Algebra,S001,A. Student,no", "CS-9,Algebra,S002,B,yes"]
    (tmp_path / "rosters" / "minors.csv").write_text("\n".join(lines), encoding="utf-8")
    scene.run.starts(face_engine="local")
    other = Teacher(telegram, 7002, "+77010000002")
    other.signs_in()
    code = other.opens("CS-9")
    for number, student_id in ((2001, "S001"), (2002, "S002")):
        student = Recording(telegram, number)
        student.says(f"{student_id} {code}")
        eventually("the location is wanted", lambda student=student: student.counts("The code is right"))  # type: ignore[misc]
        student.shares()
    student.sees("Record a round video")
    student.taps("I Can't Do This")
    student.sees("Your teacher has to confirm")
    eventually("it is deleted", lambda: kept(scene, "SELECT student_id FROM templates") == [("S002",)])
    keys = tmp_path.parent / f"{tmp_path.name}-secrets" / "faces"
    assert len(list(keys.glob("*.key"))) == 1
    scene.run.stops()
