"""Who is there: a person's language and reachability, learnt from every update; taps that nobody takes."""

import asyncio
import logging
from typing import Any

from telegram import ChatMember, Update
from telegram.ext import ApplicationHandlerStop, CallbackQueryHandler, ContextTypes, TypeHandler

from marker.commands import publish_admin_commands
from marker.menu import SLOT, changed_menu
from marker.questions import AFTER_PASSWORD, PASSWORDS
from marker.services import Services, sender, shown_in, tapped
from telegram_app.i18n import closest

log = logging.getLogger(__name__)

Context = ContextTypes.DEFAULT_TYPE


class Presence:
    """Sees every update before the other handlers do."""

    def __init__(self, services: Services, unreachable: set[int]) -> None:
        """Take the people who were unreachable when the last process ended."""
        self._services = services
        self._unreachable = unreachable
        self._greeted: set[int] = set()

    def handler(self) -> TypeHandler[Any, Any, Any]:
        """Return the handler, to be added in a group before all others."""
        return TypeHandler(Update, self._see)

    def catch_all(self) -> CallbackQueryHandler[Any, Any]:
        """Return what answers the taps that no other handler takes, to be added last."""
        return CallbackQueryHandler(self._old_button)

    async def lost(self, person: int) -> None:
        """Telegram does not let us reach this person: they have blocked the bot. Their monitor stops."""
        self._unreachable.add(person)
        student = self._services.storage.student(person)
        if student is not None and student.monitoring:
            await self._services.registry.stop(person)
            log.info("monitor %d: stopped, the student has blocked the bot", person)

    async def _see(self, update: Update, context: Context) -> None:
        user, chat = update.effective_user, update.effective_chat
        if user is None:
            return
        if chat is not None and chat.type != chat.PRIVATE:
            raise ApplicationHandlerStop  # everything here is between one person and the bot
        if update.my_chat_member is not None:
            if update.my_chat_member.new_chat_member.status == ChatMember.BANNED:  # Telegram's word for a blocked bot
                await self.lost(user.id)
            return
        if user.id not in self._services.languages:
            language = closest(user.language_code)
            self._services.languages[user.id] = language
            await asyncio.to_thread(self._services.people.set_language, user.id, language)
        if self._services.is_admin(user.id) and user.id not in self._greeted:
            self._greeted.add(user.id)  # Telegram takes an admin's commands only once they have written to the bot
            context.application.create_task(publish_admin_commands(context.bot, user.id))
        if user.id in self._unreachable:
            self._unreachable.discard(user.id)
            await asyncio.to_thread(self._services.people.set_unreachable, user.id, None)
            self._services.outbox.wake(user.id)
        tapped_data = update.callback_query.data if update.callback_query is not None else None
        if tapped_data is not None and not tapped_data.startswith(("reg:", "mark:")):
            # another menu was used: what is typed next is no answer to a question for the password
            now = self._services.clock.now()
            await asyncio.to_thread(self._services.people.change_step, user.id, PASSWORDS, AFTER_PASSWORD, now)

    async def _old_button(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        query = await tapped(update, _("This button is no longer in use."))
        message_id = shown_in(query)
        if message_id is not None:
            await self._services.outbox.fill(person, SLOT, message_id)
        await self._services.outbox.put(await changed_menu(self._services, person))
