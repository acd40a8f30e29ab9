"""One-time codes that move a person to another Telegram account, and the moves under way.

The table ``moves`` belongs to the half that uses it: marker/tables/schema.py, classroom/saved_rooms.py.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.sqlite import Database

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0, O, 1, I
MOVE_CODE_LENGTH = 12  # longer than an invitation's, by which the two are told apart
LASTS = timedelta(hours=24)


def new_move_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _each in range(MOVE_CODE_LENGTH))


@dataclass(frozen=True)
class MoveCode:
    """A code that moves ``person``; ``moved_to`` is set from the beginning of the move until it is done."""

    code: str
    person: int
    created_by: int
    expires_at: datetime
    moved_to: int | None


class MoveCodes:
    """The table of move codes. Every method is one transaction; a person has one code at most."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, code: str, person: int, created_by: int, expires_at: datetime) -> None:
        """Add a code; an earlier one for the same person is deleted."""
        with self._database.transaction():
            self.revoke(person)
            statement = "INSERT INTO moves (code, student, created_by, expires_at) VALUES (?, ?, ?, ?)"
            self._database.write(statement, code, person, created_by, expires_at.isoformat())

    def get(self, code: str, now: datetime) -> MoveCode | None:
        """Return the move of a code, if it can be used now."""
        found = self._moves("code = ? AND moved_to IS NULL", code)
        return next((move for move in found if move.expires_at > now), None)

    def waiting(self, person: int, now: datetime) -> MoveCode | None:
        found = self._moves("student = ? AND moved_to IS NULL", person)
        return next((move for move in found if move.expires_at > now), None)

    def revoke(self, person: int) -> bool:
        """Delete a person's unused code; False if there was none."""
        return self._database.write("DELETE FROM moves WHERE student = ? AND moved_to IS NULL", person) > 0

    def begin(self, code: str, moved_to: int, now: datetime) -> MoveCode | None:
        """Claim a code for one account, before the record moves; None if it can't be used."""
        with self._database.transaction():
            free = "UPDATE moves SET moved_to = ? WHERE code = ? AND moved_to IS NULL AND expires_at > ?"
            claimed = self._database.write(free, moved_to, code, now.isoformat()) == 1
            return self._moves("code = ?", code)[0] if claimed else None

    def give_back(self, code: str) -> None:
        """Make a claimed code usable again: the record could not be moved."""
        self._database.write("UPDATE moves SET moved_to = NULL WHERE code = ?", code)

    def remove(self, code: str) -> bool:
        """Delete a code; True for exactly one caller."""
        return self._database.write("DELETE FROM moves WHERE code = ?", code) == 1

    def forget(self, person: int) -> None:
        self._database.write("DELETE FROM moves WHERE student = ?", person)

    def begun(self) -> list[MoveCode]:
        """Return the moves that a previous process began and did not finish."""
        return self._moves("moved_to IS NOT NULL")

    def _moves(self, condition: str, *parameters: object) -> list[MoveCode]:
        rows = self._database.read(f"SELECT * FROM moves WHERE {condition}", *parameters)  # noqa: S608  # our own conditions
        return [
            MoveCode(code, person, created_by, datetime.fromisoformat(expires_at), moved_to)
            for code, person, created_by, expires_at, moved_to in rows
        ]
