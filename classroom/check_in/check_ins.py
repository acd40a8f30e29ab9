"""One student's way from code to mark: code, place, then the face (face_steps.py), or the teacher's word without one.

Truth before talk: the store has each step before anybody hears of it, and who asks twice gets the answer of before.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from classroom.domain import face_policy as faces
from classroom.domain import location_policy as policy
from classroom.domain.sessions import (
    Binding,
    CheckIn,
    FaceCheck,
    Mark,
    Session,
    Sheet,
    Status,
    Step,
    end_of,
    finish_by,
    status_at,
)
from classroom.error_codes import Code, noted
from classroom.services import Classroom
from classroom.store import BoundOtherwise

log = logging.getLogger(__name__)

RECENT = timedelta(hours=1)  # for which a location is taken for one to the last check-in


class Answer(Enum):
    """What becomes of a code or of a location."""

    WRONG = "wrong"  # ID and code do not fit together: which of them is not said
    LOCKED = "locked"  # too many wrong codes of this account
    PLACE = "place"  # the code is right, the location is wanted
    CONSENT = "consent"  # the place is right, too; before the face is used it is asked for
    CHALLENGE = "challenge"  # the video note is wanted
    CHECKING = "checking"  # it is being looked at
    WAITING = "waiting"  # the teacher's word is waited for
    REVIEW = "review"  # the same, and the teacher looks at this one alone
    MARKED = "marked"  # the record has it already
    REJECTED = "rejected"  # the teacher said no
    OUTSIDE = "outside"  # too far from the teacher's place
    REFUSED = "refused"  # the location, or the video note, is no evidence
    OVER = "over"  # too late for this session
    NOTHING = "nothing"  # no check-in waits for a location


@dataclass(frozen=True)
class Told:
    """An answer with what belongs to it."""

    answer: Answer
    session: Session | None = None
    check_in: CheckIn | None = None
    refusal: policy.Refusal | None = None
    note_refusal: faces.NoteRefusal | None = None
    mark: Mark | None = None  # that the record has
    is_new: bool = False  # this very location has moved the check-in on
    is_known: bool = False  # this very video was taken before, and its answer is given or on its way


# Hear of a mark that the record has now: the session, the student ID, and the mark.
OnMark = Callable[[Session, str, Mark], Awaitable[None]]

_ANSWERS = {
    Step.PLACE: Answer.PLACE,
    Step.FACE: Answer.CHALLENGE,
    Step.CHECKING: Answer.CHECKING,
    Step.CONFIRM: Answer.WAITING,
    Step.REVIEW: Answer.REVIEW,
    Step.REJECTED: Answer.REJECTED,
    Step.DONE: Answer.MARKED,
}


def answer_for(check_in: CheckIn) -> Answer:
    """Return how far a check-in is, as it is said."""
    if check_in.step is Step.FACE and (check_in.face is None or check_in.face.given_at is None):
        return Answer.CONSENT
    return _ANSWERS[check_in.step]


class CheckIns:
    """The check-ins of all sessions. Every method may raise StoreUnavailable: nothing is lost, it can be repeated."""

    def __init__(self, room: Classroom, on_mark: OnMark) -> None:
        """Take what the bots work with, and who hears of marks."""
        self._room = room
        self._on_mark = on_mark

    async def enter(self, person: int, student_id: str | None, code: str, typed_at: datetime | None = None) -> Told:
        """Begin a check-in with a code; ``student_id`` None: the one that this account is bound to.

        ``typed_at`` is when the code came, where the ID came after it: in time is in time.
        """
        store, now = self._room.store, self._room.clock.now()
        at = typed_at if typed_at is not None and now - typed_at <= self._grace else now
        binding = await store.binding_of(person)
        claimed = student_id or (binding.student_id if binding else "")
        tries = await store.wrong_tries(person, claimed, now - policy.TRIES_WINDOW)
        if policy.locked(tries.by_account):
            return Told(Answer.LOCKED)
        told = await self._enter(person, claimed, code, binding, at, tries.on_student_id)
        if told is None:
            await store.add_wrong_try(person, claimed, now)
            return Told(Answer.WRONG)
        return told

    async def _enter(
        self, person: int, claimed: str, code: str, binding: Binding | None, at: datetime, tries_on_id: int
    ) -> Told | None:
        store, now = self._room.store, self._room.clock.now()
        session = await store.session_by_code(code, at)
        if session is None:
            noted(log, Code.OTP, f"person {person}: no session has this code")
            return None
        sheet = await store.sheet_of(session.id, claimed) if claimed else None
        own = binding is None or binding.student_id.casefold() == claimed.casefold()
        if sheet is None or not own:
            why = "is not their own" if sheet is not None else "is on no roster"
            noted(log, Code.STUDENT_ID, f"session {session.id}: person {person}, the student ID {why}")
            return None
        student_id = next(e.student_id for e in sheet.roster if e.student_id.casefold() == claimed.casefold())
        try:
            await store.bind(Binding(person, student_id, now))
        except BoundOtherwise:
            what = f"session {session.id}: person {person}, the student ID {student_id} is bound otherwise"
            noted(log, Code.STUDENT_ID, what, logging.WARNING)
            await self._doubt(session, student_id)
            return None
        if (mark := sheet.marks.get(student_id)) is not None:
            return Told(Answer.MARKED, session, mark=mark)
        in_session = await store.wrong_tries_in_session(session.id, session.opened_at)
        note = policy.suspicion(tries_on_id, in_session, bound=binding is not None)
        check_in = await store.begin_check_in(
            CheckIn(session.id, student_id, person, Step.PLACE, code_at=at, note=note, updated_at=now)
        )
        if check_in.telegram_id != person:  # unbound by a teacher meanwhile, and bound anew
            moved = replace(
                check_in, telegram_id=person, step=Step.PLACE, code_at=at, note=note, face=None, updated_at=now
            )
            check_in = moved if await store.move_check_in(moved, set(Step) - {Step.DONE}) else check_in
        elif check_in.step is Step.PLACE and check_in.code_at < at:  # entered once more: the newest is looked for
            moved = replace(check_in, code_at=at, updated_at=now)
            check_in = moved if await store.move_check_in(moved, {Step.PLACE}) else check_in
        log.info("session %s: student %s, the code is right", session.id, student_id)
        return Told(answer_for(check_in), session, check_in)

    async def _doubt(self, session: Session, student_id: str) -> None:
        """Let the teacher look at a check-in whose ID another account has claimed, too: one of them is not the student.

        The other one is told nothing but that ID and code do not fit. Where a face is asked for, the face decides.
        """
        there = await self._room.store.check_in(session.id, student_id)
        is_unclear = there is not None and there.step is Step.REVIEW and there.note == faces.FACE
        if there is not None and not is_unclear and there.step in (Step.PLACE, Step.CONFIRM, Step.REVIEW):
            step = Step.PLACE if there.step is Step.PLACE else Step.REVIEW
            doubted = replace(there, step=step, note=policy.CLAIMED_TWICE)
            await self._room.store.move_check_in(doubted, {there.step})

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._room.settings.checkin_grace_seconds)

    async def place(self, person: int, evidence: policy.Evidence) -> Told:
        """Take a location for the check-in that waits for one."""
        store, now = self._room.store, self._room.clock.now()
        check_in = await store.latest_check_in(person)
        session = await store.session(check_in.session) if check_in is not None else None
        if check_in is None or session is None or session.cancelled:
            return Told(Answer.NOTHING)
        binding = await store.binding_of(person)
        if binding is None or binding.student_id != check_in.student_id:  # a teacher has undone it meanwhile
            return Told(Answer.NOTHING)
        in_review = check_in.step is Step.REVIEW and check_in.note == policy.JUST_OUTSIDE and now <= end_of(session)
        if check_in.step is not Step.PLACE and not in_review:
            return await self.where(session, check_in, now)
        sheet = await store.sheet_of(session.id, check_in.student_id)
        if sheet is not None and check_in.student_id in sheet.marks:  # by the teacher's hand meanwhile
            return await self.where(session, replace(check_in, step=Step.DONE), now)
        finish = finish_by(session, check_in.code_at, self._grace)
        if now > finish:
            noted(log, Code.SESSION_EXPIRED, f"session {session.id}: student {check_in.student_id} came too late")
            return Told(Answer.OVER if now - finish < RECENT else Answer.NOTHING, session, check_in)
        refusal = policy.refusal(evidence, now, self._room.settings.location_policy)
        if refusal is not None:
            log.info("session %s: student %s, location refused: %s", session.id, check_in.student_id, refusal.value)
            return Told(Answer.REFUSED, session, check_in, refusal)
        moved, answer = self._judged(session, check_in, evidence, now)
        if moved.step is Step.CONFIRM and self._room.settings.face_engine != "none":
            moved = replace(moved, step=Step.FACE, face=await self._first_challenge(person, now))
            answer = answer_for(moved)
        if in_review and moved.step not in (Step.CONFIRM, Step.FACE):
            return Told(Answer.REVIEW, session, check_in)
        if not await store.move_check_in(moved, {check_in.step}):
            return await self.place(person, evidence)  # somebody was faster: what it is now
        is_new = answer is not Answer.OUTSIDE and (not in_review or moved.step is Step.FACE)
        return Told(answer, session, moved, is_new=is_new)

    async def _first_challenge(self, person: int, now: datetime) -> FaceCheck:
        """Return the face's part of a check-in: with a challenge, or without one where consent has to come first."""
        consent = await self._room.store.consent(person)
        wording = faces.wording(self._room.settings.face_engine)
        if consent is None or not consent.given or consent.wording != wording:
            return FaceCheck()
        return FaceCheck(faces.new_challenge(self._room.below), given_at=now, challenges=1)

    async def where(self, session: Session, check_in: CheckIn, now: datetime) -> Told:
        """Answer a location or a video that is not needed at this step."""
        if now - check_in.code_at > RECENT:
            return Told(Answer.NOTHING, session, check_in)
        sheet = await self._room.store.sheet_of(session.id, check_in.student_id)
        mark = sheet.marks.get(check_in.student_id) if sheet is not None else None
        return Told(answer_for(check_in), session, check_in, mark=mark)

    def _judged(
        self, session: Session, check_in: CheckIn, evidence: policy.Evidence, now: datetime
    ) -> tuple[CheckIn, Answer]:
        """Judge a location; return the check-in with it, and what is said."""
        here = policy.Point(evidence.latitude, evidence.longitude, evidence.accuracy)
        there = policy.Point(session.place.latitude, session.place.longitude, session.place.accuracy)
        judged = policy.judge(here, there, self._room.settings.location_distance_limit_meters)
        log.info(
            "session %s: student %s, %.0f m away (accuracy %s m): %s",
            session.id,
            check_in.student_id,
            judged.distance,
            evidence.accuracy,
            judged.zone.value,
        )
        doubted = check_in.note if check_in.note in policy.DOUBTS else ""
        match judged.zone:
            case policy.Zone.INSIDE:
                step, note = Step.REVIEW if doubted else Step.CONFIRM, doubted
            case policy.Zone.NEAR:
                step, note = Step.REVIEW, doubted or policy.JUST_OUTSIDE
            case policy.Zone.OUTSIDE:
                step, note = Step.PLACE, doubted or policy.TOO_FAR
                noted(log, Code.OUT_OF_RANGE, f"session {session.id}: student {check_in.student_id}")
        moved = replace(
            check_in, step=step, note=note, distance=judged.distance, accuracy=evidence.accuracy, updated_at=now
        )
        return moved, Answer.OUTSIDE if step is Step.PLACE else answer_for(moved)

    async def decide(self, session: Session, student_ids: Collection[str], *, accept: bool) -> list[CheckIn]:
        """Carry out the teacher's word on check-ins that wait for it; return those that it was for, as they are now."""
        store = self._room.store
        if session.cancelled:
            return []
        decided = []
        for check_in in await store.check_ins(session.id):
            if check_in.student_id not in student_ids or check_in.step not in (Step.CONFIRM, Step.REVIEW):
                continue
            if accept:
                await self.mark(session, check_in, check_in.updated_at or check_in.code_at)
            moved = replace(check_in, step=Step.DONE if accept else Step.REJECTED)
            if await store.move_check_in(moved, {Step.CONFIRM, Step.REVIEW}):
                decided.append(moved)
                word = "accepted" if accept else "rejected"
                log.info(
                    "session %s: student %s, %s by teacher %d", session.id, moved.student_id, word, session.teacher
                )
        if decided:
            self._room.wake_sync(session.id)
        return decided

    async def mark(self, session: Session, check_in: CheckIn, proven: datetime) -> None:
        """Write the mark of a check-in whose last proof came then, unless there is one already, and let it be told.

        It is for who moves the check-in's step afterwards: a crash in between repeats this and loses nothing.
        """
        mark = Mark(check_in.student_id, status_at(session, proven), self._room.clock.now())
        if not await self._room.store.mark(session.id, mark, overwrite=False):
            sheet = await self._room.store.sheet_of(session.id, check_in.student_id)
            mark = (
                sheet.marks.get(check_in.student_id, mark) if sheet is not None else mark
            )  # a hand may have been first
        await self._on_mark(session, check_in.student_id, mark)

    async def tell_again(self, session: Session, mark: Mark) -> None:
        """Let a mark be told that the record has, where a failure came in between; who has heard hears nothing."""
        await self._on_mark(session, mark.student_id, mark)

    async def set_free(self, session: Session, student_id: str) -> bool:
        """Undo the binding of an ID, on record; what was proven with it in this session is to be proven anew."""
        store, now = self._room.store, self._room.clock.now()
        if not await store.unbind(student_id, session.teacher, now, f"session {session.id}"):
            return False
        log.info("student %s: Telegram account set free by teacher %d", student_id, session.teacher)
        there = await store.check_in(session.id, student_id)
        proven = {Step.FACE, Step.CHECKING, Step.CONFIRM, Step.REVIEW}
        if there is not None and there.step in proven:
            await store.move_check_in(replace(there, step=Step.PLACE, note="", distance=None, face=None), proven)
        return True

    async def settle(self, session: Session, sheets: Collection[Sheet]) -> None:
        """Finish what a process that ended half way left: check-ins that have their mark are done."""
        marked = {student_id for sheet in sheets for student_id in sheet.marks}
        for check_in in await self._room.store.check_ins(session.id):
            if check_in.student_id in marked and check_in.step in (Step.CHECKING, Step.CONFIRM, Step.REVIEW):
                await self._room.store.move_check_in(replace(check_in, step=Step.DONE), {check_in.step})

    async def mark_by_hand(self, session: Session, student_id: str, status: Status, reason: str, teacher: int) -> bool:
        """Write the teacher's own mark, which counts for more than any check-in; on record with the reason."""
        mark = Mark(student_id, status, self._room.clock.now(), by=teacher, reason=reason)
        changed = await self._room.store.mark(session.id, mark, overwrite=True)
        if changed:
            log.info("session %s: student %s, %s by hand of teacher %d", session.id, student_id, status.value, teacher)
            self._room.wake_sync(session.id)
            await self._on_mark(session, student_id, mark)
        return changed
