"""The admin's panel, and what all of the admin's screens share: the check of rights, lists in pages."""

import logging
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler

from marker.menu import answer, fresh_menu, state_word
from marker.services import Services
from storage import Student
from telegram_app.i18n import Texts
from telegram_app.lines import short, toast
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.pages import Page, page_of
from telegram_app.side import SCREEN, TYPED, Context, below, sender, tapped

log = logging.getLogger(__name__)

ON_A_PAGE = 20  # lines of a list, each with a button: far below the 4096 characters and 100 buttons of a message
LINE = 60  # characters of a name in a line: a username may have 200, and a whole page has to fit
LABEL = 24  # characters of a name on a button, two of which stand in a row

PAGE = r"(?P<page>\d{1,6})"  # in a button's data: which page of a list, or back to which
PANEL = "adm:panel"
STUDENT = rf"(?P<student>\d{{1,19}}):{PAGE}$"

Handler = Callable[[Update, Context], Coroutine[Any, Any, Any]]
Asked = dict[str, str]  # the named groups of a pattern in the data of a tapped button
Drawn = tuple[str, Keyboard]
Draw = Callable[[int, Texts, Asked], Awaitable[Drawn]]  # draws a screen that follows its state, and changes nothing
# Called with the admin, the admin's texts, what the button's data asks for, and the context; returns the tap's answer.
AdminHandler = Callable[[int, Texts, Asked, Context], Coroutine[Any, Any, str]]
StudentHandler = Callable[[int, Student, int, Context], Awaitable[str]]  # the admin, the student, back to which page


