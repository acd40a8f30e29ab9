"""A student's rows: the monitoring state that survives restarts, and changes of all owners' rows as one transaction."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from core.sqlite import Database
from lessons.journal import Lessons
from telegram_app.move_codes import MoveCode, MoveCodes
from telegram_app.people import People


@dataclass(frozen=True)
class Watch:
    """One student's monitoring state. ``told_since``: when a lasting trouble began of which they were told."""

    last_check: datetime | None = None
    trouble: str = ""
    trouble_text: str = ""
    trouble_at: datetime | None = None
    told_since: datetime | None = None
    skip_date: str = ""  # YYYY-MM-DD, local


class Watches:
    """The table of monitoring states. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[int, Watch]:
        return {row["student"]: _watch(row) for row in self._database.read("SELECT * FROM watches")}

    def set(self, student: int, **columns: str | datetime) -> None:
        changes = ", ".join(f"{column} = ?" for column in columns)
        values = [value.isoformat() if isinstance(value, datetime) else value for value in columns.values()]
        with self._database.transaction():
            self._make(student)
            self._database.write(f"UPDATE watches SET {changes} WHERE student = ?", *values, student)  # noqa: S608  # our own column names

    def claim_trouble(self, student: int, since: datetime) -> bool:
        """Claim the right to send the notice of a lasting trouble; True once, until ``claim_relief``."""
        with self._database.transaction():
            self._make(student)
            untold = "UPDATE watches SET told_since = ? WHERE student = ? AND told_since IS NULL"
            return self._database.write(untold, since.isoformat(), student) == 1

    def claim_relief(self, student: int) -> bool:
        """Claim the right to send the notice that a trouble is over; True once, and only after ``claim_trouble``."""
        told = "UPDATE watches SET told_since = NULL WHERE student = ? AND told_since IS NOT NULL"
        return self._database.write(told, student) == 1

    def hand_over(self, old: int, new: int) -> None:
        with self._database.transaction():
            self.forget(new)
            self._database.write("UPDATE watches SET student = ? WHERE student = ?", new, old)

    def forget(self, student: int) -> None:
        self._database.write("DELETE FROM watches WHERE student = ?", student)

    def _make(self, student: int) -> None:
        self._database.write("INSERT INTO watches (student) VALUES (?) ON CONFLICT DO NOTHING", student)


def _watch(row: sqlite3.Row) -> Watch:
    _student, last_check, trouble, text, trouble_at, told_since, skip_date = row
    return Watch(_time(last_check), trouble or "", text or "", _time(trouble_at), _time(told_since), skip_date or "")


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


class StudentRows:
    """A student's rows in all tables of the marker's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.erase_traces = database.erase_traces
        self._people, self._lessons = People(database, "marker"), Lessons(database)
        self._watches, self._move_codes = Watches(database), MoveCodes(database)

    def forget(self, student: int) -> None:
        """Delete everything but queued deletions: a message with a typed password must leave the chat."""
        with self._database.transaction():
            self._people.forget(student)
            self._lessons.forget(student)
            self._watches.forget(student)
            self._move_codes.forget(student)
        self.erase_traces()

    def forget_monitoring(self, student: int, before: str) -> None:
        """Delete lessons and monitoring state, but keep what the chat needs: language, step, messages, slots.

        Lessons that we meant to mark stay where their date (ISO 8601) is not ``before`` that one.
        """
        with self._database.transaction():
            self._lessons.forget(student, before)
            self._watches.forget(student)
            self._move_codes.forget(student)
        self.erase_traces()

    def hand_over(self, move: MoveCode) -> None:
        """Give the rows to the account that the student has moved to, and delete the move code.

        Call it when the student's record has moved.
        """
        if move.moved_to is None:
            raise ValueError("the move has not begun")
        with self._database.transaction():
            self._lessons.hand_over(move.person, move.moved_to)
            self._watches.hand_over(move.person, move.moved_to)
            self._people.hand_over(move.person, move.moved_to)
            self._move_codes.remove(move.code)
