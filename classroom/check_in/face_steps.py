"""The student's part of the face check: consent, challenge, video note (its result: face_results.py).

Persist first, notify second, as in check_ins.py. The stored step overrides everything that arrives late.
"""

import logging
import math
from dataclasses import replace
from datetime import datetime, timedelta

from classroom.check_in.answers import Answer, AnswerKind, too_late
from classroom.check_in.check_ins import RECENT, CheckIns, deadline
from classroom.domain import face_policy as policy
from classroom.domain.face_policy import Note, NoteRefusal
from classroom.domain.face_records import Consent
from classroom.domain.sessions import CheckIn, CheckInStep, FaceCheck, Session, asked_at, folded
from classroom.error_codes import Code, noted
from classroom.services import Classroom

log = logging.getLogger(__name__)


async def is_unbound(classroom: Classroom, check_in: CheckIn) -> bool:
    """Say whether a teacher has unbound the check-in's account from the student ID meanwhile."""
    binding = await classroom.store.binding_of(check_in.telegram_id)
    return binding is None or folded(binding.student_id) != folded(check_in.student_id)


def seconds_left(session: Session, check_in: CheckIn, now: datetime, grace: timedelta) -> int:
    """Return the seconds that are left for the current challenge; 0: it has expired, or there is none."""
    if check_in.face is None or check_in.face.given_at is None:
        return 0
    ends = min(asked_at(check_in) + policy.CHALLENGE_LASTS, deadline(session, check_in, grace))
    return max(0, math.ceil(min(ends - now, policy.CHALLENGE_LASTS).total_seconds()))


