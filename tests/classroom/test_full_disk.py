"""A classroom whose database can't be written: its admins are told directly, and so is everybody who taps."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.classroom.running import TEACHERS, Run, RunningClock, Student
from tests.e2e.people import Person, Telegram, eventually

pytestmark = [pytest.mark.integration, pytest.mark.ordeal]  # each write waits five seconds for the lock

ADMIN = 3001


def test_locked_database(telegram: Telegram, clock: RunningClock, tmp_path: Path) -> None:
    """While nothing can be written the admin gets one message, and a student one line; then the admin reads its end."""
    run = Run(tmp_path / "data", telegram.url, clock, classroom_admins=(ADMIN,))
    run.starts()
    try:
        admin, student = Person(telegram, ADMIN, "Admin", bot=TEACHERS), Student(telegram, 2001)
        admin.says("/start")
        admin.sees("phone")
        student.says("/start")
        student.sees("This bot takes your attendance")
        with closing(sqlite3.connect(run.folder / "classroom" / "classroom.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            student.says("/start")
            told = "Nothing can be saved in DATA_DIR: «the classroom's database can't be written (database is locked)»."
            admin.sees(told)
            line = (
                "Nothing can be saved on our side at the moment, so nothing is marked. The administrator has been told."
            )
            student.sees(line)
            other.execute("ROLLBACK")

        def is_over() -> bool:  # when writes have worked for a minute, at the second try at the earliest
            clock.forward(11)
            return admin.counts("Everything can be saved again, and goes on.") == 1

        eventually("the end", is_over)
        assert admin.counts(told) == 1
    finally:
        run.stops()
