"""Delete My Data: after a second question everything stored about a student is deleted."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler

from core.sqlite import DatabaseUnavailable
from marker.menu import main_menu, show_menu
from marker.monitors.registry import StillRunning
from marker.questions import Questions
from marker.services import Services
from marker.student.offers import Offers
from storage import NotRegistered, StorageUnavailable, Student
from telegram_app.outbox import Button, Item
from telegram_app.side import SCREEN, Context

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Deletion:
    """Handles Delete My Data. The record is deleted last, so that after a crash the deletion can be repeated."""

    _services: Services
    _offers: Offers
    _questions: Questions
    _end_trial: Callable[[int], object]

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            CallbackQueryHandler(self._ask, pattern=r"^del:ask$"),
            CallbackQueryHandler(self._delete, pattern=r"^del:yes$"),
        ]

    async def _ask(self, update: Update, context: Context) -> None:
        person = await self._services.screen_tapped(update)
        if self._services.storage.student(person) is None:
            return await show_menu(self._services, person)
        _ = self._services.texts(person)
        question = _(
            "Delete everything that is stored about you? Monitoring stops. Your portal username and password, the "
            "browser profile and the history of your lessons are deleted. This can't be undone: to register again you "
            "need a new invitation code."
        )
        keyboard = [[Button(_("Yes, Delete Everything"), "del:yes")], [Button(_("Back"), "menu")]]
        await self._services.outbox.put(Item(person, "edit", question, keyboard, slot=SCREEN))
        return None

    async def _delete(self, update: Update, context: Context) -> None:
        person = await self._services.screen_tapped(update)
        student = self._services.storage.student(person)
        if student is None:  # a second tap
            return await show_menu(self._services, person)
        _ = self._services.texts(person)
        self._end_trial(person)
        await asyncio.to_thread(self._questions.before_deletion, person)
        try:
            # before the database rows, by which the offers on the screen are found
            await self._offers.end_all(person, student.username, _("Monitoring is off."))
            await self._services.registry.remove(person, self._forget, erase=True)
        except NotRegistered:
            return await show_menu(self._services, person)
        except (StorageUnavailable, DatabaseUnavailable, StillRunning):
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
        return None

    def _forget(self, student: Student) -> None:
        self._services.forget_profile(student.username)
        self._services.student_rows.forget(student.telegram_id)
