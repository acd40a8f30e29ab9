"""Counts of wrong codes and passwords, so that nobody can guess them through the bot."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.encryption import Digest
from core.sqlite import Database

KEPT_FOR = timedelta(days=1)  # longer than every rule counts or locks
OWNER_FOR = timedelta(days=180)


@dataclass(frozen=True)
class Rule:
    """``most`` wrong answers ``within`` a time lock for the time ``locks``. Each ``kind`` is counted separately."""

    kind: str
    most: int
    within: timedelta
    locks: timedelta


class Attempts:
    """A table of wrong answers. ``who`` is stored as a keyed hash: an account that was only tried stays unknown."""

    def __init__(self, database: Database, digest: Digest, table: str = "attempts") -> None:
        self._database, self._digest = database, digest
        with database.transaction() as connection:  # an older version stored hashes without a key
            connection.create_function("keyed", 1, digest)
            connection.execute(f"UPDATE {table} SET who = keyed(who) WHERE length(who) = 32")  # noqa: S608  # ours
        self._of_one = f"{table} WHERE kind = ? AND who = ?"
        self._table = table

    def locked_until(self, rule: Rule, who: str | int, now: datetime) -> datetime | None:
        """Return the end of the lock; None if there is none."""
        rows = self._rows(self._key(rule.kind, who))
        until = datetime.fromisoformat(rows[0]["locked_until"]) if rows and rows[0]["locked_until"] else None
        return until if until is not None and until > now else None

    def wrong(self, rule: Rule, who: str | int, now: datetime) -> datetime | None:
        """Count a wrong answer; return the end of the lock (not extended by it), None while tries are left."""
        with self._database.transaction():
            for old, kinds in ((KEPT_FOR, "!="), (OWNER_FOR, "=")):
                statement = f"DELETE FROM {self._table} WHERE since < ? AND kind {kinds} 'owner'"  # noqa: S608  # ours
                self._database.write(statement, (now - old).isoformat())
            if (until := self.locked_until(rule, who, now)) is not None:
                return until
            rows = self._rows(self._key(rule.kind, who))
            since, failures = now, 1
            for row in rows:
                begun = datetime.fromisoformat(row["since"])
                if not row["locked_until"] and now - begun < rule.within:
                    since, failures = begun, row["failures"] + 1
            until = now + rule.locks if failures >= rule.most else None
            self._store(self._key(rule.kind, who), since, failures, until)
        return until

    def right(self, rule: Rule, who: str | int) -> None:
        """Delete the count after a right answer."""
        self._database.write(f"DELETE FROM {self._of_one}", *self._key(rule.kind, who))  # noqa: S608  # our own table

    def set_owner(self, person: int, account: str, now: datetime) -> None:
        """Record that a person has signed in to an account."""
        self._store(self._key("owner", f"{person}:{account}"), now, 0, None)

    def owns(self, person: int, account: str) -> bool:
        return bool(self._rows(self._key("owner", f"{person}:{account}")))

    def _rows(self, key: tuple[str, str]) -> list[Any]:
        return self._database.read(f"SELECT * FROM {self._of_one}", *key)  # noqa: S608  # our own table

    def _store(self, key: tuple[str, str], since: datetime, failures: int, until: datetime | None) -> None:
        statement = f"INSERT OR REPLACE INTO {self._table} (kind, who, since, failures, locked_until)"
        values = *key, since.isoformat(), failures, until.isoformat() if until else None
        self._database.write(statement + " VALUES (?, ?, ?, ?, ?)", *values)

    def _key(self, kind: str, who: str | int) -> tuple[str, str]:
        return kind, self._digest(hashlib.blake2b(f"{kind}:{who}".encode(), digest_size=16).hexdigest())
