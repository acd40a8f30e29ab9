"""Messages that students get without asking: marked, recorded, rejected. Each is sent once."""

import asyncio
import functools
import logging

from classroom.check_in.by_hand import SETTLING
from classroom.check_in.check_ins import CheckIns
from classroom.domain.sessions import (
    UNDECIDED,
    CheckIn,
    CheckInStep,
    LmsRecord,
    Mark,
    Session,
    Sheet,
    Status,
    folded,
    mark_of,
)
from classroom.overview import day_of, subject_of
from classroom.services import Classroom, place_slot
from classroom.student.face_check import FaceDialog
from classroom.student.face_traces import FaceTraces, question_slot
from classroom.student.texts import status_word, undecided_text
from telegram_app.lines import bold, short
from telegram_app.outbox import LATER, NOTICE, Item

log = logging.getLogger(__name__)

UNLINKING = "unlinking:"  # prefix of the claims of student IDs whose unlinking is not finished


class StudentNotices:
    """Queues notices, each with a claim that prevents duplicates. ``faces`` is None where no faces are checked."""

    def __init__(
        self, classroom: Classroom, check_ins: CheckIns, traces: FaceTraces, faces: FaceDialog | None = None
    ) -> None:
        self._classroom = classroom
        self._side = classroom.student
        self._check_ins = check_ins
        self._traces = traces
        self._faces = faces

    async def tell_mark(self, session: Session, student_id: str, mark: Mark) -> None:
        """Tell a student about a mark in our record, once per mark."""
        binding = await self._classroom.store.binding_for(student_id)
        if binding is None:
            return
        person, now = binding.telegram_id, self._classroom.clock.now()
        by, at = (mark.by, mark.at.isoformat()) if mark.is_by_hand else (0, "")
        key = f"mark:{session.id}:{binding.student_id}:{mark.status.value}:{by}:{at}"
        items = [
            Item(person, "send", self._marked(person, session, mark), slot=f"mark:{session.id}", lane=NOTICE),
            Item(person, "delete", slot=place_slot(session.id), lane=LATER),  # and its keyboard
        ]
        check_in = await self._classroom.store.check_in(session.id, student_id)
        if check_in is not None and check_in.step is CheckInStep.FACE:  # by hand meanwhile
            items.append(Item(person, "delete", slot=question_slot(check_in.session), lane=LATER))
        if await self._side.outbox.put(*items, when=lambda: self._side.claims.claim(key, now)):
            log.info("session %s: student %s: notice of the mark queued", session.id, student_id)

    async def tell_recorded(self, session: Session, sheet: Sheet) -> None:
        """Edit the message of each marked student of a sheet who is recorded in every sheet: what is known of that."""
        is_settling = await self._is_settling(session)
        others = [each for each in await self._classroom.store.sheets(session.id) if each.batch != sheet.batch]
        recorded = [{folded(each): self._recorded(one, each) for each in one.marks} for one in (sheet, *others)]
        for student_id, mark in sheet.marks.items():
            known = {each[folded(student_id)] for each in recorded if folded(student_id) in each}
            if "" in known or (is_settling and mark.is_by_hand):
                continue
            binding = await self._classroom.store.binding_for(student_id)
            if binding is None:
                continue
            person, now = binding.telegram_id, self._classroom.clock.now()
            _ = self._side.texts(person)
            texts = {"file": _("Recorded."), "sent": _("Sent to the LMS."), "read": _("The LMS has it.")}
            text = self._marked(person, session, mark) + "\n" + texts["sent" if len(known) > 1 else known.pop()]
            at = mark.at.isoformat() if mark.is_by_hand else ""
            key = f"lms:{session.id}:{binding.student_id}:{mark.status.value}:{at}"
            item = Item(person, "amend", text, slot=f"mark:{session.id}", lane=LATER)
            await self._side.outbox.put(item, when=functools.partial(self._side.claims.claim, key, now))

    async def _is_settling(self, session: Session) -> bool:
        """Whether the teacher may still be changing marks by hand: they are told once they are settled."""
        return await asyncio.to_thread(self._side.claims.at, f"{SETTLING}{session.id}") is not None

    def _recorded(self, sheet: Sheet, student_id: str) -> str:
        """Return how far a student's mark has come: "file" (no LMS), "sent", "read" (back from the LMS), or ""."""
        is_elsewhere = sheet.lms_record is LmsRecord.SHARED and not sheet.status_of(student_id).counts
        if sheet.acked_version < sheet.version or student_id in sheet.differing or is_elsewhere:
            return ""  # elsewhere: another lesson may decide on what the LMS has
        if not self._classroom.has_lms:
            return "file"
        return "" if sheet.compared is None else "read" if sheet.compared.possible else "sent"

    def _marked(self, person: int, session: Session, mark: Mark) -> str:
        _ = self._side.texts(person)
        at = (mark.came_at or mark.at).astimezone(self._classroom.settings.zone)
        is_same_day = at.date().isoformat() == session.date
        lines = [f"{subject_of(session)}, {f'{at:%H:%M}' if is_same_day else day_of(session)}"]
        status = status_word(_, mark.status)
        if not mark.is_by_hand:
            title = _("Attendance marked")
            lines += [] if mark.status is Status.PRESENT else [_("Status: {status}").format(status=status)]
        else:
            title = _("Your teacher has marked you: {status}").format(status=status)
            plain = self._classroom.teacher.texts(mark.by)("by hand")  # which the title says already
            lines += [short(mark.reason, 300)] if mark.reason not in ("", plain) else []
        return "\n".join([f"<b>{title}</b>", *lines])

    async def tell_rejected(self, session: Session, check_in: CheckIn) -> None:
        """Tell an account that its check-in was not accepted; the ID's own one only if the student has no mark."""
        student_id, person = check_in.student_id, check_in.telegram_id
        _, bound = self._side.texts(person), await self._classroom.store.binding_for(student_id)
        sheets = await self._classroom.store.sheets_of(session.id, student_id)
        if mark_of(sheets, student_id) is not None and bound is not None and bound.telegram_id == person:
            return
        text = _("Your teacher did not accept the check-in for {subject}. Speak to your teacher.")
        if check_in.note == UNDECIDED:
            text = undecided_text(_)
        item = Item(person, "send", text.format(subject=subject_of(session)), ask="nothing", lane=NOTICE)
        key, now = f"rejected:{session.id}:{student_id}:{person}", self._classroom.clock.now()
        if await self._side.outbox.put(item, when=lambda: self._side.claims.claim(key, now)):
            log.info("session %s: student %s: notice of the rejection queued", session.id, student_id)

    async def unlink(self, session: Session, student_id: str) -> None:
        """Unlink a student ID from its account; whose check-in ends by that is told, also after a crash."""
        undone, people = await self._classroom.store.check_in(session.id, student_id), []
        if undone is not None and undone.step not in (CheckInStep.DONE, CheckInStep.EXPIRED, CheckInStep.REJECTED):
            people.append(undone.telegram_id)
        people += [each.telegram_id for each in undone.rivals] if undone is not None else []
        key = f"{await self._bound_to(student_id)}:{','.join(map(str, people))}:{session.id}:{student_id}"
        await asyncio.to_thread(self._side.claims.claim, UNLINKING + key, self._classroom.clock.now())
        await self._unlink(key)

    async def finish_unlinking(self) -> None:
        """Finish what a crash, or a failing database, interrupted."""
        for key in await asyncio.to_thread(self._side.claims.keys, UNLINKING):
            await self._unlink(key, again=True)

    async def _bound_to(self, student_id: str) -> int:
        bound = await self._classroom.store.binding_for(student_id)
        return bound.telegram_id if bound is not None else 0

    async def _unlink(self, key: str, *, again: bool = False) -> None:
        """Unlink an ID, unless another account has it since; tell whom it concerns as the claim is taken back."""
        bound, people, session_id, student_id = key.split(":", 3)
        store, items = self._classroom.store, list[Item]()
        session, undone = await store.session(session_id), await store.check_in(session_id, student_id)
        is_theirs = await self._bound_to(student_id) in (0, int(bound))
        if session is not None and is_theirs and await self._check_ins.unbind(session, student_id, again=again):
            if undone is not None and undone.step is not CheckInStep.DONE:
                await self._traces.drop(session, undone)
            for person in map(int, filter(None, people.split(","))):
                _ = self._side.texts(person)
                text = _(
                    "Your teacher has unlinked the student ID: this check-in has ended. Is the ID yours? Speak to them."
                )
                text = f"{bold(subject_of(session))}\n{text}"
                items += [Item(person, "send", text, ask="nothing", lane=NOTICE)]
                items += [Item(person, "delete", slot=question_slot(session_id), lane=NOTICE)]
        await self._side.outbox.put(*items, when=lambda: self._side.claims.take_back(UNLINKING + key))

    async def ask_place_again(self, session: Session) -> int:
        """Ask those whom the session's old place kept out for their location again; return their number."""
        kept_out = await self._check_ins.place_changed(session)
        for check_in in kept_out:
            _, person = self._side.texts(check_in.telegram_id), check_in.telegram_id
            text = _("Your teacher has corrected the place of {subject}. Share your location again, from your phone.")
            text = text.format(subject=bold(subject_of(session)))
            await self._side.outbox.put(self._classroom.location_request(self._side, person, text, check_in))
        return len(kept_out)

    async def catch_up(self, session: Session) -> None:
        """Send the notices that a previous process, or a failing database, left unsent."""
        sheets, is_settling = await self._classroom.store.sheets(session.id), await self._is_settling(session)
        await self._check_ins.settle(session, sheets)
        for sheet in sheets:
            for student_id, mark in sheet.marks.items():
                if not (is_settling and mark.is_by_hand):
                    await self.tell_mark(session, student_id, mark)
            await self.tell_recorded(session, sheet)
        marked = {student_id for sheet in sheets for student_id in sheet.marks}
        if self._faces is not None:
            await self._faces.catch_up(session)
        else:
            await self._traces.hand_over(session, marked)
        for check_in in await self._classroom.store.check_ins(session.id):
            if check_in.step is CheckInStep.REJECTED and check_in.student_id not in marked:
                await self.tell_rejected(session, check_in)
