"""The message of a mark with failing Telegram calls: never lost, and sent once unless an answer was lost."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.clock import SystemClock
from portal.lessons import Lesson
from tests.e2e.people import ADMIN, BOT, TOKEN, Person, Telegram, eventually
from tests.faults.counts import FULL, times
from tests.marker.running import RunningMarker, marker, starts_monitoring
from tests.servers import in_thread

STUDENT = 2001
# Faults of sendMessage.
REFUSED: list[dict[str, Any]] = [
    {"kind": "429", "retry_after": 1},
    {"kind": "500", "times": 2},
    {"kind": "502"},
    {"kind": "refuse_connection", "times": 2},
    {"kind": "silence", "seconds": 60 if FULL else 1},
]
LOST: list[dict[str, Any]] = [{"kind": "drop_answer"}]


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Telegram with our bot registered, without rate limits."""
    telegram = Telegram(telegram_url)
    telegram.call("/reset")
    telegram.call("/bots", token=TOKEN, username=BOT, name="Attendance")
    telegram.call("/limits", per_second=None, per_chat_per_second=None)
    yield telegram
    telegram.http.close()


Run = Callable[[], RunningMarker]


@pytest.fixture
def run(tmp_path: Path, telegram: Telegram) -> Iterator[Run]:
    """A function that starts the marker; a second call restarts it on the same data."""
    with ExitStack() as stack:

        def start() -> RunningMarker:
            stack.close()
            held: list[RunningMarker] = []
            stack.enter_context(in_thread(marker(tmp_path, telegram.url, SystemClock(), held.append)))
            return held[0]

        yield start


def lesson(number: int) -> Lesson:
    return Lesson(f"Lesson {number:04}", "T.", f"Л{number} (09:00 - 10:00)", key=f"{number:016x}")


def marks(bot: RunningMarker, lesson: Lesson) -> None:
    """Record a lesson as seen and marked, as a cycle in automatic mode does."""
    now = datetime.now(UTC)
    bot.services.lessons.seen(lesson.key, STUDENT, "2026-09-01", lesson.subject, lesson.teacher, lesson.time, now)
    bot.monitors[STUDENT].marks(lesson)


def watched(bot: RunningMarker, telegram: Telegram) -> Person:
    bot.storage.redeem(bot.storage.create_invitation(ADMIN), STUDENT, "a_student", "Correct-Horse-7")
    person = Person(telegram, STUDENT, "Student")
    person.says("/start")
    starts_monitoring(bot, person)
    bot.settles()
    return person


@pytest.mark.ordeal
def test_refused_before(run: Run, telegram: Telegram) -> None:
    """If Telegram refuses the call, does not answer or can't be reached, the message arrives exactly once."""
    bot = run()
    student = watched(bot, telegram)
    numbers = itertools.count(1)
    for fault in REFUSED * (10 if FULL else 1):
        told = lesson(next(numbers))
        telegram.call("/faults", method="sendMessage", **fault)
        marks(bot, told)
        student.sees(told.subject)
        telegram.http.delete("/faults").raise_for_status()
    bot.settles()
    for number in range(1, next(numbers)):
        assert student.counts(lesson(number).subject) == 1


def test_answer_lost(run: Run, telegram: Telegram, caplog: pytest.LogCaptureFixture) -> None:
    """If calls are executed but their answers lost, each message arrives, and again only after such a call."""
    bot = run()
    student = watched(bot, telegram)
    for number in range(times(20)):
        telegram.call("/faults", method="sendMessage", kind="drop_answer")
        marks(bot, lesson(number))
        student.sees(lesson(number).subject)
        eventually("the queue's end", lambda: bot.services.outbox.oldest_waiting() is None)
    counts = [student.counts(lesson(number).subject) for number in range(times(20))]
    assert min(counts) >= 1
    lost = sum("; again in" in each.getMessage() for each in caplog.records)
    assert sum(counts) - len(counts) <= lost


@pytest.mark.ordeal
def test_stopped_before_the_message_was_sent(run: Run, telegram: Telegram) -> None:
    """A message that Telegram refuses until the process ends is sent once by the next process."""
    bot = run()
    student = watched(bot, telegram)
    for number in range(times(10)):
        telegram.call("/faults", method="sendMessage", kind="500", times=None)
        marks(bot, lesson(number))
        bot.settles()
        bot = run()
        telegram.http.delete("/faults").raise_for_status()
        student.sees(lesson(number).subject)
        eventually("the monitor", lambda: STUDENT in bot.monitors)  # noqa: B023
        # Telegram's answer is recorded: what is shown before that may be sent again after a stop
        eventually("the queue's end", lambda: bot.services.outbox.oldest_waiting() is None)  # noqa: B023
    for number in range(times(10)):
        assert student.counts(lesson(number).subject) == 1
