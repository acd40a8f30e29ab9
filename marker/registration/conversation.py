"""Registration: invitation code, portal username, password; and the question for a new password.

Each step is stored before the next question is asked, so a restart in between loses nothing.
"""

import logging
import re
import warnings
from dataclasses import dataclass
from html import escape
from typing import Any

from telegram import Update
from telegram.ext import BaseHandler, CallbackQueryHandler, CommandHandler, ConversationHandler, MessageHandler, filters
from telegram.warnings import PTBUserWarning

from marker.admin.invitations import Invitations
from marker.admin.moves import AccountMoves
from marker.admin.panel import Handler
from marker.lockouts import CODES, WORDS, Lockouts
from marker.menu import fresh_menu, old_button
from marker.questions import CODE, NEW_PASSWORD, NOTE, PASSWORD, PASSWORDS, STEPS, USERNAME, Questions, Where, joined
from marker.registration.passwords import BAD_CODE, PasswordSteps, refusal_text
from marker.services import Services
from storage import CODE_LENGTH, StorageError, UnknownCode, UsernameTaken
from telegram_app.lines import toast
from telegram_app.move_codes import MOVE_CODE_LENGTH
from telegram_app.outbox import Item
from telegram_app.side import TYPED, Context, sender, tapped_data, typed_text
from telegram_app.typed_codes import codes_in, payload, written

log = logging.getLogger(__name__)

LONGEST_USERNAME = 100

_USERNAME = re.compile(r"[A-Za-z0-9_][\w.+-]*(@[\w-]+(\.[\w-]+)+)?", re.ASCII)
# A password may begin with a slash; only our own commands, as Telegram's menu sends them, are no passwords.
_COMMAND = filters.Regex(r"(?i)^/(start(@\w+)?(\s+\S+)*|(cancel|help|language|admin)(@\w+)?)\s*$")
_LENGTHS = (CODE_LENGTH, MOVE_CODE_LENGTH)
_WRITTEN = TYPED & (filters.TEXT | filters.CAPTION) & ~filters.COMMAND
_HAS_CODE = Where(lambda message: any(codes_in(written(message), *_LENGTHS)))


