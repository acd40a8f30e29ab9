"""Limits on wrong invitation codes and refused passwords."""

import asyncio
import math
from datetime import timedelta

from marker.services import Services
from marker.tables.attempts import Rule
from storage import account_key

HOUR = timedelta(hours=1)
# Used, revoked and expired codes count, too: that such a code existed is of use to somebody who guesses.
CODES = Rule("code", 5, HOUR, timedelta(minutes=15))
# Words that may be codes; they are tried, too, so that a right one is found in whatever people write.
WORDS = Rule("word", 50, HOUR, timedelta(minutes=15))
# Refused passwords: of one portal account, from whichever Telegram account; and from one Telegram account.
ACCOUNT = Rule("account", 3, HOUR, HOUR)
PERSON = Rule("person", 6, HOUR, HOUR)


class Lockouts:
    """Counts wrong answers. Where a person is locked out, methods return the text that says so, else an empty one."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._attempts = services.attempts

    async def codes(self, person: int) -> str:
        """Return the text for a person whose codes are not checked at present; empty if they are."""
        _, n = self._services.texts(person), await self._minutes_left((CODES, person), (WORDS, person))
        text = _.ngettext(
            "Too many wrong codes. Try again in {n} minute.", "Too many wrong codes. Try again in {n} minutes.", n
        )
        return text.format(n=n) if n else ""

    async def wrong_code(self, person: int, rule: Rule = CODES) -> str:
        await asyncio.to_thread(self._attempts.wrong, rule, person, self._services.clock.now())
        return await self.codes(person)

    async def code_redeemed(self, person: int) -> None:
        """Forget a person's wrong codes: they had a right one, and it is spent."""
        await asyncio.to_thread(self._attempts.right, CODES, person)

    async def passwords(self, person: int, username: str) -> str:
        """Return the text if passwords for this account, or from this person, are not tried at present; else empty."""
        locks = (ACCOUNT, account_key(username)), (PERSON, person)
        _, n = self._services.texts(person), await self._minutes_left(*locks)
        text = _.ngettext(
            "The portal has refused too many passwords. Try again in {n} minute.",
            "The portal has refused too many passwords. Try again in {n} minutes.",
            n,
        )
        return text.format(n=n) if n else ""

    async def refused(self, person: int, username: str) -> str:
        now = self._services.clock.now()
        await asyncio.to_thread(self._attempts.wrong, ACCOUNT, account_key(username), now)
        await asyncio.to_thread(self._attempts.wrong, PERSON, person, now)
        return await self.passwords(person, username)

    async def accepted(self, username: str) -> None:
        """Forget an account's refusals; the person's stay, or one good account would pay for guesses at others."""
        await asyncio.to_thread(self._attempts.right, ACCOUNT, account_key(username))

    async def _minutes_left(self, *locks: tuple[Rule, str | int]) -> int:
        """Return the minutes until the last of these locks ends, a begun one counted; 0 where there is none."""
        now = self._services.clock.now()
        ends = [await asyncio.to_thread(self._attempts.locked_until, rule, who, now) for rule, who in locks]
        until = max((end for end in ends if end), default=None)
        return max(1, math.ceil((until - now) / timedelta(minutes=1))) if until else 0
