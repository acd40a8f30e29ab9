"""Registration: invitation code, portal username, password; and the way to the question for a new password.

Each step is in the ledger before the next question is asked, so a restart in between loses nothing.
"""

import asyncio
import logging
import re
import warnings
from typing import Any

from telegram import Update
from telegram.ext import (
    CallbackQueryHandler,
    CommandHandler,
    ContextTypes,
    ConversationHandler,
    MessageHandler,
    filters,
)
from telegram.warnings import PTBUserWarning

from marker.admin.invitations import Invitations
from marker.admin.moves import MOVE_CODE_LENGTH, Moves
from marker.lockouts import Lockouts, too_many_codes, too_many_passwords
from marker.menu import changed_menu
from marker.questions import (
    CODE,
    NEW_PASSWORD,
    NOTE,
    PASSWORD,
    PASSWORDS,
    TYPED,
    USERNAME,
    Questions,
    StillAsked,
    joined,
    open_step,
)
from marker.registration.code_problems import BAD_CODE, code_problem
from marker.registration.password_steps import PasswordSteps
from marker.services import Services
from storage import CODE_ALPHABET, CODE_LENGTH, UsernameTaken, normalise_code
from telegram_app.outbox import Item
from telegram_app.side import sender, typed_text

log = logging.getLogger(__name__)

LONGEST_USERNAME = 100

_CODE = re.compile(f"[{CODE_ALPHABET}]{{{CODE_LENGTH}}}")
_USERNAME = re.compile(r"[A-Za-z0-9_][\w.+-]*(@[\w-]+(\.[\w-]+)+)?", re.ASCII)
# A password may begin with a slash; only our own commands, as Telegram's menu sends them, are none.
_COMMAND = filters.Regex(r"(?i)^/(start(@\w+)?(\s+\S+)*|(cancel|help|language|admin)(@\w+)?)\s*$")

Context = ContextTypes.DEFAULT_TYPE


