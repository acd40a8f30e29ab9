"""The student bot in a chat: number of messages, ways of typing, forged clients, crashes, a failing store."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from classroom.domain.sessions import CheckInStep, Mark, Status
from classroom.store import Store
from tests.classroom.running import ROOM, STUDENTS, TEACHERS, Run, Student, Teacher
from tests.e2e.people import Message, Telegram, eventually, labels

pytestmark = pytest.mark.integration


SUBJECT = "Al_ge*bra <1> & 'sets' \N{GRADUATION CAP}"
ALL = 8  # on the roster
WAYS = [
    ["/start {code}", "S1234567"],
    ["/start", "230145 {code}"],
    ["/start", "[Check In]", "{code} S004"],
    ["/start", "[Check In]", "{code}", "S005"],
    ["/start", "{code}", "S006"],
    ["/start", "/start {code}", "S007"],
    ["/start", "S008", "{code}"],
]
PLACE = {"latitude": ROOM[0], "longitude": ROOM[1]}


@pytest.fixture
def subject() -> str:
    """Give a subject with characters that are special in HTML and Markdown."""
    return SUBJECT


@pytest.fixture
def roster() -> dict[str, list[tuple[str, str]]]:
    """Give students with names and IDs of all kinds."""
    return {
        "CS-1": [
            ("S1234567", "A_*Student <b>&'x'</b> \N{PILE OF POO}"),
            ("230145", "B. Student"),
            ("S_*<3>&'", "C. Student"),
            *((f"S00{number}", f"Student {number}") for number in range(4, 9)),
        ]
    }


@pytest.fixture
def student(code: str, telegram: Telegram) -> Student:
    """Give a student who is asked for the location."""
    student = Student(telegram, 2001)
    student.enters("S1234567", code)
    return student


def sent(telegram: Telegram, person: int) -> int:
    """Return how many new messages the student bot has sent a person, also deleted ones."""
    calls = [call for call in telegram.get("/calls") if call.get("bot") == STUDENTS and call["status"] == 200]
    new = ("sendMessage", "sendPhoto", "sendDocument")
    return sum(call["method"] in new and str(call["params"]["chat_id"]) == str(person) for call in calls)


def shown(student: Student) -> list[Message]:
    """Return the bot's messages on the screen."""
    return [message for message in student.screen() if message["from"] == "bot"]


class TestFewMessages:
    """Two messages for each check-in, three where the student ID is asked for."""

    def test_first_time(self, code: str, teacher: Teacher, telegram: Telegram) -> None:
        """However code and ID are sent, the first check-in takes three messages at most, the LMS included."""
        students = [Student(telegram, 2001 + number) for number in range(len(WAYS))]
        for student, way in zip(students, WAYS, strict=True):
            for step in way:
                before = shown(student)
                if step.startswith("["):
                    student.taps(step.strip("[]"))
                else:
                    student.says(step.format(code=code))
                eventually("an answer", lambda: shown(student) != before)  # noqa: B023
            student.sees("The code is right")
            student.shares()
            student.is_accepted()
        teacher.taps(f"Confirm All ({len(WAYS)})")
        for student in students:
            student.sees("Attendance marked")
            student.sees("Recorded.")
            menus = sum("/start" in way for way in WAYS[student.number - 2001])
            assert sent(telegram, student.number) <= 3 + menus
            assert sum(message["from"] == "bot" for message in student.screen()) <= 3 + menus

    def test_second_time(self, student: Student, teacher: Teacher, telegram: Telegram, run: Run) -> None:
        """A linked account sends only the code, and gets two messages."""
        teacher.taps("Cancel Session")
        teacher.taps("Yes, Cancel It")
        teacher.says("/start")
        again = teacher.opens("CS-1")
        student.sees("has cancelled")
        before = sent(telegram, 2001)
        student.says(again)
        eventually("the question", lambda: student.counts("The code is right") == 2)
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Recorded.")
        assert sent(telegram, 2001) - before == 2


