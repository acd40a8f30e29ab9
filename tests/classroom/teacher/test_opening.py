"""Opening a session: subjects and batches, the place, the code, and failures."""

import asyncio
import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from classroom.domain.sessions import Enrolled, Place, Session, Sheet
from classroom.store.sqlite import SqliteStore
from core.encryption import open_cipher
from telegram_app.files import qr_picture
from tests.classroom.running import KEY, ROOM, STUDENTS, TEACHERS, Lms, Run, RunningClock, Student, Teacher, rosters
from tests.classroom.teacher.test_sign_in import calls
from tests.e2e.people import Telegram, eventually, labels

pytestmark = pytest.mark.integration


LONG = "Group of the second year, faculty of everything & <nothing>_*' " * 3  # 189 characters


def sessions(folder: Path) -> list[Any]:
    """Return the sessions in the store."""
    with sqlite3.connect(f"file:{folder / 'classroom' / 'classroom.sqlite3'}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        return database.execute("SELECT * FROM sessions ORDER BY opened_at").fetchall()


def screen_of(teacher: Teacher, text: str) -> list[str]:
    """Wait for a message, and return its buttons' labels."""
    return labels(teacher.sees(text))


def pictures(teacher: Teacher, telegram: Telegram) -> list[bytes]:
    """Return the pictures on the screen."""
    return [
        telegram.http.get("/file", params={"bot": TEACHERS, "file_id": message["photo"][-1]["file_id"]}).content
        for message in teacher.screen()
        if message.get("photo")
    ]


class TestBatches:
    """Choosing subjects and batches."""

    def test_long_names(self, run: Run, telegram: Telegram, tmp_path: Path) -> None:
        """Long names with the same beginning are numbered, and only the chosen batches are opened."""
        batches = [f"{LONG}{letter}" for letter in "abc"]
        rosters(tmp_path, {batch: [(f"S{at}", f"Student {at}")] for at, batch in enumerate(batches)})
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.taps("Take Attendance")
        shown = screen_of(teacher, "Which batches?")
        for number in (1, 3):
            teacher.taps(next(each for each in shown if each.startswith(f"{number}. ")))
            chosen = f"\u2713 {number}. "
            eventually("the choice", lambda: any(each.startswith(chosen) for each in screen_of(teacher, "Which")))  # noqa: B023
        text = teacher.sees("Which batches?")["text"]
        assert [line[-1] for line in text.splitlines() if line.startswith(("1. ", "2. ", "3. "))] == ["a", "b", "c"]
        teacher.taps("Next")
        teacher.shares_place()
        teacher.sees("In: 0 of 2")
        (session,) = sessions(tmp_path)
        assert batches[0] in session["batches"]
        assert batches[1] not in session["batches"]
        assert batches[2] in session["batches"]

    def test_double_tap(self, teacher: Teacher) -> None:
        """A double tap chooses a batch once; a tap on the chosen batch removes it."""
        teacher.taps("Take Attendance")
        teacher.sees("Which batches?")
        teacher.forges("open:b:0")
        teacher.forges("open:b:0")
        teacher.forges("open:b:1")
        eventually("both", lambda: {"\u2713 CS-1", "\u2713 CS-2"} <= set(labels(teacher.sees("Which batches?"))))
        teacher.taps("\u2713 CS-1")
        eventually("one", lambda: {"CS-1", "\u2713 CS-2"} <= set(labels(teacher.sees("Which batches?"))))

    @pytest.fixture
    def taught(self, run: Run, telegram: Telegram, tmp_path: Path) -> Teacher:
        """Give a teacher of four batches with different subjects."""
        lines = ["batch,subject,student_id,name", "CS-1,Algebra|Physics,S001,A", "CS-2,Physics,S002,B"]
        lines += ["CS-3,Algebra|Physics,S003,C", "CS-4,Music,S004,D"]
        (tmp_path / "rosters" / "students.csv").write_text("\n".join(lines), encoding="utf-8")
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.taps("Take Attendance")
        return teacher

    def test_subjects(self, taught: Teacher, tmp_path: Path) -> None:
        """Batches come first, then the subjects that all of them have; Back leads to the batches, then to the menu."""
        taught.chooses("CS-1", "CS-3")
        assert screen_of(taught, "Which subject?\nCS-1\nCS-3") == ["Algebra", "Physics", "Reload", "Back"]
        taught.taps("Back")
        assert screen_of(taught, "Which batches?")[:4] == ["\u2713 CS-1", "CS-2", "\u2713 CS-3", "CS-4"]
        taught.taps("Next")
        taught.taps("Physics")
        taught.sees("Physics: CS-1, CS-3\nWhere is the class?")
        taught.shares_place()
        taught.sees("In: 0 of 2")
        assert [(row["subject"], row["batches"]) for row in sessions(tmp_path)] == [("Physics", '["CS-1", "CS-3"]')]
        taught.says("/start")
        taught.taps("Take Attendance")
        taught.sees("Which batches?")
        taught.taps("Back")
        taught.sees("Take attendance:")

    def test_one_shared_subject(self, taught: Teacher) -> None:
        """The only subject that the chosen batches share is chosen by itself, and shown."""
        taught.chooses("CS-1", "CS-2")
        taught.sees("Physics: CS-1, CS-2\nWhere is the class?")

    def test_no_shared_subject(self, taught: Teacher) -> None:
        """Batches without a subject in common are told so; Back keeps the choice."""
        taught.chooses("CS-1", "CS-4")
        assert screen_of(taught, "share no subject. Go back and leave some out.\nCS-1\nCS-4") == ["Reload", "Back"]
        taught.taps("Back")
        taught.taps("\u2713 CS-1")
        eventually("one batch", lambda: "Next.\nCS-4" in taught.sees("Which batches?")["text"])
        taught.taps("Next")
        taught.sees("Music: CS-4\nWhere is the class?")

    def test_nothing_to_choose(self, lms_teacher: Teacher) -> None:
        """With one batch and one subject the place is asked for at once; Reload reads the batches anew."""
        lms_teacher.taps("Take Attendance")
        assert screen_of(lms_teacher, "Algebra: CS-1\nWhere is the class?") == ["Without Phones", "Reload", "Back"]
        lms_teacher.sees("Share your location with the button below")

    def test_fifty_batches(self, run: Run, telegram: Telegram, tmp_path: Path) -> None:
        """Fifty batches are shown on pages, and a choice is kept when the page changes."""
        rosters(tmp_path, {f"G-{at:02}": [(f"S{at}", f"Student {at}")] for at in range(50)})
        run.starts()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.taps("Take Attendance")
        teacher.taps("G-01")
        teacher.sees("Next.\nG-01")
        teacher.taps("More")
        teacher.taps("G-15")
        teacher.sees("G-01\nG-15")
        teacher.taps("Previous")
        eventually("the first page", lambda: "\u2713 G-01" in labels(teacher.sees("G-01\nG-15")))
        teacher.taps("Next")
        teacher.shares_place()
        teacher.sees("In: 0 of 2")

    def test_kept_for_five_minutes(self, lms_teacher: Teacher, lms: Lms, clock: RunningClock) -> None:
        """The LMS is asked for batches at most once in five minutes, and at Reload."""
        for asked, seconds in ((1, 0), (1, 200), (2, 110)):
            clock.forward(seconds)
            lms_teacher.says("/start")
            lms_teacher.taps("Take Attendance")
            lms_teacher.sees("Where is the class?")
            lms_teacher.settles()
            assert calls(lms, "courses") == asked
        lms_teacher.taps("Reload")
        eventually("another call", lambda: calls(lms, "courses") == 3)

    def test_reload_reads_rosters(self, lms_teacher: Teacher, lms: Lms) -> None:
        """A student added in the LMS is on the roster after Reload, not before."""
        lms_teacher.opens("CS-1")
        lms_teacher.sees("In: 0 of 2")
        students = [{"id": f"S00{number}", "name": f"Student {number}", "email": ""} for number in (1, 2, 3)]
        lms.tells("batches", batch="CS-1", students=students)
        for reload, number in ((False, 2), (True, 3)):
            lms_teacher.taps("Cancel Session")
            lms_teacher.taps("Yes, Cancel It")
            lms_teacher.sees("Cancelled: nothing is recorded.")
            lms_teacher.says("/start")
            lms_teacher.taps("Take Attendance")
            lms_teacher.sees("Where is the class?")
            if reload:
                lms_teacher.taps("Reload")
                eventually("another call", lambda: calls(lms, "courses") == 2)
            lms_teacher.shares_place()
            eventually("the board", lambda: lms_teacher.counts(f"In: 0 of {number}") == 1)  # noqa: B023


@pytest.fixture
def at_the_place(teacher: Teacher) -> Teacher:
    """Give a teacher who is asked for the location of the class."""
    teacher.taps("Take Attendance")
    teacher.taps("CS-1")
    teacher.sees("Next.\nCS-1")
    teacher.taps("Next")
    teacher.sees("Share your location with the button below")
    return teacher


class TestPlace:
    """The place of the class."""

    def test_accuracy(self, at_the_place: Teacher, tmp_path: Path) -> None:
        """The place is stored with its accuracy."""
        at_the_place.sends(location={"latitude": ROOM[0], "longitude": ROOM[1], "horizontal_accuracy": 12.5})
        at_the_place.sees("In: 0 of 3")
        (session,) = sessions(tmp_path)
        assert json.loads(session["place"]) == {"latitude": ROOM[0], "longitude": ROOM[1], "accuracy": 12.5}

    def test_text(self, at_the_place: Teacher, tmp_path: Path) -> None:
        """A text instead of a location is answered with what to do."""
        at_the_place.says("Share Location")
        at_the_place.sees("A text is not a location.\nShare your location with the button below, from your phone")
        at_the_place.says("43.25, 76.95")
        eventually("the second answer", lambda: at_the_place.counts("A text is not a location.") == 2)
        assert not sessions(tmp_path)
        at_the_place.shares_place()
        at_the_place.sees("In: 0 of 3")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ({"venue": {"location": {"latitude": 43.25, "longitude": 76.95}, "title": "Hall"}}, "from the map"),
            ({"location": {"latitude": 43.25, "longitude": 76.95}, "forwarded": True}, "A forwarded location"),
        ],
        ids=["venue", "forwarded"],
    )
    def test_no_evidence(self, at_the_place: Teacher, content: dict[str, Any], said: str, tmp_path: Path) -> None:
        """A venue and a forwarded location are refused for teachers, too."""
        at_the_place.sends(**content)
        at_the_place.sees(said)
        assert not sessions(tmp_path)

    def test_twice(self, at_the_place: Teacher, tmp_path: Path) -> None:
        """A location sent twice and a moving live location open one session."""
        live = at_the_place.sends(location={"latitude": ROOM[0], "longitude": ROOM[1], "live_period": 900})
        at_the_place.sends(location={"latitude": ROOM[0], "longitude": ROOM[1]})
        place = {"latitude": ROOM[0] + 0.001, "longitude": ROOM[1]}
        at_the_place._telegram.call("/edit", bot=TEACHERS, person=7001, message_id=live, location=place)
        at_the_place.settles()
        assert len(sessions(tmp_path)) == 1
        eventually("the board", lambda: at_the_place.counts("In: 0 of 3") == 1)

    def test_back(self, at_the_place: Teacher, tmp_path: Path) -> None:
        """After Back nothing is opened, also not by a location sent later."""
        at_the_place.taps("Back")
        at_the_place.sees("Nothing was opened.")
        at_the_place.sees("Take attendance:")
        at_the_place.sends(location={"latitude": ROOM[0], "longitude": ROOM[1]})
        at_the_place.settles()
        assert not sessions(tmp_path)

    def test_over_a_restart(self, at_the_place: Teacher, run: Run) -> None:
        """The choice survives a restart."""
        run.starts()
        at_the_place.shares_place()
        at_the_place.sees("In: 0 of 3")

    def test_rooms(self, teacher: Teacher, clock: RunningClock, tmp_path: Path) -> None:
        """The tapped saved place counts, even when the list has changed since it was shown."""
        teacher.opens("CS-1")
        teacher.taps("Save This Place")
        teacher.sees("What is this place called?")
        teacher.says("Room B")
        teacher.sees("Saved")
        teacher.says("/start")
        teacher.taps("Take Attendance")
        teacher.taps("CS-2")
        teacher.taps("Next")
        eventually("the room", lambda: "Room B" in labels(teacher.sees("Where is the class?")))
        with sqlite3.connect(tmp_path / "classroom" / "classroom.sqlite3") as database:
            database.execute("INSERT INTO rooms VALUES (7001, 'Room A', 10, 10, 5)")
        teacher.taps("Room B")
        teacher.sees("In: 0 of 1")
        assert [json.loads(session["place"])["latitude"] for session in sessions(tmp_path)] == [ROOM[0], ROOM[0]]

    def test_lms_down(self, lms_teacher: Teacher, lms: Lms) -> None:
        """When the roster can't be read, only the location is asked for again; the choice is kept."""
        lms.tells("behaviour", calls=["roster"], down=True)
        lms_teacher.taps("Take Attendance")
        lms_teacher.shares_place()
        lms_teacher.sees("The LMS does not answer now. Try again in a minute.")
        lms.tells("behaviour", down=False)
        lms_teacher.shares_place()
        lms_teacher.sees("In: 0 of 2")


