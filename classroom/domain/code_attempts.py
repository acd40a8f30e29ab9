"""Limits on wrong attendance codes: when an account is locked, and when the teacher has to check a right code.

Five wrong codes lock a Telegram account for 15 minutes, but not beyond the end of the lesson they were for (an open
session with the typed ID on its roster), nor into the next one, nor past a reopening, whose code is new. An ID on no
roster is mistyped: its lesson is the one whose code was right, or one with the account's own ID or the ID typed now.
While a code is valid nothing may show whether it was right, nor to whom a lesson belongs: the time that is told depends
on neither the code nor the ID typed now, and is the latest one. A code that was valid up to 12 hours ago is no guess.

After twenty wrong codes on one student ID, a right code from an account that is not bound to this ID goes to the
teacher. *Bound* means before the session began: wrong codes of strangers don't slow down anybody who is bound.

Otherwise many accounts could try a few codes each until one is right, and share it. So the wrong codes in a session
are counted: those of unbound accounts on any IDs of its roster, and those of bound accounts on their own. Codes of
accounts that have checked in since don't count: these students knew the code. After 24 of one kind, no account of this
kind is told whether its code is right, which would be the only gain of guessing, and the right ones go to the teacher.

Of a million codes at most two are valid at a time. So one account guesses a code with a chance of at most 10 in a
million, and all accounts together have at most 2 * (24 + 24) = 96 in a million before the teacher checks: both under 1
in 10,000. Nobody is locked out by the wrong codes of others.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from classroom.domain.sessions import Session, end_of

TRIES = 5  # wrong codes of one account
TRIES_WINDOW = timedelta(minutes=15)
TRIES_ON_ID = 20  # wrong codes on one student ID, from any account; then the teacher decides on a new account
TRIES_IN_SESSION = 24  # wrong codes in the session of all bound, or of all unbound accounts

# Why the teacher has to check (stored in the check-in's note).
MANY_TRIES, MANY_IN_SESSION = "many tries", "many in session"
CLAIMED_TWICE = "claimed twice"  # several accounts sent the same ID with the right code
DOUBTS = (MANY_TRIES, MANY_IN_SESSION, CLAIMED_TWICE)  # the teacher checks these wherever the student is


@dataclass(frozen=True)
class WrongTry:
    """A wrong code. ``student_id`` is what was typed, folded.

    ``code_of`` is the session that had the code, where the ID is on no roster: the account must not get to know it.
    """

    student_id: str
    at: datetime
    code_of: str = ""


def locked_until(tries: Sequence[WrongTry], sessions: Mapping[WrongTry, Collection[Session]]) -> datetime | None:
    """Return until when wrong codes lock their account, which may be over; None: they are too few.

    ``sessions`` has those for which each try may have been meant, and that had not ended before the first one.
    """

    def counts_until(each: WrongTry) -> datetime:
        changes = (at for of in sessions.get(each, ()) for at in (of.opened_at, of.reopened_at, end_of(of)))
        return min([each.at + TRIES_WINDOW, *(at for at in changes if at is not None and at > each.at)])

    return sorted(map(counts_until, tries))[-TRIES] if len(tries) >= TRIES else None


def suspicion(wrong_tries_on_id: int, wrong_tries_in_session: int, *, bound: bool) -> str:
    """Return why the teacher has to check a right code (a note); empty where no check is needed.

    ``bound``: the account was bound to the ID before the session. Both numbers are of tries that count against it.
    """
    if wrong_tries_in_session >= TRIES_IN_SESSION:
        return MANY_IN_SESSION
    return MANY_TRIES if wrong_tries_on_id >= TRIES_ON_ID and not bound else ""
