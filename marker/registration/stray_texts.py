"""What people type outside of a question: late passwords are deleted, everything else is answered with the menu."""

from typing import Any

from telegram import Update
from telegram.ext import MessageHandler, filters

from marker.menu import fresh_menu
from marker.questions import PASSWORDS, STEPS, Questions
from marker.services import Services
from telegram_app.outbox import Item
from telegram_app.side import TYPED, Context, sender, typed_text


class StrayTexts:
    """Deletes late passwords, and shows the menu for every other text that no question asks for."""

    def __init__(self, services: Services, questions: Questions) -> None:
        self._services = services
        self._questions = questions

    def handlers(self) -> list[MessageHandler[Context, Any]]:
        """Return the handlers, to be added after all others of their group."""
        edited = filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE
        return [
            MessageHandler(edited & filters.TEXT, self._edited),
            MessageHandler(TYPED & filters.TEXT, self._typed),
        ]

    async def _edited(self, update: Update, context: Context) -> None:
        """Delete an edited message that may be a password; it answers nothing."""
        if await self._questions.may_be_password(sender(update), typed_text(update)):
            await self._delete(update)

    async def _typed(self, update: Update, context: Context) -> None:
        person, text = sender(update), typed_text(update)
        if await self._questions.may_be_password(person, text):
            await self._delete(update)
            return
        _ = self._services.texts(person)
        headline = _("I don't know that command.") if text.startswith("/") else ""
        await self._services.outbox.put(*await fresh_menu(self._services, person, headline))

    async def _delete(self, update: Update) -> None:
        person = sender(update)
        said = await self._questions.delete_stray(update)
        step = await self._services.step(person)
        if step is not None and step.name in PASSWORDS:  # the question still stands
            await self._questions.ask_again(person, step, said)
        elif step is not None and step.name in STEPS:
            await self._services.outbox.put(Item(person, "send", said))
        else:
            await self._questions.end(person, said)
