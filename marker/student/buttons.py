"""The buttons of the student's menu: start, stop, mode, status, language, deletion of everything stored."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, TypeVar

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from core.sqlite import DatabaseUnavailable
from marker.lockouts import Lockouts
from marker.menu import answer, fresh_menu, main_menu, rules_line, show_menu
from marker.monitors.registry import StillRunning
from marker.questions import Questions
from marker.services import Services
from marker.student.notices import Offers
from storage import Mode, NotRegistered, StorageUnavailable, Student
from telegram_app.lines import toast
from telegram_app.outbox import Button, Item
from telegram_app.side import SCREEN, TYPED, Context, tapped, tapped_data

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(eq=False)
class StudentHandlers:
    """Handles the taps on a student's menu. Each updates the menu, so an old button does no harm."""

    _services: Services
    _offers: Offers
    _lockouts: Lockouts
    _questions: Questions
    _end_trial: Callable[[int], object]

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            CallbackQueryHandler(self._start, pattern=r"^mon:start$"),
            CallbackQueryHandler(self._stop, pattern=r"^mon:stop$"),
            CallbackQueryHandler(self._status, pattern=r"^(mon:status|menu)$"),
            CallbackQueryHandler(self._mode, pattern=r"^mode:(automatic|manual)$"),
            CallbackQueryHandler(self._skip, pattern=r"^skip:(yes|no)$"),
            CallbackQueryHandler(self._ask_deletion, pattern=r"^del:ask$"),
            CallbackQueryHandler(self._delete, pattern=r"^del:yes$"),
            *self._services.language_handlers(partial(show_menu, self._services)),
            CommandHandler("help", self._help, filters=TYPED),
        ]

    async def _start(self, update: Update, context: Context) -> object:
        person, _ = self._services.who(update)
        if locked := await self._locked(person):
            await self._services.screen_tapped(update, toast(locked))
            return await show_menu(self._services, person, locked)
        was_running = self._services.registry.running(person)
        started, headline = await self._saved(person, self._services.registry.start(person))
        if started is False and not self._services.registry.waits(person):  # else it starts by itself
            headline = _("All places for monitoring are taken at the moment. Please try again later.")
        done = _("Monitoring is on already.") if was_running else _("Monitoring starts.")
        await self._services.screen_tapped(update, done if started else answer(self._services, _, headline))
        return await show_menu(self._services, person, headline)

    async def _locked(self, person: int) -> str:
        """Return why no monitor may try this student's password, if so; a running one has signed in with it."""
        student = self._services.storage.student(person)
        if student is None or self._services.registry.running(person):
            return ""
        return await self._lockouts.passwords(person, student.username)

    async def _stop(self, update: Update, context: Context) -> None:
        person, _ = self._services.who(update)
        student = self._services.storage.student(person)
        # before the stop, which may have to wait for Chrome's end
        is_on = student is not None and (student.monitoring or self._services.registry.running(person))
        await self._services.screen_tapped(update, _("Monitoring stops.") if is_on else _("Monitoring is off already."))
        _running, headline = await self._saved(person, self._services.registry.stop(person))
        if student is not None:
            await self._offers.end_all(person, student.username, _("Monitoring is off."))
        await show_menu(self._services, person, headline)

    async def _mode(self, update: Update, context: Context) -> None:
        mode: Mode = "manual" if tapped_data(update) == "mode:manual" else "automatic"
        person, _ = self._services.who(update)
        _done, headline = await self._saved(person, self._services.registry.set_mode(person, mode))
        student = self._services.storage.student(person)
        chosen = _("Automatic mode is on.") if mode == "automatic" else _("Manual mode is on.")
        is_set = student is not None and student.mode == mode
        await self._services.screen_tapped(update, chosen if is_set else answer(self._services, _, headline))
        await show_menu(self._services, person, headline)

    async def _skip(self, update: Update, context: Context) -> None:
        skip = tapped_data(update) == "skip:yes"
        person, _ = self._services.who(update)
        done = answer(self._services, _)
        if (student := self._services.storage.student(person)) is not None:
            await self._services.registry.skip_today(person, skip)
            done = _("Today is skipped.") if skip else _("Today is not skipped any more.")
        await self._services.screen_tapped(update, done)
        if student is not None and skip:
            await self._offers.end_all(person, student.username, _("Today is skipped."))
        await show_menu(self._services, person)

    async def _saved(self, person: int, change: Coroutine[Any, Any, Result]) -> tuple[Result | None, str]:
        """Make a change in the store; return its result, and the headline where it failed."""
        _ = self._services.texts(person)
        try:
            return await change, ""
        except NotRegistered:
            log.info("person %d is not registered", person)
            return None, ""
        except StorageUnavailable:
            log.exception("person %d: change not written", person)
            return None, _("That could not be saved. Please try again later.")

    async def _status(self, update: Update, context: Context) -> None:
        person = await self._services.adopt_screen(update)
        await self._services.answered(update, show_menu(self._services, person))

    async def _help(self, update: Update, context: Context) -> None:
        person, _ = self._services.who(update)
        modes = _("Automatic mode marks every open lesson for you. Manual mode asks you each time.")
        commands = _("/start menu, /language language, /cancel cancel a question")
        # the menu of somebody who is not registered says it itself
        rules = [rules_line(_)] if self._services.storage.student(person) is not None else []
        headline = "\n".join([modes, *rules, commands])
        await self._services.outbox.put(*await fresh_menu(self._services, person, headline))

    # Delete My Data

    async def _ask_deletion(self, update: Update, context: Context) -> None:
        person, _ = await self._services.adopt_screen(update), self._services.who(update)[1]
        if self._services.storage.student(person) is None:
            return await self._services.answered(update, show_menu(self._services, person))
        question = _(
            "Delete everything that is stored about you? Monitoring stops. Your portal username and password, the "
            "browser profile and the history of your lessons are deleted. This can't be undone: to register again you "
            "need a new invitation code."
        )
        keyboard = [[Button(_("Yes, Delete Everything"), "del:yes")], [Button(_("Back"), "menu")]]
        await tapped(update, toast(question))
        await self._services.outbox.put(Item(person, "edit", question, keyboard, slot=SCREEN))
        return None

    async def _delete(self, update: Update, context: Context) -> None:
        await self._services.answered(update, self._deleted(await self._services.adopt_screen(update)))

    async def _deleted(self, person: int) -> str:
        """Delete everything that is stored of a person; return the answer to their tap."""
        student, _ = self._services.storage.student(person), self._services.texts(person)
        await asyncio.to_thread(self._questions.before_deletion, person)
        if student is None:  # a second tap, which is no reason to keep the account again
            text, keyboard = await main_menu(self._services, person, _("Your data is deleted."))
            await self._services.forget(person)  # also the answer to the first tap, if it has not been sent yet
            await self._services.outbox.put(Item(person, "send", text, keyboard))
            return toast(text)
        self._end_trial(person)
        try:
            # before the database rows, by which the offers on the screen are found
            await self._offers.end_all(person, student.username, _("Monitoring is off."))
            await self._services.registry.remove(person, self._forget, erase=True)
        except NotRegistered:
            return await show_menu(self._services, person)
        except (StorageUnavailable, DatabaseUnavailable, StillRunning, OSError):
            log.exception("person %d: data not deleted", person)
            words = _("Not everything could be deleted now. Please try again in a few minutes.")
            return await show_menu(self._services, person, words)
        log.info("person %d: data deleted on their own wish", person)
        # in the language of the question, and without a slot, so that nothing is kept once it is sent
        text, keyboard = await main_menu(self._services, person, _("Your data is deleted."))
        self._services.languages.pop(person, None)
        told = self._services.to_admins(
            lambda _: _("{username} has deleted their data.").format(username=escape(student.username))
        )
        others = [item for item in told if item.chat_id != person]
        await self._services.outbox.put(Item(person, "send", text, keyboard), *others)
        return toast(text)

    def _forget(self, student: Student) -> None:
        self._services.forget_files(student)
        self._services.student_rows.forget(student.telegram_id)
