"""Face checks as students and teachers see them in Telegram."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from core.health import HealthReports
from tests.classroom.face_fakes import FakeEngine, FakePhotos, Recording, note
from tests.classroom.running import STUDENTS, TEACHERS, RunningClock, Teacher, classroom, rosters
from tests.e2e.people import Telegram, eventually, labels
from tests.servers import in_thread

pytestmark = pytest.mark.integration


ROSTER = {
    "CS-1": [("S001", "A. Student"), ("S002", "B. Student"), ("S003", "C. Student")],
    "CS-2": [("S001", "A. Student")],
}


class Run:
    """The classroom with a fake engine, which can be restarted on the same data."""

    def __init__(self, stack: ExitStack, folder: Path, url: str, clock: RunningClock) -> None:
        self._stack, self.folder, self._url, self._clock = stack, folder, url, clock
        self.engine, self.photos, self.reports = FakeEngine(), FakePhotos(), HealthReports()

    def start(self, **changes: Any) -> None:
        """Start or restart it."""
        self._stack.close()
        fakes = {"engine": self.engine, "photos": self.photos, "reports": self.reports}
        settings = {"face_engine": "local"} | changes
        self._stack.enter_context(in_thread(classroom(self.folder, self._url, self._clock, **fakes, **settings)))  # type: ignore[arg-type]  # each its own

    def stop(self) -> None:
        """End it."""
        self._stack.close()

    def kept(self, what: str) -> list[Any]:
        """Return rows of the store, by SQL."""
        with closing(sqlite3.connect(self.folder / "classroom" / "classroom.sqlite3")) as connection:
            return connection.execute(what).fetchall()


@pytest.fixture
def run(tmp_path: Path, telegram: Telegram, clock: RunningClock) -> Iterator[Run]:
    """The running classroom."""
    rosters(tmp_path, ROSTER)
    with ExitStack() as stack:
        run = Run(stack, tmp_path, telegram.url, clock)
        run.start()
        yield run
        run.engine.goes_on.set()


@pytest.fixture
def teacher(run: Run, telegram: Telegram) -> Teacher:
    """A teacher who is signed in."""
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    return teacher


@pytest.fixture
def code(teacher: Teacher) -> str:
    """The code of an open session."""
    return teacher.opens("CS-1")


@pytest.fixture
def student(code: str, telegram: Telegram) -> Recording:
    """A student who is asked for consent."""
    student = Recording(telegram, 2001)
    student.comes(code)
    student.sees("your teacher sees two pictures")
    return student


@pytest.fixture
def challenged(student: Recording, run: Run) -> Recording:
    """A student with a challenge whose clock runs."""
    student.agrees()
    eventually("its clock runs", lambda: run.kept("SELECT 1 FROM check_ins WHERE asked_at IS NOT NULL"))
    return student


COUNT = "json_extract(face, '$.challenges')"


def of_the_bot(student: Recording) -> list[str]:
    """Return the texts of the bot's messages on the screen."""
    return [message["text"] for message in student.screen() if message["from"] == "bot"]


def unclear(student: Recording, *, retries: int = 1) -> None:
    """Send videos that do not match clearly, until the teacher decides."""
    for _retry in range(retries):
        student.records("67")
        student.sees("could not match your face")
    student.records("67")
    student.sees("Your teacher has to look at your check-in")


def rejected(run: Run) -> bool:
    """Say whether the first student's check-in is rejected."""
    return bool(run.kept("SELECT 1 FROM check_ins WHERE student_id = 'S001' AND step = 'rejected'"))