class TestCode:
    """The code and its picture."""

    def test_picture_and_link(self, teacher: Teacher, telegram: Telegram, student: Student) -> None:
        """The QR picture holds the link that opens the student bot with the code."""
        code = teacher.opens("CS-1")
        assert len(code) == 6
        link = f"https://t.me/{STUDENTS}?start={code}"
        teacher.sees(link)
        assert pictures(teacher, telegram) == [qr_picture(link)]
        student.says(f"/start {code}")
        student.says("S001")
        student.sees("The code is right")

    def test_rotating_picture(self, run: Run, telegram: Telegram, clock: RunningClock) -> None:
        """A rotating code's picture is replaced in the same message."""
        run.starts(otp_rotate_seconds=30)
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        teacher.opens("CS-1")
        (first,) = pictures(teacher, telegram)
        clock.forward(31)
        eventually("another picture", lambda: pictures(teacher, telegram) != [first])
        eventually(
            "the board's code",
            lambda: pictures(teacher, telegram) == [qr_picture(f"https://t.me/{STUDENTS}?start={teacher.code()}")],
        )

    def test_extended_between_codes(self, run: Run, telegram: Telegram, clock: RunningClock) -> None:
        """A session extended while its last code runs out always has a code."""
        run.starts(otp_rotate_seconds=250, otp_expiry_seconds=600)
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        first = teacher.opens("CS-1")
        clock.forward(501)
        eventually("the last code", lambda: teacher.code() != first)
        last = teacher.code()
        teacher.taps("Extend")
        eventually("more time", lambda: int(teacher.sees(" s left")["text"].split(" s left")[0].split()[-1]) > 500)
        clock.forward(125)  # past the end before, with which the last code ended
        eventually("a code", lambda: len(code := teacher.code()) == 6 and code != last)

    def test_another_live_code(self, teacher: Teacher) -> None:
        """Two open sessions of one teacher have two codes and two boards."""
        first = teacher.opens("CS-1")
        teacher.says("/start")
        second = teacher.opens("CS-2")
        assert first != second
        assert teacher.counts(" s left") == 2


