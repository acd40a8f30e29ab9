"""The buttons of the student's menu: start, stop, mode, status, language."""

import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from marker.lockouts import Lockouts
from marker.menu import fresh_menu, show_menu
from marker.monitors.registry import Started
from marker.services import Services
from marker.student.notices import Notices
from marker.student.offers import Offers
from storage import Mode, NotRegistered, StorageUnavailable
from telegram_app.side import TYPED, Context, sender

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(eq=False)
class StudentHandlers:
    """Handles the taps on a student's menu. Each updates the menu, so an old button does no harm."""

    _services: Services
    _notices: Notices
    _offers: Offers
    _lockouts: Lockouts

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            CallbackQueryHandler(self._start, pattern=r"^mon:start$"),
            CallbackQueryHandler(self._stop, pattern=r"^mon:stop$"),
            CallbackQueryHandler(self._status, pattern=r"^(mon:status|menu)$"),
            CallbackQueryHandler(self._mode, pattern=r"^mode:(automatic|manual)$"),
            CallbackQueryHandler(self._skip, pattern=r"^skip:(yes|no)$"),
            *self._services.language_handlers(self._show),
            CommandHandler("help", self._help, filters=TYPED),
        ]

    async def _start(self, update: Update, context: Context) -> None:
        person = await self._services.screen_tapped(update)
        _ = self._services.texts(person)
        if locked := await self._locked(person):
            return await self._show(person, locked)
        self._notices.expect_start(person)
        started, headline = await self._saved(person, self._services.registry.start(person))
        if started is Started.FULL:
            headline = _("All places for monitoring are taken at the moment. Please try again later.")
        return await self._show(person, headline)

    async def _locked(self, person: int) -> str:
        """Return why no monitor may try this student's password, if so; a running one has signed in with it."""
        student = self._services.storage.student(person)
        if student is None or self._services.registry.running(person):
            return ""
        return await self._lockouts.passwords(person, student.username)

    async def _stop(self, update: Update, context: Context) -> None:
        person = await self._services.screen_tapped(update)
        _ = self._services.texts(person)
        student = self._services.storage.student(person)
        _running, headline = await self._saved(person, self._services.registry.stop(person))
        if student is not None:
            await self._offers.end_all(person, student.username, _("Monitoring is off."))
        await self._show(person, headline)

    async def _mode(self, update: Update, context: Context) -> None:
        query = update.callback_query
        mode: Mode = "manual" if query is not None and query.data == "mode:manual" else "automatic"
        person = await self._services.screen_tapped(update)
        _done, headline = await self._saved(person, self._services.registry.set_mode(person, mode))
        await self._show(person, headline)

    async def _skip(self, update: Update, context: Context) -> None:
        query = update.callback_query
        skip = query is not None and query.data == "skip:yes"
        person = await self._services.screen_tapped(update)
        _ = self._services.texts(person)
        student = self._services.storage.student(person)
        if student is not None:
            await self._services.registry.skip_today(person, skip)
            if skip:
                await self._offers.end_all(person, student.username, _("Today is skipped."))
        await self._show(person)

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
        await self._show(await self._services.screen_tapped(update))

    async def _help(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        headline = _(
            "Automatic mode marks every open lesson for you. Manual mode asks you each time. "
            "Use it only for lessons that you attend.\n/start menu, /language language, /cancel cancel a question"
        )
        await self._services.outbox.put(*await fresh_menu(self._services, person, headline))

    async def _show(self, person: int, headline: str = "") -> None:
        await show_menu(self._services, person, headline)
