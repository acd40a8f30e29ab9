"""Corrections of marks: a student asks with a reason, the lesson's teacher decides, the student is told.

Every step is stored before it is told, and ``catch_up`` tells what a crash left untold; each notice is sent once.
"""

import asyncio
import functools
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler

from classroom.check_in.check_ins import CheckIns
from classroom.domain.sessions import Mark, Session, Status, mark_of
from classroom.overview import day_of, lesson_name, read_overview, subject_of, title
from classroom.services import Classroom
from classroom.store import Correction
from classroom.student.texts import over_text, status_word
from telegram_app.lines import bold, short
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.side import SCREEN, Context, below, sender, tapped, tapped_data

log = logging.getLogger(__name__)

CORRECTION = "correction"  # the conversation step in which the reason is typed
IN_A_DAY = 3  # requests of one account
LESSONS_SHOWN, LONGEST_REASON = 10, 180
DAY, WEEK, EVER = timedelta(days=1), timedelta(days=7), datetime.min.replace(tzinfo=UTC)


class Corrections:
    """The student's screens, the message to the teacher, and the teacher's decision."""

    def __init__(self, classroom: Classroom, check_ins: CheckIns) -> None:
        self._classroom = classroom
        self._student, self._teacher = classroom.student, classroom.teacher
        self._check_ins = check_ins

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [CallbackQueryHandler(self._choose, r"^fix$"), CallbackQueryHandler(self._chosen, r"^fix:[0-9a-f]{12}$")]

    async def _lessons(self, person: int) -> list[tuple[Session, Mark | None]]:
        """Return the lessons of which a person is not marked present, newest first, as long as history is kept."""
        binding = await self._classroom.store.binding_of(person)
        since = self._classroom.clock.now() - timedelta(days=self._classroom.settings.retention_days)
        lessons = await self._classroom.store.attended(binding.student_id, limit=200) if binding is not None else []
        return [
            (session, mark)
            for session, mark in lessons
            if session.opened_at >= since and (mark is None or mark.status is not Status.PRESENT)
        ]

    async def _choose(self, update: Update, context: Context) -> None:
        await tapped(update)
        person = sender(update)
        _, lessons = self._student.texts(person), (await self._lessons(person))[:LESSONS_SHOWN]
        text = _("Which lesson? Your teacher gets your reason and decides.") if lessons else _("Nothing to correct.")
        keyboard = [[Button(f"{day_of(each)} {lesson_name(each, 24)}", f"fix:{each.id}")] for each, _mark in lessons]
        await self._show(person, text, keyboard)

    async def _chosen(self, update: Update, context: Context) -> None:
        await tapped(update)
        person, session_id = sender(update), tapped_data(update).removeprefix("fix:")
        text = await self._refusal(person, session_id)
        if not text:
            _ = self._student.texts(person)
            await self._classroom.set_step(self._student, person, CORRECTION, {"session": session_id})
            text = _("Why should you be marked present? Send the reason in one message, for your teacher.")
        await self._show(person, text, [])

    async def _show(self, person: int, text: str, keyboard: Keyboard) -> None:
        back = [Button(self._student.texts(person)("Back"), "me")]
        await self._student.outbox.put(Item(person, "edit", text, [*keyboard, back], slot=SCREEN))

    async def _refusal(self, person: int, session_id: str) -> str:
        """Return why a person can't ask for this lesson's correction; empty: they can."""
        _, now = self._student.texts(person), self._classroom.clock.now()
        asked = await self._classroom.store.corrections(EVER, person)
        if found := [each for each in asked if each.session == session_id]:
            if found[0].accepted is None:
                return _("You have asked for this lesson already: your teacher has not decided yet.")
            return _("Your teacher has decided on this lesson already. Speak to your teacher.")
        if session_id not in {session.id for session, _mark in await self._lessons(person)}:
            return _("Nothing to correct.")
        if sum(now - each.asked_at < DAY for each in asked) >= IN_A_DAY:
            return _("You have asked often enough today. Ask again tomorrow.")
        return ""

    async def typed(self, person: int, text: str, session_id: str) -> None:
        """Handle the reason: store the request and pass it on to the teacher."""
        store, _ = self._classroom.store, self._student.texts(person)
        await self._classroom.set_step(self._student, person, "")
        answer, binding = await self._refusal(person, session_id), await store.binding_of(person)
        session = await store.session(session_id)
        if not answer and binding is not None and session is not None:
            reason = " ".join(text.split())[:LONGEST_REASON]
            asked = Correction(session_id, binding.student_id, person, reason, self._classroom.clock.now())
            answer = _("Another account has asked for this lesson already. Speak to your teacher.")
            if await store.save_correction(asked):
                log.info("session %s: student %s asks for a correction", session_id, binding.student_id)
                answer = _("Your teacher has your request. I'll message you here when it is decided.")
                await self._tell(session, asked)
        await self._student.outbox.put(*below(person, answer, [[Button(_("Back"), "me")]]))

    async def decide(self, session: Session, person: int, *, accept: bool) -> None:
        """Apply the teacher's decision on an account's request, if it is still open, and show both how it ended."""
        store, _ = self._classroom.store, self._teacher.texts(session.teacher)
        found = next((each for each in await store.corrections(EVER, person) if each.session == session.id), None)
        if found is not None and found.accepted is None:
            student_id, now = found.student_id, self._classroom.clock.now()
            mark = mark_of(await store.sheets_of(session.id, student_id), student_id)
            if accept and (mark is None or mark.status is not Status.PRESENT):  # first: never a decision without it
                reason = _("correction asked for: {reason}").format(reason=found.reason)
                await self._check_ins.mark_by_hand(session, student_id, Status.PRESENT, reason, session.teacher)
            found = replace(found, accepted=accept, decided_at=now, by_teacher=session.teacher)
            await store.save_correction(found)
            log.info("session %s: student %s, correction: %s", session.id, student_id, "yes" if accept else "no")
        text = _("The student has withdrawn the request.")
        if found is not None:
            how = _("You have marked the student present.") if found.accepted else _("You have left it as it is.")
            how = _("Cancelled: nothing is recorded.") if session.cancelled else how
            text = f"{await self._request_text(session, found)}\n{bold(how)}"
            await self._tell(session, found)
        item = Item(session.teacher, "amend", text, [], f"correction:{session.id}:{person}", NOTICE)
        if found is None:  # with the student's data the slot was deleted, whose name has the account
            item = Item(session.teacher, "send", text, lane=NOTICE)
        await self._teacher.outbox.put(item)

    async def cancelled(self, session: Session) -> None:
        """End the open requests of a session that was opened again and cancelled."""
        for each in await self._classroom.store.corrections(EVER):
            if each.session == session.id and each.accepted is None:
                await self.decide(session, each.telegram_id, accept=False)

    async def catch_up(self, now: datetime) -> None:
        """Tell of the requests and decisions of the last week that are not told yet."""
        for each in await self._classroom.store.corrections(now - WEEK):
            session = await self._classroom.store.session(each.session)
            if session is not None:
                await self._tell(session, each)

    async def _request_text(self, session: Session, asked: Correction) -> str:
        _, overview = self._teacher.texts(session.teacher), await read_overview(self._classroom, session)
        name = f"<b>{short(overview.name(asked.student_id), 200)}</b> {short(asked.student_id, 64)}"
        status = _("Status: {status}").format(status=status_word(_, overview.status(asked.student_id)))
        lesson, reason = f"{title(session)}, {day_of(session)}", f"\u201c{short(asked.reason, 300)}\u201d"
        return "\n".join([bold(_("A student asks to be marked present")), lesson, name, status, reason])

    async def _tell(self, session: Session, asked: Correction) -> None:
        """Tell the teacher of a request, or the student how it ended: by the notice of the mark, or of no change."""
        is_open = asked.accepted is None
        side, person = (self._teacher, session.teacher) if is_open else (self._student, asked.telegram_id)
        key = f"{session.id}:{asked.telegram_id}"
        claim = f"correction:{key}:{asked.asked_at.isoformat()}:{person}"
        if await asyncio.to_thread(side.claims.at, claim) is not None:
            return
        _, items = side.texts(person), []
        if is_open:
            buttons = [Button(_("Mark Present"), f"fix:{key}"), Button(_("Leave as It Is"), f"leave:{key}")]
            text = await self._request_text(session, asked)
            items = [Item(person, "send", text, [buttons], f"correction:{key}", NOTICE)]
        elif asked.accepted:
            mark = mark_of(await self._classroom.store.sheets_of(session.id, asked.student_id), asked.student_id)
            if mark is not None:
                await self._check_ins.notify_again(session, mark)
        else:
            text = _("Your teacher has decided on your request: it is left as it is. Speak to your teacher.")
            text = over_text(_, session) if session.cancelled else text
            text = f"{bold(subject_of(session))}, {day_of(session)}\n{text}"
            items = [Item(person, "send", text, lane=NOTICE)]
        await side.outbox.put(*items, when=functools.partial(side.claims.claim, claim, self._classroom.clock.now()))
