"""The classroom's data: one protocol, two stores (SQLite and MongoDB) that pass the same contract tests.

Conditional updates decide races: of two equal calls at once, one succeeds and the other gets an answer that says so.
Every acknowledged write survives a crash. The store encrypts secrets (tokens, passwords).
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from classroom.domain.code_attempts import WrongTry
from classroom.domain.sessions import Binding, CheckIn, CheckInStep, Mark, Place, Session, Sheet, Teacher, folded
from classroom.domain.shared_records import Lesson
from classroom.store.face_records import FaceRecords
from classroom.store.records import (
    Attempt,
    SealedTokens,
    account_hash,
    alias_of,
    taken_hash,
)
from core.encryption import Cipher

TRIES_KEPT = timedelta(hours=1)
CODES_KEPT = timedelta(hours=12)  # after they have expired


class StoreError(Exception):
    """The store can't do this. Its text is one line without a secret."""


class StoreUnavailable(StoreError):
    """The database does not answer or is full (try again). Nothing was changed, or it is unknown."""


class StoreDamaged(StoreError):
    """The data can't be read, or is newer than this program (permanent: the operator has to look)."""


class StoreRefused(StoreError):
    """The database refuses the sign-in, or is too old (permanent: the operator has to change it)."""


class SessionExists(StoreError):
    """``batch`` has this lesson of this subject on this date already (permanent); ``session`` is its session's ID."""

    def __init__(self, session: str, batch: str) -> None:
        super().__init__(f"session {session} has batch {batch} on that date")
        self.session = session
        self.batch = batch


class BoundOtherwise(StoreError):
    """The student ID belongs to another Telegram account, or the account to another ID (permanent)."""


class NoSuchSession(StoreError):
    """There is no session with this ID (permanent)."""


@dataclass(frozen=True, repr=False)
class Tokens:
    """A teacher's tokens for the LMS, and the password for a new sign-in when they are refused. Never shown."""

    access: str
    refresh: str
    password: str = ""


@dataclass(frozen=True)
class Correction:
    """A student's request that the mark of a lesson be corrected, and the decision of the lesson's teacher."""

    session: str
    student_id: str
    telegram_id: int
    reason: str
    asked_at: datetime
    accepted: bool | None = None  # None: not decided yet
    decided_at: datetime | None = None
    by_teacher: int = 0


