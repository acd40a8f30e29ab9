"""The teacher's bot in this process, on CSV rosters or on an LMS, with a clock that can be moved ahead."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sandbox.lms import LmsSimulator
from tests.e2e.people import Telegram
from tests.integration.in_class import Lms, RunningClock, Student, Teacher, classroom, its_telegram, rosters
from tests.servers import in_thread

EMAIL, PASSWORD = "teacher@example.org", "correct horse"
ROSTER = {
    "CS-1": [("S001", "A. Student"), ("S002", "B. Student"), ("S003", "C. Student")],
    "CS-2": [("S101", "D. Student")],
}
# Ends the classroom and starts it anew on the same data, with these settings.
Run = Callable[..., None]


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram with both bots in it."""
    telegram = its_telegram(telegram_url)
    yield telegram
    telegram.http.close()


@pytest.fixture
def clock() -> RunningClock:
    """Give the clock."""
    return RunningClock()


@pytest.fixture
def run(tmp_path: Path, telegram: Telegram, clock: RunningClock) -> Iterator[Run]:
    """Give what starts the classroom on CSV rosters; ``stop`` alone ends it."""
    rosters(tmp_path, ROSTER)
    with ExitStack() as stack:

        def start(*, stop: bool = False, **changes: Any) -> None:
            stack.close()
            if not stop:
                stack.enter_context(in_thread(classroom(tmp_path, telegram.url, clock, **changes)))

        yield start


@pytest.fixture
def teacher(run: Run, telegram: Telegram) -> Teacher:
    """Give a teacher who is signed in."""
    run()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    return teacher


@pytest.fixture
def lms(request: pytest.FixtureRequest) -> Iterator[Lms]:
    """Give an LMS with one teacher and one batch: the newer one, or the one that the test is parametrized with."""
    simulator = LmsSimulator(getattr(request, "param", "newer"))
    with in_thread(simulator.serving()) as url:
        lms = Lms(url)
        lms.login = url + simulator.login_path()
        account = {"id": "m1", "name": "A. Teacher", "email": EMAIL, "location": "Main"}
        lms.tells("teachers", **account, password=PASSWORD)
        students = [{"id": f"S00{number}", "name": f"Student {number}", "email": ""} for number in (1, 2)]
        lms.tells("batches", batch="CS-1", students=students)
        lms.tells("courses", email=EMAIL, batch="CS-1", subject="Algebra")
        yield lms
        lms.http.close()


@pytest.fixture
def run_with_lms(tmp_path: Path, telegram: Telegram, clock: RunningClock, lms: Lms) -> Iterator[Run]:
    """Give what starts the classroom with the LMS."""
    with ExitStack() as stack:

        def start(*, stop: bool = False, **changes: Any) -> None:
            stack.close()
            addresses = {"base_url": f"{lms.url}/api/v1", "jwt_login_endpoint": lms.login}
            if not stop:
                stack.enter_context(in_thread(classroom(tmp_path, telegram.url, clock, **addresses, **changes)))

        yield start


@pytest.fixture
def at_the_password(run_with_lms: Run, telegram: Telegram) -> Teacher:
    """Give a teacher who has shared the number, and is asked for the password."""
    run_with_lms()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.says("/start")
    teacher.sends(contact={"phone_number": teacher.phone})
    teacher.sees("Now send your LMS password")
    return teacher


@pytest.fixture
def lms_teacher(at_the_password: Teacher) -> Teacher:
    """Give a teacher who is signed in to the LMS."""
    at_the_password.says(PASSWORD)
    at_the_password.sees("e-mail address")
    at_the_password.says(EMAIL)
    at_the_password.sees("Take attendance:")
    return at_the_password


@pytest.fixture
def student(telegram: Telegram) -> Student:
    """Give a student."""
    return Student(telegram, 2001)