def test_another_day(teacher: Teacher, clock: RunningClock, tmp_path: Path) -> None:
    """A lesson can't be opened twice on a day, in any order of batches, but again on the next day."""
    teacher.opens("CS-2", "CS-1")
    teacher.saves_room("Hall")
    teacher.says("/start")
    teacher.taps("Take Attendance")
    teacher.chooses("CS-1", "CS-2")
    teacher.sees("CS-1 has a lesson in Algebra today: ")
    assert len(sessions(tmp_path)) == 1
    clock.forward(24 * 3600)
    teacher.opens_in("Hall", "CS-1", "CS-2")
    eventually("the second session", lambda: len(sessions(tmp_path)) == 2)


@pytest.mark.parametrize("seconds", [1, 300], ids=["in time", "too late"])
@pytest.mark.ordeal
def test_killed_before_the_board(
    run: Run, teacher: Teacher, tmp_path: Path, clock: RunningClock, telegram: Telegram, seconds: float
) -> None:
    """A session whose process was killed before its board was sent is shown once, even if it has ended."""
    run.stops()
    now = clock.now()
    place, closes_at = Place(*ROOM), now + timedelta(seconds=110)
    session = Session("0123456789ab", 7001, "Main", "Algebra", ("CS-1",), f"{now.date()}", place, now, closes_at, 0)
    roster = (Enrolled("S001", "A. Student", "CS-1"),)
    sheet = Sheet(session.id, "Main", "CS-1", "Algebra", session.date, 7001, roster)
    store = SqliteStore(
        tmp_path / "classroom" / "classroom.sqlite3", open_cipher(KEY, tmp_path / "unused", may_create=False)
    )

    async def open_session() -> None:
        await store.open()
        assert await store.create_session(session, [sheet], "123456", closes_at)
        await store.close()

    asyncio.run(open_session())
    clock.forward(seconds)
    run.starts()
    teacher.sees("In: 0 of 1")
    if seconds < 110:
        teacher.sees("Code: 123 456, ")
    else:
        teacher.sees("Report: ")
    run.starts()
    teacher.settles()
    assert teacher.counts("In: 0 of 1") == 1
    assert len(pictures(teacher, telegram)) == (seconds < 110)


