"""The clock of a check-in's questions, and check-ins that were not finished: each is ended and told once."""

import asyncio
import functools
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from classroom.check_in.answers import Answer, AnswerKind
from classroom.check_in.check_ins import CheckIns, deadline
from classroom.check_in.claims import UNBOUND
from classroom.check_in.face_steps import is_unbound
from classroom.domain.sessions import DELIVERED_WITHIN, CheckInStep, Session, end_of
from classroom.services import Classroom
from classroom.store import StoreError
from classroom.student.bot import ON_SCREEN, PRACTICE, STUDENT_ID
from classroom.student.corrections import Corrections
from classroom.student.face_traces import FaceTraces, question_slot
from classroom.student.texts import answer_text, over_text
from core.sqlite import DatabaseError
from telegram_app.outbox import NOTICE, Item

log = logging.getLogger(__name__)

CANCELLING = "cancelling:"  # prefix of the claims of sessions whose cancellation is not told to everybody yet


@dataclass(eq=False)
class Endings:
    """Starts the clock of each step, and ends what was left open. Every method can be repeated."""

    _classroom: Classroom
    _check_ins: CheckIns
    _traces: FaceTraces
    _corrections: Corrections

    def __post_init__(self) -> None:
        self._side = self._classroom.student

    async def asked(self, person: int, question: str, waited: float) -> None:
        """Start a step's clock: its question was delivered, or can't be. If this fails, DELIVERED_WITHIN limits it."""
        now = self._classroom.clock.now()
        step, *key = question.split(":", 2)
        try:
            if step == STUDENT_ID:
                await asyncio.to_thread(self._side.people.set_asked, person, step, now)
            else:
                await self._classroom.store.set_asked(key[0], key[1], CheckInStep(step), now, waited)
        except (StoreError, DatabaseError) as error:
            log.warning("person %d: the time of the question is not stored: %s", person, error)

    async def expire(self, session: Session) -> None:
        """End the check-ins whose time is over, of a cancelled session all open ones, and tell the students.

        One whose ID has rivals does not end: the teacher decides, and the student is told so.
        """
        store, now = self._classroom.store, self._classroom.clock.now()
        marked = {student_id for sheet in await store.sheets(session.id) for student_id in sheet.marks}
        await self._check_ins.expire(session, marked)
        grace = timedelta(seconds=self._classroom.settings.checkin_grace_seconds)
        for check_in in await store.check_ins(session.id):
            people = [each.telegram_id for each in check_in.rivals if session.cancelled]  # else the teacher decides
            is_open = check_in.step in (CheckInStep.PLACE, CheckInStep.FACE) and bool(check_in.rivals)
            is_late = is_open and now > deadline(session, check_in, grace)
            if (check_in.step is CheckInStep.EXPIRED or is_late) and check_in.student_id not in marked:
                await self._traces.delete_video(check_in)
                if check_in.note in UNBOUND or not await is_unbound(self._classroom, check_in):
                    people.append(check_in.telegram_id)
            for person in people:
                key = f"ended:{session.id}:{check_in.student_id}:{person}:{check_in.updated_at}"
                answer = Answer(AnswerKind.REVIEW if is_open else AnswerKind.OVER, session, check_in)
                text = answer_text(self._side.texts(person), answer, self._classroom.settings)
                items = [
                    Item(person, "send", text, ask="nothing", lane=NOTICE),
                    Item(person, "delete", slot=question_slot(check_in.session), lane=NOTICE),
                ]
                await self._side.outbox.put(*items, when=functools.partial(self._side.claims.claim, key, now))

    async def cancel(self, session: Session) -> None:
        """Tell those who checked in, or were marked, of the cancellation, unless their mark stays in the LMS."""
        store, now = self._classroom.store, self._classroom.clock.now()
        marked: dict[str, bool] = {}
        for sheet in await store.sheets(session.id):
            stays = sheet.in_lms and not await self._classroom.shares_record(sheet)
            marked |= {student_id: stays or marked.get(student_id, False) for student_id in sheet.marks}
        await self.expire(session)
        for student_id, is_kept in marked.items():
            binding = await store.binding_for(student_id)
            if binding is not None and not is_kept:
                person = binding.telegram_id
                text = over_text(self._side.texts(person), session)
                item = Item(person, "amend", text, slot=f"mark:{session.id}", lane=NOTICE)
                key = f"cancelled:{session.id}:{binding.student_id}:{person}"
                await self._side.outbox.put(item, when=functools.partial(self._side.claims.claim, key, now))
        await self._corrections.cancelled(session)
        await asyncio.to_thread(self._side.claims.take_back, f"{CANCELLING}{session.id}")

    async def look(self, now: datetime) -> None:
        """End what no session shows: a code without a student ID, practices, cancellations that a crash interrupted."""
        for session_id in await asyncio.to_thread(self._side.claims.keys, CANCELLING):
            session = await self._classroom.store.session(session_id)
            if session is not None and session.cancelled:
                await self.cancel(session)
        for person, step in (await asyncio.to_thread(self._side.people.steps, STUDENT_ID, PRACTICE)).items():
            _ = self._side.texts(person)
            ends, text = step.at + ON_SCREEN, _("The practice is over. Nothing was marked.")
            if step.name == STUDENT_ID:
                at, asked = datetime.fromisoformat(step.data["at"]), step.data.get("asked")
                ends = datetime.fromisoformat(asked) if asked else at + DELIVERED_WITHIN
                ends += timedelta(seconds=self._classroom.settings.checkin_grace_seconds)
                session = await self._classroom.store.session_by_code(step.data["code"], at)
                ends = ends if session is None else max(ends, end_of(session))
                text = over_text(_, None)
            if now > ends:
                item = Item(person, "send", text, ask="nothing", lane=NOTICE, quiet=step.name == PRACTICE)
                await self._side.outbox.put(item, when=functools.partial(self._side.people.end_step, person, step))
