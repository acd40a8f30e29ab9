"""Updates that come in bursts: none is lost when the process is killed, nobody waits for a flood, the stop is quick."""

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.bot_process import ClassProcess
from tests.classroom.running import EMAIL, PASSWORD, STUDENTS, TEACHERS, Student, Teacher, an_lms, rosters
from tests.e2e.people import Telegram, eventually, labels
from tests.faults.counts import measured

pytestmark = pytest.mark.ordeal

MANY = 72  # students
FLOOD = 600  # messages
STOPS_WITHIN = 10.0  # seconds


@pytest.fixture
def bot(tmp_path: Path, telegram: Telegram) -> Iterator[ClassProcess]:
    """The classroom, running, with a roster of one student."""
    rosters(tmp_path / "data", {"CS-1": [("S001", "A. Student")]})
    bot = ClassProcess(tmp_path, telegram)
    bot.start()
    eventually("its start", lambda: bot.health()[0] == 200)
    yield bot
    bot.end()


def calls(telegram: Telegram, method: str) -> int:
    """Return how often a method was called."""
    return sum(call["method"].lower() == method.lower() for call in telegram.get("/calls"))


def test_killed_in_a_burst(bot: ClassProcess, telegram: Telegram) -> None:
    """After `kill -9` in the middle of a burst every tap does what it is for, and every text is answered."""
    students = [Student(telegram, 2001 + number, f"Student {number}") for number in range(MANY)]
    for student in students:
        student.says("/start")
        student.says("/language")
    buttons = [student.waits("the languages", _with_button("Қазақша")) for student in students]
    before = calls(telegram, "answerCallbackQuery")
    telegram.http.event_hooks = {}  # no pauses around a burst, also where TEST_PAUSES asks for them
    bot.process.send_signal(signal.SIGSTOP)  # so that all of it is there at once, however slowly it is sent
    for student, shown in zip(students, buttons, strict=True):
        data = next(each["data"] for row in shown["buttons"] for each in row if each["text"] == "Қазақша")
        telegram.call("/tap", bot=STUDENTS, person=student.number, message_id=shown["message_id"], button=data)
        student.says("/me")
    bot.process.send_signal(signal.SIGCONT)
    eventually("some answers", lambda: calls(telegram, "answerCallbackQuery") >= before + 5)
    bot.crash()
    answered = calls(telegram, "answerCallbackQuery") - before
    assert answered < MANY
    bot.start()
    for student in students:
        student.waits("the answer in Kazakh", lambda messages: _kazakh(messages[-1]["text"]))
    eventually("all confirmed", lambda: telegram.get("/pending", bot=STUDENTS) == [])


def _with_button(label: str) -> Any:
    return lambda messages: next((each for each in reversed(messages) if label in labels(each)), None)


def _kazakh(text: str | None) -> bool:
    return any(letter in (text or "") for letter in "әғқңөұүһі")


def test_killed_with_a_password(tmp_path: Path, telegram: Telegram) -> None:
    """A password that a killed process has not deleted is deleted by the next one, and the sign-in goes on."""
    with ExitStack() as stack:
        lms = stack.enter_context(an_lms("newer", [("S001", "A. Student")]))
        bot = ClassProcess(tmp_path, telegram, BASE_URL=f"{lms.url}/api/v1", JWT_LOGIN_ENDPOINT=lms.login)
        stack.callback(bot.end)
        bot.start()
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.starts_sign_in()
        telegram.call("/faults", method="deleteMessage", kind="silence", bot=TEACHERS, times=None)
        message = teacher.says(PASSWORD)
        eventually("the try to delete it", lambda: calls(telegram, "deleteMessage"))
        bot.crash()
        telegram.http.delete("/faults").raise_for_status()
        assert message in {each["message_id"] for each in teacher.screen()}
        bot.start()
        teacher.waits("the deletion", lambda messages: message not in {each["message_id"] for each in messages})
        teacher.sees("e-mail address")
        teacher.says(EMAIL)
        teacher.sees("You are signed in.")
        assert PASSWORD not in bot.log()


def test_a_flood(bot: ClassProcess, telegram: Telegram) -> None:
    """600 messages of one account: somebody else is answered before most of them, and SIGTERM ends the process."""
    telegram.http.event_hooks = {}  # no pauses in a flood, also where TEST_PAUSES asks for them
    flooder, other = Student(telegram, 2001), Student(telegram, 2002)
    flooder.says("/start")
    other.says("/start")
    for person in (flooder, other):
        person.waits("the answer", lambda messages: any(each["from"] == "bot" for each in messages))
    bot.process.send_signal(signal.SIGSTOP)  # so that all of it is there at once, however slowly it is sent
    for _each in range(FLOOD):
        flooder.says("/help")
    other.says("/help")
    bot.process.send_signal(signal.SIGCONT)
    other.sees("Whom to ask")
    assert flooder.counts("Whom to ask") < FLOOD // 2
    flooder.sees("faster than I can answer")
    for _each in range(FLOOD):
        flooder.says("/help")
    begun = time.monotonic()
    assert bot.stop() == 0
    measured("after a flood: ended", time.monotonic() - begun, STOPS_WITHIN)


def test_stop_with_a_hanging_handler(bot: ClassProcess, telegram: Telegram) -> None:
    """SIGTERM ends the process although Telegram answers nothing and handlers wait for it."""
    people = [Student(telegram, 2001 + number) for number in range(20)]
    for person in people:
        person.says("/start")
    shown = [person.waits("the answer", lambda messages: messages[-1]["from"] == "bot") for person in people]
    assert all(shown)
    telegram.call("/faults", method="*", kind="silence", times=None)
    for person in people:
        for _each in range(30):
            person.says("/help")
    begun = time.monotonic()
    assert bot.stop() == 0
    measured("with hanging calls: ended", time.monotonic() - begun, STOPS_WITHIN)
    telegram.http.delete("/faults").raise_for_status()


def test_an_update_that_cannot_be_parsed(bot: ClassProcess, telegram: Telegram) -> None:
    """It is logged by its id alone, also at DEBUG; the others of its batch are handled, and /healthz stays ok."""
    bot.stop()
    bot.environment["LOG_LEVEL"] = "DEBUG"
    student = Student(telegram, 2001)
    student.says("/start")
    contents: list[dict[str, Any]] = [{"message": 5}, {"message": {"text": "my secret password"}}]
    for content in (*contents, {"edited_message": [[{}]]}):
        telegram.call("/update", bot=STUDENTS, content=content)
    student.says("/help my other secret")
    bot.start()
    student.sees("Whom to ask")
    eventually("all confirmed", lambda: telegram.get("/pending", bot=STUDENTS) == [])
    eventually("a good report", lambda: bot.health()[1].get("status") == "ok")
    log = bot.log()
    assert log.count("unreadable") == 3
    assert "secret" not in log
    assert json.dumps("/help")[1:-1] not in log


def test_stop_with_a_held_database(bot: ClassProcess, telegram: Telegram) -> None:
    """SIGTERM ends the process although another program holds the database, and handlers' threads wait for it."""
    people = [Student(telegram, 2001 + number) for number in range(40)]
    with closing(sqlite3.connect(bot.folder / "data" / "classroom" / "classroom.sqlite3")) as other:
        other.execute("BEGIN EXCLUSIVE")
        before = calls(telegram, "getUpdates")
        for person in people:
            person.says("/start")
        eventually("more polls, after the first updates", lambda: calls(telegram, "getUpdates") > before + 2)
        begun = time.monotonic()
        assert bot.stop() == 0
        measured("with a held database: ended", time.monotonic() - begun, STOPS_WITHIN)
