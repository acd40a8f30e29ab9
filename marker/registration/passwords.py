"""The last step of a registration and of a new password: the password is tried on the portal, then stored."""

import asyncio
import logging
import unicodedata
from dataclasses import dataclass, field
from html import escape
from typing import Any

from telegram import Update

import storage
from marker.account_texts import account_texts
from marker.admin.invitations import Invitations
from marker.lockouts import Lockouts
from marker.menu import show_menu
from marker.monitors.password_check import Outcome, TrialResult
from marker.questions import PASSWORD, PASSWORDS, Questions, joined
from marker.services import Services
from telegram_app.i18n import Texts
from telegram_app.outbox import Button, Keyboard
from telegram_app.side import Context, below, sender, typed_text

log = logging.getLogger(__name__)

LONGEST = 200  # characters of a password
BAD_CODE = (storage.UnknownCode, storage.CodeUsed, storage.CodeRevoked, storage.CodeExpired)
UNTRIED = TrialResult(Outcome.NOT_TRIED)
_AGAIN = (Outcome.REFUSED, Outcome.PASSWORD_EXPIRED)  # another password is asked for, and this one is not stored


def refusal_text(_: Texts, refusal: storage.StorageError) -> str:
    """Return why a registration was refused, and what to do."""
    texts: dict[type[storage.StorageError], str] = {
        storage.CodeUsed: _("This invitation code has been used already. Ask the administrator for a new one."),
        storage.CodeRevoked: _("This invitation code has been revoked. Ask the administrator for a new one."),
        storage.CodeExpired: _("This invitation code has expired. Ask the administrator for a new one."),
        storage.UsernameTaken: _(
            "Another Telegram account has registered this username. Send yours, or ask the administrator."
        ),
        storage.AlreadyRegistered: _("You are registered already."),
        storage.StorageUnavailable: _(
            "Your registration could not be saved. Nothing was kept; please try again later."
        ),
    }
    unknown = _("There is no such invitation code. Check it and send it again, or ask the administrator.")
    return texts.get(type(refusal), unknown)


@dataclass(eq=False)
class Trial:
    """A typed password that is being tried, in memory alone: for whom, at which step, for which account."""

    person: int
    step: str
    data: dict[str, Any]
    username: str
    password: str = field(repr=False)
    locked: str = ""  # the text for a person who has no tries left
    task: "asyncio.Task[None] | None" = None