def test_next_twice(teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
    """A second tap on Next, or a tap on an outdated button, does not change the choice."""
    teacher.taps("Take Attendance")
    teacher.sees("Which batches?")
    for data in ("open:b:0", "open:next", "open:next", "open:b:1", "open:subjects"):
        teacher.forges(data)
    teacher.shares_place()
    teacher.sees("In: 0 of 3")
    assert sum("Share your location" in str(each["params"].get("text")) for each in telegram.get("/calls")) == 1
    assert [session["batches"] for session in sessions(tmp_path)] == ['["CS-1"]']


def test_made_up_buttons(teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
    """Forged buttons with invalid numbers or unknown sessions change nothing and are answered."""
    key = "0" * 12
    plain = ("save", "board", "hands", "checks", "all", "again", "close", "cancelled", "reopen", "report")
    for datas in (
        ["open:s:99", "open:b:99", "open:b:x", "open:next", "open:", "room:9", "gone:9", "forget", "rooms", "lang:xx"],
        [f"{each}:{key}" for each in plain],
        [f"extend:{key}:1", f"st:{key}:1", f"ok:{key}:1", f"mk:{key}:1:p", f"mkn:{key}:1:x", "x" * 64],
    ):
        for data in datas:
            teacher.forges(data)
        teacher.settles()
    assert not sessions(tmp_path)
    eventually("answers to all taps", lambda: not telegram.unanswered_taps())
    assert teacher.counts("That did not work.") == 0


def test_delete_a_place(teacher: Teacher) -> None:
    """A saved place can be deleted; the others stay and open a session."""
    teacher.opens("CS-1")
    for name in ("Room A", "Room B"):
        teacher.saves_room(name)
    teacher.says("/start")
    teacher.taps("Take Attendance")
    teacher.taps("CS-2")
    teacher.sees("Next.\nCS-2")
    teacher.taps("Next")
    teacher.taps("Delete a Place")
    teacher.sees("Which place should be deleted?")
    teacher.taps("Room A")
    eventually(
        "one room",
        lambda: labels(teacher.sees("Where is the class?")) == ["Room B", "Without Phones", "Delete a Place", "Back"],
    )
    teacher.taps("Room B")
    teacher.sees("In: 0 of 1")


def test_deleted_once(teacher: Teacher) -> None:
    """A second tap on a place that is being deleted deletes no other."""
    teacher.opens("CS-1")
    for name in ("Room A", "Room B"):
        teacher.saves_room(name)
    teacher.says("/start")
    teacher.taps("Take Attendance")
    teacher.chooses("CS-2")
    teacher.taps("Delete a Place")
    teacher.sees("Which place should be deleted?")
    teacher.forges("gone:0")
    teacher.forges("gone:0")
    teacher.settles()
    assert labels(teacher.sees("Where is the class?")) == ["Room B", "Without Phones", "Delete a Place", "Back"]


def test_location_that_nobody_asked_for(teacher: Teacher, telegram: Telegram) -> None:
    """A location without a question is answered by the menu, or by the question for the number; an old tap, too."""
    teacher.sends(location={"latitude": 43.25, "longitude": 76.95})
    teacher.waits("a second menu", lambda _screen: teacher.counts("Take attendance:") == 2)
    teacher.forges("room:0")
    teacher.settles()
    assert teacher.toast() == "This button is no longer in use."
    stranger = Teacher(telegram, 7005, "+77010000005")
    stranger.says("/start")
    stranger.sees("Share your phone number")
    stranger.sends(location={"latitude": 43.25, "longitude": 76.95})
    stranger.waits("an answer", lambda _screen: stranger.counts("Share your phone number") == 2)


def test_opened_today(teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
    """That a lesson was opened already is said before the location is asked for; Back keeps the choice."""
    teacher.opens("CS-1")
    other = Teacher(telegram, 7002, "+77010000002")
    other.signs_in()
    teacher.says("/start")
    for each in (teacher, other):
        asked = each.counts("Share your location")
        each.taps("Take Attendance")
        each.chooses("CS-1", "CS-2")
        shown = screen_of(each, "CS-1 has a lesson in Algebra today: ")
        assert shown == ["Open It", "Another Lesson", "Without Phones", "Back"][each is other :]
        assert each.counts("Share your location") == asked
    other.sees(".\nAnother teacher has opened it. A. Teacher")
    teacher.taps("Open It")
    eventually("the board", lambda: "In: 0 of 3" in str(teacher.screen()[-1]))
    other.taps("Back")
    other.taps("\u2713 CS-1")
    other.sees("Next.\nCS-2")
    other.taps("Next")
    other.shares_place()
    other.sees("In: 0 of 1")
    assert len(sessions(tmp_path)) == 2


def test_batch_without_students(lms_teacher: Teacher, lms: Lms) -> None:
    """A session with an empty batch is not opened, and the teacher is told which batch is empty."""
    lms.tells("batches", batch="CS-0", students=[])
    lms.tells("courses", email="teacher@example.org", batch="CS-0", subject="Algebra")
    lms_teacher.taps("Take Attendance")
    for batch in ("CS-0", "CS-1"):
        lms_teacher.taps(batch)
        lms_teacher.sees(batch if batch == "CS-1" else f"Next.\n{batch}")
    lms_teacher.taps("Next")
    assert screen_of(lms_teacher, "There are no students in CS-0.") == ["Reload", "Back"]
    assert lms_teacher.counts("Share your location") == 0
    lms_teacher.taps("Back")
    lms_teacher.taps("\u2713 CS-0")
    lms_teacher.sees("Next.\nCS-1")
    lms_teacher.taps("Next")
    lms_teacher.shares_place()
    lms_teacher.sees("In: 0 of 2")


def test_only_batch_without_students(lms_teacher: Teacher, lms: Lms) -> None:
    """A teacher whose only batch is empty gets on with Reload once the roster is filled."""
    lms.tells("batches", batch="CS-1", students=[])
    lms_teacher.taps("Take Attendance")
    lms_teacher.sees("There are no students in CS-1.")
    lms.tells("batches", batch="CS-1", students=[{"id": "S001", "name": "A. Student", "email": ""}])
    lms_teacher.taps("Reload")
    lms_teacher.shares_place()
    lms_teacher.sees("In: 0 of 1")


def test_two_teachers_at_once(teacher: Teacher, telegram: Telegram, tmp_path: Path) -> None:
    """When two teachers open a batch at the same time, one gets it and the other is told who did."""
    other = Teacher(telegram, 7002, "+77010000002")
    other.signs_in()
    for each in (teacher, other):
        each.taps("Take Attendance")
        each.taps("CS-1")
        each.sees("Next.\nCS-1")
        each.taps("Next")
        each.sees("Share your location")
    for each in (teacher, other):
        each.sends(location={"latitude": ROOM[0], "longitude": ROOM[1]})
    for each in (teacher, other):
        each.settles()
    (session,) = sessions(tmp_path)
    first, second = (teacher, other) if session["teacher"] == 7001 else (other, teacher)
    first.sees("In: 0 of 3")
    second.sees(f"Another teacher has opened it. {'A' if first is teacher else 'B'}. Teacher")
    assert second.counts("In: 0 of 3") == 0
    assert "Open Session" not in str(second.screen())
