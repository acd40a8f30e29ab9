"""Check-ins from code to mark: code, place, then the face check (face_steps.py) or the teacher's confirmation.

Persist first, notify second: every step is stored before it is answered, and a repeated message gets the same answer.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from classroom.check_in.answers import Answer, AnswerKind, kind_for
from classroom.domain import code_attempts as codes
from classroom.domain import face_policy as faces
from classroom.domain import location_policy as policy
from classroom.domain.sessions import (
    DELIVERED_WITHIN,
    Binding,
    CheckIn,
    CheckInStep,
    FaceCheck,
    Mark,
    Place,
    Session,
    Sheet,
    Status,
    end_of,
    finish_by,
    status_at,
)
from classroom.error_codes import Code, noted
from classroom.services import Classroom
from classroom.store import BoundOtherwise

log = logging.getLogger(__name__)

RECENT = timedelta(hours=1)  # for this long a location is taken to belong to the last check-in


class Typed(NamedTuple):
    """When a code was typed, and when Telegram delivered the question for the student ID."""

    at: datetime
    asked: datetime | None = None


def deadline(session: Session, check_in: CheckIn, grace: timedelta) -> datetime:
    """Return until when a check-in's step can be done; a second try has its own minute, and one more on request."""
    again = 2 * faces.CHALLENGE_LASTS if check_in.face is not None and check_in.face.failed else grace
    return finish_by(session, check_in, max(grace, again))


# Called with a stored mark: the session, the student ID, and the mark.
OnMark = Callable[[Session, str, Mark], Awaitable[None]]


