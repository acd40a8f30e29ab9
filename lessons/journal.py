"""The lessons' table: which were seen, intended, marked, and announced to the student."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

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
        """
        ALTER TABLE lessons ADD COLUMN round INTEGER NOT NULL DEFAULT 1;  -- of the lesson on its day
        ALTER TABLE lessons ADD COLUMN offered INTEGER NOT NULL DEFAULT 0;  -- Mark Now was on the screen
        ALTER TABLE lessons ADD COLUMN requested_at TEXT;  -- Mark Now was pressed
        ALTER TABLE lessons ADD COLUMN over_at TEXT;       -- the round's end: a load showed the card gone or disabled
        ALTER TABLE lessons ADD COLUMN over_why TEXT;      -- the reason of a round that ended without our mark
        UPDATE lessons SET over_at = coalesce(closed_at, marked_at, seen_at)
            WHERE closed_at IS NOT NULL OR local_date < date('now', '-1 day');
        UPDATE lessons SET offered = 1 WHERE offered_until IS NOT NULL;
        CREATE INDEX lessons_running ON lessons (student) WHERE over_at IS NULL;
        """,
        """
        ALTER TABLE lessons ADD COLUMN unconfirmed INTEGER NOT NULL DEFAULT 0;  -- clicks that were not confirmed
        ALTER TABLE lessons ADD COLUMN answer TEXT NOT NULL DEFAULT '';         -- the portal's last words about them
        """,
    ),
)


@dataclass(frozen=True)
class LessonRow:
    """One round of a student's lesson on one day. Times are ISO 8601 in UTC; None: it has not happened."""

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
    round: int = 1
    offered: int = 0
    requested_at: str | None = None
    over_at: str | None = None
    over_why: str | None = None
    unconfirmed: int = 0
    answer: str = ""


# An offer with a button, or one that says "Marking...".
_ON_SCREEN = "offered_until IS NOT NULL OR requested_at IS NOT NULL AND marked_at IS NULL AND closed_at IS NULL"


