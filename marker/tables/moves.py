"""One-time codes that move a student to another Telegram account, and which moves are under way."""

from dataclasses import dataclass
from datetime import datetime

from core.sqlite import Database


@dataclass(frozen=True)
class Move:
    """A code for moving ``student``; ``moved_to`` is set from the moment the move begins until it is done."""

    code: str
    student: int
    created_by: int
    expires_at: datetime
    moved_to: int | None


class Moves:
    """The moves' part of the ledger. Every method is one transaction; a student has one code at most."""

    def __init__(self, database: Database) -> None:
        """Work on the shared connection."""
        self._database = database

    def make(self, code: str, student: int, created_by: int, expires_at: datetime) -> None:
        """Keep a code; an earlier one for the same student is worth nothing any more."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM moves WHERE student = ? AND moved_to IS NULL", (student,))
            connection.execute(
                "INSERT INTO moves (code, student, created_by, expires_at) VALUES (?, ?, ?, ?)",
                (code, student, created_by, expires_at.isoformat()),
            )

    def get(self, code: str, now: datetime) -> Move | None:
        """Return the move of a code that can be used now."""
        return next(
            (move for move in self._moves("code = ? AND moved_to IS NULL", code) if move.expires_at > now), None
        )

    def waiting(self, student: int, now: datetime) -> Move | None:
        """Return the code that waits for a student's other account."""
        found = self._moves("student = ? AND moved_to IS NULL", student)
        return next((move for move in found if move.expires_at > now), None)

    def revoke(self, student: int) -> bool:
        """Make a student's code worthless; False where there was none."""
        with self._database.transaction() as connection:
            return (
                connection.execute("DELETE FROM moves WHERE student = ? AND moved_to IS NULL", (student,)).rowcount > 0
            )

    def begin(self, code: str, moved_to: int, now: datetime) -> Move | None:
        """Claim a code for one account, before the student's record moves; None where it can't be used."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE moves SET moved_to = ? WHERE code = ? AND moved_to IS NULL AND expires_at > ?",
                (moved_to, code, now.isoformat()),
            ).rowcount
            return self._moves("code = ?", code)[0] if changed == 1 else None

    def give_back(self, code: str) -> None:
        """Make a claimed code usable again: the record could not be moved."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE moves SET moved_to = NULL WHERE code = ?", (code,))

    def finish(self, move: Move) -> None:
        """Hand what the ledger keeps of a student to the new account, once the record has moved; the code is spent."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE lessons SET student = ? WHERE student = ?", (move.moved_to, move.student))
            connection.execute("DELETE FROM watches WHERE student = ?", (move.moved_to,))
            connection.execute("UPDATE watches SET student = ? WHERE student = ?", (move.moved_to, move.student))
            # the offers' messages are on the old account's screen; the monitor makes new ones
            connection.execute("UPDATE lessons SET offered_until = NULL WHERE student = ?", (move.moved_to,))
            connection.execute(
                "INSERT INTO people (telegram_id, language) SELECT ?, language FROM people WHERE telegram_id = ?"
                " ON CONFLICT DO UPDATE SET language = coalesce(excluded.language, language)",
                (move.moved_to, move.student),
            )
            connection.execute("DELETE FROM steps WHERE telegram_id IN (?, ?)", (move.student, move.moved_to))
            connection.execute("DELETE FROM moves WHERE code = ?", (move.code,))

    def begun(self) -> list[Move]:
        """Return the moves that an earlier process began and did not finish."""
        return self._moves("moved_to IS NOT NULL")

    def _moves(self, condition: str, *parameters: object) -> list[Move]:
        rows = self._database.read(f"SELECT * FROM moves WHERE {condition}", *parameters)  # noqa: S608  # our own words
        return [
            Move(
                row["code"],
                row["student"],
                row["created_by"],
                datetime.fromisoformat(row["expires_at"]),
                row["moved_to"],
            )
            for row in rows
        ]
