"""The questions that wait for a typed answer: their steps, how they are asked and left, how long an answer is one.

A password's message is deleted before anything else is done with it.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from telegram import Message, Update
from telegram.ext import ConversationHandler, filters

from marker.menu import fresh_menu
from marker.services import Services
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.people import Step
from telegram_app.side import SCREEN, below, sender

log = logging.getLogger(__name__)

CODE, USERNAME, PASSWORD, NEW_PASSWORD = "code", "username", "password", "new password"  # steps' names
NOTE = "note"
PASSWORDS = (PASSWORD, NEW_PASSWORD)
STEPS = (CODE, USERNAME, PASSWORD, NEW_PASSWORD, NOTE)
# A question this old is no longer in the person's mind: what they type is not the answer.
ANSWER_WITHIN = timedelta(minutes=30)
# The step after a password's: what is typed now may be a password that came late.
AFTER_PASSWORD = "after password"  # noqa: S105  # a step's name
LATE_WITHIN = timedelta(minutes=10)
DELETE_WITHIN = 5.0  # seconds to wait for Telegram's answer; afterwards it is tried on

TYPED = filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE


async def open_step(services: Services, person: int, name: str) -> Step | None:
    """Return the step the person is at; None where it is another one, or too old to be meant."""
    step = await asyncio.to_thread(services.people.step, person)
    if step is None or step.name != name or services.clock.now() - step.at > ANSWER_WITHIN:
        return None
    return step


class StillAsked(filters.MessageFilter):
    """Lets no message through to a question that a trial has ended: python-telegram-bot did not see that end."""

    def __init__(self, left: set[int]) -> None:
        """Take who has left a question so; the set changes."""
        super().__init__("still asked")
        self._left = left

    def filter(self, message: Message) -> bool:
        """Say whether the sender's question still stands."""
        return message.from_user is not None and message.from_user.id not in self._left


class Questions:
    """Asks and leaves questions: the step in the ledger and the message about it are one transaction."""

    def __init__(self, services: Services) -> None:
        """Take what the handlers work with."""
        self._services = services
        self.left: set[int] = set()  # whose question a trial has ended, outside of the conversation's handlers

    async def ask(self, person: int, step: str, data: dict[str, Any], question: str, in_place: bool = False) -> str:
        """Write the step down and ask its question, as one transaction."""
        _ = self._services.texts(person)
        keyboard: Keyboard = [[Button(_("Cancel"), "reg:cancel")]]
        items = (
            [Item(person, "edit", question, keyboard, slot=SCREEN)] if in_place else below(person, question, keyboard)
        )

        def write() -> bool:
            now = self._services.clock.now()
            before = self._services.people.step(person)
            late = {}
            if step not in PASSWORDS and before is not None and self.awaited_password(before):
                at = before.data.get("password_at") or before.at.isoformat()
                late = {"password_at": at}
            self._services.people.set_step(person, step, {**data, **late}, now)
            return True

        self.left.discard(person)
        await self._services.outbox.put(*items, when=write)
        return step

    async def ask_again(self, person: int, step: Step, headline: str) -> None:
        """Ask the password's question once more, below what has come in between."""
        await self.ask(person, step.name, step.data, joined(headline, self.password_question(person)))

    async def ask_passwords_again(self) -> None:
        """After a restart, ask again for each password that was waited for: one typed meanwhile may be lost."""
        for person, step in (await asyncio.to_thread(self._services.people.steps)).items():
            if step.name in PASSWORDS and self._services.clock.now() - step.at <= ANSWER_WITHIN:
                await self.ask_again(person, step, "")

    def password_question(self, person: int) -> str:
        """Return the question for a password, in the person's language."""
        _ = self._services.texts(person)
        return _(
            "Now send me your portal password. "
            "I will delete your message at once, and keep the password encrypted. /cancel to stop."
        )

    def awaited_password(self, step: Step | None) -> bool:
        """Say whether a password was waited for until lately, so that it may still come."""
        if step is None:
            return False
        since = step.at if step.name in (AFTER_PASSWORD, *PASSWORDS) else step.data.get("password_at")
        if since is None:
            return False
        at = since if isinstance(since, datetime) else datetime.fromisoformat(since)
        return self._services.clock.now() - at < LATE_WITHIN

    async def delete_password(self, update: Update) -> str:
        """Delete a message that holds, or may hold, a password; return what the person must know, mostly nothing."""
        message = update.effective_message
        if message is None:
            return ""
        person = sender(update)
        gone = await self._services.outbox.delete(person, message.message_id, DELETE_WITHIN)
        if gone:
            return ""
        log.warning("person %d: message %d with a password is not deleted yet", person, message.message_id)
        _ = self._services.texts(person)
        return _("I could not delete your message with the password. Please delete it yourself.")

    async def end(self, person: int, headline: str = "", more: Sequence[Item] = ()) -> int:
        """Leave the conversation and show the menu, as one transaction with what others have to be told."""
        items = await fresh_menu(self._services, person, headline)
        await self._services.outbox.put(*items, *more, when=lambda: self.leave(person))
        return ConversationHandler.END

    async def end_or_menu(self, person: int, note: str, name: str) -> int:
        """Leave a question that is too old, or that a trial has ended without this conversation's own handlers."""
        _ = self._services.texts(person)
        step = await asyncio.to_thread(self._services.people.step, person)
        if step is not None and step.name == name:
            return await self.end(person, joined(note, _("That question has expired. Please begin again.")))
        return await self.end(person, note or _("I have deleted your last message, since it may hold a password."))

    def leave(self, person: int) -> bool:
        """Write down that the question is left; True, as what goes with an outgoing message must say. Blocks."""
        step = self._services.people.step(person)
        if step is not None and step.name in PASSWORDS:
            self._services.people.set_step(person, AFTER_PASSWORD, {}, self._services.clock.now())
        elif step is not None and step.name != AFTER_PASSWORD:
            self._services.people.clear_step(person)
        return True


def joined(*parts: str) -> str:
    """Return the parts that there are as paragraphs."""
    return "\n\n".join(part for part in parts if part)
