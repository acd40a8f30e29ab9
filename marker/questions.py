"""Questions that wait for a typed answer: a question's step is stored in one transaction with its message.

The stored step decides which question is open. The registration's ConversationHandler keeps a state of its own, which
does not change when a trial of a password or another menu ends a question; ``asked`` keeps both in agreement.

A message that may hold a password is deleted before anything else is done with it.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from telegram import Message, Update
from telegram.ext import ConversationHandler, TypeHandler, filters

from marker.menu import changed_menu, fresh_menu
from marker.services import Services
from telegram_app.outbox import NOTICE, Button, Item, Keyboard
from telegram_app.people import ConversationStep
from telegram_app.side import SCREEN, Context, below, sender, tapped_data

log = logging.getLogger(__name__)

CODE, USERNAME, PASSWORD, NEW_PASSWORD, NOTE = "code", "username", "password", "new password", "note"  # steps' names
PASSWORDS = (PASSWORD, NEW_PASSWORD)
STEPS = (CODE, USERNAME, PASSWORD, NEW_PASSWORD, NOTE)
# What is typed later than this is not meant as the answer.
ANSWER_WITHIN = timedelta(minutes=30)
# The step after a password's question: what is typed now may be a password that comes late.
AFTER_PASSWORD = "after password"  # noqa: S105  # a step's name
LATE_WITHIN = timedelta(minutes=10)
SHORTEST = 4  # characters of a late password; "hi" after a registration is a greeting
# The step of somebody who used another menu instead: the next text, however late, may be the password.
LEFT_PASSWORD = "left password"  # noqa: S105  # a step's name
_COMMAND = re.compile(r"/[a-z]\w*(@\w+)?(\s.*)?", re.IGNORECASE | re.ASCII | re.DOTALL)
DELETE_WITHIN = 5.0  # seconds to wait for Telegram's answer; the outbox goes on trying afterwards


class Where(filters.MessageFilter):
    """Passes the messages that meet a condition."""

    def __init__(self, condition: Callable[[Message], bool]) -> None:
        super().__init__()
        self._condition = condition

    def filter(self, message: Message) -> bool:
        return self._condition(message)


class Questions:
    """Asks and leaves questions. Where a method returns a state, it is the ConversationHandler's next one."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open_steps: dict[int, str] = {}  # by person, as stored when their current update came
        self.tried: set[int] = set()  # people whose password is being tried: another menu does not end their question
        self._deleted: set[int] = set()  # people whose step was deleted while a password might still be typed

    def handler(self) -> TypeHandler[Any, Any, Any]:
        """Return the handler that loads a person's step, to be added in a group before the conversation's."""
        return TypeHandler(Update, self._load)

    def asked(self, step: str | None) -> filters.BaseFilter:
        """Return the filter of messages that answer the question of a step; None: of those that answer none."""
        return Where(lambda message: self._open_steps.get(message.chat.id) == step)

    async def _load(self, update: Update, context: Context) -> None:
        person, data = sender(update), tapped_data(update)
        if data and not data.startswith(("reg:", "mark:")) and person not in self.tried:
            people, now = self._services.people, self._services.clock.now()
            await asyncio.to_thread(people.change_step, person, PASSWORDS, LEFT_PASSWORD, now)
        self._open_steps.pop(person, None)
        step = await self._services.step(person)
        if step is not None and step.name in STEPS:
            self._open_steps[person] = step.name

    async def open_step(self, person: int, *names: str) -> ConversationStep | None:
        """Return the step of a question that can still be answered; None where it was left or is too old."""
        step = await self._services.step(person)
        return step if step is not None and step.name in names and not self._is_old(step) else None

    async def ask(
        self,
        person: int,
        step: str,
        data: dict[str, Any],
        question: str,
        in_place: bool = False,
        still_at: ConversationStep | None = None,
    ) -> str:
        """Store the step and ask its question: below what was typed, or in place of the screen; return the state.

        ``still_at``: only if the person is at this step until then.
        """
        _ = self._services.texts(person)
        keyboard: Keyboard = [[Button(_("Cancel"), "reg:cancel")]]
        if step in PASSWORDS:
            keyboard[0].insert(0, Button(_("Change Username"), "reg:username"))
        edit = [Item(person, "edit", question, keyboard, slot=SCREEN)]

        def write() -> bool:
            before = self._services.people.step(person)
            if still_at is not None and before != still_at:
                return False
            asked_at = self._password_asked_at(before) if step not in PASSWORDS else None
            late = {"password_at": asked_at.isoformat()} if asked_at is not None else {}
            self._services.people.set_step(person, step, {**data, **late}, self._services.clock.now())
            return True

        self._deleted.discard(person)
        await self._services.outbox.put(*(edit if in_place else below(person, question, keyboard)), when=write)
        return step

    async def ask_password(self, person: int, step: str, data: dict[str, Any], headline: str = "", **how: Any) -> str:
        """Ask, as ``ask``, for the password of the account in ``data``, else of the registered one."""
        return await self.ask(person, step, data, joined(headline, self.password_question(person, data)), **how)

    def password_question(self, person: int, data: dict[str, Any]) -> str:
        _, student = self._services.texts(person), self._services.storage.student(person)
        username = data.get("username") or (student.username if student is not None else "")
        return _(
            "Now send me your portal password for {username}. "
            "I will delete your message at once, and keep the password encrypted. /cancel to stop."
        ).format(username=f"<b>{escape(username)}</b>")

    async def ask_passwords_again(self) -> None:
        """Ask again, after a restart, for every password that is due: one typed meanwhile may be lost."""
        for person, step in (await asyncio.to_thread(self._services.people.steps)).items():
            if step.name in PASSWORDS and not self._is_old(step):
                await self.ask_password(person, step.name, step.data)

    def _is_old(self, step: ConversationStep) -> bool:
        return self._services.clock.now() - step.at > ANSWER_WITHIN

    def awaits_late_password(self, step: ConversationStep | None) -> bool:
        """Say whether a password was asked for not long ago, so that it may still be typed."""
        return self._password_asked_at(step) is not None

    def _password_asked_at(self, step: ConversationStep | None) -> datetime | None:
        """Return when the last password was asked for; None: never, or too long ago."""
        if step is None:
            return None
        at: datetime | None = step.at
        if step.name not in (AFTER_PASSWORD, LEFT_PASSWORD, *PASSWORDS):
            kept = step.data.get("password_at")
            at = kept and datetime.fromisoformat(kept)
        return at if at and self._services.clock.now() - at < LATE_WITHIN else None

    def before_deletion(self, person: int) -> None:
        """Before a person's step is deleted, keep in memory that a password may still be typed. Blocks."""
        step = self._services.people.step(person)
        if step is not None and (step.name in (LEFT_PASSWORD, *PASSWORDS) or self.awaits_late_password(step)):
            self._deleted.add(person)

    async def may_be_password(self, person: int, text: str) -> bool:
        """Say whether a text that answers no question may be a password. A command is none."""
        step = await self._services.step(person)
        if _COMMAND.fullmatch(text) and (step is None or step.name not in PASSWORDS):
            is_late = False
        elif step is None:
            is_late = person in self._deleted
        elif step.name == AFTER_PASSWORD:
            is_late = self.awaits_late_password(step) and len(text) >= SHORTEST
        else:  # at another question, this is a text that begins with a slash, or an edited message
            is_late = step.name in (LEFT_PASSWORD, *PASSWORDS) or self.awaits_late_password(step)
        return is_late or await self.is_own_password(person, text)

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

    async def end(self, person: int, headline: str = "", more: Sequence[Item] = (), *, in_place: bool = False) -> int:
        """Leave the question and show the menu, below or in its place, in one transaction with messages to others."""
        step, _ = await self._services.step(person), self._services.texts(person)
        if step is not None and step.name in PASSWORDS:
            headline = joined(headline, _("For the next ten minutes I delete what may be a password. Commands work."))
        menu = [await changed_menu(self._services, person, headline)] if in_place else None
        items = menu or await fresh_menu(self._services, person, headline)
        await self._services.outbox.put(*items, *more, when=lambda: self.leave(person))
        return ConversationHandler.END

    def leave(self, person: int) -> bool:
        """Store that the question is left; True, as ``when`` of ``Outbox.put`` asks. Blocks."""
        self._deleted.discard(person)
        step = self._services.people.step(person)
        if step is not None and step.name in (LEFT_PASSWORD, *PASSWORDS):
            at = step.at if step.name == LEFT_PASSWORD else self._services.clock.now()
            self._services.people.set_step(person, AFTER_PASSWORD, {}, at)
        elif step is not None and step.name != AFTER_PASSWORD:
            self._services.people.clear_step(person)
        return True


async def told_with_menu(services: Services, person: int, text: str) -> list[Item]:
    """Return a message with a new menu; while a question is open, which a menu would replace, without it."""
    step = await services.step(person)
    if step is not None and step.name in STEPS:
        return [Item(person, "send", text, lane=NOTICE)] if text else []
    return await fresh_menu(services, person, text)


def joined(*parts: str) -> str:
    """Return the parts that are not empty as paragraphs."""
    return "\n\n".join(part for part in parts if part)
