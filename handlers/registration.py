"""Registration: invitation code, portal username, password; and, with the same last step, a new password.

Each step is in the ledger before the next question is asked, so a restart in between loses nothing. A password's
message is deleted before anything else is done with it.
"""

import asyncio
import logging
import re
import unicodedata
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from telegram import Message, Update
from telegram.ext import (
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    MessageHandler,
    filters,
)
from telegram.warnings import PTBUserWarning

from handlers.invitations import Invitations
from handlers.menu import below, changed_menu, fresh_menu
from handlers.questions import ANSWER_WITHIN, CODE, NEW_PASSWORD, NOTE, PASSWORD, STEPS, USERNAME, open_step
from handlers.services import Services, sender, shown_in, tapped
from ledger import Step
from storage import (
    CODE_ALPHABET,
    CODE_LENGTH,
    AlreadyRegistered,
    CodeExpired,
    CodeRevoked,
    CodeUsed,
    NotRegistered,
    StorageError,
    StorageUnavailable,
    UnknownCode,
    UsernameTaken,
    normalise_code,
)
from telegram_app.i18n import Texts
from telegram_app.outgoing import Button, Item, Keyboard

log = logging.getLogger(__name__)

# The step after a password's: what is typed now may be a password that came late.
AFTER_PASSWORD = "after password"  # noqa: S105  # a step's name
LATE_WITHIN = timedelta(minutes=10)
DELETE_WITHIN = 5.0  # seconds to wait for Telegram's answer; afterwards it is tried on
SHORTEST = 4  # characters; "hi" after a registration is a greeting
LONGEST = 200  # characters of a password
LONGEST_USERNAME = 100

PASSWORDS = (PASSWORD, NEW_PASSWORD)
_CODE = re.compile(f"[{CODE_ALPHABET}]{{{CODE_LENGTH}}}")
_USERNAME = re.compile(r"[A-Za-z0-9_][\w.+-]*(@[\w-]+(\.[\w-]+)+)?", re.ASCII)
# Why a code can't be redeemed; storage.check_code and redeem raise these.
_BAD_CODE = (UnknownCode, CodeUsed, CodeRevoked, CodeExpired)
_TYPED = filters.UpdateType.MESSAGE & filters.ChatType.PRIVATE
# A password may begin with a slash; only our own commands, as Telegram's menu sends them, are none.
_COMMAND = filters.Regex(r"(?i)^/(start(@\w+)?(\s+\S+)*|(cancel|help|language|admin)(@\w+)?)\s*$")

Context = ContextTypes.DEFAULT_TYPE


