"""Fixtures: the classroom in this process, with CSV rosters or an LMS, and a clock that can be moved forward."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.classroom.running import Lms, Run, RunningClock, Student, Teacher, an_lms, its_telegram, rosters
from tests.e2e.people import Telegram


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram with both bots and no rate limits."""
    telegram = its_telegram(telegram_url)
    yield telegram
    telegram.http.close()


@pytest.fixture
def clock() -> RunningClock:
    """Give a clock that can be moved forward."""
    return RunningClock()


@pytest.fixture
def roster() -> dict[str, list[tuple[str, str]]]:
    """Give the students of each batch, by ID and name."""
    return {
        "CS-1": [("S001", "A. Student"), ("S002", "B. Student"), ("S003", "C. Student")],
        "CS-2": [("S101", "D. Student")],
    }


@pytest.fixture
def subject() -> str:
    """Give the subject of all batches."""
    return "Algebra"


@pytest.fixture
def run(
    tmp_path: Path, telegram: Telegram, clock: RunningClock, roster: dict[str, list[tuple[str, str]]], subject: str
) -> Iterator[Run]:
    """Give the classroom with CSV rosters, not started."""
    rosters(tmp_path, roster, subject)
    run = Run(tmp_path, telegram.url, clock)
    yield run
    run.stops()


@pytest.fixture
def teacher(run: Run, telegram: Telegram) -> Teacher:
    """Give a teacher who is signed in."""
    run.starts()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.signs_in()
    return teacher


@pytest.fixture
def code(teacher: Teacher) -> str:
    """Give the code of an open session of batch CS-1."""
    return teacher.opens("CS-1")


@pytest.fixture
def student(telegram: Telegram) -> Student:
    """Give a student who has sent nothing yet."""
    return Student(telegram, 2001)


@pytest.fixture
def lms(request: pytest.FixtureRequest) -> Iterator[Lms]:
    """Give an LMS with one teacher and one batch: the newer generation, or the test's parameter."""
    with an_lms(getattr(request, "param", "newer"), [("S001", "Student 1"), ("S002", "Student 2")]) as lms:
        yield lms


@pytest.fixture
def run_with_lms(tmp_path: Path, telegram: Telegram, clock: RunningClock, lms: Lms) -> Iterator[Run]:
    """Give the classroom with the LMS, not started."""
    run = Run(tmp_path, telegram.url, clock, base_url=f"{lms.url}/api/v1", jwt_login_endpoint=lms.login)
    yield run
    run.stops()


@pytest.fixture
def at_the_password(run_with_lms: Run, telegram: Telegram) -> Teacher:
    """Give a teacher who has shared the phone number and is asked for the password."""
    run_with_lms.starts()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.starts_sign_in()
    return teacher


@pytest.fixture
def lms_teacher(at_the_password: Teacher) -> Teacher:
    """Give a teacher who is signed in to the LMS."""
    at_the_password.gives_password()
    return at_the_password
