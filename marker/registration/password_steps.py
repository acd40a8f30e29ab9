"""The last step of a registration and of a new password: the password is tried on the portal, then stored."""

import asyncio
import logging
import unicodedata
from html import escape

from telegram import Update

from marker.admin.invitations import Invitations
from marker.lockouts import Lockouts
from marker.menu import changed_menu
from marker.monitors.password_check import Outcome, TrialResult
from marker.questions import PASSWORD, PASSWORDS, Questions, joined
from marker.registration.password_trials import UNTRIED, PasswordTrials, Trial
from marker.registration.refusals import BAD_CODE, refusal_text
from marker.services import Services
from storage import AlreadyRegistered, NotRegistered, StorageUnavailable, UsernameTaken
from telegram_app.i18n import Texts
from telegram_app.outbox import Button, Keyboard
from telegram_app.people import ConversationStep
from telegram_app.side import Context, below, sender, typed_text

log = logging.getLogger(__name__)

LONGEST = 200  # characters of a password


class PasswordSteps:
    """Takes typed passwords, has them tried, and stores those that the portal does not refuse."""

    def __init__(self, services: Services, questions: Questions, lockouts: Lockouts, invitations: Invitations) -> None:
        self._services = services
        self._questions = questions
        self._lockouts = lockouts
        self._invitations = invitations
        self._trials = PasswordTrials(services, lockouts, self._conclude, questions.tried)

    async def take(self, update: Update, context: Context) -> str | int:
        """Take the password of a registration, or a registered student's new one."""
        person, password = sender(update), typed_text(update)
        _ = self._services.texts(person)
        note = await self._questions.delete_password(update)
        self._trials.take_back(person)
        step = await self._questions.open_step(person, *PASSWORDS)
        student = self._services.storage.student(person)
        username = student.username if student is not None else ""
        if step is not None and step.name == PASSWORD:
            username = step.data["username"]
        if step is None or not username:
            return await self._questions.end(person, joined(note, _("That question has expired. Please begin again.")))
        if not _typable(password):
            problem = _("That is no password of the portal: it is too long, or has more than one line.")
            return await self._questions.ask(person, step.name, step.data, joined(note, problem))
        keyboard: Keyboard = [[Button(_("Skip"), "reg:skip"), Button(_("Cancel"), "reg:cancel")]]
        text = joined(note, _("Trying the password on the portal..."))
        await self._services.outbox.put(*below(person, text, keyboard))
        # in a task: the person's next taps, such as Skip, are handled meanwhile
        trial = Trial(person, step.name, step.data, username, password)
        self._trials.begin(trial, lambda work: context.application.create_task(work, update=update))
        return step.name

    async def skip(self, update: Update, context: Context) -> None:
        """Store the password untried; where none is being tried any more, show the present state."""
        person = await self._services.screen_tapped(update)
        trial = self._trials.take_back(person)
        if trial is not None:
            await self._conclude(trial, UNTRIED)
            return
        step = await self._services.step(person)
        if step is not None and step.name in PASSWORDS:  # from before a restart: the password is not there any more
            await self._questions.ask_again(person, step)
        else:
            await self._services.outbox.put(await changed_menu(self._services, person))

    def end_trial(self, person: int) -> None:
        """End the trial under way without an outcome; the question that waits for the password stays."""
        self._trials.take_back(person)

    async def _conclude(self, trial: Trial, result: TrialResult) -> None:
        """Do what the outcome of a trial asks for, unless the person has left the question meanwhile."""
        person, kept = trial.person, False
        _ = self._services.texts(person)
        step = await self._questions.open_step(person, trial.step)
        try:
            if step is None or step.data != trial.data:
                log.info("person %d: the question was left before the password was tried", person)
            elif result.outcome is Outcome.REFUSED:
                await self._ask_after_refusal(trial, result, step)
            elif result.outcome is Outcome.BLOCKED:
                words = _("The portal has blocked this account: {words}").format(words=f"«{escape(result.words)}»")
                await self._questions.end(person, joined(words, _("Ask your university's registrar's office.")))
            else:
                kept = await self._store(trial, result)
        finally:
            if not kept:
                await asyncio.to_thread(self._services.sign_in_check.forget, result)

    async def _ask_after_refusal(self, trial: Trial, result: TrialResult, step: ConversationStep) -> None:
        person = trial.person
        _ = self._services.texts(person)
        words = _("The portal refused the sign-in: {words}").format(words=f"«{escape(result.words)}»")
        refused = words if result.words else ""
        if trial.locked:
            log.warning("person %d: too many refused passwords", person)
            await self._questions.end(person, joined(refused, trial.locked))
        else:
            question = joined(refused, self._questions.password_question(person))
            await self._questions.ask(person, step.name, step.data, question, still_at=step)

    async def _store(self, trial: Trial, result: TrialResult) -> bool:
        """Register the student or store the new password; True where the student's profile is now the trial's."""
        person, storage = trial.person, self._services.storage
        is_registration = trial.step == PASSWORD
        _ = self._services.texts(person)
        try:
            if is_registration:
                code = trial.data["code"]
                await asyncio.to_thread(storage.redeem, code, person, trial.username, trial.password)
                await self._lockouts.code_redeemed(person)
            else:
                await asyncio.to_thread(storage.set_password, person, trial.password)
        except (*BAD_CODE, AlreadyRegistered, UsernameTaken) as refusal:
            await self._questions.end(person, refusal_text(_, refusal))
            return False
        except NotRegistered:  # removed meanwhile
            await self._questions.end(person)
            return False
        except StorageUnavailable as refusal:
            log.exception("person %d: %s not written", person, "registration" if is_registration else "new password")
            old = _("Your new password could not be saved. The old one is still there; please try again later.")
            await self._questions.end(person, refusal_text(_, refusal) if is_registration else old)
            return False
        kept = await self._adopt_profile(trial, result)  # before this a running monitor has the old password
        if is_registration:
            log.info("person %d: registered", person)
            done, messages = _("Registration complete!"), self._invitations.redeemed(code, trial.username)
        elif storage.student(person) is None:  # removed meanwhile
            await self._questions.end(person)
            return kept
        else:
            log.info("person %d: password updated", person)
            done, messages = _("The new password is saved."), []
        await self._questions.end(person, joined(done, _trial_line(_, result)), messages)
        return kept

    async def _adopt_profile(self, trial: Trial, result: TrialResult) -> bool:
        """Make the trial's browser profile the student's own, while no monitor of theirs runs.

        False where that can't be: the student was removed in this moment, or their monitor does not end.
        """
        services, adopted = self._services, False

        def meanwhile() -> None:
            nonlocal adopted
            adopted = services.storage.student(trial.person) is not None
            if adopted and result.profile is not None:
                services.sign_in_check.adopt(result.profile, trial.username)

        await services.registry.restart(trial.person, meanwhile)
        return adopted


def _typable(password: str) -> bool:
    """Say whether a form can take it: a line break would send the form, private-use characters are keys to a driver."""
    return len(password) <= LONGEST and not any(unicodedata.category(c) in ("Cc", "Co", "Cs") for c in password)


def _trial_line(_: Texts, result: TrialResult) -> str:
    """Return whether the portal has checked the password."""
    if result.outcome is Outcome.ACCEPTED:
        return _("The portal accepted your password.")
    if result is UNTRIED:  # the person pressed Skip
        return _("The password was not tried on the portal.")
    return _("The password could not be tried on the portal. You will get a message if the portal refuses it.")
