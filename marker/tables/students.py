"""A student's rows: the monitoring state that survives restarts, codes that move them to another Telegram account, and
changes of all their rows, in the tables of several owners, as one transaction.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from core.sqlite import Database
from lessons.journal import Lessons
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


@dataclass(frozen=True)
class MoveCode:
    """A code that moves ``student``; ``moved_to`` is set from the beginning of the move until it is done."""

    code: str
    student: int
    created_by: int
    expires_at: datetime
    moved_to: int | None


class MoveCodes:
    """The table of move codes. Every method is one transaction; a student has one code at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, code: str, student: int, created_by: int, expires_at: datetime) -> None:
        """Add a code; an earlier one for the same student is deleted."""
        with self._database.transaction():
            self.revoke(student)
            statement = "INSERT INTO moves (code, student, created_by, expires_at) VALUES (?, ?, ?, ?)"
            self._database.write(statement, code, student, created_by, expires_at.isoformat())

    def get(self, code: str, now: datetime) -> MoveCode | None:
        """Return the move of a code, if it can be used now."""
        found = self._moves("code = ? AND moved_to IS NULL", code)
        return next((move for move in found if move.expires_at > now), None)

    def waiting(self, student: int, now: datetime) -> MoveCode | None:
        found = self._moves("student = ? AND moved_to IS NULL", student)
        return next((move for move in found if move.expires_at > now), None)

    def revoke(self, student: int) -> bool:
        """Delete a student's unused code; False if there was none."""
        return self._database.write("DELETE FROM moves WHERE student = ? AND moved_to IS NULL", student) > 0

    def begin(self, code: str, moved_to: int, now: datetime) -> MoveCode | None:
        """Claim a code for one account, before the student's record moves; None if it can't be used."""
        with self._database.transaction():
            free = "UPDATE moves SET moved_to = ? WHERE code = ? AND moved_to IS NULL AND expires_at > ?"
            claimed = self._database.write(free, moved_to, code, now.isoformat()) == 1
            return self._moves("code = ?", code)[0] if claimed else None

    def give_back(self, code: str) -> None:
        """Make a claimed code usable again: the record could not be moved."""
        self._database.write("UPDATE moves SET moved_to = NULL WHERE code = ?", code)

    def remove(self, code: str) -> None:
        self._database.write("DELETE FROM moves WHERE code = ?", code)

    def forget(self, student: int) -> None:
        self._database.write("DELETE FROM moves WHERE student = ?", student)

    def begun(self) -> list[MoveCode]:
        """Return the moves that a previous process began and did not finish."""
        return self._moves("moved_to IS NOT NULL")

    def _moves(self, condition: str, *parameters: object) -> list[MoveCode]:
        rows = self._database.read(f"SELECT * FROM moves WHERE {condition}", *parameters)  # noqa: S608  # our own conditions
        return [
            MoveCode(code, student, created_by, datetime.fromisoformat(expires_at), moved_to)
            for code, student, created_by, expires_at, moved_to in rows
        ]


class StudentRows:
    """A student's rows in all tables of the marker's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._people, self._lessons = People(database), Lessons(database)
        self._watches, self._move_codes = Watches(database), MoveCodes(database)

    def forget(self, student: int) -> None:
        """Delete everything but queued deletions: a message with a typed password must leave the chat."""
        with self._database.transaction():
            self._people.forget(student)
            self._lessons.forget(student)
            self._watches.forget(student)
            self._move_codes.forget(student)

    def forget_monitoring(self, student: int, before: str) -> None:
        """Delete lessons and monitoring state, but keep what the chat needs: language, step, messages, slots.

        Lessons that we meant to mark stay where their date (ISO 8601) is not ``before`` that one.
        """
        with self._database.transaction():
            self._lessons.forget(student, before)
            self._watches.forget(student)

    def hand_over(self, move: MoveCode) -> None:
        """Give the rows to the account that the student has moved to, and delete the move code.

        Call it when the student's record has moved.
        """
        if move.moved_to is None:
            raise ValueError("the move has not begun")
        with self._database.transaction():
            self._lessons.hand_over(move.student, move.moved_to)
            self._watches.hand_over(move.student, move.moved_to)
            self._people.hand_over(move.student, move.moved_to)
            self._move_codes.remove(move.code)