class Lessons:
    """The table of lessons. Every method is one transaction, or part of the one around it.

    A ``claim_...`` returns True for exactly one caller; call it in the transaction that queues the message.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def seen(
        self, key: str, student: int, local_date: str, subject: str, teacher: str, time: str, at: datetime, nth: int = 1
    ) -> LessonRow:
        """Add the nth round of an open lesson, unless it is there already, and return its row."""
        statement = (
            "INSERT INTO lessons (key, student, local_date, subject, teacher, time, seen_at, round)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
        )
        with self._database.transaction():
            self._database.write(statement, key, student, local_date, subject, teacher, time, _iso(at), nth)
            return self._select("key = ?", key)[0]

    def get(self, key: str) -> LessonRow | None:
        return next(iter(self._select("key = ?", key)), None)

    def intend(self, key: str, at: datetime) -> None:
        """Record, before the click, that we are about to mark this lesson."""
        self._database.write("UPDATE lessons SET intended_at = coalesce(intended_at, ?) WHERE key = ?", _iso(at), key)

    def refused(self, key: str, words: str) -> None:
        """Count a click that was not confirmed, and keep the portal's answer to it, if there is one."""
        change = "unconfirmed = unconfirmed + 1, answer = coalesce(nullif(?, ''), answer)"
        self._database.write(f"UPDATE lessons SET {change} WHERE key = ?", words, key)  # noqa: S608  # from above

    def confirm(self, key: str, at: datetime) -> bool:
        """Record that the page confirmed a mark that we intended; True for exactly one caller."""
        return self._claim("marked_at = ?", "intended_at IS NOT NULL AND marked_at IS NULL", key, _iso(at))

    def recent(self, student: int, since: str) -> list[LessonRow]:
        """Return a student's rounds of the days from a date on, and those that are not over, in the order of seeing."""
        recent = "student = ?1 AND local_date >= ?2 OR student = ?1 AND over_at IS NULL ORDER BY seen_at, round"
        return self._select(recent, student, since)

    def end_round(self, key: str, at: datetime, why: str | None = None) -> bool:
        """Record that a load showed the card gone or disabled; True for exactly one caller."""
        return self._claim("over_at = ?, over_why = ?", "over_at IS NULL", key, _iso(at), why)

    def claim_closing(self, key: str, at: datetime) -> bool:
        """Claim the right to send the notice that a lesson closed without our mark."""
        change = "closed_at = ?, offered_until = NULL"
        return self._claim(change, "marked_at IS NULL AND closed_at IS NULL", key, _iso(at))

    def clean(self, before: str) -> int:
        """Delete the lessons of days before a date (ISO 8601); return how many."""
        return self._database.write("DELETE FROM lessons WHERE local_date < ?", before)

    def claim_telling(self, key: str, at: datetime) -> bool:
        """Claim the right to send the "marked" notice."""
        change = "told_at = ?, offered_until = NULL"
        return self._claim(change, "marked_at IS NOT NULL AND told_at IS NULL", key, _iso(at))

    def untold(self) -> list[LessonRow]:
        """Return the marked lessons whose notice is not queued yet."""
        return self._select("marked_at IS NOT NULL AND told_at IS NULL")

    def claim_offer(self, key: str, until: datetime) -> bool:
        """Claim the right to offer this lesson; False if its offer is on the screen or was pressed, or it is over."""
        free = "offered_until IS NULL AND requested_at IS NULL AND marked_at IS NULL AND closed_at IS NULL"
        return self._claim("offered_until = ?, offered = 1", f"{free} AND over_at IS NULL", key, _iso(until))

    def request(self, key: str, at: datetime) -> bool:
        """End the live offer of a lesson because Mark Now was pressed; True for exactly one caller."""
        return self._claim("offered_until = NULL, requested_at = ?", "offered_until IS NOT NULL", key, _iso(at))

    def end_offer(self, key: str) -> bool:
        """End the offer of a lesson, live or pressed (timed out, withdrawn); True for exactly one caller."""
        return self._claim("offered_until = NULL, requested_at = NULL", _ON_SCREEN, key)

    def offers(self, student: int | None = None) -> list[LessonRow]:
        """Return the lessons whose offer is live, or was pressed without an outcome yet, of one student or of all."""
        return self._select(f"({_ON_SCREEN}) AND (?1 IS NULL OR student = ?1)", student)

    def last_mark(self, student: int) -> LessonRow | None:
        last = "student = ? AND marked_at IS NOT NULL ORDER BY marked_at DESC LIMIT 1"
        return next(iter(self._select(last, student)), None)

    def unknown(self, keys: list[str]) -> list[str]:
        """Return those of the keys that are not in the table."""
        rows = self._database.read(
            "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT key FROM lessons)", json.dumps(keys)
        )
        return [row["value"] for row in rows]

    def hand_over(self, old: int, new: int) -> None:
        """Give a student's lessons to their new Telegram account; the offers on the old account's screen end."""
        with self._database.transaction():
            self._database.write("UPDATE lessons SET student = ? WHERE student = ?", new, old)
            self._withdraw_offers(new)

    def forget(self, student: int, before: str | None = None) -> int:
        """Delete a student's lessons; return how many.

        With ``before`` (ISO 8601), lessons of that date and later which we intended to mark stay: they may still be on
        the page when the student registers again, and must be neither marked nor announced a second time.
        """
        with self._database.transaction():
            self._withdraw_offers(student)
            return self._database.write(
                "DELETE FROM lessons WHERE student = ?1 AND (?2 IS NULL OR intended_at IS NULL OR local_date < ?2)",
                student,
                before,
            )

    def forget_others(self, students: Collection[int], before: str) -> int:
        """Delete the lessons before a date of everybody but these students; return how many."""
        others = "local_date < ? AND student NOT IN (SELECT value FROM json_each(?))"
        return self._database.write(f"DELETE FROM lessons WHERE {others}", before, json.dumps([*students]))  # noqa: S608

    def _withdraw_offers(self, student: int) -> None:
        self._database.write("UPDATE lessons SET offered_until = NULL, requested_at = NULL WHERE student = ?", student)

    def _select(self, where: str, *parameters: object) -> list[LessonRow]:
        rows = self._database.read(f"SELECT * FROM lessons WHERE {where}", *parameters)  # noqa: S608  # from this class
        return [LessonRow(**dict(row)) for row in rows]

    def _claim(self, change: str, condition: str, key: str, *parameters: object) -> bool:
        """Change a lesson if it meets a condition; True for exactly one caller."""
        statement = f"UPDATE lessons SET {change} WHERE ({condition}) AND key = ?"  # noqa: S608  # from this class
        return self._database.write(statement, *parameters, key) == 1


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