class TestTyped:
    """Ways of typing code and ID."""

    @pytest.mark.parametrize(
        ("student_id", "typed"),
        [
            ("S1234567", "S1234567 {a}{b}"),
            ("S1234567", " s1234567,  {a} {b} "),
            ("230145", "230145 {a}{b}"),
            ("S_*<3>&'", "S_*<3>&' {a}-{b}"),
            ("S004", "{a}{b} S004"),
            ("S1234567", "my id S1234567 code {a}-{b}"),
            ("230145", "{a}{b} 230145"),
            ("230145", "id: 230145\ncode: {a}{b}"),
            ("S004", "S\u200b004\u00a0{a}\u00ad{b}"),
            ("S1234567", "Ѕ1234567 {a}{b}"),  # a Cyrillic letter
            ("S005", "Ｓ００５ {a} {b}"),
        ],
    )
    @pytest.mark.ordeal
    def test_both(self, student_id: str, typed: str, code: str, telegram: Telegram) -> None:
        """ID and code are accepted in either order and with any separator; the ID may have any characters."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.says(typed.format(a=code[:3], b=code[3:]))
        assert SUBJECT in student.sees("The code is right")["text"]
        student.says("/me")
        student.sees(student_id)

    def test_id_of_digits(self, code: str, telegram: Telegram) -> None:
        """Six digits are an ID where the ID is asked for."""
        student = Student(telegram, 2001)
        student.says(f"/start {code}")
        student.sees("student ID")
        student.says("230145")
        student.sees("The code is right")

    @pytest.mark.parametrize("typed", ["code is {code}", "Код: {code}", "{code}\n", "The code: {code}, room 12"])
    def test_words(self, typed: str, code: str, telegram: Telegram) -> None:
        """A code is found among words, in a message and after a student ID, and words are never an ID."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.says(typed.format(code=code))
        student.sees("Now send me your student ID")
        student.says("it is S004")
        student.sees("The code is right")
        again = Student(telegram, 2002)
        again.says("/start")
        again.says("my id is S005")
        again.sees("Send the 6-digit code")
        again.says(typed.format(code=code))
        again.sees("The code is right")

    def test_id_of_digits_first(self, code: str, telegram: Telegram) -> None:
        """An ID of six digits may come before the code or twice; alone it is no try, before and after it is linked."""
        student = Student(telegram, 2001)
        student.says("/start")
        for _ in range(6):
            student.says("230145")
            student.sees("Now send me your student ID. If that was your student ID, send the code.")
            student.says("230145")
            student.sees("Send the 6-digit code")
            student.says("/start")
        student.says("230145")
        student.sees("If that was your student ID")
        student.says(f"the code is {code}")
        student.sees("The code is right")
        student.says("230145")
        student.sees("Send the 6-digit code")

    def test_a_corrected_code(self, code: str, telegram: Telegram) -> None:
        """A mistyped code that is corrected before the ID is sent is no wrong try."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.says("/start 111111" if code != "111111" else "/start 222222")
        for times in (1, 2):
            eventually("the question", lambda: student.counts("Now send me your student ID") == times)  # noqa: B023
            if times == 1:
                student.says(code)
        student.says("S004")
        student.sees("The code is right")
        assert student.counts("don't match") == 0

    def test_several_codes(self, code: str, telegram: Telegram) -> None:
        """A message is one guess: an ID with two codes is not tried."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.says(f"S004 111111 {code}")
        student.sees("I see several codes. Send only one.")

    def test_over(self, code: str, teacher: Teacher, telegram: Telegram) -> None:
        """A code that is over is answered with what to do, also by the link, and never locks anybody."""
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        student = Student(telegram, 2001)
        student.says("/start")
        for times in range(1, 8):
            student.says(f"S004 {code}")
            eventually("the answer", lambda: student.counts("This code is over. Ask your teacher") == times)  # noqa: B023
        late = Student(telegram, 2002)
        late.says(f"/start {code}")
        late.sees("student ID")
        late.says("S005")
        late.sees("This code is over. Ask your teacher")

    def test_other_digits(self, code: str, telegram: Telegram) -> None:
        """A code in the digits of another script is accepted."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.says("S004 " + "".join(chr(0x0660 + int(digit)) for digit in code))
        student.sees("The code is right")

    def test_edited(self, code: str, telegram: Telegram) -> None:
        """An edit of a wrong code to the right one is ignored."""
        student = Student(telegram, 2001)
        student.says("/start")
        number = student.says("S004 12345")
        student.sees("A code has 6 digits.")
        student.edits(number, f"S004 {code}")
        student.says("/help")
        assert "/my_data sends all that is kept" in student.sees("In class your teacher shows")["text"]
        assert student.counts("The code is right") == 0

    def test_the_id_comes_late(self, code: str, teacher: Teacher, telegram: Telegram) -> None:
        """A code opened in time is valid for an ID sent after the end, and the student is late."""
        student = Student(telegram, 2001)
        student.says(f"/start {code}")
        assert student.sees("student ID")["text"] == "Now send me your student ID."
        teacher.taps("Close Now")
        teacher.sees("Closed at")
        student.says("S004")
        student.sees("The code is right")
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Status: late")
        late = Student(telegram, 2002)
        late.says(f"/start {code}")
        late.says("230145")
        late.sees("This code is over.")


class TestStrangers:
    """Messages that are no evidence, and forged taps."""

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ({"text": "43.25, 76.95"}, "A typed location does not count."),
            ({"location": PLACE, "via_bot": True}, "sent through another bot does not count."),
            ({"location": PLACE | {"live_period": 900}, "forwarded": True}, "A forwarded location does not count."),
            ({"venue": {"location": PLACE, "title": "Hall"}}, "from the map's list does not count."),
            ({"text": "Share Location"}, "A computer can't share its location"),
            ({"text": "Поделиться геопозицией"}, "A code has 6 digits."),
        ],
        ids=["typed", "inline", "forwarded live", "venue", "computer", "anything"],
    )
    @pytest.mark.ordeal
    def test_no_evidence(self, student: Student, teacher: Teacher, content: dict[str, Any], said: str) -> None:
        """A message that is no evidence is refused with a reason, and a real location still counts afterwards."""
        student.sends(**content)
        student.sees(said)
        student.shares()
        student.is_accepted()

    def test_forged_buttons(self, student: Student, teacher: Teacher, telegram: Telegram, run: Run) -> None:
        """The teacher bot's buttons and invented ones do nothing in the student bot; each tap is answered."""
        student.shares()
        student.is_accepted()
        session = teacher.sees("Waiting for you")["buttons"][0][0]["data"].split(":")[1]
        before = student.screen()
        number = next(message["message_id"] for message in before if message["from"] == "bot")
        taps = [f"all:{session}", f"ok:{session}:0", f"close:{session}", "lang:xx", "del:no", "in:1", "x" * 64]
        telegram.taps_at_once(STUDENTS, 2001, number, taps, forged=True)
        eventually("answers", lambda: not telegram.unanswered_taps())
        assert student.screen() == before
        teacher.sees("Waiting for you: 1")

    def test_old_button(self, code: str, telegram: Telegram) -> None:
        """A double tap on Check In and a tap on an old menu are harmless and answered."""
        student = Student(telegram, 2001)
        student.says("/start")
        for _ in range(3):
            menu = student.sees("takes your attendance")
            telegram.call("/tap", bot=STUDENTS, person=2001, message_id=menu["message_id"], button="in", forged=True)
            student.sees("student ID and the 6-digit code")
            student.taps("Back")
        student.sees("takes your attendance")
        assert sum(message["from"] == "bot" for message in student.screen()) == 1
        eventually("answers to all taps", lambda: not telegram.unanswered_taps())

    def test_names_in_reports(self, student: Student, teacher: Teacher, telegram: Telegram, run: Run) -> None:
        """Names with special characters are shown unchanged everywhere, and Telegram refuses no message."""
        student.shares(70)
        student.sees("has to look")
        teacher.taps("Check One by One")
        teacher.sees("A_*Student <b>&'x'</b> \N{PILE OF POO}")
        teacher.taps("Reject A_*Student <b>&'x'</b> \N{PILE OF POO}")
        assert SUBJECT in student.sees("did not accept")["text"]
        assert telegram.refused_calls() == []


