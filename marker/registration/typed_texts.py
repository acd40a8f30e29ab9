"""What people type: the answer to the question that waits for one, or else perhaps a late password."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from telegram import Update
from telegram.ext import MessageHandler, filters

from marker.menu import fresh_menu
from marker.questions import AFTER_PASSWORD, PASSWORDS, STEPS, Questions, joined
from marker.services import Services
from telegram_app.outbox import Item
from telegram_app.people import ConversationStep
from telegram_app.side import TYPED, Context, sender, typed_text

SHORTEST = 4  # characters of a password; "hi" after a registration is a greeting

Answer = Callable[[Update, Context, ConversationStep], Coroutine[Any, Any, None]]


class TypedTexts:
    """Passes each answer to its question; deletes late passwords; shows the menu for everything else.

    ``answers`` has what takes the answer, by the step's name.
    """

    def __init__(self, services: Services, questions: Questions, answers: Mapping[str, Answer]) -> None:
        self._services = services
        self._questions = questions
        self._answers = answers

    def handlers(self) -> list[MessageHandler[Context, Any]]:
        """Return the handlers, to be added after all others of their group."""
        edited = filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE
        return [
            MessageHandler(edited & filters.TEXT, self._edited),
            MessageHandler(TYPED & filters.TEXT, self._typed),
            MessageHandler(TYPED & ~filters.TEXT & ~filters.StatusUpdate.ALL, self._other),
        ]

    async def _typed(self, update: Update, context: Context) -> None:
        person, text = sender(update), typed_text(update)
        step = await self._services.step(person)
        is_command = text.startswith("/")
        if step is not None and step.name in self._answers and not is_command:
            await self._answers[step.name](update, context, step)
        elif await self._may_be_password(person, text, step):
            await self._delete(update, person, step)
        else:
            _ = self._services.texts(person)
            headline = _("I don't know that command.") if is_command else ""
            await self._services.outbox.put(*await fresh_menu(self._services, person, headline))

    async def _edited(self, update: Update, context: Context) -> None:
        """Delete an edited message that may be a password; it answers nothing."""
        person = sender(update)
        step = await self._services.step(person)
        if await self._may_be_password(person, typed_text(update), step):
            await self._delete(update, person, step)

    async def _other(self, update: Update, context: Context) -> None:
        """Say that a photo or a voice message is no answer; its caption or sound may hold the password, too."""
        person = sender(update)
        step = await self._services.step(person)
        if step is None or step.name not in STEPS:
            return
        _ = self._services.texts(person)
        note = await self._questions.delete_password(update) if step.name in PASSWORDS else ""
        await self._services.outbox.put(Item(person, "send", joined(note, _("Please send it as text."))))

    async def _delete(self, update: Update, person: int, step: ConversationStep | None) -> None:
        said = await self._questions.delete_stray(update)
        if step is not None and step.name in PASSWORDS:  # the question still stands
            await self._questions.ask_again(person, step, said)
        else:
            await self._services.outbox.put(*await fresh_menu(self._services, person, said))

    async def _may_be_password(self, person: int, text: str, step: ConversationStep | None) -> bool:
        if step is not None and step.name in PASSWORDS:
            return True
        is_late = self._questions.awaits_after_deletion(person)
        if step is not None and step.name == AFTER_PASSWORD:
            is_late = self._questions.awaits_late_password(step)
        return (is_late and len(text) >= SHORTEST) or await self._questions.is_own_password(person, text)
