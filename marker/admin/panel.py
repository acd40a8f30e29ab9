"""The admin's panel: numbers of students and monitors, the list of running monitors, buttons to the other screens."""

from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, filters

from marker.admin.screens import LINE, AdminScreens, asked_for, page_of, shortened
from marker.menu import changed_menu, state_word
from telegram_app.side import Context, below, sender


class AdminHandlers(AdminScreens):
    """Handles the taps on the admin's panel."""

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [
            CallbackQueryHandler(self._guarded(self._panel), pattern=r"^adm:panel$"),
            CallbackQueryHandler(self._guarded(self._monitors), pattern=r"^adm:monitors:(?P<page>\d{1,6})$"),
            CommandHandler("admin", self._command, filters=filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE),
        ]

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

    async def _monitors(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        lines = []
        for telegram_id in self._services.registry.active():
            student = self._services.storage.student(telegram_id)
            status = self._services.registry.status(telegram_id)
            if student is not None and status is not None:
                since = status.since.astimezone(self._services.settings.zone).strftime("%H:%M:%S")
                name = escape(shortened(student.username, LINE))
                lines.append(f"{name}, {state_word(_, status.state)}, {since}")
        page = page_of(lines, int(asked_for(context)["page"]))
        text = "\n".join(page.shown) or _("No monitor is running.")
        heading = page.heading(_("View Active Monitors"))
        await self._show(person, f"{heading}\n{text}", page.ways(_, "adm:monitors"))
