"""The class's place: imprecise locations, a place that is used anyway, and a changed place."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.classroom.running import METRE, ROOM, Run, Student, Teacher
from tests.classroom.teacher.test_opening import screen_of, sessions
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration

ADVICE = "iPhone: Settings, Privacy, Location Services, Telegram, Precise Location."


@pytest.fixture
def asked(teacher: Teacher) -> Teacher:
    """Give a teacher who is asked for the location of the class."""
    teacher.taps("Take Attendance")
    teacher.chooses("CS-1")
    teacher.sees("Share your location with the button below")
    return teacher


def shares(teacher: Teacher, metres: float = 0.0, **more: Any) -> None:
    """Share a teacher's location so many metres north of the class."""
    teacher.sends(location={"latitude": ROOM[0] + metres * METRE, "longitude": ROOM[1], **more})


def place_of(folder: Path) -> tuple[Any, ...]:
    """Return the place of the newest session."""
    session = sessions(folder)[-1]
    return tuple(json.loads(session["place"]).values())


def comes(telegram: Telegram, number: int, code: str, metres: float) -> Student:
    """Let a student enter the code and share a location."""
    student = Student(telegram, 2000 + number)
    student.enters(f"S00{number}", code)
    student.shares(metres)
    return student


class TestImprecise:
    """A teacher's location that is not precise."""

    def test_asked_again(self, asked: Teacher, tmp_path: Path) -> None:
        """A location of 1500 m accuracy is not taken: the teacher hears how good it was and what to do."""
        shares(asked, 900, horizontal_accuracy=1500)
        text = asked.sees("Your phone knows its place only to 1500 m; 100 m are needed.")["text"]
        assert ADVICE in text
        assert not sessions(tmp_path)
        assert "Use Anyway" not in str(asked.screen())
        asked.shares_place()
        asked.sees("In: 0 of 3")
        assert "place is uncertain" not in asked.sees("In: 0 of 3")["text"]
        assert place_of(tmp_path) == (*ROOM, 5)

    def test_null_island(self, asked: Teacher, tmp_path: Path) -> None:
        """A location at 0, 0 is none: it is asked for again."""
        asked.sends(location={"latitude": 0, "longitude": 0})
        asked.sees("Your phone has not found its place yet. Switch on precise location.")
        assert not sessions(tmp_path)

    def test_live_location_becomes_precise(self, asked: Teacher, tmp_path: Path) -> None:
        """A live location that begins imprecise counts as soon as it is precise, without more questions."""
        rough = {"latitude": ROOM[0], "longitude": ROOM[1], "horizontal_accuracy": 400}
        message = asked.sends(location=rough | {"live_period": 900})
        asked.sees("only to 400 m")
        for metres, accuracy in ((1, 300), (2, 20)):
            moved = {"latitude": ROOM[0] + metres * METRE, "longitude": ROOM[1], "horizontal_accuracy": accuracy}
            asked._telegram.call("/edit", bot=asked._bot, person=asked.number, message_id=message, location=moved)
        asked.sees("In: 0 of 3")
        calls = asked._telegram.get("/calls")
        assert sum("knows its place only" in call["params"].get("text", "") for call in calls) == 1
        assert place_of(tmp_path)[2] == 20

    def test_use_anyway(self, asked: Teacher, telegram: Telegram, tmp_path: Path) -> None:
        """After two imprecise ones it may be used: nobody is refused for the distance, the teacher decides."""
        asked.forges("anyway")
        shares(asked, 900, horizontal_accuracy=1500)
        asked.forges("anyway")
        asked.settles()
        assert not sessions(tmp_path)
        shares(asked, 900, horizontal_accuracy=800)
        assert screen_of(asked, "The location is still imprecise.") == ["Use Anyway", "Without Phones", "Back"]
        asked.taps("Use Anyway")
        asked.sees("The place is uncertain: who is not within 50 m waits for you. Change Place corrects it.")
        assert place_of(tmp_path)[2] == 800
        student = comes(telegram, 1, asked.code(), 0)
        student.sees("Your teacher has to look at your check-in")
        asked.sees("A. Student: place uncertain (900 m)")
        asked.taps("Check One by One")
        asked.taps("Accept A. Student")
        student.sees("Attendance marked")

    @pytest.mark.ordeal
    def test_nowhere_anyway(self, asked: Teacher, telegram: Telegram, run: Run) -> None:
        """A phone without any fix can open a session, also after a restart; every student waits for the teacher."""
        for _twice in range(2):
            asked.sends(location={"latitude": 0, "longitude": 0, "horizontal_accuracy": 10})
        asked.sees("The location is still imprecise.")
        run.starts()
        asked.taps("Use Anyway")
        asked.sees("The place is uncertain")
        comes(telegram, 1, asked.code(), 0).sees("Your teacher has to look at your check-in")
        asked.sees("A. Student: place uncertain\n")

    def test_saved_room_instead(self, teacher: Teacher, tmp_path: Path) -> None:
        """After two imprecise ones a saved room can be chosen."""
        teacher.opens("CS-2")
        teacher.saves_room("Room B")
        teacher.says("/start")
        teacher.taps("Take Attendance")
        teacher.chooses("CS-1")
        for _twice in range(2):
            shares(teacher, horizontal_accuracy=1500)
        assert screen_of(teacher, "still imprecise") == [
            *("Room B", "Use Anyway", "Without Phones"),
            *("Delete a Place", "Back"),
        ]
        teacher.taps("Room B")
        teacher.sees("In: 0 of 3")
        assert place_of(tmp_path) == (*ROOM, 5)


