"""Face checks with interruptions: unbound IDs, deleted data, another engine at the next start, broken folders."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.classroom.face_fakes import Recording
from tests.classroom.running import STUDENTS, RunningClock, Teacher, rosters
from tests.classroom.student.test_face_check import ROSTER, Run, unclear
from tests.classroom.teacher.test_board import key_of
from tests.e2e.people import Message, Telegram, eventually, labels

pytestmark = pytest.mark.integration


class Scene:
    """A running class with a fake engine, a teacher and students."""

    def __init__(self, stack: ExitStack, folder: Path, telegram: Telegram) -> None:
        self.telegram, self.clock = telegram, RunningClock()
        self.run = Run(stack, folder, telegram.url, self.clock)
        self.keys = folder.parent / f"{folder.name}-secrets" / "faces"
        self.pictures = folder / "classroom" / "reviews"
        self.run.start()
        self.teacher = Teacher(telegram, 7001, "+77010000001")
        self.teacher.signs_in()
        self.code = self.teacher.opens("CS-1")

    def challenged(self, number: int = 2001, student_id: str = "S001") -> Recording:
        """Return a student with a challenge."""
        student = Recording(self.telegram, number)
        student.comes(self.code, student_id)
        student.agrees()
        asked = f"SELECT 1 FROM check_ins WHERE student_id = '{student_id}' AND asked_at IS NOT NULL"
        eventually("its clock runs", lambda: self.run.kept(asked))
        return student

    def in_queue(self, number: int = 2001, student_id: str = "S001") -> Recording:
        """Return a student whose note stays in the engine."""
        self.run.engine.goes_on.clear()
        student = self.challenged(number, student_id)
        student.records()
        student.sees("Received.")
        return student

    def unclear(self, number: int = 2001, student_id: str = "S001") -> Recording:
        """Return a student whose pictures the teacher has to compare."""
        student = self.challenged(number, student_id)
        unclear(student)
        self.teacher.taps("Look at Them (1)")
        self.teacher.sees("Similarity: 67 %.")
        return student

    def frees(self) -> None:
        """Let the teacher unbind the first student's ID."""
        self.teacher.taps("Mark by Hand")
        self.teacher.taps("A. Student: absent")
        self.teacher.taps("Unlink Telegram")
        self.teacher.taps("Yes, Unlink")
        eventually("it is free", lambda: not self.run.kept("SELECT 1 FROM bindings WHERE folded = 's001'"))
        self.teacher.settles()  # with all that belongs to it

    def steps(self) -> dict[str, str]:
        """Return the step of each check-in."""
        return dict(self.run.kept("SELECT student_id, step FROM check_ins"))

    def no_video(self, student: Recording) -> None:
        """Wait until a chat has no video."""
        eventually("no video stays", lambda: not any("video_note" in message for message in student.screen()))

    def no_pictures(self) -> None:
        """Wait until no pictures are in the teacher's chat or on disk."""
        eventually("the pictures are gone", lambda: self.teacher.counts("Similarity:") == 0)
        eventually("none is on the disk", lambda: not self.pictures.is_dir() or not list(self.pictures.iterdir()))


@pytest.fixture
def scene(tmp_path: Path, telegram: Telegram) -> Iterator[Scene]:
    """A class with an open session."""
    rosters(tmp_path, ROSTER)
    with ExitStack() as stack:
        scene = Scene(stack, tmp_path, telegram)
        yield scene
        scene.run.engine.goes_on.set()


class TestSetFree:
    """A teacher unbinds a student ID from its account."""

    def test_while_it_is_checked(self, scene: Scene) -> None:
        """The account's note no longer counts, its video is deleted; the next account with this ID sends its own."""
        stranger = scene.in_queue()
        scene.frees()
        scene.no_video(stranger)
        scene.run.engine.goes_on.set()
        stranger.records()
        stranger.sees("No check-in waits for a video.")
        assert scene.steps() == {"S001": "place"}
        owner = scene.challenged(2002)
        owner.records()
        owner.sees("Attendance marked")
        assert stranger.counts("Attendance marked") == 0

    def test_before_the_note(self, scene: Scene) -> None:
        """With a challenge on the screen the account is told, its buttons go, and it can't continue by a note."""
        stranger = scene.challenged()
        scene.frees()
        eventually("it is free", lambda: scene.steps() == {"S001": "place"})
        stranger.sees("Your teacher has unlinked the student ID")
        eventually("the button is gone", lambda: not any(labels(message) for message in stranger.screen()))
        stranger.records()
        stranger.sees("No check-in waits for a video.")
        scene.no_video(stranger)
        assert scene.run.engine.examined == []

    def test_in_review(self, scene: Scene) -> None:
        """The pictures are deleted: their button would accept the next account with this ID."""
        scene.unclear()
        scene.frees()
        scene.no_pictures()
        assert scene.steps() == {"S001": "place"}

    def test_in_another_session(self, scene: Scene) -> None:
        """If the ID was unbound by way of another session, a note in the queue marks nobody."""
        student = scene.in_queue()
        with closing(sqlite3.connect(scene.run.folder / "classroom" / "classroom.sqlite3")) as store, store:
            store.execute("DELETE FROM bindings")
        scene.run.engine.goes_on.set()
        eventually("it is dropped", lambda: scene.steps() == {"S001": "place"})
        scene.no_video(student)
        assert scene.run.kept("SELECT * FROM marks") == []