class TestLive:
    """Live locations."""

    def test_shared_before_the_code(self, code: str, telegram: Telegram) -> None:
        """A live location shared before the code counts with its next movement."""
        student = Student(telegram, 2001)
        student.says("/start")
        number = student.shares(5, live_period=900)
        student.sees("Send the code first.")
        student.says(f"S004 {code}")
        student.sees("The code is right")
        student.moves(number, ROOM[0], ROOM[1] + 0.00001)
        student.is_accepted()

    def test_strict_has_no_button(self, run: Run, telegram: Telegram) -> None:
        """With the strict policy no button offers to send a location that would not count, not even in practice."""
        run.starts(location_policy="strict")
        student = Student(telegram, 2001)
        student.says("/start")
        student.taps("Practice")
        student.sees("Share My Live Location")
        assert telegram.get("/chat", bot=STUDENTS, person=2001)["reply_keyboard"] is None
        student.shares()
        student.sees("A live location is needed")
        student.taps("Practice")
        eventually("the question again", lambda: student.counts("nothing is marked") == 2)
        student.shares(live_period=900)
        student.sees("would count")


class TestTold:
    """Notices after a crash."""

    def test_after_a_crash(self, student: Student, teacher: Teacher, run: Run, telegram: Telegram) -> None:
        """A stored mark and a stored rejection whose notices were not sent are announced once after the next start."""
        other = Student(telegram, 2002)
        other.says(f"/start {teacher.code()}")
        other.says("S004")
        other.sees("The code is right")
        for each in (student, other):
            each.shares()
            each.is_accepted()

        async def marks_and_rejects(store: Store) -> None:
            session = (await store.unfinished())[0]
            check_in = await store.check_in(session.id, "S1234567")
            assert check_in is not None
            assert check_in.updated_at is not None
            await store.mark(session.id, Mark("S1234567", Status.PRESENT, check_in.updated_at), overwrite=False)
            rejected = await store.check_in(session.id, "S004")
            assert rejected is not None
            assert await store.move_check_in(replace(rejected, step=CheckInStep.REJECTED), {CheckInStep.CONFIRM})

        run.changes_store(marks_and_rejects)
        run.starts()
        student.sees("Attendance marked")
        other.sees("did not accept")
        student.sees("Recorded.")
        run.starts()
        teacher.says("/start")
        teacher.sees("Take attendance:")
        eventually("the board again", lambda: f"In: 1 of {ALL}" in str(teacher.screen()))
        assert (student.counts("Attendance marked"), other.counts("did not accept")) == (1, 1)


