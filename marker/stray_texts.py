"""What people type outside a question."""

import asyncio
from typing import Any

from telegram import Update
from telegram.ext import ContextTypes, MessageHandler, filters

from marker.menu import fresh_menu
from marker.questions import AFTER_PASSWORD, LATE_WITHIN, PASSWORDS, TYPED, Questions
from marker.services import Services
from telegram_app.side import sender, typed_text

SHORTEST = 4  # characters; "hi" after a registration is a greeting

Context = ContextTypes.DEFAULT_TYPE


class StrayTexts:
    """What people type outside a question: late passwords are deleted, for the rest there is the menu."""

    def __init__(self, services: Services, questions: Questions) -> None:
        """Take the questions: they know how a password's message is deleted."""
        self._services = services
        self._questions = questions

    def handlers(self) -> list[MessageHandler[Context, Any]]:
        """Return the handlers, to be added after all others of their group."""
        return [
            MessageHandler(filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE & filters.TEXT, self._edited),
            MessageHandler(TYPED & filters.TEXT, self._typed),
        ]

    async def _edited(self, update: Update, context: Context) -> None:
        """An edited message is no answer to anything; where it may be a password, it is deleted like one."""
        person = sender(update)
        if await self._may_be_password(person, typed_text(update)):
            await self._deleted(update, person)

    async def _typed(self, update: Update, context: Context) -> None:
        person = sender(update)
        if await self._may_be_password(person, typed_text(update)):
            await self._deleted(update, person)
            return
        await self._services.outbox.put(*await fresh_menu(self._services, person))

    async def _deleted(self, update: Update, person: int) -> None:
        _ = self._services.texts(person)
        note = await self._questions.delete_password(update)
        said = note or _("I have deleted your last message, since it may hold a password.")
        step = await asyncio.to_thread(self._services.people.step, person)
        if step is not None and step.name in PASSWORDS:  # the question still stands
            await self._questions.ask_again(person, step, said)
            return
        await self._services.outbox.put(*await fresh_menu(self._services, person, said))

    async def _may_be_password(self, person: int, text: str) -> bool:
        step = await asyncio.to_thread(self._services.people.step, person)
        if step is not None and step.name in PASSWORDS:
            return True
        late = step is not None and step.name == AFTER_PASSWORD and self._services.clock.now() - step.at < LATE_WITHIN
        if late and len(text) >= SHORTEST:
            return True
        if self._services.storage.student(person) is None:
            return False
        password = await asyncio.to_thread(self._services.storage.password, person)
        return text.strip() == password.strip()
