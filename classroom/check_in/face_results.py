"""Applies the result of a note's examination to the check-in: a mark, a new challenge, or the teacher's decision.

A mark by hand overrides every examination, and the stored step overrides a result that arrives late.
"""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta

from classroom.check_in.check_ins import CheckIns, deadline
from classroom.check_in.face_steps import is_unbound
from classroom.domain import face_policy as policy
from classroom.domain.face_policy import Examined, FaceVerdict, NoteRefusal
from classroom.domain.sessions import CheckIn, CheckInStep, FaceCheck, Session
from classroom.domain.video_notes import Unusable
from classroom.error_codes import Code, noted
from classroom.services import Classroom

log = logging.getLogger(__name__)

_REASONS = {Unusable.NO_PHOTO: policy.NO_PHOTO, Unusable.PHOTO: policy.NO_PHOTO, Unusable.NO_CONSENT: policy.NO_FACE}


@dataclass(frozen=True)
class CheckInChange:
    """A check-in after a change, with its session."""

    session: Session
    check_in: CheckIn


class FaceResults:
    """Results of examinations. Every method may raise StoreUnavailable: nothing is lost, it can be repeated.

    ``decides``: whether a match marks by itself; otherwise the teacher confirms it.
    """

    def __init__(self, classroom: Classroom, check_ins: CheckIns, *, decides: bool) -> None:
        self._classroom = classroom
        self._check_ins = check_ins
        self._decides = decides

    async def apply_verdict(self, check_in: CheckIn, examined: Examined, verdict: FaceVerdict) -> CheckInChange | None:
        """Apply the result of a note's examination; None if the check-in has moved on without it."""
        found = await self._checking(check_in)
        if found is None:
            return None
        session, check_in, face = found
        self._log_verdict(check_in, examined, verdict)
        if await self._is_settled(session, check_in):
            return None
        sent_at = face.sent_at or check_in.code_at
        match verdict:
            case FaceVerdict.MATCH if not self._decides:
                moved = replace(check_in, step=CheckInStep.CONFIRM, note=policy.CLEAR, updated_at=sent_at)
            case FaceVerdict.MATCH:
                await self._check_ins.mark(session, check_in, sent_at)
                self._classroom.wake_sync(session.id)
                moved = replace(check_in, step=CheckInStep.DONE, updated_at=sent_at)
            case FaceVerdict.RETRY:
                checked_for = (self._classroom.clock.now() - sent_at).total_seconds()  # our own time
                check_in = replace(check_in, waited=check_in.waited + max(0.0, checked_for))
                moved = self._challenged(check_in, replace(face, failed=face.failed + 1))
            case FaceVerdict.GREY | FaceVerdict.FAILED:
                note = policy.FACE if examined.problem is None else f"{policy.FACE}: {examined.problem.value}"
                moved = replace(check_in, step=CheckInStep.REVIEW, note=note, updated_at=sent_at)
        if not await self._classroom.store.move_check_in(moved, {CheckInStep.CHECKING}, check_in):
            return await self.apply_verdict(check_in, examined, verdict)  # changed meanwhile: look again
        return CheckInChange(session, moved)

    async def apply_unusable(self, check_in: CheckIn, why: Unusable | NoteRefusal) -> CheckInChange | None:
        """Apply that a note can't be checked, which is no try; None if the check-in has moved on without it."""
        found = await self._checking(check_in)
        if found is None:
            return None
        session, check_in, face = found
        code = Code.NO_PHOTO if why in (Unusable.NO_PHOTO, Unusable.PHOTO) else Code.PROCESSING
        noted(log, code, f"session {session.id}: student {check_in.student_id}, the note can't be checked: {why.value}")
        if await self._is_settled(session, check_in):
            return None
        grace = timedelta(seconds=self._classroom.settings.checkin_grace_seconds)
        in_time = self._classroom.clock.now() <= deadline(session, check_in, grace)
        needs_new_note = why is Unusable.NOTE or isinstance(why, NoteRefusal)
        if why is Unusable.NO_CONSENT and in_time:
            asked = FaceCheck(challenges=face.challenges, failed=face.failed, message=face.message)
            moved = replace(check_in, step=CheckInStep.FACE, face=asked, asked_at=None)
        elif needs_new_note and in_time and face.challenges < policy.CHALLENGES + face.failed:
            moved = self._challenged(check_in, face)
        else:
            note = policy.NO_FACE if isinstance(why, NoteRefusal) else _REASONS.get(why, policy.TECHNICAL)
            moved = replace(check_in, step=CheckInStep.CONFIRM, note=note, updated_at=face.sent_at)
        if not await self._classroom.store.move_check_in(moved, {CheckInStep.CHECKING}, check_in):
            return await self.apply_unusable(check_in, why)  # changed meanwhile: look again
        return CheckInChange(session, moved)

    def _challenged(self, check_in: CheckIn, face: FaceCheck) -> CheckIn:
        given = policy.with_challenge(face, self._classroom.below, self._classroom.clock.now())
        return replace(check_in, step=CheckInStep.FACE, face=given, asked_at=None)

    async def _checking(self, check_in: CheckIn) -> tuple[Session, CheckIn, FaceCheck] | None:
        """Return the current check-in, if this very note is still being checked."""
        store = self._classroom.store
        now = await store.check_in(check_in.session, check_in.student_id)
        session = await store.session(check_in.session)
        if session is None or now is None or now.step is not CheckInStep.CHECKING or now.face is None:
            return None
        if check_in.face is None or now.face.message != check_in.face.message:
            return None
        return session, now, now.face

    async def _is_settled(self, session: Session, check_in: CheckIn) -> bool:
        """Say whether the examination is no longer needed: cancelled, marked by hand, the ID unbound."""
        store = self._classroom.store
        mark = await self._check_ins.mark_of(check_in)
        if mark is not None:
            await self._check_ins.notify_again(session, mark)
            settled = replace(check_in, step=CheckInStep.DONE)
        elif session.cancelled:
            settled = replace(check_in, step=CheckInStep.EXPIRED)
        elif await is_unbound(self._classroom, check_in):  # the next account with this ID begins again
            settled = replace(check_in, step=CheckInStep.PLACE, note="", distance=None, face=None)
        else:
            return False
        await store.move_check_in(settled, {CheckInStep.CHECKING})
        return True

    def _log_verdict(self, check_in: CheckIn, examined: Examined, verdict: FaceVerdict) -> None:
        """Log the figures: both distance and percentage, since they have no common scale."""
        shown = [
            f"{name} {value:.3g}"
            for name, value in (("distance", examined.distance), ("percent", examined.percent))
            if value is not None
        ]
        shown += [examined.problem.value] if examined.problem is not None else []
        text = f"session {check_in.session}: student {check_in.student_id}, {verdict.value}: {', '.join(shown)}"
        if verdict in (FaceVerdict.MATCH, FaceVerdict.GREY):
            log.info("%s", text)
        else:
            noted(log, Code.NO_FACE if examined.problem is not None else Code.NO_MATCH, text)
