"""Moving a student to another Telegram account: a one-time code from the admin, opened in the new account."""

import asyncio
import logging
from dataclasses import dataclass
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler
from telegram.helpers import create_deep_linked_url

from core.sqlite import DatabaseUnavailable
from marker.admin.panel import AdminScreens
from marker.lockouts import Lockouts
from marker.menu import fresh_menu, show_menu
from marker.monitors.registry import StillRunning
from marker.questions import Questions
from marker.student.notices import Offers
from storage import AlreadyRegistered, NotRegistered, StorageUnavailable, Student
from telegram_app.move_codes import LASTS, MOVE_CODE_LENGTH, MoveCode, new_move_code
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.side import Context, below, tapped_data

log = logging.getLogger(__name__)


@dataclass(eq=False)
class AccountMoves(AdminScreens):
    """Handles the admin's buttons on a student's card, and those in the new account."""

    _offers: Offers
    _questions: Questions
    _lockouts: Lockouts

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        taps = {"ask": self._ask, "code": self._make, "revoke": self._revoke}
        code = f"^mov:here:[A-Z0-9]{{{MOVE_CODE_LENGTH}}}$"
        return [*self._student_taps("mov", taps), CallbackQueryHandler(self._move_here, pattern=code)]

    async def finish_interrupted(self) -> None:
        """Finish interrupted moves where the record has moved already; otherwise make their codes valid again."""
        for move in await asyncio.to_thread(self._services.move_codes.begun):
            there = self._services.storage.student(move.moved_to or 0)
            if there is not None and self._services.storage.student(move.person) is None:
                await asyncio.to_thread(self._hand_over, move, there.telegram_id)
                await self._tell(move, there)
            else:
                await asyncio.to_thread(self._services.move_codes.give_back, move.code)

    async def _ask(self, person: int, student: Student, page: int, context: Context) -> str:
        _, who = self._services.texts(person), student.telegram_id
        waiting = await asyncio.to_thread(self._services.move_codes.waiting, who, self._services.clock.now())
        text = _(
            "Move {username} to another Telegram account? You get a code that works once, within 24 hours. Give it to "
            "nobody but the student: who opens it gets the registration with the portal password, and the account "
            "now registered loses it."
        ).format(username=f"<b>{escape(student.username)}</b>")
        keyboard = [[Button(_("Make Move Code"), f"mov:code:{who}:{page}")]]
        if waiting is not None:
            text += "\n\n" + _("A move code is waiting to be used; a new one takes its place.")
            keyboard[0].append(Button(_("Revoke Move Code"), f"mov:revoke:{who}:{page}"))
        return await self._show(person, text, [*keyboard, [Button(_("Back"), f"stu:card:{who}:{page}")]])

    async def _make(self, person: int, student: Student, page: int, context: Context) -> str:
        _, who = self._services.texts(person), student.telegram_id
        code = new_move_code()
        expires = self._services.clock.now() + LASTS
        await asyncio.to_thread(self._services.move_codes.make, code, who, person, expires)
        log.info("admin %d: move code for student %d", person, who)
        link = create_deep_linked_url(context.bot.username, code)
        name = escape(student.username)
        text = _("Move code for {username}: {code}").format(username=name, code=f"<code>{code}</code>")
        text += "\n" + _("It works once, within 24 hours, in the new Telegram account:")
        return await self._show_code(person, text, link)

    async def _revoke(self, person: int, student: Student, page: int, context: Context) -> str:
        _ = self._services.texts(person)
        if await asyncio.to_thread(self._services.move_codes.revoke, student.telegram_id):
            log.info("admin %d: move code for student %d revoked", person, student.telegram_id)
        await self._ask(person, student, page, context)
        return _("The move code is revoked.")

    async def offer(self, person: int, code: str) -> bool:
        """Ask in the new account whether to move, and leave the question for a code; False: it can't be used."""
        move = await asyncio.to_thread(self._services.move_codes.get, code, self._services.clock.now())
        if move is None or not self._services.is_admin(move.created_by):
            return False
        student = self._services.storage.student(move.person)
        if student is None:
            return False
        _ = self._services.texts(person)
        text = _("Move the registration of {username} to this Telegram account? The other account loses it.").format(
            username=f"<b>{escape(student.username)}</b>"
        )
        keyboard: Keyboard = [[Button(_("Move Here"), f"mov:here:{code}")], [Button(_("Back"), "menu")]]
        await self._services.outbox.put(*below(person, text, keyboard), when=lambda: self._questions.leave(person))
        return True

    async def _move_here(self, update: Update, context: Context) -> None:
        person, code = await self._services.adopt_screen(update), tapped_data(update).rpartition(":")[2]

        async def move() -> str:
            headline = await self._lockouts.codes(person)
            if not headline and self._services.storage.student(person) is None:
                headline = await self._move(person, code)
            return await show_menu(self._services, person, headline)

        await self._services.answered(update, move())

    async def _move(self, person: int, code: str) -> str:
        """Move the registration; return the headline for the new account's menu."""
        _ = self._services.texts(person)
        move = await asyncio.to_thread(self._services.move_codes.begin, code, person, self._services.clock.now())
        if move is None or not self._services.is_admin(move.created_by):
            await self._lockouts.wrong_code(person)
            return _("This move code can't be used any more. Ask the administrator for a new one.")
        student = self._services.storage.student(move.person)
        theirs = self._services.texts(move.person)
        try:
            if student is not None:
                await self._offers.end_all(move.person, student.username, theirs("Monitoring is off."))
            moved = await self._services.registry.move(move.person, person, lambda: self._write(move, person))
        except (NotRegistered, AlreadyRegistered, StorageUnavailable, DatabaseUnavailable, StillRunning) as error:
            log.warning("student %d: not moved, %s", move.person, type(error).__name__)
            if self._services.storage.student(move.person) is not None:
                await asyncio.to_thread(self._services.move_codes.give_back, code)
            return _("That could not be saved. Please try again later.")
        self._services.languages[person] = self._services.languages.get(move.person, "en")
        log.info("student %d: moved to %d", move.person, person)
        await self._tell(move, moved)
        _ = self._services.texts(person)  # in the language that has moved along
        return _("The registration is now this Telegram account's.")

    def _write(self, move: MoveCode, person: int) -> Student:
        moved = self._services.storage.move(move.person, person)
        self._hand_over(move, person)
        return moved

    def _hand_over(self, move: MoveCode, person: int) -> None:
        for each in (move.person, person):  # both accounts' steps are deleted
            self._questions.before_deletion(each)
        self._services.student_rows.hand_over(move)

    async def _tell(self, move: MoveCode, student: Student) -> None:
        """Tell the old account, and the admin who made the code."""
        _ = self._services.texts(move.person)
        text = _(
            "Your registration was moved to another Telegram account. If that was not you, tell the administrator."
        )
        items = await fresh_menu(self._services, move.person, text)
        if self._services.is_admin(move.created_by):
            _ = self._services.texts(move.created_by)
            done = _("{username} has moved to the Telegram account {number}.").format(
                username=escape(student.username), number=f"<code>{student.telegram_id}</code>"
            )
            items.append(Item(move.created_by, "send", done, lane=NOTICE))
        await self._services.outbox.put(*items)
