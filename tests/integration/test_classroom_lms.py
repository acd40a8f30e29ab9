"""The teacher's way in by an LMS, and a class whose marks go there: the simulator of both generations."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.lms import LmsSimulator
from tests.e2e.people import Telegram, eventually
from tests.integration.in_class import RunningClock, Student, Teacher, classroom, its_telegram
from tests.servers import in_thread

EMAIL, PASSWORD = "teacher@example.org", "correct horse"


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


class Lms:
    """The LMS's simulator, by its control API."""

    def __init__(self, url: str) -> None:
        self.url, self.login = url, ""
        self.http = httpx.Client(base_url=f"{url}/control", trust_env=False, timeout=30)

    def tells(self, path: str, **body: Any) -> None:
        """Change something."""
        answer = self.http.post(f"/{path}", json=body)
        assert answer.is_success, answer.text

    def records(self) -> Any:
        """Return what it holds."""
        return self.http.get("/records").raise_for_status().json()


@pytest.fixture(params=["older", "newer"])
def lms(request: pytest.FixtureRequest) -> Iterator[Lms]:
    """Give an LMS with one teacher and one batch, in each generation."""
    simulator = LmsSimulator(request.param)
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
def run(tmp_path: Path, telegram: Telegram, clock: RunningClock, lms: Lms) -> Iterator[Callable[..., None]]:
    """Give what starts the classroom with the LMS; a second call starts it anew on the same data."""
    with ExitStack() as stack:

        def start() -> None:
            stack.close()
            serving = classroom(
                tmp_path, telegram.url, clock, base_url=f"{lms.url}/api/v1", jwt_login_endpoint=lms.login
            )
            stack.enter_context(in_thread(serving))

        yield start


def asked(telegram: Telegram) -> Teacher:
    """Return a teacher who has shared the number and is asked for the password."""
    teacher = Teacher(telegram, 7001, "+77010000001")
    teacher.says("/start")
    teacher.sends(contact={"phone_number": teacher.phone})
    teacher.sees("Now send your LMS password")
    return teacher


def signed_in(telegram: Telegram) -> Teacher:
    """Return a teacher who is signed in."""
    teacher = asked(telegram)
    teacher.says(PASSWORD)
    teacher.sees("e-mail address")
    teacher.says(EMAIL)
    teacher.sees("You are signed in.")
    return teacher


def test_sign_in(run: Callable[..., None], telegram: Telegram, tmp_path: Path) -> None:
    """A wrong password and a broken address get their answers; the password leaves the chat and stands in no file."""
    run()
    teacher = asked(telegram)
    teacher.says("wrong horse")
    teacher.sees("e-mail address")
    teacher.says("no address")
    teacher.sees("That is no e-mail address.")
    teacher.says(EMAIL)
    teacher.sees("does not take this password")
    teacher.says(PASSWORD)
    eventually("the question", lambda: teacher.counts("e-mail address that you use") == 2)
    teacher.says(EMAIL)
    teacher.sees("You are signed in.")
    said = [message["text"] for message in teacher.screen() if message["from"] == "person"]
    assert PASSWORD not in said
    assert "wrong horse" not in said
    for file in (tmp_path / "classroom").rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes()


def test_restart_before_the_address(run: Callable[..., None], telegram: Telegram) -> None:
    """A password is held in memory alone: after a restart it is asked for again."""
    run()
    teacher = asked(telegram)
    teacher.says(PASSWORD)
    teacher.sees("e-mail address")
    run()
    teacher.says(EMAIL)
    teacher.sees("I was restarted meanwhile.")
    teacher.says(PASSWORD)
    eventually("the question", lambda: teacher.counts("e-mail address that you use") == 2)
    teacher.says(EMAIL)
    teacher.sees("You are signed in.")


def test_a_class(run: Callable[..., None], telegram: Telegram, lms: Lms, clock: RunningClock) -> None:
    """Down in the middle of a class, with a restart of ours, the LMS has exactly our record in the end."""
    run()
    teacher = signed_in(telegram)
    code = teacher.opens("CS-1")
    student = Student(telegram, 2001)
    student.says(f"/start {code}")
    student.says("S001")
    student.sees("The code is right")
    student.shares()
    student.sees("has to confirm")
    lms.tells("behaviour", status=500)
    teacher.taps("Confirm All (1)")
    student.sees("Attendance marked")
    clock.forward(140)
    teacher.sees("(provisional)")
    run()
    lms.tells("behaviour", status=None)
    teacher.sees("(final)", patience=90)
    student.sees("The LMS has it.")
    assert teacher.counts("(final)") == 1
    (record,) = lms.records()
    assert record["students"] == {"S001": 1, "S002": 0}
