"""The face's part of a check-in: consent, challenge, video note, and what its examination decides.

Truth before talk, as in ``checkin``: the store has each step before anybody hears of it. A hand mark of the teacher's
wins over every examination, and the step in the store over everything that comes late.
"""

import logging
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from classroom.check_in.check_ins import RECENT, Answer, CheckIns, Told
from classroom.domain import face_policy as policy
from classroom.domain.face_policy import Examined, Note, NoteRefusal, Verdict
from classroom.domain.sessions import CheckIn, Consent, FaceCheck, Session, Step, finish_by
from classroom.domain.video_notes import Unusable
from classroom.error_codes import Code, noted
from classroom.services import Classroom

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decided:
    """What an examination has come to: the check-in as it is now."""

    session: Session
    check_in: CheckIn


def may_go_on(session: Session, check_in: CheckIn, at: datetime, grace: timedelta) -> bool:
    """Say whether the face's part may still be gone on with: in the check-in's time, or that of a second try."""
    return at <= _until(session, check_in, grace)


def seconds_left(session: Session, check_in: CheckIn, now: datetime, grace: timedelta) -> int:
    """Return for how many seconds the challenge that was given may still be answered; 0: it has run out."""
    if check_in.face is None or check_in.face.given_at is None:
        return 0
    until = min(check_in.face.given_at + policy.CHALLENGE_LASTS, _until(session, check_in, grace))
    return max(0, math.ceil((until - now).total_seconds()))


def _until(session: Session, check_in: CheckIn, grace: timedelta) -> datetime:
    face = check_in.face
    until = finish_by(session, check_in.code_at, grace)
    if face is not None and face.failed and face.given_at is not None:
        until = max(until, face.given_at + 2 * policy.CHALLENGE_LASTS)  # itself, and one more that is asked for
    return until


