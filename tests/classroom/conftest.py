"""The classroom in this process, on CSV rosters or on an LMS, with a clock that can be moved ahead."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.classroom.running import Lms, Run, RunningClock, Student, Teacher, an_lms, its_telegram, rosters
from tests.e2e.people import Telegram


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram with both bots in it, without its limits on speed."""
    telegram = its_telegram(telegram_url)
    yield telegram
    telegram.http.close()


@pytest.fixture
def clock() -> RunningClock:
    """Give the clock."""
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
    """Give the one subject."""
    return "Algebra"


@pytest.fixture
def run(
    tmp_path: Path, telegram: Telegram, clock: RunningClock, roster: dict[str, list[tuple[str, str]]], subject: str
) -> Iterator[Run]:
    """Give the classroom on CSV rosters, not yet started."""
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
    """Give the code of an open session of the first batch."""
    return teacher.opens("CS-1")


@pytest.fixture
def student(telegram: Telegram) -> Student:
    """Give a student, who has not written yet."""
    return Student(telegram, 2001)


@pytest.fixture
def lms(request: pytest.FixtureRequest) -> Iterator[Lms]:
    """Give an LMS with one teacher and one batch: the newer one, or the one that the test is parametrized with."""
    with an_lms(getattr(request, "param", "newer"), [("S001", "Student 1"), ("S002", "Student 2")]) as lms:
        yield lms


@pytest.fixture
def run_with_lms(tmp_path: Path, telegram: Telegram, clock: RunningClock, lms: Lms) -> Iterator[Run]:
    """Give the classroom with the LMS, not yet started."""
    run = Run(tmp_path, telegram.url, clock, base_url=f"{lms.url}/api/v1", jwt_login_endpoint=lms.login)
    yield run
    run.stops()


@pytest.fixture
def at_the_password(run_with_lms: Run, telegram: Telegram) -> Teacher:
    """Give a teacher who has shared the number, and is asked for the password."""
    run_with_lms.starts()
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.starts_sign_in()
    return teacher


@pytest.fixture
def lms_teacher(at_the_password: Teacher) -> Teacher:
    """Give a teacher who is signed in to the LMS."""
    at_the_password.gives_password()
    return at_the_password
