"""Limits on wrong invitation codes and refused passwords."""

import asyncio
from datetime import timedelta

from marker.services import Services
from storage import account_key
from telegram_app.attempts import HOUR, Rule, SignInLocks

# Used, revoked and expired codes count, too: that such a code existed is of use to somebody who guesses.
CODES = Rule("code", 5, HOUR, timedelta(minutes=15))
# Words that may be codes; they are tried, too, so that a right one is found in whatever people write.
WORDS = Rule("word", 50, HOUR, timedelta(minutes=15))
# Of one portal account, which the portal itself locks soon. Only invited people try one, and none that is registered.
ACCOUNT = Rule("account", 3, HOUR, HOUR)


class Lockouts:
    """Counts wrong answers. Where a person is locked out, methods return the text that says so, else an empty one."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._attempts = services.attempts
        self._sign_ins = SignInLocks(services.attempts, services.clock, ACCOUNT)

    async def codes(self, person: int) -> str:
        """Return the text for a person whose codes are not checked at present; empty if they are."""
        _, n = self._services.texts(person), await self._sign_ins.left((CODES, person), (WORDS, person))
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
        student, account = self._services.storage.student(person), account_key(username)
        own = student is not None and account_key(student.username) == account
        _, n = self._services.texts(person), await self._sign_ins.minutes_left(person, account, own=own)
        text = _.ngettext(
            "The portal has refused too many passwords. Try again in {n} minute.",
            "The portal has refused too many passwords. Try again in {n} minutes.",
            n,
        )
        return text.format(n=n) if n else ""

    async def refused(self, person: int, username: str) -> str:
        await self._sign_ins.refused(person, account_key(username))
        return await self.passwords(person, username)

    async def accepted(self, username: str) -> None:
        """Forget an account's refusals."""
        await self._sign_ins.accepted(account_key(username))

    def turn(self, username: str) -> asyncio.Lock:
        return self._sign_ins.turn(account_key(username))