class Registration:
    """The conversation that turns an invitation code into a student."""

    def __init__(self, services: Services, invitations: Invitations) -> None:
        """Take what the handlers work with, and the codes: an admin's note for one is a step of this conversation."""
        self._services = services
        self._invitations = invitations

    def handler(self) -> ConversationHandler[Any]:
        """Return the conversation."""
        text = _TYPED & filters.TEXT & ~filters.COMMAND
        password = _TYPED & filters.TEXT & ~_COMMAND
        with warnings.catch_warnings():
            # python-telegram-bot warns that buttons are not followed message by message; they need not be here
            warnings.filterwarnings("ignore", message=".*per_message=False", category=PTBUserWarning)
            return self._conversation(text, password)

    def _conversation(self, text: filters.BaseFilter, password: filters.BaseFilter) -> ConversationHandler[Any]:
        other_command: CommandHandler[Any, object] = CommandHandler(
            ("help", "language", "admin"), self._cancel, filters=_TYPED & _COMMAND
        )
        return ConversationHandler(
            entry_points=[
                CommandHandler("start", self._start, filters=_TYPED & _COMMAND),
                CallbackQueryHandler(self._enter_code, pattern=r"^reg:enter$"),
                CallbackQueryHandler(self._update_password, pattern=r"^reg:password$"),
                self._invitations.question(),
            ],
            states={
                CODE: [MessageHandler(text, self._take_code)],
                USERNAME: [MessageHandler(text, self._take_username)],
                # another command ends the question: what is typed after it is no password
                PASSWORD: [MessageHandler(password, self._take_password), other_command],
                NEW_PASSWORD: [MessageHandler(password, self._take_new_password), other_command],
                NOTE: [self._invitations.answer(text)],
            },
            fallbacks=[
                CommandHandler("cancel", self._cancel, filters=_TYPED & _COMMAND),
                CallbackQueryHandler(self._cancel_tapped, pattern=r"^reg:cancel$"),
                MessageHandler(_TYPED & ~filters.TEXT & ~filters.StatusUpdate.ALL, self._wants_text),
            ],
            allow_reentry=True,
            persistent=True,
            name="registration",
        )

    # the way in

    async def _start(self, update: Update, context: Context) -> str | int:
        """/start shows the menu; with a code (a link) it begins the registration with that code."""
        person = sender(update)
        if context.args and self._services.storage.student(person) is None:
            return await self._check_code(person, " ".join(context.args))
        _ = self._services.texts(person)
        known = _("You are registered already.") if context.args else ""
        return await self._end(person, known)

    async def _enter_code(self, update: Update, context: Context) -> str | int:
        query = await tapped(update)
        person = sender(update)
        _ = self._services.texts(person)
        await self._adopt(person, shown_in(query))
        if self._services.storage.student(person) is not None:
            await self._services.outbox.put(
                await changed_menu(self._services, person), when=lambda: self._leave(person)
            )
            return ConversationHandler.END
        return await self._ask(person, CODE, {}, self._code_question(person), in_place=True)

    async def _update_password(self, update: Update, context: Context) -> str | int:
        query = await tapped(update)
        person = sender(update)
        await self._adopt(person, shown_in(query))
        if self._services.storage.student(person) is None:
            await self._services.outbox.put(
                await changed_menu(self._services, person), when=lambda: self._leave(person)
            )
            return ConversationHandler.END
        return await self._ask(person, NEW_PASSWORD, {}, self._password_question(person), in_place=True)

    # the steps

    async def _take_code(self, update: Update, context: Context) -> str | int:
        person, typed = sender(update), _text(update)
        step = await asyncio.to_thread(self._services.people.step, person)
        if not _CODE.fullmatch(normalise_code(typed)) and self._awaited_password(step):
            _ = self._services.texts(person)
            note = await self.delete_password(update)
            said = note or _("I have deleted your last message, since it may hold a password.")
            return await self._ask(person, CODE, {}, f"{said}\n\n{self._code_question(person)}")
        return await self._check_code(person, typed)

    async def _check_code(self, person: int, typed: str) -> str | int:
        _ = self._services.texts(person)
        code = normalise_code(typed)
        try:
            self._services.storage.check_code(code)
        except _BAD_CODE as refusal:
            log.info("person %d: invitation code refused, %s", person, type(refusal).__name__)
            return await self._ask(person, CODE, {}, _code_problem(_, refusal))
        question = _(
            "The code is good. Now send me your username on the portal: a login such as a_student, or your e-mail."
        )
        return await self._ask(person, USERNAME, {"code": code}, question)

    async def _take_username(self, update: Update, context: Context) -> str | int:
        person = sender(update)
        _ = self._services.texts(person)
        step = await open_step(self._services, person, USERNAME)
        if step is None:
            return await self._end(person, _("That question has expired. Please begin again."))
        username = _text(update).strip()
        if self._awaited_password(step):
            await self.delete_password(update)  # it may be the password, typed late
        if not _USERNAME.fullmatch(username) or len(username) > LONGEST_USERNAME:
            problem = _("That is no portal username. Send a login such as a_student, or your e-mail.")
            return await self._ask(person, USERNAME, step.data, problem)
        try:
            # once more: no password is asked for in vain where the code was revoked or used meanwhile
            self._services.storage.check_code(step.data["code"])
            self._services.storage.check_username(person, username)
        except _BAD_CODE as refusal:
            return await self._ask(person, CODE, {}, _code_problem(_, refusal))
        except UsernameTaken:
            problem = _("Another Telegram account has registered this username. Send yours, or ask the administrator.")
            return await self._ask(person, USERNAME, step.data, problem)
        return await self._ask(person, PASSWORD, {**step.data, "username": username}, self._password_question(person))

    async def _take_password(self, update: Update, context: Context) -> str | int:
        person = sender(update)
        _ = self._services.texts(person)
        password = _text(update)
        note = await self.delete_password(update)
        step = await open_step(self._services, person, PASSWORD)
        if step is None:
            return await self._end(person, _joined(note, _("That question has expired. Please begin again.")))
        if not _typable(password):
            problem = _joined(note, _("That is no password of the portal: it is too long, or has more than one line."))
            return await self._ask(person, PASSWORD, step.data, problem)
        code, username = step.data["code"], step.data["username"]
        try:
            await asyncio.to_thread(self._services.storage.redeem, code, person, username, password)
        except AlreadyRegistered:
            return await self._end(person, _joined(note, _("You are registered already.")))
        except _BAD_CODE as refusal:
            return await self._end(person, _joined(note, _code_problem(_, refusal)))
        except UsernameTaken:
            problem = _("Another Telegram account has registered this username. Send yours, or ask the administrator.")
            return await self._end(person, _joined(note, problem))
        except StorageUnavailable:
            log.exception("person %d: registration not written", person)
            problem = _("Your registration could not be saved. Nothing was kept; please try again later.")
            return await self._end(person, _joined(note, problem))
        log.info("person %d: registered", person)
        told = self._invitations.redeemed(code, username)
        return await self._end(person, _joined(note, _("Registration complete!")), told)

    async def _take_new_password(self, update: Update, context: Context) -> str | int:
        person = sender(update)
        _ = self._services.texts(person)
        password = _text(update)
        note = await self.delete_password(update)
        if await open_step(self._services, person, NEW_PASSWORD) is None:
            return await self._end(person, _joined(note, _("That question has expired. Please begin again.")))
        if not _typable(password):
            problem = _joined(note, _("That is no password of the portal: it is too long, or has more than one line."))
            return await self._ask(person, NEW_PASSWORD, {}, problem)
        try:
            await asyncio.to_thread(self._services.storage.set_password, person, password)
            await self._services.registry.restart(person)  # a running one still has the old password
        except NotRegistered:
            return await self._end(person, note)
        except StorageUnavailable:
            log.exception("person %d: new password not written", person)
            problem = _("Your new password could not be saved. The old one is still there; please try again later.")
            return await self._end(person, _joined(note, problem))
        log.info("person %d: password updated", person)
        return await self._end(person, _joined(note, _("The new password is saved.")))

    # the ways out

    async def _cancel(self, update: Update, context: Context) -> int:
        person = sender(update)
        _ = self._services.texts(person)
        return await self._end(person, _("Cancelled."))

    async def _cancel_tapped(self, update: Update, context: Context) -> int:
        query = await tapped(update)
        person = sender(update)
        await self._adopt(person, shown_in(query))
        _ = self._services.texts(person)
        menu = await changed_menu(self._services, person, _("Cancelled."))
        await self._services.outbox.put(menu, when=lambda: self._leave(person))
        return ConversationHandler.END

    async def _wants_text(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        note = ""
        step = await asyncio.to_thread(self._services.people.step, person)
        if step is not None and step.name in PASSWORDS:  # a caption or a voice may hold it, too
            note = await self.delete_password(update)
        await self._services.outbox.put(Item(person, "send", _joined(note, _("Please send it as text."))))

    # within

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

    async def ask_passwords_again(self) -> None:
        """After a restart, ask again for each password that was waited for: one typed meanwhile may be lost."""
        for person, step in (await asyncio.to_thread(self._services.people.steps)).items():
            if step.name in PASSWORDS and self._services.clock.now() - step.at <= ANSWER_WITHIN:
                await self.ask_again(person, step, "")

    async def ask_again(self, person: int, step: Step, headline: str) -> None:
        """Ask the password's question once more, below what has come in between."""
        await self._ask(person, step.name, step.data, _joined(headline, self._password_question(person)))

    def _code_question(self, person: int) -> str:
        _ = self._services.texts(person)
        return _("Send me your invitation code, for example A3KX9M7P.")

    def _awaited_password(self, step: Step | None) -> bool:
        """Say whether a password was waited for until lately, so that it may still come."""
        if step is None:
            return False
        since = step.at if step.name in (AFTER_PASSWORD, *PASSWORDS) else step.data.get("password_at")
        if since is None:
            return False
        at = since if isinstance(since, datetime) else datetime.fromisoformat(since)
        return self._services.clock.now() - at < LATE_WITHIN

    def _password_question(self, person: int) -> str:
        _ = self._services.texts(person)
        return _(
            "Now send me your portal password. "
            "I will delete your message at once, and keep the password encrypted. /cancel to stop."
        )

    async def _ask(self, person: int, step: str, data: dict[str, Any], question: str, in_place: bool = False) -> str:
        """Write the step down and ask its question, as one transaction."""
        _ = self._services.texts(person)
        keyboard: Keyboard = [[Button(_("Cancel"), "reg:cancel")]]
        items = (
            [Item(person, "edit", question, keyboard, slot="menu")] if in_place else below(person, question, keyboard)
        )

        def write() -> bool:
            now = self._services.clock.now()
            before = self._services.people.step(person)
            late = {}
            if step not in PASSWORDS and before is not None and self._awaited_password(before):
                at = before.data.get("password_at") or before.at.isoformat()
                late = {"password_at": at}
            self._services.people.set_step(person, step, {**data, **late}, now)
            return True

        await self._services.outbox.put(*items, when=write)
        return step

    async def _end(self, person: int, headline: str = "", more: Sequence[Item] = ()) -> int:
        """Leave the conversation and show the menu, as one transaction with what others have to be told."""
        items = await fresh_menu(self._services, person, headline)
        await self._services.outbox.put(*items, *more, when=lambda: self._leave(person))
        return ConversationHandler.END

    def _leave(self, person: int) -> bool:
        step = self._services.people.step(person)
        if step is not None and step.name in PASSWORDS:
            self._services.people.set_step(person, AFTER_PASSWORD, {}, self._services.clock.now())
        elif step is not None and step.name != AFTER_PASSWORD:
            self._services.people.clear_step(person)
        return True

    async def _adopt(self, person: int, message_id: int | None) -> None:
        if message_id is not None:
            await self._services.outbox.fill(person, "menu", message_id)


class StrayTexts:
    """What people type outside a question: late passwords are deleted, for the rest there is the menu."""

    def __init__(self, services: Services, registration: Registration) -> None:
        """Take the registration: it knows how a password's message is deleted."""
        self._services = services
        self._registration = registration

    def handlers(self) -> list[MessageHandler[Context, Any]]:
        """Return the handlers, to be added after all others of their group."""
        return [
            MessageHandler(filters.UpdateType.EDITED_MESSAGE & filters.ChatType.PRIVATE & filters.TEXT, self._edited),
            MessageHandler(_TYPED & filters.TEXT, self._typed),
        ]

    async def _edited(self, update: Update, context: Context) -> None:
        """An edited message is no answer to anything; where it may be a password, it is deleted like one."""
        person = sender(update)
        if await self._may_be_password(person, _text(update)):
            await self._deleted(update, person)

    async def _typed(self, update: Update, context: Context) -> None:
        person = sender(update)
        if await self._may_be_password(person, _text(update)):
            await self._deleted(update, person)
            return
        await self._services.outbox.put(*await fresh_menu(self._services, person))

    async def _deleted(self, update: Update, person: int) -> None:
        _ = self._services.texts(person)
        note = await self._registration.delete_password(update)
        said = note or _("I have deleted your last message, since it may hold a password.")
        step = await asyncio.to_thread(self._services.people.step, person)
        if step is not None and step.name in PASSWORDS:  # the question still stands
            await self._registration.ask_again(person, step, said)
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


def _typable(password: str) -> bool:
    """Say whether a form can take it: a line break would send the form, private-use characters are keys to a driver."""
    return len(password) <= LONGEST and not any(unicodedata.category(c) in ("Cc", "Co", "Cs") for c in password)


def _text(update: Update) -> str:
    message: Message | None = update.effective_message
    return (message.text or "") if message is not None else ""


def _code_problem(_: Texts, refusal: StorageError) -> str:
    """Say why a code can't be redeemed, and what to do."""
    if isinstance(refusal, CodeUsed):
        return _("This invitation code has been used already. Ask the administrator for a new one.")
    if isinstance(refusal, CodeRevoked):
        return _("This invitation code has been revoked. Ask the administrator for a new one.")
    if isinstance(refusal, CodeExpired):
        return _("This invitation code has expired. Ask the administrator for a new one.")
    return _("There is no such invitation code. Check it and send it again, or ask the administrator.")


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


__all__ = ["STEPS", "Registration", "StrayTexts"]
