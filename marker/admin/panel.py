"""The admin's panel: numbers of students and monitors, the list of running monitors, buttons to the other screens."""

from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CommandHandler

from marker.admin.screens import LINE, AdminScreens, asked_for, page_of
from marker.menu import main_menu, state_word
from telegram_app.lines import short
from telegram_app.side import TYPED, Context, below, sender


class AdminHandlers(AdminScreens):
    """Handles the taps on the admin's panel."""

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        taps = {r"^adm:panel$": self._panel, r"^adm:monitors:(?P<page>\d{1,6})$": self._monitors}
        return [*self._taps(taps), CommandHandler("admin", self._command, filters=TYPED)]

    async def _command(self, update: Update, context: Context) -> None:
        person = sender(update)
        is_admin = self._services.is_admin(person)
        screen = self._panel_screen(person) if is_admin else await main_menu(self._services, person)
        await self._services.outbox.put(*below(person, *screen))

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
                name = short(student.username, LINE)
                lines.append(f"{name}, {state_word(_, status.state)}, {since}")
        page = page_of(lines, int(asked_for(context)["page"]))
        text = "\n".join(page.shown) or _("No monitor is running.")
        heading = page.heading(_("View Active Monitors"))
        await self._show(person, f"{heading}\n{text}", page.ways(_, "adm:monitors"))
