"""Wrong answers, counted so that nobody guesses codes or passwords through the bot."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.sqlite import Database

KEPT_FOR = timedelta(days=1)  # longer than every rule counts or locks


@dataclass(frozen=True)
class Rule:
    """So many wrong answers within a time lock for a time. ``kind`` keeps the rules' counts apart."""

    kind: str
    most: int
    within: timedelta
    locks: timedelta


class Attempts:
    """The part of the ledger that counts wrong answers. Every method is one transaction.

    ``who`` is kept as a hash: a portal account that somebody only tried must not stand in the file.
    """

    def __init__(self, database: Database) -> None:
        """Work on the shared connection."""
        self._database = database

    def locked_until(self, rule: Rule, who: str | int, now: datetime) -> datetime | None:
        """Return until when this one is locked; None where they are not."""
        rows = self._database.read("SELECT locked_until FROM attempts WHERE kind = ? AND who = ?", *_key(rule, who))
        until = datetime.fromisoformat(rows[0]["locked_until"]) if rows and rows[0]["locked_until"] else None
        return until if until is not None and until > now else None

    def wrong(self, rule: Rule, who: str | int, now: datetime) -> datetime | None:
        """Count a wrong answer; return until when it locks, None where there are tries left.

        What is wrong while the lock lasts makes it no longer.
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
        """Forget the wrong answers of one who has given the right one."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM attempts WHERE kind = ? AND who = ?", _key(rule, who))


def _key(rule: Rule, who: str | int) -> tuple[str, str]:
    return rule.kind, hashlib.blake2b(f"{rule.kind}:{who}".encode(), digest_size=16).hexdigest()
