"""Counts of wrong codes and passwords, so that nobody can guess them through the bot."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.sqlite import Database

KEPT_FOR = timedelta(days=1)  # longer than every rule counts or locks


@dataclass(frozen=True)
class Rule:
    """``most`` wrong answers ``within`` a time lock for the time ``locks``. Each ``kind`` is counted separately."""

    kind: str
    most: int
    within: timedelta
    locks: timedelta


class Attempts:
    """The table of wrong answers. Every method is one transaction.

    ``who`` is stored as a hash: a portal account that somebody only tried must not appear in the file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def locked_until(self, rule: Rule, who: str | int, now: datetime) -> datetime | None:
        """Return the end of the lock; None if there is none."""
        rows = self._database.read("SELECT locked_until FROM attempts WHERE kind = ? AND who = ?", *_key(rule, who))
        until = datetime.fromisoformat(rows[0]["locked_until"]) if rows and rows[0]["locked_until"] else None
        return until if until is not None and until > now else None

    def wrong(self, rule: Rule, who: str | int, now: datetime) -> datetime | None:
        """Count a wrong answer; return the end of the lock, None while tries are left.

        A wrong answer during a lock does not extend it.
        """
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM attempts WHERE since < ?", ((now - KEPT_FOR).isoformat(),))
            until = self.locked_until(rule, who, now)
            if until is not None:
                return until
            row = connection.execute(
                "SELECT since, failures, locked_until FROM attempts WHERE kind = ? AND who = ?", _key(rule, who)
            ).fetchone()
            since, failures = now, 1
            if row is not None and not row["locked_until"] and now - datetime.fromisoformat(row["since"]) < rule.within:
                since, failures = datetime.fromisoformat(row["since"]), row["failures"] + 1
            until = now + rule.locks if failures >= rule.most else None
            connection.execute(
                "INSERT OR REPLACE INTO attempts (kind, who, since, failures, locked_until) VALUES (?, ?, ?, ?, ?)",
                (*_key(rule, who), since.isoformat(), failures, until.isoformat() if until else None),
            )
        return until

    def right(self, rule: Rule, who: str | int) -> None:
        """Delete the count after a right answer."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM attempts WHERE kind = ? AND who = ?", _key(rule, who))


def _key(rule: Rule, who: str | int) -> tuple[str, str]:
    return rule.kind, hashlib.blake2b(f"{rule.kind}:{who}".encode(), digest_size=16).hexdigest()