class CheckIns:
    """Moves check-ins from code to mark in the store; ``on_mark`` may get a mark twice.

    Methods may raise StoreUnavailable, and can be repeated.
    """

    def __init__(self, classroom: Classroom, on_mark: OnMark) -> None:
        self._classroom = classroom
        self._on_mark = on_mark

    async def enter(self, person: int, student_id: str | None, code: str, typed: Typed | None = None) -> Answer:
        """Begin a check-in with a code (``typed``: when, if the ID came later); no ``student_id``: the bound one."""
        store, now = self._classroom.store, self._classroom.clock.now()
        at, waited = now, 0.0
        if typed is not None and now <= (typed.asked or typed.at + DELIVERED_WITHIN) + self._grace:
            at, waited = typed.at, ((typed.asked or typed.at) - typed.at).total_seconds()
        binding = await store.binding_of(person)
        claimed = student_id or (binding.student_id if binding else "")
        tries = await store.wrong_tries(person, claimed, now - codes.TRIES_WINDOW)
        if codes.locked(tries.by_account):
            return Answer(AnswerKind.LOCKED)
        answer = await self._enter(person, claimed, code, binding, at, waited, tries.on_student_id)
        if answer is None:
            await store.add_wrong_try(person, claimed, now)
            return Answer(AnswerKind.WRONG)
        return answer

    async def _enter(
        self, person: int, claimed: str, code: str, binding: Binding | None, at: datetime, waited: float, tries: int
    ) -> Answer | None:
        store, now = self._classroom.store, self._classroom.clock.now()
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
            what = f"session {session.id}: person {person}, the student ID {student_id} is bound to another account"
            noted(log, Code.STUDENT_ID, what, logging.WARNING)
            await self._doubt(session, student_id)
            return None
        if (mark := sheet.marks.get(student_id)) is not None:
            return Answer(AnswerKind.MARKED, session, mark=mark)
        in_session = await store.wrong_tries_in_session(session.id, session.opened_at)
        note = codes.suspicion(tries, in_session, bound=binding is not None)
        begun = CheckIn(
            session.id, student_id, person, CheckInStep.PLACE, code_at=at, note=note, updated_at=now, waited=waited
        )
        check_in = await store.begin_check_in(begun)
        if check_in.telegram_id != person:  # a teacher has unbound the ID, and this account has bound it
            check_in = begun if await store.move_check_in(begun, set(CheckInStep) - {CheckInStep.DONE}) else check_in
        elif check_in.step in (CheckInStep.PLACE, CheckInStep.EXPIRED) and check_in.code_at < at:
            # entered again: a location belongs to the check-in with the newest code
            moved = replace(begun, note=check_in.note, distance=check_in.distance, accuracy=check_in.accuracy)
            check_in = moved if await store.move_check_in(moved, {check_in.step}) else check_in
        log.info("session %s: student %s, the code is right", session.id, student_id)
        return Answer(kind_for(check_in), session, check_in)

    async def _doubt(self, session: Session, student_id: str) -> None:
        """Send a check-in to the teacher, or leave it to the face check, after another account claimed its ID."""
        there = await self._classroom.store.check_in(session.id, student_id)
        if there is None or (there.step is CheckInStep.REVIEW and there.note == faces.FACE):
            return
        if there.step in (CheckInStep.PLACE, CheckInStep.CONFIRM, CheckInStep.REVIEW):
            step = CheckInStep.PLACE if there.step is CheckInStep.PLACE else CheckInStep.REVIEW
            doubted = replace(there, step=step, note=codes.CLAIMED_TWICE)
            await self._classroom.store.move_check_in(doubted, {there.step})

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._classroom.settings.checkin_grace_seconds)

    async def place(self, person: int, evidence: policy.Evidence) -> Answer:
        """Evaluate a location for the check-in that waits for one."""
        store, now = self._classroom.store, self._classroom.clock.now()
        check_in = await store.latest_check_in(person)
        session = await store.session(check_in.session) if check_in is not None else None
        if check_in is None or session is None:
            return Answer(AnswerKind.NOTHING)
        binding = await store.binding_of(person)
        if binding is None or binding.student_id != check_in.student_id:  # a teacher has unbound it meanwhile
            return Answer(AnswerKind.NOTHING)
        in_review = (
            check_in.step is CheckInStep.REVIEW and check_in.note == policy.JUST_OUTSIDE and now <= end_of(session)
        )
        if session.cancelled or (check_in.step is not CheckInStep.PLACE and not in_review):
            return await self.current_answer(session, check_in, now)
        sheet = await store.sheet_of(session.id, check_in.student_id)
        if sheet is not None and check_in.student_id in sheet.marks:  # by hand meanwhile
            return await self.current_answer(session, replace(check_in, step=CheckInStep.DONE), now)
        finish = deadline(session, check_in, self._grace)
        if now > finish:
            noted(log, Code.SESSION_EXPIRED, f"session {session.id}: student {check_in.student_id}, location too late")
            return Answer(AnswerKind.OVER if now - finish < RECENT else AnswerKind.NOTHING, session, check_in)
        refusal = policy.refusal(evidence, now, self._classroom.settings.location_policy)
        if refusal is not None:
            log.info("session %s: student %s, location refused: %s", session.id, check_in.student_id, refusal.value)
            return Answer(AnswerKind.REFUSED, session, check_in, refusal)
        moved, answer = self._evaluated(session, check_in, evidence, now)
        if moved.step is CheckInStep.CONFIRM and self._classroom.settings.face_engine != "none":
            face = await self._first_challenge(person, now)
            moved = replace(moved, step=CheckInStep.FACE, face=face, asked_at=None)
            answer = kind_for(moved)
        if in_review and moved.step not in (CheckInStep.CONFIRM, CheckInStep.FACE):
            return Answer(AnswerKind.REVIEW, session, check_in)
        if not await store.move_check_in(moved, {check_in.step}):
            return await self.place(person, evidence)  # changed meanwhile: look again
        is_new = answer is not AnswerKind.OUTSIDE and (not in_review or moved.step is CheckInStep.FACE)
        return Answer(answer, session, moved, is_new=is_new)

    async def _first_challenge(self, person: int, now: datetime) -> FaceCheck:
        """Return a new face check: with a challenge, or without one if consent has to come first."""
        consent = await self._classroom.store.consent(person)
        wording = faces.wording(self._classroom.settings.face_engine)
        if consent is None or not consent.given or consent.wording != wording:
            return FaceCheck()
        return faces.with_challenge(FaceCheck(), self._classroom.below, now)

    async def current_answer(self, session: Session, check_in: CheckIn, now: datetime) -> Answer:
        """Return the answer to a location or a video that is not needed at this step."""
        if now - check_in.code_at > RECENT:
            return Answer(AnswerKind.NOTHING, session, check_in)
        sheet = await self._classroom.store.sheet_of(session.id, check_in.student_id)
        mark = sheet.marks.get(check_in.student_id) if sheet is not None else None
        kind = AnswerKind.MARKED if mark is not None else kind_for(check_in)
        if session.cancelled:
            kind = AnswerKind.OVER
        elif kind is AnswerKind.OVER and session.ended_at is None:  # opened again: the new code comes first
            kind = AnswerKind.NOTHING
        return Answer(kind, session, check_in, mark=mark)

    def _evaluated(
        self, session: Session, check_in: CheckIn, evidence: policy.Evidence, now: datetime
    ) -> tuple[CheckIn, AnswerKind]:
        """Evaluate a location; return the updated check-in and the answer for the student."""
        student = Place(evidence.latitude, evidence.longitude, evidence.accuracy)
        proximity = policy.measure(student, session.place, self._classroom.settings.location_distance_limit_meters)
        log.info(
            "session %s: student %s, %.0f m away (accuracy %s m): %s",
            session.id,
            check_in.student_id,
            proximity.distance,
            evidence.accuracy,
            proximity.zone.value,
        )
        doubted = check_in.note if check_in.note in codes.DOUBTS else ""
        match proximity.zone:
            case policy.Zone.INSIDE:
                step, note = CheckInStep.REVIEW if doubted else CheckInStep.CONFIRM, doubted
            case policy.Zone.NEAR:
                step, note = CheckInStep.REVIEW, doubted or policy.JUST_OUTSIDE
            case policy.Zone.OUTSIDE:
                step, note = CheckInStep.PLACE, doubted or policy.TOO_FAR
                noted(log, Code.OUT_OF_RANGE, f"session {session.id}: student {check_in.student_id}")
        moved = replace(
            check_in, step=step, note=note, distance=proximity.distance, accuracy=evidence.accuracy, updated_at=now
        )
        return moved, AnswerKind.OUTSIDE if step is CheckInStep.PLACE else kind_for(moved)

    async def decide(self, session: Session, student_ids: Collection[str], *, accept: bool) -> list[CheckIn]:
        """Apply the teacher's decision to the check-ins that wait for one; return those that changed."""
        store = self._classroom.store
        if session.cancelled:
            return []
        decided = []
        for check_in in await store.check_ins(session.id):
            if check_in.student_id not in student_ids or check_in.step not in (CheckInStep.CONFIRM, CheckInStep.REVIEW):
                continue
            if accept:
                await self.mark(session, check_in, check_in.updated_at or check_in.code_at)
            moved = replace(check_in, step=CheckInStep.DONE if accept else CheckInStep.REJECTED)
            if await store.move_check_in(moved, {CheckInStep.CONFIRM, CheckInStep.REVIEW}):
                decided.append(moved)
                result = "accepted" if accept else "rejected"
                what = f"session {session.id}: student {moved.student_id}"
                log.info("%s, %s by teacher %d", what, result, session.teacher)
        if decided:
            self._classroom.wake_sync(session.id)
        return decided

    async def mark(self, session: Session, check_in: CheckIn, proven: datetime) -> None:
        """Store and notify a mark, unless there is one. The caller moves the step afterwards: a crash loses nothing."""
        status = status_at(session, check_in, proven, self._grace)
        mark = Mark(check_in.student_id, status, self._classroom.clock.now())
        if not await self._classroom.store.mark(session.id, mark, overwrite=False):
            sheet = await self._classroom.store.sheet_of(session.id, check_in.student_id)
            if sheet is not None:  # the teacher may have marked by hand first
                mark = sheet.marks.get(check_in.student_id, mark)
        await self._on_mark(session, check_in.student_id, mark)

    async def notify_again(self, session: Session, mark: Mark) -> None:
        """Notify of a stored mark again after a failure; a notice that was sent already is not repeated."""
        await self._on_mark(session, mark.student_id, mark)

    async def expire(self, session: Session, marked: Collection[str]) -> None:
        """End the check-ins of students not in ``marked`` whose time is over; of a cancelled session all open ones."""
        now, store = self._classroom.clock.now(), self._classroom.store
        open_steps = {CheckInStep.PLACE, CheckInStep.FACE}
        if session.cancelled:
            open_steps |= {CheckInStep.CHECKING, CheckInStep.CONFIRM, CheckInStep.REVIEW}
        for check_in in await store.check_ins(session.id):
            if check_in.student_id in marked or check_in.step not in open_steps:
                continue
            if not session.cancelled and now <= deadline(session, check_in, self._grace):
                continue
            if await store.move_check_in(replace(check_in, step=CheckInStep.EXPIRED, updated_at=now), {check_in.step}):
                noted(log, Code.SESSION_EXPIRED, f"session {session.id}: student {check_in.student_id}, not finished")

    async def unbind(self, session: Session, student_id: str) -> bool:
        """Unbind a student ID from its account, on record; its check-in to this session begins again."""
        store, now = self._classroom.store, self._classroom.clock.now()
        if not await store.unbind(student_id, session.teacher, now, f"session {session.id}"):
            return False
        log.info("student %s: Telegram account unbound by teacher %d", student_id, session.teacher)
        there = await store.check_in(session.id, student_id)
        proven = {CheckInStep.FACE, CheckInStep.CHECKING, CheckInStep.CONFIRM, CheckInStep.REVIEW}
        if there is not None and there.step in proven:
            await store.move_check_in(replace(there, step=CheckInStep.PLACE, note="", distance=None, face=None), proven)
        return True

    async def settle(self, session: Session, sheets: Collection[Sheet]) -> None:
        """After a restart, move check-ins that have their mark to DONE."""
        marked = {student_id for sheet in sheets for student_id in sheet.marks}
        waiting = (CheckInStep.CHECKING, CheckInStep.CONFIRM, CheckInStep.REVIEW)
        for check_in in await self._classroom.store.check_ins(session.id):
            if check_in.student_id in marked and check_in.step in waiting:
                await self._classroom.store.move_check_in(replace(check_in, step=CheckInStep.DONE), {check_in.step})

    async def mark_by_hand(self, session: Session, student_id: str, status: Status, reason: str, teacher: int) -> bool:
        """Store a mark by the teacher, which overrides any check-in, with its reason."""
        mark = Mark(student_id, status, self._classroom.clock.now(), by=teacher, reason=reason)
        changed = await self._classroom.store.mark(session.id, mark, overwrite=True)
        if changed:
            log.info("session %s: student %s, %s by hand of teacher %d", session.id, student_id, status.value, teacher)
            self._classroom.wake_sync(session.id)
            await self._on_mark(session, student_id, mark)
        return changed
