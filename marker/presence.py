"""The first handler of every update, which keeps people's languages and who has blocked the bot; and the commands that
Telegram offers while a person types "/".
"""

import asyncio
import logging
from typing import Any

from telegram import BotCommandScopeChat, ChatMember, Update
from telegram.error import TelegramError
from telegram.ext import ExtBot, TypeHandler

from marker.services import Services
from telegram_app.i18n import LANGUAGES, texts
from telegram_app.side import Context

log = logging.getLogger(__name__)


class Presence:
    """Sees every update before the other handlers do. ``unreachable`` are the people who have blocked the bot."""

    def __init__(self, services: Services, unreachable: set[int]) -> None:
        self._services = services
        self._unreachable = unreachable
        self._greeted: set[int] = set()

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
        if update.my_chat_member is not None:
            if update.my_chat_member.new_chat_member.status == ChatMember.BANNED:  # the person has blocked the bot
                await self.lost(person)
            return
        if self._services.is_admin(person) and person not in self._greeted:
            self._greeted.add(person)  # Telegram takes an admin's commands only once they have written to the bot
            context.application.create_task(publish_admin_commands(context.bot, person))
        if person in self._unreachable:
            self._unreachable.discard(person)
            await asyncio.to_thread(self._services.people.set_unreachable, person, None)
            self._services.outbox.wake(person)


async def publish_commands(bot: ExtBot[None]) -> None:
    """Publish everybody's commands in each language. A failure is only logged: nothing depends on it."""
    await _publish(bot)


async def publish_admin_commands(bot: ExtBot[None], admin: int) -> None:
    """Publish an admin's commands. Telegram refuses them before that admin has written to the bot."""
    await _publish(bot, admin)


async def _publish(bot: ExtBot[None], admin: int | None = None) -> None:
    for language in LANGUAGES:
        _ = texts(language)
        names = {"start": _("Menu"), "language": _("Language"), "cancel": _("Cancel"), "help": _("Help")}
        if admin is not None:
            names["admin"] = _("Admin Panel")
        scope = BotCommandScopeChat(admin) if admin is not None else None
        code = None if language == "en" else language  # English is the default for all other languages
        try:
            await bot.set_my_commands(list(names.items()), scope=scope, language_code=code)
        except TelegramError as error:
            log.info("commands (%s, for %s) not published: %s", language, admin or "everybody", error.message)
