"""Registration: invitation code, portal username, password; and the question for a new password.

Each step is stored before the next question is asked, so a restart in between loses nothing.
"""

import logging
import re
from typing import Any

from telegram import Update
from telegram.ext import (
    ApplicationHandlerStop,
    BaseHandler,
    CallbackQueryHandler,
    CommandHandler,
    MessageHandler,
    filters,
)

from marker.admin.moves import MOVE_CODE_LENGTH, AccountMoves
from marker.lockouts import Lockouts
from marker.menu import old_button
from marker.questions import CODE, NEW_PASSWORD, PASSWORD, PASSWORDS, STEPS, USERNAME, Questions, joined
from marker.registration.password_steps import PasswordSteps
from marker.registration.refusals import BAD_CODE, refusal_text
from marker.services import Services
from storage import CODE_ALPHABET, CODE_LENGTH, UsernameTaken, normalise_code
from telegram_app.people import ConversationStep
from telegram_app.side import TYPED, Context, sender, typed_text

log = logging.getLogger(__name__)

LONGEST_USERNAME = 100

_CODE = re.compile(f"[{CODE_ALPHABET}]{{{CODE_LENGTH}}}")
_USERNAME = re.compile(r"[A-Za-z0-9_][\w.+-]*(@[\w-]+(\.[\w-]+)+)?", re.ASCII)
# A password may begin with a slash; only our own commands, as Telegram's menu sends them, are no passwords.
_COMMAND = re.compile(r"/(start(@\w+)?(\s+\S+)*|(?P<other>cancel|help|language|admin)(@\w+)?)\s*", re.IGNORECASE)