class TestWay:
    """From the consent to the mark."""

    def test_three_messages(self, student: Recording, telegram: Telegram, run: Run) -> None:
        """After the question for the ID a check-in has three messages: the location request, which goes at the end, one
        living message from consent to acknowledgement, and the mark, which rings."""
        question = student.sees("Now your face")
        assert labels(question) == ["I Agree", "Without My Face"]
        assert question["photo"]
        student.taps("I Agree")
        challenge = student.sees("Record a round video")
        assert challenge["message_id"] == question["message_id"]
        assert labels(challenge) == ["New Challenge", "I Can't Do This"]
        run.engine.goes_on.clear()
        video = student.records()
        received = student.sees("Received. It is your turn.")
        run.engine.goes_on.set()
        marked = student.sees("Attendance marked")
        assert received["message_id"] == question["message_id"]
        assert labels(received) == []
        assert marked["message_id"] != received["message_id"]
        assert marked["rang"]
        student.sees("Recorded.")
        assert len(of_the_bot(student)) <= 4
        eventually("the location request is gone", lambda: student.counts("The code is right") == 0)
        eventually("the video is gone", lambda: all(m["message_id"] != video for m in student.screen()))
        eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])
        assert telegram.refused_calls() == []

    def test_what_the_engine_gets(self, challenged: Recording, run: Run) -> None:
        """The engine gets the note as sent, the motions of the challenge, and the photo's template."""
        asked = challenged.sees("Record a round video")["text"]
        challenged.records()
        challenged.sees("Attendance marked")
        ((content, motions, template),) = run.engine.examined
        words = {"left": "to your left", "right": "to your right", "up": "look up"}
        assert content.startswith(b"90|")
        assert re.findall("|".join(words.values()), asked) == [words[motion] for motion in motions]
        assert template.startswith(b"template of ")

    def test_consent_is_asked_once(self, challenged: Recording, run: Run, teacher: Teacher) -> None:
        """In the next lesson the challenge comes at once, without asking for consent or making a template again."""
        challenged.records()
        challenged.sees("Attendance marked")
        teacher.says("/start")
        code = teacher.opens("CS-2")
        challenged.says(code)
        challenged.sees("The code is right")
        challenged.shares()
        eventually("the challenge", lambda: challenged.counts("Record a round video") == 1)
        assert run.engine.templates == 1

    def test_place_in_the_queue(self, challenged: Recording, code: str, telegram: Telegram, run: Run) -> None:
        """The acknowledgement has the number of notes before this one."""
        run.engine.goes_on.clear()
        challenged.records()
        challenged.sees("Received.")
        second = Recording(telegram, 2002)
        second.comes(code, "S002")
        second.agrees()
        second.records()
        second.sees("Received. 1 before you.")
        run.engine.goes_on.set()
        for each in (challenged, second):
            each.sees("Attendance marked")

    def test_late(self, student: Recording, teacher: Teacher, clock: RunningClock) -> None:
        """A note sent after the session's end is late, even if code and place came earlier."""
        clock.forward(-3)  # Telegram's dates are whole seconds: the note's has to be after the end
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        student.agrees()
        student.records()
        assert "Status: late" in student.sees("Attendance marked")["text"]

    def test_no_photo(self, challenged: Recording, run: Run, teacher: Teacher) -> None:
        """Without an ID photo the student is told so, and the teacher confirms."""
        run.photos.photos["S001"] = None
        challenged.records()
        challenged.sees("There is no ID photo of you for the comparison")
        teacher.sees("Without a face check: 1\n- A. Student (S001)")
        teacher.taps("Check One by One")
        teacher.sees("without a face check")
        teacher.taps("Accept A. Student")
        challenged.sees("Attendance marked")

    def test_photo_unusable(self, challenged: Recording, run: Run) -> None:
        """With an unusable ID photo the student is told so."""
        run.photos.photos["S001"] = b"unusable"
        challenged.records()
        challenged.sees("Your ID photo can't be used for the comparison")


class TestWithout:
    """Check-ins without a face check."""

    @pytest.mark.parametrize("agreed", [False, True], ids=["declines", "can't"])
    def test_teacher_confirms(self, student: Recording, teacher: Teacher, agreed: bool) -> None:
        """After declining, or without the motions, the teacher confirms by name, in four messages too."""
        if agreed:
            student.agrees()
        student.taps("I Can't Do This" if agreed else "Without My Face")
        waits = student.sees("Your teacher has to confirm")
        assert "photo" not in waits
        assert not waits["rang"]
        assert [each for each in student.screen() if each.get("photo")] == []
        teacher.sees("Without a face check: 1\n- A. Student (S001)")
        teacher.taps("Without a Face Check (1)")
        teacher.taps("Yes, Confirm These (1)")
        student.sees("Attendance marked")
        assert len(of_the_bot(student)) <= 4

    def test_declined(self, student: Recording, run: Run) -> None:
        """A refusal is stored, and no face data is."""
        student.taps("Without My Face")
        student.sees("Your teacher has to confirm")
        assert run.kept("SELECT telegram_id, given FROM consents") == [(2001, 0)]
        assert run.kept("SELECT * FROM templates") == []


