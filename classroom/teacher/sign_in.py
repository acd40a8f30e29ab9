"""A teacher's sign-in: the phone number, and with an LMS also the password and the e-mail address.

The message with the password is deleted first. The password is held in memory only, until the sign-in: after a restart
it is asked for again. Refused sign-ins are counted, see telegram_app.attempts.py.
"""

import asyncio
import logging
from datetime import timedelta

from telegram import Update
from telegram.constants import MessageLimit

from classroom.error_codes import code_of, noted
from classroom.lms import (
    LmsError,
    LmsRefused,
    LmsUnavailable,
    NotATeacher,
    SignedInElsewhere,
    UnknownTeacher,
    WrongPassword,
)
from classroom.lms.tables import FileWrong
from classroom.services import Classroom, typed
from telegram_app.outbox import Item
from telegram_app.side import sender

log = logging.getLogger(__name__)

PHONE, PASSWORD, EMAIL = "phone", "password", "email"  # names of conversation steps
DELETE_WITHIN = 3.0  # seconds
ASKED_AGAIN_WITHIN = timedelta(minutes=30)  # later, what is typed is no answer any more
LONGEST_EMAIL = 254
COUNTED = (WrongPassword, NotATeacher, LmsRefused)  # each tells something to somebody who guesses


class SignIn:
    """The conversation until a teacher is signed in."""

    def __init__(self, classroom: Classroom) -> None:
        self._classroom = classroom
        self._side = classroom.teacher
        self._passwords: dict[int, str] = {}  # by teacher: typed, and not yet tried

    async def ask_phone(self, person: int, headline: str = "") -> None:
        """Ask for the person's own phone number, which Telegram confirms."""
        _ = self._side.texts(person)
        self._passwords.pop(person, None)
        await self._classroom.set_step(self._side, person, PHONE)
        text = _("Share your phone number with the button below: I look you up by it.")
        await self._ask(person, f"{headline}\n\n{text}".strip(), contact=True)

    async def phone(self, update: Update) -> bool:
        """Handle a contact; return whether the teacher is signed in now."""
        person, message = sender(update), update.effective_message
        contact = message.contact if message is not None else None
        _ = self._side.texts(person)
        if message is None or contact is None:
            return False
        if contact.user_id != person or message.forward_origin is not None:
            await self._ask(person, _("That is not your own number. Press the button below."), contact=True)
            return False
        number = "".join(character for character in contact.phone_number if character.isdigit())
        if not self._classroom.lms.needs_password:
            return await self._sign_in(person, number, "", "")
        if await self._tell_locked(person):
            return False
        await self._classroom.set_step(self._side, person, PASSWORD, {"phone": number})
        text = _("Now send your LMS password. I delete your message at once, and keep the password encrypted.")
        await self._ask(person, text)
        return False

    async def password(self, update: Update, phone: str) -> None:
        """Handle a password: delete its message first, then ask for the address."""
        person, message = sender(update), update.effective_message
        _ = self._side.texts(person)
        text = typed(update)
        deleted = message is not None and await self._side.outbox.delete(person, message.message_id, DELETE_WITHIN)
        lines = [] if deleted else [_("I could not delete your message with the password. Please delete it yourself.")]
        if not 1 <= len(text) <= MessageLimit.MAX_TEXT_LENGTH or "\n" in text:
            await self._ask(person, "\n".join([*lines, _("That is not a password. Send it as one line.")]))
            return
        self._passwords[person] = text
        await self._classroom.set_step(self._side, person, EMAIL, {"phone": phone})
        await self._ask(person, "\n".join([*lines, _("Now send the e-mail address that you use in the LMS.")]))

    async def email(self, update: Update, phone: str) -> bool:
        """Handle an e-mail address and sign in; return whether that worked."""
        person, address = sender(update), typed(update)
        _ = self._side.texts(person)
        if "@" not in address.strip("@") or len(address) > LONGEST_EMAIL or any(map(str.isspace, address)):
            await self._ask(person, _("That is not an e-mail address. Send one such as name@example.org."))
            return False
        if (password := self._passwords.get(person)) is None:
            await self._ask_password_again(person, phone)
            return False
        account = address.casefold()
        async with self._classroom.sign_in_locks.turn(account):
            return not await self._tell_locked(person, account) and await self._sign_in(
                person, phone, address, password, account
            )

    async def _tell_locked(self, person: int, account: str = "") -> bool:
        """Tell a person whose passwords are not tried now for how long; return whether that is so."""
        _, n = self._side.texts(person), await self._classroom.sign_in_locks.minutes_left(person, account)
        if n:
            self._passwords.pop(person, None)
            await self._classroom.set_step(self._side, person, "")
            text = _.ngettext(
                "The LMS has refused too many sign-ins. Try again in {n} minute.",
                "The LMS has refused too many sign-ins. Try again in {n} minutes.",
                n,
            )
            await self._side.outbox.put(Item(person, "send", text.format(n=n), ask="nothing"))
        return n > 0

    async def may_be_password(self, person: int, _text: str) -> bool:
        """Say whether what a person types may be a password."""
        step = await self._side.step(person)
        return step is not None and step.name == PASSWORD

    async def ask_again(self) -> None:
        """After a restart, ask again for the passwords that are due: one that was typed may be lost."""
        for person, step in (await asyncio.to_thread(self._side.people.steps, PASSWORD, EMAIL)).items():
            if person not in self._passwords and self._classroom.clock.now() - step.at < ASKED_AGAIN_WITHIN:
                await self._ask_password_again(person, step.data["phone"])

    async def _ask_password_again(self, person: int, phone: str) -> None:
        _ = self._side.texts(person)
        await self._classroom.set_step(self._side, person, PASSWORD, {"phone": phone})
        await self._ask(person, _("I was restarted meanwhile. Please send your LMS password again."))

    async def _sign_in(self, person: int, phone: str, email: str, password: str, account: str = "") -> bool:
        _ = self._side.texts(person)
        try:
            signed_in = await self._classroom.lms.sign_in(person, f"+{phone}", email, password)
        except LmsError as error:
            is_counted = bool(account) and isinstance(error, COUNTED)
            if is_counted:
                await self._classroom.sign_in_locks.refused(person, account)
            if not is_counted or not await self._tell_locked(person, account):
                await self._refused(person, phone, error)
            return False
        if account:
            await self._classroom.sign_in_locks.accepted(account, person)
        self._passwords.pop(person, None)
        await self._classroom.store.save_teacher(signed_in.teacher)
        await self._classroom.set_step(self._side, person, "")
        log.info("teacher %d: signed in", person)
        if self._classroom.sync is not None:
            self._classroom.sync.signed_in(person)
        lines = [_("You are signed in.")]
        if signed_in.others_ended:
            lines.append(_("Your other sessions in the LMS were ended for this."))
        await self._side.outbox.put(Item(person, "send", "\n".join(lines), ask="nothing"))
        return True

    async def _refused(self, person: int, phone: str, error: LmsError) -> None:
        """Tell the teacher why the sign-in failed, and ask for what is needed now."""
        _ = self._side.texts(person)
        reference = noted(log, code_of(error), f"teacher {person}: {type(error).__name__}: {error}", logging.WARNING)
        known = " " + _("(reference {reference})").format(reference=reference)
        if isinstance(error, WrongPassword):
            self._passwords.pop(person, None)
            await self._classroom.set_step(self._side, person, PASSWORD, {"phone": phone})
            text = _("The LMS does not take this password with this address. Send the password once more.")
        elif isinstance(error, NotATeacher):
            self._passwords.pop(person, None)
            await self._classroom.set_step(self._side, person, PHONE)
            text = _("This is not a teacher's account in the LMS. This bot is for teachers only.")
        elif isinstance(error, UnknownTeacher):
            await self._classroom.set_step(self._side, person, PHONE)
            text = _("Nobody is listed as a teacher with this phone number. Speak to whoever runs the classroom.")
        elif isinstance(error, SignedInElsewhere):
            text = _("The LMS says that you are signed in elsewhere. Sign out there, and send the address again.")
        elif isinstance(error, LmsUnavailable):
            text = _("The LMS does not answer now. Send the address again in a minute.")
            if not self._classroom.lms.needs_password:
                text = _("The list of teachers can't be read now. Share your number again in a minute.")
        elif isinstance(error, FileWrong):
            text = _("The list of teachers has a mistake. Speak to whoever runs the classroom.")
        else:
            text = _("The LMS refuses the sign-in. Speak to whoever runs the LMS.")
        await self._side.outbox.put(Item(person, "send", text + known))

    async def _ask(self, person: int, text: str, contact: bool = False) -> None:
        _ = self._side.texts(person)
        item = Item(person, "send", text, ask="nothing")
        if contact:
            item = Item(person, "send", text, ask="contact", ask_label=_("Share My Phone Number"))
        await self._side.outbox.put(item)
