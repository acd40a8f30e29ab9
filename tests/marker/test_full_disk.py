"""A full or read-only disk: who is told, by which way, and how often."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.sqlite import Database, DatabaseUnavailable
from lessons.events import Event
from tests.e2e.people import ADMIN, Message, Person, Telegram, eventually, labels
from tests.fakes import Disk
from tests.marker.running import RunningMarker, SteppedClock, all_is_sent

pytestmark = pytest.mark.integration

STUDENT = 2001
LINE = "Nothing can be saved on our side at the moment, so nothing is marked. The administrator has been told."


def fill(database: Database) -> Callable[[], object]:
    """Let SQLite have no more pages, and use up those that it has: its own error follows. Return what ends this."""
    all_is_sent(database)  # the row of a message that was sent is deleted, which is a write that may succeed
    (pages,) = database.read("PRAGMA page_count")
    database.read(f"PRAGMA max_page_count = {pages[0]}")
    with pytest.raises(DatabaseUnavailable, match="full"):
        database.write("INSERT INTO told SELECT 'x', hex(randomblob(999999)), 'x'")
    return lambda: database.read("PRAGMA max_page_count = 1000000")


def lock_up(database: Database) -> Callable[[], object]:
    """Let SQLite refuse every write, as on a read-only disk. Return what ends this."""
    all_is_sent(database)
    database.read("PRAGMA query_only = ON")
    with pytest.raises(DatabaseUnavailable, match="readonly"):
        database.write("DELETE FROM told")
    return lambda: database.read("PRAGMA query_only = OFF")


@pytest.fixture
def admin(telegram: Telegram, bot: RunningMarker) -> Person:
    """Return the admin, who has pressed Start."""
    person = Person(telegram, ADMIN, "Admin")
    person.says("/start")
    person.sees("Use it only for lessons that you attend.")
    return person


@pytest.fixture
def student(telegram: Telegram, bot: RunningMarker) -> Person:
    """Return a student whose monitor runs."""
    bot.storage.redeem(bot.storage.create_invitation(ADMIN), STUDENT, "a_student", "Correct-Horse-7")
    person = Person(telegram, STUDENT, "Student")
    person.says("/start")
    person.taps("Start Monitoring")
    person.sees("Monitoring: on since")
    return person


@pytest.mark.parametrize(("breaks", "reason"), [(fill, "the disk is full"), (lock_up, "the disk is read-only")])
def test_outage(
    bot: RunningMarker, admin: Person, student: Person, clock: SteppedClock, breaks: Callable[..., object], reason: str
) -> None:
    """The admin has one message for an outage, repeated after hours, and one at its end; menus and answers say so."""
    bot.settles()
    heals = breaks(bot.database)
    assert callable(heals)
    health = bot.looks_at_the_disk()
    told = f"Nothing can be saved in DATA_DIR: {reason}."
    admin.sees(told)
    assert any("free disk space in DATA_DIR" in problem for problem in health["degraded"])
    student.waits("the menu", lambda ms: LINE in ms[-1]["text"] and "Stop Monitoring" in labels(ms[-1]))
    sent = student.says("/start")
    student.waits("the answer", lambda ms: ms[-1]["message_id"] > sent and ms[-1]["text"].startswith(LINE))
    for _ in range(3):
        clock.forward(timedelta(hours=1))
        bot.looks_at_the_disk()
    assert admin.counts(told) == 1
    clock.forward(timedelta(hours=3))
    bot.looks_at_the_disk()
    assert admin.counts(told) == 2
    heals()
    clock.forward(timedelta(seconds=10))
    bot.looks_at_the_disk()
    assert admin.counts("Everything can be saved again") == 0
    clock.forward(timedelta(minutes=1))
    health = bot.looks_at_the_disk()
    admin.sees("Everything can be saved again")
    assert not any("DATA_DIR" in problem for problem in health["degraded"])
    student.waits("the menu", lambda ms: any("Stop Monitoring" in labels(m) and LINE not in m["text"] for m in ms))
    bot.looks_at_the_disk()
    assert admin.counts("Everything can be saved again") == 1


def test_students_file(
    bot: RunningMarker, admin: Person, student: Person, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The admin is also told where students.json can't be written, and the attempts to write go on."""
    disk = Disk(monkeypatch)
    disk.fail(OSError(28, "No space left on device"), at=0)
    student.taps("Switch to Manual")
    student.sees("That could not be saved.")
    disk.fail(OSError(28, "No space left on device"), at=0)
    bot.looks_at_the_disk()
    admin.sees("Nothing can be saved in DATA_DIR: the disk is full.")
    disk.heal()
    clock.forward(timedelta(seconds=10))
    bot.looks_at_the_disk()
    assert bot.storage.trouble == ""


def test_typed_password(bot: RunningMarker, telegram: Telegram, student: Person) -> None:
    """A typed password is deleted from the chat although the deletion can't be stored."""
    student.taps("Update Password")
    student.sees("password")
    heals = lock_up(bot.database)
    message = student.says("Another-Horse-8")
    eventually("the deletion", lambda: message not in [each["message_id"] for each in student.screen()])
    heals()


def test_an_open_question_stays(bot: RunningMarker, student: Person, clock: SteppedClock) -> None:
    """The outage's line is not put in the place of a question, whose answer is awaited."""
    student.taps("Delete My Data")
    question = student.sees("Delete everything that is stored about you?")["message_id"]
    heals = lock_up(bot.database)
    bot.looks_at_the_disk()
    heals()
    for seconds in (10, 60):
        clock.forward(timedelta(seconds=seconds))
        bot.looks_at_the_disk()
    shown = next(each for each in student.screen() if each["message_id"] == question)
    assert "Yes, Delete Everything" in labels(shown)


def test_one_apology_for_a_tap(bot: RunningMarker, student: Person) -> None:
    """A tap that fails at several handlers is answered once."""

    def answers(messages: list[Message], since: int = 0) -> list[Message]:
        return [each for each in messages if each["message_id"] > since and each["text"].startswith(LINE)]

    heals = lock_up(bot.database)
    menu = student.screen()[-1]["message_id"]
    student.taps("Status")
    student.waits("the answer", lambda ms: answers(ms, menu))
    sent = student.says("/start")
    student.waits("the answer", lambda ms: answers(ms, sent))
    heals()
    student.says("/help")
    student.sees("Automatic mode marks every open lesson")
    assert len([each for each in answers(student.screen(), menu) if not labels(each)]) == 2


def test_the_end_of_monitoring_is_told_after_the_outage(
    bot: RunningMarker, admin: Person, student: Person, clock: SteppedClock
) -> None:
    """A refused sign-in that could not be told during an outage is told once when it is over."""
    heals = lock_up(bot.database)
    bot.looks_at_the_disk()
    with bot.at_work():
        bot.monitors[STUDENT].tells(Event.REFUSED, "Wrong password", ends=True)
        bot.settles()
        heals()
        clock.forward(timedelta(seconds=70))
        student.sees("The portal refused the sign-in: «Wrong password»")
    assert student.counts("The portal refused the sign-in") == 1
    assert not bot.storage.student(STUDENT).monitoring  # type: ignore[union-attr]