class TestRefused:
    """Messages that do not answer the challenge."""

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ({"video_note": note("90"), "forwarded": True}, "A forwarded video does not count."),
            ({"video_note": note("90"), "via_bot": True}, "sent through another bot"),
            ({"video_note": note("90", duration=1)}, "too short: at least 2 seconds"),
            ({"video_note": note("90", duration=61)}, "too long: at most 60 seconds"),
            ({"video_note": note("90", file_size=20 * 1024 * 1024 + 1)}, "too large: at most 20 MB"),
            ({"video": note("90")}, "An ordinary video does not count."),
            ({"photo": note("90")}, "A photo does not count."),
        ],
        ids=["forwarded", "via bot", "short", "long", "large", "video", "photo"],
    )
    @pytest.mark.ordeal
    def test_each_its_own_answer(self, challenged: Recording, content: dict[str, Any], text: str, run: Run) -> None:
        """Each is refused with its own reason and costs no try; a right note counts afterwards."""
        video = challenged.sends(**content)
        challenged.sees(text)
        if "video_note" in content:
            eventually("the video is gone", lambda: all(m["message_id"] != video for m in challenged.screen()))
        challenged.records()
        challenged.sees("Attendance marked")
        assert len(run.engine.examined) == 1

    def test_late(self, student: Recording, clock: RunningClock, run: Run, telegram: Telegram) -> None:
        """A note after the minute is too late; a new challenge replaces it, and a note for that one counts."""
        clock.forward(-65)
        student.agrees()
        eventually("its clock runs", lambda: run.kept("SELECT 1 FROM check_ins WHERE asked_at IS NOT NULL"))
        student.records()
        student.sees("That video came too late. Tap New Challenge.")
        clock.forward(65)
        student.taps("New Challenge")
        eventually("a new one", lambda: "You have" in student.screen()[-1]["text"])
        student.records()
        student.sees("Attendance marked")
        assert len(run.engine.examined) == 1
        eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])

    def test_run_out(self, challenged: Recording, clock: RunningClock, code: str) -> None:
        """Sending the code again shows that the challenge has expired, with a button for the next one."""
        clock.forward(61)
        challenged.says(code)
        assert labels(challenged.sees("The time for this video is over.")) == ["New Challenge", "I Can't Do This"]

    def test_repeated(self, challenged: Recording, code: str, telegram: Telegram) -> None:
        """A recording sent before is refused from anybody."""
        recording = note("90")
        challenged.sends(video_note=recording)
        challenged.sees("Attendance marked")
        friend = Recording(telegram, 2002)
        friend.comes(code, "S002")
        friend.agrees()
        friend.sends(video_note=recording)
        friend.sees("This video was sent before")

    def test_before_the_consent(self, student: Recording, run: Run) -> None:
        """A note before the consent is not examined: the question is repeated."""
        first = student.sees("Now your face")["message_id"]
        student.records()
        eventually("the question again", lambda: student.sees("Now your face")["message_id"] > first)
        assert (run.engine.examined, run.engine.templates) == ([], 0)

    def test_without_a_check_in(self, code: str, telegram: Telegram) -> None:
        """A video without a check-in is answered with the first step."""
        student = Recording(telegram, 2001)
        student.says("/start")
        student.records()
        student.sees("No check-in waits for a video.")

    def test_three_run_out(self, challenged: Recording, clock: RunningClock, run: Run, teacher: Teacher) -> None:
        """After three expired challenges the teacher confirms."""
        run.start(checkin_grace_seconds=900)
        for given in (2, 3):
            clock.forward(61)
            challenged.taps("New Challenge")
            eventually(
                "the next one",
                lambda: run.kept(f"SELECT 1 FROM check_ins WHERE {COUNT} = {given} AND asked_at IS NOT NULL"),  # noqa: B023
            )
        clock.forward(61)
        challenged.taps("New Challenge")
        challenged.sees("Your teacher has to confirm")

    def test_early_wish(self, challenged: Recording, run: Run, telegram: Telegram) -> None:
        """While a challenge is valid there is no other one, so nobody can choose."""
        before = run.kept("SELECT json_extract(face, '$.motions') FROM check_ins")
        challenged.taps("New Challenge")
        eventually("an answer", lambda: "is still valid" in str(telegram.get("/taps")))
        assert run.kept("SELECT json_extract(face, '$.motions') FROM check_ins") == before


