"""Which lessons were seen, meant to be marked, marked and told: the truth behind every "Attendance Marked."."""

from dataclasses import dataclass
from datetime import datetime

from core.sqlite import Database


@dataclass(frozen=True)
class LessonRow:
    """One student's lesson on one day. Times are ISO 8601 in UTC, None where it has not happened."""

    key: str
    student: int
    local_date: str
    subject: str
    teacher: str
    time: str
    seen_at: str
    intended_at: str | None
    marked_at: str | None
    told_at: str | None
    offered_until: str | None
    closed_at: str | None = None


class Lessons:
    """The lessons' part of the ledger. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        """Work on the shared connection."""
        self._database = database

    def seen(
        self, key: str, student: int, local_date: str, subject: str, teacher: str, time: str, at: datetime
    ) -> LessonRow:
        """Record an open lesson once and return what is known of it."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO lessons (key, student, local_date, subject, teacher, time, seen_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, student, local_date, subject, teacher, time, _iso(at)),
            )
            row = connection.execute("SELECT * FROM lessons WHERE key = ?", (key,)).fetchone()
        return LessonRow(**dict(row))

    def get(self, key: str) -> LessonRow | None:
        """Return one lesson."""
        rows = self._database.read("SELECT * FROM lessons WHERE key = ?", key)
        return LessonRow(**dict(rows[0])) if rows else None

    def intend(self, key: str, at: datetime) -> None:
        """Write, before the click, that we are about to mark this lesson."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE lessons SET intended_at = coalesce(intended_at, ?) WHERE key = ?", (_iso(at), key)
            )

    def confirm(self, key: str, at: datetime) -> bool:
        """Record that the page confirmed a mark that we intended; True the first time, and only then."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE lessons SET marked_at = ? WHERE key = ? AND intended_at IS NOT NULL AND marked_at IS NULL",
                (_iso(at), key),
            ).rowcount
        return changed == 1

    def unsettled(self, student: int, local_date: str) -> list[LessonRow]:
        """Return a day's lessons that were seen open and neither marked nor told as closed."""
        rows = self._database.read(
            "SELECT * FROM lessons WHERE student = ? AND local_date = ? AND marked_at IS NULL AND closed_at IS NULL",
            student,
            local_date,
        )
        return [LessonRow(**dict(row)) for row in rows]

    def claim_closing(self, key: str, at: datetime) -> bool:
        """Claim to tell that a lesson closed unmarked; True once, in the transaction that queues the message."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE lessons SET closed_at = ?, offered_until = NULL"
                " WHERE key = ? AND marked_at IS NULL AND closed_at IS NULL",
                (_iso(at), key),
            ).rowcount
        return changed == 1

    def clean(self, before: str) -> int:
        """Delete the lessons of days before a date (ISO 8601); return how many."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM lessons WHERE local_date < ?", (before,)).rowcount

    def claim_telling(self, key: str, at: datetime) -> bool:
        """Claim the telling of a mark; True once. Call it in the transaction that queues the message."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE lessons SET told_at = ?, offered_until = NULL"
                " WHERE key = ? AND marked_at IS NOT NULL AND told_at IS NULL",
                (_iso(at), key),
            ).rowcount
        return changed == 1

    def untold(self) -> list[LessonRow]:
        """Return the marks whose message was not queued before the process ended."""
        rows = self._database.read("SELECT * FROM lessons WHERE marked_at IS NOT NULL AND told_at IS NULL")
        return [LessonRow(**dict(row)) for row in rows]

    def claim_offer(self, key: str, until: datetime) -> bool:
        """Claim the place of the one live offer of this lesson; False where one is on the screen already."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE lessons SET offered_until = ? WHERE key = ? AND offered_until IS NULL AND marked_at IS NULL",
                (_iso(until), key),
            ).rowcount
        return changed == 1

    def end_offer(self, key: str) -> bool:
        """End the live offer of a lesson (tapped, timed out, withdrawn); True for the one caller that ended it."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE lessons SET offered_until = NULL WHERE key = ? AND offered_until IS NOT NULL", (key,)
            ).rowcount
        return changed == 1

    def offers(self, student: int | None = None) -> list[LessonRow]:
        """Return the lessons with a live offer, of one student or of all."""
        rows = self._database.read(
            "SELECT * FROM lessons WHERE offered_until IS NOT NULL AND (?1 IS NULL OR student = ?1)", student
        )
        return [LessonRow(**dict(row)) for row in rows]

    def last_mark(self, student: int) -> LessonRow | None:
        """Return the lesson that was marked last."""
        rows = self._database.read(
            "SELECT * FROM lessons WHERE student = ? AND marked_at IS NOT NULL ORDER BY marked_at DESC LIMIT 1", student
        )
        return LessonRow(**dict(rows[0])) if rows else None

    def forget(self, student: int, before: str) -> int:
        """Delete a student's lessons; return how many.

        What we meant to mark stays where its date (ISO 8601) is not ``before`` that one: the lesson may still be on
        the page for who registers the account again, and must be neither marked nor told a second time.
        """
        with self._database.transaction() as connection:
            connection.execute("UPDATE lessons SET offered_until = NULL WHERE student = ?", (student,))
            return connection.execute(
                "DELETE FROM lessons WHERE student = ? AND (intended_at IS NULL OR local_date < ?)", (student, before)
            ).rowcount


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
