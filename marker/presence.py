"""The first handler of every update: keeps people's languages and who has blocked the bot.

A block stops the person's monitor; when they are back, they are told so once.
"""

import asyncio
import logging
from typing import Any

from telegram import ChatMember, Update
from telegram.ext import ApplicationHandlerStop, TypeHandler

from marker.menu import clock_time
from marker.questions import told_with_menu
from marker.services import Services
from telegram_app.outbox import Item
from telegram_app.side import Context, tapped

log = logging.getLogger(__name__)


class Presence:
    """Sees every update before the other handlers do. ``unreachable`` are the people who have blocked the bot."""

    def __init__(self, services: Services, unreachable: set[int]) -> None:
        self._services = services
        self._unreachable = unreachable

    def handler(self) -> TypeHandler[Any, Any, Any]:
        return TypeHandler(Update, self._see)

    async def lost(self, person: int) -> None:
        """Stop the monitor of a person who has blocked the bot."""
        now = self._services.clock.now()
        if person not in self._unreachable:
            self._unreachable.add(person)
            await asyncio.to_thread(self._services.people.set_unreachable, person, now)
        student = self._services.storage.student(person)
        if student is not None and student.monitoring:
            await asyncio.to_thread(self._services.claims.claim, f"blocked:{person}", now)
            await self._services.registry.stop(person)
            log.info("monitor %d: stopped, the student has blocked the bot", person)

    async def _see(self, update: Update, context: Context) -> None:
        person = await self._services.see(update)
        settings, claims, now = self._services.settings, self._services.claims, self._services.clock.now()
        member = update.my_chat_member
        if settings.single_user and person not in settings.admin_telegram_id:
            _ = self._services.texts(person)
            refused = _("This bot works for one person only.")
            if update.callback_query is not None:
                await tapped(update, refused)
            elif member is None:
                item = Item(person, "send", refused)
                await self._services.outbox.put(item, when=lambda: claims.claim(f"refused:{person}", now))
            raise ApplicationHandlerStop
        if member is not None and member.new_chat_member.status == ChatMember.BANNED:  # the person has blocked the bot
            return await self.lost(person)
        if person in self._unreachable:
            await asyncio.to_thread(self._services.people.set_unreachable, person, None)
            self._services.outbox.wake(person)
            await self._tell_stopped(person)
            self._unreachable.discard(person)  # last: what failed is done at their next update
        return None

    async def _tell_stopped(self, person: int) -> object:
        """Tell a person who is back, once, that their monitor was stopped; the menu has the button to start it."""
        services, _, key = self._services, self._services.texts(person), f"blocked:{person}"
        since = await asyncio.to_thread(services.claims.at, key)
        student = services.storage.student(person)
        if since is None or student is None or student.monitoring:
            return await asyncio.to_thread(services.claims.take_back, key)
        text = _("You had blocked me: monitoring was stopped at {time}, and nothing has been marked since.")
        text = text.format(time=clock_time(services, since, services.clock.now()))
        menu = await told_with_menu(services, person, text)
        return await services.outbox.put(*menu, when=lambda: services.claims.take_back(key))