class TestTries:
    """What is counted as a try."""

    @pytest.mark.parametrize(
        ("shows", "text"),
        [
            ("30", "could not match your face"),
            ("broken", "can't be read"),
            ("no face", "No face was found"),
            ("two faces", "two faces in the video"),
            ("cut", "not in view all the time"),
            ("dark", "too dark to see your face"),
            ("not seen", "I did not see the motions"),
            ("not seen:left", "I saw the turn, but not the"),
            ("flat", "I did not see the motions"),
            ("crashed", "This video can't be read. Record a new one"),
        ],
    )
    @pytest.mark.ordeal
    def test_retry_then_pass(self, challenged: Recording, shows: str, text: str) -> None:
        """A failed try replaces the acknowledgement with its reason and a new challenge; the next try passes."""
        challenged.records(shows)
        again = challenged.sees(text)
        assert "Record a round video" in again["text"]
        challenges = [each for each in challenged.screen() if "Record a round video" in (each["text"] or "")]
        assert [bool(each["buttons"]) for each in challenges] == [True]  # the last one is gone
        assert again["rang"]
        challenged.records()
        assert challenged.sees("Attendance marked")["rang"]
        assert len(of_the_bot(challenged)) <= 4

    @pytest.mark.parametrize(
        ("shows", "why"),
        [
            ("30", "Not clearly this student.\nSimilarity: 30 %.\nLeft the ID photo, right the video"),
            ("no face", "No face in the video.\nIs this student in class?"),
            ("not seen", "The motions were not seen.\nLeft the ID photo, right the video"),
            ("flat", "It may be a photograph.\nLeft the ID photo, right the video"),
            ("crashed", "The video can't be read.\nIs this student in class?"),
        ],
    )
    @pytest.mark.ordeal
    def test_retry_then_teacher(
        self, challenged: Recording, run: Run, teacher: Teacher, code: str, shows: str, why: str
    ) -> None:
        """After the one retry the teacher decides, who alone reads why; the student is not refused, nor accused."""
        challenged.records("30")
        challenged.sees("could not match your face")
        challenged.records(shows)
        challenged.sees("Your teacher has to look at your check-in")
        teacher.sees("To look at: 1\n- A. Student (S001): the face match is unclear")
        challenged.says(code)
        eventually("the answer", lambda: challenged.counts("Your teacher has to look at your check-in") == 2)
        teacher.taps("Look at Them (1)")
        shown = teacher.sees(why)
        assert shown["photo"]
        assert labels(shown) == ["Accept", "Reject"]
        assert not rejected(run)
        teacher.taps("Accept")
        challenged.sees("Attendance marked")
        assert len(run.engine.examined) == 2
        assert run.kept("SELECT reason FROM marks") == [("confirmed",)]
        assert not any("photograph" in text for text in of_the_bot(challenged))


class TestUnclear:
    """Results that the teacher reviews."""

    def looked_at(self, student: Recording, teacher: Teacher) -> Any:
        """Return the message with the pictures of a student whose two videos were not clear."""
        unclear(student)
        teacher.taps("Look at Them (1)")
        return teacher.sees("Similarity: 67 %.")

    @pytest.mark.parametrize(("button", "text"), [("Accept", "Attendance marked"), ("Reject", "did not accept")])
    def test_teacher_decides(
        self, challenged: Recording, teacher: Teacher, run: Run, button: str, text: str, telegram: Telegram
    ) -> None:
        """The teacher sees both pictures and decides; then they are deleted from chat and disk."""
        pictures = self.looked_at(challenged, teacher)
        assert "<b>A. Student (S001)</b>" in pictures["html"]
        assert labels(pictures) == ["Accept", "Reject"]
        file = pictures["photo"][-1]["file_id"]
        shown = telegram.http.get("/file", params={"bot": TEACHERS, "file_id": file}).content
        assert shown.startswith(b"\xff\xd8")
        assert len(shown) < 60_000
        teacher.taps(button)
        challenged.sees(text)
        eventually("the pictures are gone", lambda: teacher.counts("Similarity:") == 0)
        pictures_kept = run.folder / "classroom" / "reviews"
        eventually("none is on the disk", lambda: list(pictures_kept.iterdir()) == [])
        eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])

    def test_decided_on_the_list(self, challenged: Recording, teacher: Teacher) -> None:
        """A decision on the list deletes the pictures too."""
        self.looked_at(challenged, teacher)
        teacher.taps("Check One by One")
        teacher.taps("Accept A. Student")
        challenged.sees("Attendance marked")
        eventually("the pictures are gone", lambda: teacher.counts("Similarity:") == 0)

    def test_marked_by_hand(self, challenged: Recording, teacher: Teacher) -> None:
        """A mark by hand deletes the pictures too."""
        self.looked_at(challenged, teacher)
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student: absent")
        teacher.taps("Present")
        teacher.taps("No Reason")
        challenged.sees("Your teacher has marked you: present")
        eventually("the pictures are gone", lambda: teacher.counts("Similarity:") == 0)


