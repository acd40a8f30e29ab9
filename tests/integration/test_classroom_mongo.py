"""The classroom on MongoDB: a class through which the database is gone for a while."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.e2e.people import Telegram, eventually
from tests.integration.in_class import RunningClock, Student, Teacher, classroom, its_telegram, rosters
from tests.servers import in_thread, mongo_server


@pytest.fixture
def telegram(telegram_url: str) -> Iterator[Telegram]:
    """Give a Telegram with both bots in it, without its limits on speed."""
    telegram = its_telegram(telegram_url)
    yield telegram
    telegram.http.close()


def test_gone_in_the_middle(telegram: Telegram, tmp_path: Path) -> None:
    """Who tries while MongoDB is gone is told so; when it is back the class goes on, and the marks reach the LMS."""
    rosters(tmp_path, {"CS-1": [("S001", "A. Student"), ("S002", "B. Student")]})
    clock, file = RunningClock(), str(tmp_path / "mongo")
    with ExitStack() as stack:
        with mongo_server("--file", file) as uri:
            stack.enter_context(in_thread(classroom(tmp_path, telegram.url, clock, mongodb_uri=SecretStr(uri))))
            teacher, student = Teacher(telegram, 7001, "+77010000001"), Student(telegram, 2001)
            teacher.signs_in()
            student.says(f"/start {teacher.opens('CS-1')}")
            student.says("S001")
            student.sees("The code is right")
        student.shares()
        student.sees("That did not work. Try again in a minute.")
        with mongo_server("--file", file, "--port", uri.rpartition(":")[2]):
            student.shares()
            student.sees("has to confirm")
            teacher.taps("Confirm All (1)")
            student.sees("Attendance marked")
            eventually("the LMS's confirmation", lambda: student.counts("The LMS has it."))
            clock.forward(140)
            teacher.sees("(final)", patience=60)
            stack.close()
    assert not (tmp_path / "classroom" / "store.sqlite3").exists()
