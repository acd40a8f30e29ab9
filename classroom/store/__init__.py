"""What the classroom keeps: one protocol, two stores (SQLite and MongoDB) that the same contract tests run against.

Conditional updates decide races: of two who do the same at once, one gets the result and the other an answer that
says so. Whatever was acknowledged is there after a crash. Secrets (tokens, passwords) are encrypted by the store.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from classroom.domain.sessions import (
    Binding,
    CheckIn,
    CheckInStep,
    Consent,
    Enrolled,
    Mark,
    Session,
    Sheet,
    Teacher,
    Template,
)

TRIES_KEPT = timedelta(hours=1)


class StoreError(Exception):
    """The store can't do what was asked. Its text is one line without a secret."""


class StoreUnavailable(StoreError):
    """The database does not answer or is full (try again). Nothing was changed, or it can't be known."""


class StoreDamaged(StoreError):
    """The data can't be read, or is newer than this program (permanent: the operator has to look)."""


class StoreRefused(StoreError):
    """The database does not let us in, or is too old (permanent: the operator has to change it)."""


class SessionExists(StoreError):
    """There is a session for one of these batches, this subject and date (permanent); ``session`` is its id."""

    def __init__(self, session: str, batch: str) -> None:
        """Take the first session and the batch that both have."""
        super().__init__(f"session {session} has batch {batch} on that date")
        self.session = session
        self.batch = batch


class BoundOtherwise(StoreError):
    """The student ID belongs to another Telegram account, or the account to another ID (permanent)."""


class NoSuchSession(StoreError):
    """There is no session with this id (permanent)."""


@dataclass(frozen=True)
class Tokens:
    """A teacher's tokens for the LMS, and what signs in anew when they are refused. Never shown."""

    access: str
    refresh: str
    password: str = ""

    def __repr__(self) -> str:
        """Return no secret."""
        return "Tokens(...)"


@dataclass(frozen=True)
class WrongTries:
    """How many wrong codes were tried lately: by this Telegram account, and by all accounts on this student ID."""

    by_account: int
    on_student_id: int


def account_hash(telegram_id: int) -> str:
    """Return what is kept of a Telegram account whose data were deleted: enough to know it again, no more."""
    return hashlib.blake2b(f"telegram account {telegram_id}".encode(), digest_size=16).hexdigest()