class Store(FaceRecords, Protocol):
    """Every method may raise StoreUnavailable, StoreDamaged for a record. Student IDs are compared by ``folded``.

    The methods with a body are the same in both databases.
    """

    cipher: Cipher

    async def open(self) -> None:
        """Connect; create or migrate the schema and its indexes. Raises StoreDamaged, StoreRefused."""

    async def close(self) -> None: ...

    # teachers and their tokens for the LMS

    async def teacher(self, telegram_id: int) -> Teacher | None:
        return await self.first(Teacher, telegram_id=telegram_id)

    async def teacher_with(self, phone: str) -> Teacher | None:
        """Return the teacher with this phone number (digits)."""
        return await self.first(Teacher, phone=phone)

    async def save_teacher(self, teacher: Teacher) -> None:
        await self.put(teacher)

    async def remove_teacher(self, telegram_id: int) -> None:
        """Delete a teacher and the tokens, but not the sessions."""
        await self.delete(SealedTokens, telegram_id=telegram_id)
        await self.delete(Teacher, telegram_id=telegram_id)

    async def move_teacher(self, old: int, new: int) -> None:
        """Give a teacher's sign-in, sessions and sheets to another Telegram account; harmless if repeated.

        Where the new account is signed in already, its own sign-in stays.
        """
        if (sealed := await self.first(SealedTokens, telegram_id=old)) is not None:
            await self.insert(replace(sealed, telegram_id=new))
        if (teacher := await self.teacher(old)) is not None:
            await self.insert(replace(teacher, telegram_id=new))
        await self.remove_teacher(old)
        for kind in (Session, Sheet):
            while await self.update(kind, {"teacher": new}, teacher=old):
                pass  # MongoDB changes one at a time

    async def tokens(self, telegram_id: int) -> Tokens | None:
        sealed = await self.first(SealedTokens, telegram_id=telegram_id)
        return Tokens(*json.loads(self.cipher.decrypt(sealed.secrets))) if sealed is not None else None

    async def save_tokens(self, telegram_id: int, tokens: Tokens) -> None:
        await self.put(SealedTokens(telegram_id, self.cipher.encrypt(json.dumps(astuple(tokens)))))

    # sessions and their codes

    async def create_session(
        self, session: Session, sheets: Sequence[Sheet], code: str | None, valid_until: datetime
    ) -> bool:
        """Store a session, its sheets and code. False: another live session has the code. Raises SessionExists.

        ``code`` is None for a lesson without phones.
        """

    async def session(self, session_id: str) -> Session | None:
        return await self.first(Session, id=session_id)

    async def sessions_of(self, teacher: int, limit: int) -> list[Session]:
        """Return a teacher's newest sessions, the newest first."""
        return await self.every(Session, "-opened_at id", limit, teacher=teacher)

    async def unfinished(self) -> list[Session]:
        """Return the sessions without a final report, except cancelled ones; oldest first."""
        return await self.every(Session, "opened_at id", final_at=None, cancelled=False)

    async def session_by_code(self, code: str, now: datetime) -> Session | None:
        """Return the session for which this code was valid at that moment, also if it has ended since."""

    async def expired_code(self, code: str, student_id: str, now: datetime) -> Session | None:
        """Return the session with this ID on its roster whose code this was until it expired, within ``CODES_KEPT``."""

    async def sessions_with(self, student_id: str, since: datetime) -> list[Session]:
        """Return the sessions with an ID on their rosters that had not ended before ``since``, cancelled ones, too."""

    async def code(self, session_id: str, now: datetime) -> str | None: ...  # the newest one that is valid now

    async def add_code(
        self, session_id: str, code: str, valid_until: datetime, old_until: datetime, now: datetime
    ) -> bool:
        """Give a session its next code; older ones end by ``old_until``. False: another live session has the code."""

    async def extend(self, session_id: str, closes_at: datetime) -> Session | None:
        """Move the end of an open session (and of its newest code unless codes rotate); None: it has ended."""

    async def set_place(self, session_id: str, place: Place) -> Session | None:
        """Change the place of an open session; None: it has ended."""
        changed = await self.update(Session, {"place": place}, id=session_id, ended_at=None)
        return await self.session(session_id) if changed else None

    async def end_session(self, session_id: str, at: datetime, cancelled: bool = False) -> Session | None:
        """End a session and its codes; None if it had ended before: the first caller ends it.

        Cancelling also deletes the teacher's place, and allows new sessions of this lesson, except of batches that the
        LMS has a record of. Where the day has other lessons their records are written anew, without its marks.
        """

    async def reopen(self, session_id: str, code: str, closes_at: datetime, now: datetime) -> Session | None:
        """Open an ended session again, with a new code and new reports; None: it can't be, or the code is taken."""

    async def set_reported(
        self, session_id: str, at: datetime, final: bool, *, ended_at: datetime | None = None
    ) -> bool:
        """Claim the sending of a report; True for the first caller for this kind since the last reopening.

        ``ended_at``: False also where this is the session's end no more: it was reopened while the report was made.
        With the final report the teacher's place is deleted.
        """
        same: dict[str, Any] = {"id": session_id} if ended_at is None else {"id": session_id, "ended_at": ended_at}
        if final:
            return await self.update(Session, {"final_at": at, "place": None}, final_at=None, **same)
        return await self.update(Session, {"reported_at": at}, reported_at=None, **same)

    # sheets: one for each batch, with its marks, its version, and the version that the LMS has

    async def sheets(self, session_id: str) -> list[Sheet]:
        return await self.every(Sheet, "batch", session=session_id)

    async def sheets_of(self, session_id: str, student_id: str) -> list[Sheet]: ...  # whose rosters have the ID

    async def other_lessons(self, sheet: Sheet) -> list[Lesson]:
        """Return a batch's other lessons of the same subject and date: all that were opened, cancelled ones, too."""
        day = {name: getattr(sheet, name) for name in ("campus", "batch", "subject", "date")}
        if not await self.count(Sheet, **day, session__ne=sheet.session):
            return []
        sheets = await self.every(Sheet, "session", **day, session__ne=sheet.session)
        sessions = await self.every(Session, id__in=tuple(each.session for each in sheets))
        by_id = {session.id: session for session in sessions}
        lessons = [(each, by_id[each.session]) for each in sheets if each.session in by_id]
        return sorted(lessons, key=lambda each: (each[1].opened_at, each[1].id))

    async def mark(self, session_id: str, mark: Mark, *, overwrite: bool) -> bool:
        """Do as ``mark_all``; False: no change."""
        return bool(await self.mark_all(session_id, [mark], overwrite=overwrite))

    async def mark_all(self, session_id: str, marks: Collection[Mark], *, overwrite: bool) -> set[str]:
        """Put marks into every sheet that has their students, one new version of each; return the IDs of changed ones.

        Each sheet is changed atomically; a call that was interrupted between two of them has to be repeated. Without
        ``overwrite`` an existing mark stays: a second check-in, or one after the teacher marked by hand, changes
        nothing. Raises NoSuchSession, and changes nothing: no roster of the session has one of the students.
        """

    async def unacked(self) -> list[Sheet]: ...  # whose newest version the LMS has not confirmed, except refused ones

    async def acked(self, session_id: str, batch: str, version: int) -> None:
        """Record that the LMS has this version (never backwards) and so the record itself."""

    async def set_in_lms(self, session_id: str, batch: str) -> None:
        """Record that the LMS has a record with this key, of any version: from now on it is updated."""
        await self.update(Sheet, {"in_lms": True}, session=session_id, batch=batch)

    async def set_read_back(self, sheet: Sheet) -> None:
        await self.update(Sheet, {"read_back": sheet.read_back}, session=sheet.session, batch=sheet.batch)

    async def set_refused(self, session_id: str, batch: str, why: str) -> None:
        """Record the LMS's permanent refusal; with an empty text the sheet is tried again."""
        await self.update(Sheet, {"refused": why}, session=session_id, batch=batch)

    # check-ins

    async def begin_check_in(self, check_in: CheckIn) -> CheckIn:
        """Store a check-in, or return the one that this student already has in this session."""
        return await self._kept(check_in, session=check_in.session, student_id=check_in.student_id)

    async def check_in(self, session_id: str, student_id: str) -> CheckIn | None:
        return await self.first(CheckIn, session=session_id, student_id=student_id)

    async def check_ins(self, session_id: str) -> list[CheckIn]:
        """Return a session's check-ins, oldest first."""
        return await self.every(CheckIn, "code_at student_id", session=session_id)

    async def move_check_in(
        self, check_in: CheckIn, when: Collection[CheckInStep], before: CheckIn | None = None
    ) -> bool:
        """Replace a check-in if its stored step is one of these; False if not: another call came first.

        With ``before`` also its rivals must be the same as there, so that none who came meanwhile is lost.
        """
        unchanged = {"rivals": before.rivals} if before is not None else {}
        return await self.replace(check_in, step__in=tuple(when), **unchanged)

    async def set_asked(self, session_id: str, student_id: str, step: CheckInStep, at: datetime, waited: float) -> None:
        """Record the first delivery of the question of a check-in's step, and how many seconds it waited."""
        there = await self.check_in(session_id, student_id)
        if there is not None:
            key: dict[str, Any] = {"session": session_id, "student_id": student_id, "step": step, "asked_at": None}
            changes = {"asked_at": at, "waited": there.waited + waited}
            await self.update(CheckIn, changes, **key, waited=there.waited)

    async def latest_check_in(self, telegram_id: int) -> CheckIn | None:
        return await self.first(CheckIn, "-code_at -updated_at", telegram_id=telegram_id)

    async def undecided(self, telegram_id: int) -> set[str]:
        """Return the sessions in which a check-in of this account waits for the teacher; with rivals it always does."""
        steps, earlier = (CheckInStep.CONFIRM, CheckInStep.REVIEW), (CheckInStep.PLACE, CheckInStep.FACE)
        found = await self.every(CheckIn, telegram_id=telegram_id, step__in=(*steps, *earlier))
        return {each.session for each in found if each.step in steps or each.rivals}

    async def checking(self) -> list[CheckIn]:
        """Return the check-ins of all sessions whose video note is in the queue, oldest note first."""
        return await self.every(CheckIn, "face.sent_at session student_id", step=CheckInStep.CHECKING)

    # corrections that students ask for

    async def save_correction(self, correction: Correction) -> bool:
        """Store a new request, or the decision on an open one; False: there is one already, or no open one."""
        is_new = correction.accepted is None
        return await (self.insert(correction) if is_new else self.replace(correction, accepted=None))

    async def corrections(self, since: datetime, telegram_id: int | None = None) -> list[Correction]:
        """Return the requests that were made or decided since then, of all accounts or of one, oldest first."""
        of: dict[str, Any] = {} if telegram_id is None else {"telegram_id": telegram_id}
        asked = await self.every(Correction, asked_at__gte=since, **of)
        decided = await self.every(Correction, decided_at__gte=since, **of)
        found = {(each.session, each.student_id): each for each in (*asked, *decided)}
        return sorted(found.values(), key=lambda each: (each.asked_at, each.session))

    # bindings of Telegram accounts and student IDs

    async def binding_of(self, telegram_id: int) -> Binding | None:
        return await self.first(Binding, telegram_id=telegram_id, folded__ne=None)

    async def binding_for(self, student_id: str) -> Binding | None:
        return await self.first(Binding, folded=folded(student_id), telegram_id__ne=None)

    async def is_taken(self, student_id: str) -> bool:
        """Whether a student ID is bound, or was until its account's data were deleted: ``unbind`` frees it."""
        taken = taken_hash(student_id, self.cipher.digest)
        return await self.count(Binding, folded__in=(folded(student_id), taken)) > 0

    async def bind(self, binding: Binding) -> Binding:
        """Bind an account and a student ID, one to one; harmless if they are already bound to each other.

        Raises BoundOtherwise: one of the two has another binding, or had one before its data were deleted.
        """
        key, account = folded(binding.student_id), account_hash(binding.telegram_id, self.cipher.digest)
        while not await self.insert(binding):
            existing = await self.first(Binding, folded=key, telegram_id=binding.telegram_id)
            if existing is not None:
                return existing
            if await self.is_taken(binding.student_id) or await self.count(Binding, account=account):
                raise BoundOtherwise("the student ID or the account is bound otherwise")
        return binding

    async def unbind(self, student_id: str, by: int, at: datetime, reason: str) -> bool:
        """Undo a binding and record by whom, when and why; False if there was none."""

    async def forget_student(self, telegram_id: int) -> None:
        """Delete a Telegram account's data: check-ins, requests, its number, consent and template (marks stay).

        Wrong tries stay for their hour, under another number: otherwise deleting would allow endless guessing. That
        the student ID and the account are taken stays, too, as keyed hashes: otherwise a student could lend the ID to
        another account by deleting the data in between. A teacher's ``unbind`` frees both.
        """

    async def ids_of(self, telegram_id: int) -> set[str]:
        """Return the student IDs under which something of an account is stored."""
        kept = await self.kept_of(telegram_id)
        return {row["student_id"] for name in ("bindings", "check_ins", "corrections") for row in kept[name]}

    async def kept_of(self, telegram_id: int) -> dict[str, list[dict[str, Any]]]:
        """Return all that is stored under a Telegram account's number, by table, as plain values."""

    # tries

    async def add_wrong_try(self, telegram_id: int, student_id: str, at: datetime, code_of: str = "") -> None:
        await self.insert(Attempt(telegram_id, folded(student_id), at, code_of))

    async def tries_of(self, telegram_id: int, since: datetime) -> list[WrongTry]:
        """Return an account's wrong tries since then, oldest first."""
        accounts = telegram_id, alias_of(telegram_id, self.cipher.digest)
        found = await self.every(Attempt, "at", telegram_id__in=accounts, at__gt=since)
        return [WrongTry(each.folded, each.at, each.code_of) for each in found]

    async def tries_on(self, student_id: str, since: datetime) -> int:
        """Count the wrong tries for a student ID since then, of all accounts."""
        return await self.count(Attempt, folded=folded(student_id), at__gt=since)

    async def tries_in_session(self, session_id: str, since: datetime, *, bound: bool) -> int:
        """Count the wrong tries since then for the IDs of a session, by accounts without a check-in there.

        ``bound``: those of accounts that were bound then to the ID that they sent, or else of those without a binding.
        """

    # history and cleaning

    async def lessons(self, teacher: int | None, since: date, until: date) -> list[Session]:
        """Return a teacher's ended sessions on these days, except cancelled ones, oldest first; None: everybody's."""
        which: dict[str, Any] = {"date__gte": since.isoformat(), "date__lt": (until + timedelta(days=1)).isoformat()}
        which |= {"ended_at__ne": None, "cancelled": False} | ({} if teacher is None else {"teacher": teacher})
        return await self.every(Session, "date opened_at id", **which)

    async def register(
        self, teacher: int | None, since: date, until: date, subject: str = ""
    ) -> list[tuple[Session, list[Sheet]]]:
        """Return the sessions of ``lessons``, of all subjects or of one, with their sheets."""
        found = await self.lessons(teacher, since, until)
        return [(each, await self.sheets(each.id)) for each in found if subject in ("", each.subject)]

    async def attended(self, student_id: str, limit: int) -> list[tuple[Session, Mark | None]]:
        """Return the ended sessions with a student on their rosters, newest first, with the student's mark."""

    async def clean(self, now: datetime, keep_since: datetime) -> int:
        """Delete old codes and tries, and reported sessions opened before ``keep_since``; return their number."""
