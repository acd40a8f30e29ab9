"""The admin's panel, and what all of the admin's screens share: the check of rights, lists in pages."""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Generic, TypeVar

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from marker.menu import main_menu, state_word
from marker.services import Services
from storage import Student
from telegram_app.i18n import Texts
from telegram_app.lines import short
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped

log = logging.getLogger(__name__)

PAGE = 20  # lines of a list, each with a button: far below the 4096 characters and 100 buttons of a message
LINE = 60  # characters of a name in a line: a username may have 200, and a whole page has to fit
LABEL = 24  # characters of a name on a button, two of which stand in a row

STUDENT = r"(?P<student>\d{1,19}):(?P<page>\d{1,6})$"  # the end of a button's data: about whom, back to which page

Handler = Callable[[Update, Context], Coroutine[Any, Any, Any]]
T = TypeVar("T")


@dataclass(eq=False)
class AdminScreens:
    """Base of the admin's screens; checks at every tap that it comes from an admin, since rights may have changed."""

    _services: Services

    def _taps(self, handlers: Mapping[str, Handler]) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers of taps, given by the pattern of the buttons' data."""
        return [CallbackQueryHandler(self._guarded(handler), pattern) for pattern, handler in handlers.items()]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(update: Update, context: Context) -> Any:
            person = sender(update)
            if not self._services.is_admin(person):
                log.warning("person %d tapped an admin's button", person)
                _ = self._services.texts(person)
                await tapped(update, _("This is for the administrator only."))
                return None
            await self._services.screen_tapped(update)
            return await handler(update, context)

        return guarded

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
            [Button(_("Invitations"), "adm:codes:0")],
            [Button(_("Back"), "menu")],
        ]

    async def _show_code(self, person: int, text: str, link: str, more: Keyboard | None = None) -> None:
        """Send a code with its QR picture, without buttons, to be forwarded; the panel follows below it."""
        panel, keyboard = self._panel_screen(person)
        await self._services.outbox.put(
            Item(person, "strip", slot=SCREEN),
            Item(person, "photo", f"{text}\n{escape(link)}", qr=link),
            Item(person, "send", panel, [*(more or []), *keyboard], slot=SCREEN),
        )

    def _with_student(self, handler: Callable[[int, Student, int, Context], Awaitable[None]]) -> Handler:
        """Return a handler that looks the student up; where they are gone, it says so."""

        async def handle(update: Update, context: Context) -> None:
            person, asked = sender(update), asked_for(context)
            student, page = self._services.storage.student(int(asked["student"])), int(asked["page"])
            if student is None:
                await self._show_gone(person, page)
            else:
                await handler(person, student, page, context)

        return handle

    async def _show_gone(self, person: int, page: int) -> None:
        _ = self._services.texts(person)
        back = [[Button(_("Back"), f"adm:students:{page}")]]
        await self._show(person, _("This student is not registered any more."), back)

    async def _show(self, person: int, text: str, keyboard: Keyboard, headline: str = "") -> None:
        text = f"{headline}\n\n{text}" if headline else text
        await self._services.outbox.put(Item(person, "edit", text, keyboard, slot=SCREEN))


@dataclass(frozen=True)
class Page(Generic[T]):
    """A page of a list, with its number."""

    shown: Sequence[T]
    number: int
    count: int

    def heading(self, title: str) -> str:
        """Return the list's title, with the page's number where there are several."""
        return f"<b>{title}</b>" + (f" ({self.number + 1}/{self.count})" if self.count > 1 else "")

    def ways(self, _: Texts, data: str) -> Keyboard:
        """Return the buttons to the next pages and the panel; ``data`` is the callback data before a page's number."""
        turns = []
        if self.number > 0:
            turns.append(Button(_("Previous"), f"{data}:{self.number - 1}"))
        if self.number < self.count - 1:
            turns.append(Button(_("Next"), f"{data}:{self.number + 1}"))
        return [*([turns] if turns else []), [Button(_("Back"), "adm:panel")]]


def page_of(items: Sequence[T], asked: int) -> Page[T]:
    """Return the requested page, or the last one where the list has become shorter."""
    count = max(1, -(-len(items) // PAGE))
    number = min(asked, count - 1)
    return Page(items[number * PAGE : (number + 1) * PAGE], number, count)


def in_pairs(buttons: Sequence[Button]) -> Keyboard:
    return [list(buttons[at : at + 2]) for at in range(0, len(buttons), 2)]


def asked_for(context: Context) -> dict[str, str]:
    """Return the named groups of the handler's pattern in a tapped button's data."""
    match = context.matches[0] if context.matches else None
    return match.groupdict() if match is not None else {}


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
