"""Video notes in the queue when the process is killed or stopped: the next process examines each once."""

import base64
import random
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from classroom.domain.face_policy import decides
from sandbox.challenges import motions_in
from tests.bot_process import ClassProcess
from tests.classroom.face_fakes import Recording
from tests.classroom.running import STUDENT_TOKEN, TEACHER_TOKEN, Teacher, rosters
from tests.classroom.running import STUDENTS as STUDENTS_BOT
from tests.e2e.people import Telegram, eventually
from tests.faults.counts import FULL, measured
from tests.media.notes import ADMIRAL, ASTRONAUT, jpeg, portrait, recorded
from tests.waiting import PATIENCE

STUDENTS = 50 if FULL else 5
ENDS = 8 if FULL else 1  # ends during the work, every other one by a kill
STOPS_WITHIN = 10.0  # seconds; Docker kills after as many
MINUTES = 15
DECIDES = decides("local", compares_class=False)  # else the teacher confirms who matches
MARKED = "Attendance marked" if DECIDES else "Your video is checked."
NO_FIT, NO_PHOTO = "could not match your face", "There is no ID photo of you"


class Faced(Recording):
    """A student with their own ID photo, another person's, or none; ``expects`` is the expected answer."""

    def __init__(self, telegram: Telegram, at: int, photos: Path) -> None:
        super().__init__(telegram, 2001 + at)
        self.student_id = f"S{at + 1:03}"
        self.expects = {1: NO_FIT, 2: NO_PHOTO}.get(at, MARKED)
        if self.expects != NO_PHOTO:
            shown = portrait(ASTRONAUT if self.expects == NO_FIT else ADMIRAL)
            (photos / f"{self.student_id}.jpg").write_bytes(jpeg(shown))

    def answers(self) -> None:
        """Send a note with the requested motions; every recording is different."""
        motions = motions_in(self.sees("Record a round video")["text"])
        own = self.student_id.encode()
        content = recorded(ADMIRAL, motions) + struct.pack(">I4s", 8 + len(own), b"free") + own
        self.sends(video_note={"base64": base64.b64encode(content).decode("ascii"), "duration": 5})


class Class:
    """A class whose notes stay in the queue, since downloads fail until the first process has ended.

    A student without an ID photo is told at once, without a note.
    """

    def __init__(self, folder: Path, telegram: Telegram) -> None:
        self._folder, self._telegram = folder, telegram
        photos = folder / "data" / "photos"
        photos.mkdir(parents=True)
        self.students = [Faced(telegram, at, photos) for at in range(STUDENTS)]
        roster = [(student.student_id, f"Student {student.number}") for student in self.students]
        rosters(folder / "data", {"CS-1": roster})
        self.bot = ClassProcess(folder, telegram, FACE_ENGINE="local", OTP_EXPIRY_SECONDS=str(MINUTES * 60))
        self.bot.start()
        telegram.call("/faults", kind="500", method="getFile", bot=STUDENTS_BOT, times=None)
        self.teacher = Teacher(telegram, 7001, "+77010000001")

    def gathers(self) -> None:
        """Take all students to the queue."""
        self.teacher.signs_in()
        code = self.teacher.opens("CS-1")
        for student in self.students:
            student.says(f"/start {code}")
        for student in self.students:
            student.sees("student ID")
            student.says(student.student_id)
        for student in self.students:
            student.sees("The code is right")
            student.shares()
        for student in self.students:
            student.taps("I Agree")
        for student in self.students:
            student.answers()
        for student in self.students:
            student.sees(NO_PHOTO if student.expects == NO_PHOTO else "Received.")

    def again(self) -> None:
        """Start the next process, which can download notes."""
        self._telegram.http.delete("/faults").raise_for_status()
        self.bot.start()

    def stops(self) -> None:
        """Stop the process with SIGTERM, as Docker does."""
        began = time.monotonic()
        assert self.bot.stop() == 0
        measured("ended", time.monotonic() - began, STOPS_WITHIN)

    def in_queue(self) -> int:
        """Return how many notes are in the stored queue; the process must have ended."""
        store = self._folder / "data" / "classroom" / "classroom.sqlite3"
        with closing(sqlite3.connect(store)) as database:
            return int(database.execute("SELECT count(*) FROM check_ins WHERE step = 'checking'").fetchone()[0])

    def answered(self) -> int:
        """Return how many students have got their answer."""
        return sum(bool(student.counts(student.expects)) for student in self.students)

    def ends_well(self, kills: int) -> None:
        """Check that all get the right answer once, and that no video stays in any chat."""
        for student in self.students:
            student.sees(student.expects, MINUTES * 60 if FULL else PATIENCE)
        eventually("no video stays", lambda: not any("video_note" in m for s in self.students for m in s.screen()))
        for student in self.students:
            # a message is duplicated only if a kill came between Telegram's delivery and our storing it
            assert all(student.counts(text) <= 1 + kills for text in ("Received.", student.expects))
            assert [text for text in (MARKED, NO_FIT, NO_PHOTO) if student.counts(text)] == [student.expects]
        assert self.bot.stop() == 0
        assert self.in_queue() == 0
        with closing(sqlite3.connect(self._folder / "data" / "classroom" / "classroom.sqlite3")) as database:
            marked = "SELECT student_id FROM marks WHERE status = 'present' ORDER BY student_id"
            clear = "SELECT student_id FROM check_ins WHERE step = 'confirm' AND note = 'clear' ORDER BY student_id"
            matched = [row[0] for row in database.execute(marked if DECIDES else clear)]
            marks = database.execute("SELECT count(*) FROM marks").fetchone()[0]
        kept = [*(self._folder / "data" / "classroom").rglob("*"), *(self._folder / "secrets").rglob("*")]
        assert {oct(file.stat().st_mode & 0o777) for file in kept if file.is_file()} == {"0o600"}
        said = self.bot.log()
        assert not any(token in said for token in (STUDENT_TOKEN, TEACHER_TOKEN))
        assert matched == [student.student_id for student in self.students if student.expects == MARKED]
        assert marks == (len(matched) if DECIDES else 0)


@pytest.fixture
def at_school(tmp_path: Path, telegram: Telegram) -> Iterator[Class]:
    """A class with all notes in the queue."""
    at_school = Class(tmp_path, telegram)
    try:
        at_school.gathers()
        yield at_school
    finally:
        at_school.bot.end()


@pytest.mark.ordeal
def test_killed_and_ended(at_school: Class) -> None:
    """Notes in the queue at SIGTERM and at `kill -9` are all examined by the next process."""
    chance = random.Random(1)
    at_school.stops()
    assert at_school.in_queue() == STUDENTS - 1
    at_school.again()
    for number in range(ENDS):
        before = at_school.answered()
        eventually("another answer", lambda: at_school.answered() > before or not at_school.in_queue())  # noqa: B023
        time.sleep(chance.uniform(0, 0.5))  # so that the end comes in a random step
        if number % 2:
            at_school.stops()
        else:
            at_school.bot.crash()
        print(f"{at_school.in_queue()} of {STUDENTS} notes left to the next process")
        at_school.again()
    at_school.ends_well(kills=ENDS)
