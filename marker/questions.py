"""Questions that wait for a typed answer: a question's step is stored in one transaction with its message.

A message that may hold a password is deleted before anything else is done with it.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from telegram import Update

from marker.menu import changed_menu, fresh_menu
from marker.services import Services
from telegram_app.outbox import Button, Item, Keyboard
from telegram_app.people import ConversationStep
from telegram_app.side import SCREEN, below, sender

log = logging.getLogger(__name__)

CODE, USERNAME, PASSWORD, NEW_PASSWORD, NOTE = "code", "username", "password", "new password", "note"  # steps' names
PASSWORDS = (PASSWORD, NEW_PASSWORD)
STEPS = (CODE, USERNAME, PASSWORD, NEW_PASSWORD, NOTE)
# What is typed later than this is not meant as the answer.
ANSWER_WITHIN = timedelta(minutes=30)
# The step after a password's question: what is typed now may be a password that comes late.
AFTER_PASSWORD = "after password"  # noqa: S105  # a step's name
LATE_WITHIN = timedelta(minutes=10)
DELETE_WITHIN = 5.0  # seconds to wait for Telegram's answer; the outbox goes on trying afterwards


class Questions:
    """Asks and leaves questions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._deleted: dict[int, datetime] = {}  # people who deleted their data while a password was asked for

    async def ask(self, person: int, step: str, data: dict[str, Any], question: str, in_place: bool = False) -> None:
        """Store the step and ask its question: below what was typed, or in place of the screen."""
        _ = self._services.texts(person)
        keyboard: Keyboard = [[Button(_("Cancel"), "reg:cancel")]]
        edit = [Item(person, "edit", question, keyboard, slot=SCREEN)]

        def write() -> bool:
            late = {}
            before = self._services.people.step(person)
            if step not in PASSWORDS and (asked_at := self._password_asked_at(before)) is not None:
                late = {"password_at": asked_at.isoformat()}
            self._services.people.set_step(person, step, {**data, **late}, self._services.clock.now())
            return True

        await self._services.outbox.put(*(edit if in_place else below(person, question, keyboard)), when=write)

    async def ask_again(self, person: int, step: ConversationStep, headline: str = "") -> None:
        """Ask for the password once more, below what has come in between."""
        await self.ask(person, step.name, step.data, joined(headline, self.password_question(person)))

    async def ask_passwords_again(self) -> None:
        """Ask again, after a restart, for every password that is due: one typed meanwhile may be lost."""
        for person, step in (await asyncio.to_thread(self._services.people.steps)).items():
            if step.name in PASSWORDS and not self.is_old(step):
                await self.ask_again(person, step)

    def password_question(self, person: int) -> str:
        """Return the question for a password."""
        _ = self._services.texts(person)
        return _(
            "Now send me your portal password. "
            "I will delete your message at once, and keep the password encrypted. /cancel to stop."
        )

    def is_old(self, step: ConversationStep) -> bool:
        """Say whether a question was asked so long ago that what is typed now is not its answer."""
        return self._services.clock.now() - step.at > ANSWER_WITHIN

    def awaits_late_password(self, step: ConversationStep | None) -> bool:
        """Say whether a password was asked for not long ago, so that it may still be typed."""
        return self._password_asked_at(step) is not None

    def _password_asked_at(self, step: ConversationStep | None) -> datetime | None:
        """Return when the last password was asked for; None: never, or too long ago."""
        if step is None:
            return None
        kept = step.data.get("password_at")
        at = step.at if step.name in (AFTER_PASSWORD, *PASSWORDS) else kept and datetime.fromisoformat(kept)
        return at if at and self._services.clock.now() - at < LATE_WITHIN else None

    def delete_person(self, person: int) -> None:
        """Keep in memory alone, since nothing may be stored, that a person's password may still be typed. Blocks."""
        if (asked_at := self._password_asked_at(self._services.people.step(person))) is not None:
            self._deleted[person] = asked_at

    def awaits_after_deletion(self, person: int) -> bool:
        """Say whether a person who deleted their data may still type a password."""
        asked_at = self._deleted.get(person)
        return asked_at is not None and self._services.clock.now() - asked_at < LATE_WITHIN

    async def is_own_password(self, person: int, text: str) -> bool:
        """Say whether a registered student has typed their stored password."""
        if self._services.storage.student(person) is None:
            return False
        return text.split() == (await asyncio.to_thread(self._services.storage.password, person)).split()

    async def delete_password(self, update: Update, done: str = "") -> str:
        """Delete a message that may hold a password; return ``done``, or that the person has to delete it."""
        message = update.effective_message
        person = sender(update)
        if message is None or await self._services.outbox.delete(person, message.message_id, DELETE_WITHIN):
            return done
        log.warning("person %d: message %d with a password is not deleted yet", person, message.message_id)
        _ = self._services.texts(person)
        return _("I could not delete your message with the password. Please delete it yourself.")

    async def delete_stray(self, update: Update) -> str:
        """Delete a message that was not asked for and may hold a password; return what the person is told of it."""
        _ = self._services.texts(sender(update))
        return await self.delete_password(update, _("I have deleted your last message, since it may hold a password."))

    async def end(self, person: int, headline: str = "", more: Sequence[Item] = ()) -> None:
        """Leave the question and show the menu below, in one transaction with messages to others."""
        items = await fresh_menu(self._services, person, headline)
        await self._services.outbox.put(*items, *more, when=lambda: self.leave(person))

    async def end_in_place(self, person: int, headline: str = "") -> None:
        """Leave the question and show the menu in its place."""
        menu = await changed_menu(self._services, person, headline)
        await self._services.outbox.put(menu, when=lambda: self.leave(person))

    def leave(self, person: int) -> bool:
        """Store that the question is left; True, as ``when`` of ``Outbox.put`` asks. Blocks."""
        step = self._services.people.step(person)
        if step is not None and step.name in PASSWORDS:
            self._services.people.set_step(person, AFTER_PASSWORD, {}, self._services.clock.now())
        elif step is not None and step.name != AFTER_PASSWORD:
            self._services.people.clear_step(person)
        return True


def joined(*parts: str) -> str:
    """Return the parts that are not empty as paragraphs."""
    return "\n\n".join(part for part in parts if part)