@dataclass(eq=False)
class AdminScreens:
    """Base of the admin's screens; checks at every tap that it comes from an admin, since rights may have changed."""

    _services: Services

    def views(self) -> dict[str, Draw]:
        """Return the screens that follow their state, by the pattern of the data of the buttons that open them."""
        return {}

    def _view_taps(self) -> list[BaseHandler[Any, Any, Any]]:
        async def handle(person: int, _: Texts, asked: Asked, context: Context) -> str:
            return await self._open(person, context.matches[0].string if context.matches else "")

        return self._taps(dict.fromkeys(self.views(), handle))

    async def _open(self, person: int, view: str, headline: str = "") -> str:
        """Show one of the views in place of the screen; return the answer to the tap that led to it."""
        for pattern, draw in self.views().items():
            if (match := re.match(pattern, view)) is not None:
                screen = await draw(person, self._services.texts(person), match.groupdict())
                await self._show(person, *screen, headline, view)
        return answer(self._services, self._services.texts(person), headline)

    def _taps(self, handlers: Mapping[str, AdminHandler]) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers of taps, given by the pattern of the buttons' data."""
        return [CallbackQueryHandler(self._guarded(handler), pattern) for pattern, handler in handlers.items()]

    def _guarded(self, handler: AdminHandler) -> Handler:
        async def guarded(update: Update, context: Context) -> None:
            person = sender(update)
            _, match = self._services.texts(person), context.matches[0] if context.matches else None
            if not self._services.is_admin(person):
                log.warning("person %d tapped an admin's button", person)
                await tapped(update, _("This is for the administrator only."))
                return
            await self._services.adopt_screen(update)
            asked = match.groupdict() if match is not None else {}
            await self._services.answered(update, handler(person, _, asked, context))

        return guarded

    def _panel_screen(self, _: Texts, new_code: str = "") -> Drawn:
        """Return the panel; below a new code it offers to add a note, as long as nobody has used the code."""
        invitation = self._services.storage.invitation(new_code)
        noting = [[Button(_("Add Note"), f"inv:note:{new_code}:0")]]
        students, active = len(self._services.storage.students()), len(self._services.registry.active())
        counted = _.ngettext("{n} student", "{n} students", students).format(n=students)
        title = _("Admin Panel")
        watched = _.ngettext("{n} active monitor", "{n} active monitors", active).format(n=active)
        text = f"<b>{title}</b>\n{counted}, {watched}"
        return text, [
            *(noting if invitation and invitation.used_by is None and invitation.revoked_at is None else []),
            [Button(_("Generate Invitation Code"), "adm:code")],
            [Button(_("View All Students"), "adm:students:0"), Button(_("View Active Monitors"), "adm:monitors:0")],
            [Button(_("Invitations"), "adm:codes:0")],
            [Button(_("Back"), "menu")],
        ]

    async def _show_code(self, person: int, text: str, link: str, code: str = "") -> str:
        """Send a code with its QR picture, without buttons, to be forwarded; the panel follows below it."""
        panel = self._panel_screen(self._services.texts(person), code)
        strip, screen = below(person, *panel, f"{PANEL}:{code}" if code else PANEL)
        await self._services.outbox.put(strip, Item(person, "photo", f"{text}\n{escape(link)}", qr=link), screen)
        return toast(text)

    def _student_taps(self, kind: str, handlers: Mapping[str, StudentHandler]) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers of taps about a student, who is looked up; where they are gone, the admin is told."""

        def with_student(handler: StudentHandler) -> AdminHandler:
            async def handle(person: int, _: Texts, asked: Asked, context: Context) -> str:
                student, page = self._services.storage.student(int(asked["student"])), int(asked["page"])
                if student is None:
                    return await self._show_gone(person, page)
                return await handler(person, student, page, context)

            return handle

        return self._taps({f"^{kind}:{name}:{STUDENT}": with_student(each) for name, each in handlers.items()})

    async def _show_gone(self, person: int, page: int) -> str:
        _ = self._services.texts(person)
        back = [[Button(_("Back"), f"adm:students:{page}")]]
        return await self._show(person, _("This student is not registered any more."), back)

    def _list_screen(
        self, _: Texts, title: str, page: Page[Any], lines: str, buttons: list[Button], data: str
    ) -> Drawn:
        """Return a page of a list, its buttons in pairs; ``data`` stands before a page's number in a button's data."""
        heading = f"<b>{title}</b>" + (f" ({page.number + 1}/{page.count})" if page.count > 1 else "")
        pairs = [buttons[at : at + 2] for at in range(0, len(buttons), 2)]
        back = [Button(_("Back"), "adm:panel")]
        return f"{heading}\n{lines}", [*pairs, *page.turns(_, data, _("Next")), back]

    async def _show(self, person: int, text: str, keyboard: Keyboard, headline: str = "", view: str = "") -> str:
        answers = toast(headline or text)
        text = f"{headline}\n\n{text}" if headline else text
        item = Item(person, "edit", text, keyboard, slot=SCREEN, view=view, headline=headline)
        await self._services.outbox.put(item)
        return answers


class AdminHandlers(AdminScreens):
    """Handles the taps on the admin's panel."""

    def views(self) -> dict[str, Draw]:
        return {rf"^{PANEL}(:(?P<code>[A-Z0-9]+))?$": self._panel, rf"^adm:monitors:{PAGE}$": self._monitors}

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        return [*self._view_taps(), CommandHandler("admin", self._command, filters=TYPED)]

    async def _command(self, update: Update, context: Context) -> None:
        person, _ = self._services.who(update)
        is_admin, panel = self._services.is_admin(person), below(person, *self._panel_screen(_), PANEL)
        await self._services.outbox.put(*(panel if is_admin else await fresh_menu(self._services, person)))

    async def _panel(self, person: int, _: Texts, asked: Asked) -> Drawn:
        return self._panel_screen(_, asked.get("code") or "")

    async def _monitors(self, person: int, _: Texts, asked: Asked) -> Drawn:
        lines = []
        for telegram_id in self._services.registry.active():
            student = self._services.storage.student(telegram_id)
            status = self._services.registry.status(telegram_id)
            if student is not None and status is not None:
                since = status.since.astimezone(self._services.settings.zone).strftime("%H:%M:%S")
                lines.append(f"{short(student.username, LINE)}, {state_word(_, status.state)}, {since}")
        page = page_of(lines, int(asked["page"]), ON_A_PAGE)
        text = "\n".join(page.shown) or _("No monitor is running.")
        return self._list_screen(_, _("View Active Monitors"), page, text, [], "adm:monitors")
