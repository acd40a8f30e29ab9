"""Check-ins from code to mark: code (code_entry.py), place, then face (face_steps.py) or the teacher's confirmation.

Persist first, notify second: every step is stored before it is answered, and a repeated message gets the same answer.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from classroom.check_in import claims
from classroom.check_in.answers import Answer, AnswerKind, kind_for, too_late
from classroom.check_in.code_entry import CodeEntry
from classroom.domain import code_attempts as codes
from classroom.domain import face_policy as faces
from classroom.domain import location_policy as policy
from classroom.domain.sessions import (
    CheckIn,
    CheckInStep,
    FaceCheck,
    Mark,
    Place,
    Session,
    Sheet,
    Status,
    end_of,
    face_is_allowed,
    finish_by,
    folded,
    mark_of,
    status_at,
)
from classroom.error_codes import Code, noted
from classroom.services import Classroom

log = logging.getLogger(__name__)

RECENT = timedelta(hours=1)  # for this long a location is taken to belong to the last check-in


def deadline(session: Session, check_in: CheckIn, grace: timedelta) -> datetime:
    """Return until when a check-in's step can be done; a second try has its own minute, and one more on request."""
    again = 2 * faces.CHALLENGE_LASTS if check_in.face is not None and check_in.face.failed else grace
    return finish_by(session, check_in, max(grace, again))


# Called with a stored mark: the session, the student ID, and the mark.
OnMark = Callable[[Session, str, Mark], Awaitable[None]]


