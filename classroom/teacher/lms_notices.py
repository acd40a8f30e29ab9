"""Tells a teacher that the LMS refuses a sheet, has another record, or wants a new sign-in."""

import logging

from classroom.domain.sessions import Session, Sheet
from classroom.error_codes import Code, noted
from classroom.services import Classroom
from classroom.teacher.board import Boards
from telegram_app.outbox import NOTICE, Item

log = logging.getLogger(__name__)


class LmsNotices:
    """The teacher's notices from the LMS sync."""

    def __init__(self, classroom: Classroom, boards: Boards) -> None:
        self._classroom = classroom
        self._side = classroom.teacher
        self._boards = boards

    async def on_refused(self, sheet: Sheet, why: str) -> None:
        """Show the board again, with the LMS's permanent refusal of a sheet and the button to try again."""
        what = f"session {sheet.session}: the LMS refuses sheet {sheet.batch}: {why}"
        noted(log, Code.ATTENDANCE_FAILED, what, logging.WARNING)
        if (session := await self._classroom.store.session(sheet.session)) is not None:
            await self._boards.show(session, anew=True, rings=True)

    async def on_compared(self, session: Session, sheet: Sheet) -> None:
        """Show on the board what the LMS has otherwise; again, if that was changed after the final report."""
        if sheet.differing:
            what = f"session {session.id}: the LMS has {len(sheet.differing)} marks of {sheet.batch} otherwise"
            noted(log, Code.ATTENDANCE_FAILED, what, logging.WARNING)
            await self._boards.show(session, anew=session.final_at is not None)

    async def on_sign_in_needed(self, sheet: Sheet) -> None:
        """Ask the teacher to sign in again: marks wait for it."""
        what = f"session {sheet.session}: sheet {sheet.batch} waits for a sign-in"
        noted(log, Code.TOKEN_EXPIRED, what, logging.WARNING)
        _ = self._side.texts(sheet.teacher)
        text = _("Marks are waiting until you sign in again: press /start.")
        if self._classroom.has_lms:
            text = _("Marks are waiting to be written to the LMS, which wants you to sign in again: press /start.")
        await self._classroom.store.remove_teacher(sheet.teacher)
        await self._side.outbox.put(Item(sheet.teacher, "send", text, lane=NOTICE))
