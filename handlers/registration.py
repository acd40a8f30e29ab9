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
from html import escape
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
from handlers.lockouts import Lockouts, too_many_codes, too_many_passwords
from handlers.menu import below, changed_menu, fresh_menu
from handlers.moves import MOVE_CODE_LENGTH, Moves
from handlers.password_trials import UNTRIED, PasswordTrials, Trial
from handlers.questions import ANSWER_WITHIN, CODE, NEW_PASSWORD, NOTE, PASSWORD, STEPS, USERNAME, open_step
from handlers.services import Services, sender, shown_in, tapped
from ledger import Step
from sign_in_check import Outcome, Verdict
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


class _StillAsked(filters.MessageFilter):
    """Lets no message through to a question that a trial has ended: python-telegram-bot did not see that end."""

    def __init__(self, left: set[int]) -> None:
        super().__init__("still asked")
        self._left = left

    def filter(self, message: Message) -> bool:
        return message.from_user is not None and message.from_user.id not in self._left


class Registration:
    """The conversation that turns an invitation code into a student."""

    def __init__(self, services: Services, invitations: Invitations, moves: Moves) -> None:
        """Take what the handlers work with, and the codes: an admin's note for one is a step of this conversation."""
        self._moves = moves
        self._services = services
        self._invitations = invitations
        self._lockouts = Lockouts(services)
        self._left: set[int] = set()  # whose question a trial has ended, outside of the conversation's handlers
        self._trials = PasswordTrials(services, self._lockouts, self._conclude)

    def handler(self) -> ConversationHandler[Any]:
        """Return the conversation."""
        text = _TYPED & filters.TEXT & ~filters.COMMAND
        password = _TYPED & filters.TEXT & ~_COMMAND & _StillAsked(self._left)
        with warnings.catch_warnings():
            # python-telegram-bot warns that buttons are not followed message by message; they need not be here
            warnings.filterwarnings("ignore", message=".*per_message=False", category=PTBUserWarning)
            return self._conversation(text, password)

    def _conversation(self, text: filters.BaseFilter, password: filters.BaseFilter) -> ConversationHandler[Any]:
        other_command: CommandHandler[Any, object] = CommandHandler(
            ("help", "language", "admin"), self._cancel, filters=_TYPED & _COMMAND & _StillAsked(self._left)
        )
        return ConversationHandler(
            entry_points=[
                CommandHandler("start", self._start, filters=_TYPED & _COMMAND),
                CallbackQueryHandler(self._enter_code, pattern=r"^reg:enter$"),
                CallbackQueryHandler(self._update_password, pattern=r"^reg:password$"),
                CallbackQueryHandler(self._skip, pattern=r"^reg:skip$"),
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
        self._trials.take(person)
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
        self._trials.take(person)
        if self._services.storage.student(person) is not None:
            await self._services.outbox.put(
                await changed_menu(self._services, person), when=lambda: self._leave(person)
            )
            return ConversationHandler.END
        until = await asyncio.to_thread(self._lockouts.codes_until, person)
        if until is not None:
            menu = await changed_menu(self._services, person, too_many_codes(_, until, self._services.clock.now()))
            await self._services.outbox.put(menu, when=lambda: self._leave(person))
            return ConversationHandler.END
        return await self._ask(person, CODE, {}, self._code_question(person), in_place=True)

    async def _update_password(self, update: Update, context: Context) -> str | int:
        query = await tapped(update)
        person = sender(update)
        await self._adopt(person, shown_in(query))
        self._trials.take(person)
        student = self._services.storage.student(person)
        if student is None:
            await self._services.outbox.put(
                await changed_menu(self._services, person), when=lambda: self._leave(person)
            )
            return ConversationHandler.END
        until = await asyncio.to_thread(self._lockouts.passwords_until, person, student.username)
        if until is not None:
            words = too_many_passwords(self._services.texts(person), until, self._services.clock.now())
            menu = await changed_menu(self._services, person, words)
            await self._services.outbox.put(menu, when=lambda: self._leave(person))
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
        self._trials.take(person)
        code = normalise_code(typed)
        until = await asyncio.to_thread(self._lockouts.codes_until, person)
        if until is not None:  # a right code is not looked at either
            return await self._end(person, too_many_codes(_, until, self._services.clock.now()))
        is_new = self._services.storage.student(person) is None
        if len(code) == MOVE_CODE_LENGTH and is_new and await self._moves.offer(person, code):
            await asyncio.to_thread(self._leave, person)
            return ConversationHandler.END
        try:
            self._services.storage.check_code(code)
        except _BAD_CODE as refusal:
            log.info("person %d: invitation code refused, %s", person, type(refusal).__name__)
            until = await asyncio.to_thread(self._lockouts.wrong_code, person)
            if until is not None:
                log.warning("person %d: too many wrong codes", person)
                locked = too_many_codes(_, until, self._services.clock.now())
                return await self._end(person, _joined(_code_problem(_, refusal), locked))
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
        until = await asyncio.to_thread(self._lockouts.passwords_until, person, username)
        if until is not None:
            return await self._end(person, too_many_passwords(_, until, self._services.clock.now()))
        return await self._ask(person, PASSWORD, {**step.data, "username": username}, self._password_question(person))

    async def _take_password(self, update: Update, context: Context) -> str | int:
        person = sender(update)
        _ = self._services.texts(person)
        password = _text(update)
        note = await self.delete_password(update)
        self._trials.take(person)
        step = await open_step(self._services, person, PASSWORD)
        if step is None:
            return await self._end_or_menu(person, note, PASSWORD)
        if not _typable(password):
            problem = _joined(note, _("That is no password of the portal: it is too long, or has more than one line."))
            return await self._ask(person, PASSWORD, step.data, problem)
        trial = Trial(person, PASSWORD, step.data, step.data["username"], password, note)
        return await self._begin_trial(trial, update, context)

    async def _take_new_password(self, update: Update, context: Context) -> str | int:
        person = sender(update)
        _ = self._services.texts(person)
        password = _text(update)
        note = await self.delete_password(update)
        self._trials.take(person)
        step = await open_step(self._services, person, NEW_PASSWORD)
        student = self._services.storage.student(person)
        if step is None or student is None:
            return await self._end_or_menu(person, note, NEW_PASSWORD)
        if not _typable(password):
            problem = _joined(note, _("That is no password of the portal: it is too long, or has more than one line."))
            return await self._ask(person, NEW_PASSWORD, {}, problem)
        trial = Trial(person, NEW_PASSWORD, step.data, student.username, password, note)
        return await self._begin_trial(trial, update, context)

    # the trial of a password

    async def _begin_trial(self, trial: Trial, update: Update, context: Context) -> str:
        """Say what is done now, and do it in a task: the person's next taps, such as Skip, are heard meanwhile."""
        person = trial.person
        _ = self._services.texts(person)
        keyboard: Keyboard = [[Button(_("Skip"), "reg:skip"), Button(_("Cancel"), "reg:cancel")]]
        text = _joined(trial.note, _("Trying the password on the portal..."))
        trial.note = ""
        await self._services.outbox.put(*below(person, text, keyboard))
        application = context.application
        self._trials.begin(trial, lambda work: application.create_task(work, update=update))
        return trial.step

    async def _skip(self, update: Update, context: Context) -> str | int:
        """Keep the password untried; where none is being tried any more, show what stands now."""
        query = await tapped(update)
        person = sender(update)
        await self._adopt(person, shown_in(query))
        trial = self._trials.take(person)
        if trial is not None:
            await self._conclude(trial, UNTRIED)
        step = await asyncio.to_thread(self._services.people.step, person)
        if trial is None and (step is None or step.name not in PASSWORDS):
            await self._services.outbox.put(await changed_menu(self._services, person))
        elif trial is None and step is not None:  # from before a restart: the password is not there any more
            await self.ask_again(person, step, "")
        return step.name if step is not None and step.name in STEPS else ConversationHandler.END

    async def _conclude(self, trial: Trial, verdict: Verdict) -> None:
        """Do what the outcome of a trial asks for, unless the person has left the question meanwhile."""
        person, kept = trial.person, False
        _ = self._services.texts(person)
        step = await open_step(self._services, person, trial.step)
        try:
            if step is None or step.data != trial.data:
                log.info("person %d: the question was left before the password was tried", person)
            elif verdict.outcome is Outcome.REFUSED:
                await self._ask_after_refusal(trial, verdict)
            elif verdict.outcome is Outcome.BLOCKED:
                words = _("The portal has blocked this account: {words}").format(words=f"«{escape(verdict.words)}»")
                await self._end(person, _joined(words, _("Ask your university's registrar's office.")))
            elif trial.step == PASSWORD:
                kept = await self._keep_student(trial, verdict)
            else:
                kept = await self._keep_password(trial, verdict)
        finally:
            if not kept:
                await asyncio.to_thread(self._services.sign_in_check.forget, verdict)
            step = await asyncio.to_thread(self._services.people.step, person)
            if step is None or step.name not in STEPS:
                self._left.add(person)

    async def _ask_after_refusal(self, trial: Trial, verdict: Verdict) -> None:
        person = trial.person
        _ = self._services.texts(person)
        words = _("The portal refused the sign-in: {words}").format(words=f"«{escape(verdict.words)}»")
        refused = words if verdict.words else ""
        if trial.locked_until is not None:
            log.warning("person %d: too many refused passwords", person)
            locked = too_many_passwords(_, trial.locked_until, self._services.clock.now())
            await self._end(person, _joined(refused, locked))
        else:
            await self._ask(person, trial.step, trial.data, _joined(refused, self._password_question(person)))

    async def _keep_student(self, trial: Trial, verdict: Verdict) -> bool:
        """Register; True where the trial's profile has found its place."""
        person, code, username = trial.person, trial.data["code"], trial.username
        _ = self._services.texts(person)
        try:
            await asyncio.to_thread(self._services.storage.redeem, code, person, username, trial.password)
        except AlreadyRegistered:
            await self._end(person, _("You are registered already."))
            return False
        except _BAD_CODE as refusal:
            await self._end(person, _code_problem(_, refusal))
            return False
        except UsernameTaken:
            await self._end(
                person,
                _("Another Telegram account has registered this username. Send yours, or ask the administrator."),
            )
            return False
        except StorageUnavailable:
            log.exception("person %d: registration not written", person)
            await self._end(
                person, _("Your registration could not be saved. Nothing was kept; please try again later.")
            )
            return False
        log.info("person %d: registered", person)
        await asyncio.to_thread(self._lockouts.code_redeemed, person)
        kept = await self._take_session(trial, verdict)
        told = self._invitations.redeemed(code, username)
        await self._end(person, _joined(_("Registration complete!"), _trial_line(_, verdict)), told)
        return kept

    async def _keep_password(self, trial: Trial, verdict: Verdict) -> bool:
        """Take the new password; True where the trial's profile has found its place."""
        person = trial.person
        _ = self._services.texts(person)
        try:
            await asyncio.to_thread(self._services.storage.set_password, person, trial.password)
        except NotRegistered:
            await self._end(person)
            return False
        except StorageUnavailable:
            log.exception("person %d: new password not written", person)
            await self._end(
                person, _("Your new password could not be saved. The old one is still there; please try again later.")
            )
            return False
        kept = await self._take_session(trial, verdict)  # and a running monitor still has the old password
        if self._services.storage.student(person) is None:  # removed meanwhile
            await self._end(person)
            return kept
        log.info("person %d: password updated", person)
        await self._end(person, _joined(_("The new password is saved."), _trial_line(_, verdict)))
        return kept

    async def _take_session(self, trial: Trial, verdict: Verdict) -> bool:
        """Put the session that the trial got into the student's profile, while no monitor runs there.

        False where that can't be: the student was removed in this moment, or their monitor does not end.
        """
        services, taken = self._services, False

        def meanwhile() -> None:
            nonlocal taken
            taken = services.storage.student(trial.person) is not None
            if taken and verdict.profile is not None:
                services.sign_in_check.adopt(verdict.profile, trial.username)

        await services.registry.restart(trial.person, meanwhile)
        return taken

    # the ways out

    async def _cancel(self, update: Update, context: Context) -> int:
        person = sender(update)
        _ = self._services.texts(person)
        self._trials.take(person)
        return await self._end(person, _("Cancelled."))

    async def _cancel_tapped(self, update: Update, context: Context) -> int:
        query = await tapped(update)
        person = sender(update)
        await self._adopt(person, shown_in(query))
        self._trials.take(person)
        _ = self._services.texts(person)
        menu = await changed_menu(self._services, person, _("Cancelled."))
        await self._services.outbox.put(menu, when=lambda: self._leave(person))
        return ConversationHandler.END

    async def _wants_text(self, update: Update, context: Context) -> int | None:
        person = sender(update)
        _ = self._services.texts(person)
        note = ""
        step = await asyncio.to_thread(self._services.people.step, person)
        if person in self._left:
            return await self._end(person)
        if step is not None and step.name in PASSWORDS:  # a caption or a voice may hold it, too
            note = await self.delete_password(update)
        await self._services.outbox.put(Item(person, "send", _joined(note, _("Please send it as text."))))
        return None

    # within

    def end_trial(self, person: int) -> None:
        """End the trial under way without an outcome: the person is being forgotten. A question that waits stays."""
        self._trials.take(person)

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

        self._left.discard(person)
        await self._services.outbox.put(*items, when=write)
        return step

    async def _end_or_menu(self, person: int, note: str, name: str) -> int:
        """Leave a question that is too old, or that a trial has ended without this conversation's own handlers."""
        _ = self._services.texts(person)
        step = await asyncio.to_thread(self._services.people.step, person)
        if step is not None and step.name == name:
            return await self._end(person, _joined(note, _("That question has expired. Please begin again.")))
        return await self._end(person, note or _("I have deleted your last message, since it may hold a password."))

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


def _trial_line(_: Texts, verdict: Verdict) -> str:
    """Say whether the portal has seen the password."""
    if verdict.outcome is Outcome.ACCEPTED:
        return _("The portal has accepted it.")
    if verdict is UNTRIED:  # the person's own wish
        return _("The password was not tried on the portal.")
    return _("The password could not be tried on the portal. You will hear when the portal refuses it.")


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


__all__ = ["STEPS", "Registration", "StrayTexts"]
