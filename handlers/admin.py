"""The admin's panel: invitation codes, students, running monitors. Every step asks again whether it is the admin."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, ContextTypes, filters
from telegram.helpers import create_deep_linked_url

from handlers.menu import SLOT, below, changed_menu, state_word
from handlers.services import Services, sender, shown_in, tapped
from storage import StorageUnavailable
from telegram_app.outgoing import Button, Item, Keyboard

log = logging.getLogger(__name__)

PAGE = 30  # lines of a list, far below the 4096 characters of a message
Context = ContextTypes.DEFAULT_TYPE
Handler = Callable[[Update, Context], Coroutine[Any, Any, None]]


class AdminHandlers:
    """Handles the taps on the admin's panel."""

    def __init__(self, services: Services) -> None:
        """Take what the handlers work with."""
        self._services = services

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers."""
        return [
            CallbackQueryHandler(self._guarded(self._panel), pattern=r"^adm:panel$"),
            CallbackQueryHandler(self._guarded(self._new_code), pattern=r"^adm:code$"),
            CallbackQueryHandler(self._guarded(self._students), pattern=r"^adm:students:\d{1,6}$"),
            CallbackQueryHandler(self._guarded(self._monitors), pattern=r"^adm:monitors:\d{1,6}$"),
            CommandHandler("admin", self._command, filters=filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(update: Update, context: Context) -> None:
            person = sender(update)
            if not self._services.is_admin(person):
                log.warning("person %d tapped an admin's button", person)
                _ = self._services.texts(person)
                await tapped(update, _("This is for the administrator only."))
                return
            message_id = shown_in(await tapped(update))
            if message_id is not None:
                await self._services.outbox.fill(person, SLOT, message_id)
            await handler(update, context)

        return guarded

    async def _command(self, update: Update, context: Context) -> None:
        person = sender(update)
        if not self._services.is_admin(person):
            item = await changed_menu(self._services, person)
            await self._services.outbox.put(*below(person, item.text, item.buttons))
            return
        text, keyboard = self._panel_screen(person)
        await self._services.outbox.put(*below(person, text, keyboard))

    async def _panel(self, update: Update, context: Context) -> None:
        await self._show(sender(update), *self._panel_screen(sender(update)))

    def _panel_screen(self, person: int) -> tuple[str, Keyboard]:
        _ = self._services.texts(person)
        students, active = len(self._services.storage.students()), len(self._services.registry.active())
        counted = _.ngettext("{n} student", "{n} students", students).format(n=students)
        title = _("Admin Panel")
        watched = _.ngettext("{n} active monitor", "{n} active monitors", active).format(n=active)
        text = f"<b>{title}</b>\n{counted}, {watched}"
        return text, [
            [Button(_("Generate Invitation Code"), "adm:code")],
            [Button(_("View All Students"), "adm:students:0"), Button(_("View Active Monitors"), "adm:monitors:0")],
            [Button(_("Back"), "menu")],
        ]

    async def _new_code(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        try:
            code = await asyncio.to_thread(self._services.storage.create_invitation, person)
        except StorageUnavailable:
            log.exception("invitation code not written")
            await self._show(person, _("That could not be saved. Please try again later."), self._back(person))
            return
        log.info("admin %d: new invitation code", person)
        link = create_deep_linked_url(context.bot.username, code)
        text = "\n".join(
            (
                _("Invitation code: {code}").format(code=f"<code>{code}</code>"),
                _("It works once. This link does the same with one tap:"),
                escape(link),
            )
        )
        # a message of its own, to be forwarded; the panel comes again below it
        screen = self._panel_screen(person)
        await self._services.outbox.put(
            Item(person, "strip", slot=SLOT), Item(person, "send", text), Item(person, "send", *screen, slot=SLOT)
        )

    async def _students(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        lines = []
        for student in self._services.storage.students():
            mode = _("automatic") if student.mode == "automatic" else _("manual")
            state = _("ACTIVE") if self._services.registry.running(student.telegram_id) else _("inactive")
            lines.append(f"{escape(student.username)}, {mode}, {state}")
        await self._list(update, "adm:students", _("View All Students"), lines, _("No students yet."))

    async def _monitors(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        lines = []
        for telegram_id in self._services.registry.active():
            student = self._services.storage.student(telegram_id)
            status = self._services.registry.status(telegram_id)
            if student is not None and status is not None:
                since = status.since.astimezone(self._services.settings.zone).strftime("%H:%M:%S")
                lines.append(f"{escape(student.username)}, {state_word(_, status.state)}, {since}")
        await self._list(update, "adm:monitors", _("View Active Monitors"), lines, _("No monitor is running."))

    async def _list(self, update: Update, data: str, title: str, lines: list[str], empty: str) -> None:
        """Show one page of a list, with the ways to its neighbours."""
        person = sender(update)
        _ = self._services.texts(person)
        query = update.callback_query
        asked = int((query.data or "0").rpartition(":")[2]) if query is not None else 0
        pages = max(1, -(-len(lines) // PAGE))
        page = min(asked, pages - 1)
        shown = lines[page * PAGE : (page + 1) * PAGE]
        number = f" ({page + 1}/{pages})" if pages > 1 else ""
        turns = []
        if page > 0:
            turns.append(Button(_("Previous"), f"{data}:{page - 1}"))
        if page < pages - 1:
            turns.append(Button(_("Next"), f"{data}:{page + 1}"))
        keyboard = ([turns] if turns else []) + self._back(person)
        await self._show(person, f"<b>{title}</b>{number}\n" + ("\n".join(shown) or empty), keyboard)

    def _back(self, person: int) -> Keyboard:
        _ = self._services.texts(person)
        return [[Button(_("Back"), "adm:panel")]]

    async def _show(self, person: int, text: str, keyboard: Keyboard) -> None:
        await self._services.outbox.put(Item(person, "edit", text, keyboard, slot=SLOT))