class TestChangePlace:
    """The place of a running session is changed."""

    def test_those_outside_try_again(self, teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
        """Those kept out by the wrong place are asked once more; who is marked, or was inside, is left in peace."""
        teacher.taps("Take Attendance")
        teacher.chooses("CS-1")
        teacher.sees("Share your location")
        shares(teacher, 900)
        code = teacher.code()
        marked = comes(telegram, 3, code, 900)
        marked.sees("has to confirm")
        teacher.taps("Confirm All (1)")
        marked.sees("Attendance marked")
        outside, near = comes(telegram, 1, code, 0), comes(telegram, 2, code, 820)
        outside.sees("You are 900 m from the class")
        near.sees("Your teacher has to look at your check-in")
        teacher.taps("Change Place")
        teacher.sees("Algebra: CS-1\nWhere is the class?")
        shares(teacher, 0, horizontal_accuracy=1500)
        teacher.sees("Your phone knows its place only to 1500 m")
        teacher.shares_place()
        teacher.sees("The place is changed. Students asked for their location again: 2")
        assert place_of(tmp_path) == (*ROOM, 5)
        for student in (outside, near):
            student.sees("Your teacher has corrected the place of Algebra. Share your location again")
            student.shares(0)
            student.sees("has to confirm")
        teacher.taps("Confirm All (2)")
        teacher.sees("In: 3 of 3")
        assert marked.counts("corrected the place") == 0
        assert len(sessions(tmp_path)) == 1

    def test_to_a_saved_room(self, teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
        """A saved room can be picked instead; Back changes nothing."""
        code = teacher.opens("CS-1")
        with sqlite3.connect(tmp_path / "classroom" / "classroom.sqlite3") as database:
            database.execute("INSERT INTO rooms VALUES (7001, 'Hall', 43.3, 77.0, 5)")
        teacher.taps("Change Place")
        eventually("the room", lambda: "Hall" in labels(teacher.sees("Where is the class?")))
        teacher.taps("Back")
        teacher.sees("The place was not changed.")
        assert place_of(tmp_path)[0] == ROOM[0]
        teacher.taps("Change Place")
        teacher.taps("Hall")
        teacher.sees("Students asked for their location again: 0")
        assert place_of(tmp_path) == (43.3, 77.0, 5)
        comes(telegram, 1, code, 0).sees("m from the class")

    def test_too_late(self, teacher: Teacher, tmp_path: Path) -> None:
        """The place of a session that has ended stays."""
        teacher.opens("CS-1")
        teacher.taps("Change Place")
        teacher.sees("Where is the class?")
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        shares(teacher, 500)
        teacher.sees("The session has ended already.")
        assert place_of(tmp_path) == (*ROOM, 5)
        assert "Change Place" not in labels(teacher.sees("Closed at"))


def test_imprecise_student(code: str, telegram: Telegram, teacher: Teacher) -> None:
    """A student's imprecise location gets the advice and is asked for again; a precise one then counts in full."""
    student = Student(telegram, 2001)
    student.enters("S001", code)
    student.shares(900, horizontal_accuracy=1500)
    text = student.sees("Your phone knows its place only to 1500 m")["text"]
    assert ADVICE in text
    assert "speak to your teacher" in text
    teacher.sees("A. Student: no precise location (900 m)")
    student.sends(location={"latitude": 0, "longitude": 0})
    student.sees("Your phone has not found its place yet.")
    student.shares(0, horizontal_accuracy=20)
    student.sees("has to confirm")
    teacher.sees("Waiting for you: 1")
    assert student.counts("m from the class") == 0