@dataclass(eq=False)
class PasswordSteps:
    """Takes typed passwords, has them tried, and stores those that the portal does not refuse.

    At most one trial runs for each person, and one at a time for each portal account.
    """

    _services: Services
    _questions: Questions
    _lockouts: Lockouts
    _invitations: Invitations
    _running: dict[int, Trial] = field(default_factory=dict)

    async def take(self, update: Update, context: Context) -> str | int:
        """Take the password of a registration, or a registered student's new one."""
        person, password = sender(update), typed_text(update)
        _ = self._services.texts(person)
        note = await self._questions.delete_password(update)
        self.take_back(person)
        step = await self._questions.open_step(person, *PASSWORDS)
        student = self._services.storage.student(person)
        username = (step.data.get("username") if step is not None else "") or (student.username if student else "")
        if step is None or not username:
            return await self._questions.end(person, joined(note, _("That question has expired. Please begin again.")))
        if not _typable(password):
            problem = _("That is no password of the portal: it is too long, or has more than one line.")
            return await self._questions.ask(person, step.name, step.data, joined(note, problem))
        keyboard: Keyboard = [[Button(_("Skip"), "reg:skip"), Button(_("Cancel"), "reg:cancel")]]
        text = joined(note, _("Trying the password on the portal..."))
        await self._services.outbox.put(*below(person, text, keyboard))
        self.take_back(person)
        self._questions.tried.add(person)
        trial = self._running[person] = Trial(person, step.name, step.data, username, password)
        # in a task: the person's next taps, such as Skip, are handled meanwhile
        trial.task = context.application.create_task(self._run(trial), update=update)
        return step.name

    async def skip(self, update: Update, context: Context) -> None:
        """Store the password untried; where none is being tried any more, show the present state."""
        person, _ = self._services.who(update)
        trial = self.take_back(person)
        is_over = _("This button is no longer in use.")
        await self._services.screen_tapped(update, _trial_line(_, UNTRIED) if trial is not None else is_over)
        if trial is not None:
            return await self._conclude(trial, UNTRIED)
        step = await self._services.step(person)
        if step is not None and step.name in PASSWORDS:  # from before a restart: the password is not there any more
            await self._questions.ask_password(person, step.name, step.data)
        else:
            await show_menu(self._services, person)
        return None

    def take_back(self, person: int) -> Trial | None:
        """End the trial under way and return it; None where there is none, or its outcome is being told already.

        The question that waits for the password stays.
        """
        trial = self._running.pop(person, None)
        if trial is not None and trial.task is not None:
            self._questions.tried.discard(person)
            trial.task.cancel()
        return trial

    async def _run(self, trial: Trial) -> None:
        result = await self._try(trial)
        # no await in between: from here on nobody can take it back
        if self._running.get(trial.person) is not trial:
            return await asyncio.to_thread(self._services.sign_in_check.forget, result)
        del self._running[trial.person]
        try:
            if result.outcome is not Outcome.CLOSING:  # else the question stands, and is asked again after the start
                await self._conclude(trial, result)
        finally:
            if trial.person not in self._running:  # else they have typed another password meanwhile
                self._questions.tried.discard(trial.person)
        return None

    async def _try(self, trial: Trial) -> TrialResult:
        person, username = trial.person, trial.username
        async with self._lockouts.turn(username):
            # within the lock: many people at once must not get more tries than one
            trial.locked = await self._lockouts.passwords(person, username)
            if trial.locked:
                return TrialResult(Outcome.REFUSED)
            result = await self._services.sign_in_check.attempt(username, trial.password)
            log.info("person %d: password tried, %s", person, result.outcome.value)
            # the others count, too: each costs the portal a sign-in
            if result.outcome in _AGAIN or result.code == "AccountLocked":
                trial.locked = await self._lockouts.refused(person, username)
            elif result.outcome is Outcome.ACCEPTED:
                await self._lockouts.accepted(username)
            return result

    async def _conclude(self, trial: Trial, result: TrialResult) -> None:
        """Do what the outcome of a trial asks for, unless the person has left the question meanwhile."""
        person, kept = trial.person, False
        _ = self._services.texts(person)
        step = await self._questions.open_step(person, trial.step)
        try:
            if step is None or step.data != trial.data:
                log.info("person %d: the question was left before the password was tried", person)
            elif result.outcome in _AGAIN:
                refused = account_texts(_, result.code or "SignInRefused", result.words)[0] if result.words else ""
                if result.outcome is Outcome.PASSWORD_EXPIRED:
                    wanted, _todo = account_texts(_, "PasswordExpired", result.words)
                    refused = joined(wanted, _("Set it there, then send it here."))
                if trial.locked:
                    log.warning("person %d: too many refused passwords", person)
                    tried = f"<b>{escape(trial.username)}</b>"
                    await self._questions.end(person, joined(tried, refused, trial.locked))
                else:
                    await self._questions.ask_password(person, step.name, step.data, refused, still_at=step)
            elif result.outcome is Outcome.BLOCKED:
                await self._questions.end(person, joined(*account_texts(_, result.code, result.words)))
            else:
                kept = await self._store(trial, result)
        finally:
            if not kept:
                await asyncio.to_thread(self._services.sign_in_check.forget, result)

    async def _store(self, trial: Trial, result: TrialResult) -> bool:
        """Register the student or store the new password; True where the student's profile is now the trial's."""
        person, store = trial.person, self._services.storage
        is_registration, before = trial.step == PASSWORD, store.student(person)
        _ = self._services.texts(person)
        try:
            if is_registration:
                code = trial.data["code"]
                self._services.check_code(code)  # its admin may be none any more after a restart
                await asyncio.to_thread(store.redeem, code, person, trial.username, trial.password)
                await self._lockouts.code_redeemed(person)
            else:
                await asyncio.to_thread(store.set_password, person, trial.password, trial.username)
        except storage.NotRegistered:  # removed meanwhile
            await self._questions.end(person)
            return False
        except storage.StorageError as refusal:
            text = refusal_text(_, refusal)
            if isinstance(refusal, storage.StorageUnavailable):
                log.exception("person %d: %s not written", person, trial.step)
            if not is_registration and not isinstance(refusal, storage.UsernameTaken):
                text = _("Your new password could not be saved. The old one is still there; please try again later.")
            await self._questions.end(person, text)
            return False
        kept = await self._adopt_profile(trial, result, before)  # before this a running monitor has the old password
        if is_registration:
            log.info("person %d: registered", person)
            done, messages = _("Registration complete!"), self._invitations.redeemed(code, trial.username)
        elif store.student(person) is None:  # removed meanwhile
            await self._questions.end(person)
            return kept
        else:
            log.info("person %d: password updated", person)
            done, messages = _("The new password is saved."), []
        await self._questions.end(person, joined(done, _trial_line(_, result)), messages)
        return kept

    async def _adopt_profile(self, trial: Trial, result: TrialResult, before: storage.Student | None) -> bool:
        """Make the trial's browser profile the student's own, while no monitor of theirs runs.

        The profile of another account that they had ``before`` is deleted. False where that can't be: the student was
        removed in this moment, or their monitor does not end.
        """
        services, adopted, key = self._services, False, storage.account_key(trial.username)

        def meanwhile() -> None:
            nonlocal adopted
            adopted = services.storage.student(trial.person) is not None
            if adopted and result.profile is not None:
                services.sign_in_check.adopt(result.profile, trial.username)
            if adopted and before is not None and storage.account_key(before.username) != key:
                services.forget_profile(before.username)

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
    why = {
        "PortalSlow": _("The portal is very slow at the moment, so the password was not tried to the end."),
        "PortalUnavailable": _("The portal is down at the moment, so the password was not tried."),
        "NotThePortal": _("Something else than the portal answers at its address, so the password was not tried."),
        "UnknownView": _("The portal shows a page that I don't know, so the password was not tried."),
    }.get(result.code, _("The password could not be tried on the portal."))
    return why + " " + _("You will get a message if the portal refuses it.")