class TestDeleted:
    """/delete_me in each state."""

    def deletes(self, student: Recording) -> None:
        """Delete a student's data."""
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")

    def test_with_the_challenge(self, scene: Scene) -> None:
        """Buttons and notes no longer work; with the teacher's permission all begins again, the consent too."""
        student = scene.challenged()
        self.deletes(student)
        student.taps("I Can't Do This")
        student.records()
        student.sees("No check-in waits for a video.")
        assert scene.steps() == {}
        student.says(f"S001 {scene.code}")
        student.sees("Your teacher has to look at your check-in")
        scene.frees()
        sent = student.says(f"S001 {scene.code}")

        def asked(messages: list[Message]) -> bool:  # the question of before may be gone, or not yet
            return any(m["message_id"] > sent and "The code is right" in (m["text"] or "") for m in messages)

        student.waits("the location to be asked for", asked)
        student.shares()
        eventually("consent is asked", lambda: student.counts("Now your face") == 1)
        student.agrees()
        student.records()
        student.sees("Attendance marked")

    def test_in_review(self, scene: Scene) -> None:
        """The pictures in the teacher's chat and the key of the template are deleted."""
        student = scene.unclear()
        self.deletes(student)
        scene.no_pictures()
        assert list(scene.keys.glob("*.key")) == []
        assert scene.run.kept("SELECT * FROM templates") == []

    def test_after_the_id_was_set_free(self, scene: Scene) -> None:
        """The key is deleted even if the account is no longer bound."""
        student = scene.unclear()
        scene.frees()
        scene.no_pictures()
        self.deletes(student)
        assert list(scene.keys.glob("*.key")) == []


class TestAnotherEngine:
    """FACE_ENGINE has another value at the next start."""

    def test_none(self, scene: Scene) -> None:
        """Without an engine the teacher confirms those who waited for a check, and pictures are still deleted."""
        unclear = scene.unclear(2003, "S003")
        asked = scene.challenged(2002, "S002")
        queued = scene.in_queue()
        scene.run.stop()
        scene.run.engine.goes_on.set()
        scene.run.start(face_engine="none")
        for each in (asked, queued):
            each.sees("The check does not work at the moment. Your teacher has to confirm")
        scene.no_video(queued)
        assert not any(labels(message) for message in asked.screen())
        scene.teacher.taps("Confirm All (2)")
        for each in (asked, queued):
            each.sees("Attendance marked")
        scene.teacher.taps("Accept")
        unclear.sees("Attendance marked")
        scene.no_pictures()
        assert len(scene.run.engine.examined) == 2

    def test_none_keeps_promises(self, scene: Scene) -> None:
        """Without an engine /delete_me and the end of the term still delete face data."""
        students = [scene.challenged(), scene.challenged(2002, "S002")]
        for student in students:
            student.records()
            student.sees("Attendance marked")
        scene.run.start(face_engine="none", retention_days=365)
        assert len(list(scene.keys.glob("*.key"))) == 2
        students[0].says("/delete_me")
        students[0].taps("Yes, Delete")
        students[0].sees("Your data is deleted.")
        assert len(list(scene.keys.glob("*.key"))) == 1
        scene.run.stop()
        scene.clock.forward(190 * 86_400)  # past the end of a term: there are two a year
        scene.run.start(face_engine="none", retention_days=365)
        eventually("the last key is gone", lambda: list(scene.keys.glob("*.key")) == [])
        assert scene.run.kept("SELECT * FROM templates") == []

    def test_none_and_back(self, scene: Scene) -> None:
        """With an engine again a new check-in has a face check, and those who wait for the teacher still wait."""
        asked = scene.challenged()
        scene.run.start(face_engine="none")
        asked.sees("Your teacher has to confirm")
        scene.run.start()
        asked.records()
        eventually("an answer", lambda: asked.counts("Your teacher has to confirm") == 2)
        second = scene.challenged(2002, "S002")
        second.records()
        second.sees("Attendance marked")
        eventually("it is done", lambda: scene.steps() == {"S001": "confirm", "S002": "done"})

    @pytest.mark.ordeal
    def test_amazon(self, scene: Scene) -> None:
        """A note for the local engine is not sent to Amazon's: consent for it is asked first."""
        student = scene.in_queue()
        scene.run.stop()
        scene.run.engine.goes_on.set()
        scene.run.start(face_engine="rekognition")
        question = student.sees("Amazon")
        assert labels(question) == ["I Agree", "Without My Face"]
        assert scene.run.engine.examined == []
        scene.no_video(student)
        student.taps("I Agree")
        eventually("a challenge", lambda: "Record a round video" in student.screen()[-1]["text"])
        student.records()
        student.sees("Attendance marked")


