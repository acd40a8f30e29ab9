"""Limits on wrong attendance codes: when an account is locked, and when the teacher has to check a right code.

Five wrong codes lock a Telegram account for 15 minutes. After twenty on one student ID, a right code from an account
that is not bound to this ID goes to the teacher. After forty in one session, on any IDs of its rosters, every later
code does: otherwise many accounts could try a few codes each until one is right, and share it. Wrong codes of accounts
that have checked in since do not count for the session: these students knew the code.

Of a million codes at most two are valid at a time. So one account guesses a code with a chance of at most 10 in a
million, and all accounts together have at most 80 in a million before the teacher checks: both under 1 in 10,000.
Nobody is locked out by the wrong codes of others.
"""

from datetime import timedelta

TRIES = 5  # wrong codes of one account
TRIES_WINDOW = timedelta(minutes=15)
TRIES_ON_ID = 20  # wrong codes on one student ID, from any account; then the teacher decides on a new account
TRIES_IN_SESSION = 40  # wrong codes on all IDs of the session; then the teacher decides on everybody who comes later

# Why the teacher has to check (stored in the check-in's note).
MANY_TRIES, MANY_IN_SESSION = "many tries", "many in session"
CLAIMED_TWICE = "claimed twice"  # another account sent the same ID with the right code
DOUBTS = (MANY_TRIES, MANY_IN_SESSION, CLAIMED_TWICE)  # the teacher checks these wherever the student is


def locked(wrong_tries: int) -> bool:
    """Say whether an account has sent too many wrong codes within ``TRIES_WINDOW``."""
    return wrong_tries >= TRIES


def suspicion(wrong_tries_on_id: int, wrong_tries_in_session: int, *, bound: bool) -> str:
    """Return why the teacher has to check a right code (a note); empty where no check is needed.

    ``bound``: the account is bound to the ID already, so the wrong codes of others on this ID do not count against it.
    """
    if wrong_tries_in_session >= TRIES_IN_SESSION:
        return MANY_IN_SESSION
    return MANY_TRIES if wrong_tries_on_id >= TRIES_ON_ID and not bound else ""
