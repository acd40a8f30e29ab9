"""Offers over restarts, rests and rounds, over a strict Telegram: one message each, which never says what is over."""

import pytest

from lessons.events import CloseReason, Event
from portal.lessons import Lesson
from tests.e2e.people import BOT, Person, Telegram, eventually, labels
from tests.marker.running import Run, RunningMarker
from tests.marker.test_troubles import watched

pytestmark = pytest.mark.integration

ALGEBRA = Lesson("Algebra", "Ivanov I. I.", "Л1 (09:00 - 10:00)", minutes_left=9, key="0123456789abcdef")
AGAIN = Lesson("Algebra", "Ivanov I. I.", "Л1 (09:00 - 10:00)", minutes_left=9, key="fedcba9876543210")
STUDENT = 2001


def offered(bot: RunningMarker, telegram: Telegram) -> Person:
    """Return a student with an offer on the screen."""
    student = watched(bot, telegram, STUDENT)
    bot.monitors[STUDENT].finds(ALGEBRA)
    student.sees("Attendance available!")
    return student


def test_pressed_before_a_restart(run: Run, telegram: Telegram) -> None:
    """After Mark Now and a restart the lesson is marked: no second offer, and the first one says how it ended."""
    bot = run()
    student = offered(bot, telegram)
    student.taps("Mark Now")
    student.sees("Marking...")
    bot = run()
    row = bot.services.lessons.get(ALGEBRA.key)
    assert row is not None
    assert row.requested_at is not None  # the monitor presses the button: tests/lessons/test_rounds.py
    bot.monitors[STUDENT].finds(ALGEBRA)
    bot.settles()
    bot.monitors[STUDENT].marks(ALGEBRA)
    student.sees("Attendance Marked.")
    student.waits("the outcome", lambda ms: any((m["text"] or "").endswith("\n\nMarked.") for m in ms))
    assert student.counts("Attendance available!") == 1
    assert student.counts("Marking...") == 0


@pytest.mark.parametrize("how", ["rest", "stop"])
def test_pressed_and_then_nothing_is_watched(run: Run, telegram: Telegram, how: str) -> None:
    """No offer stays at "Marking..." when the monitor rests or is stopped; afterwards it is offered again."""
    bot = run()
    student = offered(bot, telegram)
    student.taps("Mark Now")
    student.sees("Marking...")
    if how == "rest":
        bot.monitors[STUDENT].tells(Event.RESTING)
        student.sees("Nothing is watched now.")
    else:
        student.taps("Stop Monitoring")
        student.sees("Monitoring is off.")
    eventually("the offer's outcome", lambda: student.counts("Marking...") == 0)
    if how == "rest":
        bot.monitors[STUDENT].finds(ALGEBRA)
        eventually("a second offer", lambda: student.counts("Attendance available!") == 2)


def test_second_round(run: Run, telegram: Telegram) -> None:
    """A lesson that opens again has an offer of its own; the one of its first round can't be pressed any more."""
    bot = run()
    student = offered(bot, telegram)
    first = student.sees("Attendance available!")
    bot.monitors[STUDENT].tells(Event.LESSON_CLOSED, CloseReason.NOT_PRESSED.value, ALGEBRA)
    student.sees("Not marked: the lesson has closed.")
    bot.monitors[STUDENT].finds(ALGEBRA)  # late: its round is over
    bot.settles()
    assert student.counts("Attendance available!") == 1
    bot.monitors[STUDENT].finds(AGAIN)
    eventually("the second offer", lambda: student.counts("Attendance available!") == 2)
    assert [labels(m) for m in student.screen() if "available!" in (m["text"] or "")] == [[], ["Mark Now"]]
    telegram.taps_at_once(BOT, STUDENT, first["message_id"], [f"mark:{ALGEBRA.key}"], forged=True)
    eventually("the tap's answer", lambda: not telegram.unanswered_taps())
    assert bot.monitors[STUDENT].marked_now == []


def test_marked_elsewhere(run: Run, telegram: Telegram) -> None:
    """An offer of a lesson that the student marked on the portal is over for good."""
    bot = run()
    student = offered(bot, telegram)
    bot.monitors[STUDENT].tells(Event.LESSON_MARKED_ELSEWHERE, lesson=ALGEBRA)
    assert labels(student.sees("It is marked on the portal already.")) == []
    bot.monitors[STUDENT].finds(ALGEBRA)
    bot.settles()
    assert student.counts("Attendance available!") == 1