class FaceSteps:
    """The steps between place and mark. Every method may raise StoreUnavailable: nothing is lost, it can be repeated.

    A tap comes with the session of its button; a button of an earlier check-in is answered with NOTHING.
    """

    def __init__(self, classroom: Classroom, check_ins: CheckIns) -> None:
        self._classroom = classroom
        self._check_ins = check_ins

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._classroom.settings.checkin_grace_seconds)

    async def agree(self, person: int, session_id: str, *, with_class: bool = False) -> Answer:
        """Store the consent, and give a challenge; ``with_class``: also to the comparison with the class."""
        found = await self._waiting(person, session_id)
        if isinstance(found, Answer):
            return found
        session, check_in, face = found
        if face.given_at is not None:
            return Answer(AnswerKind.CHALLENGE, session, check_in)
        await self._consent(person, given=True, with_class=with_class)
        return await self._challenge(session, check_in, face)

    async def decline(self, person: int, session_id: str) -> Answer:
        """Leave the check-in to the teacher: no consent, no camera, or motions that this person can't make."""
        found = await self._waiting(person, session_id)
        if isinstance(found, Answer):
            return found
        session, check_in, face = found
        if face.given_at is None:
            await self._consent(person, given=False)
        return await self._leave_to_teacher(session, check_in)

    async def another_challenge(self, person: int, session_id: str) -> Answer:
        """Give a new challenge after the last one has expired; after too many the check-in goes to the teacher."""
        found = await self._waiting(person, session_id)
        if isinstance(found, Answer):
            return found
        session, check_in, face = found
        if face.given_at is None:
            return Answer(AnswerKind.CONSENT, session, check_in)
        if self._classroom.clock.now() <= asked_at(check_in) + policy.CHALLENGE_LASTS:
            return Answer(AnswerKind.CHALLENGE, session, check_in)
        if face.challenges >= policy.CHALLENGES + face.failed:
            return await self._leave_to_teacher(session, check_in)
        return await self._challenge(session, check_in, face)

    async def note(self, person: int, note: Note, message: int) -> Answer:
        """Handle a message that may answer the challenge. ``is_new``: this message has entered the queue."""
        store, now = self._classroom.store, self._classroom.clock.now()
        check_in = await store.latest_check_in(person)
        session = await store.session(check_in.session) if check_in is not None else None
        if check_in is None or session is None:
            return Answer(AnswerKind.NOTHING)
        face = check_in.face
        if face is not None and face.message == message:  # Telegram delivered it twice, as after a crash
            is_queued = check_in.step is CheckInStep.CHECKING
            return Answer(AnswerKind.CHECKING, session, check_in, is_new=is_queued, is_known=True)
        found = await self._waiting(person, session.id, note.at)  # the time of sending counts
        if isinstance(found, Answer):
            return found
        session, check_in, face = found
        if face.given_at is None:
            return Answer(AnswerKind.CONSENT, session, check_in)
        refusal = policy.note_refusal(note, face.given_at, asked_at(check_in))
        owner = f"{session.id}:{check_in.student_id}:{person}:{face.challenges}"
        if refusal is None and note.at > deadline(session, check_in, self._grace):
            return self._too_late(session, check_in)
        if refusal is None and not await store.claim_note(note.unique, owner, now):
            refusal = NoteRefusal.REPEATED
        if refusal is not None:
            log.info("session %s: student %s, note refused: %s", session.id, check_in.student_id, refusal.value)
            return Answer(AnswerKind.REFUSED, session, check_in, note_refusal=refusal)
        sent = replace(face, file=note.file, message=message, sent_at=note.at)
        moved = replace(check_in, step=CheckInStep.CHECKING, face=sent)
        if not await store.move_check_in(moved, {CheckInStep.FACE}, check_in):
            return await self.note(person, note, message)  # changed meanwhile: look again
        log.info("session %s: student %s, the note is in the queue", session.id, check_in.student_id)
        return Answer(AnswerKind.CHECKING, session, moved, is_new=True)

    async def _waiting(
        self, person: int, session_id: str, at: datetime | None = None
    ) -> Answer | tuple[Session, CheckIn, FaceCheck]:
        """Return the check-in that waited for this person's face at a moment (default: now); otherwise the answer."""
        store, now = self._classroom.store, self._classroom.clock.now()
        at = at or now
        check_in = await store.latest_check_in(person)
        session = await store.session(session_id)
        if check_in is None or check_in.session != session_id or session is None:
            return Answer(AnswerKind.NOTHING)
        if await is_unbound(self._classroom, check_in):
            return Answer(AnswerKind.NOTHING)
        if await self._check_ins.mark_of(check_in) is not None:  # by hand meanwhile
            return await self._check_ins.current_answer(session, replace(check_in, step=CheckInStep.DONE), now)
        if session.cancelled or check_in.step is not CheckInStep.FACE or check_in.face is None:
            return await self._check_ins.current_answer(session, check_in, now)
        running = check_in.face.given_at is not None and at <= asked_at(check_in) + policy.CHALLENGE_LASTS
        if not running and at > deadline(session, check_in, self._grace):
            return self._too_late(session, check_in)
        return session, check_in, check_in.face

    def _too_late(self, session: Session, check_in: CheckIn) -> Answer:
        noted(log, Code.SESSION_EXPIRED, f"session {session.id}: student {check_in.student_id}, face check too late")
        return too_late(session, check_in, recent=self._classroom.clock.now() - check_in.code_at < RECENT)

    async def _consent(self, person: int, *, given: bool, with_class: bool = False) -> None:
        with_class = with_class and self._classroom.settings.face_compare_class
        wording, now = self._classroom.consent_wording, self._classroom.clock.now()
        await self._classroom.store.set_consent(Consent(person, given, now, wording, with_class))
        what = ("agrees to" if given else "declines"), (", also with the class" if with_class else "")
        log.info("person %d: %s the face check%s", person, *what)

    async def _challenge(self, session: Session, check_in: CheckIn, face: FaceCheck) -> Answer:
        given = policy.with_challenge(face, self._classroom.below, self._classroom.clock.now())
        moved = replace(check_in, face=given, asked_at=None)
        if not await self._classroom.store.move_check_in(moved, {CheckInStep.FACE}):
            return await self._current(session, check_in)
        return Answer(AnswerKind.CHALLENGE, session, moved, is_new=True)

    async def _leave_to_teacher(self, session: Session, check_in: CheckIn) -> Answer:
        moved = replace(check_in, step=CheckInStep.CONFIRM, note=policy.NO_FACE)
        if not await self._classroom.store.move_check_in(moved, {CheckInStep.FACE}):
            return await self._current(session, check_in)
        log.info("session %s: student %s, no face check: the teacher confirms", session.id, check_in.student_id)
        return Answer(AnswerKind.WAITING, session, moved, is_new=True)

    async def _current(self, session: Session, check_in: CheckIn) -> Answer:
        found = await self._classroom.store.check_in(session.id, check_in.student_id) or check_in
        return await self._check_ins.current_answer(session, found, self._classroom.clock.now())