@dataclass(eq=False)
class Registration:
    """The conversation that turns an invitation code into a student. It also asks for new passwords and notes."""

    _services: Services
    _questions: Questions
    _passwords: PasswordSteps
    _moves: AccountMoves
    _lockouts: Lockouts
    _invitations: Invitations

    def handlers(self) -> list[BaseHandler[Any, Any, Any]]:
        """Return the conversation, and the handler of /cancel outside of it, which shows the menu."""
        with warnings.catch_warnings():
            # python-telegram-bot warns that buttons are not followed message by message; they need not be here
            warnings.filterwarnings("ignore", message=".*per_message=False", category=PTBUserWarning)
            return [self._conversation(), self._cancel_handler()]

    def _conversation(self) -> ConversationHandler[Any]:
        return ConversationHandler(
            entry_points=[
                CommandHandler("start", self._start, filters=TYPED & _COMMAND),
                CallbackQueryHandler(self._begin, pattern=r"^reg:(enter|password)$"),
                MessageHandler(_WRITTEN & self._questions.asked(None) & _HAS_CODE, self._take_code),
                *self._invitations.note_handlers(),
            ],
            states={
                CODE: [MessageHandler(_WRITTEN & self._questions.asked(CODE), self._take_code)],
                USERNAME: [self._answer_handler(USERNAME, self._take_username)],
                PASSWORD: self._password_handlers(PASSWORD),
                NEW_PASSWORD: self._password_handlers(NEW_PASSWORD),
                NOTE: [self._answer_handler(NOTE, self._invitations.take_note)],
            },
            fallbacks=[
                self._cancel_handler(),
                CallbackQueryHandler(self._cancel, pattern=r"^reg:cancel$"),
                MessageHandler(TYPED & ~filters.TEXT & ~filters.StatusUpdate.ALL, self._ask_for_text),
            ],
            allow_reentry=True,
            persistent=True,
            name="registration",
        )

    def _answer_handler(
        self, step: str, take: Handler, commands: filters.BaseFilter = filters.COMMAND
    ) -> MessageHandler[Any, Any]:
        return MessageHandler(TYPED & filters.TEXT & ~commands & self._questions.asked(step), take)

    def _password_handlers(self, step: str) -> list[BaseHandler[Any, Any, Any]]:
        """Return the handlers of a password's state. Other commands end the question: what follows is no password."""
        ends = TYPED & _COMMAND & self._questions.asked(step)
        return [
            self._answer_handler(step, self._passwords.take, _COMMAND),
            CommandHandler(("help", "language", "admin"), self._cancel, filters=ends),
            CallbackQueryHandler(self._passwords.skip, pattern=r"^reg:skip$"),
            CallbackQueryHandler(self._change_username, pattern=r"^reg:username$"),
        ]

    def _cancel_handler(self) -> CommandHandler[Any, Any]:
        return CommandHandler("cancel", self._cancel, filters=TYPED & _COMMAND)

    # commands and taps

    async def _start(self, update: Update, context: Context) -> str | int:
        """Show the menu; with a code (from a link) begin the registration with it."""
        person = sender(update)
        self._passwords.take_back(person)
        return await (self._take_code(update, context) if context.args else self._questions.end(person))

    async def _begin(self, update: Update, context: Context) -> str | int:
        """Ask for a code, or for a registered student's new password, as the tapped button says."""
        person, _ = self._services.who(update)
        self._passwords.take_back(person)
        student = self._services.storage.student(person)
        if (student is None) != (tapped_data(update) == "reg:enter"):
            await self._services.screen_tapped(update, _("This button is no longer in use."))
            return await self._questions.end(person, in_place=True)
        checked = self._lockouts.passwords(person, student.username) if student else self._lockouts.codes(person)
        question = self._questions.password_question(person, {}) if student else self._code_question(person)
        locked = await checked
        await self._services.screen_tapped(update, toast(locked or question))
        if locked:
            return await self._questions.end(person, locked, in_place=True)
        step = NEW_PASSWORD if student is not None else CODE
        return await self._questions.ask(person, step, {}, question, in_place=True)

    async def _change_username(self, update: Update, context: Context) -> str | int:
        """Ask for the username again, before the password; of a registered student, too, whose account then changes."""
        person, _ = self._services.who(update)
        self._passwords.take_back(person)
        step = await self._questions.open_step(person, *PASSWORDS)
        question = _("Send me your username on the portal: a login such as a_student, or your e-mail.")
        expired = _("That question has expired. Please begin again.")
        await self._services.screen_tapped(update, toast(question if step is not None else expired))
        if step is None:
            return await self._questions.end(person, in_place=True)
        return await self._questions.ask(person, USERNAME, step.data, question, in_place=True)

    async def _cancel(self, update: Update, context: Context) -> str | int:
        """Leave the question; an old question's button only brings the menu up to date."""
        person, _ = self._services.who(update)
        step, is_tap = await self._services.step(person), update.callback_query is not None
        was_asked = step is not None and step.name in STEPS
        if is_tap and not was_asked:
            await old_button(self._services, update)
            return ConversationHandler.END
        if is_tap:
            await self._services.screen_tapped(update, _("Cancelled."))
        self._passwords.take_back(person)
        return await self._questions.end(person, _("Cancelled.") if was_asked else "", in_place=is_tap)

    async def _ask_for_text(self, update: Update, context: Context) -> None:
        """Say that a photo or a voice message is no answer; its caption or sound may hold the password, too."""
        person = sender(update)
        step = await self._services.step(person)
        if step is None or step.name not in STEPS:
            return
        _ = self._services.texts(person)
        note = await self._questions.delete_password(update) if step.name in PASSWORDS else ""
        await self._services.outbox.put(Item(person, "send", joined(note, _("Please send it as text."))))

    # typed answers

    async def _take_code(self, update: Update, context: Context) -> str | int:
        """Begin with a right code; otherwise count a wrong try and ask for a code.

        It comes by a link, as the answer to the question for it, or unasked: then a text that is hardly a code is
        answered like any other.
        """
        person, _ = self._services.who(update)
        text, step = written(update.effective_message), await self._services.step(person)
        sure, words = codes_in(payload(context.args) if context.args else text, *_LENGTHS)
        is_asked = bool(context.args) or (step is not None and step.name == CODE)
        is_late = await self._questions.may_be_password(person, text)
        if self._services.storage.student(person) is not None:
            if is_asked or (sure and not is_late):
                refused = _("You are registered already. A code is for somebody who is not: they send it to me.")
                return await self._questions.end(person, "" if self._services.settings.single_user else refused)
            sure, words = [], []
        refusal: StorageError = UnknownCode()
        was_locked = locked = await self._lockouts.codes(person) if sure or words else ""
        for code in () if was_locked else (*sure, *words):  # a right code is not looked at either
            if len(code) == MOVE_CODE_LENGTH:
                if await self._moves.offer(person, code):
                    return ConversationHandler.END
                continue
            try:
                self._services.check_code(code)
            except UnknownCode:
                continue
            except BAD_CODE as error:
                refusal = error
            else:
                return await self._ask_username(person, code)
        is_code = bool(sure) or not isinstance(refusal, UnknownCode)
        if (sure or words) and not was_locked:
            log.info("person %d: invitation code refused, %s", person, type(refusal).__name__)
            if locked := await self._lockouts.wrong_code(person, CODES if is_code else WORDS):
                log.warning("person %d: too many wrong codes", person)
        if not is_asked and not is_code:
            await self._typed(update, context)
            return ConversationHandler.END
        note = await self._questions.delete_stray(update) if is_late else ""
        problem = refusal_text(_, refusal) if is_code or context.args else ""
        if locked:
            return await self._questions.end(person, joined(note, "" if was_locked else problem, locked))
        if not problem:
            problem = joined("" if note else _("I see no code in your message."), self._code_question(person))
        return await self._questions.ask(person, CODE, {}, joined(note, problem))

    async def _ask_username(self, person: int, code: str) -> str:
        """Ask for the username, and say beforehand whose bot this is and what it does."""
        _, contact = self._services.texts(person), " ".join(self._services.settings.operator_contact.split())
        question = _(
            "The code is good. Now send me your username on the portal: a login such as a_student, or your e-mail."
        )
        terms = _(
            "Before you do: this bot is run by {operator}, who can technically use your password.\n"
            "Automatic mode acts in your name. It is only for lessons that you attend, and your university's rules are "
            "yours to check.\n"
            "{button} in the menu deletes everything at any time."
        ).format(operator=escape(contact) or _("the administrator who invited you"), button=_("Delete My Data"))
        return await self._questions.ask(person, USERNAME, {"code": code}, joined(question, terms))

    async def _take_username(self, update: Update, context: Context) -> str | int:
        """Take a portal username, or a password that comes too late."""
        person, _ = self._services.who(update)
        step, student = await self._questions.open_step(person, USERNAME), self._services.storage.student(person)
        code = step.data.get("code") if step is not None else None
        if step is None or (code is None and student is None):
            return await self._questions.end(person, _("That question has expired. Please begin again."))
        username = typed_text(update).strip()
        if self._questions.awaits_late_password(step):
            await self._questions.delete_password(update)
        is_name = _USERNAME.fullmatch(username) and code not in codes_in(username, CODE_LENGTH)[0]
        if not is_name or len(username) > LONGEST_USERNAME:
            problem = _("That is no portal username. Send a login such as a_student, or your e-mail.")
            return await self._questions.ask(person, USERNAME, step.data, problem)
        try:
            if code is not None:  # once more, so that no password is asked for where it was revoked or used meanwhile
                self._services.check_code(code)
            self._services.storage.check_username(person, username)
        except BAD_CODE as refusal:
            return await self._questions.ask(person, CODE, {}, refusal_text(_, refusal))
        except UsernameTaken as refusal:
            return await self._questions.ask(person, USERNAME, step.data, refusal_text(_, refusal))
        if locked := await self._lockouts.passwords(person, username):
            return await self._questions.end(person, locked)
        data = {**step.data, "username": username}
        return await self._questions.ask_password(person, PASSWORD if code is not None else NEW_PASSWORD, data)

    def _code_question(self, person: int) -> str:
        _ = self._services.texts(person)
        return _("Send me your invitation code, for example A3KX9M7P.")

    # what people type outside of a question: late passwords are deleted, other texts answered with the menu

    def stray_handlers(self) -> list[MessageHandler[Context, Any]]:
        """Return the handlers of other texts, to be added after all others of their group."""
        messages = filters.UpdateType.MESSAGE | filters.UpdateType.EDITED_MESSAGE
        return [MessageHandler(messages & filters.ChatType.PRIVATE & filters.TEXT, self._typed)]

    async def _typed(self, update: Update, context: Context) -> None:
        """Delete what may be a password; otherwise show the menu. An edited message gets no other answer."""
        person, text = sender(update), written(update.effective_message)
        if await self._questions.may_be_password(person, text):
            await self._delete(update)
        elif update.edited_message is None:
            _ = self._services.texts(person)
            headline = _("I don't know that command.") if text.startswith("/") else ""
            await self._services.outbox.put(*await fresh_menu(self._services, person, headline))

    async def _delete(self, update: Update) -> None:
        person = sender(update)
        said = await self._questions.delete_stray(update)
        step = await self._services.step(person)
        if step is not None and step.name in PASSWORDS:  # the question still stands
            await self._questions.ask_password(person, step.name, step.data, said)
        elif step is not None and step.name in STEPS:
            await self._services.outbox.put(Item(person, "send", said))
        else:
            await self._questions.end(person, said)
