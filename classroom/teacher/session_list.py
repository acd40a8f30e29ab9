"""The lists from which a teacher opens the board of a session: of running and recent ones, and of the last days."""

from datetime import timedelta
from typing import Any

from classroom.domain.by_hand import DAYS_BACK
from classroom.domain.sessions import Session
from classroom.overview import day_of, session_label
from classroom.services import Classroom
from classroom.teacher.board import Boards
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.pages import page_of
from telegram_app.side import SCREEN

RECENT = timedelta(hours=12)
ON_A_PAGE = 10


class SessionList:
    def __init__(self, classroom: Classroom, boards: Boards) -> None:
        self._classroom = classroom
        self._side = classroom.teacher
        self._boards = boards

    async def recent(self, person: int) -> list[Session]:
        """Return a teacher's sessions that run or wait for a decision or the LMS; else those of the last hours."""
        since, found = self._classroom.clock.now() - RECENT, await self._classroom.store.sessions_of(person, 10)
        found = [each for each in reversed(found) if not each.cancelled]
        return [each for each in found if each.final_at is None] or [each for each in found if each.opened_at > since]

    async def show(self, person: int, sessions: list[Session]) -> None:
        """Show the board of the only session anew below; of several, the chosen one's."""
        if len(sessions) == 1:
            await self._boards.show(sessions[0], anew=True)
            return
        _, zone = self._side.texts(person), self._classroom.settings.zone
        buttons = [self._button(each, f"{each.opened_at.astimezone(zone):%H:%M}") for each in sessions]
        await self._put(person, _("Which session?"), buttons)

    async def show_past(self, person: int, page: int) -> None:
        """Show the lessons of the last days, whose marks the teacher can still correct."""
        _, since = self._side.texts(person), (self._classroom.today - timedelta(days=DAYS_BACK)).isoformat()
        which: dict[str, Any] = {"teacher": person, "date__gte": since, "cancelled": False}
        found = await self._classroom.store.every(Session, "-date -opened_at id", **which)
        listed = page_of(found, page, ON_A_PAGE)
        buttons = [self._button(each, day_of(each)[:6]) for each in listed.shown]
        text = _("Which lesson? What you change in it is recorded anew.") if found else _("No sessions yet.")
        await self._put(person, text, [*buttons, *listed.turns(_, "past")])

    def _button(self, session: Session, when: str) -> list[Button]:
        return [Button(session_label(session, when), f"board:{session.id}")]

    async def _put(self, person: int, text: str, keyboard: Keyboard) -> None:
        keyboard = [*keyboard, [Button(self._side.texts(person)("Back"), "menu")]]
        await self._side.outbox.put(Item(person, "edit", text, keyboard, slot=SCREEN))