class Registration:
    """The conversation that turns an invitation code into a student."""

    def __init__(
        self,
        services: Services,
        questions: Questions,
        passwords: PasswordSteps,
        invitations: Invitations,
        moves: Moves,
    ) -> None:
        """Take what the handlers work with, and the codes: an admin's note for one is a step of this conversation."""
        self._services = services
        self._questions = questions
        self._passwords = passwords
        self._invitations = invitations
        self._moves = moves
        self._lockouts = Lockouts(services)

    def handler(self) -> ConversationHandler[Any]:
        """Return the conversation."""
        text = TYPED & filters.TEXT & ~filters.COMMAND
        password = TYPED & filters.TEXT & ~_COMMAND & StillAsked(self._questions.left)
        with warnings.catch_warnings():
            # python-telegram-bot warns that buttons are not followed message by message; they need not be here
            warnings.filterwarnings("ignore", message=".*per_message=False", category=PTBUserWarning)
            return self._conversation(text, password)

    def _conversation(self, text: filters.BaseFilter, password: filters.BaseFilter) -> ConversationHandler[Any]:
        other_command: CommandHandler[Any, object] = CommandHandler(
            ("help", "language", "admin"), self._cancel, filters=TYPED & _COMMAND & StillAsked(self._questions.left)
        )
        return ConversationHandler(
            entry_points=[
                CommandHandler("start", self._start, filters=TYPED & _COMMAND),
                CallbackQueryHandler(self._enter_code, pattern=r"^reg:enter$"),
                CallbackQueryHandler(self._update_password, pattern=r"^reg:password$"),
                CallbackQueryHandler(self._passwords.skip, pattern=r"^reg:skip$"),
                self._invitations.question(),
            ],
            states={
                CODE: [MessageHandler(text, self._take_code)],
                USERNAME: [MessageHandler(text, self._take_username)],
                # another command ends the question: what is typed after it is no password
                PASSWORD: [MessageHandler(password, self._passwords.take_password), other_command],
                NEW_PASSWORD: [MessageHandler(password, self._passwords.take_new_password), other_command],
                NOTE: [self._invitations.answer(text)],
            },
            fallbacks=[
                CommandHandler("cancel", self._cancel, filters=TYPED & _COMMAND),
                CallbackQueryHandler(self._cancel_tapped, pattern=r"^reg:cancel$"),
                MessageHandler(TYPED & ~filters.TEXT & ~filters.StatusUpdate.ALL, self._wants_text),
            ],
            allow_reentry=True,
            persistent=True,
            name="registration",
        )

    # the way in

    async def _start(self, update: Update, context: Context) -> str | int:
        """/start shows the menu; with a code (a link) it begins the registration with that code."""
        person = sender(update)
        self._passwords.end_trial(person)
        if context.args and self._services.storage.student(person) is None:
            return await self._check_code(person, " ".join(context.args))
        _ = self._services.texts(person)
        known = _("You are registered already.") if context.args else ""
        return await self._questions.end(person, known)

    async def _enter_code(self, update: Update, context: Context) -> str | int:
        person = await self._services.screen_tapped(update)
        _ = self._services.texts(person)
        self._passwords.end_trial(person)
        if self._services.storage.student(person) is not None:
            await self._services.outbox.put(
                await changed_menu(self._services, person), when=lambda: self._questions.leave(person)
            )
            return ConversationHandler.END
        until = await asyncio.to_thread(self._lockouts.codes_until, person)
        if until is not None:
            menu = await changed_menu(self._services, person, too_many_codes(_, until, self._services.clock.now()))
            await self._services.outbox.put(menu, when=lambda: self._questions.leave(person))
            return ConversationHandler.END
        return await self._questions.ask(person, CODE, {}, self._code_question(person), in_place=True)

    async def _update_password(self, update: Update, context: Context) -> str | int:
        person = await self._services.screen_tapped(update)
        self._passwords.end_trial(person)
        student = self._services.storage.student(person)
        if student is None:
            await self._services.outbox.put(
                await changed_menu(self._services, person), when=lambda: self._questions.leave(person)
            )
            return ConversationHandler.END
        until = await asyncio.to_thread(self._lockouts.passwords_until, person, student.username)
        if until is not None:
            words = too_many_passwords(self._services.texts(person), until, self._services.clock.now())
            menu = await changed_menu(self._services, person, words)
            await self._services.outbox.put(menu, when=lambda: self._questions.leave(person))
            return ConversationHandler.END
        return await self._questions.ask(
            person, NEW_PASSWORD, {}, self._questions.password_question(person), in_place=True
        )

    # the steps

    async def _take_code(self, update: Update, context: Context) -> str | int:
        person, typed = sender(update), typed_text(update)
        step = await asyncio.to_thread(self._services.people.step, person)
        if not _CODE.fullmatch(normalise_code(typed)) and self._questions.awaited_password(step):
            _ = self._services.texts(person)
            note = await self._questions.delete_password(update)
            said = note or _("I have deleted your last message, since it may hold a password.")
            return await self._questions.ask(person, CODE, {}, f"{said}\n\n{self._code_question(person)}")
        return await self._check_code(person, typed)

    async def _check_code(self, person: int, typed: str) -> str | int:
        _ = self._services.texts(person)
        self._passwords.end_trial(person)
        code = normalise_code(typed)
        until = await asyncio.to_thread(self._lockouts.codes_until, person)
        if until is not None:  # a right code is not looked at either
            return await self._questions.end(person, too_many_codes(_, until, self._services.clock.now()))
        is_new = self._services.storage.student(person) is None
        if len(code) == MOVE_CODE_LENGTH and is_new and await self._moves.offer(person, code):
            await asyncio.to_thread(self._questions.leave, person)
            return ConversationHandler.END
        try:
            self._services.storage.check_code(code)
        except BAD_CODE as refusal:
            log.info("person %d: invitation code refused, %s", person, type(refusal).__name__)
            until = await asyncio.to_thread(self._lockouts.wrong_code, person)
            if until is not None:
                log.warning("person %d: too many wrong codes", person)
                locked = too_many_codes(_, until, self._services.clock.now())
                return await self._questions.end(person, joined(code_problem(_, refusal), locked))
            return await self._questions.ask(person, CODE, {}, code_problem(_, refusal))
        question = _(
            "The code is good. Now send me your username on the portal: a login such as a_student, or your e-mail."
        )
        return await self._questions.ask(person, USERNAME, {"code": code}, question)

    async def _take_username(self, update: Update, context: Context) -> str | int:
        person = sender(update)
        _ = self._services.texts(person)
        step = await open_step(self._services, person, USERNAME)
        if step is None:
            return await self._questions.end(person, _("That question has expired. Please begin again."))
        username = typed_text(update).strip()
        if self._questions.awaited_password(step):
            await self._questions.delete_password(update)  # it may be the password, typed late
        if not _USERNAME.fullmatch(username) or len(username) > LONGEST_USERNAME:
            problem = _("That is no portal username. Send a login such as a_student, or your e-mail.")
            return await self._questions.ask(person, USERNAME, step.data, problem)
        try:
            # once more: no password is asked for in vain where the code was revoked or used meanwhile
            self._services.storage.check_code(step.data["code"])
            self._services.storage.check_username(person, username)
        except BAD_CODE as refusal:
            return await self._questions.ask(person, CODE, {}, code_problem(_, refusal))
        except UsernameTaken:
            problem = _("Another Telegram account has registered this username. Send yours, or ask the administrator.")
            return await self._questions.ask(person, USERNAME, step.data, problem)
        until = await asyncio.to_thread(self._lockouts.passwords_until, person, username)
        if until is not None:
            return await self._questions.end(person, too_many_passwords(_, until, self._services.clock.now()))
        return await self._questions.ask(
            person, PASSWORD, {**step.data, "username": username}, self._questions.password_question(person)
        )

    # the ways out

    async def _cancel(self, update: Update, context: Context) -> int:
        person = sender(update)
        _ = self._services.texts(person)
        self._passwords.end_trial(person)
        return await self._questions.end(person, _("Cancelled."))

    async def _cancel_tapped(self, update: Update, context: Context) -> int:
        person = await self._services.screen_tapped(update)
        self._passwords.end_trial(person)
        _ = self._services.texts(person)
        menu = await changed_menu(self._services, person, _("Cancelled."))
        await self._services.outbox.put(menu, when=lambda: self._questions.leave(person))
        return ConversationHandler.END

    async def _wants_text(self, update: Update, context: Context) -> int | None:
        person = sender(update)
        _ = self._services.texts(person)
        note = ""
        step = await asyncio.to_thread(self._services.people.step, person)
        if person in self._questions.left:
            return await self._questions.end(person)
        if step is not None and step.name in PASSWORDS:  # a caption or a voice may hold it, too
            note = await self._questions.delete_password(update)
        await self._services.outbox.put(Item(person, "send", joined(note, _("Please send it as text."))))
        return None

    # within

    def _code_question(self, person: int) -> str:
        _ = self._services.texts(person)
        return _("Send me your invitation code, for example A3KX9M7P.")
