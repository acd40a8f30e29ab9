"""The classroom on MongoDB, which is down for a while during a class."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.classroom.running import Run, RunningClock, Student, Teacher
from tests.e2e.people import Telegram, eventually
from tests.servers import mongo_server

pytestmark = pytest.mark.integration


@pytest.mark.ordeal
def test_gone_in_the_middle(
    run: Run, telegram: Telegram, clock: RunningClock, student: Student, tmp_path: Path
) -> None:
    """While MongoDB is down a student gets an error; afterwards the class goes on, and the marks reach the LMS."""
    file = str(tmp_path / "mongo")
    with mongo_server("--file", file) as uri:
        run.starts(mongodb_uri=SecretStr(uri))
        teacher = Teacher(telegram, 7001, "+77010000001")
        teacher.signs_in()
        student.enters("S001", teacher.opens("CS-1"))
    student.shares()
    student.sees("That did not work. Try again in a minute.")
    with mongo_server("--file", file, "--port", uri.rpartition(":")[2]):
        student.shares()
        student.is_accepted()
        teacher.taps("Confirm All (1)")
        student.sees("Attendance marked")
        eventually("the LMS's confirmation", lambda: student.counts("Recorded."))
        clock.forward(140)
        teacher.sees("(final)")
        run.stops()
    with closing(sqlite3.connect(tmp_path / "classroom" / "classroom.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