class TestStoreFails:
    """A store that can't be written."""

    @pytest.mark.ordeal
    def test_said_in_one_line(self, code: str, telegram: Telegram, run: Run) -> None:
        """The student gets one line, and the same message works once the store is back."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.sees("takes your attendance")
        with closing(sqlite3.connect(run.folder / "classroom" / "classroom.sqlite3", isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            student.says(f"S004 {code}")
            answer = student.sees("Nothing can be saved on our side at the moment")["text"]
            writer.execute("ROLLBACK")
        assert "the teacher keeps the attendance on paper" in answer
        assert "\n" not in answer
        student.says(f"S004 {code}")
        student.sees("The code is right")
        student.shares()
        student.is_accepted()


class TestOwn:
    """A student's own data and language."""

    def test_deleted(self, student: Student, teacher: Teacher, telegram: Telegram, run: Run) -> None:
        """After deletion no table has the Telegram ID, the marks stay, and the bot can be used again."""
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Recorded.")
        assert "bindings" in run.kept_of(2001)
        student.says("/delete_me")
        question = student.sees("Delete what this bot keeps of you")
        assert labels(question) == ["Yes, Delete", "Back"]
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        eventually("nothing is kept", lambda: run.kept_of(2001) == [])
        assert student.counts("Delete what this bot keeps of you") == 0
        teacher.sees(f"In: 1 of {ALL}")
        student.says("/me")
        student.sees("This account has no student ID yet")

    @pytest.mark.ordeal
    def test_no_byte_is_left(self, code: str, teacher: Teacher, telegram: Telegram, run: Run) -> None:
        """After deletion no byte of the data folder has the account, nor the ID outside of lists and reports."""
        account, wrong = 777_000_777_123, "000000" if code != "000000" else "111111"
        student = Student(telegram, account)
        student.says("/start")
        student.says(f"S004 {wrong}")
        student.sees("don't match")
        student.says(f"S004 {code}")
        student.sees("The code is right")
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Recorded.")
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        run.stops()
        files = {each: each.read_bytes() for each in run.folder.rglob("*") if each.is_file()}
        assert files
        spellings = str(account).encode(), account.to_bytes(6, "big")
        assert [file for file, content in files.items() for each in spellings if each in content] == []
        theirs = (
            "bindings",
            "unbindings",
            "check_ins",
            "corrections",
            "used_notes",
            "told",
            "slots",
            "outgoing",
            "steps",
        )
        with closing(sqlite3.connect(run.folder / "classroom" / "classroom.sqlite3")) as database:
            rows = {table: str(database.execute(f"SELECT * FROM {table}").fetchall()) for table in theirs}
        assert [table for table, content in rows.items() if "S004" in content.upper()] == []
        secrets = run.folder.with_name(f"{run.folder.name}-secrets")
        assert len([line for line in (secrets / "deletions").read_text().splitlines() if line]) == 1

    def test_guessing_after_deletion(self, code: str, telegram: Telegram, run: Run) -> None:
        """Deleting one's data does not reset the count of wrong codes."""
        wrong = "000000" if code != "000000" else "111111"
        student = Student(telegram, 2001)
        student.says("/start")
        for tries in range(1, 6):
            student.says(f"S004 {wrong}")
            eventually("the answer", lambda: student.counts("don't match") == tries)  # noqa: B023
        student.says("/delete_me")
        student.taps("Yes, Delete")
        student.sees("Your data is deleted.")
        student.says(f"S004 {code}")
        student.sees("Too many wrong codes")

    def test_language(self, code: str, telegram: Telegram) -> None:
        """A language chosen by a tap replaces Telegram's own."""
        student = Student(telegram, 2001)
        student.says("/start")
        student.says("/language")
        student.taps("Русский")
        eventually("the menu", lambda: "Русский" not in labels(student.screen()[-1]))
        assert "Check In" not in str(student.screen()[-1])
        student.says(f"S004 {code}")
        eventually("an answer", lambda: SUBJECT in str(student.screen()[-1]["text"]))
        assert student.counts("The code is right") == 0

    @pytest.mark.parametrize(
        ("bot", "own"), [(STUDENTS, {"me", "my_data", "delete_me"}), (TEACHERS, {"history", "register", "move"})]
    )
    def test_commands(self, bot: str, own: set[str], code: str, telegram: Telegram) -> None:
        """Each bot's commands are registered with Telegram in three languages."""
        eventually("the commands", lambda: len(telegram.get("/commands", bot=bot)) == 3)
        for listed in telegram.get("/commands", bot=bot):
            assert {each["command"] for each in listed["commands"]} == own | {"start", "language", "cancel", "help"}