class Store(Protocol):
    """What a store can do. Every method may raise StoreUnavailable."""

    async def open(self) -> None:
        """Connect; make or migrate the schema and its indexes. Raises StoreDamaged, StoreRefused."""

    async def close(self) -> None:
        """Let go of the database."""

    # teachers, and what they sign in to the LMS with

    async def teacher(self, telegram_id: int) -> Teacher | None:
        """Return a teacher who has signed in."""

    async def save_teacher(self, teacher: Teacher) -> None:
        """Keep a teacher, new or changed."""

    async def remove_teacher(self, telegram_id: int) -> None:
        """Forget a teacher and the tokens. Sessions stay."""

    async def tokens(self, telegram_id: int) -> Tokens | None:
        """Return a teacher's tokens, decrypted."""

    async def save_tokens(self, telegram_id: int, tokens: Tokens) -> None:
        """Keep a teacher's tokens, encrypted."""

    # sessions and their codes

    async def create_session(self, session: Session, sheets: Sequence[Sheet], code: str, valid_until: datetime) -> bool:
        """Keep a new session with its sheets and its first code, all or nothing.

        Returns:
            False where another live session has this code: nothing was kept, try another code.

        Raises:
            SessionExists: one of the batches has a session of this subject on this date already.
        """

    async def session(self, session_id: str) -> Session | None:
        """Return a session."""

    async def sessions_of(self, teacher: int, limit: int) -> list[Session]:
        """Return a teacher's sessions, newest first."""

    async def unfinished(self) -> list[Session]:
        """Return the sessions whose final report has not gone out, cancelled ones apart; oldest first."""

    async def session_by_code(self, code: str, now: datetime) -> Session | None:
        """Return the session that this code was good for at that moment, also where it has ended since."""

    async def code(self, session_id: str, now: datetime) -> str | None:
        """Return the newest code of a session that is good now."""

    async def add_code(
        self, session_id: str, code: str, valid_until: datetime, old_until: datetime, now: datetime
    ) -> bool:
        """Give a session its next code; codes before it are good until ``old_until`` at most.

        Returns:
            False where another live session has this code.
        """

    async def extend(self, session_id: str, closes_at: datetime) -> Session | None:
        """Move the end of an open session (and of its newest code where codes don't rotate); None: it has ended."""

    async def end_session(self, session_id: str, at: datetime, cancelled: bool = False) -> Session | None:
        """End a session and its codes; None where it had ended before (who asks first ends it).

        Cancelling also frees its batches' places for the date where the LMS has nothing of it yet.
        """

    async def reopen(self, session_id: str, code: str, closes_at: datetime, now: datetime) -> Session | None:
        """Open an ended session again, with a new code and reports to come; None: cancelled, or the code is taken."""

    async def set_reported(self, session_id: str, at: datetime, final: bool) -> bool:
        """Record that a report goes out; True for the first who says so of this kind since the last reopening."""

    # sheets: one document a batch, with its marks, its version and what the LMS has of it

    async def sheets(self, session_id: str) -> list[Sheet]:
        """Return a session's sheets, by batch."""

    async def sheet_of(self, session_id: str, student_id: str) -> Sheet | None:
        """Return the sheet of a session whose roster has this student ID (compared without case)."""

    async def mark(self, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        """Put a mark into the sheet that has the student, and raise its version, in one step.

        Where ``overwrite`` is False a mark that is there stays: checking in twice, or after the teacher marked by
        hand, changes nothing.

        Returns:
            Whether it changed the sheet.
        """

    async def unacked(self) -> list[Sheet]:
        """Return the sheets that the LMS has not confirmed in their newest version; refused ones apart."""

    async def acked(self, session_id: str, batch: str, version: int) -> None:
        """Record that the LMS has this version (never backwards) and so the record itself."""

    async def set_in_lms(self, session_id: str, batch: str) -> None:
        """Record that the LMS has a record with this key, of whatever version: from now on it is updated."""

    async def set_refused(self, session_id: str, batch: str, why: str) -> None:
        """Record the LMS's permanent refusal; an empty text lets the sheet be tried again."""

    # check-ins

    async def begin_check_in(self, check_in: CheckIn) -> CheckIn:
        """Keep a check-in, or return the one that this student has in this session already."""

    async def check_in(self, session_id: str, student_id: str) -> CheckIn | None:
        """Return a student's check-in."""

    async def check_ins(self, session_id: str) -> list[CheckIn]:
        """Return a session's check-ins, oldest first."""

    async def move_check_in(self, check_in: CheckIn, when: Collection[CheckInStep]) -> bool:
        """Write a check-in where it is at one of these steps now; False where it is elsewhere: somebody was first."""

    async def latest_check_in(self, telegram_id: int) -> CheckIn | None:
        """Return the newest check-in of a Telegram account."""

    async def checking(self) -> list[CheckIn]:
        """Return the check-ins of all sessions whose video note is in the queue, the note that came first first."""

    # faces

    async def consent(self, telegram_id: int) -> Consent | None:
        """Return what a person has said to the use of their face."""

    async def set_consent(self, consent: Consent) -> None:
        """Keep what a person says now."""

    async def template(self, student_id: str) -> Template | None:
        """Return a student's template."""

    async def save_template(self, template: Template) -> None:
        """Keep a student's template, in the place of the one before."""

    async def remove_templates(self, made_before: datetime) -> list[str]:
        """Delete the templates and the consents from before then (the term's end); return whose templates, by ID."""

    async def claim_note(self, fingerprint: str, owner: str, at: datetime) -> bool:
        """Record that a recording was used (its file_unique_id, or a hash of it) and for which check.

        Returns:
            False where another check has used it.
        """

    # who is who

    async def binding_of(self, telegram_id: int) -> Binding | None:
        """Return the student ID of a Telegram account."""

    async def binding_for(self, student_id: str) -> Binding | None:
        """Return the Telegram account of a student ID (compared without case)."""

    async def is_taken(self, student_id: str) -> bool:
        """Say whether a student ID is some account's, or was until its data were deleted: ``unbind`` frees it."""

    async def bind(self, binding: Binding) -> Binding:
        """Bind an account and a student ID, one to one; harmless where they are bound to each other.

        Raises:
            BoundOtherwise: one of the two is bound to something else, or was before its data were deleted.
        """

    async def unbind(self, student_id: str, by: int, at: datetime, reason: str) -> bool:
        """Undo a binding, on record (by whom, when, why); False where there was none."""

    async def forget_student(self, telegram_id: int) -> None:
        """Delete what is kept of a Telegram account: check-ins, its number, consent and template (marks stay).

        Its wrong tries stay for the hour that they are kept: else deleting would be a way to guess on and on.

        That the student ID and this account are taken is still known (the account as a hash): else one could lend
        the other to somebody by deleting the data in between. A teacher's ``unbind`` frees both.
        """

    # tries

    async def add_wrong_try(self, telegram_id: int, student_id: str, at: datetime) -> None:
        """Keep a wrong code, or a wrong ID."""

    async def wrong_tries(self, telegram_id: int, student_id: str, since: datetime) -> WrongTries:
        """Count the wrong tries since then."""

    async def wrong_tries_in_session(self, session_id: str, since: datetime) -> int:
        """Count the wrong tries since then on the IDs of a session's rosters, by accounts without a check-in there."""

    # history and cleaning

    async def history(self, teacher: int, since: str) -> list[tuple[Session, list[Sheet]]]:
        """Return a teacher's ended sessions since a date (YYYY-MM-DD), cancelled ones apart, newest first."""

    async def attended(self, student_id: str, limit: int) -> list[tuple[Session, Mark | None]]:
        """Return the ended sessions whose rosters have a student, newest first, with the mark."""

    async def clean(self, now: datetime, keep_since: datetime) -> int:
        """Delete codes that are over, tries of an hour ago, and sessions from before ``keep_since`` whose final report
        is out, with all that belongs to them; return how much it was.
        """


__all__ = [
    "TRIES_KEPT",
    "Binding",
    "BoundOtherwise",
    "CheckIn",
    "Enrolled",
    "NoSuchSession",
    "SessionExists",
    "Store",
    "StoreDamaged",
    "StoreError",
    "StoreRefused",
    "StoreUnavailable",
    "Tokens",
    "WrongTries",
    "account_hash",
]