class CheckIns(CodeEntry):
    """Moves check-ins to their marks. Methods may raise StoreUnavailable; repeated ones may call ``on_mark`` twice."""

    def __init__(self, classroom: Classroom, on_mark: OnMark) -> None:
        super().__init__(classroom)
        self._on_mark = on_mark

    async def place(self, person: int, evidence: policy.Evidence) -> Answer:
        """Evaluate a location for the check-in that waits for one."""
        store, now = self._classroom.store, self._classroom.clock.now()
        check_in = await store.latest_check_in(person)
        session = await store.session(check_in.session) if check_in is not None else None
        if check_in is None or session is None:
            return Answer(AnswerKind.NOTHING)
        binding = await store.binding_of(person)
        if binding is None or folded(binding.student_id) != folded(check_in.student_id):  # unbound by a teacher
            return Answer(AnswerKind.NOTHING)
        in_review = check_in.step is CheckInStep.REVIEW and check_in.note in policy.UNSURE and now <= end_of(session)
        if session.cancelled or (check_in.step is not CheckInStep.PLACE and not in_review):
            return await self.current_answer(session, check_in, now)
        sheets = await store.sheets_of(session.id, check_in.student_id)
        if mark_of(sheets, check_in.student_id) is not None:  # by hand meanwhile
            return await self.current_answer(session, replace(check_in, step=CheckInStep.DONE), now)
        finish = deadline(session, check_in, self._grace)
        if now > finish:
            noted(log, Code.SESSION_EXPIRED, f"session {session.id}: student {check_in.student_id}, location too late")
            return too_late(session, check_in, recent=now - finish < RECENT)
        refusal = policy.refusal(evidence, now, self._classroom.settings.location_policy)
        if refusal is not None:
            log.info("session %s: student %s, location refused: %s", session.id, check_in.student_id, refusal.value)
            refused = replace(check_in, accuracy=evidence.accuracy)
            if refusal is policy.LocationRefusal.COARSE and check_in.step is CheckInStep.PLACE and not check_in.note:
                refused = replace(refused, note=policy.IMPRECISE, distance=self._measured(session, evidence).distance)
                await store.move_check_in(refused, {CheckInStep.PLACE}, check_in)  # so that the teacher sees why
            return Answer(AnswerKind.REFUSED, session, refused, refusal)
        moved, answer = self._evaluated(session, check_in, evidence, now)
        if moved.step is CheckInStep.CONFIRM and self._classroom.checks_faces:
            if face_is_allowed(sheets, check_in.student_id):
                face = await self._first_challenge(person, now)
                moved = replace(moved, step=CheckInStep.FACE, face=face, asked_at=None)
                answer = kind_for(moved)
            else:
                moved = replace(moved, note=faces.NO_FACE)
        is_known = check_in.distance is not None  # the place has not been changed since
        if in_review and is_known and moved.step not in (CheckInStep.CONFIRM, CheckInStep.FACE):
            return Answer(AnswerKind.REVIEW, session, check_in)
        if not await store.move_check_in(moved, {check_in.step}, check_in):
            return await self.place(person, evidence)  # changed meanwhile: look again
        is_new = answer is not AnswerKind.OUTSIDE and (not in_review or moved.step is CheckInStep.FACE)
        return Answer(answer, session, moved, is_new=is_new)

    async def _first_challenge(self, person: int, now: datetime) -> FaceCheck:
        """Return a new face check: with a challenge, or without one if consent has to come first."""
        consent = await self._classroom.store.consent(person)
        if consent is None or not consent.covers(self._classroom.consent_wording):
            return FaceCheck()
        return faces.with_challenge(FaceCheck(), self._classroom.below, now)

    async def current_answer(self, session: Session, check_in: CheckIn, now: datetime) -> Answer:
        """Return the answer to a location or a video that is not needed at this step."""
        untold = check_in.step is CheckInStep.REVIEW and check_in.note == codes.MANY_IN_SESSION
        if untold or now - check_in.code_at > RECENT:
            return Answer(AnswerKind.NOTHING, session, check_in)
        mark = await self.mark_of(check_in)
        kind = AnswerKind.MARKED if mark is not None else kind_for(check_in)
        if session.cancelled:
            kind = AnswerKind.OVER
        elif kind is AnswerKind.OVER and session.ended_at is None:  # opened again: the new code comes first
            kind = AnswerKind.NOTHING
        return Answer(kind, session, check_in, mark=mark)

    async def mark_of(self, check_in: CheckIn) -> Mark | None:
        """Return the mark that a check-in's student has in its session, from the check-in or by hand."""
        sheets = await self._classroom.store.sheets_of(check_in.session, check_in.student_id)
        return mark_of(sheets, check_in.student_id)

    def _evaluated(
        self, session: Session, check_in: CheckIn, evidence: policy.Evidence, now: datetime
    ) -> tuple[CheckIn, AnswerKind]:
        """Evaluate a location; return the updated check-in and the answer for the student."""
        proximity = self._measured(session, evidence)
        away = "an unknown distance" if proximity.distance is None else f"{proximity.distance:.0f} m"
        what = f"session {session.id}: student {check_in.student_id}"
        log.info("%s, %s away (accuracy %s m): %s", what, away, evidence.accuracy, proximity.zone.value)
        doubted = check_in.note if check_in.note in codes.DOUBTS else ""
        match proximity.zone:
            case policy.Zone.INSIDE:
                step, note = CheckInStep.REVIEW if doubted else CheckInStep.CONFIRM, doubted
            case policy.Zone.NEAR:
                step, note = CheckInStep.REVIEW, doubted or policy.JUST_OUTSIDE
            case policy.Zone.UNCERTAIN:
                step = CheckInStep.REVIEW
                note = doubted or (policy.UNCERTAIN if session.place else policy.NO_PLACE)
            case policy.Zone.OUTSIDE:
                step, note = CheckInStep.PLACE, doubted or policy.TOO_FAR
                noted(log, Code.OUT_OF_RANGE, f"session {session.id}: student {check_in.student_id}")
        moved = replace(
            check_in, step=step, note=note, distance=proximity.distance, accuracy=evidence.accuracy, updated_at=now
        )
        return moved, AnswerKind.OUTSIDE if step is CheckInStep.PLACE else kind_for(moved)

    def _measured(self, session: Session, evidence: policy.Evidence) -> policy.Proximity:
        student = Place(evidence.latitude, evidence.longitude, evidence.accuracy)
        return policy.measure(student, session.place, self._classroom.settings.location_distance_limit_meters)

    async def place_changed(self, session: Session) -> list[CheckIn]:
        """Return the check-ins that the session's old place kept out; their next location is evaluated anew."""
        store, kept_out = self._classroom.store, []
        sheets = await store.sheets(session.id)
        for check_in in await store.check_ins(session.id):
            is_refused = check_in.step is CheckInStep.PLACE and check_in.distance is not None
            is_unsure = check_in.step is CheckInStep.REVIEW and check_in.note in policy.UNSURE
            if mark_of(sheets, check_in.student_id) is not None or not (is_refused or is_unsure):
                continue
            note = "" if check_in.note in (policy.TOO_FAR, policy.IMPRECISE) else check_in.note
            at = self._classroom.clock.now() if is_refused else check_in.updated_at
            moved = replace(check_in, note=note, distance=None, accuracy=None, asked_at=None, updated_at=at)
            if await store.move_check_in(moved, {check_in.step}, check_in):
                kept_out.append(moved)
        return kept_out

    async def decide(
        self,
        session: Session,
        student_ids: Collection[str],
        *,
        accept: bool,
        owner: int | None = None,
        why: Callable[[CheckIn], str] | None = None,
        note: str | None = None,
        together: bool = False,
    ) -> list[CheckIn]:
        """Apply the teacher's decision to the check-ins that wait for one; return those that changed.

        ``owner``: the account that is accepted (default: the check-in's own). Those of the others come back rejected.
        ``why`` returns what is kept as the reason of the mark; ``note`` replaces the check-ins' own.
        ``together``: several are confirmed at once, without those that have to be looked at since the question.
        """
        store, now = self._classroom.store, self._classroom.clock.now()
        if session.cancelled:
            return []
        changed, waiting = [], {CheckInStep.CONFIRM, CheckInStep.REVIEW}
        wanted = set(map(folded, student_ids))  # two batches may spell an ID differently
        for check_in in await store.check_ins(session.id):
            proven = {each.telegram_id: each.at for each in check_in.rivals}
            waits = folded(check_in.student_id) in wanted and (check_in.step in waiting or bool(check_in.rivals))
            proven[check_in.telegram_id] = check_in.updated_at or check_in.code_at
            accepted = owner or check_in.telegram_id
            is_unclear = check_in.step is not CheckInStep.CONFIRM or bool(check_in.rivals)
            if not waits or accepted not in proven or (together and is_unclear):  # an old button
                continue
            if accept:
                await claims.give(self._classroom, session, check_in.student_id, accepted, now)
                accepted_one = check_in
                if accepted != check_in.telegram_id:
                    accepted_one = replace(check_in, telegram_id=accepted, code_at=proven[accepted])
                await self.mark(session, accepted_one, proven[accepted], session.teacher, why(check_in) if why else "")
            noted_so = check_in if note is None else replace(check_in, note=note)
            results = claims.decided(noted_so, accepted if accept else None)
            if await store.move_check_in(results[0], {check_in.step, *waiting}, check_in):
                changed += results
                what = f"session {session.id}: student {check_in.student_id}"
                log.info("%s, %s by teacher %d", what, "accepted" if accept else "rejected", session.teacher)
                self._classroom.metrics.rejected.inc(not accept)
        if changed:
            self._classroom.wake_sync(session.id)
        return changed

    async def mark(self, session: Session, check_in: CheckIn, proven: datetime, by: int = 0, reason: str = "") -> None:
        """Store and notify a mark, unless there is one. The caller moves the step afterwards: a crash loses nothing.

        A teacher's acceptance (``by``) overrides an older mark as absent or excused: it is their newest decision.
        """
        before = await self.mark_of(check_in) if by else None
        overwrite = before is not None and not before.status.counts
        status, now = status_at(session, check_in, proven, self._grace), self._classroom.clock.now()
        mark = Mark(check_in.student_id, status, now, by, reason, came_at=check_in.code_at)
        if await self._classroom.store.mark(session.id, mark, overwrite=overwrite):
            self._classroom.metrics.marked(mark)
        else:  # the teacher may have marked by hand first
            mark = await self.mark_of(check_in) or mark
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
            # with rivals the teacher decides
            if not session.cancelled and (check_in.rivals or now <= deadline(session, check_in, self._grace)):
                continue
            ended = replace(check_in, step=CheckInStep.EXPIRED, updated_at=now)
            if await store.move_check_in(ended, {check_in.step}, check_in):
                noted(log, Code.SESSION_EXPIRED, f"session {session.id}: student {check_in.student_id}, not finished")
                self._classroom.metrics.expired.inc()

    async def unbind(self, session: Session, student_id: str, *, again: bool = False) -> bool:
        """Unbind a student ID from its account, on record; its check-in to this session begins again.

        ``again``: a process that ended meanwhile may have unbound it.
        """
        store, now = self._classroom.store, self._classroom.clock.now()
        unbound = await store.unbind(student_id, session.teacher, now, f"session {session.id}")
        if not unbound and not again:
            return False
        log.info("student %s: Telegram account unbound by teacher %d", student_id, session.teacher)
        there = await store.check_in(session.id, student_id)
        proven = {CheckInStep.FACE, CheckInStep.CHECKING, CheckInStep.CONFIRM, CheckInStep.REVIEW}
        if there is not None and (there.step in proven or there.rivals):
            begun = there.step if there.step is CheckInStep.DONE else CheckInStep.PLACE
            anew = replace(there, step=begun, note="", distance=None, face=None, rivals=())
            await store.move_check_in(anew, {there.step})
        return True

    async def settle(self, session: Session, sheets: Collection[Sheet]) -> None:
        """After a restart, move check-ins that have their mark to DONE, and complete the marks of one student.

        A student on two batches may be marked in one of them only: where a crash came between them (MongoDB), and in
        sessions from before marks were kept by sheet.
        """
        await self._mark_alike(session, sheets)
        marked = {student_id for sheet in sheets for student_id in sheet.marks}
        waiting = (CheckInStep.CHECKING, CheckInStep.CONFIRM, CheckInStep.REVIEW)
        for check_in in await self._classroom.store.check_ins(session.id):
            if check_in.student_id in marked and check_in.step in waiting:
                await self._classroom.store.move_check_in(replace(check_in, step=CheckInStep.DONE), {check_in.step})

    async def _mark_alike(self, session: Session, sheets: Collection[Sheet]) -> None:
        lines = Counter(folded(student.student_id) for sheet in sheets for student in sheet.roster)
        marks: dict[str, list[Mark]] = {}
        for mark in (mark for sheet in sheets for mark in sheet.marks.values()):
            marks.setdefault(folded(mark.student_id), []).append(mark)
        for student_id, kept in marks.items():
            differ = len({(mark.status, mark.by, mark.reason, mark.came_at) for mark in kept}) > 1
            if differ or len(kept) < lines[student_id]:
                newest = max(kept, key=lambda mark: mark.at)
                if await self._classroom.store.mark(session.id, newest, overwrite=differ):
                    log.info("session %s: student %s, marked alike in every batch", session.id, newest.student_id)

    async def mark_by_hand(self, session: Session, student_id: str, status: Status, reason: str, teacher: int) -> bool:
        """Store a mark by the teacher, which overrides any check-in, with its reason."""
        mark = Mark(student_id, status, self._classroom.clock.now(), by=teacher, reason=reason)
        changed = await self._classroom.store.mark(session.id, mark, overwrite=True)
        if changed:
            self._classroom.metrics.marked(mark)
            log.info("session %s: student %s, %s by hand of teacher %d", session.id, student_id, status.value, teacher)
            self._classroom.wake_sync(session.id)
            await self._on_mark(session, student_id, mark)
        return changed
