"""What the admin's screens share: the check of rights, the edited message, lists in pages."""

import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from telegram import Update

from marker.services import Services
from telegram_app.i18n import Texts
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.side import SCREEN, Context, sender, tapped

log = logging.getLogger(__name__)

PAGE = 20  # lines of a list, each with a button: far below the 4096 characters and 100 buttons of a message
LINE = 60  # characters of a name in a line: a username may have 200, and a whole page has to fit
LABEL = 24  # characters of a name on a button, two of which stand in a row

Handler = Callable[[Update, Context], Coroutine[Any, Any, Any]]
T = TypeVar("T")


class AdminScreens:
    """Base of the admin's screens; checks at every tap that it comes from an admin, since rights may have changed."""

    def __init__(self, services: Services) -> None:
        self._services = services

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

    async def _show(self, person: int, text: str, keyboard: Keyboard) -> None:
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


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def asked_for(context: Context) -> dict[str, str]:
    """Return the named groups of the handler's pattern in a tapped button's data."""
    match = context.matches[0] if context.matches else None
    return match.groupdict() if match is not None else {}
