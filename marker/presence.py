"""The first handler of every update, which keeps people's languages and who has blocked the bot."""

import asyncio
import logging
from typing import Any

from telegram import ChatMember, Update
from telegram.ext import ApplicationHandlerStop, TypeHandler

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
        self._unreachable.add(person)
        student = self._services.storage.student(person)
        if student is not None and student.monitoring:
            await self._services.registry.stop(person)
            log.info("monitor %d: stopped, the student has blocked the bot", person)

    async def _see(self, update: Update, context: Context) -> None:
        person = await self._services.see(update)
        settings, claims, now = self._services.settings, self._services.claims, self._services.clock.now()
        if settings.single_user and person not in settings.admin_telegram_id:
            if update.callback_query is not None:
                await tapped(update)
            elif update.my_chat_member is None:
                _ = self._services.texts(person)
                item = Item(person, "send", _("This bot works for one person only."))
                await self._services.outbox.put(item, when=lambda: claims.claim(f"refused:{person}", now))
            raise ApplicationHandlerStop
        if update.my_chat_member is not None:
            if update.my_chat_member.new_chat_member.status == ChatMember.BANNED:  # the person has blocked the bot
                await self.lost(person)
            return
        if person in self._unreachable:
            self._unreachable.discard(person)
            await asyncio.to_thread(self._services.people.set_unreachable, person, None)
            self._services.outbox.wake(person)
