"""Limits on refused passwords of accounts elsewhere (the portal's, the LMS's), for each person and each account.

A person's third refusal within an hour locks them for an hour, so one person can never bring an account to its fifth,
which locks it for everybody but its owner: the person who has signed in to it before. So a stranger locks nobody out;
several together delay an owner who has not signed in yet, by an hour at a time. A lock is not extended by more tries,
and survives a restart.
"""

import asyncio
import math
from datetime import timedelta
from weakref import WeakValueDictionary

from core.clock import Clock
from telegram_app.attempts import Attempts, Rule

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