class FaceSteps:
    """The steps between place and mark. Every method may raise StoreUnavailable: nothing is lost, it can be repeated.

    A person's own methods name the session whose button was tapped; one of a check-in before is answered with NOTHING.
    """

    def __init__(self, room: Classroom, check_ins: CheckIns) -> None:
        """Take what the bots work with, and the check-ins."""
        self._room = room
        self._check_ins = check_ins

    @property
    def _grace(self) -> timedelta:
        return timedelta(seconds=self._room.settings.checkin_grace_seconds)

    # what the student does

    async def agree(self, person: int, session_id: str) -> Told:
        """Take a person's consent, and give the challenge; once more is harmless."""
        found = await self._waiting(person, session_id)
        if isinstance(found, Told):
            return found
        session, check_in, face = found
        if face.given_at is not None:
            return Told(Answer.CHALLENGE, session, check_in)
        await self._consent(person, given=True)
        return await self._challenge(session, check_in, face)

    async def decline(self, person: int, session_id: str) -> Told:
        """Leave it to the teacher: no consent, no camera, or motions that this person can't make."""
        found = await self._waiting(person, session_id)
        if isinstance(found, Told):
            return found
        session, check_in, face = found
        if face.given_at is None:
            await self._consent(person, given=False)
        return await self._without(session, check_in)

    async def another_challenge(self, person: int, session_id: str) -> Told:
        """Give a new challenge where the one before has run out; who let too many run out goes to the teacher."""
        found = await self._waiting(person, session_id)
        if isinstance(found, Told):
            return found
        session, check_in, face = found
        if face.given_at is None:
            return Told(Answer.CONSENT, session, check_in)
        if self._room.clock.now() <= face.given_at + policy.CHALLENGE_LASTS:
            return Told(Answer.CHALLENGE, session, check_in)
        if face.challenges >= policy.CHALLENGES + face.failed:
            return await self._without(session, check_in)
        return await self._challenge(session, check_in, face)

    async def note(self, person: int, note: Note, message: int) -> Told:
        """Take a message that may answer the challenge. ``is_new``: it is in the queue by this very message."""
        store, now = self._room.store, self._room.clock.now()
        check_in = await store.latest_check_in(person)
        session = await store.session(check_in.session) if check_in is not None else None
        if check_in is None or session is None or session.cancelled:
            return Told(Answer.NOTHING)
        face = check_in.face
        if face is not None and face.message == message:  # Telegram gave it twice, as after a crash
            return Told(Answer.CHECKING, session, check_in, is_new=check_in.step is Step.CHECKING, is_known=True)
        found = await self._waiting(person, session.id, note.at)  # in time is in time, whenever we look
        if isinstance(found, Told):
            return found
        session, check_in, face = found
        if face.given_at is None:
            return Told(Answer.CONSENT, session, check_in)
        refusal = policy.note_refusal(note, face.given_at)
        owner = f"{session.id}:{check_in.student_id}:{person}:{face.challenges}"
        if refusal is None and not may_go_on(session, check_in, note.at, self._grace):
            return self._over(session, check_in)
        if refusal is None and not await store.claim_note(note.unique, owner, now):
            refusal = NoteRefusal.REPEATED
        if refusal is not None:
            log.info("session %s: student %s, note refused: %s", session.id, check_in.student_id, refusal.value)
            return Told(Answer.REFUSED, session, check_in, note_refusal=refusal)
        taken = replace(face, file=note.file, message=message, sent_at=note.at)
        moved = replace(check_in, step=Step.CHECKING, face=taken)
        if not await store.move_check_in(moved, {Step.FACE}):
            return await self.note(person, note, message)  # somebody was faster: what it is now
        log.info("session %s: student %s, the note is in the queue", session.id, check_in.student_id)
        return Told(Answer.CHECKING, session, moved, is_new=True)

    async def _waiting(
        self, person: int, session_id: str, at: datetime | None = None
    ) -> Told | tuple[Session, CheckIn, FaceCheck]:
        """Return what waited for this person's face in this session at a moment (now); else what is said."""
        store, now = self._room.store, self._room.clock.now()
        at = at or now
        check_in = await store.latest_check_in(person)
        session = await store.session(session_id)
        if check_in is None or check_in.session != session_id or session is None or session.cancelled:
            return Told(Answer.NOTHING)
        if await self._is_set_free(check_in):
            return Told(Answer.NOTHING)
        sheet = await store.sheet_of(session.id, check_in.student_id)
        if sheet is not None and check_in.student_id in sheet.marks:  # by the teacher's hand meanwhile
            return await self._check_ins.where(session, replace(check_in, step=Step.DONE), now)
        if check_in.step is not Step.FACE or check_in.face is None:
            return await self._check_ins.where(session, check_in, now)
        running = check_in.face.given_at is not None and at <= check_in.face.given_at + policy.CHALLENGE_LASTS
        if not running and not may_go_on(session, check_in, at, self._grace):
            return self._over(session, check_in)
        return session, check_in, check_in.face

    async def _is_set_free(self, check_in: CheckIn) -> bool:
        """Say whether a teacher has undone meanwhile that this account is the student's."""
        binding = await self._room.store.binding_of(check_in.telegram_id)
        return binding is None or binding.student_id != check_in.student_id

    def _over(self, session: Session, check_in: CheckIn) -> Told:
        noted(log, Code.SESSION_EXPIRED, f"session {session.id}: student {check_in.student_id}, the face came too late")
        recent = self._room.clock.now() - check_in.code_at < RECENT
        return Told(Answer.OVER if recent else Answer.NOTHING, session, check_in)

    async def _consent(self, person: int, *, given: bool) -> None:
        wording = policy.wording(self._room.settings.face_engine)
        await self._room.store.set_consent(Consent(person, given, self._room.clock.now(), wording))
        log.info("person %d: %s the use of the face", person, "agrees to" if given else "declines")

    async def _challenge(self, session: Session, check_in: CheckIn, face: FaceCheck) -> Told:
        """Give a challenge; the time runs from now."""
        motions = policy.new_challenge(self._room.below)
        given = replace(face, motions=motions, given_at=self._room.clock.now(), challenges=face.challenges + 1)
        moved = replace(check_in, face=given)
        if not await self._room.store.move_check_in(moved, {Step.FACE}):
            return await self._now(session, check_in)
        return Told(Answer.CHALLENGE, session, moved, is_new=True)

    async def _without(self, session: Session, check_in: CheckIn) -> Told:
        """Leave a check-in to the teacher, without a face."""
        moved = replace(check_in, step=Step.CONFIRM, note=policy.NO_FACE)
        if not await self._room.store.move_check_in(moved, {Step.FACE}):
            return await self._now(session, check_in)
        log.info("session %s: student %s, without a face: the teacher confirms", session.id, check_in.student_id)
        return Told(Answer.WAITING, session, moved, is_new=True)

    async def _now(self, session: Session, check_in: CheckIn) -> Told:
        found = await self._room.store.check_in(session.id, check_in.student_id) or check_in
        return await self._check_ins.where(session, found, self._room.clock.now())

    # what its examination decides

    async def decided(self, check_in: CheckIn, examined: Examined, verdict: Verdict) -> Decided | None:
        """Carry out what a note's examination has come to; None where the check-in has gone on without it."""
        found = await self._checking(check_in)
        if found is None:
            return None
        session, check_in, face = found
        self._note_in_log(check_in, examined, verdict)
        if await self._is_settled(session, check_in):
            return None
        sent_at = face.sent_at or check_in.code_at
        match verdict:
            case Verdict.MATCH:
                await self._check_ins.mark(session, check_in, sent_at)
                self._room.wake_sync(session.id)
                moved = replace(check_in, step=Step.DONE, updated_at=sent_at)
            case Verdict.GREY:
                moved = replace(check_in, step=Step.REVIEW, note=policy.FACE, updated_at=sent_at)
            case Verdict.RETRY:
                motions, now = policy.new_challenge(self._room.below), self._room.clock.now()
                count = {"challenges": face.challenges + 1, "failed": face.failed + 1}
                # the message stays in it: it is deleted, also where this process ends right now
                again = replace(face, motions=motions, given_at=now, file="", sent_at=None, **count)
                moved = replace(check_in, step=Step.FACE, face=again)
            case Verdict.FAILED:
                failed = replace(face, failed=face.failed + 1)
                moved = replace(check_in, step=Step.REJECTED, note=policy.FACE, face=failed)
        if not await self._room.store.move_check_in(moved, {Step.CHECKING}):
            return None
        return Decided(session, moved)

    async def unusable(self, check_in: CheckIn, why: Unusable | NoteRefusal) -> Decided | None:
        """Carry out that a note can't be judged, which is no try: a new challenge where that helps, else the teacher.

        None where the check-in has gone on without it.
        """
        found = await self._checking(check_in)
        if found is None:
            return None
        session, check_in, face = found
        code = Code.NO_PHOTO if why in (Unusable.NO_PHOTO, Unusable.PHOTO) else Code.PROCESSING
        noted(log, code, f"session {session.id}: student {check_in.student_id}, the note is not judged: {why.value}")
        if await self._is_settled(session, check_in):
            return None
        now = self._room.clock.now()
        anew = why is Unusable.NOTE or isinstance(why, NoteRefusal)
        if why is Unusable.NO_CONSENT and may_go_on(session, check_in, now, self._grace):
            asked = FaceCheck(challenges=face.challenges, failed=face.failed, message=face.message)
            moved = replace(check_in, step=Step.FACE, face=asked)
        elif (
            anew
            and face.challenges < policy.CHALLENGES + face.failed
            and may_go_on(session, check_in, now, self._grace)
        ):
            given = {"motions": policy.new_challenge(self._room.below), "given_at": now, "file": "", "sent_at": None}
            again = replace(face, challenges=face.challenges + 1, **given)  # type: ignore[arg-type]  # of several types
            moved = replace(check_in, step=Step.FACE, face=again)
        else:
            notes = {
                Unusable.NO_PHOTO: policy.NO_PHOTO,
                Unusable.PHOTO: policy.NO_PHOTO,
                Unusable.NO_CONSENT: policy.NO_FACE,
            }
            note = policy.NO_FACE if isinstance(why, NoteRefusal) else notes.get(why, policy.TECHNICAL)
            moved = replace(check_in, step=Step.CONFIRM, note=note, updated_at=face.sent_at)
        if not await self._room.store.move_check_in(moved, {Step.CHECKING}):
            return None
        return Decided(session, moved)

    async def _checking(self, check_in: CheckIn) -> tuple[Session, CheckIn, FaceCheck] | None:
        """Return a check-in as it is now, where this very note is still being looked at."""
        store = self._room.store
        now = await store.check_in(check_in.session, check_in.student_id)
        session = await store.session(check_in.session)
        if session is None or now is None or now.step is not Step.CHECKING or now.face is None:
            return None
        if check_in.face is None or now.face.message != check_in.face.message:
            return None
        return session, now, now.face

    async def _is_settled(self, session: Session, check_in: CheckIn) -> bool:
        """Say whether the class went on without the examination: cancelled, marked by hand, the ID set free."""
        sheet = await self._room.store.sheet_of(session.id, check_in.student_id)
        if sheet is not None and check_in.student_id in sheet.marks:
            await self._check_ins.tell_again(session, sheet.marks[check_in.student_id])
            await self._room.store.move_check_in(replace(check_in, step=Step.DONE), {Step.CHECKING})
            return True
        if session.cancelled:
            await self._room.store.move_check_in(replace(check_in, step=Step.REJECTED), {Step.CHECKING})
            return True
        if await self._is_set_free(check_in):  # in another session: who has the ID next begins anew
            anew = replace(check_in, step=Step.PLACE, note="", distance=None, face=None)
            await self._room.store.move_check_in(anew, {Step.CHECKING})
            return True
        return False

    def _note_in_log(self, check_in: CheckIn, examined: Examined, verdict: Verdict) -> None:
        """Write down the figures: distance and percentage have no common scale, so both are there."""
        shown = [
            f"{name} {value:.3g}"
            for name, value in (("distance", examined.distance), ("percent", examined.percent))
            if value is not None
        ]
        shown += [examined.problem.value] if examined.problem is not None else []
        text = f"session {check_in.session}: student {check_in.student_id}, {verdict.value}: {', '.join(shown)}"
        if verdict in (Verdict.MATCH, Verdict.GREY):
            log.info("%s", text)
        else:
            noted(log, Code.NO_FACE if examined.problem is not None else Code.NO_MATCH, text)


__all__ = ["Decided", "FaceSteps", "may_go_on", "seconds_left"]
