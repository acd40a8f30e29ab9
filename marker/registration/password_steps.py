"""The last step of a registration, which is also that of a new password: it is tried on the portal, then kept."""

import asyncio
import logging
import unicodedata
from html import escape

from telegram import Update
from telegram.ext import ContextTypes, ConversationHandler

from marker.admin.invitations import Invitations
from marker.lockouts import Lockouts, too_many_passwords
from marker.menu import changed_menu
from marker.monitors.password_check import Outcome, Verdict
from marker.questions import NEW_PASSWORD, PASSWORD, PASSWORDS, STEPS, Questions, joined, open_step
from marker.registration.code_problems import BAD_CODE, code_problem
from marker.registration.password_trials import UNTRIED, PasswordTrials, Trial
from marker.services import Services
from storage import AlreadyRegistered, NotRegistered, StorageUnavailable, UsernameTaken
from telegram_app.i18n import Texts
from telegram_app.outbox import Button, Keyboard
from telegram_app.side import below, sender, typed_text

log = logging.getLogger(__name__)

LONGEST = 200  # characters of a password

Context = ContextTypes.DEFAULT_TYPE


class PasswordSteps:
    """Takes typed passwords, has them tried, and keeps those that nothing speaks against."""

    def __init__(self, services: Services, questions: Questions, lockouts: Lockouts, invitations: Invitations) -> None:
        """Take what the handlers work with, the conversation's questions, and who tells admins of a used code."""
        self._services = services
        self._questions = questions
        self._lockouts = lockouts
        self._invitations = invitations
        self._trials = PasswordTrials(services, lockouts, self._conclude)

    async def take_password(self, update: Update, context: Context) -> str | int:
        """Take the password of a registration."""
        person = sender(update)
        _ = self._services.texts(person)
        password = typed_text(update)
        note = await self._questions.delete_password(update)
        self._trials.take(person)
        step = await open_step(self._services, person, PASSWORD)
        if step is None:
            return await self._questions.end_or_menu(person, note, PASSWORD)
        if not _typable(password):
            problem = joined(note, _("That is no password of the portal: it is too long, or has more than one line."))
            return await self._questions.ask(person, PASSWORD, step.data, problem)
        trial = Trial(person, PASSWORD, step.data, step.data["username"], password, note)
        return await self._begin_trial(trial, update, context)

    async def take_new_password(self, update: Update, context: Context) -> str | int:
        """Take a registered student's new password."""
        person = sender(update)
        _ = self._services.texts(person)
        password = typed_text(update)
        note = await self._questions.delete_password(update)
        self._trials.take(person)
        step = await open_step(self._services, person, NEW_PASSWORD)
        student = self._services.storage.student(person)
        if step is None or student is None:
            return await self._questions.end_or_menu(person, note, NEW_PASSWORD)
        if not _typable(password):
            problem = joined(note, _("That is no password of the portal: it is too long, or has more than one line."))
            return await self._questions.ask(person, NEW_PASSWORD, {}, problem)
        trial = Trial(person, NEW_PASSWORD, step.data, student.username, password, note)
        return await self._begin_trial(trial, update, context)

    async def skip(self, update: Update, context: Context) -> str | int:
        """Keep the password untried; where none is being tried any more, show what stands now."""
        person = await self._services.screen_tapped(update)
        trial = self._trials.take(person)
        if trial is not None:
            await self._conclude(trial, UNTRIED)
        step = await asyncio.to_thread(self._services.people.step, person)
        if trial is None and (step is None or step.name not in PASSWORDS):
            await self._services.outbox.put(await changed_menu(self._services, person))
        elif trial is None and step is not None:  # from before a restart: the password is not there any more
            await self._questions.ask_again(person, step, "")
        return step.name if step is not None and step.name in STEPS else ConversationHandler.END

    def end_trial(self, person: int) -> None:
        """End the trial under way, without an outcome; the question that waits for the password stays."""
        self._trials.take(person)

    # within

    async def _begin_trial(self, trial: Trial, update: Update, context: Context) -> str:
        """Say what is done now, and do it in a task: the person's next taps, such as Skip, are heard meanwhile."""
        person = trial.person
        _ = self._services.texts(person)
        keyboard: Keyboard = [[Button(_("Skip"), "reg:skip"), Button(_("Cancel"), "reg:cancel")]]
        text = joined(trial.note, _("Trying the password on the portal..."))
        trial.note = ""
        await self._services.outbox.put(*below(person, text, keyboard))
        application = context.application
        self._trials.begin(trial, lambda work: application.create_task(work, update=update))
        return trial.step

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
                await self._questions.end(person, joined(words, _("Ask your university's registrar's office.")))
            elif trial.step == PASSWORD:
                kept = await self._keep_student(trial, verdict)
            else:
                kept = await self._keep_password(trial, verdict)
        finally:
            if not kept:
                await asyncio.to_thread(self._services.sign_in_check.forget, verdict)
            step = await asyncio.to_thread(self._services.people.step, person)
            if step is None or step.name not in STEPS:
                self._questions.left.add(person)

    async def _ask_after_refusal(self, trial: Trial, verdict: Verdict) -> None:
        person = trial.person
        _ = self._services.texts(person)
        words = _("The portal refused the sign-in: {words}").format(words=f"«{escape(verdict.words)}»")
        refused = words if verdict.words else ""
        if trial.locked_until is not None:
            log.warning("person %d: too many refused passwords", person)
            locked = too_many_passwords(_, trial.locked_until, self._services.clock.now())
            await self._questions.end(person, joined(refused, locked))
        else:
            await self._questions.ask(
                person, trial.step, trial.data, joined(refused, self._questions.password_question(person))
            )

    async def _keep_student(self, trial: Trial, verdict: Verdict) -> bool:
        """Register; True where the trial's profile has found its place."""
        person, code, username = trial.person, trial.data["code"], trial.username
        _ = self._services.texts(person)
        try:
            await asyncio.to_thread(self._services.storage.redeem, code, person, username, trial.password)
        except AlreadyRegistered:
            await self._questions.end(person, _("You are registered already."))
            return False
        except BAD_CODE as refusal:
            await self._questions.end(person, code_problem(_, refusal))
            return False
        except UsernameTaken:
            await self._questions.end(
                person,
                _("Another Telegram account has registered this username. Send yours, or ask the administrator."),
            )
            return False
        except StorageUnavailable:
            log.exception("person %d: registration not written", person)
            await self._questions.end(
                person, _("Your registration could not be saved. Nothing was kept; please try again later.")
            )
            return False
        log.info("person %d: registered", person)
        await asyncio.to_thread(self._lockouts.code_redeemed, person)
        kept = await self._take_session(trial, verdict)
        told = self._invitations.redeemed(code, username)
        await self._questions.end(person, joined(_("Registration complete!"), _trial_line(_, verdict)), told)
        return kept

    async def _keep_password(self, trial: Trial, verdict: Verdict) -> bool:
        """Take the new password; True where the trial's profile has found its place."""
        person = trial.person
        _ = self._services.texts(person)
        try:
            await asyncio.to_thread(self._services.storage.set_password, person, trial.password)
        except NotRegistered:
            await self._questions.end(person)
            return False
        except StorageUnavailable:
            log.exception("person %d: new password not written", person)
            await self._questions.end(
                person, _("Your new password could not be saved. The old one is still there; please try again later.")
            )
            return False
        kept = await self._take_session(trial, verdict)  # and a running monitor still has the old password
        if self._services.storage.student(person) is None:  # removed meanwhile
            await self._questions.end(person)
            return kept
        log.info("person %d: password updated", person)
        await self._questions.end(person, joined(_("The new password is saved."), _trial_line(_, verdict)))
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


def _typable(password: str) -> bool:
    """Say whether a form can take it: a line break would send the form, private-use characters are keys to a driver."""
    return len(password) <= LONGEST and not any(unicodedata.category(c) in ("Cc", "Co", "Cs") for c in password)


def _trial_line(_: Texts, verdict: Verdict) -> str:
    """Say whether the portal has seen the password."""
    if verdict.outcome is Outcome.ACCEPTED:
        return _("The portal has accepted it.")
    if verdict is UNTRIED:  # the person's own wish
        return _("The password was not tried on the portal.")
    return _("The password could not be tried on the portal. You will hear when the portal refuses it.")
