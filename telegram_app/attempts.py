"""Counts of wrong codes and passwords; limits on refused passwords of accounts elsewhere (the portal's, the LMS's).

A person's third refusal within an hour locks them for an hour, so one person can never bring an account to its fifth,
which locks it for everybody but its owner: the person who has signed in to it before. So a stranger locks nobody out;
several together delay an owner who has not signed in yet, by an hour at a time. A lock is not extended by more tries,
and survives a restart.
"""

import asyncio
import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakValueDictionary

from core.clock import Clock
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


HOUR = timedelta(hours=1)
PERSON, ACCOUNT = Rule("person", 3, HOUR, HOUR), Rule("account", 5, HOUR, HOUR)


class SignInLocks:
    """Counts refused passwords. ``account`` is a key that is the same however the account's name is written."""

    def __init__(self, attempts: Attempts, clock: Clock, rule: Rule = ACCOUNT) -> None:
        self._attempts = attempts
        self._rule = rule  # for an account
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, account: str) -> asyncio.Lock:
        """Return the lock to hold from ``minutes_left`` to the outcome: many people get no more tries than one."""
        return self._turns.setdefault(account, asyncio.Lock())

    async def minutes_left(self, person: int, account: str = "", *, own: bool = False) -> int:
        """Return for how long no password of this person for this account is tried, a begun minute counted."""
        own = own or await asyncio.to_thread(self._attempts.owns, person, account)
        return await self.left((PERSON, person), *([] if own or not account else [(self._rule, account)]))

    async def refused(self, person: int, account: str) -> None:
        now = self._clock.now()
        await asyncio.to_thread(self._attempts.wrong, self._rule, account, now)
        await asyncio.to_thread(self._attempts.wrong, PERSON, person, now)

    async def accepted(self, account: str, owner: int | None = None) -> None:
        """Forget an account's refusals; the person's stay, or one good account would pay for guesses at others."""
        await asyncio.to_thread(self._attempts.right, self._rule, account)
        if owner is not None:
            await asyncio.to_thread(self._attempts.set_owner, owner, account, self._clock.now())

    async def left(self, *locks: tuple[Rule, str | int]) -> int:
        """Return the minutes until the last of these locks ends, a begun one counted; 0 where there is none."""
        now = self._clock.now()
        ends = [await asyncio.to_thread(self._attempts.locked_until, rule, who, now) for rule, who in locks]
        until = max((end for end in ends if end), default=None)
        return max(1, math.ceil((until - now) / timedelta(minutes=1))) if until else 0
