"""What is kept of a student's monitor over restarts: the last check, the last trouble, a day that is skipped."""

from dataclasses import dataclass
from datetime import datetime

from core.sqlite import Database


@dataclass(frozen=True)
class Watch:
    """What is known of one student's monitoring. ``told_since``: told of a trouble that began then and still lasts."""

    last_check: datetime | None = None
    trouble: str = ""
    trouble_text: str = ""
    trouble_at: datetime | None = None
    told_since: datetime | None = None
    skip_date: str = ""  # YYYY-MM-DD, local


class Watches:
    """The monitors' part of the ledger. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        """Work on the shared connection."""
        self._database = database

    def of(self, student: int) -> Watch:
        """Return what is kept of a student's monitor."""
        rows = self._database.read("SELECT * FROM watches WHERE student = ?", student)
        return _watch(rows[0]) if rows else Watch()

    def all(self) -> dict[int, Watch]:
        """Return what is kept, by student."""
        return {row["student"]: _watch(row) for row in self._database.read("SELECT * FROM watches")}

    def checked(self, student: int, at: datetime) -> None:
        """Keep when the page was read last."""
        self._set(student, "last_check", at.isoformat())

    def troubled(self, student: int, kind: str, text: str, at: datetime) -> None:
        """Keep the last trouble."""
        with self._database.transaction():
            self._set(student, "trouble", kind)
            self._set(student, "trouble_text", text)
            self._set(student, "trouble_at", at.isoformat())

    def claim_trouble(self, student: int, since: datetime) -> bool:
        """Claim to tell of a lasting trouble; True once, until ``claim_relief``."""
        with self._database.transaction() as connection:
            self._make(student)
            return (
                connection.execute(
                    "UPDATE watches SET told_since = ? WHERE student = ? AND told_since IS NULL",
                    (since.isoformat(), student),
                ).rowcount
                == 1
            )

    def claim_relief(self, student: int) -> bool:
        """Claim to tell that a trouble is over; True once, and only where it was told."""
        with self._database.transaction() as connection:
            return (
                connection.execute(
                    "UPDATE watches SET told_since = NULL WHERE student = ? AND told_since IS NOT NULL", (student,)
                ).rowcount
                == 1
            )

    def skip(self, student: int, local_date: str | None) -> None:
        """Keep the day that a student skips, or None."""
        self._set(student, "skip_date", local_date)

    def forget(self, student: int) -> None:
        """Delete what is kept of a student's monitor."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM watches WHERE student = ?", (student,))

    def _make(self, student: int) -> None:
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO watches (student) VALUES (?) ON CONFLICT DO NOTHING", (student,))

    def _set(self, student: int, column: str, value: str | None) -> None:
        with self._database.transaction() as connection:
            self._make(student)
            connection.execute(f"UPDATE watches SET {column} = ? WHERE student = ?", (value, student))  # noqa: S608  # our own column names


def _watch(row: object) -> Watch:
    found = dict(row)  # type: ignore[call-overload]
    return Watch(
        _time(found["last_check"]),
        found["trouble"] or "",
        found["trouble_text"] or "",
        _time(found["trouble_at"]),
        _time(found["told_since"]),
        found["skip_date"] or "",
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
