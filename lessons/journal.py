"""The lessons' table: which were seen, intended, marked, and announced to the student."""

import json
from dataclasses import dataclass
from datetime import datetime

from core.sqlite import Database, Schema

SCHEMA = Schema(
    owner="lessons",
    tables=("lessons",),
    legacy={1: 1, 2: 2, 3: 2},
    migrations=(
        """
        CREATE TABLE lessons (
            key            TEXT PRIMARY KEY,    -- the lesson's identity, hashed
            student        INTEGER NOT NULL,
            local_date     TEXT NOT NULL,
            subject        TEXT NOT NULL,
            teacher        TEXT NOT NULL,
            time           TEXT NOT NULL,
            seen_at        TEXT NOT NULL,
            intended_at    TEXT,                -- written before the first click
            marked_at      TEXT,                -- the page confirmed the mark
            told_at        TEXT,                -- the "marked" notice is in the outbox
            offered_until  TEXT                 -- Mark Now is on the screen until then
        );
        CREATE INDEX lessons_untold ON lessons (marked_at) WHERE told_at IS NULL AND marked_at IS NOT NULL;
        CREATE INDEX lessons_offered ON lessons (offered_until) WHERE offered_until IS NOT NULL;
        CREATE INDEX lessons_of_student ON lessons (student, seen_at);
        """,
        """
        ALTER TABLE lessons ADD COLUMN closed_at TEXT;  -- gone from the page unmarked, and the student told so
        CREATE INDEX lessons_of_day ON lessons (local_date);
        """,
    ),
)


@dataclass(frozen=True)
class LessonRow:
    """One student's lesson on one day. Times are ISO 8601 in UTC; None: it has not happened."""

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
    """The table of lessons. Every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(
        self, key: str, student: int, local_date: str, subject: str, teacher: str, time: str, at: datetime
    ) -> LessonRow:
        """Add an open lesson, unless it is there already, and return its row."""
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
        """Record, before the click, that we are about to mark this lesson."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE lessons SET intended_at = coalesce(intended_at, ?) WHERE key = ?", (_iso(at), key)
            )

    def confirm(self, key: str, at: datetime) -> bool:
        """Record that the page confirmed a mark that we intended; True for exactly one caller."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE lessons SET marked_at = ? WHERE key = ? AND intended_at IS NOT NULL AND marked_at IS NULL",
                (_iso(at), key),
            ).rowcount
        return changed == 1

    def unsettled(self, student: int, local_date: str) -> list[LessonRow]:
        """Return a day's lessons that were seen open, and neither marked nor announced as closed."""
        rows = self._database.read(
            "SELECT * FROM lessons WHERE student = ? AND local_date = ? AND marked_at IS NULL AND closed_at IS NULL",
            student,
            local_date,
        )
        return [LessonRow(**dict(row)) for row in rows]

    def claim_closing(self, key: str, at: datetime) -> bool:
        """Claim the right to send the notice that a lesson closed unmarked; True for exactly one caller.

        Call it in the transaction that queues the message.
        """
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
        """Claim the right to send the "marked" notice; True for exactly one caller.

        Call it in the transaction that queues the message.
        """
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE lessons SET told_at = ?, offered_until = NULL"
                " WHERE key = ? AND marked_at IS NOT NULL AND told_at IS NULL",
                (_iso(at), key),
            ).rowcount
        return changed == 1

    def untold(self) -> list[LessonRow]:
        """Return the marked lessons whose notice is not queued yet."""
        rows = self._database.read("SELECT * FROM lessons WHERE marked_at IS NOT NULL AND told_at IS NULL")
        return [LessonRow(**dict(row)) for row in rows]

    def claim_offer(self, key: str, until: datetime) -> bool:
        """Claim the right to offer this lesson; False if an offer of it is on the screen already."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE lessons SET offered_until = ? WHERE key = ? AND offered_until IS NULL AND marked_at IS NULL",
                (_iso(until), key),
            ).rowcount
        return changed == 1

    def end_offer(self, key: str) -> bool:
        """End the live offer of a lesson (tapped, timed out, withdrawn); True for exactly one caller."""
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
        """Return a student's lesson that was marked last."""
        rows = self._database.read(
            "SELECT * FROM lessons WHERE student = ? AND marked_at IS NOT NULL ORDER BY marked_at DESC LIMIT 1", student
        )
        return LessonRow(**dict(rows[0])) if rows else None

    def unknown(self, keys: list[str]) -> list[str]:
        """Return those of the keys that are not in the table."""
        rows = self._database.read(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT key FROM lessons)", json.dumps(keys)
        )
        return [row["value"] for row in rows]

    def hand_over(self, old: int, new: int) -> None:
        """Give a student's lessons to their new Telegram account; the offers on the old account's screen end."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE lessons SET student = ? WHERE student = ?", (new, old))
            connection.execute("UPDATE lessons SET offered_until = NULL WHERE student = ?", (new,))

    def forget(self, student: int, before: str | None = None) -> int:
        """Delete a student's lessons; return how many.

        With ``before`` (ISO 8601), lessons of that date and later which we intended to mark stay: they may still be on
        the page when the student registers again, and must be neither marked nor announced a second time.
        """
        with self._database.transaction() as connection:
            connection.execute("UPDATE lessons SET offered_until = NULL WHERE student = ?", (student,))
            return connection.execute(
                "DELETE FROM lessons WHERE student = ?1 AND (?2 IS NULL OR intended_at IS NULL OR local_date < ?2)",
                (student, before),
            ).rowcount


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
