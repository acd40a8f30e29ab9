"""Who has given too many wrong codes or passwords, and what they hear."""

import math
from datetime import datetime, timedelta

from marker.services import Services
from marker.tables.attempts import Rule
from storage import account_key
from telegram_app.i18n import Texts

HOUR = timedelta(hours=1)
# Used, revoked and expired codes count, too: to hear that a code existed is worth something to who guesses.
CODES = Rule("code", 5, HOUR, timedelta(minutes=15))
# Refused passwords: of one portal account, from whichever Telegram account; and from one Telegram account.
ACCOUNT = Rule("account", 3, HOUR, HOUR)
PERSON = Rule("person", 6, HOUR, HOUR)


class Lockouts:
    """Counts in the ledger; every method blocks, so it is called in a thread."""

    def __init__(self, services: Services) -> None:
        """Take the ledger's counts and the clock."""
        self._services = services

    def codes_until(self, person: int) -> datetime | None:
        """Return until when this person's codes are not looked at."""
        return self._services.attempts.locked_until(CODES, person, self._services.clock.now())

    def wrong_code(self, person: int) -> datetime | None:
        """Count a wrong code; return until when it locks."""
        return self._services.attempts.wrong(CODES, person, self._services.clock.now())

    def code_redeemed(self, person: int) -> None:
        """Forget a person's wrong codes: they had a right one, and it is spent."""
        self._services.attempts.right(CODES, person)

    def passwords_until(self, person: int, username: str) -> datetime | None:
        """Return until when no password is tried for this account, or from this person."""
        now, attempts = self._services.clock.now(), self._services.attempts
        locks = (
            attempts.locked_until(ACCOUNT, account_key(username), now),
            attempts.locked_until(PERSON, person, now),
        )
        return max((lock for lock in locks if lock is not None), default=None)

    def refused(self, person: int, username: str) -> datetime | None:
        """Count a password that the portal refused; return until when it locks."""
        now, attempts = self._services.clock.now(), self._services.attempts
        attempts.wrong(ACCOUNT, account_key(username), now)
        attempts.wrong(PERSON, person, now)
        return self.passwords_until(person, username)

    def accepted(self, username: str) -> None:
        """Forget an account's refusals; the person's stay, or one good account would pay for guesses at others."""
        self._services.attempts.right(ACCOUNT, account_key(username))


def too_many_codes(_: Texts, until: datetime, now: datetime) -> str:
    """Say that codes are not looked at for a while."""
    minutes = minutes_left(until, now)
    return _.ngettext(
        "Too many wrong codes. Try again in {n} minute.", "Too many wrong codes. Try again in {n} minutes.", minutes
    ).format(n=minutes)


def too_many_passwords(_: Texts, until: datetime, now: datetime) -> str:
    """Say that no password is tried for a while."""
    minutes = minutes_left(until, now)
    return _.ngettext(
        "The portal has refused too many passwords. Try again in {n} minute.",
        "The portal has refused too many passwords. Try again in {n} minutes.",
        minutes,
    ).format(n=minutes)


def minutes_left(until: datetime, now: datetime) -> int:
    """Return how many minutes are left, a begun one counted."""
    return max(1, math.ceil((until - now) / timedelta(minutes=1)))
