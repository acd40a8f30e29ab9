"""One student's way from code to mark: code, place, then the teacher's word where no face engine gives one.

Truth before talk: the store has each step before anybody hears of it, and who asks twice gets the answer of before.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from classroom import checkin_policy as policy
from classroom.error_codes import Code, noted
from classroom.services import Classroom
from classroom.sessions import Binding, CheckIn, Mark, Session, Status, Step, finish_by, status_at
from classroom.store import BoundOtherwise

log = logging.getLogger(__name__)


class Answer(Enum):
    """What becomes of a code or of a location."""

    WRONG = "wrong"  # ID and code do not fit together: which of them is not said
    LOCKED = "locked"  # too many wrong codes of this account
    PLACE = "place"  # the code is right, the location is wanted
    WAITING = "waiting"  # the teacher's word is waited for
    REVIEW = "review"  # the same, and the teacher looks at this one alone
    MARKED = "marked"  # the record has it already
    REJECTED = "rejected"  # the teacher said no
    OUTSIDE = "outside"  # too far from the teacher's place
    REFUSED = "refused"  # the location is no evidence
    OVER = "over"  # too late for this session
    NOTHING = "nothing"  # no check-in waits for a location


@dataclass(frozen=True)
class Told:
    """An answer with what belongs to it."""

    answer: Answer
    session: Session | None = None
    check_in: CheckIn | None = None
    refusal: policy.Refusal | None = None
    until: datetime | None = None  # of a lock
    is_new: bool = False  # this very location has moved the check-in on


# Hear of a mark that the record has now: the session, the student ID, and the mark.
OnMark = Callable[[Session, str, Mark], Awaitable[None]]

_ANSWERS = {
    Step.PLACE: Answer.PLACE,
    Step.CONFIRM: Answer.WAITING,
    Step.REVIEW: Answer.REVIEW,
    Step.REJECTED: Answer.REJECTED,
    Step.DONE: Answer.MARKED,
}


class CheckIns:
    """The check-ins of all sessions. Every method may raise StoreUnavailable: nothing is lost, it can be repeated."""

    def __init__(self, room: Classroom, on_mark: OnMark) -> None:
        """Take what the bots work with, and who hears of marks."""
        self._room = room
        self._on_mark = on_mark

    async def enter(self, person: int, student_id: str | None, code: str) -> Told:
        """Begin a check-in with a code; ``student_id`` None: the one that this account is bound to."""
        store, now = self._room.store, self._room.clock.now()
        binding = await store.binding_of(person)
        claimed = student_id or (binding.student_id if binding else "")
        tries = await store.wrong_tries(person, claimed, now - policy.TRIES_WINDOW)
        if policy.locked(tries.by_account):
            return Told(Answer.LOCKED, until=now + policy.TRIES_WINDOW)
        told = await self._enter(person, claimed, code, binding, now, policy.suspicious(tries.on_student_id))
        if told is None:
            await store.add_wrong_try(person, claimed, now)
            noted(log, Code.OTP, f"person {person}: ID and code do not fit together")
            return Told(Answer.WRONG)
        return told

    async def _enter(
        self, person: int, claimed: str, code: str, binding: Binding | None, now: datetime, suspicious: bool
    ) -> Told | None:
        store = self._room.store
        session = await store.session_by_code(code, now)
        sheet = await store.sheet_of(session.id, claimed) if session is not None and claimed else None
        if session is None or sheet is None:
            return None
        if binding is not None and binding.student_id.casefold() != claimed.casefold():
            return None
        student_id = next(e.student_id for e in sheet.roster if e.student_id.casefold() == claimed.casefold())
        try:
            await store.bind(Binding(person, student_id, now))
        except BoundOtherwise:
            noted(log, Code.STUDENT_ID, f"person {person}: student ID {student_id} is bound otherwise", logging.WARNING)
            return None
        note = policy.MANY_TRIES if suspicious and binding is None else ""
        check_in = await store.begin_check_in(
            CheckIn(session.id, student_id, person, Step.PLACE, code_at=now, note=note, updated_at=now)
        )
        if check_in.telegram_id != person:  # unbound by a teacher meanwhile, and bound anew
            moved = replace(check_in, telegram_id=person, step=Step.PLACE, code_at=now, updated_at=now)
            check_in = moved if await store.move_check_in(moved, {Step.PLACE, Step.REJECTED}) else check_in
        log.info("session %s: student %s, the code is right", session.id, student_id)
        return Told(_ANSWERS[check_in.step], session, check_in)

    async def place(self, person: int, evidence: policy.Evidence) -> Told:
        """Take a location for the check-in that waits for one."""
        store, now = self._room.store, self._room.clock.now()
        check_in = await store.latest_check_in(person)
        session = await store.session(check_in.session) if check_in is not None else None
        if check_in is None or session is None or session.cancelled:
            return Told(Answer.NOTHING)
        if check_in.step is not Step.PLACE:
            recent = now - check_in.code_at < timedelta(hours=1)
            return Told(_ANSWERS[check_in.step] if recent else Answer.NOTHING, session, check_in)
        if now > finish_by(session, check_in.code_at, timedelta(seconds=self._room.settings.checkin_grace_seconds)):
            noted(log, Code.SESSION_EXPIRED, f"session {session.id}: student {check_in.student_id} came too late")
            return Told(Answer.OVER, session, check_in)
        refusal = policy.refusal(evidence, now, self._room.settings.location_policy)
        if refusal is not None:
            log.info("session %s: student %s, location refused: %s", session.id, check_in.student_id, refusal.value)
            return Told(Answer.REFUSED, session, check_in, refusal)
        limit = self._room.settings.location_distance_limit_meters
        here = policy.Point(evidence.latitude, evidence.longitude, evidence.accuracy)
        there = policy.Point(session.place.latitude, session.place.longitude, session.place.accuracy)
        judged = policy.judge(here, there, limit)
        log.info(
            "session %s: student %s, %.0f m away (accuracy %s m): %s",
            session.id,
            check_in.student_id,
            judged.distance,
            evidence.accuracy,
            judged.zone.value,
        )
        step, note = Step.PLACE, check_in.note
        if judged.zone is policy.Zone.INSIDE:
            step = Step.REVIEW if check_in.note == policy.MANY_TRIES else Step.CONFIRM
        elif judged.zone is policy.Zone.NEAR:
            step, note = Step.REVIEW, check_in.note or policy.JUST_OUTSIDE
        else:
            note = note or policy.TOO_FAR
            noted(log, Code.OUT_OF_RANGE, f"session {session.id}: student {check_in.student_id}")
        if step is Step.CONFIRM:
            note = ""
        moved = replace(
            check_in, step=step, note=note, distance=judged.distance, accuracy=evidence.accuracy, updated_at=now
        )
        if not await store.move_check_in(moved, {Step.PLACE}):
            return await self.place(person, evidence)  # a second location was faster: its answer
        answer = Answer.OUTSIDE if step is Step.PLACE else _ANSWERS[step]
        return Told(answer, session, moved, is_new=step is not Step.PLACE)

    async def decide(self, session: Session, student_ids: Collection[str], *, accept: bool) -> list[CheckIn]:
        """Carry out the teacher's word on check-ins that wait for it; return those that it was for, as they are now."""
        store, now = self._room.store, self._room.clock.now()
        if session.cancelled:
            return []
        decided = []
        for check_in in await store.check_ins(session.id):
            if check_in.student_id not in student_ids or check_in.step not in (Step.CONFIRM, Step.REVIEW):
                continue
            if accept:
                await self._mark(session, check_in, now)
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

    async def _mark(self, session: Session, check_in: CheckIn, now: datetime) -> None:
        """Write the mark; before the check-in's step, so that a crash in between repeats and loses nothing."""
        proven = check_in.updated_at or check_in.code_at
        mark = Mark(check_in.student_id, status_at(session, proven), now)
        await self._room.store.mark(session.id, mark, overwrite=False)
        await self._on_mark(session, check_in.student_id, mark)

    async def mark_by_hand(self, session: Session, student_id: str, status: Status, reason: str, teacher: int) -> bool:
        """Write the teacher's own mark, which counts for more than any check-in; on record with the reason."""
        mark = Mark(student_id, status, self._room.clock.now(), by=teacher, reason=reason)
        changed = await self._room.store.mark(session.id, mark, overwrite=True)
        if changed:
            log.info("session %s: student %s, %s by hand of teacher %d", session.id, student_id, status.value, teacher)
            self._room.wake_sync(session.id)
            await self._on_mark(session, student_id, mark)
        return changed
