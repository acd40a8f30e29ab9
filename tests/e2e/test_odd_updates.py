"""Updates of any JSON, sent to the real handlers of all three bots: nothing fails, and the next person is answered."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.classroom.running import STUDENTS, TEACHERS, Run, RunningClock, Student, Teacher, its_telegram, rosters
from tests.e2e.people import BOT, Person, Telegram, marker_telegram
from tests.marker.running import SteppedClock, marker
from tests.servers import in_thread
from tests.wire_updates import PERSON, odd_updates

# a failure is to be shown, not that its updates are long
pytestmark = [pytest.mark.ordeal, pytest.mark.filterwarnings("ignore:Generating overly large repr")]

MANY = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
BATCHES = st.lists(odd_updates(), min_size=10, max_size=25)


def sends(telegram: Telegram, bot: str, updates: list[dict[str, Any]]) -> None:
    """Send updates to a bot, whatever they are, each as from another person."""
    for number, content in enumerate(updates):
        telegram.call(
            "/update", bot=bot, content=json.loads(json.dumps(content).replace(str(PERSON), str(9000 + number)))
        )


def answered(person: Person, message: int) -> None:
    """Wait for the bot's answer to a message."""
    is_answer = lambda each: each["from"] == "bot" and each["message_id"] > message  # noqa: E731
    person.waits("the answer", lambda messages: any(map(is_answer, messages)))


def nothing_failed(caplog: pytest.LogCaptureFixture) -> None:
    """Check that no handler raised. Telegram's refusals are none: the simulator does not know these people."""
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def test_the_marker(tmp_path: Path, telegram_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The marker's bot."""
    held: list[Any] = []
    running = marker(tmp_path, telegram_url, SteppedClock(), held.append)
    with marker_telegram(telegram_url) as telegram, in_thread(running):
        telegram.call("/limits", per_second=None, per_chat_per_second=None)
        student = Person(telegram, 2001, "Aruzhan")
        student.says("/start")

        @MANY
        @given(BATCHES)
        def attack(updates: list[dict[str, Any]]) -> None:
            sends(telegram, BOT, updates)
            answered(student, student.says("/start"))

        attack()
    nothing_failed(caplog)


def test_the_classroom(tmp_path: Path, telegram_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The bots of teachers and of students."""
    telegram = its_telegram(telegram_url)
    rosters(tmp_path, {"CS-1": [("S001", "A. Student")]})
    run = Run(tmp_path, telegram_url, RunningClock())
    run.starts()
    try:
        teacher, student = Teacher(telegram, 7001, "+77010000001"), Student(telegram, 2001)
        teacher.says("/start")
        student.says("/start")

        @MANY
        @given(BATCHES)
        def attack(updates: list[dict[str, Any]]) -> None:
            for bot, person in ((TEACHERS, teacher), (STUDENTS, student)):
                sends(telegram, bot, updates)
                answered(person, person.says("/help"))

        attack()
    finally:
        run.stops()
        telegram.http.close()
    nothing_failed(caplog)
