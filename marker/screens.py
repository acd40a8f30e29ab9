"""Keeps screens up to date: knows what everybody's screen shows, and redraws it when that has changed.

The view that a screen shows is stored with its message (``Item.view``), so that screens are followed after a restart,
too. A question has no view and is never redrawn.
"""

import asyncio
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.tasks import each
from marker.admin.panel import Draw, Drawn
from marker.menu import MENU, main_menu
from marker.services import Services
from telegram_app.outbox import DIGEST, LATER, Item
from telegram_app.side import SCREEN

EVERY = 3.0  # seconds between two looks at all screens
REFRESHED_EVERY = 300.0  # seconds after which also the times in italics are brought up to date


@dataclass(eq=False)
class Screens:
    """Redraws the menu and the admins' ``views``, by the patterns of their names. ``check`` is called each second."""

    _services: Services
    _views: Mapping[str, Draw]
    _due: float = 0.0
    _refresh_due: float = 0.0

    async def check(self) -> None:
        """Redraw what has changed: an edit in the last lane, unless the person's screen changes meanwhile."""
        outbox, now = self._services.outbox, self._services.clock.monotonic()
        if now < self._due or (self._services.outage is not None and self._services.outage.trouble):
            return
        self._due = now + EVERY
        refreshes = now >= self._refresh_due
        if refreshes:
            self._refresh_due = now + REFRESHED_EVERY
        compared = None if refreshes else DIGEST

        async def follow(shown: tuple[int, str]) -> None:
            item = await self._item(*shown)
            if item.digest()[:compared] != json.loads(shown[1])[2][:compared]:
                await outbox.put(item, when=functools.partial(self._still_shows, *shown))

        await each(follow, (await asyncio.to_thread(outbox.shown, SCREEN)).items())

    async def show_outage(self) -> None:
        """Redraw the menus of the monitored students: during an outage directly, since nothing may be stored."""
        outbox, storage, outage = self._services.outbox, self._services.storage, self._services.outage

        async def show(shown: tuple[int, str]) -> None:
            item, student = await self._item(*shown), storage.student(shown[0])
            if item.view == MENU and student is not None and student.monitoring:
                await (outbox.direct(item) if outage is not None and outage.trouble else outbox.put(item))

        await each(show, (await asyncio.to_thread(outbox.shown, SCREEN, True)).items())

    async def _item(self, person: int, shows: str) -> Item:
        view, headline, _digest = json.loads(shows)
        text, keyboard = await self._draw(person, view)
        text = f"{headline}\n\n{text}" if headline else text
        return Item(person, "amend", text, keyboard, slot=SCREEN, lane=LATER, view=view, headline=headline)

    def _still_shows(self, person: int, shows: str) -> bool:
        return self._services.outbox.shown(SCREEN).get(person) == shows

    async def _draw(self, person: int, view: str) -> Drawn:
        for pattern, draw in self._views.items():
            if (match := re.match(pattern, view)) is not None and self._services.is_admin(person):
                return await draw(person, self._services.texts(person), match.groupdict())
        return await main_menu(self._services, person)
