"""Counts of wrong codes and passwords, so that nobody can guess them through the bot."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.encryption import Digest
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
    """The table of wrong answers. ``who`` is stored as a keyed hash: an account that was only tried stays unknown."""

    def __init__(self, database: Database, digest: Digest) -> None:
        self._database, self._digest = database, digest
        with database.transaction() as connection:  # an older version stored hashes without a key
            connection.create_function("keyed", 1, digest)
            connection.execute("UPDATE attempts SET who = keyed(who) WHERE length(who) = 32")

    def _key(self, rule: Rule, who: str | int) -> tuple[str, str]:
        unkeyed = hashlib.blake2b(f"{rule.kind}:{who}".encode(), digest_size=16).hexdigest()
        return rule.kind, self._digest(unkeyed)

    def locked_until(self, rule: Rule, who: str | int, now: datetime) -> datetime | None:
        """Return the end of the lock; None if there is none."""
        rows = self._database.read(
            "SELECT locked_until FROM attempts WHERE kind = ? AND who = ?", *self._key(rule, who)
        )
        until = datetime.fromisoformat(rows[0]["locked_until"]) if rows and rows[0]["locked_until"] else None
        return until if until is not None and until > now else None

    def wrong(self, rule: Rule, who: str | int, now: datetime) -> datetime | None:
        """Count a wrong answer; return the end of the lock (not extended by it), None while tries are left."""
        with self._database.transaction():
            self._database.write("DELETE FROM attempts WHERE since < ?", (now - KEPT_FOR).isoformat())
            if (until := self.locked_until(rule, who, now)) is not None:
                return until
            rows = self._database.read("SELECT * FROM attempts WHERE kind = ? AND who = ?", *self._key(rule, who))
            since, failures = now, 1
            for row in rows:
                begun = datetime.fromisoformat(row["since"])
                if not row["locked_until"] and now - begun < rule.within:
                    since, failures = begun, row["failures"] + 1
            until = now + rule.locks if failures >= rule.most else None
            self._database.write(
                "INSERT OR REPLACE INTO attempts (kind, who, since, failures, locked_until) VALUES (?, ?, ?, ?, ?)",
                *self._key(rule, who),
                since.isoformat(),
                failures,
                until.isoformat() if until else None,
            )
        return until

    def right(self, rule: Rule, who: str | int) -> None:
        """Delete the count after a right answer."""
        self._database.write("DELETE FROM attempts WHERE kind = ? AND who = ?", *self._key(rule, who))