class Registration:
    """The questions that turn an invitation code into a student."""

    def __init__(
        self,
        services: Services,
        questions: Questions,
        passwords: PasswordSteps,
        moves: AccountMoves,
        lockouts: Lockouts,
    ) -> None:
        self._services = services
        self._questions = questions
        self._passwords = passwords
        self._moves = moves
        self._lockouts = lockouts

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers of commands and taps; typed answers come through ``TypedTexts``."""
        return [
            CommandHandler("start", self._start, filters=TYPED),
            CommandHandler("cancel", self._cancel, filters=TYPED),
            CallbackQueryHandler(self._enter_code, pattern=r"^reg:enter$"),
            CallbackQueryHandler(self._update_password, pattern=r"^reg:password$"),
            CallbackQueryHandler(self._passwords.skip, pattern=r"^reg:skip$"),
            CallbackQueryHandler(self._cancel_tapped, pattern=r"^reg:cancel$"),
        ]

    def slash_handler(self) -> MessageHandler[Any, Any]:
        """Return what keeps a password with a slash from the commands, to be added in a group before theirs."""
        return MessageHandler(TYPED & filters.Regex("^/"), self._slash)

    async def _slash(self, update: Update, context: Context) -> None:
        """While a password is asked for, our own commands end the question; any other text is the password."""
        person = sender(update)
        step = await self._services.step(person)
        if step is None or step.name not in PASSWORDS:
            return
        command = _COMMAND.fullmatch(typed_text(update))
        if command is None:
            await self._passwords.take(update, context, step)
        elif command["other"] is not None:
            await self._cancel(update, context)
        else:
            return
        raise ApplicationHandlerStop

    # commands and taps

    async def _start(self, update: Update, context: Context) -> None:
        """Show the menu; with a code (from a link) begin the registration with it."""
        person = sender(update)
        self._passwords.end_trial(person)
        if context.args and self._services.storage.student(person) is None:
            await self._check_code(person, " ".join(context.args))
            return
        _ = self._services.texts(person)
        await self._questions.end(person, _("You are registered already.") if context.args else "")

    async def _enter_code(self, update: Update, context: Context) -> None:
        person = await self._services.screen_tapped(update)
        self._passwords.end_trial(person)
        if self._services.storage.student(person) is not None:
            await self._questions.end_in_place(person)
        elif locked := await self._lockouts.codes(person):
            await self._questions.end_in_place(person, locked)
        else:
            await self._questions.ask(person, CODE, {}, self._code_question(person), in_place=True)

    async def _update_password(self, update: Update, context: Context) -> None:
        person = await self._services.screen_tapped(update)
        self._passwords.end_trial(person)
        student = self._services.storage.student(person)
        if student is None:
            await self._questions.end_in_place(person)
        elif locked := await self._lockouts.passwords(person, student.username):
            await self._questions.end_in_place(person, locked)
        else:
            question = self._questions.password_question(person)
            await self._questions.ask(person, NEW_PASSWORD, {}, question, in_place=True)

    async def _cancel(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        step = await self._services.step(person)
        self._passwords.end_trial(person)
        await self._questions.end(person, _("Cancelled.") if step is not None and step.name in STEPS else "")

    async def _cancel_tapped(self, update: Update, context: Context) -> None:
        person = sender(update)
        _ = self._services.texts(person)
        step = await self._services.step(person)
        if step is None or step.name not in STEPS:
            await old_button(self._services, update)
            return
        await self._services.screen_tapped(update)
        self._passwords.end_trial(person)
        await self._questions.end_in_place(person, _("Cancelled."))

    # typed answers

    async def take_code(self, update: Update, context: Context, step: ConversationStep) -> None:
        """Take an invitation code, or a password that comes too late."""
        person, typed = sender(update), typed_text(update)
        if not _CODE.fullmatch(normalise_code(typed)) and self._questions.awaits_late_password(step):
            said = await self._questions.delete_stray(update)
            await self._questions.ask(person, CODE, {}, joined(said, self._code_question(person)))
            return
        await self._check_code(person, typed)

    async def _check_code(self, person: int, typed: str) -> None:
        _ = self._services.texts(person)
        code = normalise_code(typed)
        if locked := await self._lockouts.codes(person):  # a right code is not looked at either
            await self._questions.end(person, locked)
            return
        is_new = self._services.storage.student(person) is None
        if len(code) == MOVE_CODE_LENGTH and is_new and await self._moves.offer(person, code, self._questions.leave):
            return
        try:
            self._services.storage.check_code(code)
        except BAD_CODE as refusal:
            log.info("person %d: invitation code refused, %s", person, type(refusal).__name__)
            problem = refusal_text(_, refusal)
            if locked := await self._lockouts.wrong_code(person):
                log.warning("person %d: too many wrong codes", person)
                await self._questions.end(person, joined(problem, locked))
            else:
                await self._questions.ask(person, CODE, {}, problem)
            return
        question = _(
            "The code is good. Now send me your username on the portal: a login such as a_student, or your e-mail."
        )
        await self._questions.ask(person, USERNAME, {"code": code}, question)

    async def take_username(self, update: Update, context: Context, step: ConversationStep) -> None:
        """Take a portal username, or a password that comes too late."""
        person = sender(update)
        _ = self._services.texts(person)
        if self._questions.is_old(step):
            await self._questions.end(person, _("That question has expired. Please begin again."))
            return
        username = typed_text(update).strip()
        if self._questions.awaits_late_password(step):
            await self._questions.delete_password(update)
        if not _USERNAME.fullmatch(username) or len(username) > LONGEST_USERNAME:
            problem = _("That is no portal username. Send a login such as a_student, or your e-mail.")
            await self._questions.ask(person, USERNAME, step.data, problem)
            return
        try:
            # once more, so that no password is asked for where the code was revoked or used meanwhile
            self._services.storage.check_code(step.data["code"])
            self._services.storage.check_username(person, username)
        except BAD_CODE as refusal:
            await self._questions.ask(person, CODE, {}, refusal_text(_, refusal))
            return
        except UsernameTaken as refusal:
            await self._questions.ask(person, USERNAME, step.data, refusal_text(_, refusal))
            return
        if locked := await self._lockouts.passwords(person, username):
            await self._questions.end(person, locked)
            return
        question = self._questions.password_question(person)
        await self._questions.ask(person, PASSWORD, {**step.data, "username": username}, question)

    def _code_question(self, person: int) -> str:
        _ = self._services.texts(person)
        return _("Send me your invitation code, for example A3KX9M7P.")
