"""Per-student monitoring state that survives restarts: the last check, the last trouble, a skipped day."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from core.sqlite import Database


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
        """Change some of a student's values."""
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