class TestInBetween:
    """Other interruptions."""

    def test_a_second_video(self, scene: Scene) -> None:
        """A second video during the check is answered, not checked, and deleted from the chat."""
        student = scene.in_queue()
        student.records()
        student.sees("Your video is being checked")
        scene.run.engine.goes_on.set()
        student.sees("Attendance marked")
        scene.no_video(student)
        assert len(scene.run.engine.examined) == 1

    def test_claimed_in_review(self, scene: Scene) -> None:
        """A claim of the ID by another account does not keep the pictures in the teacher's chat."""
        student = scene.unclear()
        other = Recording(scene.telegram, 2002)
        other.says("/start")
        other.says(f"S001 {scene.code}")
        other.sees("Your teacher has to look at your check-in")
        scene.teacher.taps("Accept")
        student.sees("Attendance marked")
        scene.no_pictures()

    def test_cancelled_as_the_check_ends(self, scene: Scene) -> None:
        """If a check ends between the cancelling and its message, the student still gets the message."""
        student = scene.in_queue()
        student.sees("Received.")
        key = key_of(scene.teacher)
        store = scene.run.folder / "classroom" / "classroom.sqlite3"
        with closing(sqlite3.connect(store)) as database, database:
            database.execute("UPDATE sessions SET cancelled = 1, ended_at = opened_at")
        scene.run.engine.goes_on.set()
        eventually("the check is over", lambda: scene.steps() == {"S001": "expired"})
        scene.teacher.forges(f"hands:{key}")  # as the teacher's next tap does if the first was interrupted
        student.sees("Your teacher has cancelled")
        eventually("the acknowledgement is gone", lambda: student.counts("Received.") == 0)
        scene.no_video(student)

    def test_long_names(self, scene: Scene) -> None:
        """Names and subjects of 300 characters that look like HTML fit everywhere, captions too."""
        scene.run.stop()
        rosters(scene.run.folder, {"CS-1": [("S001", "<b>&'" + "N" * 300)]}, subject="<i>&_*" + "S" * 300)
        scene.teacher.taps("Cancel Session")
        scene.run.start()
        scene.teacher.taps("Yes, Cancel It")
        scene.teacher.sees("Cancelled")
        scene.teacher.says("/start")
        scene.teacher.taps("Take Attendance")
        scene.teacher.chooses("CS-1")
        scene.teacher.shares_place()
        eventually("a new code", lambda: scene.teacher.code() != scene.code)
        scene.code = scene.teacher.code()
        student = scene.challenged()
        student.records("30")
        student.sees("could not match your face")
        student.records("67")
        student.sees("Your teacher has to look")
        scene.teacher.taps("Look at Them (1)")
        scene.teacher.sees("Similarity: 67 %.")
        scene.teacher.taps("Accept")
        student.sees("Attendance marked")
        assert scene.telegram.refused_calls() == []

    def test_reopened_while_it_is_checked(self, scene: Scene) -> None:
        """A session closed and reopened during a check gets its result once."""
        student = scene.in_queue()
        scene.teacher.taps("Close Now")
        scene.teacher.sees("Closed at")
        scene.teacher.taps("Reopen")
        scene.teacher.sees(" s left")
        scene.run.engine.goes_on.set()
        student.sees("Attendance marked")
        assert student.counts("Attendance marked") == 1

    def test_a_folder_that_can_not_be_cleaned(self, scene: Scene) -> None:
        """An unexpected entry in the pictures' folder does not end the classroom."""
        scene.run.stop()
        strange = scene.pictures / "strange"
        strange.mkdir(parents=True)
        os.utime(strange, (0, 0))
        scene.run.start()
        student = scene.challenged()
        student.records()
        student.sees("Attendance marked")

    def test_forged(self, scene: Scene) -> None:
        """Forged button data is answered and changes nothing."""
        student = scene.challenged()
        before: Any = scene.run.kept("SELECT * FROM check_ins")
        message = student.sees("Record a round video")["message_id"]
        taps = ["face:yes:" + "f" * 12, "face:yes:", "face:maybe:" + "0" * 12, "fok:" + "0" * 12 + ":0"]
        scene.telegram.taps_at_once(STUDENTS, 2001, message, taps, forged=True)
        eventually("all are answered", lambda: scene.telegram.unanswered_taps() == [])
        assert scene.run.kept("SELECT * FROM check_ins") == before