class TestTroubles:
    """Interruptions."""

    @pytest.mark.ordeal
    def test_restart(self, challenged: Recording, run: Run, telegram: Telegram, code: str) -> None:
        """Notes in the queue at the end of the process are checked by the next one, and reported once."""
        second = Recording(telegram, 2002)
        second.comes(code, "S002")
        second.agrees()
        run.engine.goes_on.clear()
        for each in (challenged, second):
            each.records()
            each.sees("Received.")
        run.stop()
        run.engine.goes_on.set()
        run.start()
        for each in (challenged, second):
            each.sees("Attendance marked")
            assert len(of_the_bot(each)) <= 4

    def test_hand_mark_during_the_check(self, challenged: Recording, run: Run, teacher: Teacher) -> None:
        """A mark by hand during the check overrides the result, and the video is still deleted."""
        run.engine.goes_on.clear()
        video = challenged.records("90")
        challenged.sees("Received.")
        teacher.sees("On the way: 1")
        teacher.taps("Mark by Hand")
        teacher.taps("A. Student: absent")
        teacher.taps("Excused")
        teacher.taps("No Reason")
        challenged.sees("Your teacher has marked you: excused")
        run.engine.goes_on.set()
        eventually("the video is gone", lambda: all(m["message_id"] != video for m in challenged.screen()))
        eventually("the check is over", lambda: run.kept("SELECT step FROM check_ins") == [("done",)])
        assert run.kept("SELECT status FROM marks") == [("excused",)]
        assert challenged.counts("Attendance marked") == 0

    @pytest.mark.ordeal
    def test_deleted(self, challenged: Recording, run: Run, telegram: Telegram) -> None:
        """/delete_me mentions the face, and deletes template, consent and key; a note in the queue is dropped."""
        challenged.records("30")
        challenged.sees("could not match your face")
        keys = run.folder.parent / f"{run.folder.name}-secrets" / "faces"
        assert len(list(keys.glob("*.key"))) == 1
        run.engine.goes_on.clear()
        challenged.records()
        challenged.sees("Received.")
        challenged.says("/delete_me")
        challenged.sees("What is kept of your face is deleted, too")
        challenged.taps("Yes, Delete")
        challenged.sees("Your data is deleted.")
        eventually("no video stays", lambda: not any("video_note" in m for m in challenged.screen()))
        assert list(keys.glob("*.key")) == []
        run.engine.goes_on.set()
        eventually("the check is over", lambda: len(run.engine.examined) == 2)
        for table in ("templates", "consents", "check_ins"):
            assert run.kept(f"SELECT * FROM {table}") == []  # names of ours
        assert not any("video_note" in message for message in challenged.screen())

    def test_cancelled(self, challenged: Recording, run: Run, teacher: Teacher) -> None:
        """A session cancelled during a check leaves nothing in the queue and no video in the chat."""
        run.engine.goes_on.clear()
        video = challenged.records()
        received = challenged.sees("Received.")["message_id"]
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        challenged.sees("Your teacher has cancelled")
        eventually("it is gone", lambda: all(m["message_id"] != received for m in challenged.screen()))
        eventually("the video is gone", lambda: all(m["message_id"] != video for m in challenged.screen()))
        run.engine.goes_on.set()
        eventually("the queue is empty", lambda: run.kept("SELECT step FROM check_ins") == [("expired",)])
        assert run.kept("SELECT * FROM marks") == []

    def test_old_buttons(self, challenged: Recording, telegram: Telegram) -> None:
        """Buttons of a finished check-in are answered and change nothing."""
        challenge = challenged.sees("Record a round video")
        challenged.records()
        challenged.sees("Attendance marked")
        assert not any(labels(message) for message in challenged.screen())
        buttons = [each["data"] for row in challenge["buttons"] for each in row]
        telegram.taps_at_once(STUDENTS, 2001, challenge["message_id"], buttons, forged=True)
        eventually("each is answered", lambda: sum(tap["person"] == 2001 for tap in telegram.get("/taps")) == 3)
        eventually("all taps are answered", lambda: telegram.unanswered_taps() == [])
        assert challenged.counts("Attendance marked") == 1

    def test_another_ones_button(self, student: Recording, telegram: Telegram, run: Run, code: str) -> None:
        """A forged tap without a check-in is answered, and stores no consent."""
        session = run.kept("SELECT session FROM check_ins")[0][0]
        stranger = Recording(telegram, 2002)
        stranger.says("/start")
        message = stranger.sees("takes your attendance")["message_id"]
        tap = {"bot": STUDENTS, "person": 2002, "message_id": message, "button": f"face:yes:{session}"}
        telegram.call("/tap", forged=True, **tap)
        eventually("it is answered", lambda: telegram.unanswered_taps() == [])
        assert run.kept("SELECT * FROM consents") == []

    def test_twice(self, student: Recording, telegram: Telegram, run: Run) -> None:
        """A second tap on the consent does not change the challenge."""
        student.agrees()
        motions = run.kept("SELECT face FROM check_ins")
        session = run.kept("SELECT session FROM check_ins")[0][0]
        message = student.sees("Record a round video")["message_id"]
        tap = {"bot": STUDENTS, "person": 2001, "message_id": message, "button": f"face:yes:{session}"}
        telegram.call("/tap", forged=True, **tap)
        eventually("it is answered", lambda: telegram.unanswered_taps() == [])
        assert run.kept("SELECT face FROM check_ins") == motions

    def test_what_a_crash_left_out(self, challenged: Recording, run: Run, teacher: Teacher, code: str) -> None:
        """Messages and deletions that a crash prevented are done by the next process."""
        challenged.records("67")
        challenged.sees("could not match your face")
        video = challenged.records("67")
        challenged.sees("Your teacher has to look")
        teacher.taps("Look at Them (1)")
        teacher.sees("Similarity: 67 %.")
        run.stop()
        with closing(sqlite3.connect(run.folder / "classroom" / "classroom.sqlite3")) as database, database:
            # as after a crash right after the step
            database.execute("DELETE FROM told WHERE key LIKE 'face:%' OR key LIKE 'video:%'")
        before = len(of_the_bot(challenged))
        run.start()
        teacher.taps("Check One by One")
        teacher.taps("Reject A. Student")
        challenged.sees("did not accept")
        assert len(of_the_bot(challenged)) == before + 1
        assert all(message["message_id"] != video for message in challenged.screen())

    def test_lost_by_telegram(self, challenged: Recording, run: Run, telegram: Telegram) -> None:
        """A note that Telegram has lost costs no try: there is a new challenge, and the next note counts."""
        telegram.call("/faults", kind="400", method="getFile", bot=STUDENTS)
        challenged.records()
        assert "Record a round video" in challenged.sees("Telegram has lost your video.")["text"]
        challenged.records()
        challenged.sees("Attendance marked")
        assert len(of_the_bot(challenged)) <= 4

    def test_end_of_term(self, challenged: Recording, run: Run, clock: RunningClock) -> None:
        """After the end of the term templates, consents and keys are deleted, and nothing else."""
        challenged.records()
        challenged.sees("Attendance marked")
        assert len(run.kept("SELECT * FROM templates")) == 1
        run.stop()
        clock.forward(190 * 86_400)  # past the end of a term: there are two a year
        run.start(retention_days=365)
        eventually("no template", lambda: run.kept("SELECT * FROM templates") == [])
        eventually("no consent", lambda: run.kept("SELECT * FROM consents") == [])
        assert len(run.kept("SELECT * FROM marks")) == 1
        keys = run.folder.parent / f"{run.folder.name}-secrets" / "faces"
        eventually("the key is gone", lambda: list(keys.glob("*.key")) == [])

    def test_health(self, challenged: Recording, run: Run) -> None:
        """The health report has the queue, and the durations of checks, writes to the LMS and answers."""
        run.engine.goes_on.clear()
        challenged.records()
        challenged.sees("Received.")
        assert asyncio.run(run.reports.report())["faces"]["queue"] == 1
        run.engine.goes_on.set()
        challenged.sees("Recorded.")
        steps = {"waited", "download", "decide"}
        eventually("its check is over", lambda: steps <= set(asyncio.run(run.reports.report())["faces"]["seconds"]))
        report = asyncio.run(run.reports.report())
        assert report["lms_seconds"]["p95"] >= report["lms_seconds"]["median"] > 0
        assert report["reply_seconds"]["STUDENT_BOT_TOKEN"]["median"] > 0

    def test_closed(self, challenged: Recording, run: Run) -> None:
        """At the end engine and photos are closed."""
        run.stop()
        assert run.engine.is_closed
        assert run.photos.is_closed
